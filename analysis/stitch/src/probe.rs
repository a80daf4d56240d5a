//! How much too small the approximate variances are, measured: the solver is given noise alone, of a fixed pattern, and what
//! it makes of it is compared with what the error bars foretell. For few sub-apertures, where the noise of a pixel-wise reference
//! and that of the correctors hang together; from about ten on the two agree within 2 % without.

use std::ops::Range;

use crate::StitchError;
use crate::additive::Additive;
use crate::cells::Cells;
use crate::certainty::{Certainty, Unknowns, inverted};
use crate::cholesky::{PivotedCholesky, dot};
use crate::conjugate::State;
use crate::corrector_matrix::CorrectorInverse;
use crate::engine::{Engine, Mode};
use crate::error_bars::{Excess, MOST_CLASSES};
use crate::gauge;
use crate::line::Quantity;
use crate::normal::{Correctors, Normal, TERMS};
use crate::pass::{Gradient, Pass};
use crate::plane::Plane;
use crate::runs::Runs;
use crate::shapes::{Frame, SHAPES, declared};
use crate::watch::{Silent, Watch};

/// With more sub-apertures nothing is measured.
const MOST_SUB_APERTURES: usize = 10;
/// Patterns of noise.
const DRAWS: usize = 4;
/// Data in one draw, about, where rows can be left out.
const DATA: usize = 50_000;
/// Rows that stay at least.
const LEAST_ROWS: usize = 10;
/// Residuals, squared, fall to this part.
const SETTLED: f64 = 1e-8;
const MOST_ITERATIONS: usize = 300;
/// Fewer pixels with so many overlaps are not judged by themselves.
const LEAST_PIXELS: usize = 500;

impl Engine<'_> {
    /// Measures the excess where it matters.
    pub fn excess(&self, normal: &Normal) -> Result<Excess, StitchError> {
        let silent = Silent(self.progress);
        let watch = &Watch::quiet(&silent);
        let plain = normal.additive.maps() == 1 && normal.shift.is_none() && !self.grid.is_weighted();
        let along_x = self.observable.period_along_x().is_some();
        let lies_well = along_x || (self.observable.lattice.rank() == 2 && !self.observable.periodic());
        let few = self.grid.plates.len() <= MOST_SUB_APERTURES;
        if !(few && plain && lies_well && matches!(self.mode, Mode::Pixels | Mode::Prior)) {
            return Ok(Excess::default());
        }
        let data: usize = normal.used.iter().map(Runs::count).sum();
        let rows = self.grid.map.0;
        // In a scan along x the rows meet in the correctors only: some of them tell the same.
        let every = if along_x { (data / DATA).min(rows / LEAST_ROWS).max(1) } else { 1 };
        let used = normal.used.iter().zip(&self.grid.plates).map(|(runs, plate)| {
            let mut mask = vec![false; plate.shape.0 * plate.shape.1];
            for row in (0..plate.shape.0).filter(|row| (plate.map.0 + row).is_multiple_of(every)) {
                for (start, end) in runs.row(row) {
                    mask[row * plate.shape.1..][*start as usize..*end as usize].fill(true);
                }
            }
            Runs::of_mask(&mask, plate.shape.1)
        });
        let sampled = Normal::new(self.grid, used.collect(), Additive::reference(self.grid.plates.len()), watch)?;
        let draws = (DRAWS * DATA * every / data.max(1)).clamp(1, DRAWS);
        Probe::new(self, &sampled, watch)?.run(draws)
    }
}

/// Sums of squares over classes: as measured, as foretold.
type Ratio = (f64, f64);

struct Probe<'a> {
    engine: &'a Engine<'a>,
    normal: &'a Normal<'a>,
    watch: &'a Watch<'a>,
    inverse: CorrectorInverse,
    /// Inverse diagonal of the reference.
    of_reference: Vec<f64>,
    /// Camera pixels of the rows that are looked at: the others stay zero.
    live: Vec<Range<usize>>,
    removed: Vec<usize>,
    /// Map rows that are looked at, and the products of the removed shapes there.
    rows: Vec<usize>,
    gram: PivotedCholesky,
    frame: Frame,
}

