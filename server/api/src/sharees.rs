//! `GET /api/v1/sharees?search=`: whom there is to share with.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Parameters;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use stitchbox_domain::{ShareeKinds, ShareeQuery};
use stitchbox_schema::sharing::ShareeDocument;

/// How many of each kind, if nothing is said.
const USUAL: i64 = 20;

#[derive(Deserialize)]
pub(crate) struct Which {
    /// A piece of a name.
    #[serde(default)]
    search: String,
    limit: Option<i64>,
    offset: Option<i64>,
}

#[derive(Serialize)]
pub(crate) struct ShareesDocument {
    sharees: Vec<ShareeDocument>,
}

pub(crate) async fn get(
    State(api): State<Api>,
    Caller(principal): Caller,
    Parameters(which): Parameters<Which>,
) -> Result<Json<ShareesDocument>, ApiError> {
    let query = ShareeQuery {
        text: which.search,
        kinds: ShareeKinds::ALL,
        limit: which.limit.unwrap_or(USUAL),
        offset: which.offset.unwrap_or(0),
    };
    Ok(Json(ShareesDocument { sharees: api.domain.sharees(&principal, query).await? }))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::json;

    #[tokio::test]
    async fn people_here_and_elsewhere_are_found() {
        let house = House::new().await;
        house.user("eve").await;
        house.user("evelyn").await;
        let found = house.get("/api/v1/sharees?search=eve").await.body;
        let names: Vec<_> =
            found["sharees"].as_array().unwrap().iter().map(|one| (&one["name"], &one["exact"])).collect();
        assert_eq!(names, [(&json!("eve"), &json!(true)), (&json!("evelyn"), &json!(false))]);
        assert_eq!(house.get("/api/v1/sharees?search=eve&limit=1").await.body["sharees"].as_array().unwrap().len(), 1);
        let remote = house.get("/api/v1/sharees?search=bob@nc.example").await.body;
        assert_eq!(remote["sharees"][0]["kind"], "federated");
    }
}
