//! `/api/v1/groups`: groups and their members, for administrators.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stitchbox_schema::sharing::GroupDocument;

#[derive(Serialize)]
pub(crate) struct GroupsDocument {
    groups: Vec<GroupDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    #[serde(default)]
    display_name: String,
}

pub(crate) async fn get(State(api): State<Api>, Caller(principal): Caller) -> Result<Json<GroupsDocument>, ApiError> {
    api.domain.only_administrators(&principal)?;
    Ok(Json(GroupsDocument { groups: api.domain.groups().await? }))
}

pub(crate) async fn post(
    State(api): State<Api>,
    Caller(principal): Caller,
    body: Bytes,
) -> Result<(StatusCode, Json<GroupDocument>), ApiError> {
    api.domain.only_administrators(&principal)?;
    let wanted: Wanted = serde_json::from_slice(&body)
        .map_err(|error| ApiError::BadRequest(format!("the body must be {{\"name\": \"…\"}}: {error}")))?;
    let made = api.domain.add_group(&wanted.name, &wanted.display_name, &principal.name).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Removes a group; what is shared with it ends.
pub(crate) async fn delete(
    State(api): State<Api>,
    Caller(principal): Caller,
    Path(group): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.domain.only_administrators(&principal)?;
    api.domain.remove_group(&group, &principal.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a user a member.
pub(crate) async fn join(
    State(api): State<Api>,
    Caller(principal): Caller,
    Path((group, user)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    api.domain.only_administrators(&principal)?;
    api.domain.set_group_member(&group, &user, true, &principal.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a membership.
pub(crate) async fn leave(
    State(api): State<Api>,
    Caller(principal): Caller,
    Path((group, user)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    api.domain.only_administrators(&principal)?;
    api.domain.set_group_member(&group, &user, false, &principal.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::json;
    use stitchbox_domain::NewUser;

    #[tokio::test]
    async fn administrators_make_groups_and_others_do_not() {
        let house = House::new().await;
        let password = Some("stable horse root".to_owned());
        let root = NewUser { name: "root".to_owned(), password, is_admin: true, ..NewUser::default() };
        house.domain.add_user(root).await.unwrap();
        let group = json!({"name": "optics", "display_name": "Optics"});
        assert_eq!(house.send_json("ada", "POST", "/api/v1/groups", &group).await.status, 403);
        assert_eq!(house.get("/api/v1/groups").await.status, 403);
        assert_eq!(house.send_json("root", "POST", "/api/v1/groups", &group).await.status, 201);
        assert_eq!(house.send_json("root", "POST", "/api/v1/groups", &group).await.code(), "exists");
        assert_eq!(house.by("root", "PUT", "/api/v1/groups/optics/members/ada").await.status, 204);
        assert_eq!(house.by("root", "PUT", "/api/v1/groups/optics/members/nobody").await.code(), "no_such_user");
        assert_eq!(house.by("root", "PUT", "/api/v1/groups/opera/members/ada").await.code(), "no_such_group");
        let listed = house.by("root", "GET", "/api/v1/groups").await.body;
        assert_eq!(listed, json!({"groups": [{"name": "optics", "display_name": "Optics", "members": ["ada"]}]}));
        assert_eq!(house.call("DELETE", "/api/v1/groups/optics").await.status, 403);
        assert_eq!(house.by("root", "DELETE", "/api/v1/groups/optics/members/ada").await.status, 204);
        assert_eq!(house.by("root", "DELETE", "/api/v1/groups/optics").await.status, 204);
        assert_eq!(house.by("root", "GET", "/api/v1/groups").await.body, json!({"groups": []}));
        let told = house.by("root", "GET", "/api/v1/audit").await.body;
        let events: Vec<_> =
            told["audit"].as_array().unwrap().iter().map(|row| row["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["group_removed", "group_left", "group_joined", "group_made"]);
        assert_eq!(house.get("/api/v1/audit").await.body["audit"], json!([]));
    }
}
