//! The client of Open Cloud Mesh: signed messages to peers, and what they answered.

mod calls;
mod share;

pub use calls::OcmClient;
pub use share::Sent;
