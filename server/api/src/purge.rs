//! `DELETE /api/v1/trash/{item}`: gives up a deleted item for good.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Id;
use axum::extract::State;
use http::StatusCode;
use stitchbox_schema::ItemId;

/// It is not listed or restored any more; the sweep removes it.
pub(crate) async fn delete(
    State(api): State<Api>,
    Caller(principal): Caller,
    Id(item): Id<ItemId>,
) -> Result<StatusCode, ApiError> {
    api.domain.purge(&principal, item).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use stitchbox_schema::Role;

    #[tokio::test]
    async fn what_was_given_up_is_not_listed_or_restored() {
        let house = House::new().await;
        for name in ["/f", "/g"] {
            house.write("ada", name, b"x").await;
            house.remove("ada", name).await;
        }
        let items = house.get("/api/v1/trash?space=ada").await.body["items"].clone();
        let address = format!("/api/v1/trash/{}", items[0]["item"].as_str().unwrap());
        house.user("eve").await;
        assert_eq!(house.by("eve", "DELETE", &address).await.status, 404);
        assert_eq!(house.call("DELETE", &address).await.status, 204);
        assert_eq!(house.call("DELETE", &address).await.status, 404, "once");
        assert_eq!(house.call("POST", &format!("{address}/restore")).await.status, 404);
        let left = house.get("/api/v1/trash?space=ada").await.body["items"].clone();
        assert_eq!((left.as_array().unwrap().len(), &left[0]), (1, &items[1]));
        assert_eq!(house.domain.purge_trash(100).await.unwrap(), 1);
        assert_eq!(house.call("DELETE", "/api/v1/trash/x").await.status, 404);
    }

    #[tokio::test]
    async fn members_give_up_what_they_deleted_and_managers_everything() {
        let house = House::new().await;
        house.space("ring", Some("ada"), None).await;
        house.user("eve").await;
        house.domain.set_member("ring", "eve", Some(Role::Editor)).await.unwrap();
        house.write("ring", "/f", b"x").await;
        house.remove("ring", "/f").await;
        let items = house.get("/api/v1/trash?space=ring").await.body["items"].clone();
        let address = format!("/api/v1/trash/{}", items[0]["item"].as_str().unwrap());
        let refused = house.by("eve", "DELETE", &address).await;
        assert_eq!((refused.status, refused.code()), (403, "forbidden"));
        let own = house.by("eve", "DELETE", "/api/v1/trash?space=ring").await;
        assert_eq!((own.status, own.body["items"].as_u64()), (200, Some(0)));
        house.domain.set_member("ring", "eve", Some(Role::Viewer)).await.unwrap();
        assert_eq!(house.by("eve", "DELETE", "/api/v1/trash?space=ring").await.status, 403);
        let all = house.call("DELETE", "/api/v1/trash?space=ring").await;
        assert_eq!((all.status, all.body["items"].as_u64()), (200, Some(1)));
        assert_eq!(house.get("/api/v1/trash?space=ring").await.body["items"].as_array().unwrap().len(), 0);
    }
}
