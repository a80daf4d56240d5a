//! Chained stitching of one slope axis: every sub-aperture is set onto an earlier one by the mean difference.

use ndarray::Array2;
use stitchbox_stitch::{NonObservable, Placed, StitchError, Warning};
use stitchbox_surface::PixelSize;

use crate::ProfilesError;
use crate::slope_maps::{Along, Frame, SlopeAxis, in_slopes};

/// No position is farther from the first, px; no map has more pixels.
const FARTHEST_PX: f64 = 1e9;
const MOST_PIXELS: u64 = 1 << 28;
/// Pixel sizes of one series agree to this fraction.
const AGREEMENT: f64 = 1e-4;
/// A position this far from a whole pixel is worth a warning, px.
const ROUNDED_PX: f64 = 0.02;

/// Sub-apertures in whole pixels.
struct Plates<'a> {
    placed: &'a [Placed],
    /// Row and column of each in the map.
    at: Vec<(usize, usize)>,
    shape: (usize, usize),
}

impl Plates<'_> {
    /// The value of sub-aperture `k` at a map pixel, if it is valid there.
    fn value(&self, k: usize, row: usize, column: usize) -> Option<f64> {
        let map = &self.placed[k].sub_aperture.map;
        let at = [row.checked_sub(self.at[k].0)?, column.checked_sub(self.at[k].1)?];
        map.valid().get(at).filter(|v| **v).and_then(|_| map.heights_nm().get(at)).copied()
    }

    /// Number of common valid pixels of two, and the mean of (first - second) over them.
    fn difference(&self, first: usize, second: usize) -> (usize, f64) {
        let (a, b) = (self.at[first], self.at[second]);
        let (of_a, of_b) = (self.placed[first].sub_aperture.map.shape(), self.placed[second].sub_aperture.map.shape());
        let (mut count, mut sum) = (0usize, 0.0);
        for row in a.0.max(b.0)..(a.0 + of_a.0).min(b.0 + of_b.0) {
            for column in a.1.max(b.1)..(a.1 + of_a.1).min(b.1 + of_b.1) {
                if let (Some(x), Some(y)) = (self.value(first, row, column), self.value(second, row, column)) {
                    count += 1;
                    sum += x - y;
                }
            }
        }
        (count, sum / count.max(1) as f64)
    }
}

/// Sets each sub-aperture onto the one of those already set with which it shares most, beginning with the first: in a
/// scan along one line that is its neighbour.
pub(crate) fn stitch(placed: &[Placed], along: Along) -> Result<(SlopeAxis, Frame), ProfilesError> {
    let (plates, frame, rounded) = place(placed)?;
    let n = placed.len();
    let mut offsets = vec![0.0; n];
    // For each that is not set: the largest overlap with one that is, and the difference there.
    let mut best: Vec<(usize, f64)> = vec![(0, 0.0); n];
    let mut set = vec![false; n];
    let mut next = 0;
    loop {
        set[next] = true;
        for k in (0..n).filter(|k| !set[*k]) {
            let (count, difference) = plates.difference(k, next);
            if count > best[k].0 {
                best[k] = (count, offsets[next] + difference);
            }
        }
        let Some(nearest) = (0..n).filter(|k| !set[*k]).max_by_key(|k| (best[*k].0, n - k)) else { break };
        if best[nearest].0 == 0 {
            let name = placed[nearest].sub_aperture.name.clone();
            return Err(ProfilesError::NoOverlap { name, least: 1 });
        }
        offsets[nearest] = best[nearest].1;
        next = nearest;
    }
    let mut axis = mean(&plates, &offsets);
    let constant = {
        let used = || axis.slope_urad.iter().zip(&axis.valid).filter(|(_, v)| **v);
        used().map(|(s, _)| s).sum::<f64>() / used().count().max(1) as f64
    };
    axis.slope_urad.zip_mut_with(&axis.valid, |s, valid| *s = if *valid { *s - constant } else { 0.0 });
    axis.offsets_urad = offsets.iter().map(|o| o + constant).collect();
    axis.non_observable = vec![in_slopes(&NonObservable { term: "1".into(), why: String::new() }, along)];
    let mut warn = |code: &str, message: String| axis.warnings.push(Warning { code: code.into(), message });
    warn(
        "chained",
        "each sub-aperture was set onto one other alone: errors add up along the chain, and no uncertainty is given"
            .into(),
    );
    if rounded > 0 {
        let message = format!("{rounded} of {n} sub-apertures lie between whole pixels and were moved to the nearest");
        warn("positions-rounded", message);
    }
    Ok((axis, frame))
}

