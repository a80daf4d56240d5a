//! `POST /index.php/core/wipe/check` and `…/success`: whether a lost device is to remove what it has, and that it did.
//! The device shows its app password, which opens nothing else any more.

use crate::Ocs;
use crate::error::OcsError;
use crate::form::body_field;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;
use stitchbox_domain::Error;

pub(crate) async fn check(State(ocs): State<Ocs>, body: Bytes) -> Response {
    match ocs.domain.is_to_be_wiped(&body_field(&body, "token").unwrap_or_default()).await {
        Ok(true) => Json(json!({"wipe": true})).into_response(),
        Ok(false) => nothing(),
        Err(error) => OcsError::from(error).plain(),
    }
}

pub(crate) async fn success(State(ocs): State<Ocs>, body: Bytes) -> Response {
    match ocs.domain.wiped(&body_field(&body, "token").unwrap_or_default()).await {
        Ok(()) => Json(json!([])).into_response(),
        Err(Error::NotFound) => nothing(),
        Err(error) => OcsError::from(error).plain(),
    }
}

fn nothing() -> Response {
    (StatusCode::NOT_FOUND, Json(json!([]))).into_response()
}

#[cfg(test)]
mod tests {
    use crate::testing::{House, basic_with};

    #[tokio::test]
    async fn a_lost_device_is_told_until_it_has_wiped_itself() {
        let house = House::new().await;
        let (made, secret) = house.domain.add_app_password("ada", "phone", None, false).await.unwrap();
        let token = format!("token={secret}");
        let ask = async |what: &str| house.send("POST", &format!("/index.php/core/wipe/{what}"), &[], &token).await;
        assert_eq!((ask("check").await.status, ask("success").await.status), (404, 404));
        house.domain.wipe_app_password("ada", made.id).await.unwrap();
        let holder = basic_with("ada", &secret);
        assert_eq!(house.call_with("GET", "/ocs/v1.php/cloud/user", Some(&holder)).await.status, 401, "closed at once");
        let told = ask("check").await;
        assert_eq!((told.status, told.body["wipe"].as_bool()), (200, Some(true)));
        assert_eq!(house.domain.app_passwords("ada").await.unwrap().len(), 1, "still listed: not wiped yet");
        assert_eq!((ask("success").await.status, ask("check").await.status), (200, 404));
        assert!(house.domain.app_passwords("ada").await.unwrap().is_empty());
        assert_eq!(house.send("POST", "/index.php/core/wipe/check", &[], "\u{0}garbage").await.status, 404);
    }
}
