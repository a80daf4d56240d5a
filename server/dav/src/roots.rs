//! The folders above the mounts: `/remote.php/dav/` and what shows the parts of the tree, for clients that look around,
//! and the principal of the person who asks.

use crate::call::Call;
use crate::dispatch::Realm;
use crate::errors::Fault;
use crate::mount::{NoAddress, push_segment, segments};
use crate::propfind::multistatus;
use crate::request_headers::{Depth, depth};
use crate::sheet::{Sheet, Space};
use crate::xml_out::{HEAD, TAIL, escape};
use crate::{request_body, search, xml_requests};
use axum::body::Body;
use axum::http::Response;
use stitchbox_domain::Error;

/// A folder above the mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Root {
    /// `/remote.php/dav`
    Dav,
    /// `/remote.php/dav/files`: the folder of users, of which everybody sees herself.
    Files,
    /// `/remote.php/dav/principals` and `…/users`.
    Principals(&'static str),
    /// `/remote.php/dav/principals/users/USER`
    Principal(String),
}

const DAV: &str = "/remote.php/dav";

impl Realm for Root {
    fn parse(path: &str) -> Result<Self, NoAddress> {
        let names = segments(path.strip_prefix(DAV).ok_or(NoAddress::Outside)?)?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match names.as_slice() {
            [] => Ok(Self::Dav),
            ["files"] => Ok(Self::Files),
            ["principals"] => Ok(Self::Principals("principals")),
            ["principals", "users"] => Ok(Self::Principals("principals/users")),
            ["principals", "users", user] => Ok(Self::Principal((*user).to_owned())),
            _ => Err(NoAddress::Outside),
        }
    }

    async fn verb(call: &Call<Self>, body: &mut Body) -> Result<Response<Body>, Fault> {
        if call.method == "SEARCH" && call.address == Self::Dav {
            return search::search(call, body).await;
        }
        if call.method != "PROPFIND" {
            return Err(Fault::MethodNotAllowed("this folder only shows what lies below; it is listed with PROPFIND"));
        }
        let wanted = xml_requests::propfind(&request_body::xml(body).await?)?;
        let depth = depth(&call.headers)?.unwrap_or(Depth::Infinity);
        if depth == Depth::Infinity {
            return Err(Fault::InfiniteDepth);
        }
        let user = call.principal.name.as_str();
        let mut below = Vec::new();
        let own = match &call.address {
            Root::Dav => {
                below.extend(["files", "principals"].map(|name| format!("{DAV}/{name}")));
                DAV.to_owned()
            }
            Root::Files => {
                below.push(url(&format!("{DAV}/files"), user));
                format!("{DAV}/files")
            }
            Root::Principals(path) => {
                below.push(match *path {
                    "principals" => format!("{DAV}/principals/users"),
                    _ => principal_url(user),
                });
                format!("{DAV}/{path}")
            }
            Root::Principal(asked) if asked == user => principal_url(user),
            Root::Principal(_) => return Err(Error::NotFound.into()),
        };
        let mut out = String::from(HEAD);
        sheet(&own, user).write(&mut out, &wanted);
        if depth == Depth::One {
            below.iter().for_each(|href| sheet(href, user).write(&mut out, &wanted));
        }
        out.push_str(TAIL);
        Ok(multistatus(Body::from(out)))
    }
}

fn url(folder: &str, name: &str) -> String {
    let mut href = folder.to_owned();
    push_segment(&mut href, name);
    href
}

fn principal_url(user: &str) -> String {
    url(&format!("{DAV}/principals/users"), user)
}

/// `href` without a slash at the end.
fn sheet(href: &str, user: &str) -> Sheet {
    let principal = format!("<d:href>{}/</d:href>", escape(&principal_url(user)));
    let folder = Sheet::folder(format!("{href}/")).and_xml(Space::Dav, "current-user-principal", principal.clone());
    if href != principal_url(user) {
        return folder;
    }
    folder.and_xml(Space::Dav, "principal-URL", principal).and(Space::Dav, "displayname", user)
}
