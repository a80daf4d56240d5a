//! Medians in a window: the median filter, and Hampel's rule that finds outliers with it.

use ndarray::{Array2, Zip};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::HeightMap;
use stitchbox_surface::quantity::Height;

use crate::StepError;
use crate::frame::{parameter_error, within};

/// Median absolute deviation times this is the standard deviation of normal noise.
const NORMAL: f64 = 1.482_602_218_505_602;

/// Replaces every valid height by the median of the valid heights in a window around it. At the border the window is
/// cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Median {
    /// Columns of the window, odd, 1 to 201. Default 3.
    pub x: usize,
    /// Rows of the window, odd, 1 to 201. Default 3.
    pub y: usize,
}

impl Default for Median {
    fn default() -> Self {
        Self { x: 3, y: 3 }
    }
}

impl Median {
    /// The filtered map; the mask stays as it is.
    ///
    /// # Errors
    /// [`StepError::Parameter`].
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        let window = Window::new("median", self.x, self.y)?;
        let mut heights = map.heights_nm().clone();
        window.at_each_valid(map, &mut heights, |height, near| *height = median(near).unwrap_or(*height));
        Ok(HeightMap::new(heights, map.valid().clone(), map.pixel())?)
    }
}

/// What happens to an outlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HampelAction {
    /// It becomes invalid.
    #[default]
    Invalidate,
    /// It becomes the median of its window.
    Replace,
}

/// Hampel's rule: a height is an outlier where it lies more than `threshold` robust standard deviations (1.4826 times
/// the median absolute deviation) from the median of its window. A slope widens the deviation in the window: remove
/// tilt and shape first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hampel {
    /// Columns of the window, odd, 1 to 201. Default 5.
    pub x: usize,
    /// Rows of the window, odd, 1 to 201. Default 5.
    pub y: usize,
    /// Number of robust standard deviations, above 0. Default 6.
    pub threshold: f64,
    /// A deviation up to this height is never an outlier (for surfaces quieter than the digits of the file). Default
    /// 0 nm.
    pub tolerated: Height,
    /// What happens to an outlier: `invalidate` (default) or `replace` by the median.
    pub action: HampelAction,
}

impl Default for Hampel {
    fn default() -> Self {
        Self { x: 5, y: 5, threshold: 6.0, tolerated: Height::new(0.0), action: HampelAction::Invalidate }
    }
}

impl Hampel {
    /// The map without its outliers. All windows see the map as it came.
    ///
    /// # Errors
    /// [`StepError::Parameter`].
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        let window = Window::new("hampel", self.x, self.y)?;
        within("hampel", "threshold", self.threshold, f64::MIN_POSITIVE..=f64::MAX, "it must be above 0")?;
        within("hampel", "tolerated", self.tolerated.nm(), 0.0..=f64::MAX, "it must be at least 0 nm")?;
        let mut heights = map.heights_nm().clone();
        window.at_each_valid(map, &mut heights, |height, near| {
            let Some(middle) = median(near) else { return };
            for value in near.iter_mut() {
                *value = (*value - middle).abs();
            }
            let sigma = NORMAL * median(near).unwrap_or(0.0);
            if (*height - middle).abs() > (self.threshold * sigma).max(self.tolerated.nm()) {
                *height = match self.action {
                    // Becomes invalid where the map is put together.
                    HampelAction::Invalidate => f64::NAN,
                    HampelAction::Replace => middle,
                };
            }
        });
        Ok(HeightMap::new(heights, map.valid().clone(), map.pixel())?)
    }
}

/// Half widths of a window.
struct Window {
    x: usize,
    y: usize,
}

impl Window {
    fn new(step: &'static str, x: usize, y: usize) -> Result<Self, StepError> {
        for (parameter, size) in [("x", x), ("y", y)] {
            if size % 2 == 0 || size > 201 {
                let allowed = "a window has an odd number of pixels from 1 to 201";
                return Err(parameter_error(step, parameter, size as f64, allowed));
            }
        }
        Ok(Self { x: x / 2, y: y / 2 })
    }

    /// Calls `change` with each valid height and the valid heights of its window.
    fn at_each_valid(
        &self,
        map: &HeightMap,
        heights: &mut Array2<f64>,
        change: impl Fn(&mut f64, &mut [f64]) + Sync + Send,
    ) {
        let (rows, columns) = map.shape();
        Zip::indexed(heights.rows_mut()).par_for_each(|row, mut line| {
            let mut near = Vec::with_capacity((2 * self.x + 1) * (2 * self.y + 1));
            let window_rows = row.saturating_sub(self.y)..(row + self.y + 1).min(rows);
            for (column, height) in line.iter_mut().enumerate() {
                if !map.valid()[[row, column]] {
                    continue;
                }
                near.clear();
                for r in window_rows.clone() {
                    for c in column.saturating_sub(self.x)..(column + self.x + 1).min(columns) {
                        if map.valid()[[r, c]] {
                            near.push(map.heights_nm()[[r, c]]);
                        }
                    }
                }
                change(height, &mut near);
            }
        });
    }
}

/// The median (mean of the two middle values of an even number); the order of the values changes. `None` of nothing.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    let half = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let upper = *upper;
    if !even {
        return Some(upper);
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(lower + (upper - lower) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_median_of_valid_neighbours() {
        let nan = f64::NAN;
        let map = HeightMap::from_heights_nm(array![[1.0, 9.0, 2.0], [nan, 4.0, 3.0], [8.0, 7.0, nan]], None);
        let filtered = Median { x: 3, y: 3 }.apply(&map).unwrap();
        // [1 9 4], [1 9 2 4 3], [9 2 4 3]; -, [all seven], [9 2 4 3 7]; [4 8 7], [4 3 8 7], -
        assert_eq!(filtered.heights_nm(), array![[4.0, 3.0, 3.5], [0.0, 4.0, 4.0], [7.0, 5.5, 0.0]]);
        assert_eq!(filtered.valid(), map.valid());
        assert!(Median { x: 4, y: 3 }.apply(&map).is_err() && Median { x: 3, y: 203 }.apply(&map).is_err());
    }

    #[test]
    fn outliers_are_found_and_nothing_else() {
        // Normal-like noise of standard deviation about 1 from sums of fractions, with three spikes.
        let noise = |r: usize, c: usize| {
            (0..12).map(|k| ((r * 131 + c * 17 + k * 7919) as f64 * 0.618_033_988_75).fract()).sum::<f64>() - 6.0
        };
        let mut heights = Array2::from_shape_fn((60, 80), |(r, c)| noise(r * r + 3, c * c + r));
        let spikes = [[0, 0], [30, 41], [59, 12]];
        for at in spikes {
            heights[at] += 40.0;
        }
        let map = HeightMap::from_heights_nm(heights, None);
        let rule = Hampel { threshold: 8.0, ..Hampel::default() };
        let cleaned = rule.apply(&map).unwrap();
        let gone: Vec<_> = cleaned.valid().indexed_iter().filter(|(_, ok)| !**ok).map(|(at, _)| [at.0, at.1]).collect();
        assert_eq!(gone, spikes);
        let replaced = Hampel { action: HampelAction::Replace, ..rule.clone() }.apply(&map).unwrap();
        assert_eq!(replaced.valid_count(), 60 * 80);
        assert!(spikes.iter().all(|at| replaced.heights_nm()[*at].abs() < 3.0));
        let tolerant = Hampel { tolerated: Height::new(100.0), ..rule };
        assert_eq!(tolerant.apply(&map).unwrap(), map);
    }
}
