//! Several sites that share with each other: real ones with TLS by a test authority, and small programs that behave as the
//! programs other sites run were measured to behave (`shared/facts/ocm.md`).

mod authority;
mod dialect;
mod fake_dav;
mod fake_peer;
mod gate;
mod peer_client;
mod person;
mod signature;
mod site;
mod wire;

pub use authority::{Authority, Identity};
pub use dialect::Dialect;
pub use fake_dav::{Node, Tree};
pub use fake_peer::{FakePeer, Received};
pub use gate::{Gate, Mode};
pub use peer_client::{OurShare, Seen};
pub use person::Person;
pub use signature::{Keys, Signed, check, sign_cavage, sign_message};
pub use site::{Site, SiteSettings};
pub use wire::{Answer, Fault, Listener, Request, exchange};
