//! From the last solve to the result: gauge, maps, noise, error bars, warnings.

use stitchbox_surface::HeightMap;

use crate::assemble::{Assembled, assemble};
use crate::conjugate::State;
use crate::corrector_matrix::active;
use crate::engine::{Engine, Kept, Mode};
use crate::error_bars::ErrorBars;
use crate::fringes::Jumps;
use crate::gauge;
use crate::judge::{Judge, Judged};
use crate::loose::Loose;
use crate::normal::Normal;
use crate::robust::Rejected;
use crate::tiles::{StitchedTiles, shaped};
use crate::watch::Watch;
use crate::{Corrector, CorrectorUncertainty, Described, Reference, StitchError};

/// Part of a sub-aperture above which rejection is worth a warning.
const MANY_REJECTED: f64 = 0.05;
/// So many sub-apertures are named in the warning of a weak overlap.
const WEAK_NAMED: usize = 6;

impl<'a> Engine<'a> {
    /// Fixes the gauge and assembles everything.
    pub fn finish(mut self, mut state: State, kept: Kept<'a>) -> Result<StitchedTiles, StitchError> {
        let watch = Watch::step(self.progress, 0.87, 0.87, "assembling the map")?;
        let Kept { normal, inverse, rejected, contradicted, jumps } = kept;
        let normal = self.without_unreferenced(normal, &watch)?;
        let terms = self.options.terms;
        let mut fixed = 0;
        let seen = normal.seen();
        if self.mode != Mode::Held {
            fixed = gauge::fix_reference(self.grid, &self.observable, terms, &seen, &mut state);
        }
        let mut loose = None;
        if matches!(self.mode, Mode::Pixels | Mode::Prior) {
            let compared: Vec<bool> = normal.diagonal[..self.grid.camera_pixels()].iter().map(|d| *d > 0.0).collect();
            let found = Loose::new(self.grid, &self.observable, &normal.used, &compared);
            found.settle(self.grid, &compared, &mut state.reference);
            loose = Some(found);
        }
        let pull = match self.mode {
            Mode::Pixels => Some(0.0),
            Mode::Prior => Some(self.observable.prior_weight()),
            Mode::Held | Mode::Smooth => None,
        };
        let of = |d: &f64| pull.filter(|_| *d > 0.0).map_or(0.0, |pull| 1.0 / (d + pull));
        let variance: Vec<f64> = normal.diagonal[..self.grid.camera_pixels()].iter().map(of).collect();
        let mut assembled = assemble(&normal, &state, &variance, self.folder, &watch)?;
        gauge::fix_map(&normal, &self.observable, terms, &mut assembled.height, &mut state)?;
        let judge = Judge {
            normal: &normal,
            inverse: &inverse,
            variance: &variance,
            loose: loose.as_ref(),
            fixed,
            watch: &watch,
        };
        let judged = self.judge(&judge, &mut state, &mut assembled)?;
        self.warn_of_rejections(&rejected, contradicted);
        self.warn_of_fringes(&jumps);
        let of_one = active(terms).len();
        if self.rank + of_one < of_one * self.grid.series.len() {
            let names: Vec<&str> =
                self.undetermined.iter().map(|k| self.grid.series[*k].name.as_str()).take(WEAK_NAMED).collect();
            let more = self.undetermined.len().saturating_sub(WEAK_NAMED);
            let message = format!(
                "the sub-apertures fall into parts that overlap each other so little that piston, pitch or roll between them is \
                 not determined; the parts are those of {}{}",
                names.join(", "),
                if more > 0 { format!(" and {more} more") } else { String::new() }
            );
            self.warn("weak-overlap", message);
        }
        let Judged { bars, noise_nm, constraints, non_observable } = judged;
        let reference = self.reference_map(&state, &seen)?;
        let correctors = self.correctors(&state, &assembled, &rejected, bars.as_ref());
        let Assembled { height, residual, spread, .. } = assembled;
        // The error bars have made uncertainties of it.
        let (uncertainty, profile_covariance) = bars.map(|bars| (spread, bars.profile)).unzip();
        if let Some(journal) = &self.journal {
            journal.clear();
        }
        self.progress.at(1.0, "done");
        Ok(StitchedTiles {
            shape: self.grid.map,
            pixel: self.grid.pixel,
            height,
            uncertainty,
            profile_covariance,
            residual,
            overlap: normal.count,
            reference,
            x0_mm: self.grid.origin_mm.0,
            y0_mm: self.grid.origin_mm.1,
            correctors,
            constraints,
            non_observable,
            warnings: self.warnings,
            noise_nm,
            iterations: self.iterations,
        })
    }

