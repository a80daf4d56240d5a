//! A panic is a defect of ours: it ends what was being done with an error, and not the task that does it, whose end would be
//! that of the whole server.

use futures::FutureExt;
use std::panic::AssertUnwindSafe;

/// The work panicked; its message has been logged where it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Does work to its end, be that a panic. What the work shared with others must hold after any of its steps.
pub(crate) async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_after_a_pause_ends_only_the_work() {
        let work = async |fails: bool| {
            tokio::task::yield_now().await;
            assert!(!fails, "on purpose");
            7
        };
        assert_eq!(guarded(work(true)).await, Err(Panicked));
        assert_eq!(guarded(work(false)).await, Ok(7));
    }
}
