//! Login through a browser, version 2: `POST /index.php/login/v2` begins, the client polls `…/poll`, the person grants
//! access on the page `…/flow/SECRET`.

use crate::Ocs;
use crate::address::OwnAddress;
use crate::client::program;
use crate::error::OcsError;
use crate::form::{body_field, field};
use crate::origin::Origin;
use crate::page::{is_from_here, page, password_form};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use stitchbox_domain::Error;

const POLL: &str = "/index.php/login/v2/poll";
const FLOW: &str = "/index.php/login/v2/flow/";

pub(crate) async fn begin(
    State(ocs): State<Ocs>,
    own: OwnAddress,
    Origin(client): Origin,
    headers: HeaderMap,
) -> Response {
    match ocs.domain.begin_login(&program(&headers), client).await {
        Ok(tokens) => {
            let base = own.base();
            let poll = json!({"token": tokens.poll, "endpoint": format!("{base}{POLL}")});
            let document = json!({"poll": poll, "login": format!("{base}{FLOW}{}", tokens.grant)});
            ([(CACHE_CONTROL, "no-store")], Json(document)).into_response()
        }
        Err(error) => OcsError::from(error).plain(),
    }
}

/// 404 until the person granted access, 200 once, 404 ever after.
pub(crate) async fn poll(State(ocs): State<Ocs>, own: OwnAddress, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let token = body_field(&body, "token").or_else(|| field(&query.unwrap_or_default(), "token"));
    match ocs.domain.collect_login(&token.unwrap_or_default()).await {
        Ok(found) => {
            let document = json!({"server": own.base(), "loginName": found.user, "appPassword": found.app_password});
            ([(CACHE_CONTROL, "no-store")], Json(document)).into_response()
        }
        Err(Error::NotFound) => (StatusCode::NOT_FOUND, [(CACHE_CONTROL, "no-store")], Json(json!([]))).into_response(),
        Err(error) => OcsError::from(error).plain(),
    }
}

/// The page with the form.
pub(crate) async fn show(State(ocs): State<Ocs>, Path(grant): Path<String>) -> Response {
    match ocs.domain.login_to_grant(&grant).await {
        Ok(program) => page(StatusCode::OK, "Grant access", &password_form(&program, None)),
        Err(error) => trouble(error),
    }
}

/// The form was sent.
pub(crate) async fn grant(
    State(ocs): State<Ocs>,
    own: OwnAddress,
    Origin(client): Origin,
    headers: HeaderMap,
    Path(grant): Path<String>,
    body: Bytes,
) -> Response {
    if !is_from_here(&headers, &own) {
        return page(
            StatusCode::FORBIDDEN,
            "Not granted",
            "<p>This form came from another site; nothing was done.</p>",
        );
    }
    let program = match ocs.domain.login_to_grant(&grant).await {
        Ok(program) => program,
        Err(error) => return trouble(error),
    };
    let (name, password) = (body_field(&body, "user"), body_field(&body, "password"));
    let name = name.unwrap_or_default();
    match ocs.domain.grant_login(&grant, name.trim(), &password.unwrap_or_default(), client).await {
        Ok(()) => page(StatusCode::OK, "Access granted", "<p>Go back to the program; you can close this page.</p>"),
        Err(error @ (Error::Unauthenticated | Error::Forbidden(_) | Error::Throttled { .. })) => again(&program, error),
        Err(error) => trouble(error),
    }
}

/// The form again, with what was wrong.
pub(crate) fn again(program: &str, error: Error) -> Response {
    let text = match error {
        Error::Unauthenticated => "User name or password is wrong.".to_owned(),
        other => format!("Not yet: {other}."),
    };
    page(StatusCode::FORBIDDEN, "Grant access", &password_form(program, Some(&text)))
}

