//! `GET …/shares`, `…/shares/inherited`, `…/shares/pending`: which shares there are.

use super::{document, place};
use crate::Ocs;
use crate::address::OwnAddress;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::OcsError;
use crate::form::field;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde_json::{Value, json};
use stitchbox_domain::{Error, Principal};
use stitchbox_schema::sharing::ShareDocument;

/// What one made (`path` narrows to an item, `subfiles` to what lies in a folder, `reshares` adds those of others), or
/// what one got (`shared_with_me`).
pub(crate) async fn list(
    State(ocs): State<Ocs>,
    envelope: Envelope,
    own: OwnAddress,
    Caller(principal): Caller,
    uri: Uri,
) -> Response {
    let found = found(&ocs, &principal, uri.query().unwrap_or_default()).await;
    envelope.answer(found.map(|shares| documents(&shares, &principal, &own)))
}

/// The shares of the folders above an item.
pub(crate) async fn inherited(
    State(ocs): State<Ocs>,
    envelope: Envelope,
    own: OwnAddress,
    Caller(principal): Caller,
    uri: Uri,
) -> Response {
    let found = above(&ocs, &principal, uri.query().unwrap_or_default()).await;
    envelope.answer(found.map(|shares| documents(&shares, &principal, &own)))
}

/// What waits to be accepted: nothing, since shares of this installation appear at once.
pub(crate) async fn pending(envelope: Envelope, Caller(_): Caller) -> Response {
    envelope.answer(Ok(json!([])))
}

fn documents(shares: &[ShareDocument], principal: &Principal, own: &OwnAddress) -> Value {
    shares.iter().map(|share| document::of(share, principal, own)).collect()
}

async fn found(ocs: &Ocs, principal: &Principal, query: &str) -> Result<Vec<ShareDocument>, OcsError> {
    let says = |name: &str| field(query, name).is_some_and(|text| matches!(text.as_str(), "true" | "1"));
    let path = field(query, "path").filter(|path| !path.is_empty());
    if says("shared_with_me") {
        let mut got = ocs.domain.shares_with(principal).await?;
        got.retain(|share| !share.hidden);
        if let Some(path) = path {
            let path = path.trim_end_matches('/');
            got.retain(|share| share.shown_at.as_deref() == Some(path));
        }
        return Ok(got);
    }
    let Some(path) = path else { return Ok(ocs.domain.shares_by(principal).await?) };
    let at = place(ocs, principal, &path).await?;
    let subfiles = says("subfiles");
    let mut shares = ocs.domain.shares_of_item(principal, &at, false, subfiles).await?;
    if subfiles {
        let folder = ocs.domain.item(principal, &at).await?.1;
        if !folder.is_folder() {
            return Err(Error::NotAFolder.into());
        }
        shares.retain(|share| share.item_folder == Some(folder.id));
    }
    if !says("reshares") {
        shares.retain(|share| share.grantor.name == principal.name);
    }
    Ok(shares)
}

async fn above(ocs: &Ocs, principal: &Principal, query: &str) -> Result<Vec<ShareDocument>, OcsError> {
    let at = place(ocs, principal, &field(query, "path").unwrap_or_default()).await?;
    let item = ocs.domain.item(principal, &at).await?.1;
    let mut shares = ocs.domain.shares_of_item(principal, &at, true, false).await?;
    shares.retain(|share| share.item != item.id && share.may_change);
    Ok(shares)
}
