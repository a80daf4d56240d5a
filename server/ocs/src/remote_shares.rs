//! `…/remote_shares` and `…/remote_shares/pending`: what peers share with the person. The id is that of the space it is
//! shown as.

use crate::Ocs;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::OcsError;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};
use stitchbox_domain::received::{ReceivedSpace, ReceivedState};
use stitchbox_domain::{Error, Principal};
use stitchbox_schema::SpaceId;
use stitchbox_schema::sharing::ShareRights;

/// What is shown among the person's shares.
pub(crate) async fn accepted(State(ocs): State<Ocs>, envelope: Envelope, Caller(principal): Caller) -> Response {
    envelope.answer(listed(&ocs, &principal, ReceivedState::Accepted).await)
}

/// What waits for an answer.
pub(crate) async fn pending(State(ocs): State<Ocs>, envelope: Envelope, Caller(principal): Caller) -> Response {
    envelope.answer(listed(&ocs, &principal, ReceivedState::Pending).await)
}

pub(crate) async fn get(
    State(ocs): State<Ocs>,
    Path(text): Path<String>,
    envelope: Envelope,
    Caller(principal): Caller,
) -> Response {
    let found = async {
        let found = ocs.domain.received_share(&principal, id(&text)?).await?;
        document(&ocs, &principal, &found).await
    };
    envelope.answer(found.await)
}

/// `POST …/pending/ID`.
pub(crate) async fn accept(
    State(ocs): State<Ocs>,
    Path(text): Path<String>,
    envelope: Envelope,
    Caller(principal): Caller,
) -> Response {
    let done = async {
        ocs.domain.accept_received(&principal, id(&text)?).await?;
        Ok(json!([]))
    };
    envelope.answer(done.await)
}

/// `DELETE …/pending/ID`, and of what was accepted.
pub(crate) async fn decline(
    State(ocs): State<Ocs>,
    Path(text): Path<String>,
    envelope: Envelope,
    Caller(principal): Caller,
) -> Response {
    let done = async {
        ocs.domain.decline_received(&principal, id(&text)?).await?;
        Ok(json!([]))
    };
    envelope.answer(done.await)
}

fn id(text: &str) -> Result<SpaceId, OcsError> {
    text.parse().map_err(|_| Error::NotFound.into())
}

async fn listed(ocs: &Ocs, principal: &Principal, state: ReceivedState) -> Result<Value, OcsError> {
    let mut documents = Vec::new();
    for found in ocs.domain.received_shares(principal).await? {
        if found.share.state == state {
            documents.push(document(ocs, principal, &found).await?);
        }
    }
    Ok(Value::Array(documents))
}

async fn document(ocs: &Ocs, principal: &Principal, found: &ReceivedSpace) -> Result<Value, OcsError> {
    let share = &found.share;
    let is_accepted = share.state == ReceivedState::Accepted;
    let entry = match is_accepted {
        true => {
            let membership = ocs.domain.membership(principal, share.space).await?;
            ocs.domain.entry_of(principal, &membership).await?
        }
        false => None,
    };
    let writes = share.permissions.split(' ').any(|word| word == "write");
    let all = ShareRights::READ | ShareRights::UPDATE | ShareRights::CREATE | ShareRights::DELETE;
    Ok(json!({
        "id": share.space,
        "parent": null,
        "share_type": if share.group.is_some() { 1 } else { 0 },
        "remote": format!("https://{}/", share.peer),
        "remote_id": share.provider_id,
        "name": share.name,
        "owner": share.owner.rsplit_once('@').map_or(share.owner.as_str(), |(user, _)| user),
        "user": principal.name,
        "mountpoint": entry.map_or_else(|| format!("{{{{TemporaryMountPointName#/{}}}}}", share.name), |name| format!("/Shares/{name}")),
        "accepted": is_accepted,
        "type": if share.is_file { "file" } else { "dir" },
        "permissions": if writes { all } else { ShareRights::READ },
        "file_id": share.space.0,
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::json;

    #[tokio::test]
    async fn where_nothing_was_received_the_lists_are_empty_and_ids_name_nothing() {
        let house = House::new().await;
        let address = "/ocs/v2.php/apps/files_sharing/api/v1/remote_shares";
        for list in ["", "/pending"] {
            let answer = house.get(&format!("{address}{list}?format=json")).await;
            assert_eq!((answer.code(), &answer.body["ocs"]["data"]), (200, &json!([])), "{list}");
        }
        for (method, path) in [("GET", "/7"), ("DELETE", "/7"), ("POST", "/pending/7"), ("DELETE", "/pending/x")] {
            assert_eq!(
                house.call(method, &format!("{address}{path}?format=json")).await.status,
                404,
                "{method} {path}"
            );
        }
    }
}
