//! The answer to a bulk upload: a JSON object with an entry for each path.

use crate::errors::Fault;
use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};
use stitchbox_domain::Domain;
use stitchbox_domain::uploads::Committed;

/// The answers in the order of the parts.
#[derive(Debug, Default)]
pub(super) struct Answers {
    entries: Vec<(String, Option<Value>)>,
}

impl Answers {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A file of this path is coming.
    pub(super) fn expect(&mut self, path: String) {
        self.entries.push((path, None));
    }

    /// How it ended.
    pub(super) fn note(&mut self, domain: &Domain, index: usize, outcome: Result<Committed, Fault>) {
        let value = match outcome {
            Ok(Committed { item, created, .. }) => {
                let etag = item.etag().to_string();
                let status = if created { 201 } else { 204 };
                json!({ "error": false, "status": status, "etag": etag, "OC-ETag": etag,
                        "OC-FileID": domain.oc_id(&item), "X-OC-MTime": "accepted" })
            }
            Err(fault) => {
                let (status, message) = fault.told();
                json!({ "error": true, "status": status.as_u16(), "message": message })
            }
        };
        if let Some((_, entry)) = self.entries.get_mut(index) {
            *entry = Some(value);
        }
    }

    pub(super) fn respond(self) -> Response<Body> {
        let unknown = json!({ "error": true, "status": 500, "message": "what became of this file is not known" });
        let mut object = Map::new();
        for (path, entry) in self.entries {
            // A path named twice: the first answer stands, because the first file does.
            object.entry(path).or_insert_with(|| entry.unwrap_or_else(|| unknown.clone()));
        }
        let mut response = Response::new(Body::from(Value::Object(object).to_string()));
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}
