//! The score of a stitched map: its difference to the truth, without what no data could have determined.

use ndarray::Array2;
use stitchbox_surface::HeightMap;

use crate::part::part;

/// Map shapes that the data leave open, and that are therefore removed before a map is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullSpace {
    /// Known reference: 1, x, y.
    Plane,
    /// Unknown reference, two-dimensional scan: 1, x, y, x^2, xy, y^2.
    Quadratic,
    /// Unknown reference, scan along x: the quadratic and any function of y alone; with steps that are all multiples
    /// of `period` pixels, any function of y and x modulo that period too.
    XScan {
        /// Common divisor of the steps in pixels, if it is more than 1.
        period: Option<usize>,
    },
}

/// The map and the truth cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a map of {map:?} (rows, columns) cannot be compared with a truth of {truth:?}, which must not be smaller")]
pub struct TruthTooSmall {
    /// Rows and columns of the map.
    pub map: [usize; 2],
    /// Rows and columns of the truth.
    pub truth: [usize; 2],
}

/// Stitched map minus truth (nm, from the same row 0, column 0) without the null space, where the map is valid. The
/// truth may be larger than the map.
///
/// # Errors
/// [`TruthTooSmall`] if it is smaller.
pub fn residual_nm(stitched: &HeightMap, truth_nm: &Array2<f64>, null: NullSpace) -> Result<HeightMap, TruthTooSmall> {
    let (rows, columns) = stitched.shape();
    let (truth_rows, truth_columns) = truth_nm.dim();
    if rows > truth_rows || columns > truth_columns {
        return Err(TruthTooSmall { map: [rows, columns], truth: [truth_rows, truth_columns] });
    }
    let mut residual = stitched.heights_nm() - &part(truth_nm, 0..rows, 0..columns);
    let valid = stitched.valid();
    match null {
        NullSpace::Plane => remove_polynomial(&mut residual, valid, 3),
        NullSpace::Quadratic => remove_polynomial(&mut residual, valid, 6),
        NullSpace::XScan { period } => {
            // The parts are not orthogonal on a map with gaps; three rounds settle them.
            for _ in 0..3 {
                remove_polynomial(&mut residual, valid, 6);
                remove_row_means(&mut residual, valid, 1);
                if let Some(period) = period.filter(|p| *p > 1) {
                    remove_row_means(&mut residual, valid, period);
                }
            }
        }
    }
    residual.zip_mut_with(valid, |rest, valid| *rest = if *valid { *rest } else { f64::NAN });
    Ok(HeightMap::from_heights_nm(residual, stitched.pixel()))
}

/// Root mean square of the valid heights about zero, nm; 0 if there are none.
#[must_use]
pub fn rms_nm(map: &HeightMap) -> f64 {
    let valid = map.heights_nm().iter().zip(map.valid()).filter(|(_, v)| **v);
    let squares: f64 = valid.map(|(h, _)| h * h).sum();
    (squares / map.valid_count().max(1) as f64).sqrt()
}

/// The long-wave part of a residual: its mean in `bins` stretches of equal length along x, nm. What a stitching
/// program does badly shows here first, for the pixel noise is averaged away. A stretch without pixels is left out.
#[must_use]
pub fn profile_nm(map: &HeightMap, bins: usize) -> Vec<f64> {
    let (rows, columns) = map.shape();
    let width = (columns / bins.max(1)).max(1);
    let mean = |bin: usize| {
        // Each row counts the same however many gaps it has, as in the reference scorer.
        let stretch = bin * width..(bin + 1) * width;
        let heights = part(map.heights_nm(), 0..rows, stretch.clone());
        let valid = part(map.valid(), 0..rows, stretch);
        let row_mean = |row: usize| mean(heights.row(row).iter().zip(valid.row(row)));
        let means: Vec<f64> = (0..rows).filter_map(row_mean).collect();
        (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64)
    };
    (0..columns / width).filter_map(mean).collect()
}

fn mean<'a>(pixels: impl Iterator<Item = (&'a f64, &'a bool)>) -> Option<f64> {
    let (sum, count) = pixels.filter(|(_, v)| **v).fold((0.0, 0usize), |(s, n), (h, _)| (s + h, n + 1));
    (count > 0).then(|| sum / count as f64)
}

/// Subtracts the least-squares combination of the first `terms` of 1, x, y, x^2, xy, y^2.
fn remove_polynomial(residual: &mut Array2<f64>, valid: &Array2<bool>, terms: usize) {
    let (rows, columns) = residual.dim();
    let unit = |i: usize, n: usize| if n > 1 { 2.0 * i as f64 / (n as f64 - 1.0) - 1.0 } else { 0.0 };
    let basis = |row: usize, column: usize| {
        let (x, y) = (unit(column, columns), unit(row, rows));
        [1.0, x, y, x * x, x * y, y * y]
    };
    let mut normal = [[0.0; 6]; 6];
    let mut right = [0.0; 6];
    for (((row, column), height), valid) in residual.indexed_iter().zip(valid) {
        if *valid {
            let b = basis(row, column);
            for i in 0..terms {
                right[i] += b[i] * height;
                for j in 0..terms {
                    normal[i][j] += b[i] * b[j];
                }
            }
        }
    }
    let coefficients = solve(normal, right, terms);
    for ((row, column), height) in residual.indexed_iter_mut() {
        let b = basis(row, column);
        *height -= coefficients.iter().zip(b).take(terms).map(|(c, b)| c * b).sum::<f64>();
    }
}

