//! The reference extracted after the pair planes: one value for every camera pixel, from what the planes leave of the
//! differences.

use rayon::prelude::*;

use crate::layout::Layout;
use crate::pair::{Common, Pair};

/// Conjugate-gradient steps at most.
const MOST_STEPS: usize = 500;
/// The gradient shrinks to this part of its first size.
const GOAL: f64 = 1e-6;

/// A pair ready to be summed over: what it shares, and the largest difference that counts.
struct Ready<'a> {
    pair: &'a Pair,
    common: Common,
    limit: f64,
}

impl<'a> Ready<'a> {
    fn of(layout: &Layout, pair: &'a Pair, cut: Option<f64>) -> Option<Self> {
        let common = Common::of(&layout.plates[pair.first], &layout.plates[pair.second])?;
        Some(Self { pair, common, limit: cut.map_or(f64::INFINITY, |cut| cut * pair.plane.rms) })
    }
}

/// The reference to be *added* to the data (camera frame, nm): the solution of least norm of `-r(first) + r(second) =
/// (first - second) - plane` over all pixels of all pairs, and where it is determined by at least one difference.
pub(crate) fn reference(layout: &Layout, pairs: &[Pair], cut: Option<f64>) -> (Vec<f64>, Vec<bool>) {
    let pixels = layout.camera.0 * layout.camera.1;
    let ready: Vec<Ready> = pairs.iter().filter_map(|pair| Ready::of(layout, pair, cut)).collect();
    let mut seen = vec![0.0; pixels];
    sum(layout, &ready, &mut seen, |_, _, _| 1.0);
    let mut gradient = vec![0.0; pixels];
    sum(layout, &ready, &mut gradient, |left, _, sign| sign * left);
    let mut reference = vec![0.0; pixels];
    let mut direction = gradient.clone();
    let mut normal = vec![0.0; pixels];
    let mut square = dot(&gradient, &gradient);
    let goal = square * GOAL * GOAL;
    for _ in 0..MOST_STEPS {
        if square <= goal || square == 0.0 {
            break;
        }
        sum(layout, &ready, &mut normal, |_, (own, other), _| direction[own] - direction[other]);
        let curvature = dot(&direction, &normal);
        if curvature <= 0.0 {
            break;
        }
        let step = square / curvature;
        for ((r, g), (d, n)) in reference.iter_mut().zip(&mut gradient).zip(direction.iter().zip(&normal)) {
            *r += step * d;
            *g -= step * n;
        }
        let next = dot(&gradient, &gradient);
        let turn = next / square;
        for (d, g) in direction.iter_mut().zip(&gradient) {
            *d = g + turn * *d;
        }
        square = next;
    }
    (reference, seen.iter().map(|n| *n > 0.0).collect())
}

/// Sums `of(difference without plane, (own camera pixel, the other's), sign)` over all differences in which a camera
/// pixel takes part: sign -1 in the first of a pair, +1 in the second. Every camera row is summed by one thread in the
/// order of the pairs.
fn sum(
    layout: &Layout,
    ready: &[Ready],
    out: &mut [f64],
    of: impl Fn(f64, (usize, usize), f64) -> f64 + Sync,
) {
    let columns = layout.camera.1;
    out.par_chunks_mut(columns).enumerate().for_each(|(camera_row, out)| {
        out.fill(0.0);
        for Ready { pair, common, limit } in ready {
            let (a, b) = (&layout.plates[pair.first], &layout.plates[pair.second]);
            for (own, other, sign) in [(a, b, -1.0), (b, a, 1.0)] {
                let Some(row) = camera_row.checked_sub(own.camera.0).filter(|r| *r < own.shape.0) else { continue };
                let map_row = own.map.0 + row;
                let Some(other_row) = other.row_at_map(map_row) else { continue };
                let other_start = (other.camera.0 + other_row) * columns + other.camera.1;
                let own_start = camera_row * columns;
                let y = layout.y(map_row as f64);
                let (start, step) = (pair.plane.piston + pair.plane.roll * y, pair.plane.pitch);
                common.on_row(a, b, map_row, |column, d| {
                    let left = d - start - step * layout.x(column as f64);
                    if left.abs() <= *limit {
                        let own_column = own.camera.1 + column - own.map.1;
                        let at = (own_start + own_column, other_start + column - other.map.1);
                        out[own_column] += of(left, at, sign);
                    }
                });
            }
        }
    });
}

/// Summed in blocks of fixed size.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let block = |(a, b): (&[f64], &[f64])| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    a.chunks(4096).zip(b.chunks(4096)).map(block).sum()
}
