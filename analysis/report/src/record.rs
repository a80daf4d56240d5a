//! What is known of a run besides its numbers: inputs, recipe, engine, agent, times. The caller fills it in.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment, as seconds and nanoseconds since 1970-01-01 UTC. Always a parameter, never read from a clock here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanoseconds: u32,
}

impl UnixTime {
    /// The moment of a system clock reading.
    #[must_use]
    pub fn from_system(time: std::time::SystemTime) -> Self {
        match time.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => Self { seconds: since.as_secs() as i64, nanoseconds: since.subsec_nanos() },
            Err(_) => Self { seconds: 0, nanoseconds: 0 },
        }
    }

    /// RFC 3339 in UTC, `2026-11-20T10:12:00.25Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let nanoseconds = i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds);
        OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
            .ok()
            .and_then(|t| t.format(&Rfc3339).ok())
            .unwrap_or_else(|| format!("{} s after 1970-01-01", self.seconds))
    }

    /// For people: `2026-11-20 10:12:00 UTC`.
    #[must_use]
    pub fn readable(self) -> String {
        let text = Self { nanoseconds: 0, ..self }.rfc3339();
        text.replace('T', " ").replace('Z', " UTC")
    }
}

impl Serialize for UnixTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

/// What a file was to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputRole {
    /// One measured map.
    SubAperture,
    /// The list of positions.
    Positions,
    /// The reference map that the recipe names.
    Reference,
    /// Another file that the recipe names: angles, a profile, a map of a step.
    Named,
    /// `stitch.toml`.
    Recipe,
}

impl InputRole {
    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SubAperture => "sub-aperture",
            Self::Positions => "positions",
            Self::Reference => "reference",
            Self::Named => "named by the recipe",
            Self::Recipe => "recipe",
        }
    }
}

/// A file the run read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Input {
    /// File name in the folder.
    pub name: String,
    /// What it was to the run.
    pub role: InputRole,
    /// Id of the version, where the file came from a store.
    pub version: Option<String>,
    /// SHA-256 of the content, lower-case hex.
    pub sha256: String,
    /// Size of the content, bytes.
    pub bytes: u64,
    /// Format it was read as, for sub-apertures: `MetroPro .dat (format 1)`.
    pub format: Option<String>,
    /// When it was measured, where the file tells.
    pub acquired_at: Option<UnixTime>,
    /// Where its position came from: `recipe`, `positions.csv`, `comment`, `stage`.
    pub position_from: Option<String>,
}

/// The recipe of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecipeRecord {
    /// The text as found, `None` if there was none and the default was used.
    pub text: Option<String>,
    /// Where the text came from, for people: `stitch.toml`, or words such as `the default recipe of the space`; `None`
    /// without a text.
    pub origin: Option<String>,
    /// SHA-256 of the text as found, or of the resolved default recipe.
    pub sha256: String,
    /// Every key with the value that was used, as TOML.
    pub resolved: String,
}

/// Everything about a run that is not a number of its result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// Name of the series: the folder's name.
    pub title: String,
    /// Id of the run in the store, if it has one.
    pub run: Option<String>,
    /// The files read, sorted by name.
    pub inputs: Vec<Input>,
    /// Files in the folder that are no part of the series.
    pub ignored: Vec<String>,
    /// The recipe.
    pub recipe: RecipeRecord,
    /// Parameters as resolved, each with its unit in the name.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// Engine and its revision, `stitchbox 0.1.0/1`; part of the run's identity.
    pub engine: String,
    /// Program that ran it and its version.
    pub software: String,
    /// For whom or what it ran: a user or a service.
    pub agent: String,
    /// Site or machine, if it is to be told.
    pub site: Option<String>,
    /// Where the inputs were read, if they lie elsewhere than beside the results: peer and path, for people.
    pub source: Option<String>,
    /// Camera column and row of the reference's first pixel: the least of all detector windows.
    pub camera_origin: [i64; 2],
    /// When the run began.
    pub started_at: UnixTime,
    /// When the map was ready, if the caller keeps time.
    pub ended_at: Option<UnixTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc() {
        let t = UnixTime { seconds: 1_700_000_000, nanoseconds: 250_000_000 };
        assert_eq!(t.rfc3339(), "2023-11-14T22:13:20.25Z");
        assert_eq!(t.readable(), "2023-11-14 22:13:20 UTC");
    }
}
