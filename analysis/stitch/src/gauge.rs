//! Fixes by convention what the data leave open, changing the fit to no datum.
//!
//! 1. An unknown reference carries no tilt, power and twist (with sub-apertures that carry power, in a scan along one line, nor the
//!    cubic that goes with it), and no function constant along the only direction of
//!    motion, as far as map and correctors can imitate them (joint least squares over its seen camera pixels).
//!    What is taken from it goes into the map.
//! 2. The map then carries no piston and tilt, and with sub-apertures that carry power none of that (least squares over its
//!    valid pixels), as far as those are free.

use rayon::prelude::*;

use crate::cholesky::{PivotedCholesky, dot};
use crate::conjugate::State;
use crate::grid::Grid;
use crate::normal::Normal;
use crate::observable::Observable;
use crate::plane::Plane;
use crate::{StitchError, Terms};

/// Applies convention 1; returns how many dimensions of the reference it fixed beyond the functions of the labels.
pub(crate) fn fix_reference(
    grid: &Grid,
    observable: &Observable,
    terms: Terms,
    seen: &[bool],
    state: &mut State,
) -> usize {
    let (labels, count) = observable.labels(grid.camera);
    let shapes = shapes(grid, observable);
    let imitated = observable.imitated();
    let chosen: Vec<usize> = (0..shapes.len()).filter(|i| imitated[*i]).collect();

    // Functions of the label drop out of the fit when every column is taken about its mean within the label.
    let about_mean = |values: &[f64]| {
        let means = means_by_label(values, &labels, count, seen);
        let about =
            |((value, label), seen): ((&f64, &u32), &bool)| if *seen { value - means[*label as usize] } else { 0.0 };
        values.iter().zip(&labels).zip(seen).map(about).collect::<Vec<f64>>()
    };
    let columns: Vec<Vec<f64>> = chosen.iter().map(|i| about_mean(&shapes[*i])).collect();
    let reference = about_mean(&state.reference);
    let size = columns.len();
    let products = |column: &Vec<f64>| columns.iter().map(|other| dot(column, other)).collect::<Vec<f64>>();
    let matrix: Vec<f64> = columns.iter().flat_map(products).collect();
    let right: Vec<f64> = columns.iter().map(|column| dot(column, &reference)).collect();
    let factor = PivotedCholesky::new(&matrix, size);
    let mut fitted = vec![0.0; size];
    factor.solve(&right, &mut fitted);

    let mut q = [0.0; SHAPES];
    for (i, value) in chosen.iter().zip(&fitted) {
        q[*i] = *value;
    }
    for (i, value) in q.iter().enumerate() {
        for (r, s) in state.reference.iter_mut().zip(&shapes[i]) {
            *r -= value * s;
        }
    }
    let means = means_by_label(&state.reference, &labels, count, seen);
    for (r, label) in state.reference.iter_mut().zip(&labels) {
        *r -= means[*label as usize];
    }
    for (k, c) in state.correctors.iter_mut().enumerate() {
        let (x, y) = grid.scaled_step(k);
        // The map receives q(x, y) at x = u + X, y = v + Y; what q(u, v) did not hold goes into the correctors.
        // A tilt that no piston can follow was a pitch or roll of every sub-aperture.
        let (through_x, through_y) = (terms.piston || !observable.moves.0, terms.piston || !observable.moves.1);
        if through_x {
            c[0] -= q[0] * x
        } else {
            c[1] += q[0]
        }
        if through_y {
            c[0] -= q[1] * y
        } else {
            c[2] += q[1]
        }
        c[0] -= q[2] * x * x + q[3] * x * y + q[4] * y * y;
        c[1] -= 2.0 * q[2] * x + q[3] * y;
        c[2] -= q[3] * x + 2.0 * q[4] * y;
        // Power of the reference is one of every sub-aperture. The cubic t^3/3 + t n^2, t along the only direction of motion,
        // differs between two places by power, tilt and a constant.
        let (along, _) = directions(grid, observable);
        let t = along.0 * x + along.1 * y;
        c[3] += q[5] - q[6] * t;
        c[1] -= q[6] * t * t * along.0;
        c[2] -= q[6] * t * t * along.1;
        c[0] -= q[6] * t * t * t / 3.0;
    }
    factor.rank()
}

