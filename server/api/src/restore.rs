//! `POST /api/v1/trash/{item}/restore`: puts a deleted item back where it lay.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Id;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use stitchbox_schema::ItemId;

/// The item as it is now: its name differs from the old one where that was taken.
#[derive(Serialize)]
pub(crate) struct RestoredDocument {
    item: ItemId,
    name: String,
}

pub(crate) async fn post(
    State(api): State<Api>,
    Caller(principal): Caller,
    Id(item): Id<ItemId>,
) -> Result<Json<RestoredDocument>, ApiError> {
    let restored = api.domain.restore(&principal, item).await?;
    Ok(Json(RestoredDocument { item: restored.id, name: restored.name }))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn a_deleted_thing_comes_back_once() {
        let house = House::new().await;
        house.write("ada", "/f", b"x").await;
        house.remove("ada", "/f").await;
        let listed = house.get("/api/v1/trash?space=ada").await;
        let address = format!("/api/v1/trash/{}/restore", listed.body["items"][0]["item"].as_str().unwrap());
        house.user("eve").await;
        assert_eq!(house.by("eve", "POST", &address).await.status, 404, "not hers");
        let answer = house.call("POST", &address).await;
        assert_eq!((answer.status, answer.body["name"].as_str()), (200, Some("f")));
        assert_eq!(house.get("/api/v1/versions?space=ada&path=/f").await.status, 200);
        assert_eq!(house.call("POST", &address).await.status, 404, "it is not in the trash any more");
        assert_eq!(house.call("POST", "/api/v1/trash/x/restore").await.status, 404);
    }
}
