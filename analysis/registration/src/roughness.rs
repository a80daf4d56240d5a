//! What is left of a sub-aperture when form is taken away: its roughness, by which places are recognised.

use ndarray::Array2;
use stitchbox_steps::solve_normal;
use stitchbox_surface::SubAperture;

use crate::camera::Camera;

/// Roughness over the camera frame, `factor` x `factor` pixels as one. Height 0 where not valid.
#[derive(Debug, Clone)]
pub(crate) struct Roughness {
    pub heights: Array2<f64>,
    pub valid: Array2<bool>,
}

/// Half the side of the square whose mean is taken off, in binned pixels at the coarsest level.
pub(crate) const REACH: usize = 3;
/// Roughness beyond this many robust standard deviations is cut: spikes and dust must not decide.
const CUT: f64 = 4.0;
/// Beyond this many it is no roughness.
const OUTLIER: f64 = 6.0;
/// How often outliers are looked for.
const ROUNDS: usize = 3;

impl Roughness {
    /// Bins, takes off the best quadratic and then the mean of the square of half side `reach` about each pixel.
    pub fn of(sub: &SubAperture, camera: &Camera, factor: usize, reach: usize) -> Self {
        let mut rough = Self::binned(sub, camera, factor);
        rough.take_off_quadratic();
        // A blemish of one map matches that of another as well as a place does, so it is masked; and it spoils the mean about it, so
        // that is taken again without it.
        let form = rough.heights.clone();
        for round in 0..=ROUNDS {
            rough.take_off_mean(reach);
            if round == ROUNDS || !rough.mask_outliers() {
                break;
            }
            rough.heights.assign(&form);
            rough.heights.zip_mut_with(&rough.valid, |height, valid| *height = if *valid { *height } else { 0.0 });
        }
        rough.cut();
        rough
    }

    /// Means over squares of pixels; valid where half of them are.
    fn binned(sub: &SubAperture, camera: &Camera, factor: usize) -> Self {
        let shape = (camera.rows.div_ceil(factor), camera.columns.div_ceil(factor));
        let mut heights = Array2::<f64>::zeros(shape);
        let mut counts = Array2::<u32>::zeros(shape);
        let (column, row) = camera.place(sub);
        // Pistons may be millions of times the roughness.
        let about = sub.map.heights_nm().iter().zip(sub.map.valid()).find(|(_, v)| **v).map_or(0.0, |(h, _)| *h);
        for (((r, c), height), valid) in sub.map.heights_nm().indexed_iter().zip(sub.map.valid()) {
            if *valid && let Some(sum) = heights.get_mut([(r + row) / factor, (c + column) / factor]) {
                *sum += height - about;
                counts[[(r + row) / factor, (c + column) / factor]] += 1;
            }
        }
        let enough = (factor * factor).div_ceil(2) as u32;
        let valid = counts.mapv(|count| count >= enough);
        heights.zip_mut_with(&counts, |height, count| {
            *height = if *count >= enough { *height / f64::from(*count) } else { 0.0 };
        });
        Self { heights, valid }
    }

    pub fn count(&self) -> usize {
        self.valid.iter().filter(|v| **v).count()
    }

    fn each_valid(&mut self, change: impl Fn(usize, usize, f64) -> f64) {
        for (((r, c), height), valid) in self.heights.indexed_iter_mut().zip(&self.valid) {
            if *valid {
                *height = change(r, c, *height);
            }
        }
    }

    fn take_off_quadratic(&mut self) {
        let (rows, columns) = self.heights.dim();
        let unit = |i: usize, n: usize| 2.0 * i as f64 / n.saturating_sub(1).max(1) as f64 - 1.0;
        let terms = |r: usize, c: usize| {
            let (x, y) = (unit(c, columns), unit(r, rows));
            [1.0, x, y, x * x, x * y, y * y]
        };
        let (mut normal, mut right) = ([0.0; 36], [0.0; 6]);
        for (((r, c), height), valid) in self.heights.indexed_iter().zip(&self.valid) {
            if *valid {
                let t = terms(r, c);
                for i in 0..6 {
                    right[i] += t[i] * height;
                    for j in 0..6 {
                        normal[i * 6 + j] += t[i] * t[j];
                    }
                }
            }
        }
        // A map of one line does not determine all of it; the local mean then has to do.
        if let Ok((found, _)) = solve_normal(&normal, &right) {
            self.each_valid(|r, c, height| height - terms(r, c).iter().zip(&found).map(|(t, f)| t * f).sum::<f64>());
        }
    }

    fn take_off_mean(&mut self, reach: usize) {
        let ones = self.valid.mapv(f64::from);
        let (sums, counts) = (box_sums(&self.heights, reach), box_sums(&ones, reach));
        for (((height, valid), sum), count) in self.heights.iter_mut().zip(&self.valid).zip(&sums).zip(&counts) {
            if *valid && *count > 0.0 {
                *height -= sum / count;
            }
        }
    }

