//! `GET /ocs/vN.php/cloud/capabilities`: what the server can do. Only what is true: clients act on every word.
//!
//! Anybody may ask; without a login the answer is short, because clients ask once before they have one and take a 401
//! for a different way to log in.

use crate::address::OwnAddress;
use crate::caller::MaybeCaller;
use crate::client::Client;
use crate::envelope::Envelope;
use crate::{Ocs, shares, status};
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

/// Seconds between two looks for changes, of a client that hears no push.
const POLL_INTERVAL: u32 = 60;
/// Largest chunk that is proposed, bytes. Larger ones are taken all the same.
const LARGEST_CHUNK: u64 = 100 << 20;
/// Chunks of one file at once: beyond a few, the disk is the limit and the others wait.
const PARALLEL_CHUNKS: u32 = 4;
/// Largest body of one tus request that is proposed, bytes.
const LARGEST_TUS_CHUNK: u64 = 100 << 20;
/// What the server takes part in of tus, as clients look for it.
const TUS_EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation";

pub(crate) async fn get(
    State(ocs): State<Ocs>,
    envelope: Envelope,
    client: Client,
    address: OwnAddress,
    MaybeCaller(caller): MaybeCaller,
) -> Response {
    let mut capabilities = public();
    if caller.is_some() {
        capabilities.extend(private(client, &address, ocs.domain.federation().is_some()));
    }
    envelope.answer(Ok(json!({"version": status::version(), "capabilities": capabilities})))
}

/// What everybody is told.
fn public() -> Map<String, Value> {
    let core = json!({
        "pollinterval": POLL_INTERVAL,
        "webdav-root": "remote.php/webdav",
        "reference-api": false,
        "support-sse": true,
        "status": status::document(),
    });
    let theming = json!({
        "name": "Stitchbox",
        "slogan": "",
        "color": "#1b4f72",
        "color-text": "#ffffff",
        "color-element": "#1b4f72",
    });
    Map::from_iter([("core".to_owned(), core), ("theming".to_owned(), theming)])
}

/// What is told after a login.
fn private(client: Client, address: &OwnAddress, federates: bool) -> Map<String, Value> {
    let mut dav = json!({"chunking": "1.0", "trashbin": "1.0"});
    if client.may_upload_in_bulk() {
        dav["bulkupload"] = json!("1.0");
    }
    let checksums = json!({
        "supportedTypes": ["SHA256", "SHA1", "MD5", "ADLER32"],
        // The one every client can compute; it is kept beside our SHA-256.
        "preferredUploadType": "SHA1",
    });
    let mut capabilities = Map::from_iter([
        ("dav".to_owned(), dav),
        ("checksums".to_owned(), checksums),
        ("files".to_owned(), files(client)),
        ("files_sharing".to_owned(), sharing(federates)),
    ]);
    let push = json!({
        "type": ["files"],
        "endpoints": {
            "websocket": format!("{}/push/ws", address.socket_base()),
            "pre_auth": format!("{}/index.php/apps/notify_push/pre_auth", address.base()),
        },
    });
    capabilities.insert("notify_push".to_owned(), push);
    capabilities.insert("spaces".to_owned(), json!({"enabled": true, "version": "1.0.0", "projects": true}));
    capabilities
}

/// What the app `files_sharing` says; nobody is asked for a password or an end that they do not want.
fn sharing(federates: bool) -> Value {
    let may_end = json!({"enabled": false});
    json!({
        "api_enabled": true,
        "default_permissions": shares::USUAL,
        "resharing": true,
        "group_sharing": true,
        "public": {
            "enabled": true,
            "password": {"enforced": false, "askForOptionalPassword": false},
            "expire_date": may_end,
            "expire_date_internal": may_end,
            "expire_date_remote": may_end,
            "multiple_links": true,
            "send_mail": false,
            "upload": true,
            "upload_files_drop": true,
            "supports_upload_only": true,
            "can_edit": true,
            "custom_tokens": false,
        },
        "user": {"send_mail": false, "expire_date": {"enabled": true}},
        "group": {"enabled": true, "expire_date": {"enabled": true}},
        "federation": {
            "outgoing": federates,
            "incoming": federates,
            "expire_date": {"enabled": federates},
            "expire_date_supported": {"enabled": federates},
        },
        "sharee": {"query_lookup_default": false, "always_show_unique": true},
        "sharebymail": {"enabled": false},
    })
}

