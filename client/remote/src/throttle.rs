//! A limit of bytes a second that all transfers of a program share.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// What may pass at once after a pause.
const BURST: Duration = Duration::from_millis(250);

/// A token bucket; without a limit everything passes at once.
#[derive(Debug, Default)]
pub struct Throttle {
    bytes_per_second: Option<u64>,
    /// When what was let pass so far is paid for.
    paid: Mutex<Option<Instant>>,
}

impl Throttle {
    /// A limit in bytes a second; `None` or 0 is none.
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second: bytes_per_second.filter(|rate| *rate > 0), paid: Mutex::new(None) }
    }

    /// Waits until `bytes` may pass.
    pub async fn pass(&self, bytes: usize) {
        if let Some(until) = self.reserve(bytes) {
            tokio::time::sleep_until(until).await;
        }
    }

    fn reserve(&self, bytes: usize) -> Option<Instant> {
        let rate = self.bytes_per_second?;
        let now = Instant::now();
        let mut paid = self.paid.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let from = paid.unwrap_or(earliest).max(earliest);
        let until = from + Duration::from_secs_f64(bytes as f64 / rate as f64);
        *paid = Some(until);
        (until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_transfers_share_the_rate() {
        let throttle = Throttle::new(Some(10_000));
        let begun = Instant::now();
        let one = async {
            for _ in 0..50 {
                throttle.pass(100).await;
            }
        };
        let other = async {
            for _ in 0..50 {
                throttle.pass(100).await;
            }
        };
        tokio::join!(one, other);
        let seconds = begun.elapsed().as_secs_f64();
        // a quarter of a second passes at once
        assert!(seconds >= 0.7, "10,000 bytes at 10,000 a second took {seconds} s");
    }

    #[tokio::test]
    async fn without_a_limit_nothing_waits() {
        let begun = Instant::now();
        Throttle::new(None).pass(1 << 30).await;
        Throttle::new(Some(0)).pass(1 << 30).await;
        assert!(begun.elapsed() < Duration::from_secs(10), "1 GiB waited");
    }
}
