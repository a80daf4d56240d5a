//! Collects the points of a profile, each a mean over the width of a band.

use stitchbox_surface::{Profile, ProfileKind};

use super::{Errors, Extracted};
use crate::StepError;

/// The mean of one place, as it grows.
#[derive(Default)]
pub(super) struct Mean {
    first: Option<f64>,
    above: f64,
    variance: f64,
    uncertainty: f64,
    pub(super) count: usize,
}

impl Mean {
    /// One valid height and its uncertainty, nm.
    pub(super) fn add(&mut self, height: f64, uncertainty: f64) {
        // Relative to the first, so that a large piston costs no digits.
        self.above += height - *self.first.get_or_insert(height);
        self.variance += uncertainty * uncertainty;
        self.uncertainty += uncertainty;
        self.count += 1;
    }
}

/// Profile points in order.
pub(super) struct Points {
    positions: Vec<f64>,
    heights: Vec<f64>,
    uncertainties: Vec<f64>,
    counts: Vec<usize>,
    errors: Errors,
}

impl Points {
    pub(super) fn new(errors: Errors) -> Self {
        Self { positions: vec![], heights: vec![], uncertainties: vec![], counts: vec![], errors }
    }

    /// A place, if at least `needed` values (and one) were found there.
    pub(super) fn push(&mut self, position_mm: f64, mean: &Mean, needed: usize) {
        let Some(first) = mean.first.filter(|_| mean.count >= needed) else { return };
        let n = mean.count as f64;
        self.positions.push(position_mm);
        self.heights.push(first + mean.above / n);
        self.uncertainties.push(match self.errors {
            Errors::Independent => mean.variance.sqrt() / n,
            Errors::Common => mean.uncertainty / n,
        });
        self.counts.push(mean.count);
    }

    /// The profile; `known` tells whether the uncertainties mean something.
    pub(super) fn finish(self, known: bool, y_mm: Option<f64>) -> Result<Extracted, StepError> {
        let mut profile = Profile::new(&self.positions, &self.heights, ProfileKind::HeightNm)?;
        profile.y_mm = y_mm;
        Ok(Extracted { profile, uncertainty_nm: known.then_some(self.uncertainties), counts: self.counts })
    }
}
