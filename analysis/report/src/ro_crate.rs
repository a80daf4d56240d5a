//! `ro-crate-metadata.json`: the same record as `provenance.json`, in the words of RO-Crate 1.1 and the Process Run Crate
//! profile, for programs that know nothing of Stitchbox.
//!
//! The crate is the folder of the results (`Stitched/`). The inputs lie beside that folder, outside of the crate; a path
//! such as `../sub_01.dat` names no data entity (RO-Crate 1.1, "Data Entities": a path relative to the crate's root, within
//! it). So each input is a `File` with a local identifier, `#input/<name>`: described, not contained. Its `sha256` and
//! `contentSize` say which bytes are meant wherever they are found; `alternateName` says where they lay, `../<name>`.

use serde_json::{Map, Value, json};

use crate::provenance::{OutputEntity, encoded};
use crate::record::{Input, Record, UnixTime};

/// Name of the file.
pub const CRATE_NAME: &str = "ro-crate-metadata.json";
/// Begin of the identifier of an input; the name follows, percent-encoded.
pub const INPUT_ID: &str = "#input/";
/// Identifier of the entity that holds the result digest.
pub const RESULT_DIGEST_ID: &str = "#result-digest";
/// Identifier of the recipe.
pub const RECIPE_ID: &str = "#recipe";

const PROFILE: &str = "https://w3id.org/ro/wfrun/process/0.5";
const LICENSE_ID: &str = "#license";
const SOURCE_ID: &str = "#source";

