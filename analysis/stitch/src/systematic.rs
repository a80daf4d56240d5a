//! Errors of the instrument that are not the same for all sub-apertures: a reference that drifts, and retrace errors that grow with
//! the tilt. Each is one more map fixed in the camera, times a number of the sub-aperture.

use rayon::prelude::*;

use crate::conjugate::State;
use crate::grid::Grid;
use crate::line::{Quantity, blocks};
use crate::normal::Normal;
use crate::{Drift, Options, Placed, Reference, Warning};

/// Tilts must vary by at least this, nm/mm (urad), besides what grows evenly with the position, ...
const LEAST_TILT: f64 = 0.1;
/// ... and by this part of their whole variation.
const LEAST_PART: f64 = 0.1;
/// Cells of the camera (down, across) that the test of drift looks at.
const CELLS: (usize, usize) = (8, 16);
/// Standard deviations of its distribution by which the sum of squares must exceed its mean.
const SIGNIFICANT: f64 = 6.0;
/// A drift over the series smaller than this, nm, is no matter (and may be rounding's doing).
const LEAST_DRIFT_NM: f64 = 0.01;
/// About so many values are looked at.
const SAMPLES: usize = 2_000_000;

/// Factors of the additional maps, each with one number for every sub-aperture, and what to know about them.
pub(crate) fn factors(
    grid: &Grid,
    state: &State,
    series: &[Placed],
    options: &Options,
) -> (Vec<Vec<f64>>, Vec<Warning>) {
    let (mut found, mut warnings) = (Vec::new(), Vec::new());
    let wanted = options.retrace || options.drift == Drift::Correct;
    if wanted && matches!(options.reference, Reference::None | Reference::Known(_)) {
        let message = "retrace errors and drift are found together with an unknown reference only; the reference of this series is given, so \
                       neither is corrected";
        return (found, vec![Warning { code: "systematic-not-corrected".into(), message: message.into() }]);
    }
    if options.retrace {
        let urad = [1.0 / (grid.scale.0 * grid.pixel.x_mm), 1.0 / (grid.scale.1 * grid.pixel.y_mm)];
        for (term, name, on) in [(1, "pitch", grid.camera.1 > 1), (2, "roll", grid.camera.0 > 1)] {
            let tilts: Vec<f64> = state.correctors.iter().map(|c| c[term] * urad[term - 1]).collect();
            let (all, beyond) = variation(grid, &tilts);
            if !on || beyond < LEAST_TILT || beyond < LEAST_PART * all {
                let message = format!(
                    "the {name} of the sub-apertures varies by {all:.3} urad rms, of which only {beyond:.3} does not grow evenly with the \
                     position: retrace errors along it cannot be told from the mirror and are not corrected. Vary the {name} from one \
                     sub-aperture to the next"
                );
                warnings.push(Warning { code: "retrace-not-observable".into(), message });
                continue;
            }
            found.extend(scaled(&tilts));
        }
    }
    if options.drift == Drift::Correct {
        found.extend(scaled(&times(series).0));
        let message = "a reference that drifts evenly was allowed for: one more order of the mirror's figure (x^3 where positions grow evenly with \
                       time) is no longer observable and stays as the solver's least norm leaves it";
        warnings.push(Warning { code: "drift-corrected".into(), message: message.into() });
    }
    (found, warnings)
}

/// Rms about the mean, and rms about the least-squares line over the position.
fn variation(grid: &Grid, values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let about = |v: &mut Vec<f64>| {
        let mean = v.iter().sum::<f64>() / n;
        v.iter_mut().for_each(|v| *v -= mean);
    };
    let rms = |v: &[f64]| (v.iter().map(|v| v * v).sum::<f64>() / n).sqrt();
    let mut left = values.to_vec();
    about(&mut left);
    let all = rms(&left);
    let mut before: Option<Vec<f64>> = None;
    for along in [|s: (i64, i64)| s.0 as f64, |s: (i64, i64)| s.1 as f64] {
        let mut place: Vec<f64> = grid.plates.iter().map(|p| along(p.step)).collect();
        about(&mut place);
        let project = |v: &mut Vec<f64>, onto: &[f64]| {
            let square: f64 = onto.iter().map(|o| o * o).sum();
            if square > 0.0 {
                let part = v.iter().zip(onto).map(|(v, o)| v * o).sum::<f64>() / square;
                v.iter_mut().zip(onto).for_each(|(v, o)| *v -= part * o);
            }
        };
        if let Some(before) = &before {
            project(&mut place, before);
        }
        project(&mut left, &place);
        before = Some(place);
    }
    (all, rms(&left))
}

/// About the mean, the largest being 1; nothing if all are equal.
fn scaled(values: &[f64]) -> Option<Vec<f64>> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let largest = values.iter().fold(0.0f64, |most, v| most.max((v - mean).abs()));
    (largest > 0.0).then(|| values.iter().map(|v| (v - mean) / largest).collect())
}

