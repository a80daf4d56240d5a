//! Joins blocks of pixels into one.

use ndarray::{Array2, Axis, Zip};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::{HeightMap, PixelSize};

use crate::StepError;
use crate::frame::within;

/// How a block becomes one height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BinBy {
    /// Mean of the valid pixels.
    #[default]
    Mean,
    /// Median of the valid pixels (mean of the two middle ones where their number is even).
    Median,
    /// First valid pixel, row by row.
    First,
    /// Last valid pixel, row by row.
    Last,
}

/// Joins blocks of `x` columns by `y` rows into one pixel each. Columns and rows that fill no block at the right and at
/// the bottom are left out; the pixel size grows with the block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bin {
    /// Columns of a block, at least 1. Default 2.
    pub x: usize,
    /// Rows of a block, at least 1. Default 2.
    pub y: usize,
    /// How a block becomes one height: `mean` (default), `median`, `first` or `last` valid pixel.
    pub by: BinBy,
    /// Part of the pixels of a block that must be valid, 0 to 1 (always at least one pixel). Default 0.5.
    pub min_valid: f64,
}

impl Default for Bin {
    fn default() -> Self {
        Self { x: 2, y: 2, by: BinBy::Mean, min_valid: 0.5 }
    }
}

impl Bin {
    /// The coarser map.
    ///
    /// # Errors
    /// [`StepError::Parameter`]; [`StepError::TooFew`] where the map is smaller than one block.
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        for (parameter, value) in [("x", self.x), ("y", self.y)] {
            within("bin", parameter, value as f64, 1.0..=1e9, "a block has at least 1 pixel")?;
        }
        within("bin", "min_valid", self.min_valid, 0.0..=1.0, "it must be between 0 and 1")?;
        let (rows, columns) = map.shape();
        for (what, found, needed) in [("columns", columns, self.x), ("rows", rows, self.y)] {
            if found < needed {
                return Err(StepError::TooFew { step: "bin", what, found, needed });
            }
        }
        let needed = (self.min_valid * (self.x * self.y) as f64).ceil().max(1.0) as usize;
        let mut heights = Array2::zeros((rows / self.y, columns / self.x));
        let mut valid = Array2::from_elem(heights.dim(), false);
        Zip::indexed(heights.rows_mut()).and(valid.rows_mut()).par_for_each(|row, mut heights, mut valid| {
            let mut block = Vec::with_capacity(self.x * self.y);
            for (column, (height, ok)) in heights.iter_mut().zip(valid.iter_mut()).enumerate() {
                block.clear();
                for r in row * self.y..(row + 1) * self.y {
                    let (from, to) = (column * self.x, (column + 1) * self.x);
                    let (line, mask) = (map.heights_nm().index_axis(Axis(0), r), map.valid().index_axis(Axis(0), r));
                    block.extend((from..to).filter(|c| mask[*c]).map(|c| line[c]));
                }
                if block.len() >= needed {
                    (*height, *ok) = (self.by.of(&mut block), true);
                }
            }
        });
        let pixel = map.pixel().map(|p| PixelSize { x_mm: p.x_mm * self.x as f64, y_mm: p.y_mm * self.y as f64 });
        Ok(HeightMap::new(heights, valid, pixel)?)
    }
}

impl BinBy {
    /// One height for a block that is not empty.
    fn of(self, block: &mut [f64]) -> f64 {
        match self {
            Self::Mean => {
                let first = block[0];
                first + block.iter().map(|h| h - first).sum::<f64>() / block.len() as f64
            }
            Self::Median => crate::filter::median(block).unwrap_or(0.0),
            Self::First => block[0],
            Self::Last => block[block.len() - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn blocks_become_pixels() {
        let pixel = Some(PixelSize { x_mm: 0.1, y_mm: 0.3 });
        let nan = f64::NAN;
        let map = HeightMap::from_heights_nm(array![[1.0, 2.0, nan, 9.0, 7.0], [3.0, 10.0, nan, nan, 7.0]], pixel);
        let bin = Bin { x: 2, y: 2, by: BinBy::Mean, min_valid: 0.5 };
        let mean = bin.apply(&map).unwrap();
        assert_eq!((mean.heights_nm(), mean.valid()), (&array![[4.0, 0.0]], &array![[true, false]]));
        assert_eq!(mean.pixel(), Some(PixelSize { x_mm: 0.2, y_mm: 0.6 }));
        for (by, height) in [(BinBy::Median, 2.5), (BinBy::First, 1.0), (BinBy::Last, 10.0)] {
            let found = Bin { by, min_valid: 0.25, ..bin.clone() }.apply(&map).unwrap();
            assert_eq!(found.heights_nm(), array![[height, 9.0]], "{by:?}");
        }
        assert!(Bin { x: 6, ..bin.clone() }.apply(&map).is_err());
        assert!(Bin { x: 0, ..bin.clone() }.apply(&map).is_err());
        assert!(Bin { min_valid: f64::NAN, ..bin }.apply(&map).is_err());
    }
}