/// The crate of a result as a JSON value. `outputs` are all files of the result but the crate itself.
#[must_use]
pub fn ro_crate(record: &Record, digest: &str, outputs: &[OutputEntity]) -> Value {
    let run = record.run.as_ref().map_or_else(|| "#run".to_owned(), |run| format!("#run/{}", encoded(run)));
    let engine = format!("urn:stitchbox:engine/{}", encoded(&record.engine));
    let (agent, mut people) = agents(record);
    let at = moment(record.ended_at.unwrap_or(record.started_at));
    let refer = |ids: &mut dyn Iterator<Item = String>| ids.map(|id| json!({"@id": id})).collect::<Vec<Value>>();
    let parts = refer(&mut outputs.iter().map(|output| encoded(&output.name)));
    let object = refer(&mut record.inputs.iter().map(input_id).chain([RECIPE_ID.to_owned()]));
    let mut results = parts.clone();
    results.push(json!({"@id": RESULT_DIGEST_ID}));
    let mut root = json!({
        "@id": "./",
        "@type": "Dataset",
        "name": record.title,
        "description": format!("{} stitched from {} files by {}", record.title, record.inputs.len(), record.software),
        "datePublished": at,
        "license": {"@id": LICENSE_ID},
        "conformsTo": {"@id": PROFILE},
        "author": {"@id": agent},
        "hasPart": one_or_many(parts),
        "mentions": {"@id": run},
    });
    if let Some(organisation) = people.iter().find(|entity| entity["@type"] == "Organization") {
        root["publisher"] = json!({"@id": organisation["@id"]});
    }
    if record.source.is_some() {
        root["isBasedOn"] = json!({"@id": SOURCE_ID});
    }
    let mut action = json!({
        "@id": run,
        "@type": "CreateAction",
        "name": format!("Stitching run of {}", record.title),
        "description": format!("{} ran the recipe on the files of the series with the engine {}.", record.software, record.engine),
        "instrument": {"@id": engine},
        "agent": {"@id": agent},
        "object": one_or_many(object),
        "result": one_or_many(results),
        "startTime": moment(record.started_at),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    });
    action["endTime"] = json!(record.ended_at.map(moment));
    if let Some(run) = &record.run {
        action["identifier"] = json!(run);
    }
    let mut graph = vec![
        json!({
            "@id": CRATE_NAME,
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        }),
        root,
        json!({"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}),
        json!({
            "@id": LICENSE_ID,
            "@type": "CreativeWork",
            "name": "No licence is stated",
            "description": "The measurement belongs to those who made it; ask them before you pass it on.",
        }),
        without_nulls(action),
        json!({
            "@id": engine,
            "@type": "SoftwareApplication",
            "name": "Stitchbox",
            "softwareVersion": record.engine,
        }),
        recipe(record),
        json!({
            "@id": RESULT_DIGEST_ID,
            "@type": "PropertyValue",
            "name": "result digest",
            "propertyID": "urn:stitchbox:result_digest",
            "description": "SHA-256 over the arrays of the result; equal for equal inputs, recipe and engine",
            "value": digest,
        }),
    ];
    graph.append(&mut people);
    if let Some(source) = &record.source {
        graph.push(json!({"@id": SOURCE_ID, "@type": "CreativeWork", "name": source,
            "description": "Where the inputs were read: the folder of a partner"}));
    }
    graph.extend(record.inputs.iter().map(input));
    graph.extend(outputs.iter().map(output));
    json!({
        "@context": [
            "https://w3id.org/ro/crate/1.1/context",
            {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"},
        ],
        "@graph": graph,
    })
}

fn input_id(input: &Input) -> String {
    format!("{INPUT_ID}{}", encoded(&input.name))
}

fn input(input: &Input) -> Value {
    without_nulls(json!({
        "@id": input_id(input),
        "@type": "File",
        "name": input.name,
        "alternateName": format!("../{}", input.name),
        "description": input.role.as_str(),
        "encodingFormat": encoding_format(&input.name),
        "contentSize": input.bytes.to_string(),
        "sha256": input.sha256,
        "dateCreated": input.acquired_at.map(moment),
    }))
}

fn output(output: &OutputEntity) -> Value {
    json!({
        "@id": encoded(&output.name),
        "@type": "File",
        "name": output.name,
        "encodingFormat": encoding_format(&output.name),
        "contentSize": output.bytes.to_string(),
        "sha256": output.sha256,
    })
}

/// The text as found; without one the engine's own recipe applies, which its version names.
fn recipe(record: &Record) -> Value {
    let name = record.recipe.origin.as_deref().unwrap_or("the built-in recipe of the engine");
    without_nulls(json!({
        "@id": RECIPE_ID,
        "@type": "CreativeWork",
        "name": name,
        "encodingFormat": "application/toml",
        "text": record.recipe.text,
        "sha256": record.recipe.sha256,
    }))
}

/// Who answers for the run, and the entities that say so: a person, with the site as affiliation, or the site alone where
/// the program ran by itself.
fn agents(record: &Record) -> (String, Vec<Value>) {
    let by_itself = record.software.split(' ').next() == Some(record.agent.as_str());
    let site = record.site.as_deref();
    let mut entities = Vec::new();
    if let Some(site) = site {
        entities.push(json!({"@id": site_id(site), "@type": "Organization", "name": site}));
    }
    match (site, by_itself) {
        (Some(site), true) => (site_id(site), entities),
        _ => {
            let id = format!("#agent/{}", encoded(&record.agent));
            let kind = if by_itself { "Organization" } else { "Person" };
            let affiliation = site.filter(|_| !by_itself).map(|site| json!({"@id": site_id(site)}));
            entities.push(without_nulls(
                json!({"@id": id, "@type": kind, "name": record.agent, "affiliation": affiliation}),
            ));
            (id, entities)
        }
    }
}

/// The address of a site names it; a plain name becomes a local identifier.
fn site_id(site: &str) -> String {
    let is_address = ["https://", "http://"].iter().any(|scheme| site.starts_with(scheme));
    let plain = site.bytes().all(|b| b.is_ascii_alphanumeric() || b":/.-_~[]".contains(&b));
    if is_address && plain { site.to_owned() } else { format!("#site/{}", encoded(site)) }
}

/// RO-Crate wants a single value bare.
fn one_or_many(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.remove(0) } else { Value::Array(values) }
}

/// `2026-11-20T10:12:00.250+00:00`: of the many forms of ISO 8601 the one the profile's validator knows.
fn moment(time: UnixTime) -> String {
    let whole = UnixTime { nanoseconds: 0, ..time }.rfc3339();
    format!("{}.{:03}+00:00", whole.trim_end_matches('Z'), time.nanoseconds / 1_000_000)
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// Media type by the end of the name.
fn encoding_format(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("h5" | "hdf5" | "nxs" | "datx") => "application/x-hdf5",
        Some("png") => "image/png",
        Some("html") => "text/html",
        Some("json") => "application/json",
        Some("csv") => "text/csv",
        Some("toml") => "application/toml",
        Some("txt" | "xyz" | "asc" | "slp" | "slp2") => "text/plain",
        Some("xml" | "has") => "application/xml",
        _ => "application/octet-stream",
    }
}