    /// A camera pixel that was used only where nothing overlaps has no known reference, so what it saw cannot be in the map.
    fn without_unreferenced(&mut self, normal: Normal<'a>, watch: &Watch) -> Result<Normal<'a>, StitchError> {
        if !matches!(self.mode, Mode::Pixels | Mode::Prior) {
            return Ok(normal);
        }
        let columns = self.grid.camera.1;
        let mut total = 0;
        let unreferenced: Rejected = (self.grid.plates.iter().zip(&normal.used))
            .map(|(plate, used)| {
                let mut found = Vec::new();
                for row in 0..plate.shape.0 {
                    let diagonal = &normal.diagonal[(plate.camera.0 + row) * columns + plate.camera.1..];
                    for &(start, end) in used.row(row) {
                        found.extend((start..end).filter(|c| diagonal[*c as usize] <= 0.0).map(|c| (row as u32, c)));
                    }
                }
                total += found.len();
                found
            })
            .collect();
        if total == 0 {
            return Ok(normal);
        }
        let message = format!(
            "{total} values were left out: their camera pixels measured only where no other sub-aperture overlaps, so the reference \
             is not known there"
        );
        self.warn("reference-unknown", message);
        let used = normal.used.iter().zip(&unreferenced).map(|(used, pixels)| used.without(pixels)).collect();
        let mut smaller = Normal::new(self.grid, used, normal.additive, watch)?;
        smaller.shift = normal.shift;
        Ok(smaller)
    }

    fn warn_of_rejections(&mut self, rejected: &Rejected, contradicted: usize) {
        let total: usize = rejected.iter().map(Vec::len).sum();
        let mut many = Vec::new();
        for ((placed, pixels), plate) in self.grid.series.iter().zip(rejected).zip(&self.grid.plates) {
            let part = pixels.len() as f64 / plate.runs.count().max(1) as f64;
            if part > MANY_REJECTED {
                many.push(format!("{} ({:.0} %)", placed.name, 100.0 * part));
            }
        }
        if !many.is_empty() {
            let message = format!(
                "many pixels of {} contradict the others and were left out; look at the residual map: a wrong position, \
                 fringe-order errors or a bad measurement look like this",
                many.join(", ")
            );
            self.warn("many-rejected", message);
        } else if total > 0 {
            self.warn("outliers-rejected", format!("{total} pixels contradict the others and were left out"));
        }
        if contradicted > 0 {
            let message = format!(
                "at {contradicted} map pixels the sub-apertures contradict each other and nothing tells which is wrong, so all \
                 were left out"
            );
            self.warn("contradictions", message);
        }
    }

    fn warn_of_fringes(&mut self, jumps: &[Jumps]) {
        let named: Vec<String> = (self.grid.series.iter().zip(jumps).zip(&self.grid.plates))
            .filter(|((_, jumps), _)| jumps.are_fringes())
            .map(|((placed, jumps), plate)| {
                let height = jumps.multiple as f64 * plate.fringe_nm.unwrap_or(0.0);
                format!("{} ({} pixels, last one off by {height:+.1} nm)", placed.name, jumps.near)
            })
            .collect();
        if !named.is_empty() {
            let message = format!(
                "values that are off by whole fringes (multiples of wavelength times scale factor) were left out: {}; the unwrapping \
                 of these files went wrong there: mask the region or measure again",
                named.join(", ")
            );
            self.warn("fringe-order", message);
        }
    }

    fn reference_map(&self, state: &State, seen: &[bool]) -> Result<Option<HeightMap>, StitchError> {
        if matches!(self.options.reference, Reference::None) {
            return Ok(None);
        }
        let heights = shaped(self.grid.camera, state.reference[..self.grid.camera_pixels()].to_vec())?;
        let valid = shaped(self.grid.camera, seen.to_vec())?;
        let map = HeightMap::new(heights, valid, Some(self.grid.pixel));
        map.map(Some).map_err(|_| StitchError::Internal { step: "writing down the reference" })
    }

    fn correctors(
        &self,
        state: &State,
        assembled: &Assembled,
        rejected: &Rejected,
        bars: Option<&ErrorBars>,
    ) -> Vec<Corrector> {
        let grid = self.grid;
        let (per_u, per_v) = (grid.scale.0 * grid.pixel.x_mm, grid.scale.1 * grid.pixel.y_mm);
        let of = |(k, placed): (usize, &Described)| {
            let c = state.correctors[k];
            let (squares, count) = assembled.squares[k];
            Corrector {
                name: placed.name.clone(),
                x_mm: placed.x_mm,
                y_mm: placed.y_mm,
                piston_nm: c[0],
                pitch_nm_per_mm: c[1] / per_u,
                roll_nm_per_mm: c[2] / per_v,
                curvature_nm_per_mm2: c[3] / grid.power_mm2,
                uncertainty: bars.map(|bars| {
                    let [piston, pitch, roll, curvature] = bars.correctors[k].map(|u| u.unwrap_or(0.0));
                    CorrectorUncertainty {
                        piston_nm: piston,
                        pitch_nm_per_mm: pitch / per_u,
                        roll_nm_per_mm: roll / per_v,
                        curvature_nm_per_mm2: curvature / grid.power_mm2,
                    }
                }),
                dx_mm: None,
                dy_mm: None,
                rotation_urad: None,
                residual_rms_nm: if count > 0 { (squares / count as f64).sqrt() } else { 0.0 },
                rejected: rejected[k].len(),
            }
        };
        grid.series.iter().enumerate().map(of).collect()
    }
}