fn mean(plates: &Plates, offsets: &[f64]) -> SlopeAxis {
    let mut sum = Array2::<f64>::zeros(plates.shape);
    let mut squares = Array2::<f64>::zeros(plates.shape);
    let mut overlap = Array2::<u16>::zeros(plates.shape);
    let each = |on: &mut dyn FnMut([usize; 2], f64)| {
        for (k, offset) in offsets.iter().enumerate() {
            let map = &plates.placed[k].sub_aperture.map;
            for ((at, s), valid) in map.heights_nm().indexed_iter().zip(map.valid()) {
                if *valid {
                    on([at.0 + plates.at[k].0, at.1 + plates.at[k].1], s - offset);
                }
            }
        }
    };
    each(&mut |at, s| {
        sum[at] += s;
        overlap[at] = overlap[at].saturating_add(1);
    });
    sum.zip_mut_with(&overlap, |s, n| *s /= f64::from((*n).max(1)));
    each(&mut |at, s| squares[at] += (s - sum[at]) * (s - sum[at]));
    squares.zip_mut_with(&overlap, |s, n| *s = if *n > 1 { (*s / f64::from(*n)).sqrt() } else { 0.0 });
    SlopeAxis {
        valid: overlap.mapv(|n| n > 0),
        slope_urad: sum,
        uncertainty_urad: None,
        overlap,
        residual_urad: squares,
        reference: None,
        offsets_urad: Vec::new(),
        noise_urad: None,
        non_observable: Vec::new(),
        warnings: Vec::new(),
    }
}

fn place(placed: &[Placed]) -> Result<(Plates<'_>, Frame, usize), ProfilesError> {
    if placed.len() < 2 {
        return Err(ProfilesError::TooFew { what: "stitching", least: 2, count: placed.len() });
    }
    let pixel = pixel_size(placed)?;
    let first = &placed[0];
    let (mut places, mut rounded) = (Vec::with_capacity(placed.len()), 0);
    for p in placed {
        let step = ((p.x_mm - first.x_mm) / pixel.x_mm, (p.y_mm - first.y_mm) / pixel.y_mm);
        let window = p.sub_aperture.window;
        let near = |v: f64| v.abs() <= FARTHEST_PX;
        if !(near(step.0) && near(step.1) && near(window.row as f64) && near(window.column as f64)) {
            let file = p.sub_aperture.name.clone();
            return Err(StitchError::AbsurdPosition { file, x_mm: p.x_mm, y_mm: p.y_mm }.into());
        }
        let whole = (step.0.round_ties_even(), step.1.round_ties_even());
        rounded += usize::from((step.0 - whole.0).abs() > ROUNDED_PX || (step.1 - whole.1).abs() > ROUNDED_PX);
        places.push((whole.1 as i64 + window.row, whole.0 as i64 + window.column));
    }
    let shapes = || placed.iter().map(|p| p.sub_aperture.map.shape());
    let (top, left) = places.iter().fold((i64::MAX, i64::MAX), |(t, l), p| (t.min(p.0), l.min(p.1)));
    let ends =
        places.iter().zip(shapes()).map(|(p, s)| (p.0.abs_diff(top) + s.0 as u64, p.1.abs_diff(left) + s.1 as u64));
    let (rows, columns) = ends.fold((0, 0), |(r, c), end| (r.max(end.0), c.max(end.1)));
    if rows.saturating_mul(columns) > MOST_PIXELS {
        return Err(StitchError::TooLarge { what: "stitched map", rows, columns }.into());
    }
    let at = places.iter().map(|p| (p.0.abs_diff(top) as usize, p.1.abs_diff(left) as usize)).collect();
    let frame =
        Frame { pixel, x0_mm: first.x_mm + left as f64 * pixel.x_mm, y0_mm: first.y_mm + top as f64 * pixel.y_mm };
    Ok((Plates { placed, at, shape: (rows as usize, columns as usize) }, frame, rounded))
}

fn pixel_size(placed: &[Placed]) -> Result<PixelSize, ProfilesError> {
    let mut first: Option<(PixelSize, &str)> = None;
    for p in placed {
        let name = &p.sub_aperture.name;
        let usable = |s: &PixelSize| [s.x_mm, s.y_mm].iter().all(|v| v.is_finite() && *v > 0.0);
        let Some(size) = p.sub_aperture.map.pixel().filter(usable) else {
            return Err(StitchError::NoLateralCalibration { file: name.clone() }.into());
        };
        let (expected, of) = *first.get_or_insert((size, name));
        let agree = |a: f64, b: f64| (a - b).abs() <= AGREEMENT * b;
        if !(agree(size.x_mm, expected.x_mm) && agree(size.y_mm, expected.y_mm)) {
            let (first, second) = (of.to_owned(), name.clone());
            let (first_size, second_size) = (expected, size);
            return Err(StitchError::PixelSizesDiffer { first, first_size, second, second_size }.into());
        }
    }
    first.map(|(size, _)| size).ok_or(ProfilesError::TooFew { what: "stitching", least: 2, count: 0 })
}
