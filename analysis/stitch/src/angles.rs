//! Pitch and roll that another instrument measured at every sub-aperture: rows `pitch of the sub-aperture = reading + offset`,
//! one offset for all pitches and one for all rolls.

use crate::certainty::Unknowns;
use crate::conjugate::State;
use crate::grid::Grid;
use crate::joint::Row;
use crate::shapes::Frame;
use crate::{Described, MeasuredAngles, StitchError};

/// How the readings are called in results and messages.
pub(crate) const NAME: &str = "measured angles";
/// Offsets of their own: of pitch and of roll.
pub(crate) const OFFSETS: usize = 2;

/// Refuses angles that cannot belong to the series.
pub(crate) fn check(angles: &[MeasuredAngles], series: &[Described]) -> Result<(), StitchError> {
    if angles.is_empty() {
        return Ok(());
    }
    if angles.len() != series.len() {
        return Err(StitchError::AnglesCount { angles: angles.len(), sub_apertures: series.len() });
    }
    let absurd = |(value, sigma): (f64, f64)| !(value.is_finite() && sigma.is_finite() && sigma > 0.0);
    match angles.iter().position(|a| a.pitch_urad.is_some_and(absurd) || a.roll_urad.is_some_and(absurd)) {
        Some(k) => Err(StitchError::AbsurdAngle { file: series[k].name.clone() }),
        None => Ok(()),
    }
}

/// The rows, in nm/mm (= urad). `offset` is where the two offsets stand among the unknowns. Terms that are not solved for
/// give none.
pub(crate) fn rows(
    angles: &[MeasuredAngles],
    (grid, frame): (&Grid, &Frame),
    unknowns: &Unknowns,
    state: &State,
    (source, offset): (usize, usize),
) -> Vec<Row> {
    let per_mm = [1.0 / (grid.scale.0 * grid.pixel.x_mm), 1.0 / (grid.scale.1 * grid.pixel.y_mm)];
    let mut rows = Vec::new();
    for (k, of_one) in angles.iter().enumerate() {
        for (axis, reading) in [of_one.pitch_urad, of_one.roll_urad].into_iter().enumerate() {
            let Some((value, sigma)) = reading else { continue };
            let Some(mut factors) = unknowns.corrector_row(frame, k, axis + 1) else { continue };
            factors.iter_mut().for_each(|(_, factor)| *factor *= per_mm[axis]);
            factors.push((offset + axis, -1.0));
            rows.push(Row { factors, left: value - state.correctors[k][axis + 1] * per_mm[axis], sigma, source });
        }
    }
    rows
}
