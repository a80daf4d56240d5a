//! Slope maps: what a wavefront sensor (SHARPeR, HASO) or a deflectometer measures of a sub-aperture.

use ndarray::Array2;

use crate::{DetectorWindow, Instrument, PixelSize};

/// Slopes of one sub-aperture along x and y, of one shape, with a common mask.
#[derive(Debug, Clone, PartialEq)]
pub struct SlopeSubAperture {
    /// File name, for messages and provenance.
    pub name: String,
    /// dz/dx, microradian (= nm/mm); `0.0` where invalid.
    pub x_urad: Array2<f64>,
    /// dz/dy (y down the rows), microradian; `0.0` where invalid. `None` where the instrument measures one direction.
    pub y_urad: Option<Array2<f64>>,
    /// `true` where both were measured.
    pub valid: Array2<bool>,
    /// Pixel size, where the file tells it.
    pub pixel: Option<PixelSize>,
    /// Place of the map in the camera frame.
    pub window: DetectorWindow,
    /// Position in the mirror frame (x, y), mm, like that of a [`crate::SubAperture`].
    pub position_mm: Option<(f64, f64)>,
    /// What the file tells of the instrument.
    pub instrument: Instrument,
}
