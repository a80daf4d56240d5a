//! `GET /api/v1/runs/{id}`: one run.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Id;
use axum::Json;
use axum::extract::State;
use stitchbox_schema::RunId;
use stitchbox_schema::documents::RunDocument;

pub(crate) async fn get(
    State(api): State<Api>,
    Caller(principal): Caller,
    Id(id): Id<RunId>,
) -> Result<Json<RunDocument>, ApiError> {
    Ok(Json(api.domain.run(&principal, id).await?))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn a_run_is_shown_to_members_and_to_nobody_else() {
        let house = House::new().await;
        house.run("ada", "/m").await;
        let listed = house.get("/api/v1/runs").await.body["runs"][0].clone();
        let address = format!("/api/v1/runs/{}", listed["id"].as_str().unwrap());
        let answer = house.get(&address).await;
        assert_eq!((answer.status, answer.body), (200, listed));
        for address in ["/api/v1/runs/1", "/api/v1/runs/x", "/api/v1/runs/99999999999999999999"] {
            assert_eq!(house.get(address).await.code(), "not_found", "{address}");
        }
        house.user("eve").await;
        assert_eq!(house.by("eve", "GET", &address).await.status, 404);
    }
}
