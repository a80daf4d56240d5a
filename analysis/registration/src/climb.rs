//! From a shift of binned pixels to one of whole pixels and its fraction, by direct correlation about the first.

use std::collections::BTreeMap;

use crate::roughness::Roughness;

/// A shift at full resolution: the second map looks `x`, `y` pixels further on the mirror than the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Climbed {
    pub x: f64,
    pub y: f64,
    /// Correlation at the whole pixel.
    pub score: f64,
}

/// The highest correlation within reach of `start`; `None` where it lies at the edge of what overlaps or of the reach.
pub(crate) fn climb(
    first: &Roughness,
    second: &Roughness,
    start: (isize, isize),
    factor: usize,
    two_dimensional: bool,
) -> Option<Climbed> {
    let reach = factor as isize;
    let mut seen = BTreeMap::new();
    let mut at = |x: isize, y: isize| *seen.entry((y, x)).or_insert_with(|| correlation(first, second, x, y));
    let (mut best, mut place) = (at(start.0, start.1)?, start);
    let sideways: Vec<isize> = if two_dimensional { (-reach..=reach).step_by(2).collect() } else { vec![0] };
    for dy in &sideways {
        for dx in (-reach..=reach).step_by(2) {
            let (x, y) = (start.0 + dx, start.1 + dy);
            if let Some(score) = at(x, y)
                && score > best
            {
                (best, place) = (score, (x, y));
            }
        }
    }
    let around: &[isize] = if two_dimensional { &[-1, 0, 1] } else { &[0] };
    loop {
        let from = place;
        for dy in around {
            for dx in [-1, 0, 1] {
                let (x, y) = (from.0 + dx, from.1 + dy);
                if let Some(score) = at(x, y)
                    && score > best
                {
                    (best, place) = (score, (x, y));
                }
            }
        }
        if place == from {
            break;
        }
        if (place.0 - start.0).abs() > 2 * reach || (place.1 - start.1).abs() > 2 * reach {
            return None;
        }
    }
    let (x, y) = place;
    let fraction = |before: Option<f64>, after: Option<f64>| match (before, after) {
        (Some(before), Some(after)) => {
            let bend = before - 2.0 * best + after;
            if bend < 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) } else { 0.0 }
        }
        _ => 0.0,
    };
    let along = fraction(at(x - 1, y), at(x + 1, y));
    let down = if two_dimensional { fraction(at(x, y - 1), at(x, y + 1)) } else { 0.0 };
    Some(Climbed { x: x as f64 + along, y: y as f64 + down, score: best })
}

/// Correlation of `first(u + shift)` with `second(u)` over what both have.
fn correlation(first: &Roughness, second: &Roughness, x: isize, y: isize) -> Option<f64> {
    let (rows, columns) = second.heights.dim();
    let span = |shift: isize, n: usize| {
        let from = shift.min(0).unsigned_abs().min(n);
        (from, n.saturating_sub(shift.max(0) as usize).max(from))
    };
    let ((from_row, to_row), (from, to)) = (span(y, rows), span(x, columns));
    let (mut n, mut a, mut b, mut aa, mut bb, mut ab) = (0.0f64, 0.0f64, 0.0f64, 0.0f64, 0.0f64, 0.0f64);
    for row in from_row..to_row {
        let there = row.checked_add_signed(y)?;
        let (start, end) = (from.checked_add_signed(x)?, to.checked_add_signed(x)?);
        let (h1, v1) = (first.heights.row(there), first.valid.row(there));
        let (h2, v2) = (second.heights.row(row), second.valid.row(row));
        let (h1, v1) = (h1.to_slice()?.get(start..end)?, v1.to_slice()?.get(start..end)?);
        let (h2, v2) = (h2.to_slice()?.get(from..to)?, v2.to_slice()?.get(from..to)?);
        for (((p, v), q), w) in h1.iter().zip(v1).zip(h2).zip(v2) {
            // Heights are 0 where not valid; a factor is faster than a jump.
            let both = f64::from(u8::from(*v & *w));
            let (p, q) = (p * both, q * both);
            n += both;
            a += p;
            b += q;
            aa += p * p;
            bb += q * q;
            ab += p * q;
        }
    }
    let (va, vb) = (aa - a * a / n, bb - b * b / n);
    (n >= 64.0 && va > 0.0 && vb > 0.0).then(|| (ab - a * b / n) / (va * vb).sqrt())
}
