//! What surrounds every request: an id, a span for its log lines, its time and status counted, and a net under it.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, StatusCode};
use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id taken over from a proxy.
const LONGEST_ID: usize = 64;
/// Target of the line per request.
const TARGET: &str = "requests";

/// Names of the metrics.
pub const REQUESTS: &str = "http_requests_total";
/// Seconds until the head of the answer.
pub const LATENCY: &str = "http_request_duration_seconds";

/// The outermost layer.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(request.headers().get(&REQUEST_ID));
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = method_label(request.method());
    // Of the highest level, so that no filter takes the id from the lines that remain.
    let span = tracing::error_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        path = request.uri().path(),
    );
    let answered = AssertUnwindSafe(next.run(request).instrument(span.clone())).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|panic| span.in_scope(|| apologise(&*panic)));
    let (status, latency) = (response.status(), begun.elapsed());
    span.in_scope(|| {
        let ms = latency.as_secs_f64() * 1e3;
        if status.is_server_error() && status != StatusCode::INSUFFICIENT_STORAGE {
            tracing::error!(target: TARGET, status = status.as_u16(), ms, "answered");
        } else {
            tracing::debug!(target: TARGET, status = status.as_u16(), ms, "answered");
        }
    });
    metrics::counter!(REQUESTS, "method" => method, "status" => class(status)).increment(1);
    metrics::histogram!(LATENCY, "method" => method).record(latency.as_secs_f64());
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The id a proxy gave, if it is one, else a new one.
fn request_id(given: Option<&HeaderValue>) -> HeaderValue {
    let is_id = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=LONGEST_ID).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
    };
    if let Some(id) = given.filter(is_id) {
        return id.clone();
    }
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static LIFE: LazyLock<u32> = LazyLock::new(life_mark);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let text = format!("{:08x}-{number:x}", *LIFE);
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("-"))
}

/// Tells the ids of one life of the program from those of the next.
fn life_mark() -> u32 {
    let mut random = [0u8; 4];
    match getrandom::fill(&mut random) {
        Ok(()) => u32::from_le_bytes(random),
        Err(_) => std::process::id(),
    }
}

/// Nothing a client invents becomes a label.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 19] = [
        "GET",
        "HEAD",
        "PUT",
        "POST",
        "DELETE",
        "OPTIONS",
        "PATCH",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "REPORT",
        "SEARCH",
        "TRACE",
        "CONNECT",
        "MKCALENDAR",
    ];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

/// What a panic becomes. Plain text: a body that WebDAV clients take for a message of the protocol would mislead them.
fn apologise(panic: &(dyn std::any::Any + Send)) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("without a text"), "a request broke; this is a defect of the program");
    let text = "The server made a mistake while it worked on this request. Nothing that was acknowledged is lost; try \
                again, and tell the administrator the x-request-id if it happens again.\n";
    (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from(text)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use tower::ServiceExt;

    async fn ask(path: &str, id: Option<&str>) -> Response {
        let fails = || async { assert_eq!(1, 2, "on purpose") };
        let router =
            Router::new()
                .route(
                    "/",
                    get(|request: Request| async move {
                        request.headers()[REQUEST_ID].clone().to_str().unwrap().to_owned()
                    }),
                )
                .route("/panic", get(fails))
                .layer(axum::middleware::from_fn(observe));
        let mut request = Request::get(path);
        if let Some(id) = id {
            request = request.header(REQUEST_ID, id);
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn every_answer_names_its_request() {
        let given = ask("/", Some("proxy-1.2:3")).await;
        assert_eq!(given.headers()[REQUEST_ID], "proxy-1.2:3");
        for foreign in [None, Some(""), Some("a b"), Some(&*"x".repeat(65)), Some("<script>")] {
            let answer = ask("/", foreign).await;
            let id = answer.headers()[REQUEST_ID].clone();
            assert_ne!(Some(id.to_str().unwrap()), foreign);
            let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
            assert_eq!(body, id.as_bytes(), "the handler saw the same");
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let answer = ask("/panic", None).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.headers().contains_key(REQUEST_ID));
        assert!(answer.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"));
    }

    #[test]
    fn labels_are_few() {
        assert_eq!(method_label(&Method::from_bytes(b"PROPFIND").unwrap()), "PROPFIND");
        assert_eq!(method_label(&Method::from_bytes(b"INVENTED-1").unwrap()), "other");
        assert_eq!(class(StatusCode::MULTI_STATUS), "2xx");
    }
}
