//! The matrix of facts, section 5.4: what a Nextcloud does with its side of a share, by what we answer. It deletes it for
//! good if `status.php` is there and shareinfo answers 401, 403 or 404 after WebDAV failed with 401 or 503.

use crate::site::Site;
use serde_json::json;
use std::time::Duration;
use stitchbox_domain::Grantee;
use stitchbox_schema::Role;
use stitchbox_schema::sharing::ShareDocument;

const ADDRESS: &str = "/index.php/apps/files_sharing/shareinfo";

/// What the measured Nextcloud 34 does, with our `status.php` in place.
#[derive(Debug, PartialEq)]
enum Nextcloud {
    Keeps,
    Removes,
}

fn nextcloud(dav: u16, share_info: u16) -> Nextcloud {
    match (dav, share_info) {
        // It asks only after these.
        (401 | 503, 401 | 403 | 404) => Nextcloud::Removes,
        _ => Nextcloud::Keeps,
    }
}

#[test]
fn the_model_is_the_measured_table() {
    use Nextcloud::{Keeps, Removes};
    for (dav, row) in [
        (401, [Keeps, Keeps, Removes, Removes]),
        (503, [Keeps, Keeps, Removes, Removes]),
        (403, [Keeps, Keeps, Keeps, Keeps]),
        (404, [Keeps, Keeps, Keeps, Keeps]),
    ] {
        for (share_info, expected) in [200, 503, 404, 401].into_iter().zip(row) {
            assert_eq!(nextcloud(dav, share_info), expected, "{dav} {share_info}");
        }
    }
}

async fn secret(site: &Site, share: &ShareDocument) -> String {
    let row = site.federated(share).await;
    let seal = stitchbox_domain::seal::Seal::new(&[7; 32]).unwrap();
    seal.open(stitchbox_domain::seal::Sealed::ShareSecret, share.id.0, &row.secret_sealed).unwrap()
}

async fn ask(site: &Site, token: &str, password: &str) -> u16 {
    let form = format!("password={password}&depth=0");
    site.post(&format!("{ADDRESS}?t={token}"), &Default::default(), &form).await.status
}

fn to_bob() -> Grantee {
    Grantee::Federated { recipient: "bob@nc.example".into(), group: false }
}

#[tokio::test]
async fn only_a_share_that_was_taken_back_or_ran_out_is_given_up() {
    let site = Site::quiet().await;
    for path in ["/lives", "/revoked", "/trashed"] {
        site.folder("anna", path).await;
    }
    let lives = site.share("anna", "/lives", to_bob(), Role::Viewer).await;
    let revoked = site.share("anna", "/revoked", to_bob(), Role::Viewer).await;
    let trashed = site.share("anna", "/trashed", to_bob(), Role::Viewer).await;
    let tokens = [secret(&site, &lives).await, secret(&site, &revoked).await, secret(&site, &trashed).await];
    let anna = site.user("anna").await;
    site.domain.revoke_share(&anna, revoked.id).await.unwrap();
    let at = site.at("anna", "/trashed").await;
    site.domain.remove(&anna, &at, &Default::default()).await.unwrap();

    let states = [
        ("lives", tokens[0].as_str(), 200),
        ("revoked", tokens[1].as_str(), 404),
        ("in the trash, may be restored", tokens[2].as_str(), 200),
        ("never heard of: a database may have been restored", "unknown-secret", 503),
    ];
    for (state, token, expected) in states {
        let answer = ask(&site, token, "").await;
        assert_eq!(answer, expected, "{state}");
        for dav in [401, 503, 403, 404] {
            let fate = nextcloud(dav, answer);
            let may_go = state == "revoked";
            assert!(may_go || fate == Nextcloud::Keeps, "{state}, WebDAV {dav}: {fate:?}");
        }
    }
    // While our database fails, nobody loses anything, whatever was true before.
    site.break_database(true).await;
    for (state, token, _) in states {
        let answer = ask(&site, token, "").await;
        assert_eq!(answer, 503, "{state}, database down");
        assert!([401, 503, 403, 404].iter().all(|dav| nextcloud(*dav, answer) == Nextcloud::Keeps));
    }
    site.break_database(false).await;
    assert_eq!(ask(&site, &tokens[0], "").await, 200, "and afterwards it is as it was");
}

#[tokio::test]
async fn a_share_that_ran_out_is_gone() {
    let site = Site::quiet().await;
    site.folder("anna", "/soon").await;
    let (anna, at) = (site.user("anna").await, site.at("anna", "/soon").await);
    let end = site.domain.now().after(Duration::from_secs(60));
    let new = stitchbox_domain::NewShare {
        expires_at: Some(end),
        ..stitchbox_domain::NewShare::of(at, to_bob(), Role::Viewer)
    };
    let share = site.domain.share(&anna, new).await.unwrap();
    let token = secret(&site, &share).await;
    assert_eq!(ask(&site, &token, "").await, 200);
    site.advance(Duration::from_secs(61));
    assert_eq!(ask(&site, &token, "").await, 404);
}

#[tokio::test]
async fn a_link_asks_for_its_password_and_tells_what_is_in_it() {
    let site = Site::quiet().await;
    site.folder("anna", "/mirror").await;
    site.folder("anna", "/mirror/raw").await;
    let (anna, at) = (site.user("anna").await, site.at("anna", "/mirror").await);
    let new = stitchbox_domain::NewShare {
        password: Some("stable horse".into()),
        ..stitchbox_domain::NewShare::of(at, Grantee::Link, Role::Editor)
    };
    let share = site.domain.share(&anna, new).await.unwrap();
    let token = share.token.clone().expect("a token");
    assert_eq!(ask(&site, &token, "stable+horse").await, 200);
    // The access that was given ended: this is no trouble of ours.
    assert_eq!(ask(&site, &token, "another").await, 403);
    assert_eq!(ask(&site, &token, "").await, 403);
    let told = site.post(ADDRESS, &Default::default(), &format!("t={token}&password=stable+horse&depth=-1")).await;
    assert_eq!(told.body["status"], "success");
    let data = &told.body["data"];
    assert_eq!((&data["name"], &data["type"], &data["permissions"]), (&json!("mirror"), &json!("dir"), &json!(15)));
    assert_eq!(data["mimetype"], "httpd/unix-directory");
    assert_eq!(data["children"][0]["name"], "raw");
    assert!(data["id"].is_i64() && data["parentId"].is_i64() && data["mtime"].is_i64() && data["etag"].is_string());
    let flat = site.post(ADDRESS, &Default::default(), &format!("t={token}&password=stable+horse&depth=0")).await;
    assert!(flat.body["data"].get("children").is_none());
}

#[tokio::test]
async fn trouble_of_ours_is_never_a_refusal() {
    let site = Site::quiet().await;
    site.break_database(true).await;
    let share = r#"{"shareWith":"bob@h.example","name":"x","providerId":"1","owner":"a@p.example","sender":"a@p.example",
        "shareType":"user","resourceType":"file","protocol":{"name":"webdav","options":{"sharedSecret":"s"}}}"#;
    let said = r#"{"notificationType":"SHARE_UNSHARED","providerId":"1","notification":{"sharedSecret":"s"}}"#;
    for (path, body) in [("/ocm/shares", share), ("/ocm/notifications", said)] {
        let answer = site.post(path, &Default::default(), body).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        assert!(answer.headers.contains_key("retry-after"), "{path}");
        assert!(!answer.text.contains("no such table"), "what failed is for the log: {}", answer.text);
    }
}
