//! The exchange of a share's secret for an access token (facts section 7), form-encoded.

use serde_json::{Value, json};

use super::field::{WireError, object, required};
use crate::secret::Secret;

/// How the exchange is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantType {
    /// `authorization_code`, the draft's.
    AuthorizationCode,
    /// `ocm_share`, an older one that reva takes too.
    OcmShare,
}

/// A request for an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The receiving site, `host[:port]`.
    pub client_id: String,
    /// The share's secret.
    pub code: Secret,
    /// How it is asked for.
    pub grant_type: GrantType,
}

impl TokenRequest {
    /// The form-encoded body, fields in the order of the captured request of facts section 7.
    #[must_use]
    pub fn encode(&self) -> String {
        let grant = match self.grant_type {
            GrantType::AuthorizationCode => "authorization_code",
            GrantType::OcmShare => "ocm_share",
        };
        let mut body = String::new();
        for (name, value) in
            [("client_id", self.client_id.as_str()), ("code", self.code.expose()), ("grant_type", grant)]
        {
            if !body.is_empty() {
                body.push('&');
            }
            body.push_str(name);
            body.push('=');
            body.extend(percent_encoding::utf8_percent_encode(value, FORM));
        }
        body
    }

    /// Reads a form-encoded body.
    ///
    /// # Errors
    /// The word of the error to answer with 400.
    pub fn decode(body: &[u8]) -> Result<Self, TokenError> {
        if body.len() > 16 << 10 {
            return Err(TokenError::InvalidRequest);
        }
        let text = std::str::from_utf8(body).map_err(|_| TokenError::InvalidRequest)?;
        let (mut client, mut code, mut grant) = (None, None, None);
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            let slot = match name {
                "client_id" => &mut client,
                "code" => &mut code,
                "grant_type" => &mut grant,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(TokenError::InvalidRequest);
            }
        }
        let grant_type = match grant.as_deref() {
            Some("authorization_code") => GrantType::AuthorizationCode,
            Some("ocm_share") => GrantType::OcmShare,
            Some(_) => return Err(TokenError::UnsupportedGrantType),
            None => return Err(TokenError::InvalidRequest),
        };
        let given = |value: Option<String>| value.filter(|text| !text.is_empty() && text.len() <= 1024);
        Ok(Self {
            client_id: given(client).ok_or(TokenError::InvalidRequest)?,
            code: Secret::new(given(code).ok_or(TokenError::InvalidRequest)?),
            grant_type,
        })
    }
}

const FORM: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn decoded(value: &str) -> Result<String, TokenError> {
    let value = value.replace('+', " ");
    let text = percent_encoding::percent_decode_str(&value).decode_utf8().map_err(|_| TokenError::InvalidRequest)?;
    if text.chars().any(char::is_control) { Err(TokenError::InvalidRequest) } else { Ok(text.into_owned()) }
}

/// An access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAnswer {
    /// The token, for `Authorization: Bearer`.
    pub access_token: Secret,
    /// Its life, seconds.
    pub expires_in: u64,
}

impl TokenAnswer {
    /// The answer.
    #[must_use]
    pub fn encode(&self) -> Value {
        json!({"access_token": self.access_token.expose(), "token_type": "Bearer", "expires_in": self.expires_in})
    }

    /// Reads the answer; a life that is not told is 5 minutes, and none counts longer than a day.
    ///
    /// # Errors
    /// No token, or one that is no Bearer.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let map = object(body)?;
        let access_token = required(&map, "access_token", 16 << 10)?;
        if access_token.chars().any(|c| !c.is_ascii_graphic()) {
            return Err(WireError::BadValue("access_token"));
        }
        let is_bearer = |value: &Value| value.as_str().is_some_and(|name| name.eq_ignore_ascii_case("bearer"));
        if !map.get("token_type").is_none_or(is_bearer) {
            return Err(WireError::Unsupported("token_type"));
        }
        let expires_in = map.get("expires_in").and_then(Value::as_u64).unwrap_or(300).min(86_400);
        Ok(Self { access_token: Secret::new(access_token), expires_in })
    }
}

/// Why an exchange is refused: `{"error": …}`, status 400 (or 401 for a bad signature).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A field is missing, double or malformed.
    #[error("the request for a token is malformed")]
    InvalidRequest,
    /// Not signed by the client it names.
    #[error("the client is not who it says")]
    InvalidClient,
    /// The secret opens nothing (any more).
    #[error("the secret opens nothing")]
    InvalidGrant,
    /// This client may not exchange it.
    #[error("the client may not exchange this secret")]
    UnauthorizedClient,
    /// Another grant type.
    #[error("this grant type is not supported")]
    UnsupportedGrantType,
}

impl TokenError {
    /// The word of the error.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }

    /// The answer's body.
    #[must_use]
    pub fn encode(self) -> Value {
        json!({"error": self.word(), "error_description": self.to_string()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The captured request of facts section 7.
    const CAPTURED: &str =
        "client_id=localhost%3A9501&code=9SarrdYAG6PWxqMxoJbYx2wWn1l7g69TT6fruRnUD08%3D&grant_type=authorization_code";

    #[test]
    fn the_captured_request_is_written_and_read_to_the_byte() {
        let request = TokenRequest {
            client_id: "localhost:9501".into(),
            code: Secret::new("9SarrdYAG6PWxqMxoJbYx2wWn1l7g69TT6fruRnUD08="),
            grant_type: GrantType::AuthorizationCode,
        };
        assert_eq!(request.encode(), CAPTURED);
        assert_eq!(TokenRequest::decode(CAPTURED.as_bytes()).unwrap(), request);
    }

    #[test]
    fn wrong_requests_have_their_word() {
        for (body, word) in [
            ("", "invalid_request"),
            ("client_id=h&grant_type=authorization_code", "invalid_request"),
            ("client_id=h&code=x&grant_type=password", "unsupported_grant_type"),
            ("client_id=h&code=x&code=y&grant_type=authorization_code", "invalid_request"),
            ("client_id=h&code=%00&grant_type=authorization_code", "invalid_request"),
            ("client_id=h&code=%ff&grant_type=authorization_code", "invalid_request"),
        ] {
            assert_eq!(TokenRequest::decode(body.as_bytes()).unwrap_err().word(), word, "{body}");
        }
        assert_eq!(
            TokenRequest::decode(b"client_id=h&code=x&grant_type=ocm_share").unwrap().grant_type,
            GrantType::OcmShare
        );
    }

    #[test]
    fn an_answer_without_a_bearer_is_refused() {
        let answer =
            TokenAnswer::decode(br#"{"access_token":"d328","token_type":"Bearer","expires_in":3600}"#).unwrap();
        assert_eq!((answer.access_token.expose(), answer.expires_in), ("d328", 3600));
        assert_eq!(TokenAnswer::decode(answer.encode().to_string().as_bytes()).unwrap(), answer);
        assert!(TokenAnswer::decode(br#"{"access_token":"d328","token_type":"mac"}"#).is_err());
        assert!(TokenAnswer::decode(br#"{"access_token":"a\r\nb"}"#).is_err());
        assert!(TokenAnswer::decode(b"{}").is_err());
        assert_eq!(TokenAnswer::decode(br#"{"access_token":"d","expires_in":99999999}"#).unwrap().expires_in, 86_400);
    }

    proptest! {
        #[test]
        fn any_body_is_a_request_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = TokenRequest::decode(&body);
            let _ = TokenAnswer::decode(&body);
        }
    }
}
