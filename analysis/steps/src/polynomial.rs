//! Fits that are linear in their terms, every term a polynomial in x and y: planes, Legendre, Zernike and the like.
//!
//! All terms are written in products of Legendre polynomials `P_i(xi) P_j(eta)` over the map. The sums over pixels
//! separate: a row contributes the sums of `P_i P_k` along it, and only those are combined with `P_j P_l` of its place.
//! So the work for a pixel grows with the degree along x, not with the number of terms squared.

use ndarray::{Array2, ArrayView1};
use rayon::prelude::*;

use crate::StepError;
use crate::extent::Extent;
use crate::fit::{Fit, Term};
use crate::least_squares::{dot, solve_normal};

/// A term: its name, unit and polynomial.
#[derive(Debug, Clone)]
pub(crate) struct LinearTerm {
    pub name: String,
    pub unit: String,
    /// The value in `unit` is the coefficient times this.
    pub scale: f64,
    /// Factors of `P_i(xi) P_j(eta)`, one for each of [`Basis::pairs`].
    pub factors: Vec<f64>,
}

/// The products of Legendre polynomials used, and how xi and eta follow from x and y.
#[derive(Debug, Clone)]
pub(crate) struct Basis {
    pub extent: Extent,
    /// x and y (in the unit of the extent) where xi and eta are one.
    pub half: (f64, f64),
    /// Degrees (i, j) of the products.
    pub pairs: Vec<(usize, usize)>,
}

/// `P_0 ... P_degree` at `t`.
pub(crate) fn legendre(t: f64, degree: usize) -> Vec<f64> {
    let mut values = Vec::with_capacity(degree + 1);
    values.push(1.0);
    if degree > 0 {
        values.push(t);
    }
    for n in 1..degree {
        let k = n as f64;
        let next = ((2.0 * k + 1.0) * t * values[n] - k * values[n - 1]) / (k + 1.0);
        values.push(next);
    }
    values
}

/// Nodes and weights of Gauss and Legendre on [-1, 1].
fn gauss(count: usize) -> Vec<(f64, f64)> {
    (0..count)
        .map(|k| {
            let mut t = libm::cos(std::f64::consts::PI * (k as f64 + 0.75) / (count as f64 + 0.5));
            let mut slope = 1.0;
            for _ in 0..50 {
                let p = legendre(t, count);
                slope = count as f64 * (t * p[count] - p[count - 1]) / (t * t - 1.0);
                let step = p[count] / slope;
                t -= step;
                if step.abs() < 1e-16 {
                    break;
                }
            }
            (t, 2.0 / ((1.0 - t * t) * slope * slope))
        })
        .collect()
}

impl Basis {
    /// All products of total degree up to `degree`.
    pub fn total(extent: Extent, half: (f64, f64), degree: usize) -> Self {
        let pairs = (0..=degree).flat_map(|n| (0..=n).map(move |j| (n - j, j))).collect();
        Self { extent, half, pairs }
    }

    fn degrees(&self) -> (usize, usize) {
        self.pairs.iter().fold((0, 0), |(x, y), (i, j)| (x.max(*i), y.max(*j)))
    }

    /// Factors of the polynomial `f(xi, eta)`: exact for what the pairs span.
    pub fn factors(&self, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let (dx, dy) = self.degrees();
        let nodes = gauss(dx.max(dy) + 1);
        let tables: Vec<Vec<f64>> = nodes.iter().map(|(t, _)| legendre(*t, dx.max(dy))).collect();
        self.pairs
            .iter()
            .map(|(i, j)| {
                let mut sum = 0.0;
                for ((xi, wx), px) in nodes.iter().zip(&tables) {
                    for ((eta, wy), py) in nodes.iter().zip(&tables) {
                        sum += wx * wy * px[*i] * py[*j] * f(*xi, *eta);
                    }
                }
                let value = sum * (2 * i + 1) as f64 * (2 * j + 1) as f64 / 4.0;
                if value.abs() < 1e-14 { 0.0 } else { value }
            })
            .collect()
    }

    /// `P_i` at every column, by degree.
    fn column_table(&self, degree: usize) -> Vec<Vec<f64>> {
        let mut table = vec![Vec::with_capacity(self.extent.columns); degree + 1];
        for column in 0..self.extent.columns {
            let values = legendre(self.extent.x(column) / self.half.0, degree);
            for (list, value) in table.iter_mut().zip(values) {
                list.push(value);
            }
        }
        table
    }

    fn at_row(&self, row: usize, degree: usize) -> Vec<f64> {
        legendre(self.extent.y(row) / self.half.1, degree)
    }

