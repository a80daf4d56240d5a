//! Login through a browser, version 1, for older apps: a page with a form that ends in the app's own address
//! `nc://login/server:…&user:…&password:…`.

use crate::Ocs;
use crate::address::OwnAddress;
use crate::client::program;
use crate::error::OcsError;
use crate::form::body_field;
use crate::login_v2::again;
use crate::origin::Origin;
use crate::page::{escape, is_from_here, page, password_form};
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use stitchbox_domain::Error;

pub(crate) async fn show(headers: HeaderMap) -> Response {
    page(StatusCode::OK, "Grant access", &password_form(&program(&headers), None))
}

pub(crate) async fn grant(
    State(ocs): State<Ocs>,
    own: OwnAddress,
    Origin(client): Origin,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_from_here(&headers, &own) {
        return page(
            StatusCode::FORBIDDEN,
            "Not granted",
            "<p>This form came from another site; nothing was done.</p>",
        );
    }
    let (name, password) = (body_field(&body, "user"), body_field(&body, "password"));
    let (name, program) = (name.unwrap_or_default(), program(&headers));
    match ocs.domain.exchange_password(name.trim(), &password.unwrap_or_default(), &program, client).await {
        Ok(made) => {
            let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let (user, secret) = (encoded(&made.user), encoded(&made.app_password));
            let address = format!("nc://login/server:{}&user:{user}&password:{secret}", own.base());
            let Ok(location) = HeaderValue::try_from(&address) else {
                return page(
                    StatusCode::BAD_REQUEST,
                    "Not granted",
                    "<p>The address of this server is no address.</p>",
                );
            };
            let text = format!("<p><a href=\"{}\">Back to the program</a></p>", escape(&address));
            let mut response = page(StatusCode::SEE_OTHER, "Access granted", &text);
            response.headers_mut().insert(LOCATION, location);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response.into_response()
        }
        Err(error @ (Error::Unauthenticated | Error::Forbidden(_) | Error::Throttled { .. })) => again(&program, error),
        Err(error) => {
            let error = OcsError::from(error);
            page(error.status(), "Not granted", &format!("<p>{}</p>", escape(&error.message())))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{House, basic_with};

    #[tokio::test]
    async fn the_form_leads_back_into_the_app_with_a_password_that_works() {
        let house = House::new().await;
        assert!(house.send("GET", "/index.php/login/flow", &[], "").await.text.contains("<form"));
        let wrong = house.send("POST", "/index.php/login/flow", &[], "user=ada&password=no").await;
        assert_eq!((wrong.status, wrong.headers.get("location")), (403, None));
        let right = house.send("POST", "/index.php/login/flow", &[], "user=ada&password=stable+horse+ada").await;
        let location = right.headers["location"].to_str().unwrap();
        let rest = location.strip_prefix("nc://login/server:http://box.example&user:ada&password:").unwrap();
        let secret = rest.replace("%2D", "-");
        let user = house.call_with("GET", "/ocs/v1.php/cloud/user", Some(&basic_with("ada", &secret))).await;
        assert_eq!((right.status, user.status), (303, 200));
    }
}
