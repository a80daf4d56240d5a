//! Zernike polynomials over a pupil, in the orders of Noll (1976) and of the fringe (University of Arizona) set.

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StepError;
use crate::extent::Extent;
use crate::polynomial::{Basis, LinearTerm};

/// Zernike polynomials, fitted and removed together. The angle runs from x towards y, that is down the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zernike {
    /// How many polynomials, counted from the first (piston): at most 91 (Noll) or 49 (fringe).
    pub count: u32,
    /// In which order they are counted, and how they are normalised. Default: `noll`.
    #[serde(default)]
    pub order: ZernikeOrder,
    /// Where the pupil lies in the map. Pixels outside it become invalid. Default: `inscribed`.
    #[serde(default)]
    pub pupil: Pupil,
}

/// How Zernike polynomials are counted and normalised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ZernikeOrder {
    /// Noll's order, root mean square 1 over the pupil: coefficients are nm rms.
    #[default]
    Noll,
    /// Fringe order, value 1 at the edge (x = 1): coefficients are nm.
    Fringe,
}

/// The unit circle of the Zernike polynomials in a map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pupil {
    /// The largest circle inside the map, about its centre.
    #[default]
    Inscribed,
    /// The smallest circle around the map.
    Circumscribed,
    /// The ellipse that touches the four borders of the map.
    Elliptic,
}

const STEP: &str = "remove zernike";

/// Radial order n and azimuthal order m (negative: sine) of Noll's index, from 1.
fn noll(index: u32) -> (u32, i32) {
    let mut n = 0;
    let mut first = 1;
    while first + n < index {
        first += n + 1;
        n += 1;
    }
    // Within a radial order |m| grows; even indices are cosines.
    let place = index - first;
    let m = if n.is_multiple_of(2) { 2 * place.div_ceil(2) } else { 2 * (place / 2) + 1 } as i32;
    (n, if index.is_multiple_of(2) { m } else { -m })
}

/// Radial and azimuthal order of the fringe index, from 1.
fn fringe(index: u32) -> (u32, i32) {
    let mut group = 0; // (n + |m|) / 2
    while (group + 1) * (group + 1) < index {
        group += 1;
    }
    let place = index - group * group - 1;
    let m = (group - place / 2) as i32;
    ((2 * group) - m as u32, if place.is_multiple_of(2) { m } else { -m })
}

/// The radial polynomial divided by `rho^|m|`, as a polynomial in `rho²`, by Horner's rule.
fn radial(n: u32, m: u32, rho2: f64) -> f64 {
    let factorial = |k: u32| (1..=k).map(f64::from).product::<f64>();
    let (sum, difference) = ((n + m) / 2, (n - m) / 2);
    (0..=difference).fold(0.0, |value, k| {
        let sign = if k.is_multiple_of(2) { 1.0 } else { -1.0 };
        let factor = factorial(n - k) / (factorial(k) * factorial(sum - k) * factorial(difference - k));
        value * rho2 + sign * factor
    })
}

/// The polynomial at a point of the plane, not normalised.
fn value(n: u32, m: i32, x: f64, y: f64) -> f64 {
    // rho^|m| (cos, sin)(|m| phi) as a power of the complex number x + i y.
    let power = (0..m.unsigned_abs()).fold((1.0, 0.0), |(re, im), _| (re * x - im * y, re * y + im * x));
    radial(n, m.unsigned_abs(), x * x + y * y) * if m < 0 { power.1 } else { power.0 }
}