    /// Robust standard deviation, of the median of the absolute values.
    fn sigma(&self) -> f64 {
        let mut sizes: Vec<f64> =
            self.heights.iter().zip(&self.valid).filter(|(_, v)| **v).map(|(h, _)| h.abs()).collect();
        let middle = sizes.len() / 2;
        if sizes.is_empty() {
            return 0.0;
        }
        let (_, median, _) = sizes.select_nth_unstable_by(middle, f64::total_cmp);
        1.4826 * *median
    }

    /// Masks what is no roughness; whether there was any.
    fn mask_outliers(&mut self) -> bool {
        let most = OUTLIER * self.sigma();
        let mut any = false;
        for (height, valid) in self.heights.iter().zip(self.valid.iter_mut()) {
            if *valid && most > 0.0 && height.abs() > most {
                *valid = false;
                any = true;
            }
        }
        any
    }

    fn cut(&mut self) {
        let most = CUT * self.sigma();
        if most > 0.0 {
            self.each_valid(|_, _, height| height.clamp(-most, most));
        }
    }

    /// Without what is fixed in the camera; only where that is known.
    pub fn without(&mut self, fixed: &Fixed) {
        for ((height, valid), (mean, known)) in
            self.heights.iter_mut().zip(self.valid.iter_mut()).zip(fixed.mean.iter().zip(&fixed.known))
        {
            *valid &= *known;
            *height = if *valid { *height - mean } else { 0.0 };
        }
    }
}

/// Sums over squares of half side `reach`, clipped at the borders.
fn box_sums(values: &Array2<f64>, reach: usize) -> Array2<f64> {
    let mut along = values.clone();
    for mut line in along.rows_mut() {
        running(line.iter_mut(), reach);
    }
    // Down the rows by whole rows: a column at a time would fetch a cache line for every number.
    let (rows, columns) = along.dim();
    let mut sums = Array2::zeros((rows, columns));
    let mut window = ndarray::Array1::<f64>::zeros(columns);
    for row in 0..reach.min(rows) {
        window += &along.row(row);
    }
    for (row, mut line) in sums.rows_mut().into_iter().enumerate() {
        if row + reach < rows {
            window += &along.row(row + reach);
        }
        if row > reach {
            window -= &along.row(row - reach - 1);
        }
        line.assign(&window);
    }
    sums
}

fn running<'a>(line: impl Iterator<Item = &'a mut f64>, reach: usize) {
    let mut line: Vec<&mut f64> = line.collect();
    let mut until = vec![0.0; line.len() + 1];
    for (k, value) in line.iter().enumerate() {
        until[k + 1] = until[k] + **value;
    }
    let n = line.len();
    for (k, value) in line.iter_mut().enumerate() {
        **value = until[(k + reach + 1).min(n)] - until[k.saturating_sub(reach)];
    }
}

/// The part of the roughness that all sub-apertures share pixel by pixel: the reference and dust.
#[derive(Debug)]
pub(crate) struct Fixed {
    mean: Array2<f64>,
    known: Array2<bool>,
}

/// Sums for [`Fixed`].
pub(crate) struct FixedSums {
    sums: Array2<f64>,
    counts: Array2<u32>,
}

impl FixedSums {
    pub fn new(shape: (usize, usize)) -> Self {
        Self { sums: Array2::zeros(shape), counts: Array2::zeros(shape) }
    }

    pub fn add(&mut self, rough: &Roughness) {
        for ((sum, count), (height, valid)) in
            self.sums.iter_mut().zip(self.counts.iter_mut()).zip(rough.heights.iter().zip(&rough.valid))
        {
            if *valid {
                *sum += height;
                *count += 1;
            }
        }
    }

    /// The mean, known where at least [`FEWEST`] sub-apertures see the pixel.
    pub fn mean(self) -> Fixed {
        let known = self.counts.mapv(|count| count as usize >= FEWEST);
        let mut mean = self.sums;
        mean.zip_mut_with(&self.counts, |sum, count| *sum /= f64::from((*count).max(1)));
        Fixed { mean, known }
    }
}

/// With fewer sub-apertures their mean is more of the mirror than of the reference: subtracted, it would plant a copy of each map
/// in its neighbour.
pub(crate) const FEWEST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_squares_are_those_by_definition() {
        let values = Array2::from_shape_fn((9, 12), |(r, c)| ((r * 31 + c * 17) % 13) as f64);
        for reach in [1, 3, 20] {
            let sums = box_sums(&values, reach);
            for ((r, c), sum) in sums.indexed_iter() {
                let inside = |((i, j), _): &((usize, usize), &f64)| i.abs_diff(r) <= reach && j.abs_diff(c) <= reach;
                let wanted: f64 = values.indexed_iter().filter(inside).map(|(_, v)| v).sum();
                assert!((sum - wanted).abs() < 1e-9, "reach {reach} at {r}, {c}");
            }
        }
    }
}
