//! `GET /api/v1/access?space=&path=`: everybody who has access to an item.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Parameters;
use crate::shares::place;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use stitchbox_schema::sharing::AccessDocument;

#[derive(Deserialize)]
pub(crate) struct Which {
    /// Id or name.
    space: String,
    /// Path of the item in the space.
    path: String,
}

pub(crate) async fn get(
    State(api): State<Api>,
    Caller(principal): Caller,
    Parameters(which): Parameters<Which>,
) -> Result<Json<AccessDocument>, ApiError> {
    let at = place(&api, &principal, &which.space, &which.path).await?;
    Ok(Json(api.domain.access_to(&principal, &at).await?))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::json;

    #[tokio::test]
    async fn members_and_shares_above_and_below_are_listed() {
        let house = House::new().await;
        house.user("eve").await;
        house.space("ring", Some("ada"), None).await;
        for folder in ["/a", "/a/b", "/a/b/c"] {
            house.folder("ring", folder).await;
            let wanted = json!({"space": "ring", "path": folder, "kind": "user", "with": "eve"});
            assert_eq!(house.send_json("ada", "POST", "/api/v1/shares", &wanted).await.status, 201);
        }
        let access = house.get("/api/v1/access?space=ring&path=/a/b").await.body;
        assert_eq!(access["members"], json!([{"name": "ada", "display_name": "ada", "role": "manager"}]));
        let paths = |list: &serde_json::Value| -> Vec<String> {
            list.as_array().unwrap().iter().map(|share| share["path"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(
            (paths(&access["shares"]), paths(&access["below"])),
            (vec!["/a".into(), "/a/b".into()], vec!["/a/b/c".to_owned()])
        );
        assert_eq!(house.by("eve", "GET", "/api/v1/access?space=ring&path=/a").await.status, 404);
        assert_eq!(house.get("/api/v1/access?space=ring").await.code(), "bad_request");
    }
}
