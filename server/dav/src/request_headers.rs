//! Small request headers: `Depth`, `Overwrite`, `X-OC-Mtime`, dates, and the size a body is announced to have.

use crate::coding::is_folded;
use crate::errors::Fault;
use axum::http::HeaderMap;
use stitchbox_domain::Error;
use stitchbox_schema::Timestamp;

/// The value of `Depth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The resource alone.
    Zero,
    /// With its children.
    One,
    /// With everything below.
    Infinity,
}

/// A header as text, if it is there and is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// `Depth`; `None` if it is not there.
pub(crate) fn depth(headers: &HeaderMap) -> Result<Option<Depth>, Fault> {
    match headers.get("depth").map(|value| value.as_bytes().to_ascii_lowercase()).as_deref() {
        None => Ok(None),
        Some(b"0") => Ok(Some(Depth::Zero)),
        Some(b"1") => Ok(Some(Depth::One)),
        Some(b"infinity") => Ok(Some(Depth::Infinity)),
        Some(_) => Err(Fault::BadRequest("the header Depth must be 0, 1 or infinity")),
    }
}

/// `Overwrite`; true if it is not there.
pub(crate) fn overwrite(headers: &HeaderMap) -> Result<bool, Fault> {
    match headers.get("overwrite").map(axum::http::HeaderValue::as_bytes) {
        None | Some(b"T" | b"t") => Ok(true),
        Some(b"F" | b"f") => Ok(false),
        Some(_) => Err(Fault::BadRequest("the header Overwrite must be T or F")),
    }
}

/// `X-OC-Mtime`: seconds since 1970, with or without a fraction.
pub(crate) fn mtime(headers: &HeaderMap) -> Option<Timestamp> {
    text(headers, "x-oc-mtime").and_then(seconds)
}

/// Seconds since 1970, with or without a fraction, as a point in time.
pub(crate) fn seconds(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole: i64 = whole.parse().ok()?;
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: i64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(Timestamp(whole.checked_mul(1_000_000_000)?.checked_add(nanoseconds)?))
}

/// An HTTP date.
pub(crate) fn date(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text.trim()).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_unix_seconds(i64::try_from(since.as_secs()).ok()?))
}

/// A point in time as HTTP date. What lies before 1970-01-01T00:00:01 is shown as that second: a client in the field
/// takes everything earlier for an error.
pub(crate) fn http_date(time: Timestamp) -> String {
    let seconds = u64::try_from(time.unix_seconds()).unwrap_or(0).max(1);
    // The last second of the year 9999, the last the format has.
    let seconds = seconds.min(253_402_300_799);
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}

/// A header that is a number of bytes.
pub(crate) fn length(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Fault> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(Some).ok_or(Fault::BadRequest("the announced length is not a number"))
}

/// `OC-Total-Length`: the size of the whole file, where the body is only a piece of it or empty.
pub(crate) fn total_length(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    length(headers, "oc-total-length")
}

/// The size of the body by whatever header says it; of a folded one, the size unfolded, which must be said. Two that
/// disagree are refused.
pub(crate) fn announced_size(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let folded = is_folded(headers)?;
    let mut announced: Option<u64> = None;
    for name in ["content-length", "oc-total-length", "x-expected-entity-length"] {
        let Some(size) = length(headers, name)?.filter(|_| !(folded && name == "content-length")) else { continue };
        match announced {
            Some(received) if received != size => {
                return Err(Error::BodyIncomplete { announced: size, received }.into());
            }
            _ => announced = Some(size),
        }
    }
    if folded && announced.is_none() {
        return Err(Fault::BadRequest("a zstd body needs X-Expected-Entity-Length: its size unfolded"));
    }
    Ok(announced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn depth_and_overwrite() {
        assert_eq!(depth(&with(&[])).unwrap(), None);
        assert_eq!(depth(&with(&[("depth", "Infinity")])).unwrap(), Some(Depth::Infinity));
        assert!(depth(&with(&[("depth", "2")])).is_err());
        assert!(overwrite(&with(&[])).unwrap());
        assert!(!overwrite(&with(&[("overwrite", "F")])).unwrap());
        assert!(overwrite(&with(&[("overwrite", "x")])).is_err());
    }

    #[test]
    fn times_of_clients() {
        assert_eq!(seconds("1600000000"), Some(Timestamp::from_unix_seconds(1_600_000_000)));
        assert_eq!(seconds("1600000000.5"), Some(Timestamp(1_600_000_000_500_000_000)));
        assert_eq!(seconds("-5"), Some(Timestamp::from_unix_seconds(-5)));
        for wrong in ["", "x", "1e9", "1.", "99999999999999999999", "9999999999999"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
        assert_eq!(http_date(Timestamp::from_unix_seconds(1_600_000_000)), "Sun, 13 Sep 2020 12:26:40 GMT");
        assert_eq!(http_date(Timestamp(-1)), "Thu, 01 Jan 1970 00:00:01 GMT");
        assert_eq!(http_date(Timestamp(i64::MAX)), "Fri, 11 Apr 2262 23:47:16 GMT");
        assert_eq!(date("Sun, 13 Sep 2020 12:26:40 GMT"), seconds("1600000000"));
    }

    #[test]
    fn lengths_must_agree() {
        assert_eq!(announced_size(&with(&[])).unwrap(), None);
        let agreeing = with(&[("content-length", "5"), ("oc-total-length", "5")]);
        assert_eq!(announced_size(&agreeing).unwrap(), Some(5));
        assert!(announced_size(&with(&[("content-length", "5"), ("oc-total-length", "999")])).is_err());
        assert!(announced_size(&with(&[("x-expected-entity-length", "many")])).is_err());
        let folded = [("content-encoding", "zstd"), ("content-length", "5"), ("x-expected-entity-length", "999")];
        assert_eq!(announced_size(&with(&folded)).unwrap(), Some(999));
        assert!(announced_size(&with(&folded[..2])).is_err(), "nobody says how large it becomes");
    }
}