/// Solves the symmetric equations by elimination with diagonal pivots; a term that the others already express (a
/// single row knows no y) gets the coefficient 0.
fn solve(mut a: [[f64; 6]; 6], mut b: [f64; 6], terms: usize) -> [f64; 6] {
    let threshold = 1e-12 * (0..terms).fold(0.0f64, |m, i| m.max(a[i][i]));
    let mut open: Vec<usize> = (0..terms).collect();
    let mut solved: Vec<usize> = Vec::new();
    while let Some(at) = (0..open.len()).max_by(|&i, &j| a[open[i]][open[i]].total_cmp(&a[open[j]][open[j]])) {
        let pivot = open[at];
        if a[pivot][pivot] <= threshold {
            break;
        }
        open.remove(at);
        for i in (0..terms).filter(|i| *i != pivot) {
            let factor = a[i][pivot] / a[pivot][pivot];
            let pivot_row = a[pivot];
            for (entry, above) in a[i].iter_mut().zip(pivot_row) {
                *entry -= factor * above;
            }
            b[i] -= factor * b[pivot];
        }
        solved.push(pivot);
    }
    let mut x = [0.0; 6];
    for i in solved {
        x[i] = b[i] / a[i][i];
    }
    x
}

/// Subtracts from each row the mean over the columns of equal remainder modulo `period`.
fn remove_row_means(residual: &mut Array2<f64>, valid: &Array2<bool>, period: usize) {
    for (mut row, valid) in residual.rows_mut().into_iter().zip(valid.rows()) {
        for phase in 0..period.min(row.len()) {
            let Some(mean) = mean(row.iter().zip(valid).skip(phase).step_by(period)) else { continue };
            for height in row.iter_mut().skip(phase).step_by(period) {
                *height -= mean;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the test adds to a truth, at column and row counted from the centre in units of half the size.
    fn scored(null: NullSpace, error: impl Fn(f64, f64, usize) -> f64) -> f64 {
        let truth = Array2::from_shape_fn((31, 122), |(r, c)| (r * 7 % 5) as f64 + c as f64);
        let mut heights = Array2::from_shape_fn((30, 120), |(r, c)| {
            truth[[r, c]] + error(c as f64 / 59.5 - 1.0, r as f64 / 14.5 - 1.0, c)
        });
        for pixel in [[3, 4], [3, 5], [20, 100], [29, 119]] {
            heights[pixel] = f64::NAN;
        }
        let residual = residual_nm(&HeightMap::from_heights_nm(heights, None), &truth, null).unwrap();
        assert_eq!(residual.valid_count(), 30 * 120 - 4);
        rms_nm(&residual)
    }

    const X_SCAN: NullSpace = NullSpace::XScan { period: None };

    #[test]
    fn what_the_data_leave_open_is_removed_and_nothing_else() {
        let plane = |x: f64, y: f64, _| 5.0 - 3.0 * x + 2.0 * y;
        let power = |x: f64, _: f64, _| x * x;
        let of_y = |_: f64, y: f64, _| 4.0 * libm::sin(7.0 * y);
        let cubic = |x: f64, _: f64, _| x * x * x;
        for null in [NullSpace::Plane, NullSpace::Quadratic, X_SCAN] {
            assert!(scored(null, plane) < 1e-9, "{null:?}");
        }
        // The rms of x^2 about its mean on -1..1 is 2 / sqrt(45).
        assert!((scored(NullSpace::Plane, power) - 0.298).abs() < 0.01);
        assert!(scored(NullSpace::Quadratic, power) < 1e-9);
        assert!(scored(NullSpace::Quadratic, of_y) > 2.0);
        assert!(scored(X_SCAN, of_y) < 1e-6);
        // The rms of the Legendre part 2/5 P3 of x^3 is 2/5 / sqrt(7).
        assert!((scored(X_SCAN, cubic) - 0.151).abs() < 0.01);
    }

    #[test]
    fn a_period_is_removed_only_when_it_is_declared() {
        let periodic = |_: f64, y: f64, c: usize| (1.0 + y) * [1.0, -2.0, 0.5, 3.0, -1.0][c % 5];
        assert!(scored(X_SCAN, periodic) > 1.0);
        assert!(scored(NullSpace::XScan { period: Some(5) }, periodic) < 1e-3);
        assert!(scored(NullSpace::XScan { period: Some(7) }, periodic) > 1.0);
    }

    #[test]
    fn a_truth_that_is_too_small_is_refused() {
        let map = HeightMap::from_heights_nm(Array2::zeros((3, 4)), None);
        let error = residual_nm(&map, &Array2::zeros((3, 3)), NullSpace::Plane).unwrap_err();
        assert_eq!(error, TruthTooSmall { map: [3, 4], truth: [3, 3] });
    }

    #[test]
    fn a_single_row_and_an_empty_map_are_scored_too() {
        let row = HeightMap::from_heights_nm(Array2::from_shape_fn((1, 9), |(_, c)| c as f64), None);
        assert!(rms_nm(&residual_nm(&row, &Array2::zeros((1, 9)), NullSpace::Quadratic).unwrap()) < 1e-9);
        let empty = HeightMap::from_heights_nm(Array2::from_elem((2, 2), f64::NAN), None);
        assert_eq!(rms_nm(&residual_nm(&empty, &Array2::zeros((2, 2)), X_SCAN).unwrap()), 0.0);
    }

    #[test]
    fn the_profile_is_the_mean_of_stretches() {
        let mut heights = Array2::from_shape_fn((4, 40), |(_, c)| (c / 10) as f64);
        heights.columns_mut().into_iter().skip(30).for_each(|mut c| c.fill(f64::NAN));
        heights[[0, 3]] = f64::NAN;
        assert_eq!(profile_nm(&HeightMap::from_heights_nm(heights, None), 4), [0.0, 1.0, 2.0]);
    }
}
