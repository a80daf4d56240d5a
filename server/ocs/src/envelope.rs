//! The envelope of OCS: `{"ocs": {"meta", "data"}}`, as JSON or XML, with the status words of version 1 or 2.
//!
//! Version 1 has its own numbers (100 is fine, 997 unauthorised, 998 not found); version 2 repeats the HTTP status.

use crate::error::{CHALLENGE, OcsError};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::convert::Infallible;

/// How the client wants its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Envelope {
    first_version: bool,
    json: bool,
}

impl Envelope {
    /// Version from the path, format from `format=` or else from `Accept`; XML if nothing is said.
    pub(crate) fn of(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        let format = query.split('&').filter_map(|pair| pair.strip_prefix("format=")).next_back();
        let accept = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let json = format.map_or_else(|| accept.contains("application/json"), |format| format == "json");
        Self { first_version: parts.uri.path().starts_with("/ocs/v1.php"), json }
    }

    /// The answer to a call.
    pub(crate) fn answer(self, outcome: Result<Value, OcsError>) -> Response {
        match outcome {
            Ok(data) => {
                let code = if self.first_version { 100 } else { 200 };
                self.write(StatusCode::OK, code, "OK", data)
            }
            Err(error) => self.refuse(&error),
        }
    }

    /// The answer to a call that failed.
    pub(crate) fn refuse(self, error: &OcsError) -> Response {
        let status = error.status();
        if status.is_server_error() {
            tracing::error!(%error, "a call of OCS failed");
        }
        let code = if self.first_version { first_code(status) } else { status.as_u16() };
        let mut response = self.write(status, code, &error.message(), json!([]));
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        if let Some(seconds) = error.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn write(self, status: StatusCode, code: u16, message: &str, data: Value) -> Response {
        let word = if status.is_success() { "ok" } else { "failure" };
        let document = json!({"ocs": {"meta": {"status": word, "statuscode": code, "message": message}, "data": data}});
        let (kind, body) = if self.json {
            ("application/json; charset=utf-8", document.to_string())
        } else {
            ("application/xml; charset=utf-8", xml_document(&document))
        };
        (status, [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], body).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Envelope {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

fn first_code(status: StatusCode) -> u16 {
    match status {
        StatusCode::UNAUTHORIZED => 997,
        StatusCode::NOT_FOUND => 998,
        status if status.is_server_error() => 996,
        status => status.as_u16(),
    }
}

fn xml_document(document: &Value) -> String {
    let mut out = String::from("<?xml version=\"1.0\"?>\n");
    write_xml(&mut out, document);
    out.push('\n');
    out
}

/// Fields become elements, the members of a list elements called `element`, true `1` and false nothing: as PHP prints
/// them, which is what clients read.
fn write_xml(out: &mut String, value: &Value) {
    match value {
        Value::Null | Value::Bool(false) => {}
        Value::Bool(true) => out.push('1'),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => escape(out, text),
        Value::Array(members) => {
            for member in members {
                element(out, "element", member);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                element(out, name, field);
            }
        }
    }
}

fn element(out: &mut String, name: &str, value: &Value) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    write_xml(out, value);
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// What XML 1.0 cannot hold at all is left out.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' | '\r' => out.push(character),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {}
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn envelope(uri: &str, accept: Option<&str>) -> Envelope {
        let mut request = Request::get(uri);
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        Envelope::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn version_and_format_are_read() {
        for (uri, accept, first, json) in [
            ("/ocs/v1.php/x", None, true, false),
            ("/ocs/v2.php/x?format=json", None, false, true),
            ("/ocs/v2.php/x?a=b&format=xml", Some("application/json"), false, false),
            ("/ocs/v2.php/x", Some("text/html, application/json;q=0.9"), false, true),
        ] {
            assert_eq!(envelope(uri, accept), Envelope { first_version: first, json }, "{uri}");
        }
    }

    #[test]
    fn values_become_xml_as_clients_read_it() {
        let value = json!({"a": [1, {"b": "<&>\u{1}"}], "no": false, "yes": true, "none": null});
        let expected = "<?xml version=\"1.0\"?>\n<a><element>1</element><element><b>&lt;&amp;&gt;</b></element></a>\
                        <no></no><none></none><yes>1</yes>\n";
        assert_eq!(xml_document(&value), expected);
    }
}
