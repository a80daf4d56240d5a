//! Open Cloud Mesh: the wire and its dialects, discovery, signatures, and the client that calls other sites.
//!
//! Mechanics: it knows no users, no SQL and no server, and decides nothing.
