//! Multipart bodies (RFC 2046, 5.1.1), piece by piece: events out of bytes, without I/O.
//!
//! Bounded: what waits in memory is at most a block of headers or a boundary. A part that says its length is read by
//! it, whatever its bytes look like; another ends where the boundary stands.

use bytes::{Buf, Bytes, BytesMut};

/// Longest block of headers of a part, bytes.
const MOST_HEADER_BYTES: usize = 16 * 1024;
/// Longest text before the first boundary, bytes.
const MOST_PREAMBLE: usize = 4 * 1024;
/// Longest boundary, bytes (RFC 2046).
const MOST_BOUNDARY: usize = 70;

/// What comes next in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A part begins.
    Part(PartHeaders),
    /// Bytes of the part; never empty.
    Bytes(Bytes),
    /// The part ends.
    PartEnd,
    /// The body ends; what follows has no meaning.
    End,
}

/// The headers of a part; names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PartHeaders(Vec<(String, String)>);

impl PartHeaders {
    /// The first header of this name, given in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn parse(block: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(block).map_err(|_| Malformed("the headers of a part are not UTF-8"))?;
        let mut headers = Vec::new();
        for line in text.split("\r\n").filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(Malformed("a header of a part has no colon"))?;
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Self(headers))
    }
}

/// Why a body is no multipart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub &'static str);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    /// After a boundary: a line end, or the two dashes of the last one.
    AfterBoundary,
    Headers,
    /// This many bytes are missing of a part that said its length.
    Counted(u64),
    /// The part ends where the boundary stands.
    Open,
    /// The boundary must stand here.
    Boundary,
    End,
}

/// A body on its way.
#[derive(Debug)]
pub(super) struct Multipart {
    buffer: BytesMut,
    /// `\r\n--boundary`
    delimiter: Vec<u8>,
    state: State,
}

impl Multipart {
    /// Reads the boundary out of a `Content-Type`.
    pub(super) fn of(content_type: &str) -> Result<Self, Malformed> {
        let boundary = boundary(content_type).ok_or(Malformed("Content-Type names no boundary"))?;
        if boundary.is_empty() || boundary.len() > MOST_BOUNDARY {
            return Err(Malformed("the boundary must have 1 to 70 characters"));
        }
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        // The first boundary has no line before it: it gets its line end here.
        Ok(Self { buffer: BytesMut::from(&b"\r\n"[..]), delimiter, state: State::Preamble })
    }

    /// Adds bytes that arrived.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.state != State::End {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next event; `None` if more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<Event>, Malformed> {
        loop {
            match self.state {
                State::Preamble => match find(&self.buffer, &self.delimiter) {
                    Some(at) => {
                        self.buffer.advance(at + self.delimiter.len());
                        self.state = State::AfterBoundary;
                    }
                    None if self.buffer.len() > MOST_PREAMBLE + self.delimiter.len() => {
                        return Err(Malformed("the body does not begin with its boundary"));
                    }
                    None => return Ok(None),
                },
                State::AfterBoundary => match self.buffer.get(..2) {
                    None => return Ok(None),
                    Some(b"--") => {
                        self.buffer.clear();
                        self.state = State::End;
                    }
                    Some(b"\r\n") => {
                        // Kept: a part without headers has an empty line at once.
                        self.state = State::Headers;
                    }
                    Some(_) => return Err(Malformed("a boundary is followed by something else than a line end")),
                },
                State::Headers => return self.headers(),
                State::Counted(0) => {
                    self.state = State::Boundary;
                    return Ok(Some(Event::PartEnd));
                }
                State::Counted(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
                    if here == 0 {
                        return Ok(None);
                    }
                    self.state = State::Counted(left - here as u64);
                    return Ok(Some(Event::Bytes(self.buffer.split_to(here).freeze())));
                }
                State::Open => return Ok(self.open()),
                State::Boundary => {
                    let Some(here) = self.buffer.get(..self.delimiter.len()) else { return Ok(None) };
                    if here != self.delimiter {
                        return Err(Malformed("a part is longer than its Content-Length says"));
                    }
                    self.buffer.advance(self.delimiter.len());
                    self.state = State::AfterBoundary;
                }
                State::End => return Ok(Some(Event::End)),
            }
        }
    }

    fn headers(&mut self) -> Result<Option<Event>, Malformed> {
        let Some(end) = find(&self.buffer, b"\r\n\r\n") else {
            if self.buffer.len() > MOST_HEADER_BYTES {
                return Err(Malformed("the headers of a part are longer than 16 KiB"));
            }
            return Ok(None);
        };
        if end > MOST_HEADER_BYTES {
            return Err(Malformed("the headers of a part are longer than 16 KiB"));
        }
        let block = self.buffer.split_to(end + 4);
        let headers = PartHeaders::parse(&block)?;
        self.state = match headers.get("content-length") {
            Some(text) => State::Counted(text.parse().map_err(|_| Malformed("a Content-Length is not a number"))?),
            None => {
                // An empty body is followed by the boundary's own line end, which must not be lost.
                State::Open
            }
        };
        Ok(Some(Event::Part(headers)))
    }

    fn open(&mut self) -> Option<Event> {
        match find(&self.buffer, &self.delimiter) {
            Some(0) => {
                self.buffer.advance(self.delimiter.len());
                self.state = State::AfterBoundary;
                Some(Event::PartEnd)
            }
            Some(at) => Some(Event::Bytes(self.buffer.split_to(at).freeze())),
            None => {
                // The beginning of a boundary may stand at the end.
                let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
                (sure > 0).then(|| Event::Bytes(self.buffer.split_to(sure).freeze()))
            }
        }
    }
}

