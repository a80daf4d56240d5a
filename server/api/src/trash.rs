//! `GET /api/v1/trash?space=`: what was deleted from a space, latest first.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Parameters;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use stitchbox_schema::documents::TrashDocument;

#[derive(Deserialize)]
pub(crate) struct Which {
    /// Id or name.
    space: String,
}

#[derive(Serialize)]
pub(crate) struct TrashItemsDocument {
    items: Vec<TrashDocument>,
}

pub(crate) async fn get(
    State(api): State<Api>,
    Caller(principal): Caller,
    Parameters(which): Parameters<Which>,
) -> Result<Json<TrashItemsDocument>, ApiError> {
    let membership = api.domain.find_space(&principal, &which.space).await?;
    let deleted = api.domain.trash(&principal, membership.space.id).await?;
    let items = deleted.into_iter().map(|(entry, item)| TrashDocument {
        item: item.id,
        name: item.name,
        original_path: entry.original_path,
        deleted_at: entry.deleted_at,
    });
    Ok(Json(TrashItemsDocument { items: items.collect() }))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn deleted_things_are_listed_with_their_place() {
        let house = House::new().await;
        house.folder("ada", "/a").await;
        house.write("ada", "/a/f", b"x").await;
        house.remove("ada", "/a/f").await;
        house.remove("ada", "/a").await;
        let answer = house.get("/api/v1/trash?space=ada").await;
        let items = answer.body["items"].as_array().unwrap();
        let shown: Vec<_> = items.iter().map(|item| (item["name"].as_str(), item["original_path"].as_str())).collect();
        assert_eq!(shown, [(Some("a"), Some("/a")), (Some("f"), Some("/a/f"))]);
        assert!(items[0]["item"].is_string() && items[0]["deleted_at"].as_str().unwrap().ends_with('Z'));
        assert_eq!(house.get("/api/v1/trash?space=nowhere").await.status, 404);
        assert_eq!(house.get("/api/v1/trash").await.code(), "bad_request");
        house.user("eve").await;
        assert_eq!(house.by("eve", "GET", "/api/v1/trash?space=ada").await.status, 404);
    }
}
