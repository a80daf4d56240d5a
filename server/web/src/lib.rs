//! The page a browser gets. Until the web folder is built and embedded it is one page that says what this is and how to
//! connect; it needs no login and fetches nothing.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

const PAGE: &str = include_str!("page.html");

/// `GET /`.
pub fn router() -> Router {
    Router::new().route("/", get(page))
}

async fn page() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ];
    (headers, PAGE).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use http::{Request, StatusCode};
    use tower::ServiceExt;

    #[tokio::test]
    async fn the_page_is_html_for_anybody() {
        let request = Request::get("/").body(Body::empty()).unwrap();
        let response = router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    }

    #[test]
    fn the_page_says_how_to_connect_and_fetches_nothing() {
        assert!(PAGE.contains("/remote.php/dav/files/") && PAGE.contains("/dav/spaces/"));
        for foreign in ["<script", "<link", "<img", "url(", "src="] {
            assert!(!PAGE.contains(foreign), "{foreign}");
        }
    }
}
