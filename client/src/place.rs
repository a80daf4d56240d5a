//! Places on a server, as people write them: `SPACE:/path`, or a WebDAV address.

use std::str::FromStr;

use reqwest::Url;
use stitchbox_remote::{Connection, Place};

use crate::account::AccountArgs;
use crate::exit::Failure;

/// A place on a server, not yet looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    /// A WebDAV address.
    Address(Url),
    /// Space by name or id, and a path in it.
    InSpace {
        /// Name or id.
        space: String,
        /// Path in the space.
        path: String,
    },
}

impl FromStr for Written {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const HOW: &str =
            "a place on a server is SPACE:/path, or an address such as https://HOST/remote.php/dav/files/USER/path";
        if text.contains("://") {
            let url = Url::parse(text).map_err(|error| format!("{error}; {HOW}"))?;
            return match url.scheme() {
                "http" | "https" => Ok(Self::Address(url)),
                _ => Err(format!("only http and https; {HOW}")),
            };
        }
        match text.split_once(':') {
            Some((space, path)) if !space.is_empty() && (path.is_empty() || path.starts_with('/')) => {
                Ok(Self::InSpace { space: space.to_owned(), path: path.to_owned() })
            }
            _ => Err(HOW.to_owned()),
        }
    }
}

impl Written {
    /// The place and the server it is on.
    pub(crate) fn place(&self, account: &AccountArgs) -> Result<Place, Failure> {
        match self {
            Self::Address(url) => Ok(Place::of(url)),
            Self::InSpace { space, path } => Ok(Place::in_space(&account.server()?, space, path)),
        }
    }

    /// The place and a connection to its server.
    pub(crate) fn reach(&self, account: &AccountArgs) -> Result<(Place, Connection), Failure> {
        let place = self.place(account)?;
        if let Self::Address(url) = self
            && (!url.username().is_empty() || url.password().is_some())
        {
            return Err(Failure::usage(
                "passwords do not belong into addresses, where others can read them: use --user and --password-file",
            ));
        }
        let connection = account.connect(&place.server)?;
        Ok((place, connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_people_write_them() {
        let space = |space: &str, path: &str| Written::InSpace { space: space.to_owned(), path: path.to_owned() };
        assert_eq!("ring 7:/mirror/a:b".parse(), Ok(space("ring 7", "/mirror/a:b")));
        assert_eq!("ring:".parse(), Ok(space("ring", "")));
        assert!(matches!("https://h/dav/spaces/7/".parse(), Ok(Written::Address(_))));
        for text in ["ring", "ring:mirror", ":/x", "ftp://h/x", "http://"] {
            assert!(text.parse::<Written>().is_err(), "{text}");
        }
    }
}
