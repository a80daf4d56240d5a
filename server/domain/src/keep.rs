//! How long things are kept that nobody sees any more, and which earlier versions of a file stay.

use std::collections::HashMap;
use std::time::Duration;
use stitchbox_schema::{Timestamp, VersionId};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What an administrator may set about keeping; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// How long a deleted item can be restored.
    pub trash: Option<Duration>,
    /// How old an earlier version of a file may become.
    pub versions: Option<Duration>,
    /// Whether earlier versions become fewer with age: all of the last hour, then one an hour for a day, one a day for
    /// 30 days, one a week after that.
    pub thin_versions: bool,
    /// How long the bytes of a version stay after it, at least: longer than from one backup of the database to the next.
    pub blobs: Duration,
    /// How long the journal remembers a change: a client that was away longer lists its tree again.
    pub changes: Option<Duration>,
}

impl Default for Keep {
    fn default() -> Self {
        Self { trash: Some(MONTH), versions: None, thin_versions: true, blobs: 2 * DAY, changes: Some(3 * MONTH) }
    }
}

/// An earlier version of a file, as far as it matters whether it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// Which.
    pub id: VersionId,
    /// When it was committed.
    pub at: Timestamp,
}

impl Keep {
    /// The earlier versions of a file that may go now.
    ///
    /// Time is cut into hours, days and weeks that begin where the calendar of 1970 does, whatever the age of a
    /// version, and of each the last version stays. Hours lie within days and days within weeks, so a version that is
    /// the last of its week was never in another one's way before.
    #[must_use]
    pub fn outdated(&self, earlier: &[Earlier], now: Timestamp) -> Vec<VersionId> {
        let mut last_of: HashMap<(i64, i64), Earlier> = HashMap::new();
        let span_of = |version: &Earlier| {
            let span =
                span_at_age(Duration::from_nanos(u64::try_from(now.0.saturating_sub(version.at.0)).unwrap_or(0)))?;
            let length = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
            Some((length, version.at.0.div_euclid(length)))
        };
        for version in earlier {
            let Some(span) = span_of(version) else { continue };
            let last = last_of.entry(span).or_insert(*version);
            if (version.at, version.id) > (last.at, last.id) {
                *last = *version;
            }
        }
        let too_old = |version: &Earlier| self.versions.is_some_and(|kept| version.at < now.before(kept));
        let thinned = |version: &Earlier| {
            let last = span_of(version).and_then(|span| last_of.get(&span));
            self.thin_versions && last.is_some_and(|last| last.id != version.id)
        };
        earlier.iter().filter(|version| too_old(version) || thinned(version)).map(|version| version.id).collect()
    }
}

/// Of what span of time one version stays, at an age; none: all stay.
fn span_at_age(age: Duration) -> Option<Duration> {
    match age {
        age if age < HOUR => None,
        age if age < DAY => Some(HOUR),
        age if age < MONTH => Some(DAY),
        _ => Some(WEEK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_700_000_000_000_000_000);

    /// A version every ten minutes for a hundred days, thinned every six hours, as a server does.
    #[test]
    fn thinning_again_and_again_leaves_no_gaps_and_few_versions() {
        let keep = Keep::default();
        let mut kept: Vec<Earlier> = Vec::new();
        let ten_minutes = Duration::from_secs(600);
        let mut now = START;
        for number in 0..100 * 144 {
            now = START.after(ten_minutes * number);
            kept.push(Earlier { id: VersionId(i64::from(number) + 1), at: now });
            if number % 36 == 0 {
                let gone = keep.outdated(&kept, now);
                kept.retain(|version| !gone.contains(&version.id));
            }
        }
        let gone = keep.outdated(&kept, now);
        kept.retain(|version| !gone.contains(&version.id));
        let within = |from: Duration, to: Duration| {
            kept.iter().filter(|version| version.at > now.before(from) && version.at <= now.before(to)).count()
        };
        assert_eq!(within(HOUR, Duration::ZERO), 6, "all of the last hour");
        for hour in 2..22 {
            assert!(within(HOUR * (hour + 2), HOUR * hour) >= 1, "hour {hour}");
        }
        for day in 2..28 {
            assert!(within(DAY * (day + 2), DAY * day) >= 1, "day {day}");
        }
        for week in 5..12 {
            assert!(within(WEEK * (week + 2), WEEK * week) >= 1, "week {week}");
        }
        // 6 + 24 + 30 + 10 and what the borders add.
        assert!(kept.len() <= 80, "{}", kept.len());
        assert!(kept.iter().any(|version| version.at <= START.after(WEEK)), "the first week is still there");
    }

    #[test]
    fn an_age_ends_everything_and_for_ever_is_for_ever() {
        let old = [Earlier { id: VersionId(1), at: START }, Earlier { id: VersionId(2), at: START.after(HOUR) }];
        let now = START.after(10 * MONTH);
        let keep = |versions, thin_versions| Keep { versions, thin_versions, ..Keep::default() };
        assert_eq!(keep(Some(MONTH), false).outdated(&old, now), [VersionId(1), VersionId(2)]);
        assert_eq!(keep(None, false).outdated(&old, now), []);
        assert_eq!(keep(None, true).outdated(&old, now), [VersionId(1)], "one of the week");
        assert_eq!(keep(Some(MONTH), true).outdated(&old, START.after(HOUR)), []);
    }
}
