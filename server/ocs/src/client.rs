//! Which program asks, told by its `User-Agent`: a few capabilities break some programs that others want.

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::USER_AGENT;
use http::request::Parts;
use std::convert::Infallible;

/// What a program says it is: what its app password is called.
pub(crate) fn program(headers: &HeaderMap) -> String {
    headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

/// A program, as far as its kind matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// The desktop client of Nextcloud, or a brand of it: major and minor version.
    Nextcloud(u32, u32),
    /// The desktop client of ownCloud, or a brand of it such as CERNBox: major version.
    OwnCloud(u32),
    /// A client of OpenCloud.
    OpenCloud,
    /// A browser.
    Browser,
    /// Anything else, apps on phones among them.
    Other,
}

impl Client {
    /// Reads `Mozilla/5.0 (Linux) mirall/3.7.3 (Nextcloud, …)` and its like.
    pub(crate) fn parse(user_agent: &str) -> Self {
        let text = user_agent.to_ascii_lowercase();
        if text.contains("opencloud") {
            return Self::OpenCloud;
        }
        if let Some((_, after)) = text.split_once("mirall/") {
            let mut numbers = after.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().unwrap_or(0));
            let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
            return if text.contains("nextcloud") { Self::Nextcloud(major, minor) } else { Self::OwnCloud(major) };
        }
        let engine = ["gecko/", "applewebkit/", "trident/"].iter().any(|engine| text.contains(engine));
        if text.starts_with("mozilla/") && engine { Self::Browser } else { Self::Other }
    }

    /// Clients of Nextcloud before 3.10 lose a whole batch of small files if one of them is empty.
    pub(crate) fn may_upload_in_bulk(self) -> bool {
        matches!(self, Self::Nextcloud(major, minor) if (major, minor) >= (3, 10))
    }

    /// ownCloud 2 knows an early tus and takes it for better than the chunks it does well.
    pub(crate) fn may_use_tus(self) -> bool {
        match self {
            Self::OwnCloud(major) => major >= 3,
            Self::OpenCloud | Self::Browser => true,
            Self::Nextcloud(..) | Self::Other => false,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(&program(&parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_apart() {
        for (text, client) in [
            (
                "Mozilla/5.0 (Linux) mirall/3.7.3 (Nextcloud, debian-6.1 ClientArchitecture: x86_64)",
                Client::Nextcloud(3, 7),
            ),
            ("Mozilla/5.0 (Windows) mirall/3.10.1git (build 1) (Nextcloud, windows)", Client::Nextcloud(3, 10)),
            ("Mozilla/5.0 (Linux) mirall/2.11.0.8354 (ownCloud, debian-6.1)", Client::OwnCloud(2)),
            ("Mozilla/5.0 (Macintosh) mirall/5.3.2.15463 (CERNBox, macos-23)", Client::OwnCloud(5)),
            ("Mozilla/5.0 (Linux) OpenCloudDesktop/1.0.0 (OpenCloud, fedora)", Client::OpenCloud),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", Client::Browser),
            ("Mozilla/5.0 (Android) Nextcloud-android/3.29.0", Client::Other),
            ("rclone/v1.60.1", Client::Other),
            ("mirall/", Client::OwnCloud(0)),
            ("mirall/99999999999999999999.1 (Nextcloud)", Client::Nextcloud(0, 1)),
            ("", Client::Other),
        ] {
            assert_eq!(Client::parse(text), client, "{text}");
        }
        assert!(Client::Nextcloud(4, 0).may_upload_in_bulk() && !Client::Nextcloud(3, 9).may_upload_in_bulk());
        assert!(Client::OwnCloud(3).may_use_tus() && !Client::OwnCloud(2).may_use_tus());
    }
}
