//! Connections: accepted, served in HTTP/1 or HTTP/2, and at the end finished, not cut.

use crate::patience::{Begun, Impatient};
use crate::proxies::{self, Network};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use http::uri::Scheme;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Longest time until the head of a request is complete, and that an HTTP/1 connection may be idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// Pause after a failed accept: most likely there are no file descriptors left, and hurrying frees none.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// HTTP/2: an idle client is asked this often whether it is still there, and has as long to answer.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
/// Most connections at once.
const MOST_CONNECTIONS: usize = 4096;
/// Flow-control window of one HTTP/2 stream, bytes: uploads over it stall with the default of 64 KiB.
const STREAM_WINDOW: u32 = 1 << 20;

/// How to serve.
#[derive(Clone)]
pub struct Serving {
    /// Proxies whose word on the client's address counts.
    pub trusted_proxies: Arc<[Network]>,
    /// Longest time until the first request of a connection, and the head of each later one, is complete.
    pub patience: Duration,
    /// What encrypts, if connections are encrypted.
    pub tls: Option<TlsAcceptor>,
}

impl Serving {
    /// As the administrator set it.
    #[must_use]
    pub fn new(trusted_proxies: &[Network]) -> Self {
        Self { trusted_proxies: trusted_proxies.into(), patience: HEAD_PATIENCE, tls: None }
    }
}

/// Serves until `stop`, then lets requests under way finish.
pub async fn serve_connections(listener: TcpListener, router: Router, serving: Serving, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // The place first: connections beyond the limit wait with the system, which costs us nothing.
        let accepted = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, peer)| (stream, peer, place))
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let connection = open_connection(stream, peer, router.clone(), serving.clone(), stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The client was gone before we came: no trouble of ours.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// Encrypts a connection where that is asked for, and serves it.
async fn open_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    serving: Serving,
    stop: CancellationToken,
) {
    // Without, small answers wait 40 ms for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "TCP_NODELAY could not be set");
    }
    let Some(tls) = serving.tls.clone() else {
        return serve_connection(stream, peer, router, serving, stop).await;
    };
    let encrypted = tokio::select! {
        encrypted = tokio::time::timeout(serving.patience, tls.accept(stream)) => encrypted,
        () = stop.cancelled() => return,
    };
    match encrypted {
        Ok(Ok(stream)) => serve_connection(stream, peer, router, serving, stop).await,
        Ok(Err(error)) => tracing::debug!(%error, %peer, "no encryption was agreed on"),
        Err(_) => tracing::debug!(%peer, "no encryption was agreed on in time"),
    }
}

async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    serving: Serving,
    stop: CancellationToken,
) {
    let Serving { trusted_proxies, patience, tls } = serving;
    let own_scheme = tls.map(|_| Scheme::HTTPS);
    let begun = Begun::default();
    // Telling HTTP/1 from HTTP/2 by the first bytes knows no limit of time, nor does HTTP/2 for its first request.
    let stream = Impatient::new(stream, patience, begun.clone());
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        begun.set();
        let client = proxies::client(peer, request.headers(), &trusted_proxies);
        let (scheme, authority) = proxies::outside(peer, request.headers(), &trusted_proxies);
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(client));
        if let Some(scheme) = scheme.or_else(|| own_scheme.clone()) {
            extensions.insert(scheme);
        }
        if let Some(authority) = authority {
            extensions.insert(authority);
        }
        router.clone().oneshot(request.map(Body::new))
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(SIGN_OF_LIFE)
        .keep_alive_timeout(SIGN_OF_LIFE)
        .initial_stream_window_size(STREAM_WINDOW);
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn at_the_end_requests_are_finished_and_idle_connections_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let slow = |ConnectInfo(client): ConnectInfo<SocketAddr>| async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            client.ip().to_string()
        };
        let serving = tokio::spawn(serve_connections(
            listener,
            Router::new().route("/", get(slow)),
            Serving::new(&[]),
            stop.clone(),
        ));
        let mut idle = TcpStream::connect(address).await.unwrap();
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.cancel();
        let mut answer = String::new();
        busy.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
        assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0, "closed");
        serving.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    async fn answer_to(pieces: &[&str], pause: Duration) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let trusted_proxies = Arc::new(["127.0.0.0/8".parse().unwrap()]);
        let serving = Serving { trusted_proxies, patience: Duration::from_millis(200), tls: None };
        let here = |ConnectInfo(client): ConnectInfo<SocketAddr>| async move { format!("here is {}", client.ip()) };
        let router = Router::new().route("/", get(here));
        let server = tokio::spawn(serve_connections(listener, router, serving, CancellationToken::new()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut answer = Vec::new();
        for piece in pieces {
            // The server may have closed already: that is what is being looked at.
            let _ = stream.write_all(piece.as_bytes()).await;
            tokio::time::sleep(pause).await;
        }
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "still open after {pieces:?}");
        server.abort();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn who_never_comes_to_the_point_is_not_waited_for() {
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let settings = "\0\0\0\x04\0\0\0\0\0";
        for pieces in [&[][..], &["P"], &["G"], &["GET / HTTP/1.1\r\nhost"], &[preface, settings]] {
            assert!(!answer_to(pieces, Duration::ZERO).await.contains("here"), "{pieces:?}");
        }
        let drops: Vec<String> = "GET / HTTP/1.1\r\nhost: x\r\n\r\n".chars().map(String::from).collect();
        let drops: Vec<&str> = drops.iter().map(String::as_str).collect();
        assert!(!answer_to(&drops, Duration::from_millis(30)).await.contains("here"), "drop by drop");
        let in_time = answer_to(&["GET / HTTP/1.1\r\n", "host: x\r\n\r\n"], Duration::from_millis(20)).await;
        assert!(in_time.ends_with("here is 127.0.0.1"), "{in_time}");
    }

    #[tokio::test]
    async fn the_front_ends_see_the_client_and_not_the_proxy() {
        let request = "GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 6.6.6.6, 192.0.2.7\r\n\r\n";
        let answer = answer_to(&[request], Duration::ZERO).await;
        assert!(answer.ends_with("here is 192.0.2.7"), "{answer}");
    }
}