impl<'a> Probe<'a> {
    fn new(engine: &'a Engine<'a>, normal: &'a Normal<'a>, watch: &'a Watch<'a>) -> Result<Self, StitchError> {
        let inverse = CorrectorInverse::new(normal, engine.options.terms, watch)?;
        let pull = engine.observable.prior_weight();
        let of_reference: Vec<f64> =
            normal.diagonal.iter().map(|d| if *d > 0.0 { 1.0 / (d + pull) } else { 0.0 }).collect();
        let width = normal.grid.camera.1;
        let lines = of_reference.chunks_exact(width).enumerate().filter(|(_, line)| line.iter().any(|i| *i > 0.0));
        let live = lines.map(|(row, _)| row * width..(row + 1) * width).collect();
        let columns = normal.grid.map.1;
        let lines = normal.count.chunks_exact(columns).enumerate().filter(|(_, line)| line.iter().any(|n| *n > 0));
        let rows: Vec<usize> = lines.map(|(row, _)| row).collect();
        let declared = declared(&engine.observable, true);
        let removed: Vec<usize> = (0..SHAPES).filter(|shape| declared[*shape]).collect();
        let (frame, count) = (Frame::new(normal.grid), removed.len());
        let mut gram = vec![0.0; count * count];
        for at in rows.iter().flat_map(|row| row * columns..(row + 1) * columns).filter(|at| normal.count[*at] > 0) {
            let values = frame.shapes(frame.at((at % columns) as f64, (at / columns) as f64));
            for (i, a) in removed.iter().enumerate() {
                for (j, b) in removed.iter().enumerate() {
                    gram[i * count + j] += values[*a] * values[*b];
                }
            }
        }
        let gram = PivotedCholesky::new(&gram, count);
        Ok(Self { engine, normal, watch, inverse, of_reference, live, removed, rows, gram, frame })
    }

    fn run(&self, draws: usize) -> Result<Excess, StitchError> {
        let (normal, grid) = (self.normal, self.normal.grid);
        let columns = grid.map.1;
        let cells = Cells::new(normal);
        let unknowns = Unknowns::new(normal, &self.inverse, Vec::new());
        let covariance = inverted(self.inverse.factor(), unknowns.len(), 1.0);
        let removed = declared(&self.engine.observable, true);
        let certainty = Certainty::new(unknowns, covariance, removed, &self.frame, &cells);
        let spread = self.spread();
        let long = certainty.of_cells(&self.frame, &cells);
        let plane = Plane::holding(grid.map, spread.clone());
        let own = cells.sums(normal, &plane, |inverse, spread| inverse + spread)?;
        let (of_unknowns, of_noise) = certainty.of_bins(&self.frame, &cells, &own);

        let mut of_pixels = [(0.0, 0.0); MOST_CLASSES + 1];
        let mut counts = [0; MOST_CLASSES + 1];
        let (mut of_bins, mut of_correctors): (Ratio, [Ratio; TERMS]) = ((0.0, 0.0), [(0.0, 0.0); TERMS]);
        for draw in 0..draws {
            let mut noise = vec![0.0; grid.map.0 * columns];
            let state = self.solve(draw as u64, &mut noise)?;
            let mut error = vec![0.0; grid.map.0 * columns];
            for row in &self.rows {
                let line = &mut error[row * columns..(row + 1) * columns];
                normal.mean_row(*row, Quantity::Model, &state, line);
                line.iter_mut().for_each(|value| *value = -*value);
            }
            let mut total: Vec<f64> = noise.iter().zip(&error).map(|(n, e)| n + e).collect();
            let amplitudes = self.project(&mut error);
            self.project(&mut total);

            for at in self.pixels() {
                let class = usize::from(normal.count[at]).min(MOST_CLASSES);
                let foretold = spread[at] + long[cells.holding(at / columns, at % columns)];
                let (measured, sum) = &mut of_pixels[class];
                (*measured, *sum) = (*measured + error[at] * error[at], *sum + foretold);
                counts[class] += 1;
            }
            for bin in 0..cells.bins() {
                let edges = cells.columns[bin * cells.per_bin]..cells.columns[(bin + 1) * cells.per_bin];
                let (mut sum, mut number) = (0.0, 0.0);
                for row in &self.rows {
                    for at in edges.clone().map(|column| row * columns + column).filter(|at| normal.count[*at] > 0) {
                        sum += total[at];
                        number += 1.0;
                    }
                }
                if number > 0.0 {
                    let foretold = of_unknowns[[bin, bin]] + of_noise[[bin, bin]];
                    of_bins = (of_bins.0 + (sum / number) * (sum / number), of_bins.1 + foretold);
                }
            }
            for (k, corrector) in state.correctors.iter().enumerate() {
                let carried = self.frame.carried(k);
                for (term, ratio) in of_correctors.iter_mut().enumerate() {
                    let Some(foretold) = certainty.of_corrector(&self.frame, k, term) else { continue };
                    let of_shapes: f64 = self.removed.iter().zip(&amplitudes).map(|(s, a)| carried[*s][term] * a).sum();
                    let own = corrector[term] - of_shapes;
                    *ratio = (ratio.0 + own * own, ratio.1 + foretold);
                }
            }
        }
        let all = of_pixels.iter().fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        let of_class = |class: usize| quotient(if counts[class] < LEAST_PIXELS { all } else { of_pixels[class] });
        Ok(Excess {
            pixels: std::array::from_fn(of_class),
            bins: quotient(of_bins),
            correctors: of_correctors.map(quotient),
        })
    }

