//! A profile along x that another instrument measured (LTP, NOM): rows `map, or slope of the map, at the point + offsets =
//! reading`.
//!
//! A point is compared with the map over the square around it that is as wide as the points are apart (cut alike on both
//! sides at the mirror's edge): with the height at the centre, or the slope along x, of the least-squares plane.

use stitchbox_surface::{Profile, ProfileKind};

use crate::StitchError;
use crate::assemble::Assembled;
use crate::cells::Cells;
use crate::certainty::{Sparse, Unknowns};
use crate::cholesky::PivotedCholesky;
use crate::joint::Row;
use crate::normal::Normal;
use crate::shapes::Frame;

/// Offsets of one profile: height and tilt (of a slope profile only the second counts).
pub(crate) const OFFSETS: usize = 2;
/// Least part of the square around a point that must be valid.
const LEAST_VALID: f64 = 0.5;

/// Refuses profiles that cannot belong to a mirror.
pub(crate) fn check(profiles: &[Profile]) -> Result<(), StitchError> {
    let absurd = |p: &&Profile| {
        p.len() != p.x_mm.len()
            || p.x_mm.iter().chain(&p.values).any(|v| !v.is_finite())
            || p.x_mm.windows(2).any(|pair| pair[0] >= pair[1])
            || p.sigma.is_some_and(|s| !(s.is_finite() && s > 0.0))
            || p.y_mm.is_some_and(|y| !y.is_finite())
    };
    match profiles.iter().find(absurd) {
        Some(profile) => Err(StitchError::AbsurdProfile { profile: profile.name.clone() }),
        None => Ok(()),
    }
}

/// The map that profiles are compared with.
pub(crate) struct Stage<'a> {
    pub normal: &'a Normal<'a>,
    pub frame: &'a Frame,
    pub cells: &'a Cells,
    pub unknowns: &'a Unknowns,
    pub assembled: &'a Assembled,
    pub noise_nm: f64,
}

/// Where the offsets of a profile stand among the unknowns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offsets {
    pub height: usize,
    pub tilt: usize,
}

/// The square around one point.
struct Square {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    /// Centre, map columns and rows.
    column: f64,
    row: f64,
}

