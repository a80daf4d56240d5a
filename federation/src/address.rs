//! Addresses of people and sites: `id@host[:port]` and `host[:port]` (facts/ocm.md section 2, "Addresses").

use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Serialize};

/// Longest text read as a host, bytes.
const LONGEST_HOST: usize = 262;
/// Longest id of a person or group, bytes.
const LONGEST_ID: usize = 512;

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `@`.
    #[error("the address has no @: write it as name@site")]
    NoSite,
    /// Nothing before the last `@`.
    #[error("the address has no name before its @")]
    NoName,
    /// Longer than is kept.
    #[error("the address is too long")]
    TooLong,
    /// Control characters.
    #[error("the address has characters that cannot be shown")]
    Unprintable,
    /// What follows the `@` is no `host[:port]`.
    #[error("the site is no host name with an optional port")]
    NotAHost,
}

/// A site: `host[:port]`, lower case, without scheme, and without the port 443 that https has anyway.
///
/// A text with a scheme is tolerated (Nextcloud sends `bob@https://host:8442`); a path is not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host(String);

impl Host {
    /// Reads `host[:port]`, tolerating a scheme before it and a slash behind it.
    ///
    /// # Errors
    /// What is no host.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.len() > LONGEST_HOST {
            return Err(AddressError::TooLong);
        }
        let (scheme, rest) = match split_scheme(text) {
            Some((scheme, rest)) if scheme == "https" || scheme == "http" => (scheme, rest),
            Some(_) => return Err(AddressError::NotAHost),
            None => ("https".to_owned(), text),
        };
        let rest = rest.trim_end_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        if rest.is_empty() || !rest.chars().all(plain) {
            return Err(AddressError::NotAHost);
        }
        let url = Url::parse(&format!("{scheme}://{rest}/")).map_err(|_| AddressError::NotAHost)?;
        let Some(name) = url.host_str().filter(|name| !name.is_empty() && !name.starts_with('.')) else {
            return Err(AddressError::NotAHost);
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        Ok(match url.port() {
            Some(443) | None => Self(name),
            Some(port) => Self(format!("{name}:{port}")),
        })
    }

    /// The host of an absolute URL.
    #[must_use]
    pub fn of_url(url: &Url) -> Option<Self> {
        let name = url.host_str()?;
        match url.port() {
            Some(port) => Self::parse(&format!("{name}:{port}")).ok(),
            None => Self::parse(name).ok(),
        }
    }

    /// `host[:port]`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `https` and the rest, of `https://rest`.
fn split_scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    Some((scheme.to_ascii_lowercase(), rest))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Host {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Host {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.0
    }
}

/// A person or group at a site: `user@host[:port]`. The user part is case-sensitive, opaque, and may hold `@` itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FederatedId {
    /// The id at its site.
    pub user: String,
    /// Its site.
    pub host: Host,
}

impl FederatedId {
    /// Reads `user@host[:port]`, split at the last `@`; a scheme behind the `@` is tolerated.
    ///
    /// # Errors
    /// What is no such address.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > LONGEST_ID + LONGEST_HOST {
            return Err(AddressError::TooLong);
        }
        let (user, host) = text.rsplit_once('@').ok_or(AddressError::NoSite)?;
        Self::new(user, Host::parse(host)?)
    }

    /// The person `user` at `host`.
    ///
    /// # Errors
    /// A user that is empty, too long or unprintable.
    pub fn new(user: &str, host: Host) -> Result<Self, AddressError> {
        if user.trim().is_empty() {
            return Err(AddressError::NoName);
        }
        if user.len() > LONGEST_ID {
            return Err(AddressError::TooLong);
        }
        if user.chars().any(char::is_control) {
            return Err(AddressError::Unprintable);
        }
        Ok(Self { user: user.to_owned(), host })
    }

    /// The address of a `userID` that a peer told us, which is sometimes qualified already: `id`, `id@host` and
    /// `id@https://host` are the same person at `host` (facts section 6).
    ///
    /// # Errors
    /// As [`FederatedId::new`].
    pub fn of_peer(user_id: &str, host: &Host) -> Result<Self, AddressError> {
        match Self::parse(user_id) {
            Ok(id) if id.host == *host => Ok(id),
            _ => Self::new(user_id, host.clone()),
        }
    }
}

impl fmt::Display for FederatedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.host)
    }
}

impl FromStr for FederatedId {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for FederatedId {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<FederatedId> for String {
    fn from(id: FederatedId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_split_at_its_last_at_and_a_scheme_is_tolerated() {
        for (text, user, host) in [
            ("bob@nc.example", "bob", "nc.example"),
            ("bob@https://localhost:8442", "bob", "localhost:8442"),
            ("alice@http://127.0.0.1:8081", "alice", "127.0.0.1:8081"),
            ("a.b@example.org@CLOUD.Example:443/", "a.b@example.org", "cloud.example"),
            ("Eve@h:9443", "Eve", "h:9443"),
            ("eve@[::1]:8080", "eve", "[::1]:8080"),
        ] {
            let id = FederatedId::parse(text).unwrap();
            assert_eq!((id.user.as_str(), id.host.as_str()), (user, host), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "bob",
            "@h",
            "bob@",
            "bob@h/path",
            "bob@ftp://h",
            "bob@h:99999",
            "bob@h?x",
            "b\nb@h",
            "bob@a b",
            "b@..",
        ] {
            assert!(FederatedId::parse(text).is_err(), "{text:?}");
        }
        assert!(FederatedId::parse(&format!("{}@h", "x".repeat(600))).is_err());
    }

    #[test]
    fn a_number_in_disguise_is_shown_as_the_address_it_is() {
        assert_eq!(Host::parse("2130706433").unwrap().as_str(), "127.0.0.1");
        assert_eq!(Host::parse("0x7f.1").unwrap().as_str(), "127.0.0.1");
    }

    #[test]
    fn a_qualified_user_id_is_not_qualified_twice() {
        let host = Host::parse("h.example").unwrap();
        for id in ["eve", "eve@h.example", "eve@https://h.example"] {
            assert_eq!(FederatedId::of_peer(id, &host).unwrap().to_string(), "eve@h.example", "{id}");
        }
        assert_eq!(FederatedId::of_peer("u1@idp.example", &host).unwrap().to_string(), "u1@idp.example@h.example");
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_refused(text in ".{0,80}") {
            if let Ok(id) = FederatedId::parse(&text) {
                prop_assert_eq!(FederatedId::parse(&id.to_string()).unwrap(), id);
            }
        }
    }
}
