//! Parameters as a recipe writes them: what is read, what is refused, and that every one is documented in its schema.

use serde_json::json;
use stitchbox_steps::{
    Average, Compare, Gravity, Keep, Mask, Region, Register, Remove, RemoveFromProfile, Shape, Statistics, SurfaceTerm,
};

fn read<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|e| e.to_string())
}

#[test]
fn steps_are_read_as_people_write_them() {
    let plain: Remove = read(json!({ "shape": "plane" })).unwrap();
    assert_eq!(plain, Remove::shape(Shape::Plane));
    let terms: Remove = read(json!({ "shape": { "terms": ["piston", "tilt-x", "power"] } })).unwrap();
    assert_eq!(terms.shape, Shape::Terms(vec![SurfaceTerm::Piston, SurfaceTerm::TiltX, SurfaceTerm::Power]));
    let ellipse: Remove = read(json!({
        "shape": { "ellipse": { "p": "65.63 m", "q": "310 mm", "theta": "3 mrad", "free": ["q", "tilt", "piston"] } },
        "fit_on": { "region": { "rectangle": { "size": ["80 mm", "5 mm"] } } },
    }))
    .unwrap();
    let Shape::Ellipse(conic) = &ellipse.shape else { panic!("{ellipse:?}") };
    assert!((conic.p.mm() - 65_630.0).abs() < 1e-9 && (conic.theta.urad() - 3000.0).abs() < 1e-9);
    assert_eq!(ellipse.fit_on.unwrap().keep, Keep::Inside);
    let mask: Mask = read(json!({ "region": { "erode": { "pixels": 3 } }, "keep": "outside" })).unwrap();
    assert_eq!(mask.region, Region::Erode { pixels: 3, border: false });
    let gravity: Gravity = read(json!({ "length": "1 m", "thickness": "5 cm", "supports": "0.6 m" })).unwrap();
    assert_eq!((gravity.modulus.pa(), gravity.density.kg_per_m3()), (1.3e11, 2330.0));
    let compare: Compare = read(json!({ "register": "sub-pixel" })).unwrap();
    assert_eq!(compare, Compare { register: Register::SubPixel, ..Compare::default() });
    assert_eq!(read::<Average>(json!({})).unwrap(), Average::default());
    read::<RemoveFromProfile>(json!({ "shape": { "polynomial": { "to": 2 } }, "fit_on": ["-20 mm", "20 mm"] }))
        .unwrap();
    for value in [serde_json::to_value(&terms).unwrap(), serde_json::to_value(&plain).unwrap()] {
        read::<Remove>(value).unwrap();
    }
}

#[test]
fn a_fit_is_written_as_a_document() {
    let map = stitchbox_surface::HeightMap::from_heights_nm(ndarray::Array2::from_elem((4, 5), 7.0), None);
    let fit = Remove::shape(Shape::Plane).apply(&map).unwrap().fit;
    let document = serde_json::to_value(&fit).unwrap();
    assert_eq!(document["covariance"].as_array().map(Vec::len), Some(3));
    assert_eq!(document["terms"][0]["name"], "piston");
    assert_eq!((document["points"].as_u64(), document["residual_unit"].as_str()), (Some(20), Some("nm")));
}

#[test]
fn unknown_keys_and_wrong_units_are_refused() {
    let refused = [
        (read::<Remove>(json!({ "shape": "plain" })).unwrap_err(), "plain"),
        (read::<Remove>(json!({ "shape": "plane", "order": 2 })).unwrap_err(), "order"),
        (read::<Remove>(json!({ "shape": { "polynomial": { "to": 2, "till": 3 } } })).unwrap_err(), "till"),
        (read::<Remove>(json!({ "shape": { "zernike": { "count": 9, "pupil": "square" } } })).unwrap_err(), "square"),
        (read::<Gravity>(json!({ "length": "1 m", "thickness": "5 mrad", "supports": "1 m" })).unwrap_err(), "mrad"),
        (read::<Gravity>(json!({ "length": 1.0, "thickness": "5 mm", "supports": "1 m" })).unwrap_err(), "unit"),
        (read::<Mask>(json!({ "region": { "erode": { "pixels": -1 } } })).unwrap_err(), "-1"),
        (read::<Statistics>(json!({ "step": "1 mm" })).unwrap_err(), "step"),
    ];
    for (error, word) in refused {
        assert!(error.contains(word), "{error}");
    }
}

/// Every property of a schema has a description.
fn check(value: &serde_json::Value, path: &str) {
    if let Some(properties) = value.get("properties").and_then(|p| p.as_object()) {
        for (name, property) in properties {
            // A variant with fields is described as a whole.
            let variant = value.get("description").is_some() && properties.len() == 1;
            assert!(variant || property.get("description").is_some(), "{path}.{name} has no description");
        }
    }
    match value {
        serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| check(value, &format!("{path}/{key}"))),
        serde_json::Value::Array(list) => list.iter().for_each(|value| check(value, path)),
        _ => {}
    }
}

#[test]
fn every_parameter_is_documented() {
    let schemas = [
        schemars::schema_for!(Remove),
        schemars::schema_for!(RemoveFromProfile),
        schemars::schema_for!(Mask),
        schemars::schema_for!(Gravity),
        schemars::schema_for!(Compare),
        schemars::schema_for!(Average),
        schemars::schema_for!(Statistics),
    ];
    for schema in schemas {
        check(schema.as_value(), "");
    }
}
