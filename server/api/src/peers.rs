//! `/api/v1/peers`: other sites, for administrators: trust, keys, last contact, last error in their own words; and the
//! self-test.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stitchbox_domain::federation::{PeerOverview, Step, Trust};
use stitchbox_schema::Timestamp;

#[derive(Serialize)]
pub(crate) struct PeerDocument {
    /// host[:port].
    host: String,
    /// default, allowed, denied.
    trust: &'static str,
    /// Whether we share with it, by the rule and the word above.
    trusted: bool,
    /// It signed once, and has to from then on.
    signs: bool,
    /// Ids of the keys it publishes, as far as they were read.
    keys: Vec<String>,
    /// What program it says it is.
    provider: Option<String>,
    /// Version of Open Cloud Mesh.
    api_version: Option<String>,
    /// What it can.
    capabilities: Vec<String>,
    last_contact: Option<Timestamp>,
    last_error: Option<String>,
    last_error_at: Option<Timestamp>,
    /// Calls in a row that it did not answer.
    failures: i64,
    /// It is not called before this.
    retry_at: Option<Timestamp>,
    /// Calls to it that wait.
    waiting: i64,
}

impl From<PeerOverview> for PeerDocument {
    fn from(peer: PeerOverview) -> Self {
        let row = peer.peer;
        let document = peer.discovery;
        let mut keys: Vec<String> =
            document.iter().filter_map(|document| document.public_key.as_ref()).map(|key| key.key_id.clone()).collect();
        let set: serde_json::Value = serde_json::from_str(row.keys.as_deref().unwrap_or("{}")).unwrap_or_default();
        let listed = set.get("keys").and_then(serde_json::Value::as_array).into_iter().flatten();
        keys.extend(listed.filter_map(|key| key.get("kid")?.as_str().map(str::to_owned)));
        Self {
            host: row.host,
            trust: row.trust.as_str(),
            trusted: peer.is_trusted,
            signs: row.has_signed,
            keys,
            provider: document.as_ref().map(|document| document.provider.clone()),
            api_version: document.as_ref().map(|document| document.api_version.clone()),
            capabilities: document.map(|document| document.capabilities).unwrap_or_default(),
            last_contact: row.last_contact_at,
            last_error: row.last_error,
            last_error_at: row.last_error_at,
            failures: row.failures,
            retry_at: (row.failures > 0).then_some(row.retry_at),
            waiting: peer.waiting,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct PeersDocument {
    peers: Vec<PeerDocument>,
}

#[derive(Serialize)]
struct WaitingDocument {
    kind: &'static str,
    attempts: i64,
    last_error: Option<String>,
    created_at: Timestamp,
}

#[derive(Serialize)]
pub(crate) struct PeerDetailsDocument {
    #[serde(flatten)]
    peer: PeerDocument,
    outbox: Vec<WaitingDocument>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum TrustWord {
    Default,
    Allowed,
    Denied,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeerChange {
    trust: TrustWord,
}

#[derive(Serialize)]
struct StepDocument {
    what: &'static str,
    ok: bool,
    found: String,
}

#[derive(Serialize)]
pub(crate) struct StepsDocument {
    ok: bool,
    steps: Vec<StepDocument>,
}

impl From<Vec<Step>> for StepsDocument {
    fn from(steps: Vec<Step>) -> Self {
        let ok = steps.iter().all(|step| step.is_good);
        let step = |step: Step| StepDocument { what: step.what, ok: step.is_good, found: step.found };
        Self { ok, steps: steps.into_iter().map(step).collect() }
    }
}

pub(crate) async fn get(State(api): State<Api>, Caller(principal): Caller) -> Result<Json<PeersDocument>, ApiError> {
    let peers = api.domain.peers(Some(&principal)).await?.into_iter().map(PeerDocument::from).collect();
    Ok(Json(PeersDocument { peers }))
}

pub(crate) async fn one(
    State(api): State<Api>,
    Caller(principal): Caller,
    Path(host): Path<String>,
) -> Result<Json<PeerDetailsDocument>, ApiError> {
    let (peer, waiting) = api.domain.peer_details(Some(&principal), &host).await?;
    let outbox = waiting
        .into_iter()
        .map(|row| WaitingDocument {
            kind: row.kind.as_str(),
            attempts: row.attempts,
            last_error: row.last_error,
            created_at: row.created_at,
        })
        .collect();
    Ok(Json(PeerDetailsDocument { peer: peer.into(), outbox }))
}

pub(crate) async fn patch(
    State(api): State<Api>,
    Caller(principal): Caller,
    Path(host): Path<String>,
    Json(change): Json<PeerChange>,
) -> Result<StatusCode, ApiError> {
    let trust = match change.trust {
        TrustWord::Default => Trust::Default,
        TrustWord::Allowed => Trust::Allowed,
        TrustWord::Denied => Trust::Denied,
    };
    api.domain.trust_peer(Some(&principal), &host, trust).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets that it did not answer; what waits for it is tried at once.
pub(crate) async fn reset(
    State(api): State<Api>,
    Caller(principal): Caller,
    Path(host): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.domain.reset_peer(Some(&principal), &host).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets that it signed: it may come unsigned again.
pub(crate) async fn forget_signature(
    State(api): State<Api>,
    Caller(principal): Caller,
    Path(host): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.domain.forget_signature(Some(&principal), &host).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Fetches what it says about itself.
pub(crate) async fn test(
    State(api): State<Api>,
    Caller(principal): Caller,
    Path(host): Path<String>,
) -> Result<Json<StepsDocument>, ApiError> {
    Ok(Json(api.domain.test_peer(Some(&principal), &host).await?.into()))
}

/// What a peer sees of this site.
pub(crate) async fn self_test(
    State(api): State<Api>,
    Caller(principal): Caller,
) -> Result<Json<StepsDocument>, ApiError> {
    Ok(Json(api.domain.federation_self_test(Some(&principal)).await?.into()))
}
