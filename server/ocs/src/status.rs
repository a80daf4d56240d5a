//! `GET /status.php`: that there is a server here, and of which version. The first thing a sync client asks.

use axum::Json;
use serde_json::{Value, json};

/// Clients decide by it what the server can do, so it has the shape and the age of a Nextcloud: below 8.1 they refuse
/// names with `?`, from 28 on they ask for `nc:is-mount-root`. Ours is `productversion`.
const VERSION: &str = "30.0.0.0";
const VERSION_STRING: &str = "30.0.0";
const PRODUCT: &str = "Stitchbox";

pub(crate) async fn get() -> Json<Value> {
    Json(document())
}

/// The status, which the capabilities repeat.
pub(crate) fn document() -> Value {
    json!({
        "installed": true,
        "maintenance": false,
        "needsDbUpgrade": false,
        "version": VERSION,
        "versionstring": VERSION_STRING,
        "edition": "",
        "product": PRODUCT,
        "productname": PRODUCT,
        "productversion": env!("CARGO_PKG_VERSION"),
        "extendedSupport": false,
    })
}

/// The version as the capabilities tell it.
pub(crate) fn version() -> Value {
    let mut numbers = VERSION.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    let (major, minor, micro) = (next(), next(), next());
    json!({
        "major": major, "minor": minor, "micro": micro,
        "string": VERSION_STRING, "edition": "", "extendedSupport": false,
        "product": PRODUCT, "productversion": env!("CARGO_PKG_VERSION"),
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn anybody_is_told_what_clients_look_for() {
        let house = House::new().await;
        let answer = house.call_with("GET", "/status.php", None).await;
        assert_eq!(answer.status, 200);
        let body = &answer.body;
        assert_eq!((body["installed"].as_bool(), body["maintenance"].as_bool()), (Some(true), Some(false)));
        assert_eq!((body["needsDbUpgrade"].as_bool(), body["productname"].as_str()), (Some(false), Some("Stitchbox")));
        let numbers: Vec<u32> = body["version"].as_str().unwrap().split('.').map(|n| n.parse().unwrap()).collect();
        assert!(numbers.len() == 4 && numbers[0] >= 30);
        assert!(!body["productversion"].as_str().unwrap().is_empty());
    }
}
