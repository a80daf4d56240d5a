//! Masked normalised cross-correlation of two roughness maps over all shifts at once, and its peaks.
//!
//! D. Padfield, Masked object registration in the Fourier domain, IEEE Trans. Image Process. 21 (2012) 2706: the means and
//! variances are those of the overlap at each shift, so neither masks nor borders draw the peak.

use stitchbox_steps::fourier::{Complex, smooth_length};

use crate::plane::{PlaneFourier, Room};
use crate::roughness::Roughness;

/// A shift that stands out. The second map looks `x`, `y` pixels further on the mirror than the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peak {
    pub x: isize,
    pub y: isize,
    /// Correlation at the peak over the highest elsewhere, both times the root of the overlap.
    pub ratio: f64,
    /// Whether both maps look at one place, as far as the binned pixels tell.
    pub at_zero: bool,
}

/// Finds peaks between maps of one shape.
pub(crate) struct Correlation {
    shape: (usize, usize),
    fourier: PlaneFourier,
    most: (usize, usize),
    min_overlap: f64,
    /// Whether the reference was taken off, so that a peak at zero can be of the mirror.
    zero_allowed: bool,
}

/// Half the side of the square about a peak that belongs to it, binned pixels.
const OWN: isize = 4;
/// Half the side of the square about zero where the reference shows.
const ZERO: isize = 1;
/// By what ratio a peak at zero has to stand out.
const CLEAR_ZERO: f64 = 2.0;

/// The correlation at one shift.
#[derive(Debug, Clone, Copy)]
struct Score {
    x: isize,
    y: isize,
    score: f64,
    /// Times the root of the overlap in pixels: of equal spread at all shifts where nothing matches.
    weight: f64,
}

impl Correlation {
    pub fn new(shape: (usize, usize), min_overlap: f64, two_dimensional: bool, zero_allowed: bool) -> Self {
        let reach = |n: usize| ((1.0 - min_overlap) * n as f64) as usize;
        let most = (reach(shape.1), if two_dimensional { reach(shape.0) } else { 0 });
        let rows = smooth_length(shape.0 + most.1);
        let columns = smooth_length(shape.1 + most.0);
        Self { shape, fourier: PlaneFourier::new(rows, columns), most, min_overlap, zero_allowed }
    }

    /// The clearest peak; `None` where no shift leaves enough overlap.
    pub fn peak(&self, first: &Roughness, second: &Roughness) -> Option<Peak> {
        let scores = self.scores(first, second);
        let near = |a: (isize, isize), s: &Score, by: isize| (s.x - a.0).abs() <= by && (s.y - a.1).abs() <= by;
        let highest = |allowed: &dyn Fn(&Score) -> bool| {
            scores.iter().filter(|s| allowed(s)).fold(None, |best: Option<Score>, s| match best {
                Some(best) if best.weight >= s.weight => Some(best),
                _ => Some(*s),
            })
        };
        let best = highest(&|_| true)?;
        let beside = |s: &Score| !near((best.x, best.y), s, OWN);
        if !near((0, 0), &best, ZERO) {
            return Some(Peak { x: best.x, y: best.y, ratio: ratio(&scores, &best, &beside), at_zero: false });
        }
        let at_zero = ratio(&scores, &best, &beside);
        if self.zero_allowed && at_zero >= CLEAR_ZERO {
            return Some(Peak { x: best.x, y: best.y, ratio: at_zero, at_zero: true });
        }
        // What is left of the reference: look beside it.
        let off = |s: &Score| !near((0, 0), s, OWN);
        let best = highest(&off)?;
        let beside = |s: &Score| off(s) && !near((best.x, best.y), s, OWN);
        Some(Peak { x: best.x, y: best.y, ratio: ratio(&scores, &best, &beside), at_zero: false })
    }

    /// The correlation at every shift with enough overlap.
    fn scores(&self, first: &Roughness, second: &Roughness) -> Vec<Score> {
        let mut room = Room::default();
        let mut forward = |part: &dyn Fn(usize, usize) -> (f64, f64)| {
            let mut plane = vec![Complex::default(); self.fourier.rows * self.fourier.columns];
            for (r, line) in plane.chunks_exact_mut(self.fourier.columns).take(self.shape.0).enumerate() {
                for (c, value) in line.iter_mut().take(self.shape.1).enumerate() {
                    let (re, im) = part(r, c);
                    *value = Complex::new(re, im);
                }
            }
            self.fourier.transform(&mut plane, false, &mut room);
            plane
        };
        let scale = (spread(first), spread(second));
        let one = |map: &Roughness, scale: f64, r: usize, c: usize| {
            (map.heights[[r, c]] * scale, f64::from(map.valid[[r, c]]))
        };
        let a = forward(&|r, c| one(first, scale.0, r, c));
        let b = forward(&|r, c| one(second, scale.1, r, c));
        let squares = forward(&|r, c| {
            let (p, q) = (one(first, scale.0, r, c).0, one(second, scale.1, r, c).0);
            (p * p, q * q)
        });
        // Products of spectra, two real correlations in each.
        let mut products = [a.clone(), a.clone(), a.clone()];
        let (rows, columns) = (self.fourier.rows, self.fourier.columns);
        for r in 0..rows {
            for c in 0..columns {
                let here = r * columns + c;
                let there = ((rows - r) % rows) * columns + (columns - c) % columns;
                let (z1, m1) = two_real(a[here], a[there]);
                let (z2, m2) = two_real(b[here], b[there]);
                let (s1, s2) = two_real(squares[here], squares[there]);
                let (z2, m2, s2) = (z2.conjugate(), m2.conjugate(), s2.conjugate());
                products[0][here] = z1 * z2 + times_i(m1 * m2);
                products[1][here] = z1 * m2 + times_i(m1 * z2);
                products[2][here] = s1 * m2 + times_i(m1 * s2);
            }
        }
        for plane in &mut products {
            self.fourier.transform(plane, true, &mut room);
        }
        let enough = (self.min_overlap * first.count().min(second.count()) as f64).max(64.0);
        let mut scores = Vec::new();
        let (far_x, far_y) = (self.most.0 as isize, self.most.1 as isize);
        for y in -far_y..=far_y {
            for x in -far_x..=far_x {
                let at = y.rem_euclid(rows as isize) as usize * columns + x.rem_euclid(columns as isize) as usize;
                let (cross, count) = (products[0][at].re, products[0][at].im);
                if count < enough {
                    continue;
                }
                let (sum1, sum2) = (products[1][at].re, products[1][at].im);
                let var1 = products[2][at].re - sum1 * sum1 / count;
                let var2 = products[2][at].im - sum2 * sum2 / count;
                // Less than a ten-thousandth of the usual roughness is rounding.
                if var1 > 1e-4 * count && var2 > 1e-4 * count {
                    let score = (cross - sum1 * sum2 / count) / (var1 * var2).sqrt();
                    scores.push(Score { x, y, score, weight: score * count.sqrt() });
                }
            }
        }
        scores
    }
}

