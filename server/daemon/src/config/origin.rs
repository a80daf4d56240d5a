//! The public address of an installation: what stands before every path it tells others.

use http::Uri;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// `https://host[:port]`: lower case, without the port its scheme has anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// The text is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{given}\" {reason}; give an address such as \"https://box.example.org\" or \"https://box.example.org:8443\""
)]
pub struct OriginError {
    given: String,
    reason: &'static str,
}

impl Origin {
    /// The address, without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one of https.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl FromStr for Origin {
    type Err = OriginError;
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let wrong = |reason| OriginError { given: text.to_owned(), reason };
        let uri: Uri = text.trim().parse().map_err(|_| wrong("is no address"))?;
        let (usual_port, scheme) = match uri.scheme_str() {
            Some("https") => (443, "https"),
            Some("http") => (80, "http"),
            _ => return Err(wrong("does not begin with https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("has a login in it"));
        }
        if authority.host().is_empty() || uri.host().is_none() {
            return Err(wrong("has no host"));
        }
        if text.contains('#') || uri.query().is_some() || !matches!(uri.path(), "" | "/") {
            return Err(wrong("has a path, and Stitchbox is always at the root of its address"));
        }
        let has_port = authority.as_str().len() > authority.host().len();
        if has_port && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(wrong("has no usable port"));
        }
        let host = authority.host().to_ascii_lowercase();
        Ok(Self(match authority.port_u16().filter(|port| *port != usual_port) {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port_and_nothing_else() {
        for (given, kept) in [
            ("https://Box.Example.org", "https://box.example.org"),
            ("https://box.example.org:443/", "https://box.example.org"),
            ("https://localhost:9443", "https://localhost:9443"),
            ("http://localhost:80", "http://localhost"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(given.parse::<Origin>().map(|origin| origin.to_string()), Ok(kept.to_owned()));
        }
        for wrong in [
            "",
            "box.example.org",
            "ftp://box",
            "https://",
            "https://box/path",
            "https://box?x",
            "https://box/#x",
            "https://eve@box",
            "https://box:",
            "https://box:0",
            "https://box:99999",
        ] {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }
}
