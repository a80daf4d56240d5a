//! Bodies of requests: XML read within limits, absence checked, and what is left of a refused one.

use crate::errors::Fault;
use crate::xml_in::MAX_BODY;
use axum::body::Body;
use axum::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use http_body::Body as _;
use http_body_util::BodyExt;
use std::time::Duration;
use stitchbox_domain::Error;

/// A client that sends nothing for this long has gone.
const SILENCE: Duration = Duration::from_secs(120);
/// What is read of a refused body before the answer, so that the connection can be kept.
const DRAINED_BYTES: u64 = 1024 * 1024;
const DRAINED_FOR: Duration = Duration::from_secs(5);
/// How long a larger one is read after the answer, before the connection is closed.
const LINGER: Duration = Duration::from_secs(30);

/// The next bytes of a body; `None` at its end.
pub(crate) async fn next(body: &mut Body) -> Result<Option<Bytes>, Fault> {
    loop {
        let frame = tokio::time::timeout(SILENCE, body.frame()).await.map_err(|_| Error::BodyBroken)?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(Error::BodyBroken.into()),
            // Trailers are not data.
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// A whole XML body, within the limit. Its `Content-Type` does not matter: many clients send none.
pub(crate) async fn xml(body: &mut Body) -> Result<Bytes, Fault> {
    let mut read = BytesMut::new();
    while let Some(bytes) = next(body).await? {
        if read.len() + bytes.len() > MAX_BODY {
            return Err(Fault::BodyTooLarge);
        }
        read.extend_from_slice(&bytes);
    }
    Ok(read.freeze())
}

/// Refuses a body where none has a meaning.
pub(crate) async fn none(body: &mut Body) -> Result<(), Fault> {
    while let Some(bytes) = next(body).await? {
        if !bytes.is_empty() {
            return Err(Fault::UnsupportedBody);
        }
    }
    Ok(())
}

/// Takes the rest of a refused body off the connection; false if it is better closed. A client that waits for
/// `100 Continue` is not asked to send.
pub(crate) async fn drain(body: &mut Body, headers: &HeaderMap) -> bool {
    if body.is_end_stream() {
        return true;
    }
    let awaits_permission = headers.contains_key("expect");
    if awaits_permission || body.size_hint().lower() > DRAINED_BYTES {
        return false;
    }
    let reading = async {
        let mut left = DRAINED_BYTES;
        while let Ok(Some(bytes)) = next(body).await {
            left = left.saturating_sub(bytes.len() as u64);
            if left == 0 {
                return false;
            }
        }
        body.is_end_stream()
    };
    tokio::time::timeout(DRAINED_FOR, reading).await.unwrap_or(false)
}

/// The answer to a request whose body is still coming, over HTTP/1: the text at once, its end when the client has
/// stopped sending or [`LINGER`] is over. A connection closed over unread bytes is reset, and a client that sends before
/// it reads would never see why.
pub(crate) fn linger(rest: Body, answer: Body) -> Body {
    let until = tokio::time::Instant::now() + LINGER;
    let reading = stream::once(async move {
        let mut rest = rest;
        let to_the_end = async { while let Ok(Some(_)) = next(&mut rest).await {} };
        let _ = tokio::time::timeout_at(until, to_the_end).await;
        Ok(Bytes::new())
    });
    Body::from_stream(answer.into_data_stream().chain(reading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn xml_is_read_up_to_the_limit() {
        assert_eq!(xml(&mut Body::from("<a/>")).await.unwrap(), "<a/>");
        let long = "x".repeat(MAX_BODY + 1);
        assert!(matches!(xml(&mut Body::from(long)).await, Err(Fault::BodyTooLarge)));
    }

    #[tokio::test]
    async fn a_body_without_meaning_is_refused() {
        assert!(none(&mut Body::empty()).await.is_ok());
        assert!(matches!(none(&mut Body::from("x")).await, Err(Fault::UnsupportedBody)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ends_even_if_the_client_never_stops_sending() {
        let endless = Body::from_stream(stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        }));
        let answer = linger(endless, Body::from("why"));
        assert_eq!(answer.collect().await.unwrap().to_bytes(), "why");
    }

    #[tokio::test]
    async fn a_refused_body_is_taken_off_the_connection_if_it_is_short() {
        assert!(drain(&mut Body::from("short"), &HeaderMap::new()).await);
        assert!(!drain(&mut Body::from(vec![0; 2 * 1024 * 1024]), &HeaderMap::new()).await);
        let waiting = HeaderMap::from_iter([("expect".parse().unwrap(), "100-continue".parse().unwrap())]);
        assert!(!drain(&mut Body::from("short"), &waiting).await);
    }
}
