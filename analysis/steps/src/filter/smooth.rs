//! Gaussian averages over valid pixels: along lines by Fourier transforms, so that wide kernels cost no more than
//! narrow ones.

use std::f64::consts::{LN_2, PI};

use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Zip};
use stitchbox_surface::PixelSize;

use super::EndEffect;
use crate::fourier::{Complex, Fourier, Scratch, smooth_length};
use crate::frame::Axes;

/// The kernel ends where its weight is below 1e-12 of the largest, in cut-off lengths.
const REACH: f64 = 1.4;
/// Columns transformed together, so that memory is read in whole cache lines.
const BLOCK: usize = 16;
/// Spread of the weights (in squared cut-off lengths) below which no slope can be told.
const NO_SPREAD: f64 = 1e-8;

/// The weight at a distance in cut-off lengths.
fn weight(distance: f64) -> f64 {
    // PI / alpha^2 = PI^2 / ln 2
    libm::exp(-PI * PI / LN_2 * distance * distance)
}

/// Two real fields convolved together: heights times mask, and the mask. For moments also multiplied by the distance.
struct Fields {
    heights: Array2<f64>,
    mask: Array2<f64>,
}

/// The weighted mean (or local plane) of the valid heights at every valid pixel; `0.0` elsewhere.
pub(super) fn smooth_map(
    heights: &Array2<f64>,
    valid: &Array2<bool>,
    pixel: PixelSize,
    cut_off_mm: f64,
    axes: Axes,
    end_effect: EndEffect,
) -> Array2<f64> {
    // Without the mean, a large piston costs no digits.
    let mean = mean_of_valid(heights, valid);
    let mut mask = Array2::zeros(heights.dim());
    let mut masked = Array2::zeros(heights.dim());
    Zip::from(&mut mask).and(&mut masked).and(heights).and(valid).par_for_each(|m, h, height, ok| {
        if *ok {
            (*m, *h) = (1.0, height - mean);
        }
    });
    let start = Fields { heights: masked, mask };
    let (rows, columns) = heights.dim();
    let along_x = || Kernels::new(columns, cut_off_mm / pixel.x_mm);
    let along_y = || Kernels::new(rows, cut_off_mm / pixel.y_mm);
    let highest = if end_effect == EndEffect::FirstOrder { 2 } else { 0 };
    let mut smoothed = match axes {
        Axes::X => last_pass(&[start], &along_x(), Axis(0), end_effect),
        Axes::Y => last_pass(&[start], &along_y(), Axis(1), end_effect),
        Axes::Both => {
            let fields = first_pass(start, &along_x(), highest);
            last_pass(&fields, &along_y(), Axis(1), end_effect)
        }
    };
    Zip::from(&mut smoothed).and(valid).par_for_each(|h, ok| *h = if *ok { *h + mean } else { 0.0 });
    smoothed
}

fn mean_of_valid(heights: &Array2<f64>, valid: &Array2<bool>) -> f64 {
    let of_row = |(row, ok): (ndarray::ArrayView1<'_, f64>, ndarray::ArrayView1<'_, bool>)| {
        row.iter().zip(ok).filter(|(_, ok)| **ok).fold((0.0, 0usize), |(sum, count), (h, _)| (sum + h, count + 1))
    };
    let (sum, count) = heights
        .rows()
        .into_iter()
        .zip(valid.rows())
        .map(of_row)
        .fold((0.0, 0), |(sum, count), (s, n)| (sum + s, count + n));
    if count == 0 { 0.0 } else { sum / count as f64 }
}

/// The Gaussian, and it times distance and squared distance (in cut-off lengths), for lines of one length.
struct Kernels {
    fourier: Fourier,
    /// Spectra of the kernels of order 0, 1, 2.
    spectra: [Vec<Complex>; 3],
}

