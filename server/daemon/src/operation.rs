//! The pages for whoever operates the server: is it alive, is it ready, how is it doing. No login, no secrets.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stitchbox_blob::{BlobError, BlobStore};
use stitchbox_domain::Domain;
use stitchbox_schema::BlobId;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::observe::{LATENCY, REQUESTS};
use crate::patience::{RECEIVED, SENT};

/// Bounds of the latency histogram, seconds.
const LATENCY_BOUNDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0, 60.0];
/// Bounds of the histogram of runs, seconds.
const RUN_BOUNDS: [f64; 9] = [0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0];
/// How long both stores may take to answer before the server counts as not ready.
const READY_PATIENCE: Duration = Duration::from_secs(5);
/// Runs by state.
const RUNS: &str = "stitchbox_runs";
/// How often the recorder tidies its histograms and runs are counted.
const UPKEEP: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Operation {
    domain: Domain,
    blobs: BlobStore,
    metrics: PrometheusHandle,
    stop: CancellationToken,
}

/// Starts counting. To be called once in a process.
pub fn install_metrics() -> Result<PrometheusHandle, Failure> {
    let doing = "the metrics cannot be set up";
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(LATENCY.to_owned()), &LATENCY_BOUNDS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full("stitchbox_run_seconds".to_owned()), &RUN_BOUNDS)
        })
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(Failure::other(doing))?;
    metrics::describe_counter!(REQUESTS, "Answered requests by method and class of status");
    metrics::describe_histogram!(LATENCY, metrics::Unit::Seconds, "Time from the request to the head of the answer");
    metrics::describe_histogram!("stitchbox_run_seconds", metrics::Unit::Seconds, "Time a worker spent on one attempt");
    metrics::describe_gauge!(RUNS, "Runs by state");
    metrics::describe_counter!(RECEIVED, metrics::Unit::Bytes, "Bytes received on connections");
    metrics::describe_counter!(SENT, metrics::Unit::Bytes, "Bytes sent on connections");
    metrics::describe_gauge!("process_resident_memory_bytes", metrics::Unit::Bytes, "Resident memory");
    metrics::describe_gauge!("process_start_time_seconds", metrics::Unit::Seconds, "Start, since 1970");
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    metrics::gauge!("process_start_time_seconds").set(started.as_secs_f64());
    metrics::gauge!("stitchbox_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// Keeps the recorder tidy, and counts what only the database knows.
pub async fn keep_metrics(metrics: PrometheusHandle, domain: Domain, stop: CancellationToken) {
    loop {
        metrics.run_upkeep();
        match domain.runs_by_state().await {
            Ok(counts) => {
                for (state, count) in counts {
                    metrics::gauge!(RUNS, "state" => state.as_str()).set(count as f64);
                }
            }
            Err(error) => tracing::warn!(%error, "runs could not be counted"),
        }
        if tokio::time::timeout(UPKEEP, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// `/healthz`, `/readyz` and `/metrics`.
pub fn router(domain: Domain, blobs: BlobStore, metrics: PrometheusHandle, stop: CancellationToken) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(show_metrics))
        .with_state(Operation { domain, blobs, metrics, stop })
}

async fn ready(State(operation): State<Operation>) -> Response {
    if operation.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "ending\n").into_response();
    }
    let asked = async {
        if let Err(error) = operation.domain.ready().await {
            tracing::warn!(%error, "not ready: the metadata store");
            return (StatusCode::SERVICE_UNAVAILABLE, "the metadata store does not answer\n");
        }
        if let Err(error) = blobs_answer(&operation.blobs).await {
            tracing::warn!(%error, "not ready: the blob store");
            return (StatusCode::SERVICE_UNAVAILABLE, "the blob store does not answer\n");
        }
        (StatusCode::OK, "ready\n")
    };
    match tokio::time::timeout(READY_PATIENCE, asked).await {
        Ok(answer) => answer.into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the stores are slow\n").into_response(),
    }
}

/// Begins a blob and drops it, which a local folder must allow; asks for one that is not there, which an object store
/// must answer. Ids of blobs are never negative, so these are nobody's.
async fn blobs_answer(blobs: &BlobStore) -> Result<(), BlobError> {
    static NEXT: AtomicI64 = AtomicI64::new(i64::MIN);
    let nobodys = BlobId(NEXT.fetch_add(1, Ordering::Relaxed));
    drop(blobs.stage(nobodys).await?);
    match blobs.read(nobodys, 0..1).await {
        Ok(_) | Err(BlobError::Missing(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn show_metrics(State(operation): State<Operation>) -> Response {
    if let Some(bytes) = resident_bytes() {
        metrics::gauge!("process_resident_memory_bytes").set(bytes);
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], operation.metrics.render()).into_response()
}

/// Second number of `/proc/self/statm`, in pages.
fn resident_bytes() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some((pages * rustix::param::page_size() as u64) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_blob_store_whose_folder_is_gone_does_not_answer() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::local(folder.path()).unwrap();
        for _ in 0..2 {
            blobs_answer(&blobs).await.unwrap();
        }
        // What is dropped is removed on another thread.
        let left = || std::fs::read_dir(folder.path().join("staging")).unwrap().count();
        for _ in 0..500 {
            if left() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(left(), 0, "nothing is left behind");
        std::fs::remove_dir_all(folder.path().join("staging")).unwrap();
        assert!(blobs_answer(&blobs).await.is_err());
    }
}