/// Time of each sub-aperture, h, and whether it is one: without time stamps (or all the same) the number in the series stands for it.
fn times(series: &[Placed]) -> (Vec<f64>, bool) {
    let stamps: Option<Vec<i64>> = series.iter().map(|p| p.sub_aperture.instrument.acquired_unix).collect();
    match stamps {
        Some(stamps) if stamps.iter().any(|s| *s != stamps[0]) => {
            (stamps.iter().map(|s| s.saturating_sub(stamps[0]) as f64 / 3600.0).collect(), true)
        }
        _ => ((0..series.len()).map(|k| k as f64).collect(), false),
    }
}

/// Looks for what a drift of the reference would leave in the residuals: a pattern fixed in the camera that grows with time.
pub(crate) fn test_drift(normal: &Normal, state: &State, series: &[Placed]) -> Option<Warning> {
    let (hours, stamped) = times(series);
    let t = scaled(&hours)?;
    let grid = normal.grid;
    let pixels: usize = normal.used.iter().map(|runs| runs.count()).sum();
    let rows: Vec<usize> =
        (0..grid.map.0).step_by(pixels.div_ceil(SAMPLES).clamp(1, grid.map.0.div_ceil(8).max(1))).collect();
    let cells = CELLS.0 * CELLS.1;
    let sums: Vec<Vec<[f64; 4]>> = rows
        .into_par_iter()
        .map_init(
            || (vec![0.0; grid.map.1], Vec::new(), Vec::new(), vec![0.0; grid.camera.1]),
            |(mean, buffer, inverses, values), row| {
                let mut sums = vec![[0.0; 4]; cells];
                normal.mean_row(row, Quantity::Corrected, state, mean);
                let inverse = normal.inverse_row(row, inverses);
                for (k, plate) in grid.plates.iter().enumerate() {
                    let Some(own) = plate.row_at_map(row) else { continue };
                    let down = (plate.camera.0 + own) * CELLS.0 / grid.camera.0;
                    let c = &state.correctors[k];
                    let line = normal.line(Quantity::Corrected, (k, own), &state.reference, c, buffer);
                    for (from, to) in normal.used[k].row(own).iter().flat_map(|(start, end)| blocks(*start, *end)) {
                        let values = &mut values[..to - from];
                        line.fill(from, values);
                        for (column, value) in (from..to).zip(values.iter()) {
                            let w = plate.weight(own, column);
                            let free = 1.0 - w * inverse[plate.map.1 + column];
                            let e = value - mean[plate.map.1 + column];
                            let across = (plate.camera.1 + column) * CELLS.1 / grid.camera.1;
                            let sum = &mut sums[down * CELLS.1 + across];
                            *sum = [
                                sum[0] + w * t[k] * e,
                                sum[1] + w * t[k] * t[k] * free,
                                sum[2] + w * e * e,
                                sum[3] + free,
                            ];
                        }
                    }
                }
                sums
            },
        )
        .collect();
    let mut total = vec![[0.0; 4]; cells];
    for row in sums {
        for (t, s) in total.as_flattened_mut().iter_mut().zip(row.as_flattened()) {
            *t += s;
        }
    }
    let (squares, freedom) = total.iter().fold((0.0, 0.0), |(s, f), cell| (s + cell[2], f + cell[3]));
    let variance = squares / freedom;
    let used: Vec<&[f64; 4]> = total.iter().filter(|cell| cell[1] > 0.0).collect();
    let number = used.len() as f64;
    if !(variance > 0.0 && number >= 8.0) {
        return None;
    }
    let chi: f64 = used.iter().map(|cell| cell[0] * cell[0] / (variance * cell[1])).sum();
    if chi <= number + SIGNIFICANT * (2.0 * number).sqrt() {
        return None;
    }
    let power = used.iter().map(|c| (c[0] / c[1]).powi(2) - variance / c[1]).sum::<f64>() / number;
    let range = |v: &[f64]| v.iter().copied().fold(f64::MIN, f64::max) - v.iter().copied().fold(f64::MAX, f64::min);
    let size = power.max(0.0).sqrt() * range(&t);
    if size < LEAST_DRIFT_NM {
        return None;
    }
    let rate = if stamped {
        format!("{:.3} nm per hour", size / range(&hours))
    } else {
        format!("{size:.3} nm from the first to the last sub-aperture (there are no time stamps)")
    };
    Some(Warning {
        code: "reference-drifts".into(),
        message: format!(
            "the reference is not the same throughout the series: what is left of the data shows a pattern fixed in the camera that grows with \
             time by about {rate} rms, at least. Let the instrument settle, or correct for drift"
        ),
    })
}
