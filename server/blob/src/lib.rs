//! Every byte: immutable blobs, named by id, staged and then published.
//!
//! A blob becomes visible whole or not at all, and [`Staged::publish`] returns only when it is durable: on a local
//! folder after the file and its folder were flushed, on an object store after its acknowledgement. Who refers to a blob
//! is the metadata store's business; this crate knows ids and bytes.

mod error;
mod key;
mod local;
mod remote;
mod store;

pub use error::BlobError;
pub use key::Key;
pub use store::{BlobStore, BlobStream, Staged};

/// Size of the one buffer a body passes through, bytes. (Facts: 4 KiB buffers cost a factor of eight in speed.)
pub const BUFFER_BYTES: usize = 512 * 1024;
