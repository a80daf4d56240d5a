//! How good a result is: its error against a known truth, and the error that no solver could avoid.

use ndarray::Array2;
use stitchbox_simulate::Simulated;
use stitchbox_simulate::score::{NullSpace, residual_nm, rms_nm};
use stitchbox_stitch::Options;
use stitchbox_surface::HeightMap;

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
    stitchbox_simulate::limit_nm(simulated, &Options::default(), NULL).unwrap_or_else(|error| panic!("{error}"))
}
