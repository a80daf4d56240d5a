//! How well the solution is known: the noise from the residuals, what other measurements add, and the error bars.

use crate::StitchError;
use crate::assemble::{Assembled, assemble};
use crate::cells::Cells;
use crate::certainty::{Unknowns, inverted};
use crate::conjugate::State;
use crate::constraints::{Solved, settle, term};
use crate::corrector_matrix::CorrectorInverse;
use crate::engine::{Engine, Mode};
use crate::error_bars::{ErrorBars, Known};
use crate::gauge;
use crate::loose::Loose;
use crate::normal::Normal;
use crate::shapes::{Frame, SHAPES, declared};
use crate::smooth::Smooth;
use crate::watch::Watch;
use crate::{Constraint, NonObservable};

/// The solution, to be judged.
pub(crate) struct Judge<'a> {
    pub normal: &'a Normal<'a>,
    pub inverse: &'a CorrectorInverse,
    /// Variance of the reference at each camera pixel, in units of the noise variance.
    pub variance: &'a [f64],
    /// Camera pixels that hang on each other only, with a pixel-wise reference.
    pub loose: Option<&'a Loose>,
    /// Dimensions of the reference that the convention fixed beyond the functions of the labels.
    pub fixed: usize,
    pub watch: &'a Watch<'a>,
}

/// What was found.
pub(crate) struct Judged {
    pub bars: Option<ErrorBars>,
    /// Noise of one pixel of one sub-aperture as measured, nm.
    pub noise_nm: Option<f64>,
    pub constraints: Vec<Constraint>,
    pub non_observable: Vec<NonObservable>,
}

impl Engine<'_> {
    /// Estimates the noise, adds measured angles and profiles to `state` and `assembled`, and computes the error bars.
    pub fn judge(
        &mut self,
        judge: &Judge,
        state: &mut State,
        assembled: &mut Assembled,
    ) -> Result<Judged, StitchError> {
        let Judge { normal, inverse, variance, loose, fixed, watch } = *judge;
        let noise_nm = self.noise(normal, assembled, loose, fixed);
        let (frame, cells) = (Frame::new(self.grid), Cells::new(normal));
        let mut settled = None;
        if let Some(noise_nm) = noise_nm {
            let solved = Solved {
                normal,
                inverse,
                observable: &self.observable,
                unknown_reference: self.mode != Mode::Held,
                frame: &frame,
                cells: &cells,
                assembled,
                noise_nm,
            };
            settled = settle(&solved, self.options, state)?;
        } else if !(self.options.angles.is_empty() && self.options.profiles.is_empty()) {
            let message =
                "measured angles and profiles were not used: nothing tells the noise of a series without redundancy";
            self.warn("constraint-unused", message.into());
        }
        if let Some(settled) = &mut settled {
            self.warnings.append(&mut settled.warnings);
            *assembled = assemble(normal, state, variance, self.folder, watch)?;
            gauge::fix_map(normal, &self.observable, self.options.terms, &mut assembled.height, state)?;
        }
        let mut removed = declared(&self.observable, self.mode != Mode::Held);
        let mut non_observable = self.observable.non_observable();
        if let Some((open, warning)) = loose.and_then(|loose| loose.declared(normal)) {
            non_observable.push(open);
            self.warnings.push(warning);
        }
        let mut constraints = Vec::new();
        let mut known = None;
        if let Some(settled) = settled {
            for shape in (0..SHAPES).filter(|shape| settled.determined[*shape]) {
                removed[shape] = false;
                non_observable.retain(|open| open.term != term(shape));
            }
            constraints = settled.constraints;
            known = Some((settled.unknowns, settled.covariance));
        }
        let excess = self.excess(normal)?;
        let mut bars = None;
        if let Some(noise_nm) = noise_nm {
            let (unknowns, covariance) = known.unwrap_or_else(|| {
                let unknowns = Unknowns::new(normal, inverse, Vec::new());
                let covariance = inverted(inverse.factor(), unknowns.len(), noise_nm * noise_nm);
                (unknowns, covariance)
            });
            let (frame, cells) = (&frame, &cells);
            let known = Known { normal, noise_nm, frame, cells, unknowns, covariance, removed, excess };
            bars = Some(ErrorBars::new(known, &mut assembled.spread)?);
        }
        Ok(Judged { bars, noise_nm, constraints, non_observable })
    }

    /// Noise of one pixel, from the residuals and the degrees of freedom left.
    fn noise(&self, normal: &Normal, assembled: &Assembled, loose: Option<&Loose>, fixed: usize) -> Option<f64> {
        let squares: f64 = assembled.squares.iter().map(|s| s.0).sum();
        let data: usize = assembled.squares.iter().map(|s| s.1).sum();
        let reference = match self.mode {
            Mode::Held => 0,
            Mode::Smooth => self.smooth.as_ref().map_or(0, Smooth::len),
            Mode::Pixels | Mode::Prior => {
                let pixels = normal.diagonal[..self.grid.camera_pixels()].iter().filter(|d| **d > 0.0).count();
                (self.additive.maps() * pixels).saturating_sub(loose.map_or(0, |loose| loose.groups) + fixed)
            }
        };
        let freedom = data.checked_sub(assembled.overlapping + self.rank + reference).filter(|f| *f > 0)?;
        Some((squares / freedom as f64).sqrt())
    }
}
