//! The place of every pixel relative to the centre of a map, in mm or, where the pixel size is not known, in pixels.

use stitchbox_surface::HeightMap;

use crate::StepError;
use crate::frame::positive;

/// Rows, columns and pixel size of a map, and the coordinates they make: origin at the centre of the map, x with the
/// columns, y down the rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Extent {
    pub rows: usize,
    pub columns: usize,
    pub pixel_x: f64,
    pub pixel_y: f64,
    /// `mm`, or `px` where the pixel size is not known.
    pub unit: &'static str,
}

impl Extent {
    pub fn of(map: &HeightMap, step: &'static str) -> Result<Self, StepError> {
        let (rows, columns) = map.shape();
        let Some(pixel) = map.pixel() else {
            return Ok(Self { rows, columns, pixel_x: 1.0, pixel_y: 1.0, unit: "px" });
        };
        let pixel = positive(pixel, step)?;
        Ok(Self { rows, columns, pixel_x: pixel.x_mm, pixel_y: pixel.y_mm, unit: "mm" })
    }

    /// For a step that needs mm.
    pub fn in_mm(map: &HeightMap, step: &'static str) -> Result<Self, StepError> {
        let extent = Self::of(map, step)?;
        if extent.unit == "mm" { Ok(extent) } else { Err(StepError::NoPixelSize { step }) }
    }

    /// x of the centre of a column.
    pub fn x(&self, column: usize) -> f64 {
        (column as f64 - (self.columns as f64 - 1.0) / 2.0) * self.pixel_x
    }

    /// y of the centre of a row.
    pub fn y(&self, row: usize) -> f64 {
        (row as f64 - (self.rows as f64 - 1.0) / 2.0) * self.pixel_y
    }

    /// Half the distance between the centres of the outermost columns and rows; never zero.
    pub fn half(&self) -> (f64, f64) {
        let half = |n: usize, pixel: f64| if n > 1 { (n as f64 - 1.0) / 2.0 * pixel } else { pixel };
        (half(self.columns, self.pixel_x), half(self.rows, self.pixel_y))
    }

    /// Rows in chunks whose number depends on the map alone, for sums in a fixed order on any number of threads.
    pub fn row_chunks(&self) -> Vec<std::ops::Range<usize>> {
        self.row_chunks_at_most(256)
    }

    /// The same where a chunk's sums are large: at most so many chunks.
    pub fn row_chunks_at_most(&self, most: usize) -> Vec<std::ops::Range<usize>> {
        let size = self.rows.div_ceil(most.max(1)).max(8);
        (0..self.rows).step_by(size).map(|first| first..(first + size).min(self.rows)).collect()
    }
}
