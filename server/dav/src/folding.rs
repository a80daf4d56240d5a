//! Bodies of answers folded with zstd, for our own client alone: others say they accept it and break on it.

use crate::request_headers::text;
use axum::body::Body;
use axum::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use std::io;
use stitchbox_domain::BlobStream;
use zstd::stream::raw::{Encoder, InBuffer, Operation, OutBuffer};

/// Some hundred megabytes a second on one core, and most of what there is to gain.
const LEVEL: i32 = 3;
/// Smaller files gain nothing, bytes.
pub(crate) const SMALLEST: u64 = 1024;
const STEP: usize = 128 * 1024;

/// Whether the client is ours and accepts zstd by name.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepts = |value: &str| {
        value.split(',').any(|choice| {
            let (coding, parameters) = choice.split_once(';').unwrap_or((choice, ""));
            let refused = ["q=0", "q=0.0", "q=0.00", "q=0.000"].contains(&parameters.trim());
            coding.trim().eq_ignore_ascii_case("zstd") && !refused
        })
    };
    text(headers, "stitchbox-client") == Some("1") && text(headers, "accept-encoding").is_some_and(accepts)
}

/// The body folded, and true, if its beginning shrinks by a tenth or more; as it is, and false, if not.
pub(crate) async fn fold(mut bytes: BlobStream) -> (Body, bool) {
    let first = bytes.next().await;
    let shrinks = match &first {
        Some(Ok(first)) => zstd::bulk::compress(first, 1).is_ok_and(|folded| folded.len() < first.len() / 10 * 9),
        Some(Err(_)) | None => false,
    };
    let all = stream::iter(first).chain(bytes).boxed();
    match Encoder::new(LEVEL) {
        Ok(encoder) if shrinks => {
            let state = Folding { bytes: all, encoder, at_end: false };
            (
                Body::from_stream(stream::try_unfold(state, |mut state| async move {
                    Ok::<_, io::Error>(state.next().await?.map(|bytes| (bytes, state)))
                })),
                true,
            )
        }
        _ => (Body::from_stream(all), false),
    }
}

struct Folding {
    bytes: BlobStream,
    encoder: Encoder<'static>,
    at_end: bool,
}

impl Folding {
    /// The next folded bytes; none at the end. What breaks off ends with an error, never with the end of a frame.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut out = BytesMut::new();
        while out.is_empty() && !self.at_end {
            match self.bytes.next().await {
                Some(bytes) => {
                    let bytes = bytes?;
                    let mut input = InBuffer::around(&bytes);
                    while input.pos() < bytes.len() {
                        step(&mut out, |output| self.encoder.run(&mut input, output))?;
                    }
                }
                None => {
                    self.at_end = true;
                    while step(&mut out, |output| self.encoder.finish(output, true))? > 0 {}
                }
            }
        }
        Ok((!out.is_empty()).then(|| out.freeze()))
    }
}

/// Lets the encoder write once and appends what it wrote.
fn step(out: &mut BytesMut, write: impl FnOnce(&mut OutBuffer<'_, [u8]>) -> io::Result<usize>) -> io::Result<usize> {
    let written_before = out.len();
    out.resize(written_before + STEP, 0);
    let mut output = OutBuffer::around(&mut out[written_before..]);
    let hint = write(&mut output)?;
    let written = output.pos();
    out.truncate(written_before + written);
    Ok(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn stream_of(bytes: &[u8]) -> BlobStream {
        let pieces: Vec<io::Result<Bytes>> =
            bytes.chunks(100_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        stream::iter(pieces).boxed()
    }

    #[tokio::test]
    async fn what_shrinks_is_folded_and_comes_back() {
        let text: Vec<u8> = (0..400_000_u32).flat_map(|n| format!("{}\n", n / 3).into_bytes()).collect();
        let (body, folded) = fold(stream_of(&text)).await;
        let sent = body.collect().await.unwrap().to_bytes();
        assert!(folded && sent.len() < text.len() / 4);
        assert_eq!(zstd::stream::decode_all(&sent[..]).unwrap(), text);
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        });
        let noise: Vec<u8> = noise.take(300_000).collect();
        let (body, folded) = fold(stream_of(&noise)).await;
        assert!(!folded, "nothing to gain");
        assert_eq!(body.collect().await.unwrap().to_bytes(), noise);
        let (body, folded) = fold(stream_of(b"")).await;
        assert!(!folded && body.collect().await.unwrap().to_bytes().is_empty());
    }

    #[test]
    fn only_our_own_client_gets_it() {
        let headers = |ours: &'static str, accepted: &'static str| {
            HeaderMap::from_iter([
                ("stitchbox-client".parse().unwrap(), ours.parse().unwrap()),
                ("accept-encoding".parse().unwrap(), accepted.parse().unwrap()),
            ])
        };
        assert!(is_wanted(&headers("1", "gzip, Zstd;q=0.5")));
        assert!(!is_wanted(&headers("1", "gzip, zstd;q=0")) && !is_wanted(&headers("1", "*")));
        assert!(!is_wanted(&headers("2", "zstd")));
    }
}