/// Number of shapes of the reference that may be imitated.
pub(crate) const SHAPES: usize = 7;

/// u, v, u^2, uv, v^2, power, and the cubic of a scan along one line, on the camera frame.
fn shapes(grid: &Grid, observable: &Observable) -> [Vec<f64>; SHAPES] {
    let wanted = observable.imitated();
    let of = |shape: usize, f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
        if !wanted[shape] {
            return Vec::new();
        }
        grid.v.iter().flat_map(|v| grid.u.iter().map(move |u| f(*u, *v))).collect()
    };
    let (su, sv) = grid.power;
    let (along, across) = directions(grid, observable);
    let cubic = |u: f64, v: f64| {
        let (t, n) = (along.0 * u + along.1 * v, across.0 * u + across.1 * v);
        t * t * t / 3.0 + t * n * n
    };
    [
        of(0, &|u, _| u),
        of(1, &|_, v| v),
        of(2, &|u, _| u * u),
        of(3, &|u, v| u * v),
        of(4, &|_, v| v * v),
        of(5, &|u, v| su * u * u + sv * v * v),
        of(6, &cubic),
    ]
}

/// Coordinates along and across the only direction of motion: t = along . (u, v), n = across . (u, v), t^2 + n^2 being power.
fn directions(grid: &Grid, observable: &Observable) -> ((f64, f64), (f64, f64)) {
    let (a, b) = (grid.power.0.sqrt(), grid.power.1.sqrt());
    let (dx, dy) = observable.direction();
    let (x, y) = (a * dx / grid.scale.0, b * dy / grid.scale.1);
    let length = (x * x + y * y).sqrt();
    if length > 0.0 {
        let (x, y) = (x / length, y / length);
        ((x * a, y * b), (-y * a, x * b))
    } else {
        ((a, 0.0), (0.0, b))
    }
}

fn means_by_label(values: &[f64], labels: &[u32], count: usize, seen: &[bool]) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); count];
    for ((value, label), seen) in values.iter().zip(labels).zip(seen) {
        if *seen {
            let (sum, number) = &mut sums[*label as usize];
            *sum += value;
            *number += 1.0;
        }
    }
    sums.iter().map(|(sum, number)| if *number > 0.0 { sum / number } else { 0.0 }).collect()
}