    /// What the reference adds to the variance of each map pixel, pixel by pixel.
    fn spread(&self) -> Vec<f64> {
        let grid = self.normal.grid;
        let mut spread = vec![0.0; grid.map.0 * grid.map.1];
        for (plate, runs) in grid.plates.iter().zip(&self.normal.used) {
            for own in 0..plate.shape.0 {
                let at = (plate.map.0 + own) * grid.map.1 + plate.map.1;
                let camera = (plate.camera.0 + own) * grid.camera.1 + plate.camera.1;
                for column in runs.row(own).iter().flat_map(|(start, end)| *start as usize..*end as usize) {
                    let count = f64::from(self.normal.count[at + column]);
                    spread[at + column] += self.of_reference[camera + column] / (count * count);
                }
            }
        }
        spread
    }

    /// Solves for noise alone, of standard deviation 1; `mean` becomes its mean over the overlaps.
    fn solve(&self, draw: u64, mean: &mut [f64]) -> Result<State, StitchError> {
        let normal = self.normal;
        let (mut left, mut of_correctors) = self.gradient(draw, mean);
        let n = normal.grid.plates.len();
        let mut state = State { reference: vec![0.0; left.len()], correctors: vec![[0.0; TERMS]; n] };
        let mut gradient = Gradient::zeros(normal);
        let pull = self.engine.observable.prior_weight();
        let live = || self.live.iter().cloned();
        let precondition = |left: &[f64], of_correctors: &Correctors, z: &mut [f64], of_z: &mut Correctors| {
            for part in live() {
                let pairs = left[part.clone()].iter().zip(&self.of_reference[part.clone()]);
                z[part].iter_mut().zip(pairs).for_each(|(z, (l, i))| *z = l * i);
            }
            self.inverse.apply(of_correctors, of_z);
        };
        let product = |a: (&[f64], &Correctors), b: (&[f64], &Correctors)| {
            let of_reference: f64 = live().map(|part| dot(&a.0[part.clone()], &b.0[part])).sum();
            of_reference + dot(a.1.as_flattened(), b.1.as_flattened())
        };
        let (mut z, mut of_z) = (vec![0.0; left.len()], vec![[0.0; TERMS]; n]);
        precondition(&left, &of_correctors, &mut z, &mut of_z);
        let (mut direction, mut of_direction) = (z.clone(), of_z.clone());
        let mut rz = product((&left, &of_correctors), (&z, &of_z));
        let goal = SETTLED * rz;
        for _ in 0..MOST_ITERATIONS {
            let pass = Pass {
                quantity: Quantity::Model,
                reference: &direction,
                correctors: &of_direction,
                with_reference: true,
            };
            normal.gather(pass, &mut gradient, self.watch)?;
            for part in live() {
                let stiff = direction[part.clone()].iter().zip(&self.of_reference[part.clone()]);
                let image = gradient.reference[part].iter_mut().zip(stiff).filter(|(_, (_, free))| **free > 0.0);
                image.for_each(|(image, (d, _))| *image += pull * d);
            }
            let curvature = product((&direction, &of_direction), (&gradient.reference, &gradient.correctors));
            if !(curvature > 0.0 && rz > goal) {
                break;
            }
            let step = rz / curvature;
            for part in live() {
                add(&mut state.reference[part.clone()], step, &direction[part.clone()]);
                add(&mut left[part.clone()], -step, &gradient.reference[part]);
            }
            add(state.correctors.as_flattened_mut(), step, of_direction.as_flattened());
            add(of_correctors.as_flattened_mut(), -step, gradient.correctors.as_flattened());
            precondition(&left, &of_correctors, &mut z, &mut of_z);
            let next = product((&left, &of_correctors), (&z, &of_z));
            let factor = next / rz;
            rz = next;
            let turn = |direction: &mut [f64], z: &[f64]| {
                direction.iter_mut().zip(z).for_each(|(d, z)| *d = z + factor * *d);
            };
            live().for_each(|part| turn(&mut direction[part.clone()], &z[part]));
            turn(of_direction.as_flattened_mut(), of_z.as_flattened());
        }
        let engine = self.engine;
        gauge::fix_reference(normal.grid, &engine.observable, engine.options.terms, &normal.seen(), &mut state);
        Ok(state)
    }

