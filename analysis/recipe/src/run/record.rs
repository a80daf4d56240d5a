//! What is written down about a run besides its numbers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stitchbox_report::{Input, InputRole, RecipeRecord, Record, UnixTime};
use stitchbox_stitch::Placed;
use stitchbox_surface::Instrument;

use crate::classify::RECIPE_NAME;
use crate::context::{Clock, ENGINE_VERSION, InputFile, RecipeOrigin, RunContext};
use crate::identity::recipe_hash;
use crate::positions::Source;
use crate::read::Sorted;
use crate::recipe::{Recipe, StitchRule};

/// One file of the series as the record tells it.
pub(super) struct Measured {
    /// Name of the file; one that holds several has a longer one for each.
    pub name: String,
    /// Format it was read as.
    pub format: String,
    /// Acquisition, seconds since 1970.
    pub acquired_unix: Option<i64>,
    /// Where its position came from.
    pub source: Source,
}

impl Measured {
    /// What the instrument of a file tells.
    pub fn new(name: &str, instrument: &Instrument, source: Source) -> Self {
        Self {
            name: name.to_owned(),
            format: instrument.format.clone(),
            acquired_unix: instrument.acquired_unix,
            source,
        }
    }
}

/// Everything of a run that is not a number of its result.
pub(super) fn record(
    sorted: &Sorted<'_>,
    recipe: &Recipe,
    recipe_text: Option<&str>,
    context: &RunContext,
    measured: &[Measured],
    parameters: BTreeMap<String, Value>,
    camera_origin: [i64; 2],
) -> Record {
    let plain = |file: &InputFile, role: InputRole| Input {
        name: file.name.clone(),
        role,
        version: file.version.clone(),
        sha256: file.sha256.clone(),
        bytes: crate::read::size(file),
        format: None,
        acquired_at: None,
        position_from: None,
    };
    let list = sorted.positions.map(|file| file.name.as_str());
    let mut inputs: Vec<Input> = Vec::new();
    for file in sorted.series() {
        let of_file =
            |begins: bool| measured.iter().find(|m| m.name == file.name || (begins && m.name.starts_with(&file.name)));
        let measured = of_file(false).or_else(|| of_file(true));
        inputs.push(Input {
            format: measured.map(|measured| measured.format.clone()),
            acquired_at: measured
                .and_then(|measured| measured.acquired_unix)
                .map(|seconds| UnixTime { seconds, nanoseconds: 0 }),
            position_from: measured.map(|measured| measured.source.as_str(list)),
            ..plain(file, InputRole::SubAperture)
        });
    }
    let positions_used = measured.iter().any(|measured| measured.source == Source::List);
    inputs.extend(sorted.positions.filter(|_| positions_used).map(|file| plain(file, InputRole::Positions)));
    let reference = recipe.reference_file();
    inputs.extend(sorted.named.iter().map(|file| {
        let role = if reference == Some(file.name.as_str()) { InputRole::Reference } else { InputRole::Named };
        plain(file, role)
    }));
    inputs.extend(sorted.recipe.filter(|_| recipe_text.is_some()).map(|file| plain(file, InputRole::Recipe)));
    Record {
        title: context.title.clone(),
        run: context.run.clone(),
        inputs,
        ignored: sorted.ignored.clone(),
        recipe: RecipeRecord {
            text: recipe_text.map(str::to_owned),
            origin: match (recipe_text, &context.recipe_origin) {
                (None, _) => None,
                (Some(_), RecipeOrigin::Elsewhere(origin)) => Some(origin.clone()),
                (Some(_), RecipeOrigin::Folder) => {
                    Some(sorted.recipe.map_or(RECIPE_NAME, |file| file.name.as_str()).to_owned())
                }
            },
            sha256: recipe_hash(recipe_text),
            resolved: recipe.resolved_toml(),
        },
        parameters,
        engine: ENGINE_VERSION.to_owned(),
        software: context.software.clone(),
        agent: context.agent.clone(),
        site: context.site.clone(),
        source: context.source.clone(),
        camera_origin,
        started_at: context.started_at,
        ended_at: context.clock.as_ref().map(Clock::now),
    }
}

