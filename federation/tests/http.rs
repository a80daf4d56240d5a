//! Calls to peers that are down, slow, lying or inside: each ends, in time, with what it was.

mod fake_peer;

use std::time::{Duration, Instant};

use bytes::Bytes;
use fake_peer::{FakePeer, Step, answer, http, policy};
use futures::{StreamExt, stream};
use http::Method;
use stitchbox_federation::http::{ByteStream, Call, PolicyError};
use stitchbox_federation::{Http, PeerError, Policy};

async fn ask(peer: &FakePeer, path: &str) -> Result<u16, PeerError> {
    http().ask(Call::get(peer.url(path))).await.map(|answer| answer.status)
}

/// Whether an error came, and within a time.
async fn within<T>(limit: Duration, call: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let result = call.await;
    assert!(began.elapsed() < limit, "took {:?}", began.elapsed());
    result
}

#[tokio::test]
async fn places_inside_are_refused_before_anything_is_sent() {
    let peer = FakePeer::start(|_| answer(200, &[], "secret")).await;
    let port = peer.address.port();
    let strict = Http::new(Policy { allow_private: false, ..policy() }).unwrap();
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "0.0.0.0",
        "169.254.169.254",
        "[64:ff9b::7f00:1]",
        "10.0.0.1",
    ] {
        let url = reqwest::Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let error = within(Duration::from_secs(2), strict.ask(Call::get(url))).await.unwrap_err();
        assert!(matches!(error, PeerError::ForbiddenAddress { .. }), "{host}: {error:?}");
        assert!(!error.retryable());
    }
    assert!(peer.heard().is_empty());
    // never, even where inside is allowed
    for host in ["0.0.0.0", "224.0.0.1", "192.0.2.1", "[::]"] {
        let url = reqwest::Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let error = http().ask(Call::get(url)).await.unwrap_err();
        assert!(matches!(error, PeerError::ForbiddenAddress { .. }), "{host}: {error:?}");
    }
}

#[tokio::test]
async fn only_https_is_spoken_unless_allowed() {
    let peer = FakePeer::start(|_| answer(200, &[], "")).await;
    let strict = Http::new(Policy { allow_http: false, ..policy() }).unwrap();
    let error = strict.ask(Call::get(peer.url("/"))).await.unwrap_err();
    assert!(matches!(error, PeerError::ForbiddenAddress { .. }));
    for url in ["ftp://127.0.0.1/", "file:///etc/passwd", "https://user:pass@127.0.0.1/"] {
        let error = http().ask(Call::get(reqwest::Url::parse(url).unwrap())).await.unwrap_err();
        assert!(matches!(error, PeerError::ForbiddenAddress { .. }), "{url}");
    }
    assert!(peer.heard().is_empty());
}

#[tokio::test]
async fn a_redirect_is_followed_within_its_origin_only() {
    let other = FakePeer::start(|_| answer(200, &[], "other")).await;
    let elsewhere = other.origin();
    let peer = FakePeer::start(move |heard| match heard.target.as_str() {
        "/near" => answer(301, &[("Location", "/here")], ""),
        "/here" => answer(200, &[], "ok"),
        "/round" => answer(302, &[("Location", "/round")], ""),
        "/scheme" => answer(302, &[("Location", "file:///etc/passwd")], ""),
        _ => answer(302, &[("Location", &format!("{elsewhere}/x"))], ""),
    })
    .await;
    assert_eq!(ask(&peer, "/near").await, Ok(200));
    assert!(matches!(ask(&peer, "/round").await, Err(PeerError::Redirected { .. })));
    for path in ["/far", "/scheme"] {
        let url = peer.url(path);
        let error = http().ask(Call::get(url.clone())).await.unwrap().success(&url).unwrap_err();
        assert!(matches!(error, PeerError::Redirected { status: 302, .. }), "{error}");
    }
    assert!(other.heard().is_empty());
    // a call that changes something follows nothing
    let url = peer.url("/near");
    assert_eq!(http().ask(Call::new(Method::POST, url)).await.unwrap().status, 301);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let peer = FakePeer::start(|heard| match heard.target.as_str() {
        "/announced" => vec![
            Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx".to_vec()),
            Step::Wait(Duration::from_secs(5)),
        ],
        "/gzip" => answer(200, &[("Content-Encoding", "gzip")], [0x1f, 0x8b, 8, 0]),
        _ => {
            let mut steps = vec![Step::Send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec())];
            steps.extend((0..2000).map(|_| Step::Send(vec![b'x'; 10_000])));
            steps
        }
    })
    .await;
    for path in ["/announced", "/endless"] {
        let error = within(Duration::from_secs(1), ask(&peer, path)).await.unwrap_err();
        assert!(matches!(error, PeerError::TooLarge { limit: 10_000, .. }), "{path}: {error:?}");
    }
    // nothing is unpacked: what is packed is bytes that are no JSON
    let packed = http().ask(Call::get(peer.url("/gzip"))).await.unwrap();
    assert_eq!(packed.body.as_ref(), [0x1f, 0x8b, 8, 0]);
}

