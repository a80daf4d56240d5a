//! Interpolation between pixels that neither smooths nor amplifies noise.
//!
//! The taps belong to a filter of unit gain at every frequency (an all-pass): it delays waves longer than about three
//! pixels by the wanted part of a pixel and lets the delay fall to zero towards two pixels per wave. White noise stays
//! white, and the transpose of the filter is its inverse. Polynomials up to the fourth degree are moved exactly, so a
//! strongly curved mirror needs no special care.

use crate::cholesky::PivotedCholesky;

/// Taps on either side of the centre.
pub(crate) const REACH: usize = 8;
/// All taps.
pub(crate) const TAPS: usize = 2 * REACH + 1;
/// Part of the Nyquist frequency up to which waves are moved in full.
const FULL_BAND: f64 = 0.7;
/// Points of the integral over frequency.
const FREQUENCIES: usize = 512;
/// Powers 0 to 4 of the position are moved exactly.
const MOMENTS: usize = 5;

/// Weights of the values at `i - REACH ..= i + REACH` that make the value at `i + fraction`, |fraction| <= 1.
pub(crate) fn taps(fraction: f64) -> [f64; TAPS] {
    let mut taps = [0.0; TAPS];
    if fraction == 0.0 {
        taps[REACH] = 1.0;
        return taps;
    }
    let pi = std::f64::consts::PI;
    let position = |i: usize| i as f64 - REACH as f64;
    for step in 0..=FREQUENCIES {
        let frequency = step as f64 / FREQUENCIES as f64;
        let beyond = ((frequency - FULL_BAND) / (1.0 - FULL_BAND)).max(0.0);
        let delay = fraction * pi * frequency * 0.5 * (1.0 + libm::cos(pi * beyond));
        let weight = if step == 0 || step == FREQUENCIES { 0.5 } else { 1.0 } / FREQUENCIES as f64;
        for (i, tap) in taps.iter_mut().enumerate() {
            *tap += weight * libm::cos(delay - pi * frequency * position(i));
        }
    }
    let taper = |i: usize| libm::cos(0.5 * pi * position(i) / (REACH as f64 + 1.0));
    for (i, tap) in taps.iter_mut().enumerate() {
        *tap *= libm::sqrt(taper(i));
    }
    // Least change, weighted by the square of the taper, that makes the moments right.
    let powers = |x: f64| {
        let mut of = [1.0; MOMENTS];
        for i in 1..MOMENTS {
            of[i] = of[i - 1] * x;
        }
        of
    };
    let mut matrix = vec![0.0; MOMENTS * MOMENTS];
    let mut missing = powers(fraction / REACH as f64).to_vec();
    for (i, tap) in taps.iter().enumerate() {
        let of = powers(position(i) / REACH as f64);
        for row in 0..MOMENTS {
            missing[row] -= of[row] * tap;
            for column in 0..MOMENTS {
                matrix[row * MOMENTS + column] += of[row] * of[column] * taper(i) * taper(i);
            }
        }
    }
    let mut change = vec![0.0; MOMENTS];
    PivotedCholesky::new(&matrix, MOMENTS).solve(&missing, &mut change);
    for (i, tap) in taps.iter_mut().enumerate() {
        let of = powers(position(i) / REACH as f64);
        *tap += taper(i) * taper(i) * of.iter().zip(&change).map(|(p, c)| p * c).sum::<f64>();
    }
    taps
}

/// The transpose: the taps in reverse order.
pub(crate) fn reversed(mut taps: [f64; TAPS]) -> [f64; TAPS] {
    taps.reverse();
    taps
}

/// `out[i] += sum_j taps[j] values[i + j]`; `values` is longer than `out` by `2 REACH`.
pub(crate) fn add_filtered(taps: &[f64; TAPS], values: &[f64], out: &mut [f64]) {
    // Blocks that stay in the first-level cache, three taps at a time: fewer loads and stores of `out`.
    const BLOCK: usize = 512;
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        let values = &values[block * BLOCK..];
        let mut at = 0;
        while at + 3 <= TAPS {
            let [a, b, c] = [taps[at], taps[at + 1], taps[at + 2]];
            let windows = values[at..].iter().zip(&values[at + 1..]).zip(&values[at + 2..]);
            for (o, ((x, y), z)) in out.iter_mut().zip(windows) {
                *o += (a * x + b * y) + c * z;
            }
            at += 3;
        }
        for (tap, from) in taps[at..].iter().zip(at..) {
            for (o, x) in out.iter_mut().zip(&values[from..]) {
                *o += tap * x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_move_exactly() {
        let surface = |x: f64| 3.0 - 2.0 * x + 0.7 * x * x - 0.05 * x * x * x + 0.004 * x * x * x * x;
        let values: Vec<f64> = (0..40).map(|i| surface(i as f64)).collect();
        for fraction in [0.5, -0.37, 0.02, 0.9] {
            let mut out = vec![0.0; 40 - 2 * REACH];
            add_filtered(&taps(fraction), &values, &mut out);
            for (i, found) in out.iter().enumerate() {
                let expected = surface((i + REACH) as f64 + fraction);
                assert!(
                    (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
                    "{fraction} {i}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn waves_move_and_no_frequency_is_damped_or_amplified() {
        for fraction in [0.5, -0.3, 0.1] {
            let taps = taps(fraction);
            for step in 0..=50 {
                let q = std::f64::consts::PI * f64::from(step) / 50.0;
                let at = |i: usize| q * (i as f64 - REACH as f64);
                let re: f64 = taps.iter().enumerate().map(|(i, t)| t * libm::cos(at(i))).sum();
                let im: f64 = taps.iter().enumerate().map(|(i, t)| t * libm::sin(at(i))).sum();
                assert!((libm::hypot(re, im) - 1.0).abs() < 0.05, "gain {} at {q}", libm::hypot(re, im));
                if q < 0.6 * std::f64::consts::PI {
                    let wrong = libm::hypot(re - libm::cos(q * fraction), im - libm::sin(q * fraction));
                    assert!(wrong < 0.02, "{fraction} {q}: {wrong}");
                }
            }
            let noise: f64 = taps.iter().map(|t| t * t).sum();
            assert!((noise - 1.0).abs() < 0.01, "{noise}");
        }
    }

    #[test]
    fn the_transpose_takes_it_back() {
        let values: Vec<f64> =
            (0..80).map(|i| libm::sin(0.9 * f64::from(i)) + libm::cos(0.31 * f64::from(i))).collect();
        let there = taps(0.4);
        let mut moved = vec![0.0; 80 - 2 * REACH];
        add_filtered(&there, &values, &mut moved);
        let mut back = vec![0.0; 80 - 4 * REACH];
        add_filtered(&reversed(there), &moved, &mut back);
        for (i, found) in back.iter().enumerate() {
            assert!((found - values[i + 2 * REACH]).abs() < 0.03, "{i}: {found} {}", values[i + 2 * REACH]);
        }
    }
}
