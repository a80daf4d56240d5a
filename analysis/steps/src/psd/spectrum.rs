//! A one-sided density, and what is read off it.

use stitchbox_surface::quantity::Frequency;

use super::cells;
use crate::StepError;

/// Unit of a one-dimensional density.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DensityUnit {
    /// nm^2 mm: the density of heights.
    Nm2Mm,
    /// urad^2 mm: the density of slopes.
    Urad2Mm,
}

/// A one-sided power spectral density. `sum(density) * distance` is the mean square of the (detrended) data.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Frequencies, 1/mm, from 0 to at most Nyquist.
    pub frequency_per_mm: Vec<f64>,
    /// Density at each of them.
    pub density: Vec<f64>,
    /// Unit of the density.
    pub unit: DensityUnit,
    /// Distance of the frequencies, 1/mm: one over the length.
    pub distance_per_mm: f64,
    /// Nyquist frequency, 1/mm.
    pub nyquist_per_mm: f64,
    /// Lines that were averaged.
    pub lines: usize,
    /// Lines left out because too little of them was valid.
    pub left_out: usize,
    /// By how much the window makes neighbouring frequencies alike: the variance of a mean over many frequencies is this
    /// many times that of independent ones (1 without window, 1.94 for Hann).
    pub alikeness: f64,
}

impl Spectrum {
    /// Root mean square of the part between two frequencies: nm or urad. Cells are shared between bands.
    #[must_use]
    pub fn band_rms(&self, from: Frequency, to: Frequency) -> f64 {
        let band = (from.per_mm(), to.per_mm());
        let part = |f: f64| cells::part(f, self.distance_per_mm, self.nyquist_per_mm, band);
        let sum: f64 = self.frequency_per_mm.iter().zip(&self.density).map(|(f, s)| part(*f) * s).sum();
        (sum * self.distance_per_mm).max(0.0).sqrt()
    }

    /// Root mean square of everything up to each frequency, its whole cell included: nm or urad.
    #[must_use]
    pub fn cumulative_rms(&self) -> Vec<f64> {
        let mut sum = 0.0;
        let add = |s: &f64| {
            sum += s * self.distance_per_mm;
            sum.max(0.0).sqrt()
        };
        self.density.iter().map(add).collect()
    }

    /// The density of the heights from that of the slopes along the line: divided by `(2 pi f)^2`. The frequency 0, whose
    /// height slopes do not tell, becomes 0.
    ///
    /// # Errors
    /// [`StepError::Kind`] for a density of heights.
    pub fn heights(&self) -> Result<Self, StepError> {
        if self.unit != DensityUnit::Urad2Mm {
            return Err(StepError::Kind { step: "psd", expected: "slopes", found: "heights" });
        }
        let factor = |f: f64| if f == 0.0 { 0.0 } else { 1.0 / squared_circular(f) };
        Ok(self.times(factor, DensityUnit::Nm2Mm))
    }

    /// The density of the slopes along the line from that of the heights: times `(2 pi f)^2`.
    ///
    /// # Errors
    /// [`StepError::Kind`] for a density of slopes.
    pub fn slopes(&self) -> Result<Self, StepError> {
        if self.unit != DensityUnit::Nm2Mm {
            return Err(StepError::Kind { step: "psd", expected: "heights", found: "slopes" });
        }
        Ok(self.times(squared_circular, DensityUnit::Urad2Mm))
    }

    fn times(&self, factor: impl Fn(f64) -> f64, unit: DensityUnit) -> Self {
        let density = self.frequency_per_mm.iter().zip(&self.density).map(|(f, s)| s * factor(*f)).collect();
        Self { density, unit, ..self.clone() }
    }
}

fn squared_circular(f: f64) -> f64 {
    let circular = std::f64::consts::TAU * f;
    circular * circular
}
