//! Time and randomness, as parameters: tests bring their own.

use std::fmt::Debug;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};
use stitchbox_schema::Timestamp;

/// Where the time comes from.
pub trait Clock: Debug + Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }
}

pub(crate) const RANDOM_BITS: u32 = 20;

/// Makes ids: 43 bits of milliseconds since 1970, then 20 random bits (until the year 2248). They sort by time, and two
/// servers on one database meet only if they draw the same of a million numbers in the same millisecond; the primary
/// key then refuses the second.
#[derive(Debug)]
pub struct Ids {
    last: Mutex<i64>,
}

impl Default for Ids {
    fn default() -> Self {
        Self { last: Mutex::new(0) }
    }
}

impl Ids {
    /// The next id: larger than every earlier one of this process.
    pub fn next(&self, now: Timestamp) -> i64 {
        let mut random = [0u8; 4];
        // Without randomness the id is still unique in this process, which holds the only writer of its database or
        // else is refused by the primary key.
        let _ = getrandom::fill(&mut random);
        let low = i64::from(u32::from_le_bytes(random) >> (32 - RANDOM_BITS));
        let fresh = (now.0.max(0) / 1_000_000) << RANDOM_BITS | low;
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *last = fresh.max(*last + 1);
        *last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_when_the_clock_does_not() {
        let ids = Ids::default();
        let mut earlier = 0;
        for _ in 0..10_000 {
            let id = ids.next(Timestamp(1_700_000_000_000_000_000));
            assert!(id > earlier);
            earlier = id;
        }
        assert!(ids.next(Timestamp(0)) > earlier);
    }
}
