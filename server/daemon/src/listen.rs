//! Connections: accepted, served in HTTP/1 or HTTP/2, and at the end finished, not cut.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Longest time between the first byte of a request's head and its last, and that a connection may be idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// Pause after a failed accept: most likely there are no file descriptors left, and hurrying frees none.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Flow-control window of one HTTP/2 stream, bytes: uploads over it stall with the default of 64 KiB.
const STREAM_WINDOW: u32 = 1 << 20;

/// Serves until `stop`, then lets requests under way finish.
pub async fn serve_connections(listener: TcpListener, router: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                connections.spawn(serve_connection(stream, client, router.clone(), stop.clone()));
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

async fn serve_connection(stream: TcpStream, client: SocketAddr, router: Router, stop: CancellationToken) {
    // Without, small answers wait 40 ms for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %client, "TCP_NODELAY could not be set");
    }
    // The server tells HTTP/1 from HTTP/2 by the first bytes and would wait for them forever.
    let begins = tokio::select! {
        biased;
        begins = tokio::time::timeout(HEAD_PATIENCE, stream.readable()) => begins,
        () = stop.cancelled() => return,
    };
    if !matches!(begins, Ok(Ok(()))) {
        return;
    }
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(client));
        router.clone().oneshot(request.map(Body::new))
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
    builder.http2().timer(TokioTimer::new()).initial_stream_window_size(STREAM_WINDOW);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %client, "a connection ended early");
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
        let serving = tokio::spawn(serve_connections(listener, Router::new().route("/", get(slow)), stop.clone()));
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
}
