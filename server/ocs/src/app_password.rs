//! `GET /ocs/v2.php/core/getapppassword`: an app password for the account password that is shown.
//! `DELETE /ocs/v2.php/core/apppassword`: the end of the app password that is shown, when a client logs out.

use crate::Ocs;
use crate::caller::Shown;
use crate::client::program;
use crate::envelope::Envelope;
use crate::error::OcsError;
use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use serde_json::{Value, json};
use stitchbox_domain::Error;

pub(crate) async fn get(State(ocs): State<Ocs>, parts: Parts) -> Response {
    let envelope = Envelope::of(&parts);
    envelope.answer(exchange(&ocs, &parts).await)
}

async fn exchange(ocs: &Ocs, parts: &Parts) -> Result<Value, OcsError> {
    let shown = Shown::read(parts)?.ok_or(Error::Unauthenticated)?;
    let Some((name, password)) = shown.credentials.basic() else {
        shown.check(&ocs.domain).await?;
        return Err(OcsError::Forbidden("this needs the password of your account; log in with name and password"));
    };
    let made = ocs.domain.exchange_password(name, password, &program(&parts.headers), shown.client).await?;
    Ok(json!({"apppassword": made.app_password}))
}

pub(crate) async fn delete(State(ocs): State<Ocs>, parts: Parts) -> Response {
    let envelope = Envelope::of(&parts);
    envelope.answer(end(&ocs, &parts).await)
}

async fn end(ocs: &Ocs, parts: &Parts) -> Result<Value, OcsError> {
    let shown = Shown::read(parts)?.ok_or(Error::Unauthenticated)?;
    match ocs.domain.revoke_own_app_password(&shown.credentials, shown.client).await {
        Ok(()) => Ok(json!([])),
        Err(Error::NotFound) => {
            Err(OcsError::Forbidden("you did not log in with an app password; there is none to end"))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{House, basic_with};

    const GET: &str = "/ocs/v2.php/core/getapppassword?format=json";
    const DELETE: &str = "/ocs/v2.php/core/apppassword?format=json";

    #[tokio::test]
    async fn a_password_is_exchanged_once_and_ended_by_its_holder() {
        let house = House::new().await;
        let answer = house.get(GET).await;
        let secret = answer.body["ocs"]["data"]["apppassword"].as_str().unwrap().to_owned();
        let holder = basic_with("ada", &secret);
        assert_eq!(house.call_with("GET", GET, Some(&holder)).await.status, 403, "it is one already");
        assert_eq!(house.call("DELETE", DELETE).await.status, 403, "the account password stays");
        assert_eq!(house.call_with("DELETE", DELETE, Some(&holder)).await.status, 200);
        assert_eq!(house.call_with("DELETE", DELETE, Some(&holder)).await.status, 401, "it is gone");
        assert_eq!(house.call_with("GET", GET, None).await.status, 401);
    }
}
