//! Parameters as a recipe writes them: units, defaults, and refusal of what is unknown.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stitchbox_steps::extract::{Line, Section};
use stitchbox_steps::filter::{Gaussian, Hampel, Median, Threshold};
use stitchbox_steps::geometry::{Bin, Crop, Fill, Flip, Resample, ResampleProfile, Rotate, Shift};
use stitchbox_steps::integrate::{IntegrateProfile, IntegrateSlopes};
use stitchbox_steps::psd::{ArealPsd, Psd, Window};
use stitchbox_steps::{Axis, Differentiate};

/// Reads the parameters, reads them again from what they are written as, and adds a key that does not exist.
fn check<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug + schemars::JsonSchema>(text: Value) -> T {
    let step: T = serde_json::from_value(text).unwrap();
    let mut written = serde_json::to_value(&step).unwrap();
    assert_eq!(serde_json::from_value::<T>(written.clone()).unwrap(), step);
    written["unheard-of"] = json!(1);
    assert!(serde_json::from_value::<T>(written).unwrap_err().to_string().contains("unheard-of"));
    let schema = serde_json::to_value(schemars::schema_for!(T)).unwrap();
    for (name, property) in schema["properties"].as_object().unwrap() {
        let documented = property.get("description").is_some();
        assert!(documented, "{name} of {} says nothing", std::any::type_name::<T>());
    }
    step
}

#[test]
fn every_step_reads_writes_and_describes_its_parameters() {
    assert_eq!(check::<Flip>(json!({"axis": "y"})).axis, Axis::Y);
    assert_eq!(check::<Rotate>(json!({"angle": "90 deg"})).angle.urad().round(), 1_570_796.0);
    assert_eq!(check::<Bin>(json!({"x": 3, "by": "median"})), Bin { x: 3, ..check::<Bin>(json!({"by": "median"})) });
    assert_eq!(check::<Crop>(json!({"x": ["-2 mm", "1 cm"]})).x.unwrap()[1].mm(), 10.0);
    assert_eq!(check::<Fill>(json!({})), Fill::default());
    assert_eq!(check::<Resample>(json!({"x": "30 um"})).min_valid, 0.75);
    assert_eq!(check::<ResampleProfile>(json!({"spacing": "1 mm"})).widest_gap, None);
    assert_eq!(check::<Shift>(json!({"x": "30 um"})).y.mm(), 0.0);
    assert_eq!(check::<Section>(json!({"along": "y", "width": "1 mm"})).min_valid, 0.5);
    assert!(check::<Line>(json!({"from": ["0 mm", "0 mm"], "to": ["5 mm", "1 mm"]})).spacing.is_none());
    assert_eq!(check::<Differentiate>(json!({"edges": "one-sided"})), Differentiate::default());
    assert_eq!(check::<IntegrateProfile>(json!({"rule": "cubic", "zero": "mean"})), IntegrateProfile::default());
    assert_eq!(check::<IntegrateSlopes>(json!({"islands": "keep-largest"})), IntegrateSlopes::default());
    assert_eq!(check::<Gaussian>(json!({"keep_longer_than": "0.8 mm"})).keep_longer_than.unwrap().mm(), 0.8);
    assert_eq!(check::<Median>(json!({"x": 5})).y, 3);
    assert_eq!(check::<Hampel>(json!({"action": "replace"})).threshold, 6.0);
    assert_eq!(check::<Threshold>(json!({"max": "2 um"})).max.unwrap().nm(), 2000.0);
    assert_eq!(check::<Psd>(json!({"window": {"kaiser": {"beta": 8.6}}})).window, Window::Kaiser { beta: 8.6 });
    assert_eq!(check::<ArealPsd>(json!({"window": "blackman-harris"})).window, Window::BlackmanHarris);
}

#[test]
fn numbers_without_units_are_refused() {
    for text in [json!({"x": 0.1}), json!({"x": "0.1"}), json!({"x": "0.1 mrad"}), json!({})] {
        assert!(serde_json::from_value::<Resample>(text.clone()).is_err(), "{text}");
    }
}
