//! How good a result is: its error against a known truth, and the error that no solver could avoid.

use ndarray::Array2;
use stitchbox_simulate::score::{NullSpace, residual_nm, rms_nm};
use stitchbox_simulate::{Simulated, noise_only};
use stitchbox_stitch::{Options, Placed, stitch};
use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, SubAperture};

use crate::result_file::ResultFile;

/// A scan along x with an unknown reference leaves these shapes open.
const NULL: NullSpace = NullSpace::XScan { period: None };

/// Rms of result minus truth, nm, without the shapes that a scan along x with an unknown reference leaves open.
/// `truth_nm` has the frame of the result and may be larger.
///
/// # Panics
/// When the truth is smaller than the result.
pub fn error_nm(result: &ResultFile, truth_nm: &Array2<f64>) -> f64 {
    let heights = Array2::from_shape_vec(result.shape, result.height.clone()).expect("the shape was checked");
    let map = HeightMap::from_heights_nm(heights, None);
    rms_nm(&residual_nm(&map, truth_nm, NULL).unwrap_or_else(|error| panic!("{error}")))
}

/// The statistical limit of a simulated series, nm: the rms of the solution of nothing but its noise.
///
/// # Panics
/// When the noise cannot be stitched.
pub fn limit_nm(simulated: &Simulated) -> f64 {
    let noise = noise_only(simulated);
    let places = noise.x_px.iter().zip(&noise.y_px);
    let series: Vec<Placed> = noise
        .sub_apertures
        .iter()
        .zip(places)
        .enumerate()
        .map(|(index, (map, (x_px, y_px)))| Placed {
            sub_aperture: SubAperture {
                name: format!("noise_{index}"),
                map: map.clone(),
                window: DetectorWindow { column: 0, row: 0 },
                position_mm: None,
                instrument: Instrument::default(),
            },
            x_mm: x_px * noise.pixel_mm,
            y_mm: y_px * noise.pixel_mm,
        })
        .collect();
    let stitched = stitch(&series, &Options::default(), &()).unwrap_or_else(|error| panic!("the noise: {error}"));
    let (rows, columns) = stitched.height.shape();
    let nothing = Array2::zeros((rows, columns));
    rms_nm(&residual_nm(&stitched.height, &nothing, NULL).unwrap_or_else(|error| panic!("{error}")))
}

#[cfg(test)]
mod tests {
    use stitchbox_simulate::{Parameters, simulate};

    use super::limit_nm;

    #[test]
    fn the_limit_lies_below_the_noise_of_one_pixel_and_above_that_of_twelve() {
        let simulated = simulate(&Parameters::default());
        let limit = limit_nm(&simulated);
        let noise = simulated.sigma_nm;
        assert!(limit > noise / 12f64.sqrt() && limit < noise, "{limit} of {noise}");
    }
}
