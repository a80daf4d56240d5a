//! `GET /api/v1/spaces`: the spaces the caller may see.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::received::PeerDocument;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use stitchbox_schema::documents::SpaceDocument;

#[derive(Serialize)]
pub(crate) struct SpacesDocument {
    spaces: Vec<ShownSpace>,
}

/// A space, and how it stands with its peer if it is a received one.
#[derive(Serialize)]
struct ShownSpace {
    #[serde(flatten)]
    space: SpaceDocument,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<PeerDocument>,
}

/// Personal first, then by name.
pub(crate) async fn get(State(api): State<Api>, Caller(principal): Caller) -> Result<Json<SpacesDocument>, ApiError> {
    let mut spaces = Vec::new();
    for membership in api.domain.spaces_of(&principal).await? {
        let quota = api.domain.quota(&membership).await?;
        let peer = api.domain.peer_state(&membership.space).await?.map(PeerDocument::from);
        let space = SpaceDocument {
            id: membership.space.id,
            name: membership.space.name,
            kind: membership.space.kind,
            role: membership.role,
            used_bytes: quota.used,
            quota_bytes: quota.limit,
        };
        spaces.push(ShownSpace { space, peer });
    }
    Ok(Json(SpacesDocument { spaces }))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    #[tokio::test]
    async fn one_sees_the_spaces_one_is_a_member_of() {
        let house = House::new().await;
        house.space("ring", Some("ada"), Some(1000)).await;
        house.space("closed", None, None).await;
        house.write("ring", "/f", b"12345").await;
        let answer = house.get("/api/v1/spaces").await;
        assert_eq!(answer.status, 200);
        let mut spaces = answer.body["spaces"].clone();
        for space in spaces.as_array_mut().unwrap() {
            assert!(space.as_object_mut().unwrap().remove("id").unwrap().is_string());
        }
        assert_eq!(
            spaces,
            json!([
                {"name": "ada", "kind": "personal", "role": "manager", "used_bytes": 0, "quota_bytes": null},
                {"name": "ring", "kind": "project", "role": "manager", "used_bytes": 5, "quota_bytes": 1000},
            ])
        );
    }

    #[tokio::test]
    async fn a_create_only_password_sees_none() {
        let house = House::new().await;
        house.space("ring", Some("ada"), Some(1000)).await;
        let (_, secret) = house.domain.add_app_password("ada", "rig", Some("ring"), true).await.unwrap();
        let basic = format!("Basic {}", STANDARD.encode(format!("ada:{secret}")));
        let answer = house.call_with("GET", "/api/v1/spaces", Some(&basic)).await;
        assert_eq!((answer.status, &answer.body["spaces"]), (200, &json!([])));
    }
}
