//! The Gaussian filter of ISO 16610-21 and -61, with the end effect of ISO 16610-28, on maps with invalid pixels.
//!
//! Weights `exp(-pi (x / (alpha L))^2)` with `alpha = sqrt(ln 2 / pi)`: a wave of length L passes by one half. At each
//! place the weights are normalised over the valid pixels (zero order), or a plane is fitted with them (first order).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::quantity::Length;
use stitchbox_surface::{HeightMap, Profile};

use super::smooth::{smooth_map, smooth_profile};
use crate::StepError;
use crate::frame::{Axes, parameter_error, pixel_size};

/// What happens at the borders of the map and beside invalid pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndEffect {
    /// The weights are normalised over the valid pixels; a tilted surface is bent at its borders.
    #[default]
    ZeroOrder,
    /// A straight line (a plane, where both directions are filtered) is fitted with the weights; tilts pass unchanged.
    FirstOrder,
}

/// Gaussian filter by cut-off wavelength (50 % transmission, ISO 16610-21 and -61). With one cut-off a low pass or a
/// high pass, with both a band pass (first the short waves are removed, then of what remains the long ones).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gaussian {
    /// Low pass: removes waves shorter than this length. Default: keeps them.
    pub keep_longer_than: Option<Length>,
    /// High pass: removes waves longer than this length. Default: keeps them.
    pub keep_shorter_than: Option<Length>,
    /// Directions along which the map is filtered: `x`, `y` or `both` (default). Not used for profiles.
    pub axes: Axes,
    /// Borders and holes: `zero-order` (default) or `first-order`.
    pub end_effect: EndEffect,
}

impl Default for Gaussian {
    fn default() -> Self {
        Self { keep_longer_than: None, keep_shorter_than: None, axes: Axes::Both, end_effect: EndEffect::ZeroOrder }
    }
}

impl Gaussian {
    /// The filtered map; the mask stays as it is.
    ///
    /// # Errors
    /// [`StepError::NoPixelSize`]; [`StepError::Parameter`] where no cut-off is given, one is below two
    /// pixels, or the band is empty; [`StepError::TooFew`] where nothing is valid.
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        let pixel = pixel_size(map, "gaussian")?;
        let coarsest = match self.axes {
            Axes::X => pixel.x_mm,
            Axes::Y => pixel.y_mm,
            Axes::Both => pixel.x_mm.max(pixel.y_mm),
        };
        let cut_offs = self.cut_offs(coarsest)?;
        if map.valid_count() == 0 {
            return Err(StepError::TooFew { step: "gaussian", what: "valid pixels", found: 0, needed: 1 });
        }
        let valid = map.valid();
        let mut heights = map.heights_nm().clone();
        if let Some(length) = cut_offs.0 {
            heights = smooth_map(&heights, valid, pixel, length, self.axes, self.end_effect);
        }
        if let Some(length) = cut_offs.1 {
            heights -= &smooth_map(&heights, valid, pixel, length, self.axes, self.end_effect);
        }
        Ok(HeightMap::new(heights, valid.clone(), Some(pixel))?)
    }

    /// The filtered profile. Each point weighs by the length it stands for, so that points need not be equidistant.
    ///
    /// # Errors
    /// [`StepError::Parameter`] as for maps, with the mean distance of the points as pixel.
    pub fn apply_to_profile(&self, profile: &Profile) -> Result<Profile, StepError> {
        let (first, last) = (profile.x_mm.first().copied(), profile.x_mm.last().copied());
        let length = last.unwrap_or(0.0) - first.unwrap_or(0.0);
        let cut_offs = self.cut_offs(length / (profile.len() as f64 - 1.0).max(1.0))?;
        let mut filtered = profile.clone();
        // The noise of neighbouring points is no longer independent and no longer that of one point.
        filtered.sigma = None;
        if let Some(length) = cut_offs.0 {
            filtered.values = smooth_profile(&filtered.x_mm, &filtered.values, length, self.end_effect);
        }
        if let Some(length) = cut_offs.1 {
            let waviness = smooth_profile(&filtered.x_mm, &filtered.values, length, self.end_effect);
            for (value, low) in filtered.values.iter_mut().zip(waviness) {
                *value -= low;
            }
        }
        Ok(filtered)
    }

    /// The lower and upper limit of the waves that are kept, mm.
    fn cut_offs(&self, pixel_mm: f64) -> Result<(Option<f64>, Option<f64>), StepError> {
        let check = |parameter, length: Option<Length>| match length.map(Length::mm) {
            Some(value) if !(value >= 2.0 * pixel_mm && value.is_finite()) => {
                let allowed = "it must be at least twice the distance of the pixels (mm)";
                Err(parameter_error("gaussian", parameter, value, allowed))
            }
            length => Ok(length),
        };
        let shortest = check("keep_longer_than", self.keep_longer_than)?;
        let longest = check("keep_shorter_than", self.keep_shorter_than)?;
        match (shortest, longest) {
            (None, None) => {
                let (parameter, allowed) = ("keep_longer_than", "it must be given, or keep_shorter_than, or both");
                Err(parameter_error("gaussian", parameter, 0.0, allowed))
            }
            (Some(shortest), Some(value)) if shortest >= value => {
                let (parameter, allowed) = ("keep_shorter_than", "it must be larger than keep_longer_than (mm)");
                Err(parameter_error("gaussian", parameter, value, allowed))
            }
            limits => Ok(limits),
        }
    }
}

#[cfg(test)]
mod tests;
