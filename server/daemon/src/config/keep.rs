//! `[keep]`: how long things are kept that nobody sees any more.

use super::{Span, UnitError, load};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// `[keep]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// How long a deleted item can be restored.
    pub trash: Kept,
    /// How old an earlier version of a file may become.
    pub versions: Kept,
    /// Whether earlier versions become fewer with age.
    pub thin_versions: bool,
    /// How long the bytes of a version stay after it.
    #[serde(deserialize_with = "load::kept_blobs")]
    pub blobs: Span,
    /// How long the journal remembers a change.
    pub changes: Kept,
}

impl Default for Keep {
    fn default() -> Self {
        let days = |count: u64| Duration::from_secs(count * 24 * 60 * 60);
        Self {
            trash: Kept(Some(days(30))),
            versions: Kept(None),
            thin_versions: true,
            blobs: Span(days(2)),
            changes: Kept(Some(days(90))),
        }
    }
}

impl Keep {
    /// As the rules have it.
    pub(super) fn settings(&self) -> stitchbox_domain::Keep {
        stitchbox_domain::Keep {
            trash: self.trash.0,
            versions: self.versions.0,
            thin_versions: self.thin_versions,
            blobs: self.blobs.0,
            changes: self.changes.0,
        }
    }
}

/// A time to keep something: at least an hour, or `"0"` for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept(pub Option<Duration>);

const LEAST: Duration = Duration::from_secs(60 * 60);

/// The text is no such time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    /// Less than an hour.
    #[error("{0} is too short a time to keep anything; give at least \"1 h\", or \"0\" to keep it for ever")]
    TooShort(Span),
    /// No duration at all.
    #[error("{0}, or \"0\" for ever")]
    Unreadable(#[from] UnitError),
}

impl FromStr for Kept {
    type Err = KeptError;
    fn from_str(text: &str) -> Result<Self, KeptError> {
        if text.trim() == "0" {
            return Ok(Self(None));
        }
        match text.parse::<Span>()? {
            span if span.0 < LEAST => Err(KeptError::TooShort(span)),
            span => Ok(Self(Some(span.0))),
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(kept) => Span(kept).fmt(f),
            None => f.write_str("0"),
        }
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_for_no_time_at_all() {
        assert_eq!("0".parse(), Ok(Kept(None)));
        assert_eq!("30 d".parse(), Ok(Kept(Some(Duration::from_secs(30 * 86_400)))));
        for wrong in ["10 min", "0 s", "never", ""] {
            let why = wrong.parse::<Kept>().unwrap_err().to_string();
            assert!(why.contains("for ever"), "{why}");
        }
        for text in ["0", "30 d", "36 h"] {
            assert_eq!(text.parse::<Kept>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_rules_have_the_same_defaults() {
        assert_eq!(Keep::default().settings(), stitchbox_domain::Keep::default());
    }
}
