//! Log lines to standard error; standard output belongs to what was asked for.

use crate::config::{Log, LogFormat};
use std::io::IsTerminal;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// Begins to log. To be called once in a process.
pub fn start(log: &Log) {
    if let Err(error) = lines(log, std::io::stderr, std::io::stderr().is_terminal()).try_init() {
        eprintln!("nothing will be logged: {error}");
    }
}

/// Every line names the spans around it: the request's with its id, however many lie in between.
fn lines<W>(log: &Log, writer: W, colours: bool) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Checked when the configuration was read.
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match log.format {
        LogFormat::Text => Box::new(lines.with_ansi(colours).finish()),
        LogFormat::Json => {
            Box::new(lines.json().flatten_event(true).with_current_span(false).with_span_list(true).finish())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::get;
    use http::Request;
    use std::sync::Arc;
    use tower::ServiceExt;

    #[tokio::test]
    async fn every_line_of_a_request_names_it_even_below_other_spans_and_where_only_warnings_are_logged() {
        let written = tempfile::NamedTempFile::new().unwrap();
        let log = Log { format: LogFormat::Json, filter: "warn".to_owned() };
        let logging = tracing::subscriber::set_default(lines(&log, Arc::new(written.reopen().unwrap()), false));
        let handler = || async { tracing::error_span!("inner").in_scope(|| tracing::warn!("trouble")) };
        let router =
            axum::Router::new().route("/", get(handler)).layer(axum::middleware::from_fn(crate::observe::observe));
        let request = Request::get("/").header("x-request-id", "the-id").body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap();
        drop(logging);
        let text = std::fs::read_to_string(written.path()).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.lines().next().expect("a line")).unwrap();
        assert_eq!(line["message"], "trouble");
        assert_eq!((&line["spans"][0]["id"], &line["spans"][1]["name"]), (&"the-id".into(), &"inner".into()), "{line}");
    }
}