    /// Negative gradient for noise alone.
    fn gradient(&self, draw: u64, mean: &mut [f64]) -> (Vec<f64>, Correctors) {
        let (normal, grid) = (self.normal, self.normal.grid);
        let mut left = vec![0.0; grid.camera_pixels()];
        let mut of_correctors = vec![[0.0; TERMS]; grid.plates.len()];
        for (k, (plate, runs)) in grid.plates.iter().zip(&normal.used).enumerate() {
            for own in 0..plate.shape.0 {
                let at = (plate.map.0 + own) * grid.map.1 + plate.map.1;
                for column in runs.row(own).iter().flat_map(|(start, end)| *start as usize..*end as usize) {
                    mean[at + column] += sign(draw, (k, own, column)) / f64::from(normal.count[at + column]);
                }
            }
        }
        for (k, (plate, runs)) in grid.plates.iter().zip(&normal.used).enumerate() {
            for own in 0..plate.shape.0 {
                let at = (plate.map.0 + own) * grid.map.1 + plate.map.1;
                let row = plate.camera.0 + own;
                let v = grid.v[row];
                for column in runs.row(own).iter().flat_map(|(start, end)| *start as usize..*end as usize) {
                    let e = sign(draw, (k, own, column)) - mean[at + column];
                    let u = grid.u[plate.camera.1 + column];
                    left[row * grid.camera.1 + plate.camera.1 + column] += e;
                    let terms = [1.0, u, v, grid.power.0 * u * u + grid.power.1 * v * v];
                    of_correctors[k].iter_mut().zip(terms).for_each(|(sum, term)| *sum += e * term);
                }
            }
        }
        (left, of_correctors)
    }

    /// Pixels of the map that are looked at.
    fn pixels(&self) -> impl Iterator<Item = usize> {
        let (columns, count) = (self.normal.grid.map.1, &self.normal.count);
        let all = self.rows.iter().flat_map(move |row| row * columns..(row + 1) * columns);
        all.filter(|at| count[*at] > 0)
    }

    /// Takes the declared shapes off a map; returns their amplitudes.
    fn project(&self, map: &mut [f64]) -> Vec<f64> {
        let (normal, count) = (self.normal, self.removed.len());
        let columns = normal.grid.map.1;
        let shapes = |at: usize| self.frame.shapes(self.frame.at((at % columns) as f64, (at / columns) as f64));
        let mut first = None;
        // The parts are not orthogonal on a map with gaps; three rounds settle them.
        for _ in 0..3 {
            let (mut right, mut fitted) = (vec![0.0; count], vec![0.0; count]);
            for at in self.pixels() {
                let values = shapes(at);
                self.removed.iter().zip(&mut right).for_each(|(s, right)| *right += values[*s] * map[at]);
            }
            self.gram.solve(&right, &mut fitted);
            for at in self.pixels() {
                let values = shapes(at);
                map[at] -= self.removed.iter().zip(&fitted).map(|(s, f)| values[*s] * f).sum::<f64>();
            }
            first.get_or_insert(fitted);
            let Some(period) = self.engine.observable.period_along_x() else { break };
            for row in &self.rows {
                let line = &mut map[row * columns..(row + 1) * columns];
                let counts = &normal.count[row * columns..(row + 1) * columns];
                for phase in 0..period.min(columns) {
                    let valid = || (phase..columns).step_by(period).filter(|at| counts[*at] > 0);
                    let mean = valid().map(|at| line[at]).sum::<f64>() / valid().count().max(1) as f64;
                    valid().for_each(|at| line[at] -= mean);
                }
            }
        }
        first.unwrap_or_default()
    }
}

/// Noise of standard deviation 1: plus or minus one, by the place of the pixel.
fn sign(draw: u64, (k, row, column): (usize, usize, usize)) -> f64 {
    let mut x = draw.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ ((k as u64) << 48 | (row as u64) << 24 | column as u64);
    for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb, 0xd6e8_feb8_6659_fd93] {
        x = (x ^ (x >> 31)).wrapping_mul(factor);
    }
    if (x ^ (x >> 29)) & (1 << 17) == 0 { -1.0 } else { 1.0 }
}

/// Measured over foretold; never less than one, for a draw is no proof that the error bars are too large.
fn quotient((measured, foretold): Ratio) -> f64 {
    if foretold > 0.0 { (measured / foretold).max(1.0) } else { 1.0 }
}

fn add(to: &mut [f64], factor: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(t, w)| *t += factor * w);
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn the_pattern_is_white() {
        let (mut sum, mut across, mut down, mut draws) = (0.0, 0.0, 0.0, 0.0);
        for row in 0..200 {
            for column in 0..200 {
                let here = sign(1, (3, row, column));
                sum += here;
                across += here * sign(1, (3, row, column + 1));
                down += here * sign(1, (3, row + 1, column));
                draws += here * sign(2, (3, row, column));
            }
        }
        for total in [sum, across, down, draws] {
            // Four standard deviations of a sum of 40 000.
            assert!(f64::abs(total) < 800.0, "{sum} {across} {down} {draws}");
        }
    }
}
