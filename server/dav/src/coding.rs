//! Bodies folded with zstd on their way: unfolded piece by piece, never by more than was announced.

use crate::errors::Fault;
use crate::request_body;
use crate::request_headers::text;
use axum::body::Body;
use axum::http::HeaderMap;
use bytes::{Buf, Bytes, BytesMut};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// Bytes unfolded at a time.
const STEP: usize = 128 * 1024;
/// The largest window a body may need, as power of two: 8 MiB of memory for one body.
const WINDOW_LOG: u32 = 23;

/// A request's body as it was before it was folded.
pub(crate) struct Unfolded<'b> {
    body: &'b mut Body,
    folded: Option<Folded>,
}

/// The size of a body whose `Content-Encoding` is zstd, or that it has none.
pub(crate) fn is_folded(headers: &HeaderMap) -> Result<bool, Fault> {
    match text(headers, "content-encoding").map(|encoding| encoding.trim().to_ascii_lowercase()).as_deref() {
        None | Some("" | "identity") if !headers.contains_key("content-encoding") => Ok(false),
        Some("" | "identity") => Ok(false),
        Some("zstd") => Ok(true),
        _ => Err(Fault::UnsupportedBody),
    }
}

impl<'b> Unfolded<'b> {
    /// Looks at `Content-Encoding`. Whoever reads a folded body must bound it by what was announced.
    pub(crate) fn of(headers: &HeaderMap, body: &'b mut Body) -> Result<Self, Fault> {
        let folded = if is_folded(headers)? { Some(Folded::begin()?) } else { None };
        Ok(Self { body, folded })
    }

    /// The next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(folded) = &mut self.folded else { return request_body::next(self.body).await };
        loop {
            if let Some(bytes) = folded.step()? {
                return Ok(Some(bytes));
            }
            match request_body::next(self.body).await? {
                Some(bytes) => folded.waiting = bytes,
                None if folded.at_end => return Ok(None),
                None => return Err(BROKEN),
            }
        }
    }
}

const BROKEN: Fault = Fault::BadRequest("the body is not zstd, breaks off, or needs a window above 8 MiB");

/// A stream of zstd frames on its way.
struct Folded {
    decoder: Decoder<'static>,
    waiting: Bytes,
    /// Where the next step is unfolded to.
    out: BytesMut,
    /// Between two frames, where a body may end.
    at_end: bool,
    /// The decoder may hold more than fitted into the last step.
    more: bool,
}

impl Folded {
    fn begin() -> Result<Self, Fault> {
        let mut decoder = Decoder::new().map_err(|_| BROKEN)?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).map_err(|_| BROKEN)?;
        Ok(Self { decoder, waiting: Bytes::new(), out: BytesMut::new(), at_end: true, more: false })
    }

    /// Unfolds a step of what waits; `None` if more has to come first.
    fn step(&mut self) -> Result<Option<Bytes>, Fault> {
        while self.more || !self.waiting.is_empty() {
            self.out.resize(STEP, 0);
            let mut input = InBuffer::around(&self.waiting);
            let mut output = OutBuffer::around(&mut self.out[..]);
            let hint = self.decoder.run(&mut input, &mut output).map_err(|_| BROKEN)?;
            let (read, written) = (input.pos(), output.pos());
            self.waiting.advance(read);
            self.at_end = hint == 0;
            self.more = written == STEP && hint != 0;
            if written > 0 {
                // A small piece must not hold the memory of a large one: the receiver gathers them by their length.
                return Ok(Some(match self.out.get(..written) {
                    Some(piece) if written < STEP / 2 => Bytes::copy_from_slice(piece),
                    _ => {
                        let mut out = std::mem::take(&mut self.out);
                        out.truncate(written);
                        out.freeze()
                    }
                }));
            }
            if read == 0 {
                break;
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    fn headers() -> HeaderMap {
        HeaderMap::from_iter([("content-encoding".parse().unwrap(), "zstd".parse().unwrap())])
    }

    async fn unfold(body: &[u8], piece: usize) -> Result<Vec<u8>, Fault> {
        let pieces: Vec<Result<Bytes, std::io::Error>> =
            body.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut body = Body::from_stream(stream::iter(pieces));
        let mut unfolded = Unfolded::of(&headers(), &mut body)?;
        let mut all = Vec::new();
        while let Some(bytes) = unfolded.next().await? {
            assert!(bytes.len() <= STEP);
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn what_was_folded_comes_back_however_it_is_cut() {
        let plain: Vec<u8> = (0..600_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let mut folded = zstd::bulk::compress(&plain, 3).unwrap();
        folded.extend(zstd::bulk::compress(b"second frame", 3).unwrap());
        for piece in [1000, 7919, 1 << 20] {
            let all = unfold(&folded, piece).await.unwrap();
            assert_eq!(all.len(), plain.len() + 12);
            assert!(all.starts_with(&plain) && all.ends_with(b"second frame"));
        }
        assert_eq!(unfold(&zstd::bulk::compress(b"", 3).unwrap(), 3).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn a_byte_that_comes_alone_takes_no_more_memory_than_it_needs() {
        use zstd::stream::raw::Encoder;
        let mut encoder = Encoder::new(1).unwrap();
        let mut pieces = Vec::new();
        for _ in 0..50 {
            let mut room = [0_u8; 64];
            let mut output = OutBuffer::around(&mut room[..]);
            encoder.run(&mut InBuffer::around(b"x"), &mut output).unwrap();
            encoder.flush(&mut output).unwrap();
            let written = output.pos();
            pieces.push(Ok::<_, std::io::Error>(Bytes::copy_from_slice(&room[..written])));
        }
        let mut body = Body::from_stream(stream::iter(pieces));
        let mut unfolded = Unfolded::of(&headers(), &mut body).unwrap();
        let mut held = 0;
        for _ in 0..50 {
            let piece = unfolded.next().await.unwrap().unwrap();
            held += piece.try_into_mut().unwrap().capacity();
        }
        assert!(held < 50 * 1024, "{held} bytes of memory for 50 bytes");
    }

    #[tokio::test]
    async fn what_breaks_off_or_is_no_zstd_is_refused() {
        let folded = zstd::bulk::compress(&[7; 5000], 3).unwrap();
        assert!(unfold(&folded[..folded.len() - 2], 100).await.is_err());
        assert!(unfold(b"plain text, not zstd", 100).await.is_err());
    }

    #[test]
    fn other_encodings_are_refused() {
        let with = |value: &str| HeaderMap::from_iter([("content-encoding".parse().unwrap(), value.parse().unwrap())]);
        assert!(is_folded(&with("ZSTD")).unwrap() && !is_folded(&with("identity")).unwrap());
        assert!(!is_folded(&HeaderMap::new()).unwrap());
        assert!(is_folded(&with("gzip")).is_err() && is_folded(&with("zstd, gzip")).is_err());
    }
}
