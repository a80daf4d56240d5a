//! `GET /graph/v1.0/me/drives` and its like: the spaces a person may enter, as clients of ownCloud 4 and OpenCloud
//! read them. Each is synchronised at its `webDavUrl`.

use crate::Ocs;
use crate::address::OwnAddress;
use crate::caller::Shown;
use crate::error::OcsError;
use crate::form::field;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde_json::{Value, json};
use stitchbox_domain::{Error, ItemPath, Location, Membership, Principal, Quota};
use stitchbox_schema::SpaceKind;

/// Used bytes from which on a space counts as nearly full, percent of the quota.
const NEARING: i64 = 75;
const CRITICAL: i64 = 90;

/// Who asks, and under which address of this server.
struct Call {
    ocs: Ocs,
    principal: Principal,
    base: String,
}

impl Call {
    async fn of(ocs: Ocs, parts: &Parts) -> Result<Self, OcsError> {
        let shown = Shown::read(parts)?.ok_or(Error::Unauthenticated)?;
        let principal = shown.check(&ocs.domain).await?;
        Ok(Self { ocs, principal, base: OwnAddress::of(parts).base() })
    }

    async fn drive(&self, membership: &Membership) -> Result<Value, Error> {
        let space = &membership.space;
        let domain = &self.ocs.domain;
        let top = Location::in_space(space.id, ItemPath::from_segments([])?);
        let (_, root) = domain.item(&self.principal, &top).await?;
        let address = format!("{}/dav/spaces/{}", self.base, space.id);
        let kind = match space.kind {
            SpaceKind::Personal => "personal",
            _ => "project",
        };
        Ok(json!({
            "id": space.id,
            "name": space.name,
            "driveType": kind,
            "driveAlias": format!("{kind}/{}", space.name),
            "description": "",
            "lastModifiedDateTime": root.mtime.rfc3339(),
            "quota": quota_document(domain.quota(membership).await?),
            "special": [],
            "webUrl": address,
            "root": {
                "id": domain.oc_id(&root),
                "eTag": root.etag().to_string(),
                "webDavUrl": address,
                "webUrl": address,
            },
        }))
    }
}

fn quota_document(quota: Quota) -> Value {
    let Some(limit) = quota.limit else {
        // Without limit, as clients read it.
        return json!({"used": quota.used, "total": 0, "state": "normal"});
    };
    let percent = quota.used.saturating_mul(100).checked_div(limit).unwrap_or(100);
    let state = match percent {
        100.. => "exceeded",
        CRITICAL.. => "critical",
        NEARING.. => "nearing",
        _ => "normal",
    };
    let remaining = limit.saturating_sub(quota.used).max(0);
    json!({"used": quota.used, "total": limit, "remaining": remaining, "state": state})
}

/// The form of Graph's answers.
fn answer(outcome: Result<Value, OcsError>) -> Response {
    match outcome {
        Ok(document) => Json(document).into_response(),
        Err(error) => {
            let mut response = error.plain();
            let code =
                if response.status() == http::StatusCode::NOT_FOUND { "itemNotFound" } else { "generalException" };
            let body = json!({"error": {"code": code, "message": error.message()}}).to_string();
            let kind = http::HeaderValue::from_static("application/json");
            response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
            response.headers_mut().remove(http::header::CONTENT_LENGTH);
            *response.body_mut() = body.into();
            response
        }
    }
}

/// All of them; `$filter=driveType eq 'project'` is understood.
pub(crate) async fn all(State(ocs): State<Ocs>, parts: Parts) -> Response {
    answer(list(ocs, &parts).await)
}

async fn list(ocs: Ocs, parts: &Parts) -> Result<Value, OcsError> {
    let call = Call::of(ocs, parts).await?;
    let filter = field(parts.uri.query().unwrap_or_default(), "$filter").unwrap_or_default();
    let wanted = filter.strip_prefix("driveType eq ").map(|quoted| quoted.trim_matches('\'').to_owned());
    let mut drives = Vec::new();
    for membership in call.ocs.domain.spaces_of(&call.principal).await? {
        let drive = call.drive(&membership).await?;
        if wanted.as_deref().is_none_or(|wanted| drive["driveType"] == wanted) {
            drives.push(drive);
        }
    }
    Ok(json!({"value": drives}))
}

