//! Numbers that describe one map: mean, rms, PV, and the least-squares plane.

use crate::HeightMap;

/// Statistics over the valid pixels of a map, all in nm.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Statistics {
    /// Number of valid pixels.
    pub count: usize,
    /// Arithmetic mean, nm.
    pub mean_nm: f64,
    /// Standard deviation about the mean (population), nm.
    pub rms_nm: f64,
    /// Largest minus smallest height, nm.
    pub pv_nm: f64,
    /// Smallest height, nm.
    pub min_nm: f64,
    /// Largest height, nm.
    pub max_nm: f64,
}

/// Statistics of the valid pixels, or `None` where there is none. Two passes, so that a large mean costs no digits.
#[must_use]
pub fn statistics(map: &HeightMap) -> Option<Statistics> {
    let valid_heights = || map.heights_nm().iter().zip(map.valid()).filter(|(_, v)| **v).map(|(h, _)| *h);
    let count = valid_heights().count();
    if count == 0 {
        return None;
    }
    let n = count as f64;
    let first = valid_heights().next()?;
    let mean_nm = first + valid_heights().map(|h| h - first).sum::<f64>() / n;
    let variance = valid_heights().map(|h| (h - mean_nm) * (h - mean_nm)).sum::<f64>() / n;
    let min_nm = valid_heights().fold(f64::INFINITY, f64::min);
    let max_nm = valid_heights().fold(f64::NEG_INFINITY, f64::max);
    Some(Statistics { count, mean_nm, rms_nm: variance.sqrt(), pv_nm: max_nm - min_nm, min_nm, max_nm })
}

/// Least-squares plane over the valid pixels: `[piston, pitch, roll]` with pitch and roll in nm per column and nm per
/// row, about the centre of the array. `None` where fewer than three valid pixels, or all of them on one line.
#[must_use]
pub fn fit_plane(map: &HeightMap) -> Option<[f64; 3]> {
    let (rows, columns) = map.shape();
    let (v0, u0) = ((rows as f64 - 1.0) / 2.0, (columns as f64 - 1.0) / 2.0);
    let mut normal = [[0.0f64; 3]; 3];
    let mut right = [0.0f64; 3];
    for (((row, column), height), valid) in map.heights_nm().indexed_iter().zip(map.valid()) {
        if !valid {
            continue;
        }
        let basis = [1.0, column as f64 - u0, row as f64 - v0];
        for i in 0..3 {
            right[i] += basis[i] * height;
            for j in 0..3 {
                normal[i][j] += basis[i] * basis[j];
            }
        }
    }
    solve3(normal, right)
}

/// Gaussian elimination with partial pivoting; `None` if the matrix is numerically singular.
fn solve3(mut a: [[f64; 3]; 3], mut b: [f64; 3]) -> Option<[f64; 3]> {
    let scale = a.iter().flatten().fold(0.0f64, |m, v| m.max(v.abs()));
    for k in 0..3 {
        let pivot = (k..3).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs()))?;
        if a[pivot][k].abs() <= scale * 1e-14 {
            return None;
        }
        a.swap(k, pivot);
        b.swap(k, pivot);
        for i in k + 1..3 {
            let factor = a[i][k] / a[k][k];
            let pivot_row = a[k];
            for (entry, above) in a[i].iter_mut().zip(pivot_row).skip(k) {
                *entry -= factor * above;
            }
            b[i] -= factor * b[k];
        }
    }
    let mut x = [0.0; 3];
    for k in (0..3).rev() {
        let known: f64 = (k + 1..3).map(|j| a[k][j] * x[j]).sum();
        x[k] = (b[k] - known) / a[k][k];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn a_plane_is_found_exactly_and_masked_pixels_do_not_count() {
        let mut heights =
            Array2::from_shape_fn((5, 7), |(r, c)| 3.0 + 0.5 * (c as f64 - 3.0) - 0.25 * (r as f64 - 2.0));
        heights[[1, 1]] = f64::NAN;
        let map = HeightMap::from_heights_nm(heights, None);
        let plane = fit_plane(&map).unwrap();
        for (found, expected) in plane.iter().zip([3.0, 0.5, -0.25]) {
            assert!((found - expected).abs() < 1e-12, "{plane:?}");
        }
        assert_eq!(statistics(&map).unwrap().count, 34);
    }

    #[test]
    fn no_valid_pixel_has_no_statistics_and_a_line_has_no_plane() {
        let empty = HeightMap::from_heights_nm(Array2::from_elem((3, 3), f64::NAN), None);
        assert!(statistics(&empty).is_none());
        assert!(fit_plane(&HeightMap::from_heights_nm(Array2::zeros((1, 9)), None)).is_none());
    }

    #[test]
    fn a_large_mean_costs_no_digits() {
        let map = HeightMap::from_heights_nm(Array2::from_shape_fn((1, 4), |(_, c)| 1e9 + c as f64), None);
        let s = statistics(&map).unwrap();
        assert_eq!((s.mean_nm, s.pv_nm), (1e9 + 1.5, 3.0));
        assert!((s.rms_nm - 1.25f64.sqrt()).abs() < 1e-12);
    }
}
