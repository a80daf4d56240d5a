//! Open Cloud Mesh as peers call it: discovery, shares, notifications, invites, tokens, keys.
//!
//! A front-end: it translates requests into calls of the domain and the domain's answers into what peers expect.
