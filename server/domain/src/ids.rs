//! Where new ids come from: a counter for every process, ordered by time.

use std::sync::Mutex;
use std::time::Duration;
use stitchbox_schema::Timestamp;

/// Ids count milliseconds from 2020-01-01 UTC, which lasts until 2089.
const EPOCH_MS: i64 = 1_577_836_800_000;
const SEQUENCE_BITS: u32 = 12;
const PROCESS_BITS: u32 = 10;

/// Makes ids: 41 bits of milliseconds, 10 bits for the process, 12 bits of sequence. They sort by time (of one clock),
/// and no two processes on one database draw the same unless a thousand were started between them.
#[derive(Debug)]
pub struct Ids {
    process: i64,
    last: Mutex<(i64, i64)>,
}

impl Ids {
    /// For the process that was given this number by the database.
    #[must_use]
    pub fn new(process: i64) -> Self {
        Self { process: process.rem_euclid(1 << PROCESS_BITS), last: Mutex::new((0, 0)) }
    }

    /// The next id: larger than every earlier one of this process, even if the clock was set back.
    pub fn next(&self, now: Timestamp) -> i64 {
        let now_ms = (now.0.div_euclid(1_000_000) - EPOCH_MS).max(1);
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (last_ms, sequence) = *last;
        *last = if now_ms > last_ms {
            (now_ms, 0)
        } else if sequence + 1 < 1 << SEQUENCE_BITS {
            (last_ms, sequence + 1)
        } else {
            (last_ms + 1, 0)
        };
        (last.0 << (PROCESS_BITS + SEQUENCE_BITS)) | (self.process << SEQUENCE_BITS) | last.1
    }

    /// As [`Ids::next`], and larger than `earlier`, which another process may have drawn by a clock ahead of ours.
    pub fn next_after(&self, now: Timestamp, earlier: i64) -> i64 {
        let id = self.next(now);
        if id > earlier { id } else { self.next(Self::made_at(earlier).after(Duration::from_millis(1))) }
    }

    /// When an id was made, by the clock of its process, to the millisecond.
    #[must_use]
    pub fn made_at(id: i64) -> Timestamp {
        Timestamp(((id >> (PROCESS_BITS + SEQUENCE_BITS)) + EPOCH_MS).saturating_mul(1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

    #[test]
    fn ids_grow_even_when_the_clock_does_not() {
        let ids = Ids::new(3);
        let mut earlier = 0;
        for _ in 0..10_000 {
            let id = ids.next(NOW);
            assert!(id > earlier);
            earlier = id;
        }
        assert!(ids.next(Timestamp(0)) > earlier);
    }

    #[test]
    fn an_id_can_be_made_later_than_another_processes() {
        let (behind, ahead) = (Ids::new(1), Ids::new(2));
        let drawn = ahead.next(NOW.after(Duration::from_secs(60)));
        let after = behind.next_after(NOW, drawn);
        assert!(after > drawn && after != ahead.next(NOW));
        assert!(behind.next(NOW) > after);
    }

    #[test]
    fn an_id_tells_when_it_was_made() {
        assert_eq!(Ids::made_at(Ids::new(1).next(NOW)), NOW);
    }

    #[test]
    fn two_processes_never_draw_the_same() {
        let (one, two) = (Ids::new(1), Ids::new(2));
        let drawn: HashSet<i64> = (0..20_000).flat_map(|_| [one.next(NOW), two.next(NOW)]).collect();
        assert_eq!(drawn.len(), 40_000);
    }
}
