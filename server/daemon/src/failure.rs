//! Why a command of the program did not do its work: sentences for the administrator.

use crate::config::ConfigError;
use std::net::SocketAddr;
use std::path::PathBuf;
use stitchbox_blob::BlobError;
use stitchbox_domain::Error;
use stitchbox_store::StoreError;

/// The end of a command that failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A file or folder.
    #[error("{doing} {path}: {source}")]
    File {
        /// What was attempted.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Another server has the data folder.
    #[error("another stitchboxd serves the data folder {0} already; stop it first, or take another folder")]
    Served(PathBuf),
    /// The address.
    #[error("cannot listen on {address}: {source}; take another address with --listen, or port 0 for a free one")]
    Listen {
        /// As asked for.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The metadata store.
    #[error("the metadata store cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The blob store.
    #[error("the blob store cannot be opened: {0}")]
    Blob(#[from] BlobError),
    /// The rules.
    #[error("{0}")]
    Domain(#[from] Error),
    /// An order was refused.
    #[error("{0}")]
    Refused(String),
    /// The running server did not answer an order.
    #[error("the running server did not carry out the order: {0}")]
    Socket(String),
    /// A part of the program ended that should not.
    #[error("the {0} ended although nobody asked it to; the log says why")]
    TaskEnded(&'static str),
    /// Something outside of our words.
    #[error("{doing}: {reason}")]
    Other {
        /// What was attempted.
        doing: &'static str,
        /// Why it failed.
        reason: String,
    },
}

impl Failure {
    /// For `map_err` on file operations.
    pub fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }

    /// For `map_err` on everything else.
    pub fn other<E: std::fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Other { doing, reason: error.to_string() }
    }
}
