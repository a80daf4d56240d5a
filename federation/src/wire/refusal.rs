//! What is said with a refusal: our error body, and a peer's own words taken out of whatever it answered.

use serde_json::{Map, Value, json};

use super::field::{WireError, printable};

/// Most of a peer's words that is kept, bytes.
const LONGEST_WORDS: usize = 500;

/// `{"message": …, "validationErrors": […]}` (facts section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalBody {
    /// A sentence for people.
    pub message: String,
    /// Fields and what is wrong with each, in one word.
    pub validation_errors: Vec<(String, String)>,
}

impl RefusalBody {
    /// A refusal that is about no field.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), validation_errors: Vec::new() }
    }

    /// A refusal about one field.
    #[must_use]
    pub fn about(message: impl Into<String>, field: &str, word: &str) -> Self {
        Self { message: message.into(), validation_errors: vec![(field.to_owned(), word.to_owned())] }
    }

    /// The JSON to answer with.
    #[must_use]
    pub fn encode(&self) -> Value {
        let errors: Vec<Value> =
            self.validation_errors.iter().map(|(name, message)| json!({"name": name, "message": message})).collect();
        json!({"message": self.message, "validationErrors": errors})
    }
}

impl From<WireError> for RefusalBody {
    fn from(error: WireError) -> Self {
        match error.field() {
            Some(field) => Self::about(error.to_string(), field, error.word()),
            None => Self::new(error.to_string()),
        }
    }
}

/// A peer's own words: `message`, `error` or `hint` of a JSON answer with its validation errors, else the text without
/// mark-up; at most 500 bytes, without control characters. To be shown as a quotation, never as our own.
#[must_use]
pub fn peers_words(body: &[u8]) -> String {
    let body = body.get(..body.len().min(16 << 10)).unwrap_or_default();
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(map)) => printable(&json_words(&map), LONGEST_WORDS),
        Ok(Value::String(text)) => printable(&text, LONGEST_WORDS),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => String::new(),
        Err(_) => printable(&without_markup(&String::from_utf8_lossy(body)), LONGEST_WORDS),
    }
}

fn json_words(map: &Map<String, Value>) -> String {
    let said = ["message", "error_description", "error", "hint", "code"];
    let mut words = said.iter().find_map(|key| map.get(*key).and_then(Value::as_str)).unwrap_or_default().to_owned();
    let fields = map.get("validationErrors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for field in fields.iter().take(8) {
        let part = |key: &str| field.get(key).and_then(Value::as_str).unwrap_or_default();
        words.push_str(&format!(" [{}: {}]", part("name"), part("message")));
    }
    words
}

/// The text of an HTML or XML page: tags, scripts and styles go, blanks are joined.
fn without_markup(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some((before, behind)) = rest.split_once('<') {
        out.push_str(before);
        out.push(' ');
        let lower = behind.get(..6).unwrap_or_default().to_ascii_lowercase();
        let end = if lower.starts_with("script") {
            "</script>"
        } else if lower.starts_with("style") {
            "</style>"
        } else {
            ">"
        };
        rest = match behind.find(end) {
            Some(at) => behind.get(at + end.len()..).unwrap_or_default(),
            None => "",
        };
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn our_refusal_names_the_field() {
        let body = RefusalBody::from(WireError::Missing("shareWith")).encode();
        assert_eq!(body["validationErrors"][0]["name"], "shareWith");
        assert_eq!(body["validationErrors"][0]["message"], "REQUIRED");
        assert!(body["message"].as_str().unwrap().contains("shareWith"));
    }

    #[test]
    fn a_peers_words_are_found_in_json_and_in_pages() {
        let json =
            br#"{"message":"User not\u0007 found","validationErrors":[{"name":"shareWith","message":"NOT_FOUND"}]}"#;
        assert_eq!(peers_words(json), "User not  found [shareWith: NOT_FOUND]");
        let page = b"<html><head><style>a{}</style><script>evil()</script></head><body><h1>Internal\nServer Error</h1></body></html>";
        assert_eq!(peers_words(page), "Internal Server Error");
        assert_eq!(peers_words(br#"{"error":"invalid_grant"}"#), "invalid_grant");
        assert_eq!(peers_words(b"[]"), "");
        assert!(peers_words("\u{00e4}".repeat(5000).as_bytes()).len() <= 500);
    }

    proptest! {
        #[test]
        fn any_answer_gives_few_printable_words(body in proptest::collection::vec(any::<u8>(), 0..600)) {
            let words = peers_words(&body);
            prop_assert!(words.len() <= 500 && !words.chars().any(char::is_control));
        }
    }
}
