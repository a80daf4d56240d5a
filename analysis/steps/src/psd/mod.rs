//! Power spectral densities of maps and profiles.
//!
//! Normalisation: the integral of a density over all its frequencies is the mean square of the detrended data, weighted
//! with the squared window (Parseval). In one dimension the density is one-sided (frequencies from 0 to Nyquist), in
//! nm^2 mm for heights and urad^2 mm for slopes; in two dimensions it is two-sided, in nm^2 mm^2.

mod areal;
mod cells;
mod detrend;
mod grid;
mod lines;
mod power_law;
mod spectrum;
mod window;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use areal::{ArealPsd, ArealSpectrum, RadialSpectrum};
pub use detrend::Detrend;
pub use lines::Psd;
pub use power_law::PowerLaw;
pub use spectrum::{DensityUnit, Spectrum};
pub use window::Window;

/// What is done with invalid points of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gaps {
    /// They are interpolated straight between their valid neighbours (continued at the ends), after detrending: right
    /// where gaps are short and the surface is smooth; the noise in the gaps is missing.
    #[default]
    Interpolate,
    /// They get weight zero, as part of the window: right for noise; of a spectrum that falls steeply, part leaks from
    /// low to high frequencies.
    Weight,
    /// Lines with gaps are left out.
    Skip,
}
