//! Places from shifts: least squares over all pairs, the first sub-aperture at zero.

use crate::Pair;

/// Places along x and y (pixels) from a first guess, by conjugate gradients on the normal equations of the graph.
pub(crate) fn places(pairs: &[Pair], guess: &[(f64, f64)]) -> (Vec<f64>, Vec<f64>) {
    let axis = |shift: fn(&Pair) -> f64, start: Vec<f64>| {
        let mut x = start;
        let residuals: Vec<f64> = pairs.iter().map(|p| shift(p) - (x[p.second] - x[p.first])).collect();
        let mut r = gather(pairs, &residuals, x.len());
        let mut d = r.clone();
        let mut square: f64 = r.iter().map(|v| v * v).sum();
        let small = 1e-24 * x.len() as f64;
        for _ in 0..4 * x.len() {
            if square <= small {
                break;
            }
            let differences: Vec<f64> = pairs.iter().map(|p| d[p.second] - d[p.first]).collect();
            let q = gather(pairs, &differences, x.len());
            let curvature: f64 = d.iter().zip(&q).map(|(d, q)| d * q).sum();
            if curvature <= 0.0 {
                break;
            }
            let step = square / curvature;
            for k in 0..x.len() {
                x[k] += step * d[k];
                r[k] -= step * q[k];
            }
            let next: f64 = r.iter().map(|v| v * v).sum();
            for k in 0..x.len() {
                d[k] = r[k] + next / square * d[k];
            }
            square = next;
        }
        let first = x.first().copied().unwrap_or(0.0);
        x.iter().map(|v| v - first).collect::<Vec<f64>>()
    };
    (axis(|p| p.x_px, guess.iter().map(|g| g.0).collect()), axis(|p| p.y_px, guess.iter().map(|g| g.1).collect()))
}

/// The transposed differences: what each sub-aperture gets from its pairs.
fn gather(pairs: &[Pair], values: &[f64], count: usize) -> Vec<f64> {
    let mut sums = vec![0.0; count];
    for (pair, value) in pairs.iter().zip(values) {
        sums[pair.second] += value;
        sums[pair.first] -= value;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(first: usize, second: usize, x_px: f64) -> Pair {
        Pair { first, second, x_px, y_px: -2.0 * x_px, score: 1.0, peak_ratio: 9.0 }
    }

    #[test]
    fn a_triangle_shares_its_miss() {
        // 1 + 1 against 2.3: each side takes a third of 0.3.
        let pairs = [pair(0, 1, 1.0), pair(1, 2, 1.0), pair(0, 2, 2.3)];
        let (x, y) = places(&pairs, &[(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)]);
        for (found, wanted) in x.iter().zip([0.0, 1.1, 2.2]) {
            assert!((found - wanted).abs() < 1e-12, "{x:?}");
        }
        assert!((y[2] + 4.4).abs() < 1e-12);
    }
}
