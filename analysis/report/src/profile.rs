//! The profile along the mirror: mean of the middle rows against x, drawn as inline SVG.

use std::fmt::Write as _;

use stitchbox_stitch::Stitched;

use crate::figure::Axis;
use crate::pixel_size;

/// Share of the rows that the profile averages over, about the middle row.
const BAND: f64 = 0.1;
/// Most points drawn; longer profiles are averaged down.
const MOST_POINTS: usize = 900;

/// Heights along x, averaged over a band of rows about the middle.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Profile {
    /// First row of the band.
    pub first_row: usize,
    /// Number of rows in the band.
    pub rows: usize,
    /// Points `(x in mm, height in nm)`, ascending in x, only where something is valid.
    pub points: Vec<(f64, f64)>,
}

impl Profile {
    /// The profile of a map along x.
    pub(crate) fn along_x(stitched: &Stitched) -> Self {
        let (rows, columns) = stitched.height.shape();
        let count = ((rows as f64 * BAND) as usize).max(1).min(rows.max(1));
        let first_row = rows.saturating_sub(count) / 2;
        let block = columns.div_ceil(MOST_POINTS).max(1);
        let (heights, valid) = (stitched.height.heights_nm(), stitched.height.valid());
        let pixel = pixel_size(stitched);
        let mut points = Vec::new();
        for first in (0..columns).step_by(block) {
            let end = (first + block).min(columns);
            let (mut sum, mut x_sum, mut n) = (0.0, 0.0, 0usize);
            for row in first_row..(first_row + count).min(rows) {
                for column in first..end {
                    if valid[[row, column]] {
                        sum += heights[[row, column]];
                        x_sum += column as f64;
                        n += 1;
                    }
                }
            }
            if n > 0 {
                points.push((stitched.x0_mm + pixel.x_mm * x_sum / n as f64, sum / n as f64));
            }
        }
        Self { first_row, rows: count, points }
    }

    /// The same profile without its least-squares parabola; `None` with fewer than four points.
    pub(crate) fn without_parabola(&self) -> Option<Self> {
        let (low, high) = (self.points.first()?.0, self.points.last()?.0);
        if self.points.len() < 4 || high <= low {
            return None;
        }
        let scaled = |x: f64| 2.0 * (x - low) / (high - low) - 1.0;
        // orthogonal polynomials on the points themselves (Forsythe), so that no matrix is inverted
        let mut rest: Vec<f64> = self.points.iter().map(|p| p.1).collect();
        let mut basis: Vec<Vec<f64>> = Vec::new();
        for degree in 0..3 {
            let mut polynomial: Vec<f64> =
                self.points.iter().map(|p| (0..degree).fold(1.0, |v, _| v * scaled(p.0))).collect();
            for _ in 0..2 {
                for earlier in &basis {
                    subtract_projection(&mut polynomial, earlier);
                }
            }
            subtract_projection(&mut rest, &polynomial);
            basis.push(polynomial);
        }
        let points = self.points.iter().zip(rest).map(|(p, h)| (p.0, h)).collect();
        Some(Self { points, ..self.clone() })
    }

    /// The profile as an SVG element that takes its colours from the page (`currentColor`, class `curve`).
    pub(crate) fn svg(&self, name: &str) -> String {
        const W: f64 = 900.0;
        const H: f64 = 260.0;
        const LEFT: f64 = 70.0;
        const RIGHT: f64 = 14.0;
        const TOP: f64 = 12.0;
        const BOTTOM: f64 = 48.0;
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else {
            return String::new();
        };
        let (low, high) =
            self.points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p.1), h.max(p.1)));
        let margin = 0.05 * (high - low);
        let x_axis = Axis::new(first.0, last.0, 9);
        let y_axis = Axis::new(low - margin, high + margin, 5);
        let x_at = |x: f64| LEFT + x_axis.fraction(x) * (W - LEFT - RIGHT);
        let y_at = |y: f64| TOP + (1.0 - y_axis.fraction(y)) * (H - TOP - BOTTOM);
        let mut svg = format!("<svg viewBox=\"0 0 {W} {H}\" role=\"img\" aria-label=\"{name}\" class=\"profile\">");
        let (bottom, right) = (H - BOTTOM, W - RIGHT);
        for tick in &x_axis.ticks {
            let (x, text) = (x_at(*tick), x_axis.label(*tick));
            let _ = write!(
                svg,
                "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" class=\"grid\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                bottom + 18.0
            );
        }
        for tick in &y_axis.ticks {
            let (y, text) = (y_at(*tick), y_axis.label(*tick));
            let _ = write!(
                svg,
                "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" class=\"grid\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        let line: String = self.points.iter().fold(String::new(), |mut line, p| {
            let _ = write!(line, "{:.1},{:.1} ", x_at(p.0), y_at(p.1));
            line
        });
        let _ = write!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\" class=\"frame\"/>\
             <polyline points=\"{}\" class=\"curve\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">x (mm)</text>\
             <text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">height (nm)</text></svg>",
            right - LEFT,
            bottom - TOP,
            line.trim_end(),
            (LEFT + right) / 2.0,
            H - 8.0,
            (TOP + bottom) / 2.0
        );
        svg
    }
}

fn subtract_projection(values: &mut [f64], direction: &[f64]) {
    let (dot, norm) = values.iter().zip(direction).fold((0.0, 0.0), |(dot, norm), (v, d)| (dot + v * d, norm + d * d));
    if norm > 0.0 {
        let factor = dot / norm;
        for (value, d) in values.iter_mut().zip(direction) {
            *value -= factor * d;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parabola_leaves_nothing() {
        let points = (0..50).map(|i| f64::from(i) * 0.7).map(|x| (x, 3.0 - 2.0 * x + 0.4 * x * x)).collect();
        let rest = Profile { first_row: 0, rows: 1, points }.without_parabola().unwrap();
        assert!(rest.points.iter().all(|p| p.1.abs() < 1e-9));
    }

    #[test]
    fn the_svg_is_one_element_with_a_curve() {
        let svg = Profile { first_row: 0, rows: 1, points: vec![(0.0, 1.0), (1.0, 2.0)] }.svg("profile");
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>") && svg.contains("polyline"));
        assert_eq!(Profile { first_row: 0, rows: 1, points: vec![] }.svg("profile"), "");
    }
}
