//! The whole front-end through its router, over a store of its own in a temporary folder.

mod access;
mod bulk;
mod files;
mod keeping;
mod listings;
mod locks;
mod persons;
mod properties;
mod shared;
mod shared_escape;
mod shared_mounts;
mod tree;
mod tus;
mod uploads;
mod world;
