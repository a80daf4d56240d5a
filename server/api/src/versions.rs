//! `GET /api/v1/versions?space=&path=`: the versions of a file, newest first.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Parameters;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use stitchbox_domain::{Error, ItemPath};
use stitchbox_schema::documents::VersionDocument;

#[derive(Deserialize)]
pub(crate) struct Which {
    /// Id or name.
    space: String,
    /// Path of the file in the space.
    path: String,
}

#[derive(Serialize)]
pub(crate) struct VersionsDocument {
    versions: Vec<VersionDocument>,
}

pub(crate) async fn get(
    State(api): State<Api>,
    Caller(principal): Caller,
    Parameters(which): Parameters<Which>,
) -> Result<Json<VersionsDocument>, ApiError> {
    let membership = api.domain.find_space(&principal, &which.space).await?;
    let path = ItemPath::parse(&which.path).map_err(Error::from)?;
    let at = membership.place(path);
    let shown = api.domain.content(&principal, &at).await?.version.id;
    let versions = api.domain.versions(&principal, &at).await?.into_iter().map(|version| VersionDocument {
        version: version.id,
        size: version.size,
        sha256: version.sha256,
        created_at: version.created_at,
        current: version.id == shown,
    });
    Ok(Json(VersionsDocument { versions: versions.collect() }))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn every_content_a_file_had_is_listed_newest_first() {
        let house = House::new().await;
        house.write("ada", "/f g", b"1").await;
        house.write("ada", "/f g", b"22").await;
        let answer = house.get("/api/v1/versions?space=ada&path=/f%20g").await;
        let versions = answer.body["versions"].as_array().unwrap();
        let shown: Vec<_> = versions.iter().map(|v| (v["size"].as_i64(), v["current"].as_bool())).collect();
        assert_eq!(shown, [(Some(2), Some(true)), (Some(1), Some(false))]);
        assert_eq!(versions[0]["sha256"].as_str().unwrap().len(), 64);
        let code = async |query: &str| {
            let answer = house.get(&format!("/api/v1/versions{query}")).await;
            (answer.status, answer.code().to_owned())
        };
        assert_eq!(code("?space=ada&path=/nothing").await, (404, "not_found".to_owned()));
        assert_eq!(code("?space=ada&path=/").await, (409, "is_folder".to_owned()));
        assert_eq!(code("?space=ada&path=/../x").await, (400, "bad_name".to_owned()));
        assert_eq!(code("?space=ada").await, (400, "bad_request".to_owned()));
        house.user("eve").await;
        assert_eq!(house.by("eve", "GET", "/api/v1/versions?space=ada&path=/f").await.status, 404);
    }
}
