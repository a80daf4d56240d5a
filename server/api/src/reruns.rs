//! `/api/v1/reruns`: repeating the run whose results lie in a folder, and how that came out.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Id;
use crate::place::PlaceWanted;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stitchbox_domain::attest::RerunError;
use stitchbox_schema::RerunId;
use stitchbox_schema::documents::RerunDocument;

#[derive(Serialize)]
pub(crate) struct RerunsDocument {
    reruns: Vec<RerunDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    space: Option<String>,
    path: String,
    /// Another engine will do.
    #[serde(default)]
    any_engine: bool,
}

/// Asks for a repetition: 202 with the document to watch.
pub(crate) async fn post(
    State(api): State<Api>,
    Caller(principal): Caller,
    body: Bytes,
) -> Result<(StatusCode, Json<RerunDocument>), ApiError> {
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| {
        ApiError::BadRequest(format!("the body must be {{\"space\": \"name or id\", \"path\": \"/folder\"}}: {error}"))
    })?;
    let place = PlaceWanted { space: wanted.space, path: wanted.path };
    let at = place.location(&api, &principal).await?;
    match api.domain.request_rerun(&principal, &at, wanted.any_engine).await {
        Ok(document) => Ok((StatusCode::ACCEPTED, Json(document))),
        Err(RerunError::Domain(error)) => Err(error.into()),
        Err(nothing @ RerunError::NoResult) => Err(ApiError::BadRequest(nothing.to_string())),
    }
}

/// Those the caller asked for, latest first.
pub(crate) async fn get(State(api): State<Api>, Caller(principal): Caller) -> Result<Json<RerunsDocument>, ApiError> {
    Ok(Json(RerunsDocument { reruns: api.domain.reruns(&principal).await? }))
}

/// One of them.
pub(crate) async fn get_one(
    State(api): State<Api>,
    Caller(principal): Caller,
    Id(id): Id<RerunId>,
) -> Result<Json<RerunDocument>, ApiError> {
    Ok(Json(api.domain.rerun(&principal, id).await?))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::json;

    #[tokio::test]
    async fn a_repetition_is_asked_for_by_space_or_by_path_and_seen_by_who_asked() {
        let house = House::new().await;
        house.folder("ada", "/m").await;
        house.folder("ada", "/m/Stitched").await;
        let post = async |document| house.send_json("ada", "POST", "/api/v1/reruns", &document).await;
        let nothing = post(json!({"space": "ada", "path": "/m"})).await;
        assert_eq!((nothing.status, nothing.code()), (400, "bad_request"));
        assert!(nothing.body["error"]["message"].as_str().unwrap().contains("no result"));
        house.write("ada", "/m/Stitched/ro-crate-metadata.json", b"{}").await;
        let asked = post(json!({"space": "ada", "path": "/m"})).await;
        assert_eq!((asked.status, &asked.body["state"]), (202, &json!("queued")));
        let by_path = post(json!({"path": "m", "any_engine": true})).await;
        assert_eq!(by_path.body["id"], asked.body["id"], "one under way is enough");
        let address = format!("/api/v1/reruns/{}", asked.body["id"].as_str().unwrap());
        assert_eq!(house.get(&address).await.body, asked.body);
        assert_eq!(house.get("/api/v1/reruns").await.body["reruns"], json!([asked.body]));
        for wrong in [json!({}), json!({"path": 7}), json!({"path": "/m", "force": true})] {
            assert_eq!(post(wrong).await.status, 400);
        }
        assert_eq!(post(json!({"space": "nowhere", "path": "/m"})).await.status, 404);
        assert_eq!(post(json!({"path": "Spaces"})).await.status, 404);
        house.user("eve").await;
        assert_eq!(house.by("eve", "GET", &address).await.status, 404);
        assert_eq!(house.by("eve", "GET", "/api/v1/reruns").await.body["reruns"], json!([]));
    }

    #[tokio::test]
    async fn a_run_into_another_folder_is_made_or_refused_with_a_sentence() {
        let house = House::new().await;
        house.folder("ada", "/raw").await;
        house.folder("ada", "/into").await;
        let body = |into: &str| json!({"inputs": {"space": "ada", "path": "/raw"}, "into": {"path": into}});
        let none = house.send_json("ada", "POST", "/api/v1/runs", &body("into")).await;
        assert_eq!((none.status, none.code()), (400, "bad_request"));
        house.write("ada", "/raw/a.dat", b"\x88\x1b\x03\x6f a").await;
        house.write("ada", "/raw/b.dat", b"\x88\x1b\x03\x6f b").await;
        let made = house.send_json("ada", "POST", "/api/v1/runs", &body("into")).await;
        assert_eq!((made.status, &made.body["folder"], &made.body["inputs"]), (202, &json!("/into"), &json!(2)));
        assert_eq!(made.body["source"], "ada: /raw");
        assert_eq!(house.send_json("ada", "POST", "/api/v1/runs", &body("nowhere")).await.status, 404);
        assert_eq!(house.send_json("ada", "POST", "/api/v1/runs", &json!({"inputs": 1})).await.status, 400);
    }
}
