//! `GET /api/v1/audit`: who gave, used and took back access, newest first.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Parameters;
use crate::shares::{place, until};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use stitchbox_domain::AuditQuery;
use stitchbox_schema::sharing::AuditDocument;
use stitchbox_schema::{ItemId, ShareId};

#[derive(Deserialize)]
pub(crate) struct Which {
    /// Of one item, by id,
    item: Option<ItemId>,
    /// or by space
    space: Option<String>,
    /// and path.
    path: Option<String>,
    /// Of one share.
    share: Option<ShareId>,
    /// Not before this instant.
    since: Option<String>,
    /// Older than the row with this id.
    before: Option<i64>,
    limit: Option<i64>,
}

#[derive(Serialize)]
pub(crate) struct RowsDocument {
    audit: Vec<AuditDocument>,
}

pub(crate) async fn get(
    State(api): State<Api>,
    Caller(principal): Caller,
    Parameters(which): Parameters<Which>,
) -> Result<Json<RowsDocument>, ApiError> {
    let item = match (&which.space, &which.path) {
        (Some(space), Some(path)) => {
            let at = place(&api, &principal, space, path).await?;
            Some(api.domain.item(&principal, &at).await?.1.id)
        }
        _ => which.item,
    };
    // A day begins where it begins.
    let since = which.since.map(|text| if text.len() == 10 { text + "T00:00:00+00:00" } else { text });
    let since = since.as_deref().map(until).transpose()?;
    let query = AuditQuery { item, share: which.share, since, before: which.before, limit: which.limit };
    Ok(Json(RowsDocument { audit: api.domain.audit(&principal, query).await? }))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::json;

    #[tokio::test]
    async fn the_story_of_an_item_is_told_to_who_manages_it() {
        let house = House::new().await;
        house.user("eve").await;
        house.folder("ada", "/kb").await;
        let wanted = json!({"space": "ada", "path": "/kb", "kind": "link", "password": "stable horse", "label": "x"});
        let made = house.send_json("ada", "POST", "/api/v1/shares", &wanted).await;
        let id = made.body["id"].as_str().unwrap();
        house.call("DELETE", &format!("/api/v1/shares/{id}")).await;
        let told = house.get("/api/v1/audit?space=ada&path=/kb").await;
        let rows = told.body["audit"].as_array().unwrap();
        let shown: Vec<_> = rows.iter().map(|row| (row["event"].as_str(), row["subject"].as_str())).collect();
        assert_eq!(shown, [(Some("revoked"), Some("/kb")), (Some("granted"), Some("/kb"))]);
        assert_eq!(rows[1]["details"]["password"], true);
        let token = made.body["token"].as_str().unwrap();
        assert!(!told.body.to_string().contains(token) && !told.body.to_string().contains("horse"), "no secrets");
        assert_eq!(house.by("eve", "GET", &format!("/api/v1/audit?share={id}")).await.body["audit"], json!([]));
        assert_eq!(house.get("/api/v1/audit?since=2099-01-01T12:00:00Z").await.body["audit"], json!([]));
        assert_eq!(house.get("/api/v1/audit?since=x").await.code(), "bad_request");
    }
}
