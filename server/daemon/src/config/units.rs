//! Values with a unit: `"10 s"`, `"10 MiB"`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The text is no number with a known unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{given}\" is not {expected}")]
pub struct UnitError {
    given: String,
    expected: &'static str,
}

/// A duration; smallest unit 1 ms, at least 1 ms, at most 10 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

const SPANS: [(&str, u64); 9] = [
    ("ms", 1),
    ("s", 1000),
    ("sec", 1000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("day", 86_400_000),
    ("days", 86_400_000),
    ("m", 60_000),
];
const LONGEST_SPAN_MS: u64 = 3650 * 86_400_000;
const A_SPAN: &str = "a duration such as \"500 ms\", \"10 s\", \"15 min\", \"2 h\" or \"7 d\"";

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

const SIZES: [(&str, u64); 10] = [
    ("B", 1),
    ("", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];
const A_SIZE: &str = "a size such as \"10 MiB\", \"500 GB\" or \"2 TiB\"";

/// Cuts a number from its unit and multiplies; exact for decimal fractions of up to nine digits.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = units.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| *factor)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let parts = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let number = whole.parse::<u64>().ok().map(u128::from)? * parts + fraction.parse::<u128>().ok()?;
    u64::try_from(number.checked_mul(u128::from(factor))? / parts).ok()
}

impl FromStr for Span {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        match parse(text, &SPANS) {
            Some(ms) if (1..=LONGEST_SPAN_MS).contains(&ms) => Ok(Self(Duration::from_millis(ms))),
            _ => Err(UnitError { given: text.to_owned(), expected: A_SPAN }),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (unit, factor) = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)]
            .into_iter()
            .find(|(_, factor)| ms % factor == 0)
            .unwrap_or(("ms", 1));
        write!(f, "{} {unit}", ms / factor)
    }
}

impl FromStr for Size {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        // More than the store can count is no size.
        parse(text, &SIZES)
            .filter(|bytes| i64::try_from(*bytes).is_ok())
            .map(Self)
            .ok_or_else(|| UnitError { given: text.to_owned(), expected: A_SIZE })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = [("TiB", 1u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
            .into_iter()
            .find(|(_, factor)| self.0 >= *factor)
            .unwrap_or(("B", 1));
        if self.0.is_multiple_of(factor) {
            return write!(f, "{} {unit}", self.0 / factor);
        }
        write!(f, "{:.1} {unit}", self.0 as f64 / factor as f64)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Exact, so that it is read back as what it was.
impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{} B", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_printed_with_their_unit() {
        for (text, ms, printed) in [
            ("500 ms", 500, "500 ms"),
            ("10s", 10_000, "10 s"),
            ("1.5 min", 90_000, "90 s"),
            ("2 h", 7_200_000, "2 h"),
            ("48 h", 172_800_000, "2 d"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.0, span.to_string().as_str()), (Duration::from_millis(ms), printed));
        }
        for wrong in
            ["", "10", "soon", "-1 s", "0 s", "1e3 s", "1..5 s", "10 parsecs", "99999999999999999999 s", "11 years"]
        {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_and_printed_with_their_unit() {
        for (text, bytes, printed) in [
            ("10 MiB", 10 << 20, "10 MiB"),
            ("500 GB", 500_000_000_000, "465.7 GiB"),
            ("1.5KiB", 1536, "1.5 KiB"),
            ("0", 0, "0 B"),
            ("123 B", 123, "123 B"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, printed));
        }
        for wrong in ["", "a lot", "-5 MiB", "10 mib", "9999999 TiB", "99999999999999999999999 B", "."] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
