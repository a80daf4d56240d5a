//! What clients of Nextcloud, ownCloud and OpenCloud ask beside WebDAV: who the server is, what it can do, who the
//! person is, how to log in, what has changed, which spaces there are. Translates; decides nothing.