/// The personal one.
pub(crate) async fn personal(State(ocs): State<Ocs>, parts: Parts) -> Response {
    answer(find_personal(ocs, &parts).await)
}

async fn find_personal(ocs: Ocs, parts: &Parts) -> Result<Value, OcsError> {
    let call = Call::of(ocs, parts).await?;
    let entered = call.ocs.domain.spaces_of(&call.principal).await?;
    let personal = entered.iter().find(|membership| membership.space.kind == SpaceKind::Personal);
    Ok(call.drive(personal.ok_or(Error::NotFound)?).await?)
}

/// One by its id.
pub(crate) async fn one(State(ocs): State<Ocs>, Path(id): Path<String>, parts: Parts) -> Response {
    answer(find(ocs, &id, &parts).await)
}

async fn find(ocs: Ocs, id: &str, parts: &Parts) -> Result<Value, OcsError> {
    let call = Call::of(ocs, parts).await?;
    let membership = call.ocs.domain.find_space(&call.principal, id).await?;
    Ok(call.drive(&membership).await?)
}

/// `GET /graph/v1.0/me`: the person.
pub(crate) async fn me(State(ocs): State<Ocs>, parts: Parts) -> Response {
    answer(person(ocs, &parts).await)
}

async fn person(ocs: Ocs, parts: &Parts) -> Result<Value, OcsError> {
    let call = Call::of(ocs, parts).await?;
    let account = call.ocs.domain.account(&call.principal).await?;
    Ok(json!({
        "id": account.id,
        "displayName": account.display_name,
        "onPremisesSamAccountName": account.name,
        "userType": "Member",
        "accountEnabled": true,
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn every_space_has_an_address_and_an_etag_that_moves() {
        let house = House::new().await;
        house.space("ring", Some("ada"), Some(100)).await;
        house.space("closed", None, None).await;
        let drives = house.get("/graph/v1.0/me/drives").await.body["value"].clone();
        let shown = |i: usize| (drives[i]["driveType"].as_str().unwrap(), drives[i]["name"].as_str().unwrap());
        assert_eq!(
            (drives.as_array().unwrap().len(), shown(0), shown(1)),
            (2, ("personal", "ada"), ("project", "ring"))
        );
        let ring = &drives[1];
        let id = ring["id"].as_str().unwrap();
        assert_eq!(ring["root"]["webDavUrl"], format!("http://box.example/dav/spaces/{id}"));
        assert!(ring["root"]["eTag"].as_str().unwrap().starts_with('"'));
        assert_eq!(ring["quota"]["state"], "normal");
        house.write("ring", "/f", &[1; 95]).await;
        let later = house.get(&format!("/graph/v1.0/drives/{id}")).await.body;
        assert_ne!(later["root"]["eTag"], ring["root"]["eTag"]);
        let quota = &later["quota"];
        assert_eq!((quota["state"].as_str(), quota["remaining"].as_i64()), (Some("critical"), Some(5)));
        let projects = house.get("/graph/v1beta1/me/drives?$filter=driveType%20eq%20'project'").await;
        assert_eq!(projects.body["value"].as_array().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_person_sees_herself_and_strangers_nothing() {
        let house = House::new().await;
        house.user("eve").await;
        house.space("ring", Some("ada"), None).await;
        assert_eq!(house.get("/graph/v1.0/me").await.body["onPremisesSamAccountName"], "ada");
        assert_eq!(house.get("/graph/v1.0/me/drive").await.body["driveType"], "personal");
        let refused = house.by("eve", "GET", "/graph/v1.0/drives/ring").await;
        assert_eq!((refused.status, refused.body["error"]["code"].as_str()), (404, Some("itemNotFound")));
        assert_eq!(house.send("GET", "/graph/v1.0/me/drives", &[], "").await.status, 401);
    }
}
