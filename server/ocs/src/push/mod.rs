//! Telling clients at once that something changed, so that they need not ask.

mod listener;
mod pre_auth;
mod pulse;
mod seats;
mod socket;
mod sse;

pub(crate) use pre_auth::post as pre_auth;
pub(crate) use pulse::Pulse;
pub(crate) use seats::Seats;
pub(crate) use socket::get as socket;
pub(crate) use sse::get as sse;
