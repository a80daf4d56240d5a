//! Who calls, as far as it could be found out, and why a call is refused.

use crate::Error;
use std::net::IpAddr;
use stitchbox_federation::address::Host;
use stitchbox_federation::wire::WireError;

/// A peer that we believe to be calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The site.
    pub host: Host,
    /// Whether a signature says so; else it has never signed, and is believed as long as the secrets fit.
    pub has_signed: bool,
    /// The address it came from.
    pub client: IpAddr,
}

/// Why what a peer says is not taken.
#[derive(Debug, thiserror::Error)]
pub enum CallRefusal {
    /// Federation is off.
    #[error("this installation does not take part in a federation")]
    Off,
    /// The administrator's trust does not reach the peer.
    #[error("{0} is not among the sites this installation shares with; its administrator can allow it")]
    Untrusted(Host),
    /// A signature is there, and is not good.
    #[error("the signature is not valid: {0}")]
    BadSignature(String),
    /// It has signed before, or has to, and does not now.
    #[error("{0} is supposed to sign its requests")]
    Unsigned(Host),
    /// The message cannot be read.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// A field names what is not there, or may not be.
    #[error("{text}")]
    Field {
        /// The field.
        name: &'static str,
        /// What is wrong, a word for programs.
        word: &'static str,
        /// What is wrong, for people.
        text: &'static str,
    },
    /// Nothing here is known by this id and secret.
    #[error("there is no share with this id and secret")]
    UnknownShare,
    /// It may not do this.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// An invite that is unknown or has ended.
    #[error("the invite is not valid or has ended; ask for a new one")]
    InviteEnded,
    /// An invite that somebody accepted before.
    #[error("the invite was accepted already")]
    InviteTaken,
    /// Too many calls at once, or too much that waits.
    #[error("too many calls; come back in {seconds} s")]
    TooMany {
        /// How long to wait.
        seconds: u64,
    },
    /// Trouble here.
    #[error("{0}")]
    Own(#[from] Error),
}

impl From<stitchbox_store::StoreError> for CallRefusal {
    fn from(error: stitchbox_store::StoreError) -> Self {
        Self::Own(error.into())
    }
}

impl From<crate::seal::SealError> for CallRefusal {
    fn from(error: crate::seal::SealError) -> Self {
        Self::Own(error.into())
    }
}