impl Zernike {
    /// Basis and terms over a map, and which pixels lie in the pupil.
    pub(crate) fn terms(&self, extent: Extent) -> Result<(Basis, Vec<LinearTerm>, Array2<bool>), StepError> {
        let most = if self.order == ZernikeOrder::Noll { 91 } else { 49 };
        if self.count == 0 || self.count > most {
            let why = "there are 1 to 91 in Noll's order and 1 to 49 in fringe order";
            return Err(StepError::Parameter { step: STEP, parameter: "count", value: self.count.to_string(), why });
        }
        let (x, y) = (extent.columns as f64 * extent.pixel_x / 2.0, extent.rows as f64 * extent.pixel_y / 2.0);
        let half = match self.pupil {
            Pupil::Inscribed => (x.min(y), x.min(y)),
            Pupil::Circumscribed => ((x * x + y * y).sqrt(), (x * x + y * y).sqrt()),
            Pupil::Elliptic => (x, y),
        };
        let (orders, letter): (Vec<(u32, i32)>, &str) = match self.order {
            ZernikeOrder::Noll => ((1..=self.count).map(noll).collect(), "noll"),
            ZernikeOrder::Fringe => ((1..=self.count).map(fringe).collect(), "fringe"),
        };
        let degree = orders.iter().map(|(n, _)| *n).max().unwrap_or(0) as usize;
        let basis = Basis::total(extent, half, degree);
        let list = orders
            .iter()
            .enumerate()
            .map(|(k, (n, m))| {
                let norm = match (self.order, *m) {
                    (ZernikeOrder::Fringe, _) => 1.0,
                    (ZernikeOrder::Noll, 0) => f64::from(n + 1).sqrt(),
                    (ZernikeOrder::Noll, _) => f64::from(2 * (n + 1)).sqrt(),
                };
                let factors = basis.factors(|x, y| norm * value(*n, *m, x, y));
                LinearTerm { name: format!("{letter}-{}", k + 1), unit: "nm".to_owned(), scale: 1.0, factors }
            })
            .collect();
        let inside = Array2::from_shape_fn((extent.rows, extent.columns), |(row, column)| {
            let (a, b) = (extent.x(column) / half.0, extent.y(row) / half.1);
            a * a + b * b <= 1.0 + 1e-9
        });
        Ok((basis, list, inside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_those_of_the_published_tables() {
        let expected = [
            (0, 0),
            (1, 1),
            (1, -1),
            (2, 0),
            (2, -2),
            (2, 2),
            (3, -1),
            (3, 1),
            (3, -3),
            (3, 3),
            (4, 0),
            (4, 2),
            (4, -2),
        ];
        for (k, orders) in expected.into_iter().enumerate() {
            assert_eq!(noll(k as u32 + 1), orders, "Noll {}", k + 1);
        }
        assert_eq!((noll(15), noll(22), noll(36), noll(37)), ((4, -4), (6, 0), (7, 7), (8, 0)));
        let expected = [
            (0, 0),
            (1, 1),
            (1, -1),
            (2, 0),
            (2, 2),
            (2, -2),
            (3, 1),
            (3, -1),
            (4, 0),
            (3, 3),
            (3, -3),
            (4, 2),
            (4, -2),
            (5, 1),
            (5, -1),
            (6, 0),
        ];
        for (k, orders) in expected.into_iter().enumerate() {
            assert_eq!(fringe(k as u32 + 1), orders, "fringe {}", k + 1);
        }
        assert_eq!((fringe(36), fringe(49)), ((10, 0), (12, 0)));
    }

    #[test]
    fn polynomials_are_orthonormal_over_the_disc() {
        // Sums over a fine grid of the disc: mean of Z_i Z_k is 1 or 0.
        let n = 400;
        for (i, k) in [(4, 4), (11, 11), (8, 8), (14, 14), (4, 11), (7, 8), (2, 8), (5, 6)] {
            let (mut sum, mut count) = (0.0, 0);
            for row in 0..n {
                for column in 0..n {
                    let at = |p: i32| (2.0 * f64::from(p) + 1.0) / f64::from(n) - 1.0;
                    let (x, y) = (at(column), at(row));
                    if x * x + y * y <= 1.0 {
                        let z = |index: u32| {
                            let (n, m) = noll(index);
                            f64::from(if m == 0 { n + 1 } else { 2 * (n + 1) }).sqrt() * value(n, m, x, y)
                        };
                        sum += z(i) * z(k);
                        count += 1;
                    }
                }
            }
            let expected = if i == k { 1.0 } else { 0.0 };
            assert!((sum / f64::from(count) - expected).abs() < 0.01, "{i} {k}: {}", sum / f64::from(count));
        }
        // Spherical aberration, fringe 9: 6 rho^4 - 6 rho^2 + 1.
        assert!((value(4, 0, 0.3, 0.4) - (6.0 * 0.0625 - 1.5 + 1.0)).abs() < 1e-15);
    }
}
