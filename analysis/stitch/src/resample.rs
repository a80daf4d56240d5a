//! Moves a sub-aperture by part of a pixel onto the mirror grid.
//!
//! Cubic convolution (the kernel of Keys, a = -1/2, four taps along each axis that moves). It reproduces quadratic
//! surfaces exactly, so curvature, piston and tilt need not be taken off first. A pixel whose taps touch an invalid
//! pixel or the border becomes invalid: the mask grows by one to two pixels along an axis that moves.

use ndarray::{Array2, Axis};

/// Samples a map that lies at whole pixels plus `fraction` (x, y; px) at the whole pixels. Shape unchanged.
pub(crate) fn shift(heights: &mut Array2<f64>, valid: &mut Array2<bool>, fraction: (f64, f64)) {
    for (axis, part) in [(Axis(1), fraction.0), (Axis(0), fraction.1)] {
        if part != 0.0 {
            shift_lines(heights, valid, axis, part);
        }
    }
}

fn shift_lines(heights: &mut Array2<f64>, valid: &mut Array2<bool>, axis: Axis, part: f64) {
    // A pixel i of the new grid lies at i - part of the old one.
    let (base, t) = if part > 0.0 { (-1, 1.0 - part) } else { (0, -part) };
    let taps = keys(t);
    for (mut line, mut ok) in heights.lanes_mut(axis).into_iter().zip(valid.lanes_mut(axis)) {
        let (old, old_ok) = (line.to_vec(), ok.to_vec());
        for i in 0..old.len() {
            let first = i as isize + base - 1;
            let inside = first >= 0 && (first + 4) as usize <= old.len();
            let good = inside && old_ok[first as usize..first as usize + 4].iter().all(|v| *v);
            ok[i] = good;
            line[i] = if good {
                let from = first as usize;
                (taps[0] * old[from] + taps[3] * old[from + 3]) + (taps[1] * old[from + 1] + taps[2] * old[from + 2])
            } else {
                0.0
            };
        }
    }
}

/// Weights of the four neighbours of a point at `t` (0..1) between the second and the third.
fn keys(t: f64) -> [f64; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [0.5 * (-t3 + 2.0 * t2 - t), 0.5 * (3.0 * t3 - 5.0 * t2 + 2.0), 0.5 * (-3.0 * t3 + 4.0 * t2 + t), 0.5 * (t3 - t2)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quadratic_surface_moves_exactly_and_holes_grow() {
        let surface = |x: f64, y: f64| 1000.0 + 3.0 * x - 2.0 * y + 0.7 * x * x - 0.3 * x * y + 0.1 * y * y;
        for fraction in [(0.3, 0.0), (-0.4, 0.0), (0.5, -0.25), (0.0, 0.1)] {
            let mut heights = Array2::from_shape_fn((9, 12), |(r, c)| surface(c as f64, r as f64));
            let mut valid = Array2::from_elem((9, 12), true);
            valid[[4, 6]] = false;
            shift(&mut heights, &mut valid, fraction);
            for ((r, c), ok) in valid.indexed_iter() {
                if *ok {
                    let expected = surface(c as f64 - fraction.0, r as f64 - fraction.1);
                    assert!((heights[[r, c]] - expected).abs() < 1e-9, "{fraction:?} {r} {c}");
                }
            }
            assert!(!valid[[4, 6]]);
            assert!(valid.iter().filter(|v| **v).count() >= 38);
        }
    }
}
