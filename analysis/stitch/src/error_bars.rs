//! Standard uncertainties of the result: of every pixel, of the correctors, and of the mean heights along the mirror.

use rayon::prelude::*;

use crate::StitchError;
use crate::cells::Cells;
use crate::certainty::{Certainty, Unknowns};
use crate::normal::{Normal, TERMS};
use crate::plane::Plane;
use crate::shapes::{Frame, SHAPES};
use crate::stitched::ProfileCovariance;

/// Pixels with so many overlaps and more are one class.
pub(crate) const MOST_CLASSES: usize = 8;

/// What the error bars are computed from.
pub(crate) struct Known<'a> {
    pub normal: &'a Normal<'a>,
    /// Noise of one pixel of one sub-aperture as measured, nm.
    pub noise_nm: f64,
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
    pub pixels: [f64; MOST_CLASSES + 1],
    /// Of the mean heights along x.
    pub bins: f64,
    /// Of piston, pitch, roll, power.
    pub correctors: [f64; TERMS],
}

impl Default for Excess {
    fn default() -> Self {
        Self { pixels: [1.0; MOST_CLASSES + 1], bins: 1.0, correctors: [1.0; TERMS] }
    }
}

/// Standard uncertainties, all without the declared shapes.
pub(crate) struct ErrorBars {
    pub profile: ProfileCovariance,
    /// Of the correctors, nm per unit of their terms; `None` where a term is off.
    pub correctors: Vec<[Option<f64>; TERMS]>,
}

impl ErrorBars {
    /// `spread`, what the variance of a pixel has beyond 1 / sum of w in units of the noise variance, becomes the standard
    /// uncertainty of each map pixel, nm; zero where it is invalid.
    pub fn new(known: Known, spread: &mut Plane) -> Result<Self, StitchError> {
        let Known { normal, noise_nm, frame, cells, unknowns, covariance, removed, excess } = known;
        let certainty = Certainty::new(unknowns, covariance, removed, frame, cells);
        let square = noise_nm * noise_nm;
        let columns = normal.grid.map.1;
        let own = cells.sums(normal, spread, |inverse, spread| square * (inverse + spread))?;
        let long = certainty.of_cells(frame, cells);
        for batch in spread.batches() {
            let mut values = spread.take(&batch)?;
            values.par_chunks_mut(columns).enumerate().for_each_init(Vec::new, |buffer, (i, line)| {
                let row = batch.start + i;
                let inverses = normal.inverse_row(row, buffer);
                let counts = &normal.count[row * columns..(row + 1) * columns];
                let first = cells.holding(row, 0);
                for (at, edges) in cells.columns.windows(2).enumerate() {
                    for column in edges[0]..edges[1] {
                        let inverse = inverses[column];
                        let excess = excess.pixels[usize::from(counts[column]).min(MOST_CLASSES)];
                        let variance = square * (inverse + excess * line[column]) + excess * long[first + at];
                        line[column] = if inverse > 0.0 { variance.max(0.0).sqrt() } else { 0.0 };
                    }
                }
            });
            spread.give(&batch, values)?;
        }
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
        let correctors = plates.into_par_iter().map(|k| std::array::from_fn(|term| of(k, term))).collect();
        Ok(Self { profile, correctors })
    }
}
