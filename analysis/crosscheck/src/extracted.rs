//! The reference extracted after the pair planes: one value for every camera pixel, from what the planes leave of the
//! differences.

use rayon::prelude::*;

use crate::layout::{Layout, Plate};
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
    /// The common pixels within the limit, row by row, if there is one.
    used: Option<Vec<bool>>,
}

impl<'a> Ready<'a> {
    fn of(layout: &Layout, pair: &'a Pair, cut: Option<f64>) -> Option<Self> {
        let common = Common::of(&layout.plates[pair.first], &layout.plates[pair.second])?;
        let mut ready = Self { pair, common, limit: f64::INFINITY, used: None };
        if let Some(cut) = cut {
            ready.limit = cut * pair.plane.rms;
            ready.used = Some(ready.within(layout));
        }
        Some(ready)
    }

    fn within(&self, layout: &Layout) -> Vec<bool> {
        let Self { pair, common, limit, .. } = self;
        let ((top, bottom), (first, end)) = (common.rows(), common.columns());
        let mut used = vec![false; (bottom - top) * (end - first)];
        for (row, used) in (top..bottom).zip(used.chunks_mut(end - first)) {
            let start = pair.plane.piston + pair.plane.roll * layout.y(row as f64);
            common.on_row(&layout.plates[pair.first], &layout.plates[pair.second], row, |column, d| {
                let left = d - start - pair.plane.pitch * layout.x(column as f64);
                used[column - first] = left.abs() <= *limit;
            });
        }
        used
    }
}

/// The reference to be *added* to the data (camera frame, nm): the solution of least norm of `-r(first) + r(second) =
/// (first - second) - plane` over all pixels of all pairs, and where it is determined by at least one difference.
pub(crate) fn reference(layout: &Layout, pairs: &[Pair], cut: Option<f64>) -> (Vec<f64>, Vec<bool>) {
    let pixels = layout.camera.0 * layout.camera.1;
    let ready: Vec<Ready> = pairs.iter().filter_map(|pair| Ready::of(layout, pair, cut)).collect();
    let mut seen = vec![0.0; pixels];
    gather(layout, &ready, &mut seen, |_, _| 1.0);
    let mut gradient = vec![0.0; pixels];
    gather(layout, &ready, &mut gradient, |left, sign| sign * left);
    let mut reference = vec![0.0; pixels];
    let mut direction = gradient.clone();
    let mut normal = vec![0.0; pixels];
    let mut square = dot(&gradient, &gradient);
    let goal = square * GOAL * GOAL;
    for _ in 0..MOST_STEPS {
        if square <= goal || square == 0.0 {
            break;
        }
        differences(layout, &ready, &direction, &mut normal);
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

/// For every camera pixel, the sum of `of(difference without plane, sign)` over all differences in which it takes part:
/// sign -1 in the first of a pair, +1 in the second.
fn gather(layout: &Layout, ready: &[Ready], out: &mut [f64], of: impl Fn(f64, f64) -> f64 + Sync) {
    by_rows(layout, ready, out, |role, out| {
        let Role { ready: Ready { pair, common, limit, .. }, own, sign, map_row, .. } = role;
        let (a, b) = (&layout.plates[pair.first], &layout.plates[pair.second]);
        let start = pair.plane.piston + pair.plane.roll * layout.y(*map_row as f64);
        common.on_row(a, b, *map_row, |column, d| {
            let left = d - start - pair.plane.pitch * layout.x(column as f64);
            if left.abs() <= *limit {
                out[own.camera.1 + column - own.map.1] += of(left, *sign);
            }
        });
    });
}

/// For every camera pixel, the sum of (its value - the other's) over all differences in which it takes part.
fn differences(layout: &Layout, ready: &[Ready], values: &[f64], out: &mut [f64]) {
    let columns = layout.camera.1;
    by_rows(layout, ready, out, |role, out| {
        let Role { ready: Ready { pair, common, used, .. }, own, other, map_row, .. } = role;
        let (first, end) = common.columns();
        let of = |plate: &Plate| {
            let row = plate.camera.0 + map_row - plate.map.0;
            let start = row * columns + plate.camera.1 + first - plate.map.1;
            start..start + end - first
        };
        let out_start = own.camera.1 + first - own.map.1;
        let out = &mut out[out_start..out_start + end - first];
        let pixels = out.iter_mut().zip(values[of(own)].iter().zip(&values[of(other)]));
        if let Some(used) = used {
            let used = &used[(map_row - common.rows().0) * (end - first)..];
            for ((out, (own, other)), used) in pixels.zip(used) {
                *out += if *used { own - other } else { 0.0 };
            }
            return;
        }
        let (a, b) = (&layout.plates[pair.first], &layout.plates[pair.second]);
        let (Some((_, a)), Some((_, b))) = (common.part(a, *map_row), common.part(b, *map_row)) else { return };
        for ((out, (own, other)), (a, b)) in pixels.zip(a.iter().zip(b)) {
            *out += if *a & *b { own - other } else { 0.0 };
        }
    });
}

/// One sub-aperture's part in a pair, on one row.
struct Role<'a> {
    ready: &'a Ready<'a>,
    own: &'a Plate<'a>,
    other: &'a Plate<'a>,
    sign: f64,
    map_row: usize,
}

/// Fills `out` (camera frame) row by row: each by one thread, in the order of the pairs.
fn by_rows(layout: &Layout, ready: &[Ready], out: &mut [f64], add: impl Fn(&Role, &mut [f64]) + Sync) {
    out.par_chunks_mut(layout.camera.1).enumerate().for_each(|(camera_row, out)| {
        out.fill(0.0);
        for ready in ready {
            let (a, b) = (&layout.plates[ready.pair.first], &layout.plates[ready.pair.second]);
            for (own, other, sign) in [(a, b, -1.0), (b, a, 1.0)] {
                let Some(row) = camera_row.checked_sub(own.camera.0).filter(|r| *r < own.shape.0) else { continue };
                let map_row = own.map.0 + row;
                if (ready.common.rows().0..ready.common.rows().1).contains(&map_row) {
                    add(&Role { ready, own, other, sign, map_row }, out);
                }
            }
        }
    });
}

/// Summed in blocks of fixed size.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let block = |(a, b): (&[f64], &[f64])| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    a.chunks(4096).zip(b.chunks(4096)).map(block).sum()
}
