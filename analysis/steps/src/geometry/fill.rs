//! Fills small holes from the pixels around them.

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::HeightMap;

use crate::StepError;
use crate::elimination::NormalEquations;
use crate::frame::within;

/// What a hole is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FillBy {
    /// A quadratic surface fitted to the valid pixels around the hole; reproduces curvature.
    #[default]
    Quadratic,
    /// The solution of Laplace's equation with the pixels around the hole as boundary: a stretched membrane, never
    /// above or below its boundary; reproduces planes.
    Harmonic,
}

/// Fills holes: groups of invalid pixels (neighbours also across corners) that valid pixels enclose. What touches the
/// border of the map is no hole. A filled pixel is valid afterwards, and is an interpolation, not a measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fill {
    /// Largest extent of a hole that is filled, pixels along either direction, 1 to 1000. Default 5.
    pub across: usize,
    /// What it is filled with: `quadratic` (default) or `harmonic`.
    pub by: FillBy,
}

impl Default for Fill {
    fn default() -> Self {
        Self { across: 5, by: FillBy::Quadratic }
    }
}

impl Fill {
    /// The map with its small holes filled.
    ///
    /// # Errors
    /// [`StepError::Parameter`] for `across`.
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        within("fill", "across", self.across as f64, 1.0..=1000.0, "a hole is from 1 to 1000 pixels across")?;
        let (mut heights, mut valid) = (map.heights_nm().clone(), map.valid().clone());
        for hole in holes(map.valid(), self.across) {
            let values = match self.by {
                FillBy::Quadratic => quadratic(map, &hole),
                FillBy::Harmonic => Some(harmonic(map, &hole)),
            };
            for (at, value) in hole.pixels.iter().zip(values.into_iter().flatten()) {
                heights[*at] = value;
                valid[*at] = true;
            }
        }
        Ok(HeightMap::new(heights, valid, map.pixel())?)
    }
}

/// A group of invalid pixels inside of the map.
struct Hole {
    /// Row and column of each, ascending.
    pixels: Vec<(usize, usize)>,
    /// First and last row, first and last column.
    rows: (usize, usize),
    columns: (usize, usize),
}

/// All enclosed groups of at most `across` pixels in either direction.
fn holes(valid: &Array2<bool>, across: usize) -> Vec<Hole> {
    let (rows, columns) = valid.dim();
    let mut seen = valid.clone();
    let mut found = Vec::new();
    let mut stack = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            if seen[[row, column]] {
                continue;
            }
            let mut hole = Hole { pixels: Vec::new(), rows: (row, row), columns: (column, column) };
            let mut keep = true;
            seen[[row, column]] = true;
            stack.push((row, column));
            while let Some((r, c)) = stack.pop() {
                hole.rows = (hole.rows.0.min(r), hole.rows.1.max(r));
                hole.columns = (hole.columns.0.min(c), hole.columns.1.max(c));
                keep &= r > 0 && c > 0 && r + 1 < rows && c + 1 < columns;
                keep &= hole.rows.1 - hole.rows.0 < across && hole.columns.1 - hole.columns.0 < across;
                if keep {
                    hole.pixels.push((r, c));
                }
                for near_row in r.saturating_sub(1)..(r + 2).min(rows) {
                    for near_column in c.saturating_sub(1)..(c + 2).min(columns) {
                        if !seen[[near_row, near_column]] {
                            seen[[near_row, near_column]] = true;
                            stack.push((near_row, near_column));
                        }
                    }
                }
            }
            if keep {
                hole.pixels.sort_unstable();
                found.push(hole);
            }
        }
    }
    found
}

/// Heights of a quadratic surface (of a plane, where too few pixels are around) through the surroundings of a hole: as
/// far from it as it is wide, at least 2 pixels.
fn quadratic(map: &HeightMap, hole: &Hole) -> Option<Vec<f64>> {
    let (rows, columns) = map.shape();
    let span = (hole.rows.1 - hole.rows.0).max(hole.columns.1 - hole.columns.0) + 1;
    let margin = span.max(2);
    let (v0, u0) = ((hole.rows.0 + hole.rows.1) as f64 / 2.0, (hole.columns.0 + hole.columns.1) as f64 / 2.0);
    let scale = 1.0 / (margin as f64 + span as f64 / 2.0);
    let place = |row: usize, column: usize| ((column as f64 - u0) * scale, (row as f64 - v0) * scale);
    let (mut bent, mut flat) = (NormalEquations::<6>::new(), NormalEquations::<3>::new());
    // Heights relative to one of them, so that a large piston costs no digits.
    let mut first = None;
    for row in hole.rows.0.saturating_sub(margin)..(hole.rows.1 + margin + 1).min(rows) {
        for column in hole.columns.0.saturating_sub(margin)..(hole.columns.1 + margin + 1).min(columns) {
            if map.valid()[[row, column]] {
                let height = map.heights_nm()[[row, column]];
                let above = height - *first.get_or_insert(height);
                let (x, y) = place(row, column);
                bent.add([1.0, x, y, x * x, x * y, y * y], above, 1.0);
                flat.add([1.0, x, y], above, 1.0);
            }
        }
    }
    let [a, b, c, d, e, f] =
        bent.solve().or_else(|| flat.solve().map(|plane| [plane[0], plane[1], plane[2], 0.0, 0.0, 0.0]))?;
    let first = first?;
    let surface = |(row, column): &(usize, usize)| {
        let (x, y) = place(*row, *column);
        first + (a + b * x + c * y + (d * x * x + e * x * y + f * y * y))
    };
    Some(hole.pixels.iter().map(surface).collect())
}

