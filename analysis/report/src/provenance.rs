//! `provenance.json`: how a result came about, in the words of W3C PROV-JSON (entities, activity, agents).
//!
//! Inputs and outputs are entities with their SHA-256, so that anybody can check them with `sha256sum`; the run is the
//! activity, with the recipe, the parameters as resolved and the engine.

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

/// The record as a JSON value. `outputs` is empty in the copy inside `height.h5`, which cannot hold its own hash.
#[must_use]
pub fn provenance(record: &Record, digest: &str, outputs: &[OutputEntity]) -> Value {
    let activity = record.run.as_ref().map_or_else(|| "sbx:run".to_owned(), |run| format!("sbx:run/{run}"));
    let (mut entities, mut used, mut generated) = (Map::new(), Map::new(), Map::new());
    for (index, input) in record.inputs.iter().enumerate() {
        let id = match &input.version {
            Some(version) => format!("sbx:version/{version}"),
            None => format!("sbx:sha256/{}/{}", input.sha256, input.name),
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
        let id = format!("sbx:sha256/{}/{}", output.sha256, output.name);
        entities.insert(
            id.clone(),
            json!({"prov:label": output.name, "sbx:sha256": output.sha256, "sbx:bytes": output.bytes}),
        );
        generated.insert(format!("_:generated{index}"), json!({"prov:activity": activity, "prov:entity": id}));
    }
    let engine_id = format!("sbx:engine/{}", record.engine);
    let agent_id = format!("sbx:agent/{}", record.agent);
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