    /// The factors of `P_i(xi)` along one row, for the factors of a surface.
    fn along_row(&self, surface: &[f64], py: &[f64], dx: usize) -> Vec<f64> {
        let mut along = vec![0.0; dx + 1];
        for ((i, j), factor) in self.pairs.iter().zip(surface) {
            along[*i] += factor * py[*j];
        }
        along
    }
}

/// A fitted polynomial surface.
#[derive(Debug, Clone)]
pub(crate) struct Polynomial {
    basis: Basis,
    /// Factors of the pairs.
    surface: Vec<f64>,
}

/// Sums of products that are held at once.
const GRAM_SUMS: usize = 1 << 23;

/// Sums over some rows.
struct Moments {
    /// Products of pairs, row-major, upper part only. Empty where not asked for.
    gram: Vec<f64>,
    right: Vec<f64>,
    count: usize,
}

/// Sums of the products of pairs (if `with_gram`) and of pairs times (heights minus `surface`) over the pixels used.
fn moments(basis: &Basis, heights: &Array2<f64>, used: &Array2<bool>, surface: &[f64], with_gram: bool) -> Moments {
    let (dx, dy) = basis.degrees();
    let table = basis.column_table(dx);
    let gram_of = |weights: &dyn Fn(usize) -> Vec<f64>| -> Vec<f64> {
        let mut along = vec![0.0; (dx + 1) * (dx + 1)];
        for i in 0..=dx {
            let weighted = weights(i);
            for k in i..=dx {
                let sum = dot(&weighted, &table[k]);
                along[i * (dx + 1) + k] = sum;
                along[k * (dx + 1) + i] = sum;
            }
        }
        along
    };
    let full = if with_gram { gram_of(&|i| table[i].clone()) } else { Vec::new() };
    let pairs = basis.pairs.len();
    let chunk = |rows: std::ops::Range<usize>| {
        let gram = vec![0.0; if with_gram { pairs * pairs } else { 0 }];
        let mut sums = Moments { gram, right: vec![0.0; pairs], count: 0 };
        for row in rows {
            let py = basis.at_row(row, dy);
            let along = basis.along_row(surface, &py, dx);
            let (line, mask) = (heights.row(row), used.row(row));
            let count = mask.iter().filter(|v| **v).count();
            if count == 0 {
                continue;
            }
            sums.count += count;
            let residual = residual_line(line, mask, &along, &table);
            let right: Vec<f64> = table.iter().map(|p| dot(p, &residual)).collect();
            for (total, (i, j)) in sums.right.iter_mut().zip(&basis.pairs) {
                *total += right[*i] * py[*j];
            }
            if with_gram {
                let partial;
                let products = if count == line.len() {
                    &full
                } else {
                    let only = |i: usize| {
                        table[i].iter().zip(mask).map(|(p, v)| if *v { *p } else { 0.0 }).collect::<Vec<f64>>()
                    };
                    partial = gram_of(&only);
                    &partial
                };
                for (a, (i, j)) in basis.pairs.iter().enumerate() {
                    for (b, (k, l)) in basis.pairs.iter().enumerate().skip(a) {
                        sums.gram[a * pairs + b] += py[*j] * py[*l] * products[i * (dx + 1) + k];
                    }
                }
            }
        }
        sums
    };
    // All chunks' sums of products together take at most 64 MiB.
    let chunks = basis.extent.row_chunks_at_most((GRAM_SUMS / (pairs * pairs).max(1)).min(256));
    let parts: Vec<Moments> = chunks.into_par_iter().map(chunk).collect();
    let gram = vec![0.0; if with_gram { pairs * pairs } else { 0 }];
    let mut total = Moments { gram, right: vec![0.0; pairs], count: 0 };
    for part in parts {
        total.count += part.count;
        for (t, p) in total.gram.iter_mut().zip(&part.gram).chain(total.right.iter_mut().zip(&part.right)) {
            *t += p;
        }
    }
    for a in 0..if with_gram { pairs } else { 0 } {
        for b in 0..a {
            total.gram[a * pairs + b] = total.gram[b * pairs + a];
        }
    }
    total
}

/// Heights minus the surface along a row; zero where a pixel is not used.
fn residual_line(
    heights: ArrayView1<'_, f64>,
    used: ArrayView1<'_, bool>,
    along: &[f64],
    table: &[Vec<f64>],
) -> Vec<f64> {
    let mut model = vec![0.0; heights.len()];
    for (factor, p) in along.iter().zip(table) {
        for (m, p) in model.iter_mut().zip(p) {
            *m += factor * p;
        }
    }
    heights.iter().zip(used).zip(&model).map(|((h, v), m)| if *v { h - m } else { 0.0 }).collect()
}

