//! The JSON Schema of a recipe, generated from the types that read it.

use std::sync::LazyLock;

use serde_json::Value;

use super::{Recipe, Step};

/// The schema, JSON Schema 2020-12. It is also committed as `schema/generated/recipe.schema.json`.
pub fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(Recipe).to_value());
    &SCHEMA
}

/// The part that describes one step.
pub(super) fn of_step<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    let choices = schema.pointer("/$defs/Step/oneOf")?.as_array()?;
    choices.iter().find(|choice| choice.pointer("/properties/step/const").and_then(Value::as_str) == Some(name))
}

/// Every name that a step may have, in the order of the reference page.
#[must_use]
pub fn step_names() -> &'static [&'static str] {
    Step::NAMES
}
