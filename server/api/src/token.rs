//! `POST /api/v1/token`: a bearer token for a password.

use crate::Api;
use crate::caller::Shown;
use crate::error::ApiError;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, PRAGMA};
use serde::Serialize;
use stitchbox_domain::Error;
use stitchbox_domain::auth::Credentials;

/// In the words of OAuth (RFC 6749, 5.1), so that ready-made clients understand it, and `token` for short.
#[derive(Serialize)]
struct TokenDocument {
    token: String,
    token_type: &'static str,
    expires_in: u64,
}

/// Only a password gives a token: a token cannot prolong itself.
pub(crate) async fn post(State(api): State<Api>, shown: Shown) -> Result<impl IntoResponse, ApiError> {
    let Credentials::Basic { name, password } = &shown.credentials else { return Err(Error::Unauthenticated.into()) };
    let issued = api.domain.issue_token(name, password, shown.client).await?;
    let document = TokenDocument { token: issued.token, token_type: "Bearer", expires_in: issued.expires_in };
    Ok(([(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], Json(document)))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn a_password_gives_a_token_and_a_token_gives_none() {
        let house = House::new().await;
        let answer = house.call("POST", "/api/v1/token").await;
        assert_eq!((answer.status, answer.headers["cache-control"].to_str().unwrap()), (200, "no-store"));
        assert_eq!(answer.body["expires_in"], 900);
        let bearer = format!("Bearer {}", answer.body["token"].as_str().unwrap());
        assert_eq!(house.call_with("GET", "/api/v1/runs", Some(&bearer)).await.status, 200);
        assert_eq!(house.call_with("POST", "/api/v1/token", Some(&bearer)).await.status, 401);
        assert_eq!(house.call_with("POST", "/api/v1/token", None).await.status, 401);
        assert_eq!(house.get("/api/v1/token").await.status, 405);
    }
}
