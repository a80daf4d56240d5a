//! The statistical limit: the error that no solver could avoid, given the geometry and the noise of a simulated series.

use ndarray::Array2;
use stitchbox_stitch::{Options, Placed, StitchError, stitch};
use stitchbox_surface::{DetectorWindow, Instrument, SubAperture};

use crate::score::{NullSpace, TruthTooSmall, residual_nm, rms_nm};
use crate::{Simulated, noise_only};

/// The limit could not be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the limit could not be computed: {0}")]
pub enum LimitError {
    /// The noise does not stitch.
    Stitch(#[from] StitchError),
    /// The shapes disagree, which would be a fault of this program.
    Shape(#[from] TruthTooSmall),
}

/// Rms of the solution of nothing but the noise of a series, nm, without the null space: the same solver on the same
/// geometry, with `options` but without the search for outliers, of which noise has none.
///
/// # Errors
/// [`LimitError`] if the noise cannot be stitched.
pub fn limit_nm(simulated: &Simulated, options: &Options, null: NullSpace) -> Result<f64, LimitError> {
    let series = placed(&noise_only(simulated));
    let solved = stitch(&series, &Options { robust: false, ..options.clone() }, &())?;
    let nothing = Array2::zeros(solved.height.shape());
    Ok(rms_nm(&residual_nm(&solved.height, &nothing, null)?))
}

/// The sub-apertures of a simulated series at their places, as a stitch takes them.
#[must_use]
pub fn placed(simulated: &Simulated) -> Vec<Placed> {
    let offsets = simulated.x_px.iter().zip(&simulated.y_px);
    let placed = |(k, (map, (x, y))): (usize, (&stitchbox_surface::HeightMap, (&f64, &f64)))| Placed {
        sub_aperture: SubAperture {
            name: format!("sub_{:02}", k + 1),
            map: map.clone(),
            window: DetectorWindow { column: 0, row: 0 },
            position_mm: None,
            intensity: None,
            instrument: Instrument::default(),
        },
        x_mm: x * simulated.pixel_mm,
        y_mm: y * simulated.pixel_mm,
    };
    simulated.sub_apertures.iter().zip(offsets).enumerate().map(placed).collect()
}

#[cfg(test)]
mod tests {
    use stitchbox_stitch::Reference;

    use super::*;
    use crate::{Parameters, simulate};

    #[test]
    fn the_limit_lies_between_the_noise_and_that_of_twelve_and_falls_with_what_is_known() {
        let simulated = simulate(&Parameters::default());
        let unknown = limit_nm(&simulated, &Options::default(), NullSpace::XScan { period: None }).unwrap();
        let noise = simulated.sigma_nm;
        assert!(unknown > noise / 12f64.sqrt() && unknown < noise, "{unknown} of {noise}");
        let options = Options { reference: Reference::None, ..Options::default() };
        let known = limit_nm(&simulated, &options, NullSpace::XScan { period: None }).unwrap();
        assert!(known < unknown, "{known} with a known reference, {unknown} without");
    }
}
