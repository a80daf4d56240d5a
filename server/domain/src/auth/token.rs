//! Bearer tokens: JWT, HS256 (RFC 7519), short-lived. Times come from the clock of the domain.

use crate::Error;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;
use stitchbox_schema::{AppPasswordId, SpaceId, Timestamp, UserId};
use stitchbox_store::StoreError;
use stitchbox_store::accounts::{AppPassword, User};

/// Longest token that is looked at, bytes.
const LONGEST: usize = 2048;

/// A bearer token and how long it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// What goes behind `Authorization: Bearer`.
    pub token: String,
    /// Seconds until it ends.
    pub expires_in: u64,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The user.
    pub(crate) sub: UserId,
    /// The only space it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) space: Option<SpaceId>,
    /// May make new items and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) create_only: bool,
    /// The app password it was issued for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) app_password: Option<AppPasswordId>,
    /// Which account password it was issued for: see [`mark`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
    /// Issued at, seconds since 1970.
    iat: i64,
    /// Ends at, seconds since 1970.
    exp: i64,
}

/// Tells one stored password hash from the next, and nothing else about it.
pub(crate) fn mark(password_hash: Option<&str>) -> Option<String> {
    let digest = Sha256::new().chain_update(b"token ").chain_update(password_hash?).finalize();
    Some(digest.iter().take(8).fold(String::new(), |mut hex, byte| {
        // Writing into a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

/// The key that signs and checks.
pub(crate) struct TokenKeys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl TokenKeys {
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // `exp` is checked against the domain's clock, in `read`.
        validation.validate_exp = false;
        validation.required_spec_claims = HashSet::new();
        Self { encoding: EncodingKey::from_secret(key), decoding: DecodingKey::from_secret(key), validation }
    }

    pub(crate) fn issue(
        &self,
        user: &User,
        app_password: Option<&AppPassword>,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<IssuedToken, Error> {
        let expires_in = lifetime.as_secs();
        let claims = Claims {
            sub: user.id,
            space: app_password.and_then(|found| found.space),
            create_only: app_password.is_some_and(|found| found.create_only),
            app_password: app_password.map(|found| found.id),
            password: if app_password.is_some() { None } else { mark(user.password_hash.as_deref()) },
            iat: now.unix_seconds(),
            exp: now.unix_seconds().saturating_add(i64::try_from(expires_in).unwrap_or(i64::MAX)),
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(|error| StoreError::NotCommitted(format!("the token could not be signed: {error}")))?;
        Ok(IssuedToken { token, expires_in })
    }

    /// The claims of a token that we signed and that has not ended.
    pub(crate) fn read(&self, token: &str, now: Timestamp) -> Option<Claims> {
        if token.len() > LONGEST {
            return None;
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        (now.unix_seconds() < claims.exp).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        User {
            id: UserId(7),
            name: "ada".to_owned(),
            display_name: String::new(),
            password_hash: Some("hash".to_owned()),
            is_admin: false,
            disabled: false,
            created_at: Timestamp(0),
        }
    }

    #[test]
    fn a_token_ends_with_its_time_and_is_ours_alone() {
        let keys = TokenKeys::new(&[7; 32]);
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        let issued = keys.issue(&user(), None, now, Duration::from_secs(900)).unwrap();
        assert_eq!(issued.expires_in, 900);
        let claims = keys.read(&issued.token, now).unwrap();
        assert_eq!((claims.sub, claims.password), (UserId(7), mark(Some("hash"))));
        assert!(keys.read(&issued.token, now.after(Duration::from_secs(899))).is_some());
        assert!(keys.read(&issued.token, now.after(Duration::from_secs(900))).is_none());
        assert!(TokenKeys::new(&[8; 32]).read(&issued.token, now).is_none(), "another installation");
    }

    #[test]
    fn forged_tokens_are_refused() {
        let keys = TokenKeys::new(&[7; 32]);
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        let token = keys.issue(&user(), None, now, Duration::from_secs(900)).unwrap().token;
        let parts: Vec<&str> = token.split('.').collect();
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1]);
        let cut = format!("{}.{}", parts[0], parts[1]);
        let stretched = "a".repeat(LONGEST + 1);
        for forged in [unsigned.as_str(), &cut, "", "garbage", "a.b.c", &stretched, &token[..token.len() - 2]] {
            assert!(keys.read(forged, now).is_none(), "{forged}");
        }
    }
}
