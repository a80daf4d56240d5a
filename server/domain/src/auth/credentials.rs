//! What a client shows: the value of `Authorization`, read the same way for every front-end.

use super::Entrance;
use crate::{Domain, Error, Principal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::net::IpAddr;

/// Credentials, not checked yet.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A login name with an account password or an app password.
    Basic {
        /// Login name.
        name: String,
        /// Password.
        password: String,
    },
    /// A bearer token.
    Bearer(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic",
            Self::Bearer(_) => "Bearer",
        })
    }
}

impl Credentials {
    /// Reads the value of `Authorization` (RFC 7617, RFC 6750); `None` for anything else.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (scheme, rest) = value.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self::Bearer(rest.trim().to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        let (name, password) = text.split_once(':')?;
        Some(Self::Basic { name: name.to_owned(), password: password.to_owned() })
    }
}

impl Domain {
    /// Checks credentials; errors as [`Domain::login_basic`] and [`Domain::login_bearer`].
    pub async fn login(&self, shown: &Credentials, client: IpAddr, at: Entrance) -> Result<Principal, Error> {
        match shown {
            Credentials::Basic { name, password } => self.login_basic(name, password, client, at).await,
            Credentials::Bearer(token) => self.login_bearer(token, at).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemes_are_read_in_any_case_and_the_rest_is_refused() {
        let basic = format!("bAsIc {}", STANDARD.encode("ada:pass:wörd"));
        let expected = Credentials::Basic { name: "ada".to_owned(), password: "pass:wörd".to_owned() };
        assert_eq!(Credentials::parse(&basic), Some(expected));
        assert_eq!(Credentials::parse("BEARER  x "), Some(Credentials::Bearer("x".to_owned())));
        for garbled in ["", "Basic", "Basic !!!", "Digest x", "Basic eA==", "Basic /w=="] {
            assert_eq!(Credentials::parse(garbled), None, "{garbled}");
        }
    }

    #[test]
    fn a_password_does_not_get_into_a_log() {
        let shown = Credentials::Basic { name: "ada".to_owned(), password: "secret".to_owned() };
        assert_eq!(format!("{shown:?}"), "Basic");
    }
}
