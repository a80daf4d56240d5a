//! `POST …/shares`: giving access.

use super::fields::Fields;
use super::{document, place, word};
use crate::Ocs;
use crate::address::OwnAddress;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::OcsError;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde_json::{Value, json};
use stitchbox_domain::{Error, Given, Grantee, NewShare, Principal, Refusal, ShareFault};
use stitchbox_schema::sharing::ShareRights;
use stitchbox_schema::{Timestamp, expiry};

/// What is meant where a client does not say what may be done: everything but passing on, and no more than one has.
pub(crate) const USUAL: u32 = ShareRights::READ | ShareRights::UPDATE | ShareRights::CREATE | ShareRights::DELETE;

pub(crate) async fn post(
    State(ocs): State<Ocs>,
    envelope: Envelope,
    own: OwnAddress,
    Caller(principal): Caller,
    uri: Uri,
    body: Bytes,
) -> Response {
    envelope.answer(make(&ocs, &principal, &own, &Fields::read(&uri, body)).await)
}

async fn make(ocs: &Ocs, principal: &Principal, own: &OwnAddress, fields: &Fields) -> Result<Value, OcsError> {
    let path = fields.text("path").filter(|path| !path.is_empty());
    let path = path.ok_or(OcsError::BadRequest("the field path must name what is to be shared"))?;
    let item = place(ocs, principal, &path).await?;
    let is_folder = ocs.domain.item(principal, &item).await?.1.is_folder();
    let with = || {
        let name = fields.text("shareWith").filter(|name| !name.is_empty());
        name.ok_or(OcsError::BadRequest("the field shareWith must name who gets access"))
    };
    let kind = fields.number("shareType").transpose().map_err(|()| OcsError::BadRequest(UNKNOWN_TYPE))?;
    let to = match kind.unwrap_or(word::USER) {
        word::USER => Grantee::User(with()?),
        word::GROUP => Grantee::Group(with()?),
        word::LINK => Grantee::Link,
        word::FEDERATED => Grantee::Federated { recipient: with()?, group: false },
        word::FEDERATED_GROUP => Grantee::Federated { recipient: with()?, group: true },
        word::MAIL => return Err(OcsError::Forbidden("this server sends no mail; make a link and send that")),
        _ => return Err(OcsError::BadRequest(UNKNOWN_TYPE)),
    };
    let is_link = to == Grantee::Link;
    let asked = permissions(fields)?;
    let bits = match (asked, is_link) {
        (Some(bits), true) => bits & !ShareRights::SHARE,
        (Some(bits), false) => bits,
        (None, true) if fields.truth("publicUpload") == Some(true) && is_folder => USUAL,
        (None, true) => ShareRights::READ,
        (None, false) => USUAL,
    };
    let rights = ShareRights::of_bits(bits, is_folder).ok_or(Error::Share(ShareFault::NoRights))?;
    let mut new = NewShare {
        item,
        to,
        role: rights.role,
        upload_only: rights.upload_only,
        may_reshare: rights.may_reshare,
        // Some clients send a password with every kind of share.
        password: fields.text("password").filter(|password| is_link && !password.is_empty()),
        expires_at: match fields.text("expireDate").filter(|text| !text.is_empty()) {
            Some(text) => Some(until(&text)?),
            None => None,
        },
        label: fields.text("label").or_else(|| fields.text("name")).unwrap_or_default(),
        note: fields.text("note").unwrap_or_default(),
    };
    let shown = (path, new.to.clone(), bits);
    let given = match ocs.domain.share_or_ask(principal, new.clone()).await {
        // Nobody asked for more than there is to give.
        Err(Error::Forbidden(Refusal::RoleAboveOwn { own, .. })) if asked.is_none() => {
            new.role = own;
            ocs.domain.share_or_ask(principal, new).await?
        }
        given => given?,
    };
    Ok(match given {
        Given::Made(made) => document::of(&made, principal, own),
        Given::Asked(id) => wish(id, shown),
    })
}

/// What stands for a share that its owner at another site was asked for.
fn wish(id: i64, (path, to, bits): (String, Grantee, u32)) -> Value {
    let with = match to {
        Grantee::Federated { recipient, .. } => recipient,
        Grantee::User(name) | Grantee::Group(name) => name,
        Grantee::Link => String::new(),
    };
    json!({
        "id": format!("asked-{id}"),
        "share_type": word::FEDERATED,
        "share_with": with,
        "share_with_displayname": with,
        "permissions": bits,
        "path": path,
        "accepted": false,
        "can_edit": false,
        "can_delete": false,
    })
}

const UNKNOWN_TYPE: &str =
    "the field shareType must be 0 (user), 1 (group), 3 (link), 6 or 9 (user or group elsewhere)";

/// The bits that were asked for; `None` if nothing was said.
pub(super) fn permissions(fields: &Fields) -> Result<Option<u32>, OcsError> {
    let asked = fields.number("permissions").transpose();
    asked.map_err(|()| OcsError::BadRequest("the field permissions must be a sum of 1, 2, 4, 8 and 16"))
}

/// Reads the last day.
pub(super) fn until(text: &str) -> Result<Timestamp, OcsError> {
    expiry(text.trim_matches('"')).ok_or(OcsError::BadRequest("the field expireDate must be a day such as 2026-12-31"))
}
