//! From the last solve to the result: gauge, maps, noise, error bars, warnings.

use rayon::prelude::*;
use stitchbox_surface::HeightMap;

use crate::assemble::{Assembled, assemble};
use crate::conjugate::State;
use crate::corrector_matrix::active;
use crate::engine::{Engine, Kept, Mode};
use crate::fringes::Jumps;
use crate::gauge;
use crate::normal::Normal;
use crate::plane::Plane;
use crate::robust::Rejected;
use crate::smooth::Smooth;
use crate::tiles::{StitchedTiles, shaped};
use crate::watch::Watch;
use crate::{Corrector, Described, Reference, StitchError};

/// Part of a sub-aperture above which rejection is worth a warning.
const MANY_REJECTED: f64 = 0.05;
/// So many sub-apertures are named in the warning of a weak overlap.
const WEAK_NAMED: usize = 6;

impl<'a> Engine<'a> {
    /// Fixes the gauge and assembles everything.
    pub fn finish(mut self, mut state: State, kept: Kept<'a>) -> Result<StitchedTiles, StitchError> {
        let watch = Watch::step(self.progress, 0.87, 0.87, "assembling the map")?;
        let Kept { normal, rejected, contradicted, jumps } = kept;
        let normal = self.without_unreferenced(normal, &watch)?;
        let terms = self.options.terms;
        let mut fixed = 0;
        let seen = normal.seen();
        if self.mode != Mode::Held {
            fixed = gauge::fix_reference(self.grid, &self.observable, terms, &seen, &mut state);
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
        let noise_nm = self.noise(&normal, &assembled, &seen, fixed);
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
        let reference = self.reference_map(&state, &seen)?;
        let correctors = self.correctors(&state, &assembled, &rejected);
        let Assembled { height, residual, mut spread, .. } = assembled;
        let uncertainty = match noise_nm {
            Some(noise_nm) => {
                uncertainty(&normal, &mut spread, noise_nm)?;
                Some(spread)
            }
            None => None,
        };
        if let Some(journal) = &self.journal {
            journal.clear();
        }
        self.progress.at(1.0, "done");
        Ok(StitchedTiles {
            shape: self.grid.map,
            pixel: self.grid.pixel,
            height,
            uncertainty,
            residual,
            overlap: normal.count,
            reference,
            x0_mm: self.grid.origin_mm.0,
            y0_mm: self.grid.origin_mm.1,
            correctors,
            non_observable: self.observable.non_observable(),
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

    /// Noise of one pixel, from the residuals and the degrees of freedom left.
    fn noise(&self, normal: &Normal, assembled: &Assembled, seen: &[bool], fixed: usize) -> Option<f64> {
        let squares: f64 = assembled.squares.iter().map(|s| s.0).sum();
        let data: usize = assembled.squares.iter().map(|s| s.1).sum();
        let reference = match self.mode {
            Mode::Held => 0,
            Mode::Smooth => self.smooth.as_ref().map_or(0, Smooth::len),
            Mode::Pixels | Mode::Prior => {
                let free: Vec<bool> = normal.diagonal.iter().zip(seen).map(|(d, s)| *s && *d > 0.0).collect();
                let pixels = free.iter().filter(|f| **f).count();
                (self.additive.maps() * pixels)
                    .saturating_sub(self.observable.free_cosets(self.grid.camera, &free) + fixed)
            }
        };
        let freedom = data.checked_sub(assembled.overlapping + self.rank + reference).filter(|f| *f > 0)?;
        Some((squares / freedom as f64).sqrt())
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

    fn correctors(&self, state: &State, assembled: &Assembled, rejected: &Rejected) -> Vec<Corrector> {
        let grid = self.grid;
        let of = |(k, placed): (usize, &Described)| {
            let c = state.correctors[k];
            let (squares, count) = assembled.squares[k];
            Corrector {
                name: placed.name.clone(),
                x_mm: placed.x_mm,
                y_mm: placed.y_mm,
                piston_nm: c[0],
                pitch_nm_per_mm: c[1] / (grid.scale.0 * grid.pixel.x_mm),
                roll_nm_per_mm: c[2] / (grid.scale.1 * grid.pixel.y_mm),
                curvature_nm_per_mm2: c[3] / grid.power_mm2,
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

/// `s sqrt(1 / sum of w + sum over overlaps of (w / sum of w)^2 times the reference's variance)`.
fn uncertainty(normal: &Normal, spread: &mut Plane, noise_nm: f64) -> Result<(), StitchError> {
    let columns = normal.grid.map.1;
    for batch in spread.batches() {
        let mut values = spread.take(&batch)?;
        values.par_chunks_mut(columns).enumerate().for_each_init(Vec::new, |buffer, (i, line)| {
            for (value, inverse) in line.iter_mut().zip(normal.inverse_row(batch.start + i, buffer)) {
                *value = if *inverse > 0.0 { noise_nm * (inverse + *value).sqrt() } else { 0.0 };
            }
        });
        spread.give(&batch, values)?;
    }
    Ok(())
}
