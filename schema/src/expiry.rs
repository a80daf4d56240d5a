//! Until when something holds, as people and clients write it.

use crate::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime};

/// Reads `2026-12-31`, which lasts to the end of that day (UTC), or an instant: `2026-12-31T12:00:00Z`. Midnight after a
/// day, which some clients add (`2026-12-31 00:00:00`), is the day.
#[must_use]
pub fn expiry(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (day, rest) = (text.get(..10)?, text.get(10..)?);
    let is_day = matches!(rest, "" | " 00:00:00" | " 00:00" | "T00:00:00" | "T00:00:00.000Z" | "T00:00:00Z");
    if !is_day {
        let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        return i64::try_from(instant.unix_timestamp_nanos()).ok().map(Timestamp);
    }
    let mut numbers = day.split('-');
    let (year, month, day) = (numbers.next()?, numbers.next()?, numbers.next()?);
    if (year.len(), month.len(), day.len()) != (4, 2, 2) || numbers.next().is_some() {
        return None;
    }
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let last = date.with_hms(23, 59, 59).ok()?.assume_utc();
    let nanos = i64::try_from(last.unix_timestamp_nanos()).ok()?;
    (nanos > 0).then_some(Timestamp(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_lasts_to_its_end_and_an_instant_is_one() {
        let shown = |text: &str| expiry(text).map(Timestamp::rfc3339).unwrap_or_default();
        for day in ["2026-12-31", "2026-12-31 00:00:00", "2026-12-31T00:00:00.000Z", " 2026-12-31 "] {
            assert_eq!(shown(day), "2026-12-31T23:59:59.000Z", "{day}");
        }
        assert_eq!(shown("2026-12-31T12:30:00+01:00"), "2026-12-31T11:30:00.000Z");
        assert_eq!(shown("2024-02-29"), "2024-02-29T23:59:59.000Z");
        for wrong in [
            "",
            "2026",
            "2026-02-30",
            "26-12-31",
            "2026-1-1",
            "tomorrow!!",
            "2026-12-31 noon",
            "9999-12-31",
            "ä026-12-31",
        ] {
            assert_eq!(expiry(wrong), None, "{wrong}");
        }
    }
}
