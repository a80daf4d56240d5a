//! Waiting for something the server does by itself. Limits are generous: they catch "never", not "slow".

use std::time::{Duration, Instant};

/// Two minutes; whoever looks for a mistake may want to know sooner (`WAIT_LIMIT`, seconds).
fn limit() -> Duration {
    let set = std::env::var("WAIT_LIMIT").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(set.unwrap_or(120))
}

const STEP: Duration = Duration::from_millis(50);

/// Asks `look` again and again until it gives a value.
///
/// # Panics
/// When two minutes pass, with `what` in the message.
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_or_tell(look, || what.to_owned())
}

/// As [`wait_for`]; `tell` describes what was awaited and what there is instead, once it is too late.
///
/// # Panics
/// When two minutes pass.
pub fn wait_or_tell<T>(mut look: impl FnMut() -> Option<T>, tell: impl FnOnce() -> String) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        if start.elapsed() > limit() {
            panic!("waited {} s in vain for {}", limit().as_secs(), tell());
        }
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
