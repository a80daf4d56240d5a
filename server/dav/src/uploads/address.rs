//! Addresses of upload sessions and of their chunks.

use crate::mount::{NoAddress, push_segment, segments};

pub(super) const PREFIX: &str = "/remote.php/dav/uploads/";

/// An address below `/remote.php/dav/uploads/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sessions {
    pub(super) user: String,
    pub(super) spot: Spot,
}

/// What it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spot {
    /// All sessions of the user.
    Home,
    /// A session.
    Session(String),
    /// A chunk of a session.
    Chunk(String, String),
}

impl Sessions {
    pub(super) fn parse(path: &str) -> Result<Self, NoAddress> {
        let mut names = segments(path.strip_prefix(PREFIX).ok_or(NoAddress::Outside)?)?.into_iter();
        let user = names.next().ok_or(NoAddress::Outside)?;
        let spot = match (names.next(), names.next(), names.next()) {
            (None, ..) => Spot::Home,
            (Some(session), None, _) => Spot::Session(session),
            (Some(session), Some(chunk), None) => Spot::Chunk(session, chunk),
            _ => return Err(NoAddress::Outside),
        };
        Ok(Self { user, spot })
    }

    /// The URL of this address, with these names below the user's.
    pub(super) fn href(&self, names: &[&str]) -> String {
        let mut href = PREFIX.trim_end_matches('/').to_owned();
        push_segment(&mut href, &self.user);
        names.iter().for_each(|name| push_segment(&mut href, name));
        href
    }
}

/// What the name of a chunk says: its place in the order, and where it begins in the file if it is a range.
pub(super) fn place(name: &str) -> Option<(u64, Option<u64>)> {
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // The database counts with 63 bits.
        plain.then(|| text.parse::<u64>().ok()).flatten().filter(|number| i64::try_from(*number).is_ok())
    };
    match name.split_once('-') {
        None => number(name).map(|place| (place, None)),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some((first, Some(first)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_and_chunks() {
        let parse = |rest: &str| Sessions::parse(&format!("{PREFIX}{rest}"));
        assert_eq!(parse("anna").unwrap().spot, Spot::Home);
        assert_eq!(parse("anna/web-file%20x/").unwrap().spot, Spot::Session("web-file x".to_owned()));
        let chunk = parse("anna/s/000.file").unwrap();
        assert_eq!(chunk.spot, Spot::Chunk("s".to_owned(), "000.file".to_owned()));
        assert_eq!(chunk.href(&["s", "a b"]), "/remote.php/dav/uploads/anna/s/a%20b");
        assert_eq!(parse("anna/a/b/c"), Err(NoAddress::Outside));
        assert_eq!(parse(""), Err(NoAddress::Outside));
    }

    #[test]
    fn chunks_are_named_by_number_offset_or_range() {
        assert_eq!(place("10000"), Some((10_000, None)));
        assert_eq!(place("0000000000000012"), Some((12, None)));
        assert_eq!(place("000000010485760-000000020971519"), Some((10_485_760, Some(10_485_760))));
        for wrong in ["", "-", "1-", "-1", "5-4", "a", "1.5", "+1", "99999999999999999999", "1-2-3", ".file"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
