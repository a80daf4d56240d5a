//! The JSON interface at `/api/v1`: translates requests into calls of the domain and its answers into the documents of
//! the vocabulary. It decides nothing; one endpoint is one file.

mod access;
mod app_passwords;
mod audit;
mod caller;
mod changes;
mod contacts;
mod empty_trash;
mod error;
mod fallback;
mod groups;
mod invites;
mod item;
mod parameters;
mod peers;
mod place;
mod purge;
mod received;
mod reruns;
mod restore;
mod run;
mod run_events;
mod run_into;
mod runs;
mod safe;
mod share;
mod sharees;
mod shares;
mod spaces;
#[cfg(test)]
mod testing;
mod token;
mod trash;
mod tree;
mod versions;

use axum::Router;
use axum::routing::{any, delete, get, post, put};
use stitchbox_domain::Domain;
use tokio_util::sync::CancellationToken;

/// What every endpoint holds.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) domain: Domain,
    /// Ends streams that would otherwise outlive the server's wish to end.
    pub(crate) stop: CancellationToken,
}

/// Everything below `/api/`. Event streams end when `stop` is cancelled.
///
/// Failed logins are counted by the address in the request extension [`axum::extract::ConnectInfo`]; whoever serves
/// this router sets it.
pub fn router(domain: Domain, stop: CancellationToken) -> Router {
    Router::new()
        .route("/api/v1/token", post(token::post))
        .route("/api/v1/app-passwords", get(app_passwords::get).post(app_passwords::post))
        .route("/api/v1/app-passwords/{id}", delete(app_passwords::delete))
        .route("/api/v1/app-passwords/{id}/wipe", post(app_passwords::wipe))
        .route("/api/v1/spaces", get(spaces::get))
        .route("/api/v1/shares", get(shares::get).post(shares::post))
        .route("/api/v1/shares/{id}", get(share::get).patch(share::patch).delete(share::delete))
        .route("/api/v1/shares/{id}/leave", post(share::leave))
        .route("/api/v1/shares/{id}/take-up", post(share::take_up))
        .route("/api/v1/access", get(access::get))
        .route("/api/v1/sharees", get(sharees::get))
        .route("/api/v1/groups", get(groups::get).post(groups::post))
        .route("/api/v1/groups/{group}", delete(groups::delete))
        .route("/api/v1/groups/{group}/members/{user}", put(groups::join).delete(groups::leave))
        .route("/api/v1/audit", get(audit::get))
        .route("/api/v1/invites", get(invites::get).post(invites::post))
        .route("/api/v1/invites/accept", post(invites::accept))
        .route("/api/v1/invites/{id}", delete(invites::delete))
        .route("/api/v1/peers", get(peers::get))
        .route("/api/v1/peers/{host}", get(peers::one).patch(peers::patch))
        .route("/api/v1/peers/{host}/reset", post(peers::reset))
        .route("/api/v1/peers/{host}/signature", delete(peers::forget_signature))
        .route("/api/v1/peers/{host}/test", post(peers::test))
        .route("/api/v1/federation/self-test", post(peers::self_test))
        .route("/api/v1/contacts", get(contacts::get))
        .route("/api/v1/contacts/{id}", delete(contacts::delete))
        .route("/api/v1/changes", get(changes::get))
        .route("/api/v1/tree", get(tree::get))
        .route("/api/v1/runs", get(runs::get).post(run_into::post))
        .route("/api/v1/received", get(received::get))
        .route("/api/v1/received/{id}", delete(received::decline))
        .route("/api/v1/received/{id}/accept", post(received::accept))
        .route("/api/v1/received/{id}/decline", post(received::decline))
        .route("/api/v1/received/{id}/refresh", post(received::refresh))
        .route("/api/v1/runs/events", get(run_events::get))
        .route("/api/v1/runs/{id}", get(run::get))
        .route("/api/v1/reruns", get(reruns::get).post(reruns::post))
        .route("/api/v1/reruns/{id}", get(reruns::get_one))
        .route("/api/v1/safe", get(safe::get))
        .route("/api/v1/trash", get(trash::get).delete(empty_trash::delete))
        .route("/api/v1/trash/{item}", delete(purge::delete))
        .route("/api/v1/trash/{item}/restore", post(restore::post))
        .route("/api/v1/versions", get(versions::get))
        .method_not_allowed_fallback(fallback::wrong_method)
        .route("/api", any(fallback::nothing_here))
        .route("/api/", any(fallback::nothing_here))
        .route("/api/{*rest}", any(fallback::nothing_here))
        .with_state(Api { domain, stop })
}
