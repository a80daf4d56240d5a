//! Open Cloud Mesh as peers call it: discovery, shares, notifications, invites, tokens, keys; and what a Nextcloud asks
//! before it gives up a share.
//!
//! A front-end: it translates requests into calls of the domain and the domain's answers into what peers expect. One end
//! point is one file. Formats are those that real peers were measured to send and take (facts/ocm.md).

mod accept;
mod call;
mod discovery;
mod invite_accepted;
mod jwks;
mod notifications;
mod page;
mod refusal;
mod self_test;
mod share_info;
mod shares;
mod token;

use axum::Router;
use axum::routing::{any, get, post};
use http::StatusCode;
use stitchbox_domain::Domain;

/// What every end point holds.
#[derive(Debug, Clone)]
pub(crate) struct Ocm {
    pub(crate) domain: Domain,
}

/// `/ocm/…`, `/.well-known/ocm`, `/ocm-provider` and their like. Without federation the documents are not there.
///
/// Calls are counted by the address in the request extension [`axum::extract::ConnectInfo`]; whoever serves this router
/// sets it.
pub fn router(domain: Domain) -> Router {
    if domain.federation().is_none() {
        tracing::info!(
            "no federation: /.well-known/ocm answers 404; it needs [server] origin, the address of this site as others see it"
        );
    }
    Router::new()
        .route("/.well-known/ocm", get(discovery::current))
        .route("/ocm-provider", get(discovery::legacy))
        .route("/ocm-provider/", get(discovery::legacy))
        .route("/ocm/shares", post(shares::post))
        .route("/ocm/notifications", post(notifications::post))
        .route("/ocm/invite-accepted", post(invite_accepted::post))
        .route("/ocm/token", post(token::post))
        .route("/ocm/jwks", get(jwks::get))
        .route("/.well-known/jwks.json", get(jwks::get))
        .route("/ocm/accept", get(accept::show).post(accept::accept))
        .route("/ocm/self-test", post(self_test::post))
        .route("/index.php/apps/files_sharing/shareinfo", post(share_info::post))
        .route("/apps/files_sharing/shareinfo", post(share_info::post))
        .route("/ocs-provider", any(|| async { StatusCode::NOT_FOUND }))
        .route("/ocs-provider/", any(|| async { StatusCode::NOT_FOUND }))
        .with_state(Ocm { domain })
}
