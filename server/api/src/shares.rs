//! `/api/v1/shares`: making shares, and seeing those one made, got, or that an item has.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Parameters;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stitchbox_domain::{Error, Given, Grantee, ItemPath, Location, NewShare, Principal};
use stitchbox_schema::sharing::ShareDocument;
use stitchbox_schema::{Role, Timestamp, expiry};

#[derive(Deserialize)]
pub(crate) struct Which {
    /// Id or name of a space; with `path` the shares of that item.
    space: Option<String>,
    /// Path of the item in the space, or below what is shared.
    path: Option<String>,
    /// Those of the folders above, too.
    #[serde(default)]
    above: bool,
    /// Those of what lies below, too.
    #[serde(default)]
    below: bool,
    /// Those one got instead of those one made.
    #[serde(default)]
    with_me: bool,
}

#[derive(Serialize)]
pub(crate) struct SharesDocument {
    shares: Vec<ShareDocument>,
}

/// What came of it.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum GivenDocument {
    /// A share.
    Made(Box<ShareDocument>),
    /// The owner at another site was asked to share it.
    Asked {
        /// Id of the wish.
        asked: String,
    },
}

/// To whom, and how.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Id or name of the space, or the id of the share by which one sees the item.
    space: String,
    path: String,
    kind: ShareWord,
    /// Login name, name of the group, or `name@host`.
    #[serde(default)]
    with: Option<String>,
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    upload_only: bool,
    #[serde(default)]
    may_reshare: bool,
    #[serde(default)]
    password: Option<String>,
    /// A day, or an instant.
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    label: String,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ShareWord {
    User,
    Group,
    Link,
    Federated,
    FederatedGroup,
}

/// The place a space's name or id and a path stand for: below the top of what the principal sees of it.
pub(crate) async fn place(api: &Api, principal: &Principal, space: &str, path: &str) -> Result<Location, ApiError> {
    let membership = api.domain.find_space(principal, space).await?;
    Ok(membership.place(ItemPath::parse(path).map_err(Error::from)?))
}

/// Reads a day or an instant.
pub(crate) fn until(text: &str) -> Result<Timestamp, ApiError> {
    let wrong =
        || ApiError::BadRequest(format!("{text:?} is no day (2026-12-31) and no instant (2026-12-31T12:00:00Z)"));
    expiry(text).ok_or_else(wrong)
}

pub(crate) async fn get(
    State(api): State<Api>,
    Caller(principal): Caller,
    Parameters(which): Parameters<Which>,
) -> Result<Json<SharesDocument>, ApiError> {
    let shares = match (&which.space, &which.path) {
        (Some(space), path) => {
            let at = place(&api, &principal, space, path.as_deref().unwrap_or("/")).await?;
            api.domain.shares_of_item(&principal, &at, which.above, which.below).await?
        }
        (None, Some(_)) => return Err(ApiError::BadRequest("a path needs the space it lies in: &space=".to_owned())),
        (None, None) if which.with_me => api.domain.shares_with(&principal).await?,
        (None, None) => api.domain.shares_by(&principal).await?,
    };
    Ok(Json(SharesDocument { shares }))
}

