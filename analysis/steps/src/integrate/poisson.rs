//! Poisson's equation with free borders on a rectangle, solved directly by cosine transforms: the preconditioner for
//! masks and weights of any kind, and the whole solution where there are none.

use ndarray::parallel::prelude::*;
use ndarray::{Array2, Axis};

use crate::fourier::{Complex, Cosine, Scratch, smooth_length};

/// Columns transformed together, so that memory is read in whole cache lines.
const BLOCK: usize = 16;

/// The equation on one rectangle.
pub(super) struct Poisson {
    along_x: Cosine,
    along_y: Cosine,
    /// Eigenvalues of the second difference times the weight of that direction.
    x_values: Vec<f64>,
    y_values: Vec<f64>,
}

#[derive(Default)]
struct Room {
    line: Vec<Complex>,
    swap: Vec<Complex>,
    scratch: Scratch,
}

impl Poisson {
    /// For maps of this shape with edges of these weights along x and y. `exact` solves on just this rectangle; else it
    /// may be a little larger, which transforms faster and serves as well for a preconditioner.
    pub(super) fn new((rows, columns): (usize, usize), weights: (f64, f64), exact: bool) -> Self {
        let fit = |length: usize| if exact { length } else { smooth_length(length) };
        let (rows, columns) = (fit(rows), fit(columns));
        let values = |n: usize, weight: f64| {
            (0..n)
                .map(|k| {
                    let sin = libm::sin(std::f64::consts::FRAC_PI_2 * k as f64 / n as f64);
                    4.0 * weight * sin * sin
                })
                .collect()
        };
        Self {
            along_x: Cosine::new(columns),
            along_y: Cosine::new(rows),
            x_values: values(columns, weights.0),
            y_values: values(rows, weights.1),
        }
    }

    /// An array for [`Self::solve`], with zeros.
    pub(super) fn array(&self) -> Array2<f64> {
        Array2::zeros((self.y_values.len(), self.x_values.len()))
    }

    /// Replaces the right side by the solution of zero mean, in place.
    pub(super) fn solve(&self, values: &mut Array2<f64>) {
        self.rows(values, |cosine, room| cosine.forward(&mut room.line, &mut room.swap, &mut room.scratch));
        self.columns(values);
        self.rows(values, |cosine, room| cosine.inverse(&mut room.line, &mut room.swap, &mut room.scratch));
    }

    fn rows(&self, values: &mut Array2<f64>, transform: impl Fn(&Cosine, &mut Room) + Sync) {
        values.axis_chunks_iter_mut(Axis(0), 2).into_par_iter().for_each_init(Room::default, |room, mut pair| {
            room.line.clear();
            if pair.nrows() == 2 {
                room.line.extend(pair.row(0).iter().zip(pair.row(1)).map(|(a, b)| Complex::new(*a, *b)));
            } else {
                room.line.extend(pair.row(0).iter().map(|a| Complex::new(*a, 0.0)));
            }
            transform(&self.along_x, room);
            for (index, mut row) in pair.axis_iter_mut(Axis(0)).enumerate() {
                for (value, found) in row.iter_mut().zip(&room.line) {
                    *value = if index == 0 { found.re } else { found.im };
                }
            }
        });
    }

    /// Forward along the columns, division by the eigenvalues, and back.
    fn columns(&self, values: &mut Array2<f64>) {
        let rows = values.nrows();
        values.axis_chunks_iter_mut(Axis(1), BLOCK).into_par_iter().enumerate().for_each_init(
            || (Room::default(), Vec::new()),
            |(room, lines), (index, mut block)| {
                let pairs = block.ncols().div_ceil(2);
                lines.clear();
                lines.resize(pairs * rows, Complex::default());
                for (r, row) in block.rows().into_iter().enumerate() {
                    for (c, value) in row.iter().enumerate() {
                        let place = &mut lines[c / 2 * rows + r];
                        if c % 2 == 0 {
                            place.re = *value;
                        } else {
                            place.im = *value;
                        }
                    }
                }
                for (pair, line) in lines.chunks_exact_mut(rows).enumerate() {
                    self.along_y.forward(line, &mut room.swap, &mut room.scratch);
                    let column = index * BLOCK + 2 * pair;
                    let first = self.x_values[column];
                    let second = self.x_values.get(column + 1).copied().unwrap_or(1.0);
                    for (value, along_y) in line.iter_mut().zip(&self.y_values) {
                        value.re = divided(value.re, first + along_y);
                        value.im = divided(value.im, second + along_y);
                    }
                    self.along_y.inverse(line, &mut room.swap, &mut room.scratch);
                }
                for (r, mut row) in block.rows_mut().into_iter().enumerate() {
                    for (c, value) in row.iter_mut().enumerate() {
                        let place = lines[c / 2 * rows + r];
                        *value = if c % 2 == 0 { place.re } else { place.im };
                    }
                }
            },
        );
    }
}

/// The mean, whose eigenvalue is zero, stays zero.
fn divided(value: f64, eigenvalue: f64) -> f64 {
    if eigenvalue == 0.0 { 0.0 } else { value / eigenvalue }
}
