//! What can go wrong with a peer, told so that a person knows whose turn it is, and a retry knows whether it makes sense.

use crate::dialect::CannotShare;
use crate::keys::KeyError;

/// Why a call to a peer failed. `host` is `host[:port]`; words of the peer are bounded and printable, to be shown as a quotation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// No connection: name, network or TLS.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The peer.
        host: String,
        /// The deepest cause that the network code tells.
        reason: String,
    },
    /// It took too long, or sent so slowly that it never ends.
    #[error("{host} did not answer in time ({doing})")]
    TimedOut {
        /// The peer.
        host: String,
        /// What was waited for.
        doing: &'static str,
    },
    /// An address that this server must not call.
    #[error("{host} is not called: {why}")]
    ForbiddenAddress {
        /// The peer.
        host: String,
        /// The rule.
        why: &'static str,
    },
    /// A redirect, which is never followed to another origin.
    #[error("{host} answered {status} and points to {to}, which is not followed; the site's address may be wrong")]
    Redirected {
        /// The peer.
        host: String,
        /// 301 to 308.
        status: u16,
        /// Where to.
        to: String,
    },
    /// It answered with a refusal or an error of its own.
    #[error("{host} answered {status}{}", quoted(.words))]
    Refused {
        /// The peer.
        host: String,
        /// Status of the answer.
        status: u16,
        /// Its own words; may be empty.
        words: String,
        /// Seconds it asked to wait.
        retry_after: Option<u64>,
    },
    /// A share was refused in both forms.
    #[error("the share was refused in both forms: first {first}; then {second}")]
    RefusedTwice {
        /// The answer to the form chosen first.
        first: Box<PeerError>,
        /// The answer to the other.
        second: Box<PeerError>,
    },
    /// The answer is longer than is read.
    #[error("{host} sent more than the {limit} bytes that are read of such an answer")]
    TooLarge {
        /// The peer.
        host: String,
        /// Bytes.
        limit: u64,
    },
    /// There is no Open Cloud Mesh at this host.
    #[error("{host} shows no Open Cloud Mesh: {why}")]
    NotAPeer {
        /// The peer.
        host: String,
        /// What was found instead.
        why: &'static str,
    },
    /// A URL it gave is not of its own origin.
    #[error("{host} names a {what} on another origin ({url}), which is not called")]
    OutsideOrigin {
        /// The peer.
        host: String,
        /// Which URL.
        what: &'static str,
        /// The URL.
        url: String,
    },
    /// An answer that cannot be understood.
    #[error("{host} sent an answer that cannot be understood: {what}")]
    Malformed {
        /// The peer.
        host: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Fewer or more bytes than it said.
    #[error("{host} announced {expected} bytes and sent {got}")]
    WrongLength {
        /// The peer.
        host: String,
        /// Bytes announced.
        expected: u64,
        /// Bytes that came.
        got: u64,
    },
    /// The file there is another version than the one asked for.
    #[error("the file at {host} has changed since it was listed")]
    Changed {
        /// The peer.
        host: String,
    },
    /// Nothing of this kind can be shared with it.
    #[error("nothing can be shared with {host}: {why}")]
    CannotShare {
        /// The peer.
        host: String,
        /// Why.
        why: CannotShare,
    },
    /// It does not offer what is needed.
    #[error("{host} offers no {what}")]
    NotOffered {
        /// The peer.
        host: String,
        /// What is missing.
        what: &'static str,
    },
    /// The request could not be signed with our key.
    #[error("the request could not be signed: {0}")]
    NotSigned(#[from] KeyError),
    /// What was to be sent could not be read here: not the peer's fault.
    #[error("what was to be sent could not be read here: {reason}")]
    OwnSide {
        /// The cause.
        reason: String,
    },
}

impl PeerError {
    /// Whether the same call may well succeed later without anybody changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::WrongLength { .. } | Self::OwnSide { .. } => true,
            // a maintenance page shows no Open Cloud Mesh either
            Self::NotAPeer { .. } | Self::Malformed { .. } | Self::Redirected { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 423 | 425 | 429 | 500 | 502..=599),
            Self::RefusedTwice { first, second } => first.retryable() || second.retryable(),
            Self::ForbiddenAddress { .. }
            | Self::TooLarge { .. }
            | Self::OutsideOrigin { .. }
            | Self::Changed { .. }
            | Self::CannotShare { .. }
            | Self::NotOffered { .. }
            | Self::NotSigned(_) => false,
        }
    }

    /// Whether nobody is there: the peer did not answer at all, or only to say that it cannot now. A breaker counts these.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::WrongLength { .. } => true,
            Self::Refused { status, .. } => matches!(status, 429 | 500 | 502..=599),
            _ => false,
        }
    }

    /// Whether what was asked for may be gone or taken away (401, 403, 404, 410). Never delete anything on this alone.
    #[must_use]
    pub fn may_be_gone(&self) -> bool {
        matches!(self.status(), Some(401 | 403 | 404 | 410))
    }

    /// The status the peer answered with, if it answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Redirected { status, .. } => Some(*status),
            Self::RefusedTwice { second, .. } => second.status(),
            _ => None,
        }
    }

    /// Seconds the peer asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn quoted(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": “{words}”") }
}