fn files(client: Client) -> Value {
    let mut files = json!({
        "bigfilechunking": true,
        "chunked_upload": {"max_size": LARGEST_CHUNK, "max_parallel_count": PARALLEL_CHUNKS},
        "undelete": true,
        "delete_from_trash": true,
        "versioning": true,
        "version_labeling": false,
        "version_deletion": false,
        "locking": "1.0",
        "privateLinks": true,
        "comments": false,
        "blacklisted_files": [],
        "forbidden_filenames": [],
        "forbidden_filename_basenames": [],
        "forbidden_filename_extensions": [],
        "forbidden_filename_characters": ["/"],
    });
    if client.may_use_tus() {
        files["tus_support"] = json!({
            "version": "1.0.0",
            "resumable": "1.0.0",
            "extension": TUS_EXTENSIONS,
            "max_chunk_size": LARGEST_TUS_CHUNK,
            "http_method_override": "",
        });
    }
    files
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::Value;

    const ADDRESS: &str = "/ocs/v2.php/cloud/capabilities?format=json";

    async fn told_to(house: &House, user_agent: &str) -> Value {
        let answer = house.call_headers("GET", ADDRESS, &[("user-agent", user_agent)]).await;
        assert_eq!((answer.status, answer.code()), (200, 200));
        answer.body["ocs"]["data"]["capabilities"].clone()
    }

    #[tokio::test]
    async fn anybody_is_told_a_little_and_a_user_everything() {
        let house = House::new().await;
        let anonymous = house.call_with("GET", "/ocs/v1.php/cloud/capabilities?format=json", None).await;
        assert_eq!((anonymous.status, anonymous.code()), (200, 100));
        let data = &anonymous.body["ocs"]["data"];
        assert!(data["version"]["major"].as_u64().unwrap() >= 30);
        assert_eq!(data["capabilities"]["core"]["status"]["productname"], "Stitchbox");
        assert!(data["capabilities"].get("files").is_none());
        let told = told_to(&house, "x").await;
        assert_eq!(
            (told["dav"]["chunking"].as_str(), told["files"]["bigfilechunking"].as_bool()),
            (Some("1.0"), Some(true))
        );
        let sharing = &told["files_sharing"];
        assert_eq!(
            (&sharing["api_enabled"], &sharing["public"]["password"]["enforced"]),
            (&Value::Bool(true), &Value::Bool(false))
        );
        assert_eq!(
            (&sharing["federation"]["outgoing"], &sharing["default_permissions"]),
            (&Value::Bool(false), &Value::from(15))
        );
        assert_eq!(told["notify_push"]["endpoints"]["websocket"], "ws://box.example/push/ws");
        assert_eq!(told["checksums"]["preferredUploadType"], "SHA1");
    }

    #[tokio::test]
    async fn no_client_is_told_what_breaks_it() {
        let house = House::new().await;
        for (user_agent, bulk, tus) in [
            ("Mozilla/5.0 (Linux) mirall/3.7.3 (Nextcloud, debian)", false, false),
            ("Mozilla/5.0 (Linux) mirall/3.16.0 (Nextcloud, debian)", true, false),
            ("Mozilla/5.0 (Linux) mirall/2.11.0.8354 (ownCloud, debian)", false, false),
            ("Mozilla/5.0 (Linux) mirall/7.2.0 (ownCloud, debian)", false, true),
            ("Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/128.0", false, true),
        ] {
            let told = told_to(&house, user_agent).await;
            let shown = (told["dav"].get("bulkupload").is_some(), told["files"].get("tus_support").is_some());
            assert_eq!(shown, (bulk, tus), "{user_agent}");
        }
    }
}
