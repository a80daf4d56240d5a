//! What clients of Nextcloud, ownCloud and OpenCloud ask beside WebDAV: who the server is, what it can do, who the
//! person is, how to log in, what has changed, which spaces there are. Translates; decides nothing.
//!
//! One endpoint is one file. Formats are those real clients were measured to need (facts/sync.md).

mod address;
mod caller;
mod capabilities;
mod client;
mod envelope;
mod error;
mod fallback;
mod status;
#[cfg(test)]
mod testing;
mod user;

use axum::Router;
use axum::routing::{any, get};
use stitchbox_domain::Domain;
use tokio_util::sync::CancellationToken;

/// What every endpoint holds.
#[derive(Debug, Clone)]
pub(crate) struct Ocs {
    pub(crate) domain: Domain,
    /// Ends streams that would otherwise outlive the server's wish to end.
    pub(crate) stop: CancellationToken,
}

/// `/status.php` and everything below `/ocs/`. Streams end when `stop` is cancelled.
///
/// Reads three request extensions, if whoever serves this router sets them: failed logins are counted by the address
/// in [`axum::extract::ConnectInfo`]; addresses in answers begin with the [`http::uri::Scheme`] and the
/// [`http::uri::Authority`] that the client used, as a trusted proxy tells them.
pub fn router(domain: Domain, stop: CancellationToken) -> Router {
    Router::new()
        .route("/status.php", get(status::get))
        .route("/ocs/{version}/cloud/capabilities", get(capabilities::get))
        .route("/ocs/{version}/cloud/user", get(user::own))
        .route("/ocs/{version}/cloud/users/{name}", get(user::named))
        .method_not_allowed_fallback(fallback::wrong_method)
        .route("/ocs/{*rest}", any(fallback::nothing_here))
        .with_state(Ocs { domain, stop })
}