impl Kernels {
    fn new(length: usize, cut_off_px: f64) -> Self {
        let reach = ((REACH * cut_off_px).ceil() as usize).min(length.saturating_sub(1));
        // What wraps around comes from the zeros behind the line.
        let fourier = Fourier::new(smooth_length(length + reach));
        let n = fourier.len();
        let sum: f64 = 1.0 + 2.0 * (1..=reach).map(|k| weight(k as f64 / cut_off_px)).sum::<f64>();
        let spectra = std::array::from_fn(|order| {
            let mut line = vec![Complex::default(); n];
            for k in 0..=reach {
                let distance = k as f64 / cut_off_px;
                let value = weight(distance) / sum * [1.0, distance, distance * distance][order];
                // The point at +distance is found k places on: the kernel of a convolution is the mirrored one.
                line[(n - k) % n].re = value;
                line[k].re = if order == 1 { -value } else { value };
            }
            fourier.forward(&mut line, &mut Scratch::default());
            line
        });
        Self { fourier, spectra }
    }

    /// Transforms a pair of lines, padded with zeros.
    fn spectrum(&self, line: &mut Vec<Complex>, scratch: &mut Scratch) {
        line.resize(self.fourier.len(), Complex::default());
        self.fourier.forward(line, scratch);
    }

    /// The pair of lines with this spectrum, averaged with the kernel of this order, into `out`.
    fn average(&self, order: usize, spectrum: &[Complex], out: &mut Vec<Complex>, scratch: &mut Scratch) {
        out.clear();
        out.extend(spectrum.iter().zip(&self.spectra[order]).map(|(a, b)| *a * *b));
        self.fourier.inverse(out, scratch);
    }
}

/// Averages along the rows with the kernels of all orders up to `highest`.
fn first_pass(start: Fields, kernels: &Kernels, highest: usize) -> Vec<Fields> {
    let shape = start.mask.dim();
    let mut fields = vec![];
    for order in (0..=highest).rev() {
        let (mut heights, mut mask) = (Array2::zeros(shape), Array2::zeros(shape));
        heights
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(mask.axis_iter_mut(Axis(0)))
            .zip(start.heights.axis_iter(Axis(0)))
            .zip(start.mask.axis_iter(Axis(0)))
            .for_each_init(Room::default, |room, (((mut to_heights, mut to_mask), heights), mask)| {
                room.line.clear();
                room.line.extend(heights.iter().zip(mask).map(|(h, m)| Complex::new(*h, *m)));
                kernels.spectrum(&mut room.line, &mut room.scratch);
                kernels.average(order, &room.line, &mut room.out, &mut room.scratch);
                for ((h, m), value) in to_heights.iter_mut().zip(to_mask.iter_mut()).zip(&room.out) {
                    (*h, *m) = (value.re, value.im);
                }
            });
        fields.push(Fields { heights, mask });
    }
    fields.reverse();
    fields
}

#[derive(Default)]
struct Room {
    line: Vec<Complex>,
    out: Vec<Complex>,
    scratch: Scratch,
    moments: Vec<Vec<Complex>>,
}

/// Averages along the lines across `across` and concludes: one field means that nothing was averaged before, three are
/// the fields of order 0, 1, 2 of the other direction.
fn last_pass(fields: &[Fields], kernels: &Kernels, across: Axis, end_effect: EndEffect) -> Array2<f64> {
    let Some(first) = fields.first() else { return Array2::zeros((0, 0)) };
    let mut out = Array2::zeros(first.mask.dim());
    let block = if across == Axis(1) { BLOCK } else { 1 };
    // Which kernel is applied to which field.
    let wanted: &[(usize, usize)] = match (end_effect, fields.len()) {
        (EndEffect::ZeroOrder, _) => &[(0, 0)],
        (EndEffect::FirstOrder, 1) => &[(0, 0), (0, 1), (0, 2)],
        (EndEffect::FirstOrder, _) => &[(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)],
    };
    out.axis_chunks_iter_mut(across, block).into_par_iter().enumerate().for_each_init(
        Room::default,
        |room, (index, mut out)| {
            let from = index * block;
            let width = out.len_of(across);
            room.moments.resize_with(wanted.len() * width, Vec::new);
            for (field, part) in fields.iter().enumerate() {
                let heights = lines(&part.heights, across, from, width);
                let mask = lines(&part.mask, across, from, width);
                for line in 0..width {
                    room.line.clear();
                    let (heights, mask) = (heights.index_axis(across, line), mask.index_axis(across, line));
                    room.line.extend(heights.iter().zip(mask).map(|(h, m)| Complex::new(*h, *m)));
                    kernels.spectrum(&mut room.line, &mut room.scratch);
                    for (place, (of, order)) in wanted.iter().enumerate() {
                        if *of == field {
                            let to = &mut room.moments[line * wanted.len() + place];
                            kernels.average(*order, &room.line, to, &mut room.scratch);
                        }
                    }
                }
            }
            conclude(&mut out, &room.moments, wanted.len(), across);
        },
    );
    out
}

