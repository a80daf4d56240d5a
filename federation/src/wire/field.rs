//! Reading single fields of a peer's JSON: each has a type, a length and a reason when it is refused.

use serde_json::{Map, Value};

use crate::address::FederatedId;

/// Longest document of a peer that is parsed at all, bytes.
pub(crate) const LONGEST_DOCUMENT: usize = 1 << 20;

/// Why a peer's message is not understood. [`WireError::status`] says what to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No JSON object at all.
    #[error("the message is no JSON object")]
    NotAnObject,
    /// A field that must be there is not.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A field is of another type than its own.
    #[error("the field {0} has the wrong type")]
    WrongType(&'static str),
    /// A field is longer than is kept.
    #[error("the field {0} is too long")]
    TooLong(&'static str),
    /// A field's value cannot be: a name that is a path, an address without a site.
    #[error("the field {0} has a value that cannot be")]
    BadValue(&'static str),
    /// A value that is valid and not implemented here.
    #[error("this value of the field {0} is not supported here")]
    Unsupported(&'static str),
}

impl WireError {
    /// The field it is about, if it is about one.
    #[must_use]
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::NotAnObject => None,
            Self::Missing(field)
            | Self::WrongType(field)
            | Self::TooLong(field)
            | Self::BadValue(field)
            | Self::Unsupported(field) => Some(field),
        }
    }

    /// The reason as one word for `validationErrors`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotAnObject => "NOT_AN_OBJECT",
            Self::Missing(_) => "REQUIRED",
            Self::WrongType(_) => "WRONG_TYPE",
            Self::TooLong(_) => "TOO_LONG",
            Self::BadValue(_) => "INVALID",
            Self::Unsupported(_) => "NOT_SUPPORTED",
        }
    }

    /// The status to answer with: 501 for what is not supported, else 400.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Unsupported(_) => 501,
            _ => 400,
        }
    }
}

/// The object in a document.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, WireError> {
    if body.len() > LONGEST_DOCUMENT {
        return Err(WireError::NotAnObject);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(WireError::NotAnObject),
    }
}

/// A text of at most `limit` bytes; absent, `null` and empty are `None`.
pub(crate) fn text(map: &Map<String, Value>, field: &'static str, limit: usize) -> Result<Option<String>, WireError> {
    match map.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.len() > limit => Err(WireError::TooLong(field)),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(WireError::WrongType(field)),
    }
}

/// A text that must be there.
pub(crate) fn required(map: &Map<String, Value>, field: &'static str, limit: usize) -> Result<String, WireError> {
    text(map, field, limit)?.ok_or(WireError::Missing(field))
}

/// A text for people: control characters go, too long is cut; another type is nothing.
pub(crate) fn words(map: &Map<String, Value>, field: &str, limit: usize) -> String {
    map.get(field).and_then(Value::as_str).map(|text| printable(text, limit)).unwrap_or_default()
}

/// A text or a number, as text (Nextcloud 29 sends provider ids as integers).
pub(crate) fn text_or_number(
    map: &Map<String, Value>,
    field: &'static str,
    limit: usize,
) -> Result<Option<String>, WireError> {
    match map.get(field) {
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
        _ => text(map, field, limit),
    }
}

/// An address.
pub(crate) fn address(map: &Map<String, Value>, field: &'static str) -> Result<Option<FederatedId>, WireError> {
    match text(map, field, 1024)? {
        None => Ok(None),
        Some(text) => FederatedId::parse(&text).map(Some).map_err(|_| WireError::BadValue(field)),
    }
}

/// The texts in a list, each of at most `limit` bytes and at most `most` of them; what is no text is left out.
pub(crate) fn texts(map: &Map<String, Value>, field: &str, most: usize, limit: usize) -> Vec<String> {
    let list = map.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).filter(|text| text.len() <= limit).take(most).map(str::to_owned).collect()
}

/// An opaque id: no control characters.
pub(crate) fn is_opaque_id(id: &str) -> bool {
    !id.is_empty() && !id.chars().any(char::is_control)
}

/// Whether a text is the name of a file and no path.
pub(crate) fn is_name(name: &str) -> bool {
    !name.trim().is_empty()
        && name.len() <= 255
        && name != "."
        && name != ".."
        && !name.contains(['/', '\\'])
        && !name.chars().any(char::is_control)
}

/// At most `limit` bytes of a text, cut at a letter, without control characters.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let c = if c.is_control() || is_direction(c) { ' ' } else { c };
        if out.len() + c.len_utf8() > limit {
            break;
        }
        out.push(c);
    }
    out.trim().to_owned()
}

/// Characters that turn the direction of text around, by which a name can lie about its end.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}
