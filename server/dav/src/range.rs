//! The `Range` header of a GET (RFC 9110, 14.2): one byte range, or the whole file.
//!
//! Several ranges in one request are answered with the whole file, which the RFC allows; a reply can then never be
//! larger than the file, whatever was asked.

use std::ops::Range;

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it, with status 200.
    Whole,
    /// These bytes, with status 206. Never empty.
    Part(Range<u64>),
    /// Nothing the file has, status 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `size` bytes. What cannot be read is ignored, as the RFC demands.
pub(crate) fn select(header: &str, size: u64) -> Selection {
    let Some((unit, set)) = header.split_once('=') else { return Selection::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return Selection::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Selection::Whole };
    match (number(first), number(last)) {
        (Bound::Number(first), Bound::Absent) => within(first, size, size),
        (Bound::Number(first), Bound::Number(last)) if first <= last => within(first, last.saturating_add(1), size),
        (Bound::Absent, Bound::Number(length)) => within(size.saturating_sub(length), size, size),
        _ => Selection::Whole,
    }
}

enum Bound {
    Absent,
    Number(u64),
    Unreadable,
}

fn number(text: &str) -> Bound {
    if text.is_empty() {
        return Bound::Absent;
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Bound::Unreadable;
    }
    // More digits than a file can have bytes: beyond every end.
    Bound::Number(text.parse().unwrap_or(u64::MAX))
}

fn within(first: u64, end: u64, size: u64) -> Selection {
    let end = end.min(size);
    if first < end { Selection::Part(first..end) } else { Selection::Unsatisfiable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_ranges_are_cut_to_the_file() {
        for (header, part) in [
            ("bytes=0-99", 0..100),
            ("bytes=100-", 100..1000),
            ("bytes=-10", 990..1000),
            ("bytes=-5000", 0..1000),
            ("bytes=0-0", 0..1),
            ("bytes=999-5000", 999..1000),
            ("Bytes= 5-6", 5..7),
            ("bytes=0-99999999999999999999999", 0..1000),
        ] {
            assert_eq!(select(header, 1000), Selection::Part(part), "{header}");
        }
    }

    #[test]
    fn beyond_the_end_is_said() {
        for header in ["bytes=1000-", "bytes=2000-3000", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(select(header, 1000), Selection::Unsatisfiable, "{header}");
        }
        assert_eq!(select("bytes=0-", 0), Selection::Unsatisfiable);
    }

    #[test]
    fn the_rest_gets_the_whole_file() {
        for header in ["lines=1-2", "bytes=1-2,5-6", "bytes=5-2", "bytes=a-b", "bytes=-", "bytes", "", "bytes=+1-2"] {
            assert_eq!(select(header, 1000), Selection::Whole, "{header}");
        }
    }
}
