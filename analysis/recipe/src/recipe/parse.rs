//! `stitch.toml` into a [`Recipe`]; every refusal names the line and what would be right.

use std::ops::Range;

use stitchbox_stitch::Terms;
use stitchbox_surface::PixelSize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Completeness, PositionRule, Recipe, ReferenceChoice, StitchRule, duration, suggest};

/// A recipe that cannot be used: the line and the sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stitch.toml, line {line}: {message}")]
pub struct RecipeError {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Most sub-apertures a recipe may expect.
const MOST_EXPECTED: i64 = 1_000_000;

type Value<'a> = Spanned<DeValue<'a>>;

pub(super) fn parse(text: &str) -> Result<Recipe, RecipeError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        RecipeError { line: line_of(text, &span), message: format!("this is not TOML: {}", error.message().trim()) }
    })?;
    let reader = Reader { text };
    let mut recipe = Recipe::default();
    for (key, value) in document.get_ref() {
        match key.get_ref().as_ref() {
            "series" => reader.series(reader.table("series", value)?, &mut recipe)?,
            "stitch" => recipe.stitch = reader.stitch(reader.table("stitch", value)?)?,
            "positions" => recipe.positions = reader.positions(reader.table("positions", value)?)?,
            other => return Err(reader.unknown(&key.span(), "section", other, &["series", "stitch", "positions"])),
        }
    }
    Ok(recipe)
}

struct Reader<'t> {
    text: &'t str,
}

