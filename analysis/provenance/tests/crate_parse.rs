//! Whatever comes as a crate is read or refused, never obeyed.

use proptest::prelude::*;
use serde_json::{Value, json};
use stitchbox_provenance::{CrateError, RunCrate, inputs_digest};

fn parse(value: &Value) -> Result<RunCrate, CrateError> {
    RunCrate::parse(value.to_string().as_bytes())
}

/// The least crate of a run, with one input and one output.
fn least() -> Value {
    let file = |id: &str, name: &str| json!({"@id": id, "@type": "File", "name": name, "sha256": "ab".repeat(32), "contentSize": "3"});
    json!({"@graph": [
        {"@id": "./", "name": "m", "mentions": {"@id": "#run"}, "hasPart": {"@id": "height.h5"}},
        {"@id": "#run", "@type": ["CreateAction"], "identifier": "7", "instrument": {"@id": "e"},
         "object": [{"@id": "#input/a.dat"}, {"@id": "#recipe"}]},
        {"@id": "e", "softwareVersion": "stitchbox 0.1.0/2"},
        {"@id": "#recipe", "sha256": "cd".repeat(32)},
        {"@id": "#result-digest", "value": "ef".repeat(32)},
        file("height.h5", "height.h5"),
        file("#input/a.dat", "a.dat"),
    ]})
}

#[test]
fn the_least_crate_is_read_whether_values_stand_alone_or_in_lists() {
    let read = parse(&least()).unwrap();
    assert_eq!((read.run.as_deref(), read.engine.as_str(), read.recipe), (Some("7"), "stitchbox 0.1.0/2", None));
    assert_eq!((read.inputs[0].name.as_str(), read.inputs[0].bytes), ("a.dat", 3));
    assert_eq!(read.outputs[0].name, "height.h5");
    let mut lists = least();
    lists["@graph"][0]["mentions"] = json!([{"@id": "#nothing"}, {"@id": "#run"}]);
    lists["@graph"][0]["hasPart"] = json!([{"@id": "height.h5"}]);
    assert_eq!(parse(&lists).unwrap().outputs.len(), 1);
}

#[test]
fn what_is_told_to_people_is_one_short_line() {
    for bad in ["stitchbox\u{0}", "a\nb", "\u{1b}[2J", "x".repeat(1001).as_str()] {
        let mut changed = least();
        changed["@graph"][2]["softwareVersion"] = json!(bad);
        assert!(matches!(parse(&changed), Err(CrateError::Missing(_))), "{bad:?}");
        let mut changed = least();
        changed["@graph"][0]["name"] = json!(bad);
        assert_eq!(parse(&changed).unwrap().title, "", "{bad:?}");
    }
}

#[test]
fn what_could_harm_or_mislead_is_refused() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut value = least();
        change(&mut value["@graph"]);
        parse(&value).unwrap_err()
    };
    for name in ["../a.dat", "/etc/passwd", "..", "a\\b", "a\u{1b}[2J", ""] {
        let error = with(&|graph| graph[6]["name"] = json!(name));
        assert_eq!(error, CrateError::UnsafeName(name.to_owned()));
    }
    for hash in [json!("AB".repeat(32)), json!("ab"), json!(7), Value::Null] {
        assert!(matches!(with(&|graph| graph[5]["sha256"] = hash.clone()), CrateError::BadFingerprint(_)));
    }
    assert!(matches!(with(&|graph| graph[5]["contentSize"] = json!("-3")), CrateError::BadFingerprint(_)));
    assert_eq!(with(&|graph| graph[3]["text"] = json!("another")), CrateError::RecipeChanged);
    assert!(matches!(with(&|graph| graph[4]["value"] = json!("x")), CrateError::Missing(_)));
    assert!(matches!(with(&|graph| graph[1]["@type"] = json!("Thing")), CrateError::Missing(_)));
    assert!(matches!(RunCrate::parse(b"[]"), Err(CrateError::NotACrate(_))));
}

#[test]
fn the_digest_of_inputs_depends_on_names_and_content_and_not_on_order() {
    let one = inputs_digest([("a", "1"), ("b", "2")]);
    assert_eq!(one, inputs_digest([("b", "2"), ("a", "1")]));
    assert_ne!(one, inputs_digest([("a", "2"), ("b", "1")]));
    assert_ne!(one, inputs_digest([("a", "1")]));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        "(#input/|#run|\\./|e|a|#recipe|#result-digest)".prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let key = "(@id|@type|@graph|name|sha256|contentSize|object|hasPart|mentions|instrument)";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(key, inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_is_read_or_refused(value in any_json(), at in 0usize..7) {
        let _ = parse(&value);
        let mut crate_value = least();
        crate_value["@graph"][at] = value;
        let _ = parse(&crate_value);
    }
}
