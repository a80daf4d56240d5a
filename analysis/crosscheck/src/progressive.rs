//! One sub-aperture after the other, fitted to the mean of those before; then sweeps against the whole map.

use rayon::prelude::*;
use stitchbox_stitch::Placed;

use crate::CrossCheckError;
use crate::average::{Mean, mean, on_row};
use crate::layout::{Layout, Plate};
use crate::pair::in_map;
use crate::plane::{Moments, Plane};

/// Rows summed as one, whatever the number of threads.
const ROWS_AT_ONCE: usize = 16;

/// Correctors, and the sweeps that went into them.
pub(crate) fn correctors(
    series: &[Placed],
    layout: &Layout,
    sweeps: u32,
) -> Result<(Vec<Plane>, u32), CrossCheckError> {
    let mut best = first_sweep(series, layout)?;
    let mut done = 1;
    let mut map = mean(layout, &best, &[]);
    let mut before: Option<f64> = None;
    while done < sweeps {
        let next: Option<Vec<Plane>> = layout.plates.par_iter().map(|plate| fit(layout, plate, &map)).collect();
        let next = next.ok_or(CrossCheckError::Internal)?;
        let summed: f64 = next.iter().map(|plane| plane.rms).sum();
        if before.is_some_and(|before| summed >= before) {
            break;
        }
        before = Some(summed);
        best = next;
        map = mean(layout, &best, &[]);
        done += 1;
    }
    Ok((best, done))
}

/// Each to the running mean of those before; the first stays as it is.
fn first_sweep(series: &[Placed], layout: &Layout) -> Result<Vec<Plane>, CrossCheckError> {
    let pixels = layout.map.0 * layout.map.1;
    let mut running = Mean { height: vec![0.0; pixels], count: vec![0; pixels] };
    let mut correctors = Vec::with_capacity(layout.plates.len());
    for (k, plate) in layout.plates.iter().enumerate() {
        let corrector = if k == 0 { Some(Plane::default()) } else { fit(layout, plate, &running) };
        let Some(corrector) = corrector else {
            return Err(CrossCheckError::NothingBefore { file: series[k].sub_aperture.name.clone() });
        };
        include(layout, plate, &corrector, &mut running);
        correctors.push(corrector);
    }
    Ok(correctors)
}

/// The plane that brings a sub-aperture closest to a map, over all pixels that both have.
fn fit(layout: &Layout, plate: &Plate, map: &Mean) -> Option<Plane> {
    let starts: Vec<usize> = (0..plate.shape.0).step_by(ROWS_AT_ONCE).collect();
    let of_rows = |start: &usize| {
        let mut moments = Moments::default();
        for row in *start..(*start + ROWS_AT_ONCE).min(plate.shape.0) {
            let (heights, valid) = plate.row(row);
            let place = (plate.map.0 + row) * layout.map.1 + plate.map.1;
            let place = place..place + plate.shape.1;
            let known = map.height[place.clone()].iter().zip(&map.count[place]);
            let differences = heights.iter().zip(valid).zip(known).enumerate();
            let common = differences.filter(|(_, ((_, valid), (_, count)))| **valid && **count > 0);
            moments.add_row(row as f64, common.map(|(column, ((h, _), (m, _)))| (column as f64, m - h)));
        }
        moments
    };
    let parts: Vec<Moments> = starts.par_iter().map(of_rows).collect();
    let mut moments = Moments::default();
    for part in &parts {
        moments.add(part);
    }
    moments.plane().map(|plane| in_map(layout, plane, plate.map.0, plate.map.1))
}

/// Takes a corrected sub-aperture into the running mean.
fn include(layout: &Layout, plate: &Plate, corrector: &Plane, running: &mut Mean) {
    for row in 0..plate.shape.0 {
        let (start, step) = on_row(layout, plate, corrector, row);
        let (heights, valid) = plate.row(row);
        let place = (plate.map.0 + row) * layout.map.1 + plate.map.1;
        let place = place..place + plate.shape.1;
        let known = running.height[place.clone()].iter_mut().zip(&mut running.count[place]);
        for (column, ((h, valid), (mean, count))) in heights.iter().zip(valid).zip(known).enumerate() {
            if *valid {
                *count = count.saturating_add(1);
                *mean += (h + start + step * column as f64 - *mean) / f64::from(*count);
            }
        }
    }
}
