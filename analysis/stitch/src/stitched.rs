//! What a stitch returns: the map, how sure it is, and everything that was found or assumed on the way.

use ndarray::Array2;
use sha2::{Digest, Sha256};
use stitchbox_surface::HeightMap;

/// The result of a stitch. All maps but `reference` have the shape (rows, columns) of `height`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stitched {
    /// Stitched heights, nm; row 0 is the smallest y, column 0 the smallest x of the mirror frame.
    pub height: HeightMap,
    /// Standard uncertainty (k = 1) of each pixel from random noise, nm; `0.0` where the map is invalid. `None` where the
    /// series has no redundancy to estimate the noise from.
    ///
    /// It **covers** white noise of the data (from the residuals, with the degrees of freedom counted), averaged over the
    /// overlaps; what this noise makes of the reference, pixel by pixel; and what it makes of pistons, pitches and rolls.
    /// After the declared [`Stitched::non_observable`] shapes are taken off the difference (least squares over the valid
    /// pixels), a map differs from the true one by less than twice this at 95 % of the pixels.
    ///
    /// It **does not cover** the [`Stitched::non_observable`] shapes themselves; what neighbouring pixels share beyond
    /// [`Stitched::profile_covariance`]; offsets between parts that hardly overlap (`weak-overlap`) or between loose pixels and the
    /// rest (`loose-pixels`); noise that is not white (vibration, turbulence); outliers that the robust loop did not find; what
    /// the noise makes of positions that are refined and of additive maps other than the reference; and systematic errors: a
    /// given reference, positions, pixel size, drift, retrace, a reference that is not as smooth as assumed.
    pub uncertainty_nm: Option<Array2<f64>>,
    /// Covariance of the mean heights of stretches along x: how sure the long waves are, from the same causes as
    /// [`Stitched::uncertainty_nm`] and likewise without the declared shapes. `None` together with that.
    pub profile_covariance: Option<ProfileCovariance>,
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
    /// Shapes of the map that measured angles or profiles determined.
    pub constraints: Vec<Constraint>,
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
    /// Standard uncertainties of the three from random noise; `None` where the term is off, or where the series has no
    /// redundancy to estimate the noise from. Meant as for the map: with the declared shapes taken out of the map's error,
    /// what they carry into the correctors (power, for instance, a pitch that grows with x) is taken out of these too.
    pub uncertainty: Option<CorrectorUncertainty>,
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

/// Standard uncertainties (k = 1) of a [`Corrector`].
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CorrectorUncertainty {
    /// Of the piston, nm; zero where pistons are not solved for.
    pub piston_nm: f64,
    /// Of the pitch, nm/mm; zero where pitches are not solved for.
    pub pitch_nm_per_mm: f64,
    /// Of the roll, nm/mm; zero where rolls are not solved for.
    pub roll_nm_per_mm: f64,
    /// Of the power, nm/mm^2; zero where powers are not solved for.
    pub curvature_nm_per_mm2: f64,
}

/// Covariance of the mean heights of stretches along x (up to 40 of equal length, over all rows).
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileCovariance {
    /// First map column of each stretch, and the end of the last.
    pub columns: Vec<usize>,
    /// Covariance of the means over the valid pixels of the stretches, nm^2: a square of their number. Zero rows for
    /// stretches without a valid pixel. The declared shapes (planes, power, ...; of functions of y alone their parts up to
    /// y^2) are projected out, so the matrix is singular.
    pub covariance_nm2: Array2<f64>,
}

/// A shape of the map that the overlaps alone leave open and that was taken from another measurement.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Constraint {
    /// The shape: `x^2`, `x y` or `y^2`, x and y in mm.
    pub what: String,
    /// Its coefficient in the map beyond the convention that the reference carries none, nm/mm^2: what is now the map's
    /// and, with the opposite sign, the reference's.
    pub value_nm_per_mm2: f64,
    /// Standard uncertainty of the coefficient, nm/mm^2, from the noise of the other measurement and of the series.
    pub uncertainty_nm_per_mm2: f64,
    /// `measured angles`, the names of the profiles, or both.
    pub source: String,
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
pub struct Digester {
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
