//! HTTP as it is safe to speak with strangers: no private addresses, no redirects to others, nothing without an end.

mod body;
mod call;
mod policy;
mod reach;
mod resolve;

pub use body::{ByteStream, Incoming};
pub use call::{Answer, Call, Http};
pub(crate) use call::{name_of, refusal, same_origin};
pub use policy::{Policy, PolicyError};
pub use reach::{Reach, reach_of};
