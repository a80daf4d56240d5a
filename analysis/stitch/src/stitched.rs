//! What a stitch returns: the map, how sure it is, and everything that was found or assumed on the way.

use ndarray::Array2;
use sha2::{Digest, Sha256};
use stitchbox_surface::HeightMap;

/// The result of a stitch. All maps but `reference` have the shape (rows, columns) of `height`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stitched {
    /// Stitched heights, nm; row 0 is the smallest y, column 0 the smallest x of the mirror frame.
    pub height: HeightMap,
    /// Standard uncertainty (k = 1) of each pixel from random noise, nm; `0.0` where the map is invalid. It covers
    /// white noise of the data and, pixel by pixel, what it makes of the pixel-wise reference. It does not cover: the
    /// noise of the correctors (long waves, far below that of one pixel) and of a smooth reference, what neighbouring
    /// pixels share, the [`Stitched::non_observable`] terms, and systematic errors (a given reference, positions,
    /// drift, retrace). `None` where the series has no redundancy to estimate the noise from.
    pub uncertainty_nm: Option<Array2<f64>>,
    /// Number of sub-apertures whose value was used at each pixel (after rejection of outliers).
    pub overlap: Array2<u16>,
    /// Rms over the overlaps of (corrected sub-aperture - map), nm; `0.0` where fewer than two overlap.
    pub residual_nm: Array2<f64>,
    /// Reference in the camera frame (the rectangle that the detector windows span), nm. Found or given; `None` if
    /// taken as zero.
    pub reference: Option<HeightMap>,
    /// Mirror x of column 0, mm.
    pub x0_mm: f64,
    /// Mirror y of row 0, mm.
    pub y0_mm: f64,
    /// What each sub-aperture carried, in the order of the series.
    pub correctors: Vec<Corrector>,
    /// Map shapes that these data cannot determine, and what was done about each.
    pub non_observable: Vec<NonObservable>,
    /// What a metrologist should know before trusting the map.
    pub warnings: Vec<Warning>,
    /// Noise of one pixel of one sub-aperture (1 sigma), nm, from the residuals with the degrees of freedom counted.
    pub noise_nm: Option<f64>,
    /// Conjugate-gradient iterations, summed over all solves.
    pub iterations: usize,
}

/// Piston, pitch, roll and power that one sub-aperture carries with respect to the stitched map. Subtracting
/// `piston + pitch * x + roll * y + curvature * (x^2 + y^2)` (x, y in mm from the centre of the camera frame) and the reference puts the
/// sub-aperture onto the map.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Corrector {
    /// File name of the sub-aperture.
    pub name: String,
    /// Mirror x of camera column 0, mm, as given.
    pub x_mm: f64,
    /// Mirror y of camera row 0, mm, as given.
    pub y_mm: f64,
    /// Constant height, nm.
    pub piston_nm: f64,
    /// Slope along x, nm/mm.
    pub pitch_nm_per_mm: f64,
    /// Slope along y, nm/mm.
    pub roll_nm_per_mm: f64,
    /// Power, nm/mm^2; zero unless [`crate::Terms::curvature`] is on.
    #[serde(default)]
    pub curvature_nm_per_mm2: f64,
    /// Found shift along x beyond the given position and its standard uncertainty, mm; `None` unless
    /// [`crate::Options::refine`] asked for it and the data could tell. The mean over the series is zero.
    #[serde(default)]
    pub dx_mm: Option<(f64, f64)>,
    /// The same along y, mm.
    #[serde(default)]
    pub dy_mm: Option<(f64, f64)>,
    /// Found rotation about the centre of the camera frame (x towards y) and its standard uncertainty, urad, likewise.
    #[serde(default)]
    pub rotation_urad: Option<(f64, f64)>,
    /// Rms of (corrected sub-aperture - map) over the used pixels that overlap another, nm.
    pub residual_rms_nm: f64,
    /// Valid pixels that the robust loop rejected.
    pub rejected: usize,
}

/// A map shape that no data of this series can determine.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NonObservable {
    /// The shape: `1`, `x`, `y`, `x^2`, `x y`, `y^2`, `g(y)`, `g(x)`, `period 250 px`, ...
    pub term: String,
    /// Why it is not observable, and which convention fixes it in the map.
    pub why: String,
}

/// Something to know about the result.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Warning {
    /// Stable kebab-case name, for programs.
    pub code: String,
    /// One or two sentences, for people.
    pub message: String,
}

/// The one NaN that stands for an invalid pixel in the digest.
const CANONICAL_NAN: u64 = 0x7ff8_0000_0000_0000;

impl Stitched {
    /// Result digest, lower-case hex SHA-256. Over `height` (nm), `uncertainty` (nm, left out when there is none)
    /// and `overlap` (unit `1`), in this order: name, a zero byte, rows and columns as little-endian u64, unit, a
    /// zero byte, then the values as little-endian f64, row by row, with one canonical NaN where the map is invalid.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut digester = Digester::default();
        let mut absorb = |name: &str, shape: (usize, usize), values: &Array2<f64>| {
            digester.begin(name, "nm", shape);
            digester.values(values.iter().copied().zip(self.height.valid().iter().copied()));
        };
        absorb("height", self.height.shape(), self.height.heights_nm());
        if let Some(uncertainty) = &self.uncertainty_nm {
            absorb("uncertainty", uncertainty.dim(), uncertainty);
        }
        digester.begin("overlap", "1", self.overlap.dim());
        digester.values(self.overlap.iter().map(|n| (f64::from(*n), true)));
        digester.hex()
    }
}

/// Makes the result digest, whole maps or some rows at a time.
#[derive(Default)]
pub(crate) struct Digester {
    hash: Sha256,
    block: Vec<u8>,
}

impl Digester {
    /// Begins an array.
    pub fn begin(&mut self, name: &str, unit: &str, shape: (usize, usize)) {
        self.hash.update(name.as_bytes());
        self.hash.update([0]);
        self.hash.update((shape.0 as u64).to_le_bytes());
        self.hash.update((shape.1 as u64).to_le_bytes());
        self.hash.update(unit.as_bytes());
        self.hash.update([0]);
    }

    /// Values of the array, row by row, and whether the map is valid there.
    pub fn values(&mut self, values: impl Iterator<Item = (f64, bool)>) {
        for (value, valid) in values {
            let bits = if valid && !value.is_nan() { value.to_bits() } else { CANONICAL_NAN };
            self.block.extend_from_slice(&bits.to_le_bytes());
            if self.block.len() >= 1 << 16 {
                self.hash.update(&self.block);
                self.block.clear();
            }
        }
        self.hash.update(&self.block);
        self.block.clear();
    }

    /// Lower-case hex of the digest.
    pub fn hex(self) -> String {
        self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
