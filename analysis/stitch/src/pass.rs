//! The pass over the map: spreads a quantity over a map row and gathers `weight (quantity - mean)` back onto camera pixels and
//! correctors while the row is still in the cache.
//!
//! Every sum runs in an order that the data alone determine: tasks are bands of map rows that depend on the problem
//! only, and are joined in ascending order. The bits do not depend on the number of threads.

use rayon::prelude::*;

use crate::StitchError;
use crate::bands::Band;
use crate::cholesky::dot;
use crate::conjugate::State;
use crate::grid::Plate;
use crate::line::{BLOCK, Line, Quantity, blocks};
use crate::normal::{Correctors, Normal, POLL_ROWS, TERMS};
use crate::watch::Watch;

/// Gradient with respect to the additive maps and the correctors.
#[derive(Debug, Clone)]
pub(crate) struct Gradient {
    pub reference: Vec<f64>,
    pub correctors: Correctors,
    /// Sum of `w (quantity - mean)^2`, of a pass over data alone.
    pub squares: f64,
    /// Of one band: camera rows (unless the bands are disjoint), sums of the correctors.
    bands: Vec<(Vec<f64>, Correctors, f64)>,
}

impl Gradient {
    pub fn zeros(normal: &Normal) -> Self {
        let n = normal.grid.plates.len();
        let maps = normal.additive.maps();
        let width = normal.grid.camera.1;
        let of = |band: &Band| {
            let rows = if normal.is_direct() { 0 } else { band.height() };
            (vec![0.0; maps * rows * width], vec![[0.0; TERMS]; n], 0.0)
        };
        Self {
            reference: vec![0.0; maps * normal.grid.camera_pixels()],
            correctors: vec![[0.0; TERMS]; n],
            squares: 0.0,
            bands: normal.bands.list.iter().map(of).collect(),
        }
    }
}

/// What a pass is applied to.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub quantity: Quantity,
    /// Additive maps, nm, laid out like those of a state.
    pub reference: &'a [f64],
    pub correctors: &'a [[f64; TERMS]],
    /// The sums onto the camera pixels are wanted too.
    pub with_reference: bool,
}

/// Heights of the rows that meet one map row, read once where they are not in memory.
#[derive(Default)]
pub(crate) struct HeightRows {
    kept: Vec<Vec<f64>>,
    filled: usize,
}

impl HeightRows {
    /// Another map row begins.
    fn begin(&mut self) {
        self.filled = 0;
    }

    /// Row `own` of the sub-aperture that meets the map row as number `at`. Of a new map row they are asked for in ascending order.
    pub fn get<'b>(&'b mut self, at: usize, plate: &'b Plate, own: usize) -> &'b [f64] {
        if self.kept.len() <= at {
            self.kept.resize_with(at + 1, Vec::new);
        }
        if at < self.filled && plate.is_on_disk() {
            return &self.kept[at];
        }
        self.filled = at + 1;
        plate.row(own, &mut self.kept[at])
    }
}

/// Working rows of one task.
#[derive(Default)]
pub(crate) struct Work {
    mean: Vec<f64>,
    rows: HeightRows,
}

