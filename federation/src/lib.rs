#![doc = include_str!("../README.md")]

pub mod address;
pub mod dav;
pub mod dialect;
pub mod discover;
pub mod http;
pub mod jws;
pub mod keys;
pub mod ocm;
pub mod peer_error;
pub mod secret;
pub mod signature;
pub mod wire;

pub use crate::http::{Http, Policy};
pub use address::{FederatedId, Host};
pub use dav::{ReceivedShare, RemoteDav, RemoteEntry};
pub use discover::{Peer, discover};
pub use keys::SiteKeys;
pub use ocm::OcmClient;
pub use peer_error::PeerError;
pub use secret::Secret;
