#![doc = include_str!("../README.md")]

pub mod address;
pub mod dialect;
pub mod jws;
pub mod keys;
pub mod secret;
pub mod wire;
