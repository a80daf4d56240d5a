//! The cosine transform (DCT-II and its inverse) of real lines, two lines in one complex transform (Makhoul 1980).
//!
//! The cosines are the eigenvectors of the second difference with free ends, which is what the integration of slopes
//! needs.

use super::{Complex, Fourier, Scratch};

/// A cosine transform of one length: `out[k] = sum_j in[j] cos(pi k (2 j + 1) / (2 n))`.
pub(crate) struct Cosine {
    fourier: Fourier,
    /// `exp(-pi i k / (2 n))`.
    quarter: Vec<Complex>,
}

impl Cosine {
    pub(crate) fn new(length: usize) -> Self {
        let fourier = Fourier::new(length);
        let n = fourier.len() as u64;
        Self { quarter: (0..n).map(|k| Complex::root(k, 4 * n)).collect(), fourier }
    }

    /// Transforms the lines whose values are the real and imaginary parts, in place.
    pub(crate) fn forward(&self, pair: &mut [Complex], room: &mut Vec<Complex>, scratch: &mut Scratch) {
        let n = self.fourier.len();
        room.clear();
        room.extend((0..n.div_ceil(2)).map(|j| pair[2 * j]));
        room.extend((0..n / 2).rev().map(|j| pair[2 * j + 1]));
        self.fourier.forward(room, scratch);
        for k in 0..n {
            let (here, mirrored) = (room[k], room[(n - k) % n].conjugate());
            // Spectra of the two real lines, taken apart by symmetry; the second one still carries a factor i.
            let first = (here + mirrored).scaled(0.5) * self.quarter[k];
            let second = ((here - mirrored).turned()).scaled(0.5) * self.quarter[k];
            pair[k] = Complex::new(first.re, second.re);
        }
    }

    /// The inverse of [`Self::forward`], in place.
    pub(crate) fn inverse(&self, pair: &mut [Complex], room: &mut Vec<Complex>, scratch: &mut Scratch) {
        let n = self.fourier.len();
        room.clear();
        room.extend((0..n).map(|k| {
            let here = pair[k];
            let mirrored = if k == 0 { Complex::default() } else { pair[n - k] };
            let back = self.quarter[k].conjugate();
            let first = Complex::new(here.re, -mirrored.re) * back;
            let second = Complex::new(here.im, -mirrored.im) * back;
            first + Complex::new(-second.im, second.re)
        }));
        self.fourier.inverse(room, scratch);
        for j in 0..n.div_ceil(2) {
            pair[2 * j] = room[j];
        }
        for j in 0..n / 2 {
            pair[2 * j + 1] = room[n - 1 - j];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition_and_returns() {
        let (mut room, mut scratch) = (Vec::new(), Scratch::default());
        for n in [1usize, 2, 3, 5, 8, 12, 17, 30, 101] {
            let original: Vec<Complex> =
                (0..n).map(|j| Complex::new((j as f64 * 0.37).fract() - 0.3, (j as f64 * 0.71).fract())).collect();
            let cosine = Cosine::new(n);
            let mut found = original.clone();
            cosine.forward(&mut found, &mut room, &mut scratch);
            for (k, value) in found.iter().enumerate() {
                let basis = |j: usize| libm::cos(std::f64::consts::PI * k as f64 * (2 * j + 1) as f64 / (2 * n) as f64);
                let re: f64 = original.iter().enumerate().map(|(j, v)| v.re * basis(j)).sum();
                let im: f64 = original.iter().enumerate().map(|(j, v)| v.im * basis(j)).sum();
                assert!((value.re - re).abs() < 1e-12 && (value.im - im).abs() < 1e-12, "n = {n}, k = {k}");
            }
            cosine.inverse(&mut found, &mut room, &mut scratch);
            for (a, b) in found.iter().zip(&original) {
                assert!((*a - *b).power().sqrt() < 1e-13, "n = {n}");
            }
        }
    }
}
