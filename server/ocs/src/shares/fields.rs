//! What a call says: fields of a form or of a JSON document in the body, or behind the `?`.

use crate::form::{body_field, field};
use axum::body::Bytes;
use http::Uri;
use serde_json::{Map, Value};

/// The fields of a call.
#[derive(Debug)]
pub(crate) struct Fields {
    query: String,
    body: Bytes,
    json: Option<Map<String, Value>>,
}

impl Fields {
    /// Whatever the content type says: clients send forms without one, and JSON begins with a brace.
    pub(crate) fn read(uri: &Uri, body: Bytes) -> Self {
        let json = match serde_json::from_slice(&body) {
            Ok(Value::Object(fields)) => Some(fields),
            _ => None,
        };
        Self { query: uri.query().unwrap_or_default().to_owned(), body, json }
    }

    /// The text of a field; numbers and truths of JSON as text, its `null` as an empty one.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let in_body = match &self.json {
            Some(fields) => fields.get(name).and_then(|value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Null => Some(String::new()),
                Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
                Value::Array(_) | Value::Object(_) => None,
            }),
            None => body_field(&self.body, name),
        };
        in_body.or_else(|| field(&self.query, name))
    }

    /// Whether a field says yes.
    pub(crate) fn truth(&self, name: &str) -> Option<bool> {
        self.text(name).map(|text| matches!(text.as_str(), "true" | "1" | "yes"))
    }

    /// The number in a field.
    pub(crate) fn number(&self, name: &str) -> Option<Result<u32, ()>> {
        self.text(name).filter(|text| !text.is_empty()).map(|text| text.parse().map_err(|_| ()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(uri: &str, body: &'static str) -> Fields {
        Fields::read(&uri.parse().unwrap(), Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn fields_stand_in_forms_documents_and_queries() {
        for found in [
            fields("/x", "path=%2Fa+b&permissions=15&publicUpload=true"),
            fields("/x", r#"{"path": "/a b", "permissions": 15, "publicUpload": true}"#),
            fields("/x?path=/a%20b&permissions=15&publicUpload=1", ""),
        ] {
            assert_eq!(found.text("path").as_deref(), Some("/a b"));
            assert_eq!((found.number("permissions"), found.truth("publicUpload")), (Some(Ok(15)), Some(true)));
            assert_eq!((found.text("note"), found.truth("note")), (None, None));
        }
        assert_eq!(fields("/x", r#"{"expireDate": null}"#).text("expireDate").as_deref(), Some(""));
        assert_eq!(fields("/x", "permissions=all").number("permissions"), Some(Err(())));
    }
}