fn trouble(error: Error) -> Response {
    match error {
        Error::NotFound => page(
            StatusCode::NOT_FOUND,
            "This login is over",
            "<p>It was granted already, or more than 20 minutes passed. Start again in the program.</p>",
        ),
        other => {
            let error = OcsError::from(other);
            page(error.status(), "Not granted", &format!("<p>{}</p>", crate::page::escape(&error.message())))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{House, basic_with};
    use serde_json::Value;

    const AGENT: (&str, &str) = ("user-agent", "Mozilla/5.0 (Linux) mirall/3.7.3 (Nextcloud, <debian>)");

    async fn begun(house: &House) -> (String, String) {
        let answer = house.send("POST", "/index.php/login/v2", &[AGENT], "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body["poll"]["endpoint"], "http://box.example/index.php/login/v2/poll");
        let login = answer.body["login"].as_str().unwrap();
        let token = answer.body["poll"]["token"].as_str().unwrap().to_owned();
        (token, login.strip_prefix("http://box.example").unwrap().to_owned())
    }

    async fn poll(house: &House, token: &str) -> (u16, Value) {
        let answer = house.send("POST", "/index.php/login/v2/poll", &[], &format!("token={token}")).await;
        (answer.status, answer.body)
    }

    #[tokio::test]
    async fn a_client_gets_an_app_password_once_after_the_person_granted_it() {
        let house = House::new().await;
        let (token, page) = begun(&house).await;
        assert_eq!(poll(&house, &token).await.0, 404, "not yet");
        let form = house.send("GET", &page, &[], "").await;
        assert_eq!(form.status, 200);
        assert!(form.text.contains("mirall/3.7.3") && form.text.contains("&lt;debian&gt;"), "{}", form.text);
        assert_eq!(form.headers["x-frame-options"], "DENY");
        let wrong = house.send("POST", &page, &[], "user=ada&password=wrong").await;
        assert!(wrong.status == 403 && wrong.text.contains("<form"), "{}", wrong.text);
        assert_eq!(poll(&house, &token).await.0, 404);
        let granted = house.send("POST", &page, &[], "user=ada&password=stable+horse+ada").await;
        assert_eq!(granted.status, 200, "{}", granted.text);
        assert_eq!(house.send("GET", &page, &[], "").await.status, 404, "granted once");
        let (status, body) = poll(&house, &token).await;
        assert_eq!((status, body["loginName"].as_str()), (200, Some("ada")));
        assert_eq!(body["server"], "http://box.example");
        assert_eq!(poll(&house, &token).await.0, 404, "handed out once");
        let secret = body["appPassword"].as_str().unwrap();
        let user = house.call_with("GET", "/ocs/v2.php/cloud/user?format=json", Some(&basic_with("ada", secret))).await;
        assert_eq!(user.status, 200);
        let listed = house.domain.app_passwords("ada").await.unwrap();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].label.contains("mirall/3.7.3"));
        assert!(listed[0].last_used_at.is_some(), "its use is noted");
    }

    #[tokio::test]
    async fn forms_of_other_sites_are_refused() {
        let house = House::new().await;
        let (token, page) = begun(&house).await;
        for header in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")] {
            let answer = house.send("POST", &page, &[header], "user=ada&password=stable+horse+ada").await;
            assert_eq!(answer.status, 403, "{header:?}");
        }
        assert_eq!(poll(&house, &token).await.0, 404);
        let own = ("origin", "http://box.example");
        assert_eq!(house.send("POST", &page, &[own], "user=ada&password=stable+horse+ada").await.status, 200);
    }

    #[tokio::test]
    async fn an_app_password_grants_nothing_and_garbage_finds_nothing() {
        let house = House::new().await;
        let (_, secret) = house.domain.add_app_password("ada", "rig", None, true).await.unwrap();
        let (token, page) = begun(&house).await;
        assert_eq!(house.send("POST", &page, &[], &format!("user=ada&password={secret}")).await.status, 403);
        assert_eq!(poll(&house, &token).await.0, 404);
        for garbage in ["", "x", "%00", &"a".repeat(32), &"é".repeat(3000)] {
            assert_eq!(poll(&house, garbage).await.0, 404, "{garbage}");
        }
        let grant = page.rsplit('/').next().unwrap();
        assert_eq!(poll(&house, grant).await.0, 404, "the secret of the page collects nothing");
        assert_eq!(house.send("GET", "/index.php/login/v2/flow/%00", &[], "").await.status, 404);
    }

    #[tokio::test]
    async fn behind_a_proxy_with_tls_every_address_is_https() {
        let house = House::new().await;
        let answer = house.send_over_tls("POST", "/index.php/login/v2", "").await;
        let address = |value: &Value| value.as_str().unwrap().starts_with("https://box.example/");
        assert!(address(&answer.body["login"]) && address(&answer.body["poll"]["endpoint"]), "{}", answer.text);
    }
}
