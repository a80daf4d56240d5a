//! Standard uncertainties of the result: of every pixel, of the correctors, and of the mean heights along the mirror.

use ndarray::Array2;
use rayon::prelude::*;

use crate::assemble::Assembled;
use crate::cells::Cells;
use crate::certainty::{Certainty, Unknowns};
use crate::normal::Normal;
use crate::shapes::{Frame, SHAPES};
use crate::stitched::ProfileCovariance;

/// What the error bars are computed from.
pub(crate) struct Known<'a> {
    pub normal: &'a Normal<'a>,
    pub assembled: &'a Assembled,
    /// Noise of one pixel of one sub-aperture as measured, nm.
    pub noise_nm: f64,
    /// Mean over the data of the factor by which resampling changed the variance of a pixel.
    pub gain: f64,
    pub frame: &'a Frame,
    pub cells: &'a Cells,
    pub unknowns: Unknowns,
    /// Covariance of the unknowns, nm^2.
    pub covariance: Vec<f64>,
    /// Shapes that are declared not observable.
    pub removed: [bool; SHAPES],
    /// Factors on the variances, measured by simulated noise; 1 where the approximation is good.
    pub excess: Excess,
}

/// By how much approximate variances are too small.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Excess {
    /// Of what reference and correctors add to a pixel, by the number of overlaps (0 for none, the last for all above).
    pub pixels: [f64; 9],
    /// Of the mean heights along x.
    pub bins: f64,
    /// Of piston, pitch, roll.
    pub correctors: [f64; 3],
}

impl Default for Excess {
    fn default() -> Self {
        Self { pixels: [1.0; 9], bins: 1.0, correctors: [1.0; 3] }
    }
}

/// Standard uncertainties, all without the declared shapes.
pub(crate) struct ErrorBars {
    /// Of each map pixel, nm; zero where it is invalid.
    pub pixels: Array2<f64>,
    pub profile: ProfileCovariance,
    /// Of piston, pitch, roll, nm per unit of 1, u, v; `None` where that term is off.
    pub correctors: Vec<[Option<f64>; 3]>,
}

impl ErrorBars {
    pub fn new(known: Known) -> Self {
        let Known { normal, assembled, noise_nm, gain, frame, cells, unknowns, covariance, removed, excess } = known;
        let certainty = Certainty::new(unknowns, covariance, removed, frame, cells);
        let square = noise_nm * noise_nm;
        let spread = &assembled.spread;

        let long = certainty.of_cells(frame, cells);
        let (rows, columns) = normal.grid.map;
        let mut pixels = spread.clone();
        if let Some(all) = pixels.as_slice_mut() {
            all.par_chunks_mut(columns).enumerate().for_each(|(row, line)| {
                let inverses = normal.inverse_row(row);
                let first = cells.holding(row, 0);
                for (at, edges) in cells.columns.windows(2).enumerate() {
                    for column in edges[0]..edges[1] {
                        let inverse = inverses[column];
                        let count = if inverse > 0.0 { (1.0 / inverse).round() as usize } else { 0 };
                        let excess = excess.pixels[count.min(8)];
                        let variance = square * (inverse + excess * line[column]) + excess * long[first + at];
                        line[column] = if inverse > 0.0 { variance.max(0.0).sqrt() } else { 0.0 };
                    }
                }
            });
        }
        debug_assert_eq!(pixels.dim(), (rows, columns));

        let spread = spread.as_slice().unwrap_or(&[]);
        // Resampling takes noise from single pixels, not from long waves.
        let own = cells.sums(normal, |row, column, inverse| {
            let spread = spread.get(row * columns + column).copied().unwrap_or(0.0);
            square * (inverse * (2.0 - gain) + spread)
        });
        let (of_unknowns, of_noise) = certainty.of_bins(frame, cells, &own);
        let covariance_nm2 = (of_unknowns + of_noise) * excess.bins;
        let bins = cells.bins();
        let profile = ProfileCovariance {
            columns: (0..=bins).map(|bin| cells.columns[bin * cells.per_bin]).collect(),
            covariance_nm2,
        };

        let plates = 0..normal.grid.plates.len();
        let of = |k: usize, term: usize| {
            certainty.of_corrector(frame, k, term).map(|v| (v * excess.correctors[term]).sqrt())
        };
        let correctors = plates.into_par_iter().map(|k| [of(k, 0), of(k, 1), of(k, 2)]).collect();
        Self { pixels, profile, correctors }
    }
}
