//! WebDAV, classes 1, 2 and 3, with what ownCloud and Nextcloud clients need beyond it.
//!
//! A front-end: it translates requests into calls of the domain and the domain's answers into HTTP. It holds no rules,
//! no SQL and no state. RFC 4918, RFC 9110, RFC 4331; formats beyond them as real clients expect them.

mod answer_headers;
mod authenticate;
mod bulk;
mod call;
mod coding;
mod content_type;
mod delete;
mod dispatch;
mod domain_locks;
mod entity_tags;
mod entry;
mod errors;
mod folder_page;
mod folding;
mod get;
mod if_header;
mod live_properties;
mod lock;
mod lock_xml;
mod mkcol;
mod mount;
mod options;
mod permissions;
mod propfind;
mod proppatch;
mod put;
mod range;
mod relocate;
mod report;
mod request_body;
mod request_headers;
mod roots;
mod search;
mod share_use;
mod shares_folder;
mod sheet;
mod spaces_folder;
mod trash_address;
mod trashbin;
mod tus;
mod uploads;
mod user_lock;
mod version_address;
mod versions;
mod whole_file;
mod xml_in;
mod xml_out;
mod xml_requests;

pub use options::server_options;

use axum::Router;
use axum::routing::any;
use stitchbox_domain::Domain;

/// The routes below `/remote.php/dav`, `/remote.php/webdav` and `/dav/spaces/`, and those of what is
/// shared, below `/public.php` and `/dav/ocm`, for every method. Logins are
/// slowed down by client address if the server provides `ConnectInfo<SocketAddr>`.
///
/// `OPTIONS /` belongs to whoever owns `/`: answer it with [`server_options`].
pub fn router(domain: Domain) -> Router {
    let files = [
        "/remote.php/dav/files/{*path}",
        "/remote.php/webdav",
        "/remote.php/webdav/",
        "/remote.php/webdav/{*path}",
        "/dav/spaces/{*path}",
        "/remote.php/dav/spaces/{*path}",
        "/public.php/webdav",
        "/public.php/webdav/",
        "/public.php/webdav/{*path}",
        "/public.php/dav/files/{*path}",
        "/dav/ocm",
        "/dav/ocm/",
        "/dav/ocm/{*path}",
        "/remote.php/dav/ocm",
        "/remote.php/dav/ocm/",
        "/remote.php/dav/ocm/{*path}",
    ];
    let trash = [
        "/remote.php/dav/trashbin/{*path}",
        "/dav/spaces/trash-bin/{*path}",
        "/remote.php/dav/spaces/trash-bin/{*path}",
    ];
    let versions = ["/remote.php/dav/versions/{*path}", "/remote.php/dav/meta/{*path}"];
    let roots = [
        "/remote.php/dav",
        "/remote.php/dav/",
        "/remote.php/dav/files",
        "/remote.php/dav/files/",
        "/remote.php/dav/principals",
        "/remote.php/dav/principals/",
        "/remote.php/dav/principals/{*path}",
    ];
    let router = realm::<mount::Address>(Router::new(), &files);
    let router = realm::<uploads::Sessions>(router, &["/remote.php/dav/uploads/{*path}"]);
    let router = realm::<bulk::Bulk>(router, &["/remote.php/dav/bulk"]);
    let router = realm::<tus::TusUpload>(router, &["/dav/tus/{*path}", "/public.php/dav/tus/{*path}"]);
    let router = realm::<trash_address::TrashAddress>(router, &trash);
    let router = realm::<version_address::VersionAddress>(router, &versions);
    realm::<roots::Root>(router, &roots).with_state(domain)
}

/// Routes of one part of the tree.
fn realm<A: dispatch::Realm>(router: Router<Domain>, paths: &[&str]) -> Router<Domain> {
    paths.iter().fold(router, |router, path| router.route(path, any(dispatch::serve::<A>)))
}
