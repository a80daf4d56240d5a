//! Height differences between neighbouring pixels, as the slopes tell them, and how much each counts.

use ndarray::{Array2, ArrayView1, Axis, Zip};

use super::Rule;
use crate::SlopeMaps;

/// The graph of a map: each two neighbours with valid slopes share an edge.
pub(super) struct Edges {
    /// Weight of the edge from a pixel to the next in its row, 0 where there is none.
    x: Array2<f32>,
    /// Weight of the edge from a pixel to the one below.
    y: Array2<f32>,
}

impl Edges {
    /// Equal standard uncertainties of all slopes make the weight of a difference the inverse square of the pixel size;
    /// here relative to the smaller pixel. With the weights of slopes `w` (inverse variances) that of the mean of two is
    /// their harmonic mean.
    pub(super) fn new(slopes: &SlopeMaps, weights: Option<&Array2<f64>>) -> Self {
        let pixel = slopes.pixel();
        let smaller = pixel.x_mm.min(pixel.y_mm);
        let along = |valid: &Array2<bool>, axis: Axis, size: f64| {
            let scale = (smaller / size) * (smaller / size);
            let mut found = Array2::<f32>::zeros(valid.dim());
            let length = valid.len_of(axis);
            Zip::indexed(&mut found).par_for_each(|(row, column), edge| {
                let (here, next) = if axis.index() == 1 {
                    ([row, column], [row, column + 1])
                } else {
                    ([row, column], [row + 1, column])
                };
                if next[axis.index()] < length && valid[here] && valid[next] {
                    let mean = match weights {
                        None => 1.0,
                        Some(w) if w[here] > 0.0 && w[next] > 0.0 => 2.0 / (1.0 / w[here] + 1.0 / w[next]),
                        Some(_) => 0.0,
                    };
                    *edge = (mean * scale) as f32;
                }
            });
            found
        };
        Self { x: along(slopes.x_valid(), Axis(1), pixel.x_mm), y: along(slopes.y_valid(), Axis(0), pixel.y_mm) }
    }

    pub(super) fn shape(&self) -> (usize, usize) {
        self.x.dim()
    }

    pub(super) fn x_weight(&self, row: usize, column: usize) -> f32 {
        self.x[[row, column]]
    }

    pub(super) fn y_weight(&self, row: usize, column: usize) -> f32 {
        self.y[[row, column]]
    }

    /// Whether any edge ends at this pixel.
    pub(super) fn connected(&self, row: usize, column: usize) -> bool {
        self.x[[row, column]] > 0.0
            || self.y[[row, column]] > 0.0
            || (column > 0 && self.x[[row, column - 1]] > 0.0)
            || (row > 0 && self.y[[row - 1, column]] > 0.0)
    }

    /// Takes away the edges of all pixels but these.
    pub(super) fn keep(&mut self, kept: impl Fn(usize, usize) -> bool + Sync) {
        Zip::indexed(&mut self.x).and(&mut self.y).par_for_each(|(row, column), x, y| {
            if !kept(row, column) {
                (*x, *y) = (0.0, 0.0);
            }
        });
    }

    /// Sums over the edges of a pixel `weight * (difference to the neighbour)`, for all pixels of a row.
    pub(super) fn laplacian_row(&self, heights: &Array2<f64>, row: usize, out: &mut [f64]) {
        let here = heights.row(row);
        let columns = here.len();
        let x = self.x.row(row);
        let y = self.y.row(row);
        for (c, sum) in out.iter_mut().enumerate() {
            let mut value = 0.0;
            if c > 0 {
                value += f64::from(x[c - 1]) * (here[c] - here[c - 1]);
            }
            if c + 1 < columns {
                value += f64::from(x[c]) * (here[c] - here[c + 1]);
            }
            *sum = value;
        }
        if row > 0 {
            let (above, weight) = (heights.row(row - 1), self.y.row(row - 1));
            for (c, sum) in out.iter_mut().enumerate() {
                *sum += f64::from(weight[c]) * (here[c] - above[c]);
            }
        }
        if row + 1 < heights.nrows() {
            let below = heights.row(row + 1);
            for (c, sum) in out.iter_mut().enumerate() {
                *sum += f64::from(y[c]) * (here[c] - below[c]);
            }
        }
    }
}

/// Height differences (nm) from each pixel to the next along x and along y; `0.0` without meaning where there is no
/// edge.
pub(super) struct Differences {
    pub(super) x: Array2<f64>,
    pub(super) y: Array2<f64>,
}

impl Differences {
    pub(super) fn new(slopes: &SlopeMaps, rule: Rule) -> Self {
        let along = |slopes: &Array2<f64>, valid: &Array2<bool>, axis: Axis, pixel_mm: f64| {
            let mut found = Array2::zeros(slopes.dim());
            // Row by row in both directions, so that memory is read in order.
            Zip::indexed(&mut found).par_for_each(|(row, column), difference| {
                let (line, ok, i) = if axis == Axis(1) {
                    (slopes.row(row), valid.row(row), column)
                } else {
                    (slopes.column(column), valid.column(column), row)
                };
                if ok[i] && ok.get(i + 1) == Some(&true) {
                    *difference = pixel_mm * mean_between(line, ok, i, rule);
                }
            });
            found
        };
        let pixel = slopes.pixel();
        Self {
            x: along(slopes.x_urad(), slopes.x_valid(), Axis(1), pixel.x_mm),
            y: along(slopes.y_urad(), slopes.y_valid(), Axis(0), pixel.y_mm),
        }
    }
}

/// Mean slope between point i and the next, both valid: the integral of the polynomial through up to four points.
fn mean_between(slopes: ArrayView1<'_, f64>, valid: ArrayView1<'_, bool>, i: usize, rule: Rule) -> f64 {
    let (a, b) = (slopes[i], slopes[i + 1]);
    if rule == Rule::Linear {
        return (a + b) / 2.0;
    }
    let at = |index: Option<usize>| index.filter(|k| valid.get(*k) == Some(&true)).map(|k| slopes[k]);
    let (before, behind) = (at(i.checked_sub(1)), at(Some(i + 2)));
    match (before, behind) {
        (Some(before), Some(behind)) => (13.0 * (a + b) - (before + behind)) / 24.0,
        (None, Some(behind)) => match at(Some(i + 3)) {
            Some(far) => (9.0 * a + 19.0 * b - 5.0 * behind + far) / 24.0,
            None => (5.0 * a + 8.0 * b - behind) / 12.0,
        },
        (Some(before), None) => match at(i.checked_sub(2)) {
            Some(far) => (9.0 * b + 19.0 * a - 5.0 * before + far) / 24.0,
            None => (5.0 * b + 8.0 * a - before) / 12.0,
        },
        (None, None) => (a + b) / 2.0,
    }
}