impl Polynomial {
    /// Takes the surface from the heights wherever they are valid, and returns the sum of the squares that are left
    /// over the pixels used for the fit.
    pub fn subtract(&self, heights: &mut Array2<f64>, valid: &Array2<bool>, used: &Array2<bool>) -> f64 {
        let (dx, dy) = self.basis.degrees();
        let table = self.basis.column_table(dx);
        let squares: Vec<f64> = heights
            .outer_iter_mut()
            .into_par_iter()
            .enumerate()
            .map(|(row, mut line)| {
                let py = self.basis.at_row(row, dy);
                let along = self.basis.along_row(&self.surface, &py, dx);
                let residual = residual_line(line.view(), valid.row(row), &along, &table);
                let mut square = 0.0;
                for ((height, residual), used) in line.iter_mut().zip(&residual).zip(used.row(row)) {
                    *height = *residual;
                    if *used {
                        square += residual * residual;
                    }
                }
                square
            })
            .collect();
        squares.iter().sum()
    }

    /// Fits the terms to the heights over the pixels used, twice: the second time to what the first left, which takes
    /// the rounding errors of the first away. The residual and uncertainties of the result are filled in by
    /// [`Self::subtract_and_describe`].
    pub fn fit(
        step: &'static str,
        basis: Basis,
        terms: &[LinearTerm],
        heights: &Array2<f64>,
        used: &Array2<bool>,
    ) -> Result<Fitted, StepError> {
        let (pairs, n) = (basis.pairs.len(), terms.len());
        let mut surface = vec![0.0; pairs];
        let first = moments(&basis, heights, used, &surface, true);
        if first.count < n {
            return Err(StepError::TooFewPoints { step, points: first.count, terms: n });
        }
        let mut normal = vec![0.0; n * n];
        for (a, term) in terms.iter().enumerate() {
            let row: Vec<f64> = (0..pairs)
                .map(|q| term.factors.iter().enumerate().map(|(p, f)| f * first.gram[p * pairs + q]).sum())
                .collect();
            for (b, other) in terms.iter().enumerate() {
                normal[a * n + b] = dot(&row, &other.factors);
            }
        }
        let mut coefficients = vec![0.0; n];
        let mut inverse = Vec::new();
        let mut right = first.right;
        for round in 0..2 {
            if round > 0 {
                right = moments(&basis, heights, used, &surface, false).right;
            }
            let projected: Vec<f64> = terms.iter().map(|term| dot(&term.factors, &right)).collect();
            let (values, covariance) = solve_normal(&normal, &projected)
                .map_err(|d| StepError::NotDetermined { step, term: terms[d.0].name.clone() })?;
            inverse = covariance;
            for ((c, v), term) in coefficients.iter_mut().zip(&values).zip(terms) {
                *c += v;
                for (s, f) in surface.iter_mut().zip(&term.factors) {
                    *s += v * f;
                }
            }
        }
        Ok(Fitted { polynomial: Self { basis, surface }, coefficients, inverse, points: first.count })
    }
}

/// A fit before its residual is known.
pub(crate) struct Fitted {
    pub polynomial: Polynomial,
    coefficients: Vec<f64>,
    inverse: Vec<f64>,
    points: usize,
}

impl Fitted {
    /// Takes the surface from the heights and says what was found.
    pub fn subtract_and_describe(
        &self,
        terms: &[LinearTerm],
        heights: &mut Array2<f64>,
        valid: &Array2<bool>,
        used: &Array2<bool>,
    ) -> Fit {
        let square = self.polynomial.subtract(heights, valid, used);
        let n = terms.len();
        let freedom = self.points.saturating_sub(n);
        let variance = if freedom > 0 { square / freedom as f64 } else { 0.0 };
        let scaled = |i: usize, j: usize| self.inverse[i * n + j] * variance * terms[i].scale * terms[j].scale;
        let covariance = Array2::from_shape_fn((n, n), |(i, j)| scaled(i, j));
        let list = terms
            .iter()
            .zip(&self.coefficients)
            .enumerate()
            .map(|(k, (term, coefficient))| Term {
                name: term.name.clone(),
                value: coefficient * term.scale,
                unit: term.unit.clone(),
                uncertainty: covariance[[k, k]].max(0.0).sqrt(),
                free: true,
            })
            .collect();
        let residual_rms = (square / self.points.max(1) as f64).sqrt();
        let (points, derived) = (self.points, Vec::new());
        Fit { terms: list, covariance, derived, residual_rms, residual_unit: "nm", points, iterations: 0 }
    }
}
