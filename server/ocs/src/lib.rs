//! What clients of Nextcloud, ownCloud and OpenCloud ask beside WebDAV: who the server is, what it can do, who the
//! person is, how to log in, what has changed, which spaces there are. Translates; decides nothing.
//!
//! One endpoint is one file. Formats are those real clients were measured to need (facts/sync.md).

mod address;
mod app_password;
mod caller;
mod capabilities;
mod client;
mod drives;
mod envelope;
mod error;
mod fallback;
mod form;
mod link_page;
mod login_v1;
mod login_v2;
mod navigation;
mod origin;
mod page;
mod preview;
mod private_link;
mod push;
mod remote_shares;
mod sharees;
mod shares;
mod status;
#[cfg(test)]
mod testing;
mod user;
mod wipe;

use crate::push::{Pulse, Seats};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, any, delete, get, post};
use stitchbox_domain::Domain;
use tokio_util::sync::CancellationToken;

/// What every endpoint holds.
#[derive(Debug, Clone)]
pub(crate) struct Ocs {
    pub(crate) domain: Domain,
    /// Ends streams that would otherwise outlive the server's wish to end.
    pub(crate) stop: CancellationToken,
    pub(crate) pulse: Pulse,
    pub(crate) seats: Seats,
}

/// `/status.php`, everything below `/ocs/`, and what clients ask below `/index.php/`. Streams end when `stop` is cancelled.
///
/// Reads three request extensions, if whoever serves this router sets them: failed logins are counted by the address
/// in [`axum::extract::ConnectInfo`]; addresses in answers begin with the [`http::uri::Scheme`] and the
/// [`http::uri::Authority`] that the client used, as a trusted proxy tells them.
pub fn router(domain: Domain, stop: CancellationToken) -> Router {
    let router = Router::new().route("/status.php", get(status::get));
    let router = both_versions(router, "/cloud/capabilities", &get(capabilities::get));
    let router = both_versions(router, "/cloud/user", &get(user::own));
    let router = both_versions(router, "/cloud/users/{name}", &get(user::named));
    let router = both_versions(router, "/cloud/users/{name}/groups", &get(user::groups));
    let router = sharing(router);
    let router = both_versions(router, "/core/getapppassword", &get(app_password::get));
    let router = both_versions(router, "/core/apppassword", &delete(app_password::delete));
    let router = both_versions(router, "/apps/notifications/api/v1/notifications/sse", &get(push::sse));
    let router = both_versions(router, "/core/navigation/apps", &get(navigation::get));
    router
        .route("/push/ws", get(push::socket))
        .route("/index.php/apps/notify_push/pre_auth", post(push::pre_auth))
        .route("/graph/v1.0/me", get(drives::me))
        .route("/graph/v1.0/me/drive", get(drives::personal))
        .route("/graph/v1.0/me/drives", get(drives::all))
        .route("/graph/v1beta1/me/drives", get(drives::all))
        .route("/graph/v1.0/drives", get(drives::all))
        .route("/graph/v1.0/drives/{id}", get(drives::one))
        .route("/graph/v1beta1/drives/{id}", get(drives::one))
        .route("/index.php/core/preview", get(preview::get))
        .route("/index.php/core/preview.png", get(preview::get))
        .route("/index.php/f/{id}", get(private_link::get))
        .route("/f/{id}", get(private_link::get))
        .route("/s/{token}", get(link_page::show).post(link_page::unlock))
        .route("/index.php/s/{token}", get(link_page::show).post(link_page::unlock))
        .route("/s/{token}/download", get(link_page::download))
        .route("/index.php/s/{token}/download", get(link_page::download))
        .route("/s/{token}/upload", post(link_page::upload).layer(DefaultBodyLimit::disable()))
        .route("/index.php/s/{token}/upload", post(link_page::upload).layer(DefaultBodyLimit::disable()))
        .route("/index.php/login/v2", post(login_v2::begin))
        .route("/index.php/login/v2/poll", post(login_v2::poll))
        .route("/index.php/login/v2/flow/{grant}", get(login_v2::show).post(login_v2::grant))
        .route("/index.php/login/flow", get(login_v1::show).post(login_v1::grant))
        .route("/index.php/core/wipe/check", post(wipe::check))
        .route("/index.php/core/wipe/success", post(wipe::success))
        // Clients ask it to see whether a hotel's login page is in between.
        .route("/index.php/204", get(|| async { http::StatusCode::NO_CONTENT }))
        .method_not_allowed_fallback(fallback::wrong_method)
        .route("/ocs/{*rest}", any(fallback::nothing_here))
        .with_state(Ocs { pulse: Pulse::new(domain.clone(), stop.clone()), seats: Seats::default(), domain, stop })
}

/// The calls of the app `files_sharing`.
fn sharing(router: Router<Ocs>) -> Router<Ocs> {
    let calls = [
        ("/shares", get(shares::list).post(shares::post)),
        ("/shares/inherited", get(shares::inherited)),
        ("/shares/pending", get(shares::pending)),
        ("/shares/pending/{id}", post(shares::take_up).delete(shares::leave)),
        ("/shares/{id}", get(shares::get).put(shares::put).delete(shares::delete)),
        ("/remote_shares", get(remote_shares::accepted)),
        ("/remote_shares/pending", get(remote_shares::pending)),
        ("/remote_shares/pending/{id}", post(remote_shares::accept).delete(remote_shares::decline)),
        ("/remote_shares/{id}", get(remote_shares::get).delete(remote_shares::decline)),
        ("/sharees", get(sharees::get)),
        ("/sharees_recommended", get(sharees::recommended)),
    ];
    calls.iter().fold(router, |router, (path, methods)| {
        both_versions(router, &format!("/apps/files_sharing/api/v1{path}"), methods)
    })
}

/// A call of OCS, which clients make in version 1 or 2; the answers differ in their status words alone.
fn both_versions(router: Router<Ocs>, path: &str, methods: &MethodRouter<Ocs>) -> Router<Ocs> {
    router.route(&format!("/ocs/v1.php{path}"), methods.clone()).route(&format!("/ocs/v2.php{path}"), methods.clone())
}
