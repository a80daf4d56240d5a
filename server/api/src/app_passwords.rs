//! `/api/v1/app-passwords`: a person's own. All of it needs the password of the account: who holds an app password must
//! not be able to make others that outlive it.

use crate::Api;
use crate::caller::Shown;
use crate::error::ApiError;
use crate::parameters::Id;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stitchbox_domain::{AppPassword, Principal};
use stitchbox_schema::{AppPasswordId, SpaceId, Timestamp};

#[derive(Serialize)]
pub(crate) struct AppPasswordDocument {
    id: AppPasswordId,
    label: String,
    /// The only space it opens.
    space: Option<SpaceId>,
    create_only: bool,
    created_at: Timestamp,
    /// To the hour.
    last_used_at: Option<Timestamp>,
    /// It opens nothing any more and waits for its device to be wiped.
    wipe: bool,
}

impl From<AppPassword> for AppPasswordDocument {
    fn from(found: AppPassword) -> Self {
        Self {
            id: found.id,
            label: found.label,
            space: found.space,
            create_only: found.create_only,
            created_at: found.created_at,
            last_used_at: found.last_used_at,
            wipe: found.wipe_asked_at.is_some(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ListDocument {
    app_passwords: Vec<AppPasswordDocument>,
}

#[derive(Serialize)]
pub(crate) struct MadeDocument {
    #[serde(flatten)]
    made: AppPasswordDocument,
    /// Login name it belongs to.
    user: String,
    /// Shown this once.
    app_password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// What it is for.
    label: String,
    /// The only space it opens, by name.
    #[serde(default)]
    space: Option<String>,
    #[serde(default)]
    create_only: bool,
}

async fn owner(api: &Api, shown: &Shown) -> Result<Principal, ApiError> {
    Ok(api.domain.login_account(&shown.credentials, shown.client).await?)
}

pub(crate) async fn get(State(api): State<Api>, shown: Shown) -> Result<Json<ListDocument>, ApiError> {
    let owner = owner(&api, &shown).await?;
    let found = api.domain.app_passwords(&owner.name).await?;
    Ok(Json(ListDocument { app_passwords: found.into_iter().map(AppPasswordDocument::from).collect() }))
}

/// Makes one.
pub(crate) async fn post(
    State(api): State<Api>,
    shown: Shown,
    body: Bytes,
) -> Result<(StatusCode, Json<MadeDocument>), ApiError> {
    let owner = owner(&api, &shown).await?;
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| {
        ApiError::BadRequest(format!("the body must be {{\"label\": \"what it is for\"}}: {error}"))
    })?;
    let made = api.domain.add_app_password(&owner.name, &wanted.label, wanted.space.as_deref(), wanted.create_only);
    let (made, app_password) = made.await?;
    Ok((StatusCode::CREATED, Json(MadeDocument { made: made.into(), user: owner.name, app_password })))
}

/// Revokes one.
pub(crate) async fn delete(
    State(api): State<Api>,
    shown: Shown,
    Id(id): Id<AppPasswordId>,
) -> Result<StatusCode, ApiError> {
    let owner = owner(&api, &shown).await?;
    api.domain.revoke_app_password(&owner.name, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks its holder, a lost device, to remove everything it has.
pub(crate) async fn wipe(
    State(api): State<Api>,
    shown: Shown,
    Id(id): Id<AppPasswordId>,
) -> Result<StatusCode, ApiError> {
    let owner = owner(&api, &shown).await?;
    api.domain.wipe_app_password(&owner.name, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::json;

    const ADDRESS: &str = "/api/v1/app-passwords";

    #[tokio::test]
    async fn one_is_made_listed_wiped_and_revoked_by_its_owner_alone() {
        let house = House::new().await;
        house.user("eve").await;
        let made = house.send_json("ada", "POST", ADDRESS, &json!({"label": "laptop"})).await;
        assert_eq!((made.status, made.body["user"].as_str()), (201, Some("ada")));
        let (id, secret) = (made.body["id"].as_str().unwrap(), made.body["app_password"].as_str().unwrap());
        let with_it = house.call_with("GET", "/api/v1/spaces", Some(&crate::testing::basic_with("ada", secret))).await;
        assert_eq!(with_it.status, 200);
        let escalating = house.call_with("GET", ADDRESS, Some(&crate::testing::basic_with("ada", secret))).await;
        assert_eq!((escalating.status, escalating.code()), (403, "forbidden"), "the account's password is needed");
        let listed = house.get(ADDRESS).await.body["app_passwords"].clone();
        assert_eq!((listed.as_array().unwrap().len(), listed[0]["label"].as_str()), (1, Some("laptop")));
        assert!(listed[0]["last_used_at"].is_string() && listed[0].get("secret_hash").is_none());
        let one = format!("{ADDRESS}/{id}");
        assert_eq!(house.by("eve", "DELETE", &one).await.status, 404);
        assert_eq!(house.call("POST", &format!("{one}/wipe")).await.status, 204);
        assert_eq!(house.get(ADDRESS).await.body["app_passwords"][0]["wipe"], true);
        assert_eq!(house.call("DELETE", &one).await.status, 204);
        assert_eq!(house.call("DELETE", &one).await.status, 404);
        assert!(house.get(ADDRESS).await.body["app_passwords"].as_array().unwrap().is_empty());
    }

    #[tokio::test]
    async fn garbled_wishes_are_refused() {
        let house = House::new().await;
        for body in [json!({}), json!({"label": 3}), json!([]), json!({"label": "x", "admin": true})] {
            assert_eq!(house.send_json("ada", "POST", ADDRESS, &body).await.status, 400, "{body}");
        }
        let elsewhere = json!({"label": "x", "space": "nowhere"});
        assert_eq!(house.send_json("ada", "POST", ADDRESS, &elsewhere).await.status, 404);
    }
}
