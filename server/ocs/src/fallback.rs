//! What is asked for and does not exist: an answer in the form of OCS, which clients take as "not installed here".

use crate::envelope::Envelope;
use crate::error::OcsError;
use axum::response::Response;

pub(crate) async fn nothing_here(envelope: Envelope) -> Response {
    envelope.refuse(&OcsError::NoSuchEndpoint)
}

pub(crate) async fn wrong_method(envelope: Envelope) -> Response {
    envelope.refuse(&OcsError::WrongMethod)
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn unknown_addresses_are_answered_in_the_form_of_ocs() {
        let house = House::new().await;
        for path in ["/ocs/v2.php/apps/user_status/api/v1/user_status", "/ocs/v2.php/cloud/activity", "/ocs/v9.php/x"] {
            let answer = house.get(&format!("{path}?format=json")).await;
            assert_eq!((answer.status, answer.code()), (404, 404), "{path}");
            assert_eq!(answer.body["ocs"]["meta"]["status"], "failure");
        }
        assert_eq!(house.get("/ocs/v1.php/apps/x?format=json").await.code(), 998);
        let wrong = house.call("DELETE", "/ocs/v2.php/cloud/user?format=json").await;
        assert_eq!((wrong.status, wrong.headers.get("allow").is_some()), (405, true));
    }
}
