//! The result of a stitch whose maps need not fit into memory: read some rows at a time.

use std::ops::Range;

use ndarray::Array2;
use stitchbox_surface::{HeightMap, PixelSize};

use crate::plane::Plane;
use crate::stitched::Digester;
use crate::{Constraint, Corrector, NonObservable, ProfileCovariance, StitchError, Stitched, Warning};

/// Digests and copies go about so many values at a time.
const VALUES_AT_ONCE: usize = 1 << 21;

/// The result of [`crate::stitch_source`]. What it holds is what [`Stitched`] holds; the maps may lie in scratch files, which go
/// with it.
#[derive(Debug)]
pub struct StitchedTiles {
    pub(crate) shape: (usize, usize),
    pub(crate) pixel: PixelSize,
    pub(crate) height: Plane,
    pub(crate) uncertainty: Option<Plane>,
    pub(crate) residual: Plane,
    pub(crate) overlap: Vec<u16>,
    /// Reference in the camera frame, nm; see [`Stitched::reference`].
    pub reference: Option<HeightMap>,
    /// Mirror x of column 0, mm.
    pub x0_mm: f64,
    /// Mirror y of row 0, mm.
    pub y0_mm: f64,
    /// What each sub-aperture carried, in the order of the series.
    pub correctors: Vec<Corrector>,
    /// How sure the long waves are; see [`Stitched::profile_covariance`].
    pub profile_covariance: Option<ProfileCovariance>,
    /// Shapes of the map that measured angles or profiles determined.
    pub constraints: Vec<Constraint>,
    /// Map shapes that these data cannot determine.
    pub non_observable: Vec<NonObservable>,
    /// What a metrologist should know before trusting the map.
    pub warnings: Vec<Warning>,
    /// Noise of one pixel of one sub-aperture (1 sigma), nm.
    pub noise_nm: Option<f64>,
    /// Conjugate-gradient iterations, summed over all solves.
    pub iterations: usize,
}

/// Some rows of the maps, each of shape (rows, columns); what they are is told at [`Stitched`].
#[derive(Debug, Clone, PartialEq)]
pub struct Tile {
    /// Heights, nm.
    pub height: HeightMap,
    /// Standard uncertainty, nm.
    pub uncertainty_nm: Option<Array2<f64>>,
    /// Number of sub-apertures at each pixel.
    pub overlap: Array2<u16>,
    /// Rms of the residuals at each pixel, nm.
    pub residual_nm: Array2<f64>,
}

impl StitchedTiles {
    /// Rows and columns of the maps.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Pixel size of the maps, mm.
    #[must_use]
    pub fn pixel(&self) -> PixelSize {
        self.pixel
    }

    /// Some rows of all maps; rows beyond the last are left out.
    ///
    /// # Errors
    /// [`StitchError::Scratch`] if a scratch file cannot be read.
    pub fn rows(&self, rows: Range<usize>) -> Result<Tile, StitchError> {
        let end = rows.end.min(self.shape.0);
        let rows = rows.start.min(end)..end;
        let shape = (rows.len(), self.shape.1);
        let of = |plane: &Plane| shaped(shape, plane.rows(rows.clone())?.into_owned());
        let overlap = shaped(shape, self.overlap[rows.start * shape.1..rows.end * shape.1].to_vec())?;
        let valid = overlap.mapv(|n| n > 0);
        let height = HeightMap::new(of(&self.height)?, valid, Some(self.pixel)).map_err(|_| internal())?;
        let uncertainty_nm = self.uncertainty.as_ref().map(of).transpose()?;
        Ok(Tile { height, uncertainty_nm, overlap, residual_nm: of(&self.residual)? })
    }

    /// The same digest as that of [`Stitched::digest`].
    ///
    /// # Errors
    /// [`StitchError::Scratch`] if a scratch file cannot be read.
    pub fn digest(&self) -> Result<String, StitchError> {
        let mut digester = Digester::default();
        let (rows, columns) = self.shape;
        let at_once = (VALUES_AT_ONCE / columns.max(1)).max(1);
        let mut absorb = |name: &str, plane: &Plane| -> Result<(), StitchError> {
            digester.begin(name, "nm", self.shape);
            for from in (0..rows).step_by(at_once) {
                let to = (from + at_once).min(rows);
                let values = plane.rows(from..to)?;
                let valid = self.overlap[from * columns..to * columns].iter().map(|n| *n > 0);
                digester.values(values.iter().copied().zip(valid));
            }
            Ok(())
        };
        absorb("height", &self.height)?;
        if let Some(uncertainty) = &self.uncertainty {
            absorb("uncertainty", uncertainty)?;
        }
        digester.begin("overlap", "1", self.shape);
        digester.values(self.overlap.iter().map(|n| (f64::from(*n), true)));
        Ok(digester.hex())
    }

    /// All of it in memory.
    ///
    /// # Errors
    /// [`StitchError::Scratch`] if a scratch file cannot be read.
    pub fn into_stitched(self) -> Result<Stitched, StitchError> {
        let shape = self.shape;
        let overlap = shaped(shape, self.overlap)?;
        let valid = overlap.mapv(|n| n > 0);
        let height = HeightMap::new(shaped(shape, self.height.into_values()?)?, valid, Some(self.pixel));
        let of = |plane: Plane| shaped(shape, plane.into_values()?);
        Ok(Stitched {
            height: height.map_err(|_| internal())?,
            uncertainty_nm: self.uncertainty.map(of).transpose()?,
            overlap,
            residual_nm: of(self.residual)?,
            reference: self.reference,
            x0_mm: self.x0_mm,
            y0_mm: self.y0_mm,
            correctors: self.correctors,
            profile_covariance: self.profile_covariance,
            constraints: self.constraints,
            non_observable: self.non_observable,
            warnings: self.warnings,
            noise_nm: self.noise_nm,
            iterations: self.iterations,
        })
    }
}

fn internal() -> StitchError {
    StitchError::Internal { step: "assembling the map" }
}

/// An array of these rows and columns.
pub(crate) fn shaped<T>(shape: (usize, usize), values: Vec<T>) -> Result<Array2<T>, StitchError> {
    Array2::from_shape_vec(shape, values).map_err(|_| internal())
}
