//! Repeating a run whose results lie in a folder, and what sites attest about runs of ours.
//!
//! The way of a repetition: somebody asks ([`Domain::request_rerun`]), a worker leases it ([`Domain::lease_rerun`]), fetches
//! and checks every input against the crate, runs the same recipe, compares, and hands the outcome back
//! ([`Domain::finish_rerun`]). The outcome is signed and, for a received folder, goes to the owner through the outbox; for a
//! folder of our own it is taken in at once, as if a peer had sent it ([`Domain::receive_attestation`]).

mod publish;
mod receive;
mod request;
mod seams;
mod sign;
mod work;

pub use receive::AttestationRefused;
pub use request::RerunError;
pub use work::{LeasedRerun, Outcome, RerunEnding};

#[cfg(doc)]
use crate::Domain;
