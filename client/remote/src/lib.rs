//! The server as the client's programs see it: files by WebDAV, the feed of changes and the rest by the JSON interface.
