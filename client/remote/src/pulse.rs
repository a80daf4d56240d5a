//! Whether a transfer still moves: the last moment at which a byte passed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::WireError;

/// Told of every byte that passes; shared by a body and the one who waits for the answer.
#[derive(Debug, Clone)]
pub struct Pulse {
    begun: Instant,
    last: Arc<AtomicU64>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { begun: Instant::now(), last: Arc::default() }
    }
}

impl Pulse {
    /// Something moved now.
    pub fn beat(&self) {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    /// Waits for `work` as long as the pulse never pauses for `patience`.
    ///
    /// # Errors
    /// [`WireError::Stalled`] when it does.
    pub async fn watch<T>(&self, patience: Duration, work: impl Future<Output = T>) -> Result<T, WireError> {
        let mut work = std::pin::pin!(work);
        loop {
            let end = self.begun + Duration::from_millis(self.last.load(Ordering::Relaxed)) + patience;
            match tokio::time::timeout_at(end, work.as_mut()).await {
                Ok(done) => return Ok(done),
                Err(_) if self.begun + Duration::from_millis(self.last.load(Ordering::Relaxed)) + patience <= end => {
                    return Err(WireError::Stalled(patience));
                }
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(400);

    #[tokio::test]
    async fn slow_is_fine_and_still_is_not() {
        let pulse = Pulse::default();
        let slow = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                pulse.beat();
            }
        };
        assert!(pulse.watch(PATIENCE, slow).await.is_ok());
        let pulse = Pulse::default();
        let still = tokio::time::sleep(Duration::from_secs(60));
        assert!(matches!(pulse.watch(PATIENCE, still).await, Err(WireError::Stalled(_))));
    }
}