/// Conjugate gradients on Laplace's equation over the pixels of the hole.
fn harmonic(map: &HeightMap, hole: &Hole) -> Vec<f64> {
    let width = hole.columns.1 - hole.columns.0 + 1;
    let slot = |(row, column): (usize, usize)| (row - hole.rows.0) * width + column - hole.columns.0;
    let mut index = vec![usize::MAX; width * (hole.rows.1 - hole.rows.0 + 1)];
    for (k, at) in hole.pixels.iter().enumerate() {
        index[slot(*at)] = k;
    }
    // A hole never touches the border, so that all four neighbours exist.
    let around = |(r, c): (usize, usize)| [(r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)];
    let (mut right, mut neighbours) = (Vec::new(), Vec::new());
    for at in &hole.pixels {
        let mut known = 0.0;
        let mut unknown = [usize::MAX; 4];
        for (near, place) in around(*at).into_iter().zip(&mut unknown) {
            if map.valid()[near] {
                known += map.heights_nm()[near];
            } else {
                *place = index[slot(near)];
            }
        }
        right.push(known);
        neighbours.push(unknown);
    }
    let times = |x: &[f64]| -> Vec<f64> {
        let row = |(value, near): (&f64, &[usize; 4])| 4.0 * value - near.iter().filter_map(|k| x.get(*k)).sum::<f64>();
        x.iter().zip(&neighbours).map(row).collect()
    };
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut x = vec![0.0; right.len()];
    let mut residual = right.clone();
    let mut direction = residual.clone();
    let mut size = product(&residual, &residual);
    let goal = size * 1e-28;
    for _ in 0..10 * right.len() {
        if size <= goal {
            break;
        }
        let image = times(&direction);
        let step = size / product(&direction, &image);
        for k in 0..x.len() {
            x[k] += step * direction[k];
            residual[k] -= step * image[k];
        }
        let before = size;
        size = product(&residual, &residual);
        for (d, r) in direction.iter_mut().zip(&residual) {
            *d = r + size / before * *d;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_holes(surface: impl Fn(f64, f64) -> f64) -> (HeightMap, HeightMap) {
        let whole = Array2::from_shape_fn((20, 30), |(r, c)| surface(c as f64, r as f64));
        let mut holed = whole.clone();
        for at in [[5, 5], [5, 6], [6, 5], [6, 7], [12, 20], [0, 3], [19, 29]] {
            holed[at] = f64::NAN;
        }
        // Too large: 7 pixels across.
        for column in 8..15 {
            holed[[15, column]] = f64::NAN;
        }
        (HeightMap::from_heights_nm(whole, None), HeightMap::from_heights_nm(holed, None))
    }

    #[test]
    fn quadratics_and_planes_are_reproduced_and_large_holes_stay() {
        let bent = |x: f64, y: f64| 1e5 + 3.0 * x - y + 0.2 * x * x - 0.1 * x * y + 0.3 * y * y;
        let flat = |x: f64, y: f64| 1e5 + 3.0 * x - y;
        for (by, (whole, holed)) in [(FillBy::Quadratic, with_holes(bent)), (FillBy::Harmonic, with_holes(flat))] {
            let filled = Fill { across: 5, by }.apply(&holed).unwrap();
            assert_eq!(filled.valid_count(), 600 - 7 - 2, "{by:?}");
            for at in [[5, 5], [5, 6], [6, 5], [6, 7], [12, 20]] {
                let error = filled.heights_nm()[at] - whole.heights_nm()[at];
                assert!(error.abs() < 1e-8, "{by:?} {at:?}: {error}");
            }
            assert!(!filled.valid()[[15, 10]] && !filled.valid()[[0, 3]]);
        }
    }

    #[test]
    fn a_membrane_stays_between_its_boundary_and_a_map_without_holes_is_unchanged() {
        let (whole, holed) = with_holes(|x, y| ((x * 7.0 + y * 3.0) * 0.37).fract());
        let filled = Fill { across: 9, by: FillBy::Harmonic }.apply(&holed).unwrap();
        for column in 8..15 {
            let height = filled.heights_nm()[[15, column]];
            assert!((0.0..=1.0).contains(&height) && filled.valid()[[15, column]]);
            let at = |r: usize, c: usize| filled.heights_nm()[[r, c]];
            let mean = (at(14, column) + at(16, column) + at(15, column - 1) + at(15, column + 1)) / 4.0;
            assert!((height - mean).abs() < 1e-12);
        }
        assert_eq!(Fill::default().apply(&whole).unwrap(), whole);
        assert!(Fill { across: 0, ..Fill::default() }.apply(&whole).is_err());
    }
}
