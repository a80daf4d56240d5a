//! The height map: heights, validity and the pixel size, always of one shape.

use ndarray::Array2;

/// Distance between neighbouring pixel centres, in millimetres.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PixelSize {
    /// Along a row (with the columns), mm.
    pub x_mm: f64,
    /// Down the rows, mm.
    pub y_mm: f64,
}

/// A mask was given whose shape is not that of the heights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the heights are {heights:?} (rows, columns) but the mask is {valid:?}")]
pub struct ShapeMismatch {
    /// Shape of the heights, rows and columns.
    pub heights: [usize; 2],
    /// Shape of the mask, rows and columns.
    pub valid: [usize; 2],
}

/// A measured or computed surface: heights in nm, a mask of valid pixels, and the pixel size where known.
#[derive(Debug, Clone, PartialEq)]
pub struct HeightMap {
    heights_nm: Array2<f64>,
    valid: Array2<bool>,
    pixel: Option<PixelSize>,
}

impl HeightMap {
    /// Joins heights (nm) and their mask. Heights that are not finite become invalid; invalid heights become `0.0`.
    pub fn new(
        mut heights_nm: Array2<f64>,
        mut valid: Array2<bool>,
        pixel: Option<PixelSize>,
    ) -> Result<Self, ShapeMismatch> {
        if heights_nm.dim() != valid.dim() {
            let (hr, hc) = heights_nm.dim();
            let (vr, vc) = valid.dim();
            return Err(ShapeMismatch { heights: [hr, hc], valid: [vr, vc] });
        }
        for (h, v) in heights_nm.iter_mut().zip(valid.iter_mut()) {
            *v &= h.is_finite();
            if !*v {
                *h = 0.0;
            }
        }
        Ok(Self { heights_nm, valid, pixel })
    }

    /// Takes heights (nm) in which an invalid pixel is anything that is not finite.
    #[must_use]
    pub fn from_heights_nm(heights_nm: Array2<f64>, pixel: Option<PixelSize>) -> Self {
        let valid = heights_nm.mapv(f64::is_finite);
        let heights_nm = heights_nm.mapv(|h| if h.is_finite() { h } else { 0.0 });
        Self { heights_nm, valid, pixel }
    }

    /// Rows and columns.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        self.heights_nm.dim()
    }

    /// Heights in nm; `0.0` where invalid.
    #[must_use]
    pub fn heights_nm(&self) -> &Array2<f64> {
        &self.heights_nm
    }

    /// `true` where a height was measured.
    #[must_use]
    pub fn valid(&self) -> &Array2<bool> {
        &self.valid
    }

    /// Pixel size, if the file or the recipe told it.
    #[must_use]
    pub fn pixel(&self) -> Option<PixelSize> {
        self.pixel
    }

    /// The same map with another pixel size (a recipe may override what the file says).
    #[must_use]
    pub fn with_pixel(mut self, pixel: Option<PixelSize>) -> Self {
        self.pixel = pixel;
        self
    }

    /// Number of valid pixels.
    #[must_use]
    pub fn valid_count(&self) -> usize {
        self.valid.iter().filter(|v| **v).count()
    }

    /// Takes the map apart: heights (nm), mask, pixel size.
    #[must_use]
    pub fn into_parts(self) -> (Array2<f64>, Array2<bool>, Option<PixelSize>) {
        (self.heights_nm, self.valid, self.pixel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn what_is_not_finite_becomes_invalid_and_zero() {
        let map = HeightMap::new(array![[1.0, f64::NAN], [f64::INFINITY, 4.0]], Array2::from_elem((2, 2), true), None)
            .unwrap();
        assert_eq!(map.valid(), &array![[true, false], [false, true]]);
        assert_eq!(map.heights_nm(), &array![[1.0, 0.0], [0.0, 4.0]]);
        assert_eq!(map.valid_count(), 2);
    }

    #[test]
    fn shapes_that_differ_are_refused_with_both_shapes() {
        let error = HeightMap::new(Array2::zeros((2, 3)), Array2::from_elem((3, 2), true), None).unwrap_err();
        assert_eq!(error, ShapeMismatch { heights: [2, 3], valid: [3, 2] });
    }
}