impl Stage<'_> {
    /// The rows of one profile; `sigma` is used where the profile does not tell its own.
    pub fn rows(
        &self,
        profile: &Profile,
        sigma: f64,
        source: usize,
        offsets: Offsets,
    ) -> Result<Vec<Row>, StitchError> {
        let sigma = profile.sigma.unwrap_or(sigma);
        let mut rows = Vec::new();
        for (i, (x, value)) in profile.x_mm.iter().zip(&profile.values).enumerate() {
            let Some(square) = self.square(profile, i, *x) else { continue };
            let Some(plane) = self.plane(&square)? else { continue };
            let (left, variance, factors) = match profile.kind {
                ProfileKind::HeightNm => self.height(&square, *value, plane[0], offsets),
                ProfileKind::SlopeUrad => self.slope(&square, *value, plane[1], offsets),
            };
            let sigma = (sigma * sigma + self.noise_nm * self.noise_nm * variance).sqrt();
            rows.push(Row { factors, left, sigma, source });
        }
        Ok(rows)
    }

    fn square(&self, profile: &Profile, i: usize, x_mm: f64) -> Option<Square> {
        let grid = self.normal.grid;
        let gap = |a: usize, b: usize| profile.x_mm.get(b).zip(profile.x_mm.get(a)).map(|(b, a)| b - a);
        let (before, after) = (i.checked_sub(1).and_then(|before| gap(before, i)), gap(i, i + 1));
        let half_mm = 0.5 * before.into_iter().chain(after).fold(f64::INFINITY, f64::min);
        let column = (x_mm - grid.origin_mm.0) / grid.pixel.x_mm;
        let row = match profile.y_mm {
            Some(y) => (y - grid.origin_mm.1) / grid.pixel.y_mm,
            None => (grid.map.0 as f64 - 1.0) / 2.0,
        };
        let range = |centre: f64, half: f64, least: f64, length: usize| {
            let half = half.max(least);
            let (from, to) = ((centre - half).ceil(), (centre + half).floor() + 1.0);
            let inside = from >= 0.0 && to <= length as f64 && to > from;
            inside.then_some(from as usize..to as usize)
        };
        let columns = range(column, half_mm / grid.pixel.x_mm, 1.0, grid.map.1)?;
        // Across the mirror the square stays symmetric, or it would be compared with another line.
        let last = grid.map.0 as f64 - 1.0;
        if !(row > -0.5 && row < last + 0.5) {
            return None;
        }
        let half = (half_mm / grid.pixel.y_mm).min(row).min(last - row).max(0.5);
        let (from, to) = ((row - half).ceil().max(0.0), ((row + half).floor() + 1.0).min(last + 1.0));
        Some(Square { rows: from as usize..to as usize, columns, column, row })
    }

    /// Height at the centre and slope along x (per px) of the least-squares plane over the valid pixels, each with its
    /// variance in units of that of the noise; `None` if the pixels are too few.
    fn plane(&self, square: &Square) -> Result<Option<[(f64, f64); 2]>, StitchError> {
        let (mut matrix, mut spread, mut right) = ([0.0; 9], [0.0; 9], [0.0; 3]);
        let (mut valid, mut buffer) = (0, Vec::new());
        let width = self.normal.grid.map.1;
        let (heights, spreads) =
            (self.assembled.height.rows(square.rows.clone())?, self.assembled.spread.rows(square.rows.clone())?);
        for row in square.rows.clone() {
            let inverses = self.normal.inverse_row(row, &mut buffer);
            for column in square.columns.clone().filter(|column| inverses[*column] > 0.0) {
                let at = (row - square.rows.start) * width + column;
                let own = inverses[column] + spreads[at];
                let basis = [1.0, column as f64 - square.column, row as f64 - square.row];
                for i in 0..3 {
                    right[i] += basis[i] * heights[at];
                    for j in 0..3 {
                        matrix[i * 3 + j] += basis[i] * basis[j];
                        spread[i * 3 + j] += own * basis[i] * basis[j];
                    }
                }
                valid += 1;
            }
        }
        if (valid as f64) < LEAST_VALID * (square.rows.len() * square.columns.len()) as f64 {
            return Ok(None);
        }
        let factor = PivotedCholesky::new(&matrix, 3);
        let mut fitted = [0.0; 3];
        factor.solve(&right, &mut fitted);
        let variance = |i: usize| {
            let (mut unit, mut weights) = ([0.0; 3], [0.0; 3]);
            unit[i] = 1.0;
            factor.solve(&unit, &mut weights);
            (0..9).map(|at| weights[at / 3] * spread[at] * weights[at % 3]).sum::<f64>()
        };
        Ok((factor.rank() >= 2).then(|| [(fitted[0], variance(0)), (fitted[1], variance(1))]))
    }

    fn height(
        &self,
        square: &Square,
        value: f64,
        (height, variance): (f64, f64),
        offsets: Offsets,
    ) -> (f64, f64, Sparse) {
        let at = self.frame.at(square.column, square.row);
        let mut factors = self.height_row(square.column, square.row);
        factors.extend([(offsets.height, 1.0), (offsets.tilt, at.0 * self.length_mm())]);
        (value - height, variance, factors)
    }

    fn slope(
        &self,
        square: &Square,
        value: f64,
        (slope, variance): (f64, f64),
        offsets: Offsets,
    ) -> (f64, f64, Sparse) {
        let pixel = self.normal.grid.pixel.x_mm;
        // A line through a smooth curve has the slope between these two places (Gauss).
        let reach = 0.5 * square.columns.len() as f64 / 3f64.sqrt();
        let per_mm = 1.0 / (2.0 * reach * pixel);
        let mut factors = Sparse::new();
        for (column, sign) in [(square.column + reach, per_mm), (square.column - reach, -per_mm)] {
            factors.extend(self.height_row(column, square.row).into_iter().map(|(i, factor)| (i, factor * sign)));
        }
        factors.push((offsets.tilt, 1.0));
        (value - slope / pixel, variance / (pixel * pixel), factors)
    }

    /// Half the map's length, mm: what a unit of x is.
    fn length_mm(&self) -> f64 {
        self.frame.half().0 * self.normal.grid.pixel.x_mm
    }

    fn height_row(&self, column: f64, row: f64) -> Sparse {
        let (rows, columns) = self.normal.grid.map;
        let near = |at: f64, length: usize| at.round().clamp(0.0, length as f64 - 1.0) as usize;
        let cell = self.cells.holding(near(row, rows), near(column, columns));
        self.unknowns.height_row_at(self.frame, self.cells, cell, self.frame.at(column, row), &mut Vec::new())
    }
}
