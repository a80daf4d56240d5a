//! Random numbers: one independent ChaCha8 stream for each purpose, so that the noise of one sub-aperture can be made
//! again without making anything else.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What random numbers are for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// Positions.
    Layout,
    /// The mirror.
    Truth,
    /// The reference of the interferometer and the dust on its detector.
    Reference,
    /// Piston, pitch and roll.
    Correctors,
    /// Pixel noise of one sub-aperture.
    Noise(usize),
    /// Missing pixels of one sub-aperture.
    Gaps(usize),
    /// Outliers of one sub-aperture.
    Outliers(usize),
}

/// The stream of a purpose.
pub(crate) fn stream(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let number = match purpose {
        Purpose::Layout => 0,
        Purpose::Truth => 1,
        Purpose::Reference => 2,
        Purpose::Correctors => 3,
        Purpose::Noise(k) => (1 << 32) + k as u64,
        Purpose::Gaps(k) => (2 << 32) + k as u64,
        Purpose::Outliers(k) => (3 << 32) + k as u64,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}

/// Standard normal numbers from a stream, by the polar form of Box and Muller: two at a time.
pub(crate) struct Normal<R> {
    rng: R,
    spare: Option<f64>,
}

impl<R: Rng> Normal<R> {
    /// Normal numbers from uniform ones.
    pub(crate) fn new(rng: R) -> Self {
        Self { rng, spare: None }
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> f64 {
        if let Some(value) = self.spare.take() {
            return value;
        }
        loop {
            let (x, y) = (2.0 * self.rng.random::<f64>() - 1.0, 2.0 * self.rng.random::<f64>() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let factor = (-2.0 * libm::log(square) / square).sqrt();
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_the_moments_of_a_normal_distribution() {
        let mut normal = Normal::new(stream(1, Purpose::Noise(0)));
        let n = 200_000;
        let values: Vec<f64> = (0..n).map(|_| normal.next()).collect();
        let moment = |p: i32| values.iter().map(|v| v.powi(p)).sum::<f64>() / f64::from(n);
        assert!(moment(1).abs() < 0.01 && moment(3).abs() < 0.05, "{} {}", moment(1), moment(3));
        assert!((moment(2) - 1.0).abs() < 0.02 && (moment(4) - 3.0).abs() < 0.15, "{} {}", moment(2), moment(4));
    }

    #[test]
    fn streams_differ_by_purpose_and_repeat_by_seed() {
        let first = |seed, purpose| stream(seed, purpose).random::<u64>();
        assert_eq!(first(1, Purpose::Noise(3)), first(1, Purpose::Noise(3)));
        assert_ne!(first(1, Purpose::Noise(3)), first(1, Purpose::Noise(4)));
        assert_ne!(first(1, Purpose::Noise(3)), first(1, Purpose::Gaps(3)));
        assert_ne!(first(1, Purpose::Noise(3)), first(2, Purpose::Noise(3)));
    }
}