/// By how much a peak stands out of the others, in weight, and in correlation against those that are no chance either: features
/// that repeat correlate as well with less overlap.
fn ratio(scores: &[Score], peak: &Score, beside: &dyn Fn(&Score) -> bool) -> f64 {
    let over = |peak: f64, other: f64| match () {
        () if peak <= 0.0 => 0.0,
        () if other > 0.0 => peak / other,
        () => f64::MAX,
    };
    let (mut weight, mut score) = (0.0f64, 0.0f64);
    for other in scores.iter().filter(|s| beside(s)) {
        weight = weight.max(other.weight);
        if other.weight >= 0.5 * peak.weight {
            score = score.max(other.score);
        }
    }
    over(peak.weight, weight).min(over(peak.score, score))
}

/// One over the standard deviation.
fn spread(map: &Roughness) -> f64 {
    let square: f64 = map.heights.iter().map(|h| h * h).sum();
    if square > 0.0 { (map.count() as f64 / square).sqrt() } else { 0.0 }
}

/// The spectra of the real and the imaginary part, from their common spectrum at a frequency and its negative.
fn two_real(here: Complex, there: Complex) -> (Complex, Complex) {
    let there = there.conjugate();
    let difference = here - there;
    ((here + there).scaled(0.5), Complex::new(difference.im * 0.5, -difference.re * 0.5))
}

fn times_i(value: Complex) -> Complex {
    Complex::new(-value.im, value.re)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Two views of one random surface, the second 5 columns and -2 rows further, with gaps.
    fn views() -> (Roughness, Roughness) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
        let surface = Array2::from_shape_simple_fn((40, 60), || rng.random_range(-1.0..1.0f64));
        let mut view = |x: usize, y: usize| {
            let valid = Array2::from_shape_simple_fn((24, 31), || rng.random::<f64>() > 0.1);
            let heights =
                Array2::from_shape_fn((24, 31), |(r, c)| if valid[[r, c]] { surface[[r + y, c + x]] } else { 0.0 });
            Roughness { heights, valid }
        };
        (view(3, 6), view(8, 4))
    }

    #[test]
    fn every_shift_has_the_correlation_by_definition() {
        let (first, second) = views();
        let scores = Correlation::new((24, 31), 0.3, true, true).scores(&first, &second);
        assert!(scores.len() > 500);
        for found in &scores {
            let mut both = Vec::new();
            for (((r, c), q), valid) in second.heights.indexed_iter().zip(&second.valid) {
                let (Some(row), Some(column)) = (r.checked_add_signed(found.y), c.checked_add_signed(found.x)) else {
                    continue;
                };
                if *valid && first.valid.get([row, column]) == Some(&true) {
                    both.push((first.heights[[row, column]], *q));
                }
            }
            let n = both.len() as f64;
            let (a, b) = both.iter().fold((0.0, 0.0), |(a, b), (p, q)| (a + p / n, b + q / n));
            let sum = |f: &dyn Fn(f64, f64) -> f64| both.iter().map(|(p, q)| f(p - a, q - b)).sum::<f64>();
            let wanted = sum(&|p, q| p * q) / (sum(&|p, _| p * p) * sum(&|_, q| q * q)).sqrt();
            assert!((found.score - wanted).abs() < 1e-9, "{found:?} {wanted}");
            assert!((found.weight / found.score - n.sqrt()).abs() < 1e-6);
        }
    }

    #[test]
    fn the_peak_is_the_shift_and_what_repeats_has_no_clear_one() {
        let (first, second) = views();
        let correlation = Correlation::new((24, 31), 0.3, true, true);
        let peak = correlation.peak(&first, &second).unwrap();
        assert_eq!((peak.x, peak.y, peak.at_zero), (5, -2, false));
        assert!(peak.ratio > 3.0, "{peak:?}");

        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let tile = Array2::from_shape_simple_fn((24, 10), || rng.random_range(-1.0..1.0f64));
        let repeating = |x: usize| Roughness {
            heights: Array2::from_shape_fn((24, 31), |(r, c)| tile[[r, (c + x) % 10]]),
            valid: Array2::from_elem((24, 31), true),
        };
        let peak = correlation.peak(&repeating(0), &repeating(6)).unwrap();
        assert!(peak.ratio < 1.1, "{peak:?}");
    }
}
