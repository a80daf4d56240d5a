//! Why a run ended without a result, in sentences for `Stitched.error.txt`.

use std::fmt;

/// What kind of failure it is, for decisions; the message is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// There is no recipe and at most one sub-aperture: nothing to stitch, and nothing to complain about.
    TooFew,
    /// Files of the series cannot be read or are damaged.
    BadFiles,
    /// `stitch.toml`, `positions.csv` or the reference is wrong or missing.
    BadRecipe,
    /// No position, or not for all.
    NoPositions,
    /// The files are readable but do not form one series.
    BadSeries,
    /// It would take more memory than allowed.
    TooLarge,
    /// Reading failed on this side; trying again may help.
    Storage,
    /// Asked to stop.
    Cancelled,
    /// A fault of the program.
    Internal,
}

/// A run without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFailure {
    /// What kind it is.
    pub kind: FailureKind,
    /// What, which file, why, what next; several lines of plain text.
    pub message: String,
    /// Whether trying again with the same inputs must fail again.
    pub permanent: bool,
}

impl RunFailure {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let permanent = !matches!(kind, FailureKind::Storage | FailureKind::Cancelled);
        Self { kind, message: message.into(), permanent }
    }
}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RunFailure {}

/// Most files written out in one message.
const MOST_NAMED: usize = 20;

/// A headline and one line for each complaint, the first twenty written out.
pub(crate) fn list(headline: &str, complaints: &[String], next: &str) -> String {
    let mut message = headline.to_owned();
    for complaint in complaints.iter().take(MOST_NAMED) {
        message.push_str("\n  - ");
        message.push_str(complaint);
    }
    if complaints.len() > MOST_NAMED {
        message.push_str(&format!("\n  - and {} more", complaints.len() - MOST_NAMED));
    }
    if !next.is_empty() {
        message.push('\n');
        message.push_str(next);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_are_named_and_the_rest_counted() {
        let complaints: Vec<String> = (0..23).map(|i| format!("f{i}: bad")).collect();
        let message = list("Bad:", &complaints, "Fix.");
        assert!(message.contains("f19: bad") && !message.contains("f20: bad"));
        assert!(message.ends_with("- and 3 more\nFix."));
    }
}
