//! Bluestein's chirp: a transform of any length as a convolution of a smooth length.

use super::stockham::Stockham;
use super::{Complex, Scratch, smooth_length};

/// One length.
pub(super) struct Bluestein {
    inner: Stockham,
    /// `exp(-pi i k^2 / n)`.
    chirp: Vec<Complex>,
    /// Transform of the conjugate chirp laid out cyclically, divided by the inner length.
    spectrum: Vec<Complex>,
}

impl Bluestein {
    pub(super) fn new(length: usize) -> Self {
        let (padded, inner) = smooth_stockham(2 * length - 1);
        let n = length as u64;
        let chirp: Vec<Complex> = (0..n)
            .map(|k| {
                let square = (u128::from(k) * u128::from(k) % u128::from(2 * n)) as u64;
                Complex::root(square, 2 * n)
            })
            .collect();
        let mut spectrum = vec![Complex::default(); padded];
        for (k, value) in chirp.iter().enumerate() {
            spectrum[k] = value.conjugate();
            spectrum[(padded - k) % padded] = value.conjugate();
        }
        inner.transform(&mut spectrum, &mut Vec::new());
        let scale = 1.0 / padded as f64;
        let spectrum = spectrum.into_iter().map(|value| value.scaled(scale)).collect();
        Self { inner, chirp, spectrum }
    }

    pub(super) fn transform(&self, values: &mut [Complex], scratch: &mut Scratch) {
        let padded = &mut scratch.padded;
        padded.clear();
        padded.extend(values.iter().zip(&self.chirp).map(|(value, chirp)| *value * *chirp));
        padded.resize(self.spectrum.len(), Complex::default());
        self.inner.transform(padded, &mut scratch.swap);
        for (value, factor) in padded.iter_mut().zip(&self.spectrum) {
            // Conjugated, so that the next forward transform is the inverse.
            *value = (*value * *factor).conjugate();
        }
        self.inner.transform(padded, &mut scratch.swap);
        for ((value, chirp), product) in values.iter_mut().zip(&self.chirp).zip(padded.iter()) {
            *value = product.conjugate() * *chirp;
        }
    }
}

/// The next smooth length from `least` on, and its transform.
fn smooth_stockham(least: usize) -> (usize, Stockham) {
    let mut length = smooth_length(least);
    loop {
        match Stockham::new(length) {
            Some(stockham) => return (length, stockham),
            None => length = smooth_length(length + 1),
        }
    }
}
