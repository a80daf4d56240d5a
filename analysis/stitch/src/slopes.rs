//! Slopes of a map: what a small shift of a sub-aperture changes in its data. Twice: smoothed a little, to the band in which a polished
//! mirror stands out of the noise, and over the whole band that is interpolated.

use rayon::prelude::*;

use crate::interpolation::{REACH, TAPS, add_filtered, taps};
use crate::sheet::Sheet;

/// Taps of the smoothed derivative and of the smoothing across it.
pub(crate) const DERIVATIVE: [f64; 3] = [-0.5, 0.0, 0.5];
pub(crate) const SMOOTHING: [f64; 3] = [0.2, 0.6, 0.2];
const HALF: usize = 1;
/// The derivative over the whole band is the difference of interpolations by so much either way, px.
const LITTLE: f64 = 1e-3;

/// Slopes along x and y, nm per px, of the map's shape, row-major.
pub(crate) struct Slopes {
    pub x: Vec<f32>,
    pub y: Vec<f32>,
}

impl Slopes {
    /// Smoothed slopes of a map of these rows and columns.
    pub fn smoothed(sheet: &Sheet, shape: (usize, usize)) -> Self {
        let (mut across, mut along) = ([0.0; TAPS], [0.0; TAPS]);
        across[REACH - HALF..=REACH + HALF].copy_from_slice(&SMOOTHING);
        along[REACH - HALF..=REACH + HALF].copy_from_slice(&DERIVATIVE);
        Self { x: filtered(sheet, shape, &along, &across), y: filtered(sheet, shape, &across, &along) }
    }

    /// Slopes over the whole band.
    pub fn whole(sheet: &Sheet, shape: (usize, usize)) -> Self {
        let (along, mut none) = (derivative(), [0.0; TAPS]);
        none[REACH] = 1.0;
        Self { x: filtered(sheet, shape, &along, &none), y: filtered(sheet, shape, &none, &along) }
    }
}

/// Covariance of a smoothed slope with that over the whole band, for white noise of variance 1 in the map.
pub(crate) fn noise_between() -> f64 {
    let whole = derivative();
    DERIVATIVE.iter().zip(&whole[REACH - HALF..]).map(|(a, b)| a * b).sum::<f64>() * SMOOTHING[HALF]
}

fn derivative() -> [f64; TAPS] {
    let (mut there, back) = (taps(LITTLE), taps(-LITTLE));
    there.iter_mut().zip(back).for_each(|(t, b)| *t = (*t - b) / (2.0 * LITTLE));
    there
}

/// The map filtered along x and along y.
fn filtered(sheet: &Sheet, (rows, columns): (usize, usize), x: &[f64; TAPS], y: &[f64; TAPS]) -> Vec<f32> {
    let mut out = vec![0.0f32; rows * columns];
    out.par_chunks_mut(columns).enumerate().for_each_init(
        || (vec![0.0; columns + 2 * REACH], vec![0.0; columns]),
        |(across, along), (row, out)| {
            across.fill(0.0);
            for (i, tap) in y.iter().enumerate().filter(|(_, tap)| **tap != 0.0) {
                for (a, z) in across.iter_mut().zip(sheet.part(
                    (row + i) as i64 - REACH as i64,
                    -(REACH as i64),
                    columns + 2 * REACH,
                )) {
                    *a += tap * z;
                }
            }
            along.fill(0.0);
            add_filtered(x, across, along);
            for (o, value) in out.iter_mut().zip(along.iter()) {
                *o = *value as f32;
            }
        },
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_of_a_curved_surface_and_the_noise_in_them() {
        let (rows, columns) = (30, 40);
        let surface = |row: f64, column: f64| 0.3 * column * column - 0.2 * row * column + 5.0 * row;
        let map: Vec<f64> = (0..rows * columns).map(|i| surface((i / columns) as f64, (i % columns) as f64)).collect();
        let sheet = Sheet::new(&map, columns, |_| true);
        for slopes in [Slopes::smoothed(&sheet, (rows, columns)), Slopes::whole(&sheet, (rows, columns))] {
            for row in 10..20 {
                for column in 10..30 {
                    let (x, y) = (0.6 * column as f64 - 0.2 * row as f64, -0.2 * column as f64 + 5.0);
                    let at = row * columns + column;
                    assert!((f64::from(slopes.x[at]) - x).abs() < 1e-5 && (f64::from(slopes.y[at]) - y).abs() < 1e-5);
                }
            }
        }
        // Noise of one pixel enters the smoothed slope to its left and the other one likewise.
        let (rows, columns) = (80, 90);
        let impulse: Vec<f64> = (0..rows * columns).map(|i| f64::from(u8::from(i == 40 * columns + 45))).collect();
        let sheet = Sheet::new(&impulse, columns, |_| true);
        let (a, b) = (Slopes::smoothed(&sheet, (rows, columns)), Slopes::whole(&sheet, (rows, columns)));
        let product: f64 = a.x.iter().zip(&b.x).map(|(a, b)| f64::from(a * b)).sum();
        assert!((product - noise_between()).abs() < 1e-6, "{product} {}", noise_between());
    }
}
