//! `GET /ocs/vN.php/cloud/user` and `/cloud/users/NAME`: who the person is. The id becomes the user in WebDAV paths.

use crate::Ocs;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::OcsError;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};
use stitchbox_domain::{Domain, Error, Principal, Quota};
use stitchbox_schema::SpaceKind;

/// What clients read as: no limit.
const UNLIMITED: i64 = -3;

pub(crate) async fn own(State(ocs): State<Ocs>, envelope: Envelope, Caller(principal): Caller) -> Response {
    envelope.answer(document(&ocs.domain, &principal).await)
}

/// Nobody but oneself is shown.
pub(crate) async fn named(
    State(ocs): State<Ocs>,
    Path(name): Path<String>,
    envelope: Envelope,
    Caller(principal): Caller,
) -> Response {
    if name != principal.name {
        return envelope.refuse(&Error::NotFound.into());
    }
    envelope.answer(document(&ocs.domain, &principal).await)
}

/// The groups one is in.
pub(crate) async fn groups(
    State(ocs): State<Ocs>,
    Path(name): Path<String>,
    envelope: Envelope,
    Caller(principal): Caller,
) -> Response {
    if name != principal.name {
        return envelope.refuse(&Error::NotFound.into());
    }
    let groups = ocs.domain.groups_of(&principal).await;
    envelope.answer(groups.map(|groups| json!({"groups": groups})).map_err(OcsError::from))
}

async fn document(domain: &Domain, principal: &Principal) -> Result<Value, OcsError> {
    let account = domain.account(principal).await?;
    Ok(json!({
        "id": account.name,
        "display-name": account.display_name,
        "displayname": account.display_name,
        "email": null,
        "enabled": true,
        "groups": domain.groups_of(principal).await?,
        "language": "en",
        "quota": quota_document(personal_quota(domain, principal).await?),
    }))
}

/// A credential that opens no personal space is told of an empty one.
async fn personal_quota(domain: &Domain, principal: &Principal) -> Result<Quota, Error> {
    let spaces = domain.spaces_of(principal).await?;
    match spaces.iter().find(|membership| membership.space.kind == SpaceKind::Personal) {
        Some(personal) => domain.quota(personal).await,
        None => Ok(Quota { used: 0, limit: None }),
    }
}

fn quota_document(quota: Quota) -> Value {
    let Some(limit) = quota.limit else {
        return json!({"free": UNLIMITED, "used": quota.used, "total": UNLIMITED, "relative": 0, "quota": UNLIMITED});
    };
    let free = limit.saturating_sub(quota.used).max(0);
    // Percent, with two digits.
    let relative = (quota.used as f64 * 10_000.0 / limit.max(1) as f64).round() / 100.0;
    json!({"free": free, "used": quota.used, "total": limit, "relative": relative, "quota": limit})
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn a_person_sees_herself_and_nobody_else() {
        let house = House::new().await;
        house.user("eve").await;
        house.write("ada", "/f", b"12345678").await;
        let answer = house.get("/ocs/v1.php/cloud/user?format=json").await;
        assert_eq!((answer.status, answer.code()), (200, 100));
        let data = &answer.body["ocs"]["data"];
        assert_eq!((data["id"].as_str(), data["display-name"].as_str()), (Some("ada"), Some("ada")));
        assert_eq!((data["quota"]["quota"].as_i64(), data["quota"]["used"].as_i64()), (Some(-3), Some(8)));
        assert_eq!(house.get("/ocs/v2.php/cloud/users/ada?format=json").await.body["ocs"]["data"], *data);
        let other = house.get("/ocs/v2.php/cloud/users/eve?format=json").await;
        assert_eq!((other.status, other.code()), (404, 404));
    }

    #[tokio::test]
    async fn a_quota_is_told_with_what_is_left() {
        let house = House::new().await;
        house.domain.set_quota("ada", Some(32)).await.unwrap();
        house.write("ada", "/f", b"12345678").await;
        let quota = house.get("/ocs/v2.php/cloud/user?format=json").await.body["ocs"]["data"]["quota"].clone();
        let numbers = ["free", "used", "total", "relative", "quota"].map(|name| quota[name].as_f64().unwrap());
        assert_eq!(numbers, [24.0, 8.0, 32.0, 25.0, 32.0]);
    }

    #[tokio::test]
    async fn without_format_the_answer_is_xml() {
        let house = House::new().await;
        let answer = house.get("/ocs/v1.php/cloud/user").await;
        assert!(answer.text.starts_with("<?xml"), "{}", answer.text);
        assert!(answer.text.contains("<statuscode>100</statuscode>") && answer.text.contains("<id>ada</id>"));
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with("application/xml"));
    }
}