pub(crate) async fn post(
    State(api): State<Api>,
    Caller(principal): Caller,
    body: Bytes,
) -> Result<(StatusCode, Json<GivenDocument>), ApiError> {
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| {
        ApiError::BadRequest(format!("the body must be {{\"space\", \"path\", \"kind\", \"with\", …}}: {error}"))
    })?;
    let named = || {
        let missing = || ApiError::BadRequest("\"with\" must name who gets it".to_owned());
        wanted.with.clone().filter(|name| !name.is_empty()).ok_or_else(missing)
    };
    let to = match wanted.kind {
        ShareWord::User => Grantee::User(named()?),
        ShareWord::Group => Grantee::Group(named()?),
        ShareWord::Link => Grantee::Link,
        ShareWord::Federated => Grantee::Federated { recipient: named()?, group: false },
        ShareWord::FederatedGroup => Grantee::Federated { recipient: named()?, group: true },
    };
    let item = place(&api, &principal, &wanted.space, &wanted.path).await?;
    let expires_at = wanted.expires_at.as_deref().map(until).transpose()?;
    let new = NewShare {
        item,
        to,
        role: wanted.role.unwrap_or(Role::Viewer),
        upload_only: wanted.upload_only,
        may_reshare: wanted.may_reshare,
        password: wanted.password,
        expires_at,
        label: wanted.label,
        note: wanted.note,
    };
    Ok(match api.domain.share_or_ask(&principal, new).await? {
        Given::Made(made) => (StatusCode::CREATED, Json(GivenDocument::Made(made))),
        Given::Asked(id) => (StatusCode::ACCEPTED, Json(GivenDocument::Asked { asked: id.to_string() })),
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::json;

    const ADDRESS: &str = "/api/v1/shares";

    #[tokio::test]
    async fn a_share_is_made_seen_by_both_changed_and_ended() {
        let house = House::new().await;
        house.user("eve").await;
        house.folder("ada", "/kb").await;
        house.write("ada", "/kb/f", b"12345").await;
        let wanted = json!({"space": "ada", "path": "/kb", "kind": "user", "with": "eve", "role": "editor",
            "expires_at": "2099-12-31", "note": "look"});
        let made = house.send_json("ada", "POST", ADDRESS, &wanted).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let share = &made.body;
        assert_eq!((share["kind"].as_str(), share["role"].as_str()), (Some("user"), Some("editor")));
        assert_eq!(share["grantee"], json!({"name": "eve", "display_name": "eve"}));
        assert_eq!((share["path"].as_str(), share["shown_at"].as_str()), (Some("/kb"), Some("/kb")));
        assert_eq!((share["expires_at"].as_str(), share["size"].as_i64()), (Some("2099-12-31T23:59:59.000Z"), Some(5)));
        let id = share["id"].as_str().unwrap().to_owned();
        let got = house.by("eve", "GET", "/api/v1/shares?with_me=true").await;
        let got = &got.body["shares"][0];
        assert_eq!((got["id"].as_str(), got["shown_at"].as_str()), (Some(id.as_str()), Some("/Shares/kb")));
        assert_eq!(
            (&got["path"], got["note"].as_str(), &got["may_change"]),
            (&json!(null), Some("look"), &json!(false))
        );
        let of_item = house.get("/api/v1/shares?space=ada&path=/kb/f&above=true").await;
        assert_eq!(of_item.body["shares"].as_array().unwrap().len(), 1);
        assert_eq!(house.get("/api/v1/shares?space=ada&path=/kb/f").await.body["shares"], json!([]));
        assert_eq!(house.get("/api/v1/shares?path=/kb").await.code(), "bad_request");
        let one = format!("{ADDRESS}/{id}");
        let less = house.send_json("ada", "PATCH", &one, &json!({"role": "viewer", "expires_at": null})).await;
        assert_eq!((less.body["role"].as_str(), &less.body["expires_at"]), (Some("viewer"), &json!(null)));
        assert_eq!(house.send_json("eve", "PATCH", &one, &json!({"role": "editor"})).await.status, 404);
        assert_eq!(house.by("eve", "DELETE", &one).await.status, 404);
        assert_eq!(house.by("eve", "POST", &format!("{one}/leave")).await.status, 204);
        assert_eq!(house.by("eve", "GET", &one).await.body["hidden"], true);
        assert_eq!(house.by("eve", "POST", &format!("{one}/take-up")).await.status, 204);
        assert_eq!(house.call("DELETE", &one).await.status, 204);
        assert_eq!(house.by("eve", "GET", &one).await.status, 404);
        assert_eq!(house.get(ADDRESS).await.body["shares"], json!([]));
    }

    #[tokio::test]
    async fn a_link_has_a_page_and_keeps_its_password_for_itself() {
        let house = House::new().await;
        house.folder("ada", "/kb").await;
        let wanted =
            json!({"space": "ada", "path": "/kb", "kind": "link", "password": "stable horse", "upload_only": true});
        let made = house.send_json("ada", "POST", ADDRESS, &wanted).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let token = made.body["token"].as_str().unwrap();
        assert!(token.len() >= 15 && token.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(made.body["link"], format!("/s/{token}"));
        assert_eq!((&made.body["has_password"], &made.body["upload_only"]), (&json!(true), &json!(true)));
        assert!(!made.body.to_string().contains("argon2") && !made.body.to_string().contains("horse"));
    }

    #[tokio::test]
    async fn what_cannot_be_shared_is_refused_with_the_reason() {
        let house = House::new().await;
        house.user("eve").await;
        house.folder("ada", "/kb").await;
        let try_it = async |change: serde_json::Value| {
            let mut wanted = json!({"space": "ada", "path": "/kb", "kind": "user", "with": "eve"});
            wanted.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let answer = house.send_json("ada", "POST", ADDRESS, &wanted).await;
            (answer.status, answer.code().to_owned())
        };
        for (change, status, code) in [
            (json!({"with": "nobody"}), 422, "no_such_user"),
            (json!({"kind": "group", "with": "nobody"}), 422, "no_such_group"),
            (json!({"with": "ada"}), 422, "bad_share"),
            (json!({"with": ""}), 400, "bad_request"),
            (json!({"kind": "mail"}), 400, "bad_request"),
            (json!({"role": "emperor"}), 400, "bad_request"),
            (json!({"path": "/nothing"}), 404, "not_found"),
            (json!({"space": "nowhere"}), 404, "not_found"),
            (json!({"path": "/a/../b"}), 400, "bad_name"),
            (json!({"expires_at": "soon"}), 400, "bad_request"),
            (json!({"expires_at": "2001-01-01"}), 422, "bad_share"),
            (json!({"kind": "link", "password": "short"}), 400, "weak_password"),
        ] {
            assert_eq!(try_it(change.clone()).await, (status, code.to_owned()), "{change}");
        }
        assert_eq!(try_it(json!({})).await.0, 201);
        assert_eq!(try_it(json!({"role": "editor"})).await, (409, "already_shared".to_owned()));
        let on = json!({"space": "ada", "path": "/kb", "kind": "link"});
        assert_eq!(house.send_json("eve", "POST", ADDRESS, &on).await.status, 404);
    }
}
