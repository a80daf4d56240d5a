//! One sub-aperture: a height map, where it lay in the camera, and where the mirror stood.

use ndarray::Array2;

use crate::HeightMap;

/// Where the map lies in the camera frame. A detector-fixed reference is indexed by camera pixel, so two
/// sub-apertures with different windows are only comparable through this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DetectorWindow {
    /// Camera column of the map's column 0.
    pub column: i64,
    /// Camera row of the map's row 0.
    pub row: i64,
}

/// What the file tells of the instrument; everything optional, nothing of it enters the arithmetic.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Instrument {
    /// Format the file was read as, for people: `MetroPro .dat (format 1)`.
    pub format: String,
    /// Source wavelength, nm.
    pub wavelength_nm: Option<f64>,
    /// Interferometric scale factor S (0.5 for a double-pass Fizeau).
    pub scale_factor: Option<f64>,
    /// Acquisition time, seconds since 1970-01-01 UTC.
    pub acquired_unix: Option<i64>,
    /// The comment written by the operator or the scan program.
    pub comment: Option<String>,
    /// Name of the objective or transmission element.
    pub objective: Option<String>,
    /// Name of the part.
    pub part: Option<String>,
    /// Position by the coordinates of the stage alone, mm in the mirror frame like [`SubAperture::position_mm`].
    pub stage_mm: Option<(f64, f64)>,
}

/// One measured map of a series, with what is needed to place it.
#[derive(Debug, Clone, PartialEq)]
pub struct SubAperture {
    /// File name, for messages and provenance.
    pub name: String,
    /// Heights, mask and pixel size.
    pub map: HeightMap,
    /// Place of the map in the camera frame.
    pub window: DetectorWindow,
    /// Position of the sub-aperture in the mirror frame (x, y) in mm: where camera column 0, row 0 looks,
    /// up to a constant common to the series. `None` if the file does not tell.
    pub position_mm: Option<(f64, f64)>,
    /// Intensity or modulation of each pixel, in the instrument's own unit, never negative; `0.0` where it is not
    /// known. Same shape as the map. `None` where the file has none.
    pub intensity: Option<Array2<f32>>,
    /// What the file tells of the instrument.
    pub instrument: Instrument,
}
