//! What can go wrong with one request, in words a person can act on.

use std::time::Duration;

use reqwest::StatusCode;

use crate::sabre::Words;

/// An answer that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// What the body says.
    pub words: Words,
    /// `Retry-After`, when the server names a time.
    pub retry_after: Option<Duration>,
    /// `Location` of a redirection.
    pub moved_to: Option<String>,
}

/// A request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No connection, or it broke.
    #[error("no answer from the server: {}; check the network and the address", chain(.0))]
    Network(#[source] reqwest::Error),
    /// Connected, but nothing moved any more.
    #[error("the server has not answered for {} s; try again later", .0.as_secs())]
    Stalled(Duration),
    /// The server said no.
    #[error("{}", sentence(.0))]
    Refused(Box<Refusal>),
    /// A local file cannot be read or written.
    #[error("{path}: {error}")]
    Local {
        /// Which one.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A local file became another while it was sent; nothing of it was stored.
    #[error("{path} changed while it was sent; it is sent again when it is still")]
    SourceChanged {
        /// Which one.
        path: String,
    },
    /// The answer is not what the protocol says.
    #[error("the server's answer is not understood ({0}); is this the address of a WebDAV folder?")]
    Malformed(&'static str),
    /// What arrived is not what the server has.
    #[error("the content arrived damaged ({0}); try again")]
    Damaged(&'static str),
    /// Nothing is at the address.
    #[error("it is not there")]
    NotThere,
    /// The address cannot be used.
    #[error("{0} cannot be used as an address")]
    Address(String),
}

impl WireError {
    /// The failure of a local file.
    pub fn local(path: &std::path::Path, error: std::io::Error) -> Self {
        Self::Local { path: path.display().to_string(), error }
    }

    /// The status, if the server answered at all.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status.as_u16()),
            _ => None,
        }
    }

    /// Whether the same request may succeed a little later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Network(error) => !error.is_builder() && !error.is_redirect(),
            Self::Refused(refusal) => matches!(refusal.status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504),
            Self::Stalled(_) | Self::Damaged(_) => true,
            Self::Local { .. }
            | Self::SourceChanged { .. }
            | Self::Malformed(_)
            | Self::NotThere
            | Self::Address(_) => false,
        }
    }

    /// Whether the server may have done what was asked although no answer came.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Network(error) => !error.is_connect() && !error.is_builder(),
            Self::Refused(refusal) => matches!(refusal.status.as_u16(), 500 | 502 | 504),
            Self::Stalled(_) => true,
            _ => false,
        }
    }

    /// How long the server asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }
}

impl From<reqwest::Error> for WireError {
    fn from(error: reqwest::Error) -> Self {
        // an address in an error could hold a token
        Self::Network(error.without_url())
    }
}

fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// What, why, what next.
fn sentence(refusal: &Refusal) -> String {
    let next = match refusal.status.as_u16() {
        300..=399 => match &refusal.moved_to {
            Some(place) => return format!("the server is at another address: use {place}"),
            None => "the server points elsewhere without saying where",
        },
        401 => "the server does not accept this user and password; log in again with `stitchbox login`",
        403 => "the server does not allow it",
        404 => "it is not there",
        405 => "something is there already, or the address cannot do this",
        409 => "the folder above is not there",
        412 => "it was changed by somebody else meanwhile",
        413 => "it is larger than the server takes",
        423 => "somebody has locked it; try again later",
        429 => "the server asks to go slower; try again later",
        507 => "the space is full; delete something or ask for more room",
        500 | 502..=504 => "the server is in trouble; try again later",
        _ => "the server refused",
    };
    let status = refusal.status.as_u16();
    if refusal.words.message.is_empty() {
        format!("{next} (status {status})")
    } else {
        format!("{next}: {} (status {status})", refusal.words.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, message: &str) -> WireError {
        WireError::Refused(Box::new(Refusal {
            status: StatusCode::from_u16(status).unwrap(),
            words: Words { exception: String::new(), message: message.to_owned() },
            retry_after: None,
            moved_to: None,
        }))
    }

    #[test]
    fn the_servers_words_reach_the_person() {
        let text = refused(507, "the quota of 10 MiB is used").to_string();
        assert!(text.contains("the space is full") && text.contains("the quota of 10 MiB is used"), "{text}");
    }

    #[test]
    fn only_passing_failures_are_tried_again() {
        let passing: Vec<u16> =
            (400..600).filter(|s| StatusCode::from_u16(*s).is_ok() && refused(*s, "").is_passing()).collect();
        assert_eq!(passing, [408, 425, 429, 500, 502, 503, 504]);
        assert!(!WireError::SourceChanged { path: String::new() }.is_passing());
    }
}
