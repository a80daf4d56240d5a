//! `GET /api/v1/runs?space=&state=`: the latest runs the caller may see, latest first.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Parameters;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use stitchbox_domain::runs::{MAX_LISTED, RunFilter};
use stitchbox_schema::documents::{RunDocument, RunState};

#[derive(Deserialize)]
pub(crate) struct Filter {
    space: Option<String>,
    state: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct RunsDocument {
    runs: Vec<RunDocument>,
}

pub(crate) async fn get(
    State(api): State<Api>,
    Caller(principal): Caller,
    Parameters(filter): Parameters<Filter>,
) -> Result<Json<RunsDocument>, ApiError> {
    let state = match filter.state.as_deref() {
        Some(word) => Some(RunState::parse(word).ok_or_else(|| unknown_state(word))?),
        None => None,
    };
    let space = match filter.space.as_deref() {
        Some(id_or_name) => Some(api.domain.find_space(&principal, id_or_name).await?.space.id),
        None => None,
    };
    let runs = api.domain.runs(&principal, RunFilter { space, state }, MAX_LISTED).await?;
    Ok(Json(RunsDocument { runs }))
}

fn unknown_state(word: &str) -> ApiError {
    ApiError::BadRequest(format!(
        "\"{word}\" is no state of a run; known are queued, running, done, failed, superseded and outputs_removed"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;
    use stitchbox_domain::{Principal, Scope};

    #[tokio::test]
    async fn runs_are_listed_and_filtered() {
        let house = House::new().await;
        house.space("ring", Some("ada"), None).await;
        assert_eq!(house.get("/api/v1/runs").await.body["runs"], serde_json::json!([]));
        house.run("ada", "/m").await;
        house.run("ring", "/n").await;
        let folders = async |query: &str| -> Vec<String> {
            let answer = house.get(&format!("/api/v1/runs{query}")).await;
            assert_eq!(answer.status, 200, "{query}");
            let runs = answer.body["runs"].as_array().unwrap().clone();
            runs.iter().map(|run| run["folder"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(folders("").await, ["/n", "/m"]);
        assert_eq!(folders("?space=ring").await, ["/n"]);
        assert_eq!(folders("?state=queued&space=ada").await, ["/m"]);
        assert_eq!(folders("?state=done").await, Vec::<String>::new());
        assert_eq!(house.get("/api/v1/runs?space=nowhere").await.status, 404);
        assert_eq!(house.get("/api/v1/runs?state=ready").await.status, 400);
        // What does not match does not use the limit up.
        let ada = house.ada().await;
        let space = Some(house.domain.find_space(&ada, "ada").await.unwrap().space.id);
        let filter = RunFilter { space, state: Some(RunState::Queued) };
        let found = house.domain.runs(&ada, filter, 1).await.unwrap();
        assert_eq!((found.len(), found[0].folder.as_str(), found[0].space.as_str()), (1, "/m", "ada"));
        let scope = Scope { space, ..Scope::default() };
        let limited = house.domain.runs(&Principal { scope, ..ada }, RunFilter::default(), 1).await.unwrap();
        assert_eq!((limited.len(), limited[0].folder.as_str()), (1, "/m"));
        house.user("eve").await;
        assert_eq!(house.by("eve", "GET", "/api/v1/runs").await.body["runs"], serde_json::json!([]));
    }
}
