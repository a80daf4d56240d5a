//! Cubic convolution (Keys 1981, a = -1/2) on a map with invalid pixels.
//!
//! The kernel reproduces quadratic surfaces. Where an outer one of the four neighbours is missing, it is continued
//! quadratically (or linearly) from the others, so that quadratics stay exact and the mask does not grow: a point is
//! invalid only where a pixel next to it is.

use ndarray::{ArrayView1, ArrayView2};

/// Weights of the four neighbours of a point at `t` (0..1) between the second and the third.
pub(crate) fn cubic_weights(t: f64) -> [f64; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [0.5 * (-t3 + 2.0 * t2 - t), 0.5 * (3.0 * t3 - 5.0 * t2 + 2.0), 0.5 * (-3.0 * t3 + 4.0 * t2 + t), 0.5 * (t3 - t2)]
}

/// The value at `t` between the second and the third of four neighbours, `None` where one of those two is missing.
pub(super) fn between(taps: [Option<f64>; 4], t: f64) -> Option<f64> {
    if t == 0.0 {
        return taps[1];
    }
    let (b, c) = (taps[1]?, taps[2]?);
    let (a, d) = match (taps[0], taps[3]) {
        (Some(a), Some(d)) => (a, d),
        (Some(a), None) => (a, a + 3.0 * (c - b)),
        (None, Some(d)) => (d + 3.0 * (b - c), d),
        (None, None) => (2.0 * b - c, 2.0 * c - b),
    };
    let w = cubic_weights(t);
    Some((w[0] * a + w[3] * d) + (w[1] * b + w[2] * c))
}

/// Splits a position in pixels into the pixel before it and the part of a pixel behind that. Positions within 1e-9 px
/// of a pixel are taken as that pixel.
pub(super) fn split(position: f64) -> (isize, f64) {
    let nearest = position.round();
    if (position - nearest).abs() < 1e-9 {
        return (nearest as isize, 0.0);
    }
    (position.floor() as isize, position - position.floor())
}

/// The value at `position` (px) on a line, `None` beyond its ends or beside an invalid pixel.
pub(super) fn on_line(heights: ArrayView1<'_, f64>, valid: ArrayView1<'_, bool>, position: f64) -> Option<f64> {
    if !(position > -0.5 && position < heights.len() as f64 - 0.5) {
        return None;
    }
    let (first, t) = split(position);
    let tap = |offset: isize| -> Option<f64> {
        let index = usize::try_from(first + offset).ok()?;
        valid.get(index).copied().unwrap_or(false).then(|| heights[index])
    };
    between([tap(-1), tap(0), tap(1), tap(2)], t)
}

/// The value at column `u`, row `v` (px), `None` outside of the map or beside an invalid pixel.
pub(crate) fn at_point(heights: ArrayView2<'_, f64>, valid: ArrayView2<'_, bool>, u: f64, v: f64) -> Option<f64> {
    let (rows, columns) = heights.dim();
    let inside = |position: f64, length: usize| position > -0.5 && position < length as f64 - 0.5;
    if !inside(u, columns) || !inside(v, rows) {
        return None;
    }
    let (row, t) = split(v);
    let on_row = |offset: isize| -> Option<f64> {
        let index = usize::try_from(row + offset).ok().filter(|index| *index < rows)?;
        on_line(heights.row(index), valid.row(index), u)
    };
    if t == 0.0 {
        return on_row(0);
    }
    between([on_row(-1), on_row(0), on_row(1), on_row(2)], t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn quadratics_are_exact_up_to_the_border_and_beside_holes() {
        let surface = |x: f64, y: f64| 5.0 + 3.0 * x - 2.0 * y + 0.7 * x * x - 0.3 * x * y + 0.1 * y * y;
        let heights = Array2::from_shape_fn((7, 9), |(r, c)| surface(c as f64, r as f64));
        let mut valid = Array2::from_elem((7, 9), true);
        valid[[3, 4]] = false;
        let mut found = 0;
        for (u, v) in [(0.3, 0.2), (7.9, 5.9), (2.5, 3.0), (6.1, 3.4), (1.0, 6.0), (4.0, 1.5)] {
            let value = at_point(heights.view(), valid.view(), u, v).unwrap();
            assert!((value - surface(u, v)).abs() < 1e-12, "{u} {v}: {value}");
            found += 1;
        }
        assert_eq!(found, 6);
        for (u, v) in [(3.5, 3.0), (4.2, 3.2), (3.9, 2.1), (8.2, 1.0), (-0.2, 1.0), (2.0, 6.3)] {
            assert_eq!(at_point(heights.view(), valid.view(), u, v), None, "{u} {v}");
        }
    }
}