impl Normal<'_> {
    /// Mean over the overlaps of the quantity along one map row.
    #[allow(dead_code, reason = "positions between pixels ask for it")]
    pub fn mean_row(&self, row: usize, quantity: Quantity, state: &State, mean: &mut [f64]) {
        self.mean_row_keeping(row, quantity, state, mean, &mut HeightRows::default());
    }

    /// The same, keeping the heights that were read.
    pub fn mean_row_keeping(
        &self,
        row: usize,
        quantity: Quantity,
        state: &State,
        mean: &mut [f64],
        rows: &mut HeightRows,
    ) {
        let plates = (0..self.grid.plates.len()).filter_map(|k| Some((k, self.grid.plates[k].row_at_map(row)?)));
        self.spread_row(row, quantity, (&state.reference, &state.correctors), plates, mean, rows);
    }

    fn spread_row(
        &self,
        row: usize,
        quantity: Quantity,
        (reference, c): (&[f64], &[[f64; TERMS]]),
        plates: impl Iterator<Item = (usize, usize)>,
        mean: &mut [f64],
        rows: &mut HeightRows,
    ) {
        let mut buffer = [0.0; BLOCK];
        mean.fill(0.0);
        rows.begin();
        for (at, (k, own)) in plates.enumerate() {
            let plate = &self.grid.plates[k];
            let heights = (quantity == Quantity::Corrected).then(|| rows.get(at, plate, own));
            let line = self.line_of(heights, (k, own), reference, &c[k]);
            let plain = quantity == Quantity::Model && line.is_plain() && self.weighted.is_none();
            for &(start, end) in self.used[k].row(own) {
                if plain {
                    let (start, end) = (start as usize, end as usize);
                    line.spread_plain(start, &mut mean[plate.map.1 + start..plate.map.1 + end]);
                    continue;
                }
                for (from, to) in blocks(start, end) {
                    let values = &mut buffer[..to - from];
                    line.fill(from, values);
                    if self.weighted.is_some() {
                        plate.weigh(own, from, values);
                    }
                    for (m, value) in mean[plate.map.1 + from..plate.map.1 + to].iter_mut().zip(values) {
                        *m += *value;
                    }
                }
            }
        }
        let pixels = row * self.grid.map.1..(row + 1) * self.grid.map.1;
        match &self.weighted {
            Some(inverse) => {
                for (m, i) in mean.iter_mut().zip(&inverse[pixels]) {
                    *m *= i;
                }
            }
            None => {
                for (m, n) in mean.iter_mut().zip(&self.count[pixels]) {
                    *m *= self.reciprocal[usize::from(*n)];
                }
            }
        }
    }

    /// The bands need no buffers: they are pieces of the one camera map.
    fn is_direct(&self) -> bool {
        self.bands.disjoint && self.additive.maps() == 1
    }

    /// Applies the pass: `weight (quantity - mean of quantity)` summed onto the camera pixels and the correctors.
    /// `watch` may end it.
    pub fn gather(&self, pass: Pass, gradient: &mut Gradient, watch: &Watch) -> Result<(), StitchError> {
        let width = self.grid.camera.1;
        let mut pieces: Vec<&mut [f64]> = Vec::with_capacity(self.bands.list.len());
        let direct = self.is_direct();
        if direct {
            let mut rest = &mut gradient.reference[..];
            for band in &self.bands.list {
                let (piece, after) = rest.split_at_mut(band.height() * width);
                pieces.push(piece);
                rest = after;
            }
        }
        let bands = self.bands.list.par_iter().zip(&mut gradient.bands);
        let one = |work: &mut Work, band: &Band, target: &mut [f64], sums: &mut Correctors, squares: &mut f64| {
            target.fill(0.0);
            sums.fill([0.0; TERMS]);
            *squares = 0.0;
            let target = if pass.with_reference { Some(target) } else { None };
            self.band(band, pass, target, (sums, squares), work, watch);
        };
        if direct {
            bands.zip(pieces).for_each_init(Work::default, |work, ((band, (_, sums, squares)), piece)| {
                one(work, band, piece, sums, squares);
            });
        } else {
            bands.for_each_init(Work::default, |work, (band, (target, sums, squares))| {
                one(work, band, target, sums, squares);
            });
            if pass.with_reference {
                self.join(gradient);
            }
        }
        watch.still()?;
        gradient.correctors.fill([0.0; TERMS]);
        gradient.squares = 0.0;
        for (_, sums, squares) in &gradient.bands {
            for (total, part) in gradient.correctors.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                *total += part;
            }
            gradient.squares += squares;
        }
        self.grid.readable()
    }

    /// Adds the bands' camera rows, in the order of the bands.
    fn join(&self, gradient: &mut Gradient) {
        let (rows, width) = self.grid.camera;
        let parts = &gradient.bands;
        gradient.reference.par_chunks_mut(width).enumerate().for_each(|(at, line)| {
            let (map, row) = (at / rows, at % rows);
            line.fill(0.0);
            for (band, (part, _, _)) in self.bands.list.iter().zip(parts) {
                let Some(buffer_row) = band.buffer_row(row) else { continue };
                let from = (map * band.height() + buffer_row) * width;
                for (total, value) in line.iter_mut().zip(&part[from..from + width]) {
                    *total += value;
                }
            }
        });
    }

    fn band(
        &self,
        band: &Band,
        pass: Pass,
        mut target: Option<&mut [f64]>,
        (sums, squares): (&mut Correctors, &mut f64),
        work: &mut Work,
        watch: &Watch,
    ) {
        let Pass { quantity, reference, correctors: c, .. } = pass;
        let grid = self.grid;
        let (su, sv) = grid.power;
        let Work { mean, rows } = work;
        mean.resize(grid.map.1, 0.0);
        for row in band.rows.clone() {
            if (row - band.rows.start).is_multiple_of(POLL_ROWS) && watch.stopped() {
                return;
            }
            let here = band.parts.iter().filter_map(|part| {
                let own = row.checked_sub(grid.plates[part.k].map.0)?;
                part.own.contains(&own).then_some((part, own))
            });
            self.spread_row(row, quantity, (reference, c), here.clone().map(|(p, own)| (p.k, own)), mean, rows);
            for (at, (part, own)) in here.enumerate() {
                let k = part.k;
                let heights = (quantity == Quantity::Corrected).then(|| rows.get(at, &grid.plates[k], own));
                let line = self.line_of(heights, (k, own), reference, &c[k]);
                let to = part.to + own - part.own.start;
                let onto = target.as_deref_mut().map(|target| (target, to, band.height()));
                let (m, s) = self.gather_line(&line, (k, own), mean, onto);
                *squares += s;
                let v = grid.v[grid.plates[k].camera.0 + own];
                let add = [m[0], m[1], m[0] * v, su * m[2] + sv * v * v * m[0]];
                for (sum, value) in sums[k].iter_mut().zip(add) {
                    *sum += value;
                }
            }
        }
    }

    /// Moments of `w (quantity - mean)` with 1, u, u^2 (the last with curvature only) and, of data, the sum of squares.
    fn gather_line(
        &self,
        line: &Line,
        (k, own): (usize, usize),
        mean: &[f64],
        mut onto: Option<(&mut [f64], usize, usize)>,
    ) -> ([f64; 3], f64) {
        let plate = &self.grid.plates[k];
        let width = self.grid.camera.1;
        let curved = self.grid.curvature;
        let mut buffer = [0.0; BLOCK];
        let mut moments = [0.0; 3];
        let mut squares = 0.0;
        if let (Some((target, to, _)), true) =
            (&mut onto, line.heights.is_none() && line.is_plain() && self.weighted.is_none() && !curved)
        {
            let target = &mut target[*to * width + plate.camera.1..][..plate.shape.1];
            let mean = &mean[plate.map.1..][..plate.shape.1];
            for &(start, end) in self.used[k].row(own) {
                let (start, end) = (start as usize, end as usize);
                let [e, eu] = line.gather_plain(start, &mean[start..end], &mut target[start..end]);
                moments[0] += e;
                moments[1] += eu;
            }
            return (moments, squares);
        }
        for &(start, end) in self.used[k].row(own) {
            for (from, to) in blocks(start, end) {
                let values = &mut buffer[..to - from];
                line.fill(from, values);
                for (value, m) in values.iter_mut().zip(&mean[plate.map.1 + from..plate.map.1 + to]) {
                    *value -= *m;
                }
                let weighted = self.weighted.is_some();
                if line.heights.is_some() {
                    squares += if weighted { plate.weighted_square(own, from, values) } else { dot(values, values) };
                }
                if weighted {
                    plate.weigh(own, from, values);
                }
                if let Some((target, row, height)) = &mut onto {
                    let factors = std::iter::once(1.0).chain(line.more.iter().map(|(factor, _)| *factor));
                    for (map, factor) in factors.enumerate() {
                        let at = (map * *height + *row) * width + plate.camera.1;
                        for (t, value) in target[at + from..at + to].iter_mut().zip(&*values) {
                            *t += factor * *value;
                        }
                    }
                }
                let u = &line.u[from..to];
                moments[1] += dot(values, u);
                moments[0] += sum(values);
                if curved {
                    for (value, u) in values.iter_mut().zip(u) {
                        *value *= u;
                    }
                    moments[2] += dot(values, u);
                }
            }
        }
        (moments, squares)
    }
}

