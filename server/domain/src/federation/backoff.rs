//! How long is waited before something is said again.

use std::time::Duration;

/// The pauses after failures.
#[derive(Debug, Clone)]
pub struct Backoff {
    /// After the first, second, … failure; the last one repeats.
    pub steps: Vec<Duration>,
    /// Part of a pause by which it varies at random, up and down: 0 to 1.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { steps: [1, 5, 30, 120, 600, 3600].map(Duration::from_secs).to_vec(), jitter: 0.2 }
    }
}

impl Backoff {
    /// The pause after so many failures.
    #[must_use]
    pub fn pause(&self, failures: i64) -> Duration {
        let at = usize::try_from(failures.saturating_sub(1)).unwrap_or(0).min(self.steps.len().saturating_sub(1));
        let step = self.steps.get(at).copied().unwrap_or(Duration::from_secs(3600));
        let mut random = [0u8; 4];
        // Without randomness all wait equally long.
        let _ = getrandom::fill(&mut random);
        let vary = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX) * 2.0 - 1.0;
        step.mul_f64((1.0 + vary * self.jitter.clamp(0.0, 1.0)).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_last_one_and_vary_within_their_part() {
        let backoff = Backoff { steps: vec![Duration::from_secs(1), Duration::from_secs(10)], jitter: 0.2 };
        for (failures, seconds) in [(1, 1.0), (2, 10.0), (3, 10.0), (100, 10.0), (0, 1.0)] {
            for _ in 0..50 {
                let pause = backoff.pause(failures).as_secs_f64();
                assert!((pause / seconds - 1.0).abs() <= 0.2001, "{failures}: {pause}");
            }
        }
        let drawn: Vec<_> = (0..20).map(|_| backoff.pause(1)).collect();
        assert!(drawn.iter().any(|pause| *pause != drawn[0]));
    }
}
