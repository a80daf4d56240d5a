//! `stitch.toml` into a [`Recipe`]; every refusal names the line and what would be right.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::check::Check;
use super::{Recipe, ReferenceChoice, SeriesKind, Step, schema};

/// A recipe that cannot be used: the line and the sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stitch.toml, line {line}: {message}")]
pub struct RecipeError {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Most steps of one list.
const MOST_STEPS: usize = 100;

pub(super) fn parse(text: &str) -> Result<Recipe, RecipeError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document = DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        RecipeError { line: line_of(text, start), message: format!("this is not TOML: {}", error.message().trim()) }
    })?;
    let reader = Reader { check: Check { schema: schema::schema(), text }, text };
    let mut recipe = Recipe::default();
    for (key, value) in document.get_ref() {
        match key.get_ref().as_ref() {
            "series" => {
                let table = reader.table("series", value)?;
                recipe.series = reader.section("series", value)?;
                reader.one_completeness(table)?;
                reader.names_its_files(table, &recipe)?;
            }
            "stitch" => {
                let table = reader.table("stitch", value)?;
                recipe.stitch = reader.section("stitch", value)?;
                reader.reference_file(table, &recipe)?;
            }
            "positions" => {
                let table = reader.table("positions", value)?;
                recipe.positions = reader.section("positions", value)?;
                reader.one_source(table, &recipe)?;
            }
            "slopes" => recipe.slopes = reader.section("slopes", value)?,
            "profiles" => recipe.profiles = reader.section("profiles", value)?,
            "output" => recipe.output = reader.section("output", value)?,
            "before" => recipe.before = reader.steps("before", value)?,
            "after" => recipe.after = reader.steps("after", value)?,
            other => {
                let known = ["series", "stitch", "positions", "slopes", "profiles", "output", "before", "after"];
                return Err(reader.check.unknown(key.span().start, "section", other, &known));
            }
        }
    }
    reader.fits_its_kind(document.get_ref(), &recipe)?;
    Ok(recipe)
}

struct Reader<'t> {
    check: Check<'t>,
    text: &'t str,
}

