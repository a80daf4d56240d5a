//! Slopes along x and y on one grid, each with its own mask.

use ndarray::{Array2, Zip};
use stitchbox_surface::{PixelSize, SlopeSubAperture};

use crate::StepError;
use crate::frame::{positive, same_shape};

/// Slope maps along x and y of one shape. An invalid slope is `0.0`; NaN does not occur.
#[derive(Debug, Clone, PartialEq)]
pub struct SlopeMaps {
    x: (Array2<f64>, Array2<bool>),
    y: (Array2<f64>, Array2<bool>),
    pixel: PixelSize,
}

impl SlopeMaps {
    /// Joins slopes (microradian = nm/mm; positive where the height grows with x, with y down the rows) and their masks.
    /// Slopes that are not finite become invalid.
    ///
    /// # Errors
    /// [`StepError::Shapes`], [`StepError::PixelSizeNotPositive`].
    pub fn new(
        x: (Array2<f64>, Array2<bool>),
        y: (Array2<f64>, Array2<bool>),
        pixel: PixelSize,
    ) -> Result<Self, StepError> {
        let pixel = positive(pixel, "slope maps")?;
        for shape in [x.1.dim(), y.0.dim(), y.1.dim()] {
            same_shape("slope maps", x.0.dim(), shape)?;
        }
        Ok(Self { x: cleaned(x), y: cleaned(y), pixel })
    }

    /// The slopes of a wavefront sensor or deflectometer.
    ///
    /// # Errors
    /// [`StepError::NoSlopesAlongY`], [`StepError::NoPixelSize`] and those of [`Self::new`].
    pub fn from_sub_aperture(slopes: &SlopeSubAperture) -> Result<Self, StepError> {
        let y = slopes.y_urad.clone().ok_or(StepError::NoSlopesAlongY { step: "slope maps" })?;
        let pixel = slopes.pixel.ok_or(StepError::NoPixelSize { step: "slope maps" })?;
        Self::new((slopes.x_urad.clone(), slopes.valid.clone()), (y, slopes.valid.clone()), pixel)
    }

    /// dz/dx, microradian.
    #[must_use]
    pub fn x_urad(&self) -> &Array2<f64> {
        &self.x.0
    }

    /// Where dz/dx is valid.
    #[must_use]
    pub fn x_valid(&self) -> &Array2<bool> {
        &self.x.1
    }

    /// dz/dy, microradian.
    #[must_use]
    pub fn y_urad(&self) -> &Array2<f64> {
        &self.y.0
    }

    /// Where dz/dy is valid.
    #[must_use]
    pub fn y_valid(&self) -> &Array2<bool> {
        &self.y.1
    }

    /// Pixel size.
    #[must_use]
    pub fn pixel(&self) -> PixelSize {
        self.pixel
    }

    /// Rows and columns.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        self.x.0.dim()
    }
}

fn cleaned((mut slopes, mut valid): (Array2<f64>, Array2<bool>)) -> (Array2<f64>, Array2<bool>) {
    Zip::from(&mut slopes).and(&mut valid).for_each(|slope, ok| {
        *ok &= slope.is_finite();
        if !*ok {
            *slope = 0.0;
        }
    });
    (slopes, valid)
}
