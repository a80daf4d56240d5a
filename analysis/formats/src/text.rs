//! Text as instruments write it: UTF-8 or Latin-1, any line end, numbers that must be numbers.

use std::borrow::Cow;

/// The lines of a text file without their ends and without a byte order mark. A line that is not UTF-8 is Latin-1.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut rest = (!bytes.is_empty()).then_some(bytes);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let end = text.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(text.len());
        let (line, behind) = text.split_at(end);
        let behind = behind.strip_prefix(b"\r\n").or_else(|| behind.get(1..)).unwrap_or_default();
        rest = (!behind.is_empty()).then_some(behind);
        Some(decode(line))
    })
}

/// Bytes as UTF-8, or else as Latin-1.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// A finite number that fills the whole text but for white space around it.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// The first line without white space at its ends, for recognising; at most 200 bytes of it.
pub(crate) fn first_line(bytes: &[u8]) -> Cow<'_, str> {
    let head = bytes.get(..200).unwrap_or(bytes);
    match lines(head).next() {
        Some(Cow::Borrowed(line)) => Cow::Borrowed(line.trim()),
        Some(Cow::Owned(line)) => Cow::Owned(line.trim().to_owned()),
        None => Cow::Borrowed(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_ends_one_line() {
        let all: Vec<_> = lines(b"\xEF\xBB\xBFa\r\n\r\nb\nc\rd \xB5m\n").collect();
        assert_eq!(all, ["a", "", "b", "c", "d \u{b5}m"]);
        assert_eq!(lines(b"").count(), 0);
        assert_eq!(lines(b"\n").count(), 1);
    }

    #[test]
    fn only_finite_numbers_are_numbers() {
        assert_eq!(number(" -1.5e3\t"), Some(-1500.0));
        for text in ["", "nan", "inf", "1e999", "1,5", "0x10", "1 2"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_line_is_short_whatever_follows() {
        assert_eq!(first_line(b" Zygo XYZ \r\n5"), "Zygo XYZ");
        assert_eq!(first_line(&[b'x'; 9999]).len(), 200);
        assert_eq!(first_line(b""), "");
    }
}
