//! WebDAV.
mod content_type;
mod entity_tags;
mod if_header;
mod mount;
mod range;
mod xml_in;
mod xml_requests;
