//! Who asks: a user with an app password, a token, or nobody.

use std::fmt;

use base64::Engine as _;
use reqwest::header::HeaderValue;

/// What a request proves itself with; never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody.
    None,
    /// Basic: user name, and password or app password.
    Basic {
        /// User name.
        user: String,
        /// Password or app password.
        password: String,
    },
    /// A token.
    Bearer(String),
}

impl Credentials {
    /// The user name, when it is known.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Basic { user, .. } => Some(user),
            Self::None | Self::Bearer(_) => None,
        }
    }

    /// The value of `Authorization`; `None` for nobody, and for what no header can carry.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let text = match self {
            Self::None => return None,
            Self::Basic { user, password } => {
                let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
                format!("Basic {pair}")
            }
            Self::Bearer(token) => format!("Bearer {token}"),
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nobody"),
            Self::Basic { user, .. } => write!(f, "user {user}"),
            Self::Bearer(_) => f.write_str("a token"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_sent_and_never_shown() {
        let credentials = Credentials::Basic { user: "Aladdin".into(), password: "open sesame".into() };
        // the example of RFC 7617
        assert_eq!(credentials.header().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{credentials:?} {:?}", credentials.header()).contains("sesame"));
        assert!(!format!("{:?}", Credentials::Bearer("secret".into())).contains("secret"));
    }
}
