//! Waiting for something the server does by itself. Limits are generous: they catch "never", not "slow".

use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(120);
const STEP: Duration = Duration::from_millis(50);

/// Asks `look` again and again until it gives a value.
///
/// # Panics
/// When two minutes pass, with `what` in the message.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "waited {} s in vain for: {what}", LIMIT.as_secs());
        std::thread::sleep(STEP);
    }
}

/// Waits until `holds` is true.
///
/// # Panics
/// When two minutes pass, with `what` in the message.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}
