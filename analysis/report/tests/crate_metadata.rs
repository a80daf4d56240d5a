//! The RO-Crate as a program reads it that knows the specification and not us: every entity linked, every file by hash.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stitchbox_report::{
    CRATE_NAME, Input, InputRole, OutputFile, RecipeRecord, Record, UnixTime, sha256_hex, with_provenance,
};

fn input(name: &str, role: InputRole, sha256: &str) -> Input {
    Input {
        name: name.to_owned(),
        role,
        version: None,
        sha256: sha256.repeat(32),
        bytes: 1234,
        format: None,
        acquired_at: Some(UnixTime { seconds: 1_700_000_000, nanoseconds: 0 }),
        position_from: None,
    }
}

fn record() -> Record {
    Record {
        title: "Spiegel 4".to_owned(),
        run: Some("77".to_owned()),
        inputs: vec![
            input("sub 01 µ%.dat", InputRole::SubAperture, "ab"),
            input("sub_02.dat", InputRole::SubAperture, "ab"),
            input("stitch.toml", InputRole::Recipe, "ef"),
        ],
        ignored: Vec::new(),
        recipe: RecipeRecord {
            text: Some("[series]\nexpected = 2\n".to_owned()),
            origin: Some("stitch.toml".to_owned()),
            sha256: "ef".repeat(32),
            resolved: String::new(),
        },
        parameters: BTreeMap::new(),
        engine: "stitchbox 0.1.0/2".to_owned(),
        software: "stitchboxd 0.1.0".to_owned(),
        agent: "stitchboxd".to_owned(),
        site: Some("https://box.example.org:8443".to_owned()),
        source: Some("partner.example.org: /mirror".to_owned()),
        camera_origin: [0, 0],
        started_at: UnixTime { seconds: 1_700_000_000, nanoseconds: 5_000_000 },
        ended_at: Some(UnixTime { seconds: 1_700_000_060, nanoseconds: 0 }),
    }
}

fn files(record: &Record) -> Vec<OutputFile> {
    let files = ["height.h5", "map µ 1.png"].map(|name| OutputFile { name: name.to_owned(), bytes: name.into() });
    with_provenance(record, "d1", files.into()).unwrap()
}

fn graph(files: &[OutputFile]) -> Vec<Value> {
    let file = files.iter().find(|file| file.name == CRATE_NAME).unwrap();
    serde_json::from_slice::<Value>(&file.bytes).unwrap()["@graph"].as_array().unwrap().clone()
}

fn entity<'a>(graph: &'a [Value], id: &str) -> &'a Value {
    graph.iter().find(|entity| entity["@id"] == id).unwrap_or_else(|| panic!("{id}"))
}

fn many(value: &Value) -> Vec<&str> {
    let one = |value: &'_ Value| value["@id"].as_str().map(str::len);
    assert!(one(value).is_some() || value.as_array().is_some_and(|all| all.len() > 1), "a single value stands bare");
    match value {
        Value::Array(all) => all.iter().map(|value| value["@id"].as_str().unwrap()).collect(),
        one => vec![one["@id"].as_str().unwrap()],
    }
}

/// Every `{"@id": …}` below a value.
fn references(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) if members.len() == 1 && members.contains_key("@id") => {
            out.insert(members["@id"].as_str().unwrap().to_owned());
        }
        Value::Object(members) => members.values().for_each(|value| references(value, out)),
        Value::Array(values) => values.iter().for_each(|value| references(value, out)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_to_an_entity_and_each_entity_is_there_once() {
    let graph = graph(&files(&record()));
    let ids: Vec<&str> = graph.iter().map(|entity| entity["@id"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    let mut found = BTreeSet::new();
    graph.iter().for_each(|entity| references(entity, &mut found));
    for reference in &found {
        let outside = reference == "https://w3id.org/ro/crate/1.1";
        assert!(outside || ids.contains(&reference.as_str()), "{reference}");
    }
    for id in ids.iter().filter(|id| **id != CRATE_NAME) {
        assert!(found.contains(*id), "{id} is linked from nowhere");
    }
}

#[test]
fn the_parts_are_the_files_beside_it_by_size_and_hash_and_inputs_are_no_parts() {
    let files = files(&record());
    let graph = graph(&files);
    let parts = many(&entity(&graph, "./")["hasPart"]);
    assert_eq!(parts, ["height.h5", "map%20%C2%B5%201.png", "provenance.json"]);
    for part in parts {
        let part = entity(&graph, part);
        let file = files.iter().find(|file| part["name"] == *file.name).unwrap();
        assert_eq!(part["sha256"], sha256_hex(&file.bytes));
        assert_eq!(part["contentSize"], file.bytes.len().to_string());
        assert_eq!(part["@type"], "File");
    }
    let input = entity(&graph, "#input/sub%2001%20%C2%B5%25.dat");
    assert_eq!((&input["name"], &input["sha256"]), (&"sub 01 µ%.dat".into(), &"ab".repeat(32).into()));
    assert_eq!((&input["alternateName"], &input["contentSize"]), (&"../sub 01 µ%.dat".into(), &"1234".into()));
}

#[test]
fn the_action_says_what_made_what_out_of_what_for_whom() {
    let graph = graph(&files(&record()));
    let action = entity(&graph, "#run/77");
    assert_eq!(action["@type"], "CreateAction");
    assert_eq!(many(&action["object"]).len(), 4, "three files and the recipe's text");
    assert_eq!(many(&action["result"]).len(), 4, "three files and the digest");
    assert_eq!(entity(&graph, "#result-digest")["value"], "d1");
    assert_eq!(entity(&graph, "#recipe")["text"], "[series]\nexpected = 2\n");
    assert_eq!(entity(&graph, action["instrument"]["@id"].as_str().unwrap())["softwareVersion"], "stitchbox 0.1.0/2");
    assert_eq!(action["agent"]["@id"], "https://box.example.org:8443");
    assert_eq!(entity(&graph, "https://box.example.org:8443")["@type"], "Organization");
    assert_eq!(action["startTime"], "2023-11-14T22:13:20.005+00:00");
    // A person on a laptop, without site or clock.
    let laptop = Record { agent: "ada".to_owned(), site: None, source: None, run: None, ended_at: None, ..record() };
    let graph = self::graph(&files(&laptop));
    let action = entity(&graph, "#run");
    assert_eq!(entity(&graph, action["agent"]["@id"].as_str().unwrap())["@type"], "Person");
    assert_eq!(action.get("endTime"), None);
}

#[test]
fn equal_records_give_equal_bytes() {
    assert!(files(&record()) == files(&record()));
}