fn lines(field: &Array2<f64>, across: Axis, from: usize, width: usize) -> ArrayView2<'_, f64> {
    let mut view = field.view();
    view.slice_axis_inplace(across, (from..from + width).into());
    view
}

fn conclude(out: &mut ArrayViewMut2<'_, f64>, moments: &[Vec<Complex>], kinds: usize, across: Axis) {
    for (mut line, moments) in out.axis_iter_mut(across).zip(moments.chunks_exact(kinds)) {
        for (i, height) in line.iter_mut().enumerate() {
            *height = match moments {
                [sums] => mean(sums[i]),
                [sums, first, second] => on_a_line(sums[i], first[i], second[i]),
                [sums, y, yy, x, xy, xx] => on_a_plane(sums[i], [x[i], y[i]], [xx[i].im, xy[i].im, yy[i].im]),
                _ => 0.0,
            };
        }
    }
}

/// Weighted sum of the heights over the sum of weights.
fn mean(sums: Complex) -> f64 {
    if sums.im > 0.0 { sums.re / sums.im } else { 0.0 }
}

/// The weighted straight line at distance 0; each moment holds that of the heights and that of the mask.
fn on_a_line(sums: Complex, first: Complex, second: Complex) -> f64 {
    let height = mean(sums);
    if sums.im <= 0.0 {
        return height;
    }
    let x = first.im / sums.im;
    let spread = second.im / sums.im - x * x;
    if spread < NO_SPREAD {
        return height;
    }
    height - x * (first.re / sums.im - x * height) / spread
}

/// The weighted plane at distance 0.
fn on_a_plane(sums: Complex, [x, y]: [Complex; 2], [xx, xy, yy]: [f64; 3]) -> f64 {
    let height = mean(sums);
    if sums.im <= 0.0 {
        return height;
    }
    let (mean_x, mean_y) = (x.im / sums.im, y.im / sums.im);
    let spread = [xx / sums.im - mean_x * mean_x, xy / sums.im - mean_x * mean_y, yy / sums.im - mean_y * mean_y];
    let along = [x.re / sums.im - mean_x * height, y.re / sums.im - mean_y * height];
    let determinant = spread[0] * spread[2] - spread[1] * spread[1];
    if spread[0] < NO_SPREAD || spread[2] < NO_SPREAD || determinant < 1e-6 * spread[0] * spread[2] {
        return height;
    }
    let slope_x = (along[0] * spread[2] - along[1] * spread[1]) / determinant;
    let slope_y = (along[1] * spread[0] - along[0] * spread[1]) / determinant;
    height - (mean_x * slope_x + mean_y * slope_y)
}

/// The same for points on a line; each weighs by the length it stands for.
pub(super) fn smooth_profile(x_mm: &[f64], values: &[f64], cut_off_mm: f64, end_effect: EndEffect) -> Vec<f64> {
    let n = x_mm.len();
    let stands_for = |j: usize| (x_mm[(j + 1).min(n - 1)] - x_mm[j.saturating_sub(1)]) / 2.0;
    let lengths: Vec<f64> = (0..n).map(stands_for).collect();
    let mut first = 0;
    let average = |i: usize| {
        while x_mm[first] < x_mm[i] - REACH * cut_off_mm {
            first += 1;
        }
        let mut sums = [Complex::default(); 3];
        for j in (first..n).take_while(|j| x_mm[*j] <= x_mm[i] + REACH * cut_off_mm) {
            let distance = (x_mm[j] - x_mm[i]) / cut_off_mm;
            let w = weight(distance) * lengths[j];
            for (sum, factor) in sums.iter_mut().zip([w, w * distance, w * distance * distance]) {
                *sum = *sum + Complex::new(factor * (values[j] - values[i]), factor);
            }
        }
        let above = match end_effect {
            EndEffect::ZeroOrder => mean(sums[0]),
            EndEffect::FirstOrder => on_a_line(sums[0], sums[1], sums[2]),
        };
        values[i] + above
    };
    (0..n).map(average).collect()
}