#[tokio::test]
async fn one_byte_at_a_time_ends() {
    let drip = |_: &fake_peer::Heard| {
        let mut steps = vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n".to_vec())];
        for _ in 0..200 {
            steps.extend([Step::Send(b"x".to_vec()), Step::Wait(Duration::from_millis(50))]);
        }
        steps
    };
    let peer = FakePeer::start(drip).await;
    // a document: in the total time
    let short = Http::new(Policy { document_timeout: Duration::from_millis(400), ..policy() }).unwrap();
    let error = within(Duration::from_secs(1), short.ask(Call::get(peer.url("/")))).await.unwrap_err();
    assert!(matches!(error, PeerError::TimedOut { .. }), "{error:?}");
    // a transfer: it is never idle for 600 ms, but it does not move
    let mut incoming = http().open(Call::get(peer.url("/"))).await.unwrap();
    let slow = async {
        loop {
            match incoming.next().await {
                Ok(Some(_)) => {}
                other => return other,
            }
        }
    };
    let error = within(Duration::from_secs(2), slow).await.unwrap_err();
    assert!(matches!(error, PeerError::TimedOut { .. }) && error.retryable() && error.is_outage(), "{error:?}");
}

#[tokio::test]
async fn a_reader_that_is_slow_itself_is_not_the_peers_fault() {
    let peer = FakePeer::start(|_| answer(200, &[], vec![b'x'; 500])).await;
    let mut incoming = http().open(Call::get(peer.url("/"))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(800)).await;
    let mut got = 0;
    while let Some(piece) = incoming.next().await.unwrap() {
        got += piece.len();
    }
    assert_eq!(got, 500);
}

#[tokio::test]
async fn what_breaks_is_told_apart() {
    let peer = FakePeer::start(|heard| match heard.target.as_str() {
        "/cut" => vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this".to_vec())],
        "/nothing" => vec![],
        "/hang" => vec![Step::Wait(Duration::from_secs(5))],
        "/noise" => vec![Step::Send(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec())],
        _ => answer(503, &[("Retry-After", "120")], "<html><body><h1>Down for maintenance</h1></body></html>"),
    })
    .await;
    let error = ask(&peer, "/cut").await.unwrap_err();
    assert!(matches!(error, PeerError::WrongLength { expected: 100, got: 9, .. }), "{error:?}");
    for path in ["/nothing", "/noise"] {
        let error = ask(&peer, path).await.unwrap_err();
        assert!(matches!(error, PeerError::Unreachable { .. }) && error.is_outage(), "{path}: {error:?}");
    }
    let error = within(Duration::from_secs(1), http().open(Call::get(peer.url("/hang")))).await.unwrap_err();
    assert!(matches!(error, PeerError::TimedOut { .. }));
    let url = peer.url("/");
    let error = http().ask(Call::get(url.clone())).await.unwrap().success(&url).unwrap_err();
    assert_eq!(error.to_string(), format!("{} answered 503: “Down for maintenance”", peer.address));
    assert_eq!((error.retry_after(), error.status(), error.is_outage()), (Some(120), Some(503), true));
    // a port where nobody listens
    let gone = peer.url("/");
    drop(peer);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let error = http().ask(Call::get(gone)).await.unwrap_err();
    assert!(matches!(&error, PeerError::Unreachable { reason, .. } if !reason.is_empty()), "{error:?}");
    assert!(error.retryable());
}

