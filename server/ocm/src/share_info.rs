//! `POST /index.php/apps/files_sharing/shareinfo`: asked by a Nextcloud whose access failed, before it deletes its side of
//! a share for good (facts, section 5.4). 200 while the share exists, 404 only once it was taken back or ran out, 403 for
//! a link with another password; whenever we cannot tell, 503, on which nothing is deleted.

use crate::Ocm;
use crate::call;
use crate::refusal::Refused;
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{Request, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use stitchbox_domain::federation::{NoShareInfo, ShareInfo};

/// Longest form, bytes.
const LONGEST: usize = 10_000;

pub(crate) async fn post(State(ocm): State<Ocm>, request: Request<Body>) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let client = call::client(&parts);
    let form = to_bytes(body, LONGEST).await.map_err(|_| Refused::TooLong)?;
    let form = String::from_utf8_lossy(&form).into_owned();
    let value = |name: &str| {
        field(parts.uri.query().unwrap_or_default(), name).or_else(|| field(&form, name)).unwrap_or_default()
    };
    let (token, password, depth) = (value("t"), value("password"), value("depth"));
    // Nextcloud: -1 is everything, nothing is everything, too.
    let depth = match depth.parse::<i64>() {
        Ok(depth) if depth >= 0 => Some(u32::try_from(depth).unwrap_or(u32::MAX)),
        _ => None,
    };
    let password = Some(password.as_str()).filter(|password| !password.is_empty());
    Ok(match ocm.domain.share_info(&token, password, depth, client).await {
        Ok(info) => Json(json!({"data": document(&info), "status": "success"})).into_response(),
        Err(NoShareInfo::Gone) => (StatusCode::NOT_FOUND, Json(json!({"data": [], "status": "error"}))).into_response(),
        Err(NoShareInfo::Password) => {
            (StatusCode::FORBIDDEN, Json(json!({"data": [], "status": "error"}))).into_response()
        }
        Err(why @ (NoShareInfo::Unknown | NoShareInfo::Own(_))) => {
            if let NoShareInfo::Own(error) = &why {
                tracing::error!(%error, "whether a share exists could not be told");
            }
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "30")], Json(json!({"data": [], "status": "error"})))
                .into_response()
        }
    })
}

fn document(info: &ShareInfo) -> Value {
    let item = &info.item;
    let is_folder = item.is_folder();
    let mut document = json!({
        "id": item.id.0,
        "parentId": item.parent.map_or(0, |parent| parent.0),
        "mtime": item.mtime.unix_seconds(),
        "name": item.name,
        "permissions": info.permissions,
        "mimetype": if is_folder { "httpd/unix-directory" } else { "application/octet-stream" },
        "size": item.size,
        "type": if is_folder { "dir" } else { "file" },
        "etag": item.etag().to_string().trim_matches('"'),
    });
    if let (Some(children), Some(map)) = (&info.children, document.as_object_mut()) {
        map.insert("children".to_owned(), children.iter().map(document_of).collect());
    }
    document
}

fn document_of(info: &ShareInfo) -> Value {
    document(info)
}

/// A field of a form or query.
pub(crate) fn field(text: &str, name: &str) -> Option<String> {
    let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let decode = |value: &str| {
        let value = value.replace('+', " ");
        percent_decode_str(&value).decode_utf8_lossy().into_owned()
    };
    pairs.filter(|(key, _)| decode(key) == name).map(|(_, value)| decode(value)).next()
}
