//! Writes slope profiles as `.slp` files. Numbers are written so that reading them gives the same bits.

use std::fmt::Write as _;

use stitchbox_surface::{Profile, ProfileKind};

/// The header lines of an `.slp` file that do not follow from the profile.
#[derive(Debug, Clone, PartialEq)]
pub struct SlpHeader {
    /// Comment, one line.
    pub comment: String,
    /// Date and time, as `24/01/2013 at 14:38`. The file is only recognised with a date of this form.
    pub date: String,
    /// What was corrected, as `No ref/No gravity`.
    pub correction: String,
    /// Focal length of the instrument, mm; 0 where it has none.
    pub focal_length_mm: f64,
}

impl Default for SlpHeader {
    /// No comment, no correction, no focal length, and the first day of the calendar.
    fn default() -> Self {
        Self {
            comment: String::new(),
            date: "01/01/1970 at 00:00".to_owned(),
            correction: "No ref/No gravity".to_owned(),
            focal_length_mm: 0.0,
        }
    }
}

/// Why a profile cannot be written as an `.slp` file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlpWriteError {
    /// The profile holds heights.
    #[error("an .slp file holds slopes but the profile holds heights; differentiate it first")]
    NotSlopes,
    /// A text of the header spans lines, or the focal length is no number.
    #[error("the {field} of an .slp file must be one line; shorten it")]
    Header {
        /// Name of the field.
        field: &'static str,
    },
}

/// Encodes a slope profile as an `.slp` file: positions in mm, slopes in microradian.
///
/// # Errors
/// [`SlpWriteError`] if the profile holds heights or the header cannot be written.
pub fn write_slp(profile: &Profile, header: &SlpHeader) -> Result<String, SlpWriteError> {
    if profile.kind != ProfileKind::SlopeUrad {
        return Err(SlpWriteError::NotSlopes);
    }
    let texts = [("comment", &header.comment), ("date", &header.date), ("correction", &header.correction)];
    for (field, text) in texts {
        if text.contains(['\n', '\r']) {
            return Err(SlpWriteError::Header { field });
        }
    }
    if !header.focal_length_mm.is_finite() {
        return Err(SlpWriteError::Header { field: "focal length" });
    }
    let steps = profile.len().saturating_sub(1).max(1) as f64;
    let span = profile.x_mm.last().zip(profile.x_mm.first()).map_or(0.0, |(last, first)| last - first);
    let (comment, date, correction) = (&header.comment, &header.date, &header.correction);
    let mut file = format!("{comment}\n{date}\n{correction}\n{:.6}\n{:.10}\n", header.focal_length_mm, span / steps);
    // Writing to a String cannot fail.
    let _ = writeln!(file, "{}", profile.len());
    for (x_mm, slope_urad) in profile.x_mm.iter().zip(&profile.values) {
        let _ = writeln!(file, "{x_mm}\t{slope_urad}");
    }
    Ok(file)
}