/// Sum in a fixed order: four lanes, then the rest.
fn sum(values: &[f64]) -> f64 {
    let mut lanes = [0.0f64; 4];
    let blocks = values.chunks_exact(4);
    let rest: f64 = blocks.remainder().iter().sum();
    for block in blocks {
        for lane in 0..4 {
            lanes[lane] += block[lane];
        }
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, PixelSize, SubAperture};

    use std::sync::Arc;

    use super::*;
    use crate::additive::{Additive, Shift};
    use crate::grid::Grid;
    use crate::normal::pair_of;
    use crate::{Options, Placed, Terms, Weights};

    /// Numbers without pattern, -1..1.
    fn rough(seed: usize) -> f64 {
        let value = libm::sin(seed as f64 * 12.9898 + 3.0) * 43_758.545;
        2.0 * (value - libm::floor(value)) - 1.0
    }

    fn series(places: &[(i64, i64)]) -> Vec<Placed> {
        let of = |(k, (x, y)): (usize, &(i64, i64))| {
            let heights = Array2::from_shape_fn((6, 9), |(r, c)| {
                let seed = 1000 * k + 10 * r + c;
                if seed % 11 == 3 { f64::NAN } else { 5.0 * rough(seed) }
            });
            Placed {
                sub_aperture: SubAperture {
                    name: format!("{k}"),
                    map: HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: 0.1, y_mm: 0.2 })),
                    window: DetectorWindow { column: 0, row: 0 },
                    position_mm: None,
                    intensity: Some(Array2::from_shape_fn((6, 9), |(r, c)| 1.0 + ((r + 2 * c + k) % 3) as f32)),
                    instrument: Instrument::default(),
                },
                x_mm: *x as f64 * 0.1,
                y_mm: *y as f64 * 0.2,
            }
        };
        places.iter().enumerate().map(of).collect()
    }

    /// The pass pixel by pixel: additive maps, then four terms of each sub-aperture; and the sum of squares.
    fn direct(normal: &Normal, pass: Pass) -> (Vec<f64>, Correctors, f64) {
        let grid = normal.grid;
        let at = |k: usize, row: usize, column: usize| {
            let plate = &grid.plates[k];
            let (u, v) = (grid.u[column], grid.v[row]);
            let power = grid.power.0 * u * u + grid.power.1 * v * v;
            let pixel = row * grid.camera.1 + column;
            let factors = normal.additive.of(k);
            let maps: f64 =
                factors.iter().enumerate().map(|(i, f)| f * pass.reference[i * grid.camera_pixels() + pixel]).sum();
            let c = pass.correctors[k];
            let model = maps + c[0] + c[1] * u + c[2] * v + c[3] * power;
            let place = (plate.map.0 + row, plate.map.1 + column);
            let mut value = model;
            if pass.quantity == Quantity::Corrected {
                value = plate.row(row, &mut Vec::new())[column] - model;
                if let Some(shift) = &normal.shift {
                    let [fx, fy, turn] = shift.of[k];
                    let (x, y) = (column as f64 - 4.0, row as f64 - 2.5);
                    let i = place.0 * grid.map.1 + place.1;
                    value -= (fx - turn * y) * f64::from(shift.gx[i]) + (fy + turn * x) * f64::from(shift.gy[i]);
                }
            }
            (value, [1.0, u, v, power], place, pixel)
        };
        let used = |k: usize| {
            let runs = &normal.used[k];
            (0..6).flat_map(move |row| {
                runs.row(row).iter().flat_map(move |(s, e)| (*s as usize..*e as usize).map(move |c| (row, c)))
            })
        };
        let mut means = std::collections::HashMap::new();
        for k in 0..grid.plates.len() {
            for (row, column) in used(k) {
                let (value, _, place, _) = at(k, row, column);
                let w = grid.plates[k].weight(row, column);
                let mean = means.entry(place).or_insert((0.0, 0.0));
                *mean = (mean.0 + w * value, mean.1 + w);
            }
        }
        let mut maps = vec![0.0; normal.additive.maps() * grid.camera_pixels()];
        let mut correctors = vec![[0.0; TERMS]; grid.plates.len()];
        let mut squares = 0.0;
        for (k, sums) in correctors.iter_mut().enumerate() {
            for (row, column) in used(k) {
                let (value, terms, place, pixel) = at(k, row, column);
                let w = grid.plates[k].weight(row, column);
                let (sum, weight) = means[&place];
                let e = value - sum / weight;
                squares += w * e * e;
                for (i, f) in normal.additive.of(k).iter().enumerate() {
                    maps[i * grid.camera_pixels() + pixel] += f * w * e;
                }
                for (sum, term) in sums.iter_mut().zip(terms) {
                    *sum += w * e * term;
                }
            }
        }
        (maps, correctors, squares)
    }

    #[test]
    fn every_kind_of_pass_is_what_it_says() {
        let in_line = [(0, 0), (3, 0), (5, 0), (9, 0), (12, 0)];
        let in_plane = [(0, 0), (3, 2), (5, 1), (9, 4), (12, 2)];
        for (places, curvature, weights, maps, shifted) in [
            (in_line, false, Weights::Equal, 1, false),
            (in_plane, false, Weights::Equal, 1, false),
            (in_line, true, Weights::Equal, 1, true),
            (in_plane, true, Weights::Intensity, 1, false),
            (in_line, false, Weights::Equal, 3, true),
            (in_plane, true, Weights::Intensity, 2, true),
        ] {
            let series = series(&places);
            let terms = Terms { curvature, ..Terms::default() };
            let grid = Grid::new(&series, &Options { terms, weights, ..Options::default() }).unwrap();
            let mut additive = Additive::reference(5);
            for map in 1..maps {
                additive = additive.with(&[0, 1, 2, 3, 4].map(|k| rough(100 * map + k)));
            }
            let used = grid.plates.iter().map(|p| p.runs.clone()).collect();
            let watch = Watch::step(&(), 0.0, 1.0, "solving").unwrap();
            let mut normal = Normal::new(&grid, used, additive, &watch).unwrap();
            if shifted {
                let gradient = |seed: usize| (0..grid.map.0 * grid.map.1).map(|i| rough(seed + i) as f32).collect();
                let of = (0..5).map(|k| [rough(k), rough(k + 7), 0.1 * rough(k + 9)]).collect();
                normal.shift = Some(Arc::new(Shift { gx: gradient(1), gy: gradient(5000), of }));
            }
            let reference: Vec<f64> = (0..maps * grid.camera_pixels()).map(|i| rough(i + 31)).collect();
            let correctors: Correctors = (0..5)
                .map(|k| [rough(k), rough(k + 40), rough(k + 50), if curvature { rough(k + 60) } else { 0.0 }])
                .collect();
            let mut gradient = Gradient::zeros(&normal);
            for quantity in [Quantity::Corrected, Quantity::Model] {
                let pass = Pass { quantity, reference: &reference, correctors: &correctors, with_reference: true };
                normal.gather(pass, &mut gradient, &watch).unwrap();
                let (maps, terms, squares) = direct(&normal, pass);
                let close = |a: &f64, b: &f64| (a - b).abs() < 1e-11;
                assert!(gradient.reference.iter().zip(&maps).all(|(a, b)| close(a, b)), "{quantity:?} {places:?}");
                for (found, expected) in gradient.correctors.iter().zip(&terms) {
                    let active = if curvature { 4 } else { 3 };
                    assert!(found[..active].iter().zip(expected).all(|(a, b)| close(a, b)), "{found:?} {expected:?}");
                }
                if quantity == Quantity::Corrected {
                    assert!((gradient.squares - squares).abs() < 1e-9);
                }
            }
            // The diagonal: the operator applied to one pixel of one map, looked at in the same pixel of another.
            for pixel in [0, 7, 22, 40] {
                for pair in 0..maps * (maps + 1) / 2 {
                    let (i, j) = pair_of(pair);
                    let mut one = vec![0.0; reference.len()];
                    one[j * grid.camera_pixels() + pixel] = 1.0;
                    let none = vec![[0.0; TERMS]; 5];
                    let pass =
                        Pass { quantity: Quantity::Model, reference: &one, correctors: &none, with_reference: true };
                    let image = direct(&normal, pass).0[i * grid.camera_pixels() + pixel];
                    let found = normal.diagonal[pair * grid.camera_pixels() + pixel];
                    assert!((image - found).abs() < 1e-12, "{image} {found}");
                }
            }
        }
    }
}
