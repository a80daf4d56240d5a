//! What an unknown instrument error shares with the mirror, and the convention that parts them.

use crate::joint::Unknowns;
use crate::semidefinite::{Semidefinite, fit};
use crate::stitching::Draft;

/// The shapes of the reference that the mirror can imitate. By convention the reference has none of them (least squares
/// over the nodes seen), so all of it is in the profile.
pub(crate) struct Gauge {
    /// The shapes at every node; unseen nodes have zeros.
    pub rows: Vec<Vec<f64>>,
    /// Polynomial shapes, the constant included; the others repeat with the divisor of the steps.
    polynomials: usize,
    /// Phase of grid point 0 in node steps.
    phase: usize,
    divisor: usize,
    /// Shapes that are independent over the nodes seen.
    pub rank: usize,
}

impl Gauge {
    pub fn new(unknowns: &Unknowns, seen: &[bool], tilt: bool, divisor: usize) -> Self {
        let sampled = unknowns.sampled;
        let polynomials = 2 + usize::from(tilt);
        let repeating = divisor.saturating_sub(1);
        let row = |(node, seen): (usize, &bool)| {
            let mut row = vec![0.0; polynomials + repeating];
            if *seen {
                let u = (sampled.node0 + node as f64 * sampled.step - unknowns.middle) / unknowns.half;
                for (power, entry) in row.iter_mut().take(polynomials).enumerate() {
                    *entry = power_of(u, power);
                }
                if let Some(entry) = (node % divisor.max(1)).checked_sub(1).and_then(|i| row.get_mut(polynomials + i)) {
                    *entry = 1.0;
                }
            }
            row
        };
        let rows: Vec<Vec<f64>> = seen.iter().enumerate().map(row).collect();
        // Grid point p of the first scan is node p - first + node.
        let phase = sampled.scans.first().map_or(0, |s| {
            let g = divisor.max(1) as i64;
            (s.node as i64 - s.first as i64).rem_euclid(g) as usize
        });
        let rank = normal(&rows).1.rank();
        Self { rows, polynomials, phase, divisor, rank }
    }

    pub fn apply(&self, reference: &mut [f64]) {
        let coefficients = fit(&self.rows, &*reference);
        for (value, row) in reference.iter_mut().zip(&self.rows) {
            *value -= row.iter().zip(&coefficients).map(|(a, c)| a * c).sum::<f64>();
        }
    }

    /// What one unit of each shape (but the constant) in the reference is on the mirror, at grid point `point`.
    pub fn on_mirror(&self, unknowns: &Unknowns, draft: &Draft, point: usize) -> Vec<f64> {
        let x = (unknowns.sampled.x(point) - draft.mirror_middle()) / unknowns.half;
        let mut shapes = vec![0.0; self.rows.first().map_or(0, Vec::len)];
        for (power, entry) in shapes.iter_mut().take(self.polynomials).enumerate().skip(1) {
            *entry = power_of(x, power);
        }
        let node = (point + self.phase) % self.divisor.max(1);
        if let Some(entry) = node.checked_sub(1).and_then(|i| shapes.get_mut(self.polynomials + i)) {
            *entry = 1.0;
        }
        shapes
    }
}

fn power_of(x: f64, power: usize) -> f64 {
    (0..power).fold(1.0, |product, _| product * x)
}

/// The normal matrix of a basis, and its factor.
pub(crate) fn normal(rows: &[Vec<f64>]) -> (usize, Semidefinite) {
    let n = rows.first().map_or(0, Vec::len);
    let mut matrix = vec![0.0; n * n];
    for row in rows {
        let own: Vec<(usize, f64)> = row.iter().copied().enumerate().filter(|(_, v)| *v != 0.0).collect();
        for &(i, a) in &own {
            for &(j, b) in &own {
                matrix[i * n + j] += a * b;
            }
        }
    }
    (n, Semidefinite::new(&matrix, n))
}
