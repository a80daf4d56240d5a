//! Fourier transforms of any length that give the same bits on every machine.
//!
//! Stockham's self-sorting algorithm for lengths made of small primes (radices 4, 2, 3, 5, 7, 11, 13), Bluestein's
//! chirp for the others. Own code because the crate `rustfft` takes its factors `exp(i phi)` from the system's
//! `sin` and `cos`, even with its scalar planner, and glibc chooses those by CPU: measured, the bits differ with and
//! without FMA. Here they come from `libm`.

mod bluestein;
mod complex;
mod cosine;
mod stockham;

pub use complex::Complex;
pub(crate) use cosine::Cosine;

use bluestein::Bluestein;
use stockham::Stockham;

/// A transform of one length: `out[j] = sum_k in[k] exp(-2 pi i j k / n)`.
pub struct Fourier {
    length: usize,
    way: Way,
}

enum Way {
    Stockham(Stockham),
    Bluestein(Box<Bluestein>),
}

/// Room that the transforms of one thread use again and again.
#[derive(Default)]
pub struct Scratch {
    swap: Vec<Complex>,
    padded: Vec<Complex>,
}

impl Fourier {
    /// Prepares transforms of `length` (at least 1).
    #[must_use]
    pub fn new(length: usize) -> Self {
        let length = length.max(1);
        let way = match Stockham::new(length) {
            Some(stockham) => Way::Stockham(stockham),
            None => Way::Bluestein(Box::new(Bluestein::new(length))),
        };
        Self { length, way }
    }

    /// The length.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The transform in place, without a factor. `values` must have the length.
    pub fn forward(&self, values: &mut [Complex], scratch: &mut Scratch) {
        debug_assert_eq!(values.len(), self.length);
        match &self.way {
            Way::Stockham(stockham) => stockham.transform(values, &mut scratch.swap),
            Way::Bluestein(bluestein) => bluestein.transform(values, scratch),
        }
    }

    /// The inverse in place, with the factor `1 / n`.
    pub fn inverse(&self, values: &mut [Complex], scratch: &mut Scratch) {
        for value in values.iter_mut() {
            *value = value.conjugate();
        }
        self.forward(values, scratch);
        let scale = 1.0 / self.length as f64;
        for value in values.iter_mut() {
            *value = Complex::new(value.re * scale, -value.im * scale);
        }
    }
}

/// The smallest number not below `length` that has no prime factor above 5.
#[must_use]
pub fn smooth_length(length: usize) -> usize {
    let mut candidate = length.max(1);
    loop {
        let mut rest = candidate;
        for prime in [2, 3, 5] {
            while rest.is_multiple_of(prime) {
                rest /= prime;
            }
        }
        if rest == 1 {
            return candidate;
        }
        candidate += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize) -> Vec<Complex> {
        // Any sequence without structure: fractional parts of multiples of irrational numbers.
        (0..n)
            .map(|k| Complex::new((k as f64 * 0.618_034).fract() - 0.5, (k as f64 * k as f64 * 0.414_2).fract()))
            .collect()
    }

    fn by_definition(values: &[Complex]) -> Vec<Complex> {
        let n = values.len() as u64;
        (0..n)
            .map(|j| values.iter().zip(0..n).fold(Complex::default(), |sum, (v, k)| sum + *v * Complex::root(j * k, n)))
            .collect()
    }

    #[test]
    fn every_length_agrees_with_the_definition_and_returns() {
        let mut scratch = Scratch::default();
        for n in (1..=68).chain([97, 120, 128, 143, 210, 256, 243, 360, 509, 1000, 1001]) {
            let original = values(n);
            let fourier = Fourier::new(n);
            let mut found = original.clone();
            fourier.forward(&mut found, &mut scratch);
            for (a, b) in found.iter().zip(by_definition(&original)) {
                assert!((*a - b).power().sqrt() < 1e-11, "n = {n}: {a:?} {b:?}");
            }
            fourier.inverse(&mut found, &mut scratch);
            for (a, b) in found.iter().zip(&original) {
                assert!((*a - *b).power().sqrt() < 1e-13, "n = {n}");
            }
        }
    }

    #[test]
    fn smooth_lengths_are_the_next_ones() {
        for (length, smooth) in [(0, 1), (1, 1), (7, 8), (11, 12), (13, 15), (31, 32), (1021, 1024), (1081, 1125)] {
            assert_eq!(smooth_length(length), smooth);
        }
    }
}