#[tokio::test]
async fn what_only_asks_is_said_once_more_when_the_connection_breaks_before_an_answer() {
    let peer = FakePeer::start(|heard| match heard.header("x-try") {
        "breaks always" => vec![],
        _ => answer(200, &[], "here"),
    })
    .await;
    let tries = async |method: &str| {
        // The first connection is closed without a word, as one that waited too long in the pool.
        let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = calls.clone();
        let once = FakePeer::start(move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => vec![],
            _ => answer(207, &[], "here"),
        })
        .await;
        let call = Call::new(Method::from_bytes(method.as_bytes()).unwrap(), once.url("/"));
        let answered = http().ask(call).await.map(|answer| answer.status);
        (answered.ok(), once.heard().len())
    };
    assert_eq!(tries("GET").await, (Some(207), 2));
    assert_eq!(tries("PROPFIND").await, (Some(207), 2));
    // These may have done something.
    for method in ["POST", "PUT", "DELETE", "MOVE", "MKCOL", "PATCH"] {
        assert_eq!(tries(method).await, (None, 1), "{method}");
    }
    let mut call = Call::get(peer.url("/"));
    call.headers.insert("x-try", "breaks always".parse().unwrap());
    assert!(http().ask(call).await.is_err());
    assert_eq!(peer.heard().len(), 2, "once more, and not for ever");
}

fn body(pieces: Vec<std::io::Result<Bytes>>) -> ByteStream {
    stream::iter(pieces).boxed()
}

#[tokio::test]
async fn an_upload_is_exactly_as_long_as_announced_or_our_own_fault() {
    let peer = FakePeer::start(|heard| answer(201, &[], heard.body.len().to_string())).await;
    let give = |pieces, length| {
        let call = Call::new(Method::PUT, peer.url("/f"));
        async move { http().give(call, body(pieces), length).await }
    };
    let good = give(vec![Ok(Bytes::from_static(b"abc")), Ok(Bytes::from_static(b"de"))], 5).await.unwrap();
    assert_eq!((good.status, good.body.as_ref()), (201, &b"5"[..]));
    assert_eq!(give(vec![], 0).await.unwrap().status, 201);
    for (pieces, length) in [
        (vec![Ok(Bytes::from_static(b"abc"))], 5),
        (vec![Ok(Bytes::from_static(b"abcdefgh"))], 5),
        (vec![Ok(Bytes::from_static(b"abc")), Err(std::io::Error::other("the disk is gone"))], 5),
    ] {
        let error = give(pieces, length).await.unwrap_err();
        assert!(matches!(error, PeerError::OwnSide { .. }) && !error.is_outage(), "{error:?}");
    }
}

#[tokio::test]
async fn an_upload_that_nobody_takes_ends_and_a_slow_answer_is_waited_for() {
    // takes the connection and reads nothing more than the head
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = reqwest::Url::parse(&format!("http://{}/f", deaf.local_addr().unwrap())).unwrap();
    let holding = tokio::spawn(async move {
        let taken = deaf.accept().await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        drop(taken);
    });
    let pieces: Vec<_> = (0..200).map(|_| Ok(Bytes::from(vec![0; 1 << 20]))).collect();
    let error = within(Duration::from_secs(5), http().give(Call::new(Method::PUT, url), body(pieces), 200 << 20)).await;
    assert!(matches!(error, Err(PeerError::TimedOut { .. })), "{error:?}");
    holding.abort();
    // the peer hashes and moves for longer than the idle time-out
    let peer =
        FakePeer::start(|_| [vec![Step::Wait(Duration::from_millis(1500))], answer(204, &[], "")].concat()).await;
    let call = Call::new(Method::PUT, peer.url("/f"));
    assert_eq!(http().give(call, body(vec![Ok(Bytes::from_static(b"abc"))]), 3).await.unwrap().status, 204);
}

#[tokio::test]
async fn certificates_that_are_none_are_refused_at_once() {
    for pem in [&b""[..], b"hello", b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"] {
        let refused = Http::new(Policy { extra_ca_pem: Some(pem.to_vec()), ..policy() }).err();
        assert!(matches!(refused, Some(PolicyError::BadCertificates | PolicyError::NoTls(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_refusal_before_the_upload_ends_is_heard() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = reqwest::Url::parse(&format!("http://{}/f", listener.local_addr().unwrap())).unwrap();
    let peer = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 1000];
        let _ = stream.read(&mut head).await;
        stream.write_all(b"HTTP/1.1 507 Full\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfull").await.unwrap();
        // as servers do that linger: what comes is read and thrown away
        let mut rest = vec![0; 1 << 16];
        while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
    });
    let pieces: Vec<_> = (0..64).map(|_| Ok(Bytes::from(vec![0; 1 << 20]))).collect();
    let answer = http().give(Call::new(Method::PUT, url), body(pieces), 64 << 20).await.unwrap();
    assert_eq!((answer.status, answer.body.as_ref()), (507, &b"full"[..]));
    peer.abort();
}
