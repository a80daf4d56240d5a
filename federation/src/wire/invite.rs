//! Invites: the string and link that people pass on, and the message by which one is accepted (facts section 6).

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use reqwest::Url;
use serde_json::{Value, json};

use super::field::{WireError, object, required, words};
use crate::address::Host;
use crate::secret::Secret;

/// Longest token that is kept, bytes.
const LONGEST_TOKEN: usize = 512;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const ANY_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const ANY_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The text is no invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no invite: paste the whole invite string or link")]
pub struct InviteError;

/// An invite: a token and the site that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The token, to be sent back to its site.
    pub token: Secret,
    /// The site that invites.
    pub host: Host,
}

impl Invite {
    /// The invite as a string: padded base64 of `token@host[:port]`.
    #[must_use]
    pub fn to_text(&self) -> String {
        STANDARD.encode(format!("{}@{}", self.token.expose(), self.host))
    }

    /// The invite as a link to the accepting site's dialog; `None` if `dialog` is no URL.
    #[must_use]
    pub fn to_link(&self, dialog: &str) -> Option<String> {
        let mut url = Url::parse(dialog).ok()?;
        url.query_pairs_mut()
            .append_pair("token", self.token.expose())
            .append_pair("providerDomain", self.host.as_str());
        Some(url.into())
    }

    /// Reads an invite as string (padded or not, either alphabet), as link (`token` and `providerDomain` in its query), or
    /// as plain `token@host`.
    ///
    /// # Errors
    /// What is none of these.
    pub fn parse(text: &str) -> Result<Self, InviteError> {
        let text = text.trim();
        if text.len() > 4096 {
            return Err(InviteError);
        }
        if let Ok(url) = Url::parse(text)
            && (url.scheme() == "https" || url.scheme() == "http")
        {
            let value =
                |key: &str| url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned());
            let (token, host) = (value("token").ok_or(InviteError)?, value("providerDomain").ok_or(InviteError)?);
            return Self::of(&token, &host);
        }
        let plain = if text.contains('@') {
            text.to_owned()
        } else {
            let bytes = ANY_STANDARD.decode(text).or_else(|_| ANY_URL_SAFE.decode(text)).map_err(|_| InviteError)?;
            String::from_utf8(bytes).map_err(|_| InviteError)?
        };
        let (token, host) = plain.rsplit_once('@').ok_or(InviteError)?;
        Self::of(token, host)
    }

    fn of(token: &str, host: &str) -> Result<Self, InviteError> {
        if token.is_empty() || token.len() > LONGEST_TOKEN || token.chars().any(char::is_control) {
            return Err(InviteError);
        }
        Ok(Self { token: Secret::new(token), host: Host::parse(host).map_err(|_| InviteError)? })
    }
}

/// POST {endPoint}/invite-accepted: the person who accepted, told to the site that invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteAccepted {
    /// The accepting site.
    pub recipient_provider: Host,
    /// The invite's token.
    pub token: Secret,
    /// The person's id at the accepting site; opaque.
    pub user_id: String,
    /// May be empty.
    pub email: String,
    /// Name for people; may be empty.
    pub name: String,
}

impl InviteAccepted {
    /// The message.
    #[must_use]
    pub fn encode(&self) -> Value {
        json!({
            "recipientProvider": self.recipient_provider.as_str(),
            "token": self.token.expose(),
            "userID": self.user_id,
            "email": self.email,
            "name": self.name,
        })
    }

    /// Reads the message.
    ///
    /// # Errors
    /// What is missing or malformed.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let map = object(body)?;
        let provider = required(&map, "recipientProvider", 1024)?;
        Ok(Self {
            recipient_provider: Host::parse(&provider).map_err(|_| WireError::BadValue("recipientProvider"))?,
            token: Secret::new(required(&map, "token", LONGEST_TOKEN)?),
            user_id: user_id(&map)?,
            email: words(&map, "email", 320),
            name: words(&map, "name", 255),
        })
    }
}

/// The answer to an accepted invite: the person who invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteAnswer {
    /// The person's id at the inviting site; opaque.
    pub user_id: String,
    /// May be empty; a Nextcloud needs one.
    pub email: String,
    /// Name for people; may be empty.
    pub name: String,
}

impl InviteAnswer {
    /// The answer.
    #[must_use]
    pub fn encode(&self) -> Value {
        json!({"userID": self.user_id, "email": self.email, "name": self.name})
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// No `userID`.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let map = object(body)?;
        Ok(Self { user_id: user_id(&map)?, email: words(&map, "email", 320), name: words(&map, "name", 255) })
    }
}

fn user_id(map: &serde_json::Map<String, Value>) -> Result<String, WireError> {
    let id = required(map, "userID", 512)?;
    if id.trim().is_empty() || id.chars().any(char::is_control) {
        return Err(WireError::BadValue("userID"));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn invite() -> Invite {
        Invite { token: Secret::new("tok>en?~12"), host: Host::parse("h.example:8443").unwrap() }
    }

    #[test]
    fn an_invite_is_read_in_every_form() {
        let padded = invite().to_text();
        assert!(padded.ends_with('='), "{padded}");
        let bare = padded.trim_end_matches('=').to_owned();
        let url_safe = bare.replace('+', "-").replace('/', "_");
        let link = invite().to_link("https://mine.example/ocm/accept?lang=en").unwrap();
        for text in [padded, bare, url_safe, link, "tok>en?~12@https://H.example:8443".to_owned()] {
            assert_eq!(Invite::parse(&text).unwrap(), invite(), "{text}");
        }
    }

    #[test]
    fn what_is_no_invite_is_refused() {
        for text in ["", "hello", "aGVsbG8=", "@h", "https://h/accept?token=x", "https://h/?providerDomain=h", "%%%"] {
            assert!(Invite::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn accepting_and_its_answer_are_read_back() {
        let sent = InviteAccepted {
            recipient_provider: Host::parse("h.example").unwrap(),
            token: Secret::new("t"),
            user_id: "eve".into(),
            email: "eve@example.org".into(),
            name: "Eve".into(),
        };
        let wire = sent.encode();
        assert_eq!(wire["recipientProvider"], "h.example");
        assert_eq!(InviteAccepted::decode(wire.to_string().as_bytes()).unwrap(), sent);
        assert_eq!(
            InviteAccepted::decode(br#"{"recipientProvider":"h","token":"t"}"#),
            Err(WireError::Missing("userID"))
        );
        assert!(InviteAnswer::decode(br#"{"userID":"a\u0001"}"#).is_err());
        assert_eq!(InviteAnswer::decode(br#"{"userID":"a"}"#).unwrap().name, "");
    }

    proptest! {
        #[test]
        fn any_text_is_an_invite_or_refused(text in ".{0,120}") {
            let _ = Invite::parse(&text);
            let _ = InviteAccepted::decode(text.as_bytes());
        }
    }
}
