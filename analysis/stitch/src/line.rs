//! One row of one sub-aperture: what a pass does along it. Where only the reference and a plane are to be added, which is all
//! of the iterations of a default solve, the work is done in one go; anything more is added block by block in a buffer.

use crate::additive::Shift;

/// Pixels handled at a time; the buffer stays in the first-level cache.
pub(crate) const BLOCK: usize = 512;

/// What a pass works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// `height - additive maps - corrector`: gives the map and the negative gradient.
    Corrected,
    /// `additive maps + corrector`: gives the normal operator applied to the two.
    Model,
}

/// One row of one sub-aperture, with the additive maps and the corrector along it.
pub(crate) struct Line<'a> {
    /// Heights, nm; nothing for the model alone.
    pub heights: Option<&'a [f64]>,
    /// The reference, nm.
    pub reference: &'a [f64],
    /// Further additive maps with their factors.
    pub more: Vec<(f64, &'a [f64])>,
    /// Camera columns, scaled.
    pub u: &'a [f64],
    /// Corrector along the row: `base + pitch u + bend u^2`.
    pub base: f64,
    pub pitch: f64,
    pub bend: f64,
    /// Gradient of the map along the row, with the shift at column 0 and its growth from column to column.
    pub shift: Option<Slide<'a>>,
}

/// How far one row of one sub-aperture lies off whole pixels.
pub(crate) struct Slide<'a> {
    gx: &'a [f32],
    gy: &'a [f32],
    dx: f64,
    dy: f64,
    dy_per_column: f64,
}

impl<'a> Slide<'a> {
    /// Row `row` (px from the centre of the camera frame) from column `column` (likewise) on; `at` is the place in the map.
    pub fn new(shift: &'a Shift, k: usize, at: usize, length: usize, (row, column): (f64, f64)) -> Self {
        let [fx, fy, rotation] = shift.of[k];
        Self {
            gx: &shift.gx[at..at + length],
            gy: &shift.gy[at..at + length],
            dx: fx - rotation * row,
            dy: fy + rotation * column,
            dy_per_column: rotation,
        }
    }
}

impl Line<'_> {
    /// Only a reference and a plane.
    pub fn is_plain(&self) -> bool {
        self.more.is_empty() && self.bend == 0.0
    }

    /// The quantity from column `from` on, as many as `values` holds.
    pub fn fill(&self, from: usize, values: &mut [f64]) {
        let columns = from..from + values.len();
        let reference = &self.reference[columns.clone()];
        let u = &self.u[columns.clone()];
        let (base, pitch) = (self.base, self.pitch);
        match self.heights {
            None => {
                for ((value, r), u) in values.iter_mut().zip(reference).zip(u) {
                    *value = r + (base + pitch * u);
                }
            }
            Some(heights) => {
                for (((value, h), r), u) in values.iter_mut().zip(&heights[columns.clone()]).zip(reference).zip(u) {
                    *value = h - r - (base + pitch * u);
                }
            }
        }
        let sign = if self.heights.is_some() { -1.0 } else { 1.0 };
        for (factor, map) in &self.more {
            let factor = sign * factor;
            for (value, m) in values.iter_mut().zip(&map[columns.clone()]) {
                *value += factor * m;
            }
        }
        if self.bend != 0.0 {
            let bend = sign * self.bend;
            for (value, u) in values.iter_mut().zip(u) {
                *value += bend * (u * u);
            }
        }
        if let (Some(slide), true) = (&self.shift, self.heights.is_some()) {
            for (i, (value, column)) in values.iter_mut().zip(columns).enumerate() {
                let dy = slide.dy + slide.dy_per_column * (from + i) as f64;
                *value -= slide.dx * f64::from(slide.gx[column]) + dy * f64::from(slide.gy[column]);
            }
        }
    }

    /// Adds the plain model from column `from` on.
    pub fn spread_plain(&self, from: usize, mean: &mut [f64]) {
        let columns = from..from + mean.len();
        let (base, pitch) = (self.base, self.pitch);
        for ((m, r), u) in mean.iter_mut().zip(&self.reference[columns.clone()]).zip(&self.u[columns]) {
            *m += r + (base + pitch * u);
        }
    }

    /// `e = plain model - mean` from column `from` on: added to `target`; returns the sums of `e` and `e u`.
    pub fn gather_plain(&self, from: usize, mean: &[f64], target: &mut [f64]) -> [f64; 2] {
        let columns = from..from + mean.len();
        let (reference, u) = (&self.reference[columns.clone()], &self.u[columns]);
        let (base, pitch) = (self.base, self.pitch);
        let mut zeroth = [0.0f64; 4];
        let mut first = [0.0f64; 4];
        let mut rest = [0.0f64; 2];
        let whole = mean.len() - mean.len() % 4;
        let (target, target_rest) = target.split_at_mut(whole);
        for (((t, m), r), u) in target_rest.iter_mut().zip(&mean[whole..]).zip(&reference[whole..]).zip(&u[whole..]) {
            let e = (r + (base + pitch * u)) - m;
            *t += e;
            rest[0] += e;
            rest[1] += e * u;
        }
        let quads = mean.chunks_exact(4).zip(reference.chunks_exact(4)).zip(u.chunks_exact(4));
        for (t, ((m, r), u)) in target.chunks_exact_mut(4).zip(quads) {
            for lane in 0..4 {
                let e = (r[lane] + (base + pitch * u[lane])) - m[lane];
                t[lane] += e;
                zeroth[lane] += e;
                first[lane] += e * u[lane];
            }
        }
        let join = |s: [f64; 4]| (s[0] + s[1]) + (s[2] + s[3]);
        [join(zeroth) + rest[0], join(first) + rest[1]]
    }
}

/// Cuts a run into blocks that fit the buffer.
pub(crate) fn blocks(start: u32, end: u32) -> impl Iterator<Item = (usize, usize)> {
    let (start, end) = (start as usize, end as usize);
    (start..end).step_by(BLOCK).map(move |from| (from, (from + BLOCK).min(end)))
}