impl Reader<'_> {
    /// A section whose keys the schema describes.
    fn section<T: DeserializeOwned>(&self, name: &str, value: &Spanned<DeValue<'_>>) -> Result<T, RecipeError> {
        let table = self.table(name, value)?;
        let schema = &self.check.schema["properties"][name];
        self.check.table(&format!("[{name}]"), schema, table)?;
        let spanned = Spanned::new(value.span(), table.clone());
        T::deserialize(Deserializer::from(spanned)).map_err(|error| self.refused(&error, value.span()))
    }

    fn steps(&self, list: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<Step>, RecipeError> {
        let Some(entries) = value.get_ref().as_array() else {
            let message = format!("\"{list}\" is a list of steps: write [[{list}]] on a line of its own for each");
            return Err(self.check.error(value.span().start, message));
        };
        if entries.len() > MOST_STEPS {
            let message = format!("[[{list}]] has {} steps; {MOST_STEPS} are the most", entries.len());
            return Err(self.check.error(value.span().start, message));
        }
        entries.iter().map(|entry| self.step(list, entry)).collect()
    }

    fn step(&self, list: &str, value: &Spanned<DeValue<'_>>) -> Result<Step, RecipeError> {
        let Some(table) = value.get_ref().as_table() else {
            let message = format!("a step has keys: write [[{list}]] on a line of its own and its keys below");
            return Err(self.check.error(value.span().start, message));
        };
        let start = table.keys().map(|key| key.span().start).min().unwrap_or(value.span().start);
        let Some(word) = table.get("step") else {
            let message =
                format!("every [[{list}]] says which step it is: step = \"…\" with one of {}", Step::NAMES.join(", "));
            return Err(self.check.error(start, message));
        };
        let Some(name) = word.get_ref().as_str().map(str::to_owned) else {
            return Err(self.check.error(word.span().start, "step must be the name of a step in quotes".to_owned()));
        };
        if let Some(schema) = schema::of_step(self.check.schema, &name) {
            self.check.table(&format!("step \"{name}\""), schema, table)?;
        }
        let mut parameters = DeTable::new();
        for (key, value) in table.iter().filter(|(key, _)| key.get_ref() != "step") {
            parameters.insert(key.clone(), value.clone());
        }
        match Step::read(&name, Spanned::new(value.span(), parameters)) {
            Some(Ok(step)) if list == "before" && !step.keeps_the_grid() => {
                let message = format!(
                    "\"{name}\" cannot be done before stitching, because a sub-aperture must keep its place in the camera; \
                     move it to [[after]]"
                );
                Err(self.check.error(word.span().start, message))
            }
            Some(step) => step.map_err(|error| self.refused(&error, start..start)),
            None => Err(self.check.unknown(word.span().start, "step", &name, Step::NAMES)),
        }
    }

    /// What the types refuse: a unit, a value out of its range.
    fn refused(&self, error: &toml::de::Error, whole: Range<usize>) -> RecipeError {
        let start = error.span().unwrap_or(whole).start;
        self.check.error(start, error.message().trim().to_owned())
    }

    fn one_completeness(&self, table: &DeTable<'_>) -> Result<(), RecipeError> {
        let mut given: Vec<(usize, &str)> = (table.keys())
            .filter(|key| matches!(key.get_ref().as_ref(), "expected" | "marker" | "quiet"))
            .map(|key| (key.span().start, key.get_ref().as_ref()))
            .collect();
        given.sort_unstable();
        if let [(_, first), (start, second), ..] = given[..] {
            let message =
                format!("\"{first}\" and \"{second}\" both say when the series is complete; keep one of them");
            return Err(self.check.error(start, message));
        }
        Ok(())
    }

    fn names_its_files(&self, table: &DeTable<'_>, recipe: &Recipe) -> Result<(), RecipeError> {
        if recipe.series.kind != SeriesKind::Maps && recipe.series.include.is_empty() {
            let start = table.get("kind").map_or(0, |value| value.span().start);
            let message = "slopes and profiles look like any other text, so this kind of series must say which files it is made of: \
                           include = [\"*.slp\"]";
            return Err(self.check.error(start, message.to_owned()));
        }
        Ok(())
    }

    /// Sections that say nothing about this kind of series are refused: nobody should believe that they did something.
    fn fits_its_kind(&self, document: &DeTable<'_>, recipe: &Recipe) -> Result<(), RecipeError> {
        let (own, foreign): (&str, &[&str]) = match recipe.series.kind {
            SeriesKind::Maps => ("maps", &["slopes", "profiles"]),
            SeriesKind::Slopes => ("slopes", &["stitch", "before", "profiles"]),
            SeriesKind::Profiles => ("profiles", &["stitch", "before", "slopes"]),
        };
        for (key, _) in document {
            if foreign.contains(&key.get_ref().as_ref()) {
                let message = format!(
                    "[{}] does nothing for a series of {own}; remove it, or change kind in [series]",
                    key.get_ref()
                );
                return Err(self.check.error(key.span().start, message));
            }
        }
        Ok(())
    }

    fn reference_file(&self, table: &DeTable<'_>, recipe: &Recipe) -> Result<(), RecipeError> {
        let at = |key: &str| table.keys().find(|k| k.get_ref() == key).map_or(0, |k| k.span().start);
        match (recipe.stitch.reference, &recipe.stitch.reference_file) {
            (ReferenceChoice::File, None) => {
                let message =
                    "reference = \"file\" needs the name of a file in this folder: reference_file = \"reference.dat\"";
                Err(self.check.error(at("reference"), message.to_owned()))
            }
            (ReferenceChoice::None | ReferenceChoice::Pixelwise | ReferenceChoice::Smooth, Some(_)) => {
                let message = "reference_file is only used with reference = \"file\"; set that, or remove this line";
                Err(self.check.error(at("reference_file"), message.to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn one_source(&self, table: &DeTable<'_>, recipe: &Recipe) -> Result<(), RecipeError> {
        let rule = &recipe.positions;
        if let (Some(file), false) = (&rule.file, rule.at.is_empty()) {
            let start = table.get("file").map_or(0, |value| value.span().start);
            let message = format!(
                "positions are given both here ([positions.at]) and in \"{}\"; keep one of them",
                file.as_str()
            );
            return Err(self.check.error(start, message));
        }
        Ok(())
    }

    fn table<'v, 'i>(&self, name: &str, value: &'v Spanned<DeValue<'i>>) -> Result<&'v DeTable<'i>, RecipeError> {
        value.get_ref().as_table().ok_or_else(|| RecipeError {
            line: line_of(self.text, value.span().start),
            message: format!("\"{name}\" is a section: write [{name}] on a line of its own and its keys below"),
        })
    }
}

/// Line of a byte, counted from 1.
pub(super) fn line_of(text: &str, start: usize) -> usize {
    text.as_bytes().iter().take(start).filter(|byte| **byte == b'\n').count() + 1
}