impl Reader<'_> {
    fn series(&self, table: &DeTable<'_>, recipe: &mut Recipe) -> Result<(), RecipeError> {
        let mut completeness: Option<(&str, Completeness)> = None;
        for (key, value) in table {
            let key_name = key.get_ref().as_ref();
            let rule = match key_name {
                "expected" => Completeness::Expected(self.expected(value)?),
                "marker" => Completeness::Marker(self.file_name("marker", value)?),
                "quiet" => Completeness::Quiet(self.quiet(value)?),
                "include" => {
                    recipe.series.include = self.strings("include", value)?;
                    continue;
                }
                "exclude" => {
                    recipe.series.exclude = self.strings("exclude", value)?;
                    continue;
                }
                other => {
                    let known = ["expected", "marker", "quiet", "include", "exclude"];
                    return Err(self.unknown(&key.span(), "key in [series]", other, &known));
                }
            };
            if let Some((first, _)) = &completeness {
                let message =
                    format!("\"{first}\" and \"{key_name}\" both say when the series is complete; keep one of them");
                return Err(self.error(&key.span(), message));
            }
            completeness = Some((key_name, rule));
        }
        recipe.series.completeness = completeness.map(|(_, rule)| rule);
        Ok(())
    }

    fn stitch(&self, table: &DeTable<'_>) -> Result<StitchRule, RecipeError> {
        let mut rule = Recipe::default().stitch;
        let mut reference_file = None;
        let mut wants_file = None;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "terms" => rule.terms = self.terms(value)?,
                "reference" => {
                    let word = self.string("reference", value, "\"pixelwise\"")?;
                    rule.reference = match word {
                        "none" => ReferenceChoice::None,
                        "pixelwise" => ReferenceChoice::Pixelwise,
                        "smooth" => ReferenceChoice::Smooth,
                        "file" => {
                            wants_file = Some(value.span());
                            ReferenceChoice::Pixelwise
                        }
                        other => {
                            let known = ["none", "pixelwise", "smooth", "file"];
                            return Err(self.unknown(&value.span(), "reference", other, &known));
                        }
                    };
                }
                "reference_file" => reference_file = Some((key.span(), self.file_name("reference_file", value)?)),
                "robust" => {
                    rule.robust =
                        value.get_ref().as_bool().ok_or_else(|| self.wrong_kind("robust", value, "true or false"))?;
                }
                other => {
                    let known = ["terms", "reference", "reference_file", "robust"];
                    return Err(self.unknown(&key.span(), "key in [stitch]", other, &known));
                }
            }
        }
        match (wants_file, reference_file) {
            (Some(_), Some((_, name))) => rule.reference = ReferenceChoice::File(name),
            (Some(span), None) => {
                let message =
                    "reference = \"file\" needs the name of a file in this folder: reference_file = \"reference.dat\"";
                return Err(self.error(&span, message.to_owned()));
            }
            (None, Some((span, _))) => {
                let message = "reference_file is only used with reference = \"file\"; set that, or remove this line";
                return Err(self.error(&span, message.to_owned()));
            }
            (None, None) => {}
        }
        Ok(rule)
    }

    fn positions(&self, table: &DeTable<'_>) -> Result<PositionRule, RecipeError> {
        let mut rule = PositionRule::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "file" => rule.file = Some(self.file_name("file", value)?),
                "pixel_mm" => rule.pixel = Some(self.pixel(value)?),
                "at" => {
                    for (name, place) in self.table("positions.at", value)? {
                        let place = self.pair(&format!("position of \"{}\"", name.get_ref()), place)?;
                        rule.at.insert(name.get_ref().to_string(), place);
                    }
                }
                other => {
                    return Err(self.unknown(&key.span(), "key in [positions]", other, &["file", "at", "pixel_mm"]));
                }
            }
        }
        if let (Some(file), false) = (&rule.file, rule.at.is_empty()) {
            let span = table.get("file").map_or(0..0, Spanned::span);
            let message = format!("positions are given both here ([positions.at]) and in \"{file}\"; keep one of them");
            return Err(self.error(&span, message));
        }
        Ok(rule)
    }

    fn expected(&self, value: &Value<'_>) -> Result<usize, RecipeError> {
        match integer(value.get_ref()) {
            Some(count @ 2..=MOST_EXPECTED) => Ok(count as usize),
            Some(count) => {
                let message =
                    format!("expected = {count} cannot be: a series has between 2 and {MOST_EXPECTED} sub-apertures");
                Err(self.error(&value.span(), message))
            }
            None => Err(self.wrong_kind("expected", value, "a whole number such as 12")),
        }
    }

    fn quiet(&self, value: &Value<'_>) -> Result<std::time::Duration, RecipeError> {
        let text = match value.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) => {
                let message = "quiet needs a unit: write quiet = \"10 s\" or quiet = \"2 min\"";
                return Err(self.error(&value.span(), message.to_owned()));
            }
            _ => self.string("quiet", value, "\"10 s\"")?,
        };
        duration::read(text).ok_or_else(|| {
            let message =
                format!("\"{text}\" is not a time between 0 s and 7 d; write for example \"10 s\" or \"2 min\"");
            self.error(&value.span(), message)
        })
    }

    fn terms(&self, value: &Value<'_>) -> Result<Terms, RecipeError> {
        let list = value
            .get_ref()
            .as_array()
            .ok_or_else(|| self.wrong_kind("terms", value, "[\"piston\", \"pitch\", \"roll\"]"))?;
        let mut terms = Terms { piston: false, pitch: false, roll: false };
        for entry in list {
            match self.string("terms", entry, "\"piston\"")? {
                "piston" => terms.piston = true,
                "pitch" => terms.pitch = true,
                "roll" => terms.roll = true,
                other => return Err(self.unknown(&entry.span(), "term", other, &["piston", "pitch", "roll"])),
            }
        }
        Ok(terms)
    }

    fn pixel(&self, value: &Value<'_>) -> Result<PixelSize, RecipeError> {
        let (x_mm, y_mm) = match number(value.get_ref()) {
            Some(size) => (size, size),
            None => self.pair("pixel_mm", value)?,
        };
        let possible = |size: f64| (1e-6..=1e3).contains(&size);
        if !possible(x_mm) || !possible(y_mm) {
            let message = format!(
                "a pixel of {x_mm} x {y_mm} mm cannot be; pixel_mm is the distance between pixels in millimetres"
            );
            return Err(self.error(&value.span(), message));
        }
        Ok(PixelSize { x_mm, y_mm })
    }

    fn pair(&self, what: &str, value: &Value<'_>) -> Result<(f64, f64), RecipeError> {
        let numbers: Option<Vec<f64>> =
            value.get_ref().as_array().and_then(|list| list.iter().map(|entry| number(entry.get_ref())).collect());
        match numbers.as_deref() {
            Some([x, y]) if x.is_finite() && y.is_finite() => Ok((*x, *y)),
            _ => {
                Err(self.error(&value.span(), format!("{what} must be two numbers in mm, [x, y], such as [12.5, 0.0]")))
            }
        }
    }

    fn strings(&self, key: &str, value: &Value<'_>) -> Result<Vec<String>, RecipeError> {
        let list =
            value.get_ref().as_array().ok_or_else(|| self.wrong_kind(key, value, "a list such as [\"*.dat\"]"))?;
        list.iter().map(|entry| self.string(key, entry, "\"*.dat\"").map(str::to_owned)).collect()
    }

    fn file_name(&self, key: &str, value: &Value<'_>) -> Result<String, RecipeError> {
        let name = self.string(key, value, "a file name in quotes")?;
        if name.is_empty() || name.contains(['/', '\\', '\0']) || name == "." || name == ".." {
            let message = format!("{key} = \"{name}\" must be the name of a file in this folder, without a path");
            return Err(self.error(&value.span(), message));
        }
        Ok(name.to_owned())
    }

    fn string<'v>(&self, key: &str, value: &'v Value<'_>, example: &str) -> Result<&'v str, RecipeError> {
        value.get_ref().as_str().ok_or_else(|| self.wrong_kind(key, value, example))
    }

    fn table<'v, 'i>(&self, name: &str, value: &'v Value<'i>) -> Result<&'v DeTable<'i>, RecipeError> {
        value.get_ref().as_table().ok_or_else(|| {
            self.error(
                &value.span(),
                format!("\"{name}\" is a section: write [{name}] on a line of its own and its keys below"),
            )
        })
    }

    fn wrong_kind(&self, key: &str, value: &Value<'_>, right: &str) -> RecipeError {
        self.error(&value.span(), format!("{key} must be {right}, not {}", kind(value.get_ref())))
    }

    fn unknown(&self, span: &Range<usize>, what: &str, word: &str, known: &[&str]) -> RecipeError {
        let hint = match suggest::nearest(word, known) {
            Some(nearest) => format!("did you mean \"{nearest}\"?"),
            None => format!("there are: {}", known.join(", ")),
        };
        self.error(span, format!("unknown {what} \"{word}\"; {hint}"))
    }

    fn error(&self, span: &Range<usize>, message: String) -> RecipeError {
        RecipeError { line: line_of(self.text, span), message }
    }
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count() + 1
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(_) => integer(value).map(|i| i as f64),
        DeValue::Float(float) => float.as_str().replace('_', "").parse().ok(),
        _ => None,
    }
}
