//! Times as people write them: `"10 s"`, `"2 min"`, `"1.5 h"`.

use std::time::Duration;

/// Longest time a recipe may ask to wait: a week.
const LONGEST: f64 = 7.0 * 86_400.0;

/// Reads a number with its unit; `None` without a unit, with an unknown one, or beyond zero to a week.
pub(super) fn read(text: &str) -> Option<Duration> {
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = trimmed.split_at(split);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit.trim() {
        "ms" => 0.001,
        "s" | "sec" | "second" | "seconds" => 1.0,
        "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    };
    let total = number * seconds;
    (0.0..=LONGEST).contains(&total).then(|| Duration::from_millis((total * 1000.0).round() as u64))
}

/// Writes a time in the largest unit that needs no fraction.
pub(super) fn write(time: Duration) -> String {
    let milliseconds = time.as_millis();
    for (unit, length) in [("h", 3_600_000), ("min", 60_000), ("s", 1000)] {
        if milliseconds > 0 && milliseconds.is_multiple_of(length) {
            return format!("{} {unit}", milliseconds / length);
        }
    }
    format!("{milliseconds} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_units() {
        assert_eq!(read("10 s"), Some(Duration::from_secs(10)));
        assert_eq!(read("2min"), Some(Duration::from_secs(120)));
        assert_eq!(read("0.5 h"), Some(Duration::from_secs(1800)));
        assert_eq!(read("250 ms"), Some(Duration::from_millis(250)));
        for wrong in ["10", "s", "", "ten s", "10 parsec", "-3 s", "9000 h", "1.2.3 s"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn written_times_read_back() {
        for seconds in [1, 10, 60, 90, 7200] {
            let time = Duration::from_secs(seconds);
            assert_eq!(read(&write(time)), Some(time));
        }
        assert_eq!(write(Duration::from_secs(120)), "2 min");
    }
}
