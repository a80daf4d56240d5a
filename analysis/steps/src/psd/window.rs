//! Windows: the weights that make the ends of a line meet. Periodic form (as long as one period of the transform),
//! like `scipy.signal.get_window`.

use std::f64::consts::{PI, TAU};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StepError;
use crate::frame::within;

/// Weights along a line before its spectrum is taken.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Window {
    /// All 1. What the ends differ by leaks over all frequencies.
    None,
    /// A raised cosine.
    #[default]
    Hann,
    /// A raised cosine that ends at 0.08.
    Hamming,
    /// Three cosine terms (0.42, 0.5, 0.08).
    Blackman,
    /// Four cosine terms; leaks least (-92 dB).
    BlackmanHarris,
    /// Kaiser's window.
    Kaiser {
        /// From 0 (no window) to 100; 8.6 is like Blackman.
        beta: f64,
    },
    /// Flat with cosine ends.
    Tukey {
        /// Part of the length that the two ends take together, 0 (no window) to 1 (Hann).
        alpha: f64,
    },
}

impl Window {
    /// The parameter, if it has a meaning.
    pub(super) fn check(self, step: &'static str) -> Result<(), StepError> {
        match self {
            Self::Kaiser { beta } => within(step, "beta", beta, 0.0..=100.0, "it must be from 0 to 100").map(drop),
            Self::Tukey { alpha } => within(step, "alpha", alpha, 0.0..=1.0, "it must be from 0 to 1").map(drop),
            Self::None | Self::Hann | Self::Hamming | Self::Blackman | Self::BlackmanHarris => Ok(()),
        }
    }

    /// Weights of a line of n points.
    pub(super) fn weights(self, n: usize) -> Vec<f64> {
        let cosines = |terms: &[f64], place: f64| -> f64 {
            terms.iter().enumerate().map(|(k, a)| a * libm::cos(TAU * k as f64 * place)).sum()
        };
        let weight = |k: usize| {
            let place = k as f64 / n as f64;
            match self {
                Self::None => 1.0,
                Self::Hann => cosines(&[0.5, -0.5], place),
                Self::Hamming => cosines(&[0.54, -0.46], place),
                Self::Blackman => cosines(&[0.42, -0.5, 0.08], place),
                Self::BlackmanHarris => cosines(&[0.35875, -0.48829, 0.14128, -0.01168], place),
                Self::Kaiser { beta } => {
                    let from_middle = 2.0 * place - 1.0;
                    bessel_i0(beta * (1.0 - from_middle * from_middle).max(0.0).sqrt()) / bessel_i0(beta)
                }
                Self::Tukey { alpha } => {
                    let from_end = place.min(1.0 - place);
                    if from_end < alpha / 2.0 { 0.5 * (1.0 - libm::cos(PI * from_end * 2.0 / alpha)) } else { 1.0 }
                }
            }
        };
        (0..n).map(weight).collect()
    }
}

/// The modified Bessel function of order 0, by its power series (all terms are positive).
fn bessel_i0(x: f64) -> f64 {
    let square = x * x / 4.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > 1e-17 * sum {
        term *= square / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_scipy() {
        // [scipy.signal.get_window(w, 10)[[0, 1, 3, 5]] for w in ...], scipy 1.17.1
        let expected = [
            (Window::None, [1.0, 1.0, 1.0, 1.0]),
            (Window::Hann, [0.0, 0.09549150281252632, 0.6545084971874737, 1.0]),
            (Window::Hamming, [0.08000000000000007, 0.16785218258752427, 0.6821478174124759, 1.0]),
            (Window::Blackman, [0.0, 0.0402128623625221, 0.5097871376374778, 0.9999999999999999]),
            (Window::BlackmanHarris, [6e-05, 0.01098233127624892, 0.3858926687237512, 1.0]),
            (Window::Kaiser { beta: 6.0 }, [0.01487333710476321, 0.11939845843903255, 0.6344902671476397, 1.0]),
            (Window::Tukey { alpha: 0.5 }, [0.0, 0.34549150281252633, 1.0, 1.0]),
        ];
        for (window, values) in expected {
            let found = window.weights(10);
            for (k, value) in [0, 1, 3, 5].iter().zip(values) {
                assert!((found[*k] - value).abs() < 1e-14, "{window:?} {k}: {}", found[*k]);
            }
        }
        assert!(Window::Tukey { alpha: 1.1 }.check("psd").is_err());
        assert!(Window::Kaiser { beta: f64::NAN }.check("psd").is_err());
    }
}
