//! `GET /ocs/v2.php/core/navigation/apps`: other pages of this server that a client could show. None yet.

use crate::caller::Caller;
use crate::envelope::Envelope;
use axum::response::Response;
use serde_json::json;

pub(crate) async fn get(envelope: Envelope, _: Caller) -> Response {
    envelope.answer(Ok(json!([])))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn the_list_is_empty_and_for_users_only() {
        let house = House::new().await;
        let answer = house.get("/ocs/v2.php/core/navigation/apps?format=json").await;
        assert_eq!((answer.status, answer.body["ocs"]["data"].as_array().unwrap().len()), (200, 0));
        assert_eq!(house.send("GET", "/ocs/v2.php/core/navigation/apps", &[], "").await.status, 401);
    }
}