/// Where a text begins in another.
fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    let first = *text.first()?;
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let at = from + rest.iter().position(|byte| *byte == first)?;
        if bytes.get(at..)?.starts_with(text) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The parameter `boundary` of a media type, with or without quotes.
fn boundary(content_type: &str) -> Option<String> {
    let mut rest = content_type.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, next) = quoted.split_once('"')?;
                (value, next.trim_start().trim_start_matches(';'))
            }
            None => after.split_once(';').unwrap_or((after, "")),
        };
        if name.trim().eq_ignore_ascii_case("boundary") {
            return Some(value.trim().to_owned());
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Parts = Vec<(Vec<(String, String)>, Vec<u8>)>;

    /// Reads a body cut into pieces; events become whole parts.
    fn read(content_type: &str, pieces: &[&[u8]]) -> Result<Option<Parts>, Malformed> {
        let mut multipart = Multipart::of(content_type)?;
        let mut parts: Parts = Vec::new();
        for piece in pieces {
            multipart.feed(piece);
            while let Some(event) = multipart.next()? {
                match event {
                    Event::Part(PartHeaders(headers)) => parts.push((headers, Vec::new())),
                    Event::Bytes(bytes) => {
                        assert!(!bytes.is_empty());
                        parts.last_mut().expect("a part began").1.extend_from_slice(&bytes);
                    }
                    Event::PartEnd => {}
                    Event::End => return Ok(Some(parts)),
                }
            }
        }
        Ok(None)
    }

    const TYPE: &str = "multipart/related; boundary=\"b-1\"";

    #[test]
    fn parts_with_and_without_length() {
        let body =
            b"ignored\r\n--b-1\r\nX-File-Path: /a b\r\nContent-Length: 9\r\n\r\nx\r\n--b-1y\r\n--b-1\r\n\r\nopen\r\n\
                     --b-1\r\nA:1\r\n\r\n\r\n--b-1--\r\nepilogue";
        let parts = read(TYPE, &[body]).unwrap().unwrap();
        let bodies: Vec<&[u8]> = parts.iter().map(|(_, body)| body.as_slice()).collect();
        assert_eq!(bodies, [&b"x\r\n--b-1y"[..], b"open", b""]);
        assert_eq!(parts[0].0[0], ("x-file-path".to_owned(), "/a b".to_owned()));
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for wrong in [
            &b"--b-1\r\nContent-Length: 1\r\n\r\nxy\r\n--b-1--"[..],
            b"--b-1\r\nContent-Length: -1\r\n\r\n",
            b"--b-1\r\nno colon\r\n\r\n",
            b"--b-1xx\r\n\r\n",
            b"--b-1\r\n\xff: x\r\n\r\n",
            &[b'x'; 9000],
        ] {
            assert!(read(TYPE, &[wrong]).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
        let endless = [&b"--b-1\r\nA: "[..], &[b'x'; 20_000]].concat();
        assert!(read(TYPE, &[&endless]).is_err());
        for wrong in ["multipart/related", "multipart/related; boundary=", "multipart/related; boundary"] {
            assert!(Multipart::of(wrong).is_err(), "{wrong}");
        }
        assert!(Multipart::of(&format!("multipart/related; boundary={}", "x".repeat(71))).is_err());
        assert_eq!(boundary("multipart/related; type=\"a;b\"; boundary=x"), Some("x".to_owned()));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_however_it_is_cut(
            bodies in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..6),
            piece in 1..50_usize,
        ) {
            let mut text = Vec::new();
            for (body, counted) in &bodies {
                text.extend_from_slice(b"--b-1\r\n");
                // Random bytes do not hold the boundary, so both ways of ending must find the same.
                if *counted {
                    text.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
                }
                text.extend_from_slice(b"X-N: v\r\n\r\n");
                text.extend_from_slice(body);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"--b-1--\r\n");
            let pieces: Vec<&[u8]> = text.chunks(piece).collect();
            let parts = read(TYPE, &pieces).unwrap().expect("a whole body");
            let found: Vec<Vec<u8>> = parts.into_iter().map(|(_, body)| body).collect();
            let written: Vec<Vec<u8>> = bodies.into_iter().map(|(body, _)| body).collect();
            prop_assert_eq!(found, written);
        }

        #[test]
        fn nothing_makes_it_panic(pieces in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                Just(b"\r\n--b-1".to_vec()), Just(b"--b-1\r\n".to_vec()), Just(b"\r\n\r\n".to_vec()), Just(b"--".to_vec()),
                Just(b"Content-Length: 5\r\n".to_vec()),
            ], 0..30)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let _ = read(TYPE, &pieces);
        }
    }
}
