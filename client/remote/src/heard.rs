//! Telling how many bytes moved, and taking back what an attempt that failed had told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that moved since the last call; negative when an attempt begins anew.
pub type Listener = dyn Fn(i64) + Send + Sync;

/// One attempt of one transfer, and who is told of it.
#[derive(Clone, Default)]
pub struct Heard {
    listener: Option<Arc<Listener>>,
    told: Arc<AtomicU64>,
}

impl Heard {
    /// Tells `listener`.
    pub fn by(listener: Arc<Listener>) -> Self {
        Self { listener: Some(listener), told: Arc::default() }
    }

    /// The same listener for another attempt or another part.
    pub(crate) fn again(&self) -> Self {
        Self { listener: self.listener.clone(), told: Arc::default() }
    }

    pub(crate) fn moved(&self, bytes: u64) {
        self.told.fetch_add(bytes, Ordering::Relaxed);
        self.tell(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// What this attempt told does not count.
    pub(crate) fn take_back(&self) {
        let told = self.told.swap(0, Ordering::Relaxed);
        if told > 0 {
            self.tell(-i64::try_from(told).unwrap_or(i64::MAX));
        }
    }

    fn tell(&self, bytes: i64) {
        if let Some(listener) = &self.listener {
            listener(bytes);
        }
    }
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heard").field("told", &self.told).finish_non_exhaustive()
    }
}
