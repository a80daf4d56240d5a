//! The line between the thread that computes and the task that keeps the lease.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use stitchbox_recipe::Progress;

/// Progress in one direction, the wish to stop in the other.
#[derive(Debug)]
pub(crate) struct Watch {
    latest: Mutex<(f64, String)>,
    cancelled: AtomicBool,
}

impl Default for Watch {
    fn default() -> Self {
        Self { latest: Mutex::new((0.0, "reading the files".to_owned())), cancelled: AtomicBool::new(false) }
    }
}

impl Watch {
    /// What the computation said last.
    pub fn latest(&self) -> (f64, String) {
        self.latest.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Asks the computation to stop.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl Progress for Watch {
    fn at(&self, fraction: f64, step: &str) {
        *self.latest.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = (fraction, step.to_owned());
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}
