//! `…/shares/ID`: seeing one, changing it, ending it.

use super::document;
use super::fields::Fields;
use super::make::{USUAL, permissions, until};
use crate::Ocs;
use crate::address::OwnAddress;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::OcsError;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Uri;
use serde_json::{Value, json};
use stitchbox_domain::{Error, Principal, ShareChange, ShareFault};
use stitchbox_schema::ShareId;
use stitchbox_schema::sharing::{ShareDocument, ShareKind, ShareRights};

/// What is no id names nothing.
fn id(text: &str) -> Result<ShareId, OcsError> {
    // Some clients write where a share is kept in front of its id.
    let number = text.rsplit(':').next().unwrap_or_default();
    number.parse().map_err(|_| Error::NotFound.into())
}

pub(crate) async fn get(
    State(ocs): State<Ocs>,
    Path(text): Path<String>,
    envelope: Envelope,
    own: OwnAddress,
    Caller(principal): Caller,
) -> Response {
    let found = async {
        let share = ocs.domain.share_by_id(&principal, id(&text)?).await?;
        // A list of one, as ever.
        Ok(json!([document::of(&share, &principal, &own)]))
    };
    envelope.answer(found.await)
}

pub(crate) async fn put(
    State(ocs): State<Ocs>,
    Path(text): Path<String>,
    envelope: Envelope,
    own: OwnAddress,
    Caller(principal): Caller,
    uri: Uri,
    body: Bytes,
) -> Response {
    let changed = async {
        let id = id(&text)?;
        let share = ocs.domain.share_by_id(&principal, id).await?;
        if !share.may_change {
            return Err(OcsError::Forbidden("only who made this share, or a manager, can change it"));
        }
        let change = change(&share, &Fields::read(&uri, body))?;
        let changed = ocs.domain.change_share(&principal, id, change).await?;
        Ok(document::of(&changed, &principal, &own))
    };
    envelope.answer(changed.await)
}

/// What a call wants changed. Bits that are those of the share already leave its role as it is.
fn change(share: &ShareDocument, fields: &Fields) -> Result<ShareChange, OcsError> {
    let is_link = share.kind == ShareKind::Link;
    let is_folder = share.item_kind == "folder";
    let bits = match (permissions(fields)?, fields.truth("publicUpload")) {
        (Some(bits), _) if is_link => Some(bits & !ShareRights::SHARE),
        (Some(bits), _) => Some(bits),
        (None, Some(true)) if is_link && is_folder => Some(USUAL),
        (None, Some(false)) if is_link => Some(ShareRights::READ),
        (None, _) => None,
    };
    let mut change = ShareChange::default();
    if let Some(bits) = bits.filter(|bits| *bits != share.bits()) {
        let rights = ShareRights::of_bits(bits, is_folder).ok_or(Error::Share(ShareFault::NoRights))?;
        change.role = Some(rights.role);
        change.upload_only = Some(rights.upload_only);
        change.may_reshare = Some(rights.may_reshare);
    }
    if is_link {
        change.password =
            fields.text("password").map(|password| Some(password).filter(|password| !password.is_empty()));
    }
    if let Some(text) = fields.text("expireDate") {
        change.expires_at = Some(if text.is_empty() { None } else { Some(until(&text)?) });
    }
    change.label = fields.text("label").or_else(|| fields.text("name"));
    change.note = fields.text("note");
    Ok(change)
}

/// Ends it, for who may; takes it out of one's own folder, for who got it.
pub(crate) async fn delete(
    State(ocs): State<Ocs>,
    Path(text): Path<String>,
    envelope: Envelope,
    Caller(principal): Caller,
) -> Response {
    envelope.answer(end(&ocs, &principal, &text).await)
}

async fn end(ocs: &Ocs, principal: &Principal, text: &str) -> Result<Value, OcsError> {
    let id = id(text)?;
    match ocs.domain.revoke_share(principal, id).await {
        Err(Error::NotFound) => ocs.domain.leave_share(principal, id).await?,
        ended => ended?,
    }
    Ok(json!([]))
}

/// `DELETE …/shares/pending/ID`: not to be seen.
pub(crate) async fn leave(
    State(ocs): State<Ocs>,
    Path(text): Path<String>,
    envelope: Envelope,
    Caller(principal): Caller,
) -> Response {
    let left = async {
        ocs.domain.leave_share(&principal, id(&text)?).await?;
        Ok(json!([]))
    };
    envelope.answer(left.await)
}

/// `POST …/shares/pending/ID`: to be seen again.
pub(crate) async fn take_up(
    State(ocs): State<Ocs>,
    Path(text): Path<String>,
    envelope: Envelope,
    Caller(principal): Caller,
) -> Response {
    let taken = async {
        ocs.domain.take_up_share(&principal, id(&text)?).await?;
        Ok(json!([]))
    };
    envelope.answer(taken.await)
}
