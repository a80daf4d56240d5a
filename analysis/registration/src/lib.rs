//! Registration: the places of the sub-apertures of a series from their overlaps alone, when no positions exist.
//!
//! * What is fixed in the camera (reference, dust) would match at shift zero. With four sub-apertures or more the mean of
//!   their roughness in the camera frame is taken off; a match at zero is believed only if it is by far the best, and with
//!   fewer than four never.
//! * Roughness decides, not form: the best quadratic and the mean of the surroundings are taken off, spikes and
//!   blemishes are masked (so a smooth mirror with a few marks on it is refused).
//! * Neighbours in the order of the series, and next neighbours, are correlated over all shifts (masked, normalised), first
//!   with pixels binned, then at full resolution about the peak, with its fraction of a pixel by a parabola.
//! * A shift counts if its peak stands out and shifts round a triangle confirm it, or it stands out by far. Where the series
//!   then still falls apart, pairs further apart in the series are tried: rows of a two-dimensional scan find each other so.
//! * Places are the least-squares solution over all shifts that count. What is not tied, repeats or contradicts itself is
//!   refused by name: nothing is guessed.
//!
//! A parabola of three correlations is drawn to whole pixels: fractions are good to some hundredths of a pixel, and begin
//! a refinement in the stitching engine (`Refine::Offsets`) rather than replace it.
//!
//! x runs with the columns, y down the rows; camera column 0, row 0 of sub-aperture k looks at `(x_px[k], y_px[k])`. The same
//! bits for any number of threads and every processor. This crate knows no files, no recipes and no users.

mod camera;
mod climb;
mod closure;
mod correlation;
mod error;
mod places;
mod plane;
mod roughness;
mod search;
mod warning;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_stitch::Progress;
use stitchbox_surface::SubAperture;

pub use error::RegistrationError;
pub use warning::RegistrationWarning;

/// Finds the places of a series from its overlaps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    /// The part of the smaller map's valid pixels that two sub-apertures must share to be compared, 0.05 to 0.95. Default: 0.2.
    pub min_overlap: f64,
    /// Whether sub-apertures may be shifted along y too; without it the scan is along x and y is 0. Default: true.
    pub two_dimensional: bool,
}

impl Default for Registration {
    fn default() -> Self {
        Self { min_overlap: 0.2, two_dimensional: true }
    }
}

/// The shift between two sub-apertures that was found and used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pair {
    /// Number of the first in the series, from 0.
    pub first: usize,
    /// Number of the second.
    pub second: usize,
    /// How much further along x the second looks, pixels.
    pub x_px: f64,
    /// How much further along y, pixels.
    pub y_px: f64,
    /// Correlation of the two roughnesses over their overlap at the nearest whole pixel, at most 1.
    pub score: f64,
    /// How far the peak stands above the next one (1: not at all).
    pub peak_ratio: f64,
}

/// Where the sub-apertures of a series look.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// Mirror x of each camera's column 0, pixels, of the first 0.
    pub x_px: Vec<f64>,
    /// Mirror y of each camera's row 0, pixels, of the first 0.
    pub y_px: Vec<f64>,
    /// The shifts that the places rest on, in the order of their numbers.
    pub pairs: Vec<Pair>,
    /// What to look at before the places are believed.
    pub warnings: Vec<RegistrationWarning>,
}

/// Finds where each sub-aperture looks. Positions in the files are not looked at, nor is the pixel size.
///
/// # Errors
/// [`RegistrationError`] names what is wrong with the options or a file, or the files that the overlaps do not tie together.
pub fn register(
    series: &[SubAperture],
    options: &Registration,
    progress: &dyn Progress,
) -> Result<Registered, RegistrationError> {
    search::Search::new(series, options, progress)?.run()
}
