//! `provenance.json`: how a result came about, in the words of W3C PROV-JSON (entities, activity, agents).
//!
//! Inputs and outputs are entities with their SHA-256, so that anybody can check them with `sha256sum`; the run is the
//! activity, with the recipe, the parameters as resolved and the engine.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::record::Record;

/// Version of the layout of `provenance.json`.
pub const PROVENANCE_SCHEMA: &str = "stitchbox.provenance/1";

/// An output file as the provenance names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputEntity {
    /// File name.
    pub name: String,
    /// SHA-256 of the content, lower-case hex.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// A part of an identifier: everything but the unreserved characters of RFC 3986 as `%XX` of its UTF-8 bytes, so that
/// prefix and part make a URI whatever a file or a user is called.
pub(crate) fn encoded(part: &str) -> String {
    part.bytes().fold(String::with_capacity(part.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    })
}

/// The record as a JSON value. `outputs` is empty in the copy inside `height.h5`, which cannot hold its own hash.
#[must_use]
pub fn provenance(record: &Record, digest: &str, outputs: &[OutputEntity]) -> Value {
    let activity = record.run.as_ref().map_or_else(|| "sbx:run".to_owned(), |run| format!("sbx:run/{}", encoded(run)));
    let (mut entities, mut used, mut generated) = (Map::new(), Map::new(), Map::new());
    for (index, input) in record.inputs.iter().enumerate() {
        let id = match &input.version {
            Some(version) => format!("sbx:version/{}", encoded(version)),
            None => format!("sbx:sha256/{}/{}", input.sha256, encoded(&input.name)),
        };
        entities.insert(
            id.clone(),
            json!({
                "prov:label": input.name,
                "sbx:role": input.role,
                "sbx:version": input.version,
                "sbx:sha256": input.sha256,
                "sbx:format": input.format,
                "sbx:acquired_at": input.acquired_at,
                "sbx:position_from": input.position_from,
            }),
        );
        used.insert(format!("_:used{index}"), json!({"prov:activity": activity, "prov:entity": id}));
    }
    for (index, output) in outputs.iter().enumerate() {
        let id = format!("sbx:sha256/{}/{}", output.sha256, encoded(&output.name));
        entities.insert(
            id.clone(),
            json!({"prov:label": output.name, "sbx:sha256": output.sha256, "sbx:bytes": output.bytes}),
        );
        generated.insert(format!("_:generated{index}"), json!({"prov:activity": activity, "prov:entity": id}));
    }
    let engine_id = format!("sbx:engine/{}", encoded(&record.engine));
    let agent_id = format!("sbx:agent/{}", encoded(&record.agent));
    json!({
        "schema": PROVENANCE_SCHEMA,
        "prefix": {"prov": "http://www.w3.org/ns/prov#", "sbx": "urn:stitchbox:"},
        "title": record.title,
        "entity": entities,
        "activity": {
            activity.clone(): {
                "prov:type": "stitching run",
                "prov:startTime": record.started_at,
                "prov:endTime": record.ended_at,
                "sbx:engine": record.engine,
                "sbx:software": record.software,
                "sbx:site": record.site,
                "sbx:source": record.source,
                "sbx:recipe": record.recipe,
                "sbx:parameters": record.parameters,
                "sbx:ignored": record.ignored,
                "sbx:result_digest": digest,
            }
        },
        "agent": {
            agent_id.clone(): {"prov:label": record.agent},
            engine_id.clone(): {"prov:type": "prov:SoftwareAgent", "prov:label": record.software},
        },
        "used": used,
        "wasGeneratedBy": generated,
        "wasAssociatedWith": {
            "_:engine": {"prov:activity": activity, "prov:agent": engine_id},
            "_:agent": {"prov:activity": activity, "prov:agent": agent_id},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn names_of_any_kind_become_parts_of_a_uri() {
        assert_eq!(encoded("sub_01.dat"), "sub_01.dat");
        assert_eq!(encoded("stitchbox 0.1.0/1"), "stitchbox%200.1.0%2F1");
        assert_eq!(encoded("Spiegel µ<#?>%.dat"), "Spiegel%20%C2%B5%3C%23%3F%3E%25.dat");
    }
}
