//! `GET …/sharees` and `…/sharees_recommended`: whom there is to share with.

use crate::Ocs;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::OcsError;
use crate::form::field;
use crate::shares::word;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde_json::{Value, json};
use stitchbox_domain::{Principal, ShareeKinds, ShareeQuery};
use stitchbox_schema::sharing::{ShareKind, ShareeDocument};

/// Found of each kind, if nothing is said.
const USUAL: i64 = 25;
/// Kinds that are asked for by clients and of which there are none here.
const EMPTY: [&str; 4] = ["remote_groups", "emails", "circles", "rooms"];

pub(crate) async fn get(State(ocs): State<Ocs>, envelope: Envelope, Caller(principal): Caller, uri: Uri) -> Response {
    envelope.answer(found(&ocs, &principal, uri.query().unwrap_or_default()).await)
}

/// Nobody is recommended: who shares knows with whom.
pub(crate) async fn recommended(envelope: Envelope, Caller(_): Caller) -> Response {
    envelope.answer(Ok(sorted(&[])))
}

async fn found(ocs: &Ocs, principal: &Principal, query: &str) -> Result<Value, OcsError> {
    let number = |name: &str, usual: i64| field(query, name).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let per_page = number("perPage", USUAL).clamp(1, 200);
    let kinds = kinds(query);
    let wanted = ShareeQuery {
        text: field(query, "search").unwrap_or_default().trim().to_owned(),
        kinds,
        limit: per_page,
        offset: number("page", 1).clamp(1, 1_000_000).saturating_sub(1).saturating_mul(per_page),
    };
    Ok(sorted(&ocs.domain.sharees(principal, wanted).await?))
}

/// All kinds, unless `shareType` names some, as `shareType=0`, `shareType[]=0` or `shareType%5B%5D=0`.
fn kinds(query: &str) -> ShareeKinds {
    let named: Vec<u32> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| name.to_ascii_lowercase().starts_with("sharetype"))
        .filter_map(|(_, number)| number.parse().ok())
        .collect();
    let has = |kind: u32| named.is_empty() || named.contains(&kind);
    ShareeKinds { users: has(word::USER), groups: has(word::GROUP), federated: has(word::FEDERATED) }
}

fn sorted(found: &[ShareeDocument]) -> Value {
    let list = |kind: ShareKind, exact: bool| -> Value {
        found.iter().filter(|one| one.kind == kind && one.exact == exact).map(entry).collect()
    };
    let lists = |exact: bool| {
        let mut lists = json!({
            "users": list(ShareKind::User, exact),
            "groups": list(ShareKind::Group, exact),
            "remotes": list(ShareKind::Federated, exact),
        });
        for name in EMPTY {
            lists[name] = json!([]);
        }
        lists
    };
    let mut document = lists(false);
    document["exact"] = lists(true);
    document["lookup"] = json!([]);
    document["lookupEnabled"] = json!(false);
    document
}

fn entry(one: &ShareeDocument) -> Value {
    let name = one.person.name.as_str();
    match one.kind {
        ShareKind::Federated => {
            let (user, server) = name.rsplit_once('@').unwrap_or((name, ""));
            json!({
                "label": name,
                "uuid": name,
                "name": user,
                "type": "",
                "value": {"shareType": word::FEDERATED, "shareWith": name, "server": server},
            })
        }
        ShareKind::Group => {
            json!({"label": one.person.display_name, "value": {"shareType": word::GROUP, "shareWith": name}})
        }
        ShareKind::User | ShareKind::Link => json!({
            "label": one.person.display_name,
            "subline": "",
            "icon": "icon-user",
            "value": {"shareType": word::USER, "shareWith": name},
            "shareWithDisplayNameUnique": name,
            "status": [],
        }),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::json;

    const ADDRESS: &str = "/ocs/v2.php/apps/files_sharing/api/v1/sharees?format=json&itemType=folder";

    #[tokio::test]
    async fn exact_names_stand_apart_and_remotes_are_built_from_an_at() {
        let house = House::new().await;
        house.user("eve").await;
        house.user("evelyn").await;
        house.domain.add_group("events", "", "admin").await.unwrap();
        let found = house.get(&format!("{ADDRESS}&search=eve&page=1&perPage=10&lookup=false")).await;
        let data = &found.body["ocs"]["data"];
        assert_eq!((found.code(), data["exact"]["users"][0]["value"]["shareWith"].as_str()), (200, Some("eve")));
        assert_eq!(data["users"][0]["value"], json!({"shareType": 0, "shareWith": "evelyn"}));
        assert_eq!(data["groups"][0]["value"], json!({"shareType": 1, "shareWith": "events"}));
        assert_eq!(data["exact"]["emails"], json!([]));
        let users = house.get(&format!("{ADDRESS}&search=eve&shareType%5B%5D=0")).await;
        assert_eq!(users.body["ocs"]["data"]["groups"], json!([]));
        let remote = house.get(&format!("{ADDRESS}&search=bob%40nc.example%3A8443")).await;
        let remote = &remote.body["ocs"]["data"]["exact"]["remotes"][0]["value"];
        assert_eq!(remote, &json!({"shareType": 6, "shareWith": "bob@nc.example:8443", "server": "nc.example:8443"}));
        let second = house.get(&format!("{ADDRESS}&search=eve&page=2&perPage=1")).await;
        assert_eq!(second.body["ocs"]["data"]["users"][0]["value"]["shareWith"], "evelyn");
        let xml = house.get(&ADDRESS.replace("format=json&", "")).await;
        assert!(xml.text.contains("<exact><circles></circles>") || xml.text.contains("<exact>"), "{}", xml.text);
        let recommended = "/ocs/v2.php/apps/files_sharing/api/v1/sharees_recommended?format=json";
        assert_eq!(house.get(recommended).await.body["ocs"]["data"]["users"], json!([]));
    }
}
