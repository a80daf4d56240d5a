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
use axum::routing::{MethodRouter, any, get};
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
    let router = Router::new().route("/status.php", get(status::get));
    let router = both_versions(router, "/cloud/capabilities", &get(capabilities::get));
    let router = both_versions(router, "/cloud/user", &get(user::own));
    let router = both_versions(router, "/cloud/users/{name}", &get(user::named));
    router
        .method_not_allowed_fallback(fallback::wrong_method)
        .route("/ocs/{*rest}", any(fallback::nothing_here))
        .with_state(Ocs { domain, stop })
}

/// A call of OCS, which clients make in version 1 or 2; the answers differ in their status words alone.
fn both_versions(router: Router<Ocs>, path: &str, methods: &MethodRouter<Ocs>) -> Router<Ocs> {
    router.route(&format!("/ocs/v1.php{path}"), methods.clone()).route(&format!("/ocs/v2.php{path}"), methods.clone())
}