/// Applies convention 2 to the assembled heights (`count` of the map's pixels tells which are valid) and the state.
pub(crate) fn fix_map(
    normal: &Normal,
    observable: &Observable,
    terms: Terms,
    height: &mut Plane,
    state: &mut State,
) -> Result<(), StitchError> {
    let grid = normal.grid;
    let free: Vec<usize> = (0..4).filter(|i| observable.free_shapes()[*i]).collect();
    if free.is_empty() {
        return Ok(());
    }
    let (rows, columns) = grid.map;
    let (mx, my) = ((columns as f64 - 1.0) / 2.0, (rows as f64 - 1.0) / 2.0);
    let (hx, hy) = (mx.max(1.0), my.max(1.0));
    // Power about the centre of the first sub-aperture's camera frame, in units of the camera's.
    let first = &grid.plates[0];
    let camera_centre = ((grid.camera.1 as f64 - 1.0) / 2.0, (grid.camera.0 as f64 - 1.0) / 2.0);
    let cx = first.map.1 as f64 - first.camera.1 as f64 + camera_centre.0;
    let cy = first.map.0 as f64 - first.camera.0 as f64 + camera_centre.1;
    let power = |column: usize, row: usize| {
        let (x, y) = ((column as f64 - cx) / grid.scale.0, (row as f64 - cy) / grid.scale.1);
        grid.power.0 * x * x + grid.power.1 * y * y
    };
    let with_power = free.contains(&3);
    let basis = |column: usize, row: usize| {
        let bent = if with_power { power(column, row) } else { 0.0 };
        [1.0, (column as f64 - mx) / hx, (row as f64 - my) / hy, bent]
    };
    let of_row = |row: usize, line: &[f64]| {
        let mut sums = [0.0; 20];
        let counts = &normal.count[row * columns..(row + 1) * columns];
        for (column, (z, _)) in line.iter().zip(counts).enumerate().filter(|(_, (_, count))| **count > 0) {
            let basis = basis(column, row);
            for i in 0..4 {
                for j in 0..=i {
                    sums[i * 4 + j] += basis[i] * basis[j];
                }
                sums[16 + i] += basis[i] * z;
            }
        }
        sums
    };
    let mut total = [0.0; 20];
    for batch in height.batches() {
        let values = height.rows(batch.clone())?;
        let sums: Vec<[f64; 20]> =
            values.par_chunks(columns).enumerate().map(|(i, line)| of_row(batch.start + i, line)).collect();
        for row in sums {
            for (t, s) in total.iter_mut().zip(row) {
                *t += s;
            }
        }
    }
    let product = |i: usize, j: usize| total[i.max(j) * 4 + i.min(j)];
    let matrix: Vec<f64> = free.iter().flat_map(|i| free.iter().map(move |j| product(*i, *j))).collect();
    let right: Vec<f64> = free.iter().map(|i| total[16 + i]).collect();
    let mut fitted = vec![0.0; free.len()];
    PivotedCholesky::new(&matrix, free.len()).solve(&right, &mut fitted);
    let mut plane = [0.0; 4];
    for (i, value) in free.iter().zip(fitted) {
        plane[*i] = value;
    }
    for batch in height.batches() {
        let mut values = height.take(&batch)?;
        let counts = normal.count[batch.start * columns..batch.end * columns].par_chunks(columns);
        values.par_chunks_mut(columns).zip(counts).enumerate().for_each(|(i, (line, counts))| {
            for (column, (z, _)) in line.iter_mut().zip(counts).enumerate().filter(|(_, (_, count))| **count > 0) {
                let [one, x, y, bent] = basis(column, batch.start + i);
                *z -= plane[0] * one + plane[1] * x + plane[2] * y + plane[3] * bent;
            }
        });
        height.give(&batch, values)?;
    }

    // In camera coordinates the plane is per_u u + per_v v + a constant of each sub-aperture.
    let (per_u, per_v) = (plane[1] * grid.scale.0 / hx, plane[2] * grid.scale.1 / hy);
    let centre = ((grid.camera.1 as f64 - 1.0) / 2.0, (grid.camera.0 as f64 - 1.0) / 2.0);
    let constant = |k: usize| {
        let plate = &grid.plates[k];
        let x = plate.map.1 as f64 - plate.camera.1 as f64 + centre.0 - mx;
        let y = plate.map.0 as f64 - plate.camera.0 as f64 + centre.1 - my;
        plane[0] + plane[1] * x / hx + plane[2] * y / hy
    };
    // What no corrector may hold is, being free, constant over the series and belongs to the reference.
    let mut into_reference = [0.0; 3];
    if !terms.piston {
        into_reference[0] = constant(0);
    }
    if !terms.pitch {
        into_reference[1] = per_u;
    }
    if !terms.roll {
        into_reference[2] = per_v;
    }
    for (k, c) in state.correctors.iter_mut().enumerate() {
        let (x, y) = grid.scaled_step(k);
        let (su, sv) = grid.power;
        c[0] += plane[3] * (su * x * x + sv * y * y);
        c[1] += plane[3] * 2.0 * su * x;
        c[2] += plane[3] * 2.0 * sv * y;
        c[3] += plane[3];
    }
    for (k, c) in state.correctors.iter_mut().enumerate() {
        let [p, a, b] = into_reference;
        c[0] += if terms.piston { constant(k) } else { constant(k) - p };
        c[1] += per_u - a;
        c[2] += per_v - b;
    }
    if into_reference != [0.0; 3] {
        let [p, a, b] = into_reference;
        for (line, v) in state.reference.chunks_exact_mut(grid.camera.1).zip(&grid.v) {
            for (r, u) in line.iter_mut().zip(&grid.u) {
                *r += p + a * u + b * v;
            }
        }
    }
    Ok(())
}