/// Camera column and row where the frame that all detector windows span begins.
pub(super) fn camera_origin(series: &[Placed]) -> [i64; 2] {
    let windows = || series.iter().map(|placed| placed.sub_aperture.window);
    let column = windows().map(|window| window.column).min();
    let row = windows().map(|window| window.row).min();
    [column.unwrap_or(0), row.unwrap_or(0)]
}

/// The parameters of stitching maps, as they were used.
pub(super) fn parameters(recipe: &Recipe, series: &[Placed]) -> BTreeMap<String, Value> {
    let rule = &recipe.stitch;
    let mut parameters = BTreeMap::new();
    // Words and lists of words, as the recipe writes them.
    let written = |value: serde_json::Result<Value>| match value {
        Ok(Value::Array(words)) => json!(words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
        Ok(value) => value,
        Err(_) => Value::Null,
    };
    let reference = match recipe.reference_file() {
        Some(name) => json!(format!("file {name}")),
        None => written(serde_json::to_value(rule.reference)),
    };
    parameters.insert("terms".to_owned(), written(serde_json::to_value(&rule.terms)));
    parameters.insert("reference".to_owned(), reference);
    parameters.insert("robust".to_owned(), json!(rule.robust));
    let usual = StitchRule::default();
    for (name, value, default) in [
        ("weights", serde_json::to_value(rule.weights), rule.weights == usual.weights),
        ("refine", serde_json::to_value(rule.refine), rule.refine == usual.refine),
        ("drift", serde_json::to_value(rule.drift), rule.drift == usual.drift),
        ("retrace", serde_json::to_value(rule.retrace), rule.retrace == usual.retrace),
    ] {
        if !default {
            parameters.insert(name.to_owned(), written(value));
        }
    }
    parameters.insert("sub_apertures".to_owned(), json!(series.len()));
    if let Some(pixel) = series.first().and_then(|p| p.sub_aperture.map.pixel()) {
        parameters.insert("pixel_x_mm".to_owned(), json!(pixel.x_mm));
        parameters.insert("pixel_y_mm".to_owned(), json!(pixel.y_mm));
        let origin = if recipe.positions.pixel().is_some() { "recipe" } else { "files" };
        parameters.insert("pixel_from".to_owned(), json!(origin));
    }
    if let Some(wavelength) = series.iter().find_map(|p| p.sub_aperture.instrument.wavelength_nm) {
        parameters.insert("wavelength_nm".to_owned(), json!(wavelength));
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_only_claims_to_be_a_measurement_is_an_input_too() {
        let file = |name: &str| InputFile {
            name: name.to_owned(),
            path: name.into(),
            sha256: format!("hash of {name}"),
            version: None,
        };
        let (a, b, c) = (file("a.dat"), file("a.dat2"), file("b.dat"));
        let sorted = Sorted {
            sub_apertures: vec![&b, &c],
            claimed: vec![&a],
            positions: None,
            named: Vec::new(),
            recipe: None,
            ignored: Vec::new(),
        };
        let measured = |name: &str, format: &str| Measured {
            name: name.to_owned(),
            format: format.to_owned(),
            acquired_unix: None,
            source: Source::File,
        };
        let measured = [measured("a.dat2", "two"), measured("a.dat", "one"), measured("b.dat", "three")];
        let context = RunContext::new("mirror", "alice", "test", UnixTime { seconds: 0, nanoseconds: 0 });
        let record = record(&sorted, &Recipe::default(), None, &context, &measured, BTreeMap::new(), [0, 0]);
        let told: Vec<_> = record.inputs.iter().map(|i| (i.name.as_str(), i.format.as_deref().unwrap())).collect();
        assert_eq!(told, [("a.dat", "one"), ("a.dat2", "two"), ("b.dat", "three")]);
    }
}
