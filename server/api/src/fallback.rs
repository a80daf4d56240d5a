//! Addresses and methods that do not exist.

use crate::error::ApiError;

/// No such endpoint.
pub(crate) async fn nothing_here() -> ApiError {
    ApiError::NoSuchEndpoint
}

/// The endpoint exists, not with this method.
pub(crate) async fn wrong_method() -> ApiError {
    ApiError::WrongMethod
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn unknown_addresses_and_methods_are_answered_in_json() {
        let house = House::new().await;
        for path in ["/api", "/api/", "/api/v1", "/api/v2/runs", "/api/v1/nothing"] {
            let answer = house.get(path).await;
            assert_eq!((answer.status, answer.code()), (404, "no_such_endpoint"), "{path}");
        }
        let answer = house.call("DELETE", "/api/v1/runs").await;
        assert_eq!((answer.status, answer.code()), (405, "wrong_method"));
        assert!(answer.headers.contains_key("allow"));
    }
}
