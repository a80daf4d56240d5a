//! Two-way synchronisation of a local folder with a folder of a space.

pub mod chunks;
pub mod digest;
pub mod remote;
pub mod transfer;
