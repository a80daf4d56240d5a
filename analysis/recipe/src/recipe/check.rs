//! Holds a section of `stitch.toml` against its JSON Schema: unknown keys, unknown words, values of the wrong kind. What
//! is documented is what is checked; the line is that of the key or value.

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::parse::{RecipeError, line_of};
use super::reference::forms;
use super::suggest;

type Value<'a> = Spanned<DeValue<'a>>;

/// The schema of a recipe with the text that is held against it.
pub(super) struct Check<'a> {
    pub schema: &'a Json,
    pub text: &'a str,
}

impl Check<'_> {
    /// Follows references, and of "this or null" takes this.
    fn resolve<'s>(&'s self, schema: &'s Json) -> &'s Json {
        if let Some(path) = schema.get("$ref").and_then(Json::as_str) {
            let target =
                path.strip_prefix("#/").unwrap_or(path).split('/').try_fold(self.schema, |at, key| at.get(key));
            return target.map_or(schema, |target| self.resolve(target));
        }
        let choices = schema.get("anyOf").and_then(Json::as_array);
        match choices.and_then(|all| all.iter().find(|one| one.get("type").and_then(Json::as_str) != Some("null"))) {
            Some(one) => self.resolve(one),
            None => schema,
        }
    }

    /// Every key of a table. `place` names it for people: `[stitch]`, `step "mask"`.
    pub fn table(&self, place: &str, schema: &Json, table: &DeTable<'_>) -> Result<(), RecipeError> {
        let schema = self.resolve(schema);
        let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
            // Any key, as in [positions.at].
            let Some(each) = schema.get("additionalProperties") else { return Ok(()) };
            return table.iter().try_for_each(|(key, value)| self.value(key.get_ref(), each, value));
        };
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let Some(expected) = properties.get(name) else {
                let known: Vec<&str> = properties.keys().map(String::as_str).collect();
                let what = if place.is_empty() { "section".to_owned() } else { format!("key in {place}") };
                return Err(self.unknown(key.span().start, &what, name, &known));
            };
            self.value(name, expected, value)?;
        }
        let required = schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        for name in required {
            if !table.keys().any(|key| key.get_ref() == name) {
                let start = table.keys().map(|key| key.span().start).min().unwrap_or(0);
                let example = properties.get(name).map_or(String::new(), |s| self.example(s, &format!(": {name} = ")));
                return Err(self.error(start, format!("{place} needs the key \"{name}\"{example}")));
            }
        }
        Ok(())
    }

    fn value(&self, key: &str, schema: &Json, value: &Value<'_>) -> Result<(), RecipeError> {
        let outer = schema;
        let schema = self.resolve(schema);
        if let Some(words) = words(schema) {
            let Some(word) = value.get_ref().as_str() else {
                let example = words.first().map_or(String::new(), |word| format!("\"{word}\""));
                return Err(self.wrong_kind(
                    key,
                    value,
                    &format!("one of the words {}, such as {example}", words.join(", ")),
                ));
            };
            if !words.contains(&word) {
                return Err(self.unknown(value.span().start, key, word, &words));
            }
            return Ok(());
        }
        if let Some(forms) = forms(schema) {
            return self.form(key, forms, value);
        }
        let kinds: Vec<&str> = match schema.get("type") {
            Some(Json::String(kind)) => vec![kind],
            Some(Json::Array(kinds)) => kinds.iter().filter_map(Json::as_str).collect(),
            _ => return Ok(()),
        };
        let has = |kind: &str| kinds.contains(&kind);
        match value.get_ref() {
            DeValue::String(_) if has("string") => Ok(()),
            DeValue::Boolean(_) if has("boolean") => Ok(()),
            DeValue::Integer(_) | DeValue::Float(_) if has("number") => self.bounds(key, schema, outer, value),
            DeValue::Integer(_) if has("integer") => self.bounds(key, schema, outer, value),
            DeValue::Array(entries) if has("array") => {
                let Some(items) = schema.get("items") else { return Ok(()) };
                entries.iter().try_for_each(|entry| self.value(key, items, entry))
            }
            DeValue::Table(table) if has("object") => self.table(&format!("[{key}]"), schema, table),
            DeValue::Integer(_) | DeValue::Float(_) if schema.get("x-units").is_some() => {
                let message = format!("{key} needs a unit{}", self.example(schema, &format!(": write {key} = ")));
                Err(self.error(value.span().start, message))
            }
            _ => {
                let right = match kinds.first().copied() {
                    Some("string") => "a text in quotes",
                    Some("integer") => "a whole number",
                    Some("number") => "a number",
                    Some("boolean") => "true or false",
                    Some("array") => "a list",
                    Some("object") => "a section with keys of its own",
                    _ => "something else",
                };
                let more = self.example(outer, ", such as ");
                let more = if more.is_empty() { self.example(schema, ", such as ") } else { more };
                Err(self.wrong_kind(key, value, &format!("{right}{more}")))
            }
        }
    }

    /// One of several forms: a word, or a section with one key that names the form.
    fn form(&self, key: &str, forms: &[Json], value: &Value<'_>) -> Result<(), RecipeError> {
        let words = forms.iter().flat_map(|form| {
            let several = form.get("enum").and_then(Json::as_array).into_iter().flatten();
            form.get("const").into_iter().chain(several).filter_map(Json::as_str)
        });
        let words: Vec<&str> = words.collect();
        let sections: Vec<_> = forms.iter().filter_map(|f| f.get("properties")?.as_object()).collect();
        // A form that is told by one of several keys is left to its type.
        if sections.iter().any(|properties| properties.len() != 1) {
            return Ok(());
        }
        let sections: Vec<(&String, &Json)> = sections.into_iter().flatten().collect();
        let known: Vec<&str> = words.iter().copied().chain(sections.iter().map(|(name, _)| name.as_str())).collect();
        match value.get_ref() {
            DeValue::String(word) if words.contains(&word.as_ref()) => Ok(()),
            DeValue::String(word) => Err(self.unknown(value.span().start, key, word, &known)),
            DeValue::Table(table) => table.iter().try_for_each(|(name, value)| {
                let found = sections.iter().find(|(known, _)| *known == name.get_ref().as_ref());
                match found {
                    Some((name, schema)) => self.value(name, schema, value),
                    None => Err(self.unknown(name.span().start, &format!("form of {key}"), name.get_ref(), &known)),
                }
            }),
            _ => Err(self.wrong_kind(key, value, &format!("one of the forms {}", known.join(", ")))),
        }
    }

    fn bounds(&self, key: &str, schema: &Json, outer: &Json, value: &Value<'_>) -> Result<(), RecipeError> {
        let Some(number) = number(value.get_ref()) else { return Ok(()) };
        let bound = |name: &str| outer.get(name).or_else(|| schema.get(name)).and_then(Json::as_f64);
        let (low, high) = (bound("minimum"), bound("maximum"));
        let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
        let fits = number.is_finite()
            && low.is_none_or(|low| number >= low)
            && high.is_none_or(|high| number <= high)
            && above.is_none_or(|above| number > above)
            && below.is_none_or(|below| number < below);
        if fits {
            return Ok(());
        }
        let range = match (low.or(above), high.or(below)) {
            (Some(low), Some(high)) => format!("it must be between {low} and {high}"),
            (Some(_), None) if above.is_some() => format!("it must be more than {}", above.unwrap_or_default()),
            (Some(low), None) => format!("it must be at least {low}"),
            (None, Some(high)) => format!("it must be at most {high}"),
            (None, None) => "it must be a finite number".to_owned(),
        };
        Err(self.error(value.span().start, format!("{key} = {number} cannot be: {range}")))
    }

    /// `lead` and the first example of the schema as TOML; nothing where it has none.
    fn example(&self, schema: &Json, lead: &str) -> String {
        let own = |schema: &Json| schema.get("examples").and_then(|all| all.get(0)).map(|one| format!("{lead}{one}"));
        own(schema).or_else(|| own(self.resolve(schema))).unwrap_or_default()
    }

    fn wrong_kind(&self, key: &str, value: &Value<'_>, right: &str) -> RecipeError {
        self.error(value.span().start, format!("{key} must be {right}, not {}", kind(value.get_ref())))
    }

    pub fn unknown(&self, start: usize, what: &str, word: &str, known: &[&str]) -> RecipeError {
        let hint = match suggest::nearest(word, known) {
            Some(nearest) => format!("did you mean \"{nearest}\"?"),
            None => format!("there are: {}", known.join(", ")),
        };
        self.error(start, format!("unknown {what} \"{word}\"; {hint}"))
    }

    pub fn error(&self, start: usize, message: String) -> RecipeError {
        RecipeError { line: line_of(self.text, start), message }
    }
}

/// The words of an enumeration, whether documented one by one or not.
fn words(schema: &Json) -> Option<Vec<&str>> {
    if let Some(Json::Array(words)) = schema.get("enum") {
        return words.iter().map(Json::as_str).collect();
    }
    let Some(Json::Array(choices)) = schema.get("oneOf") else { return None };
    let mut words = Vec::new();
    for choice in choices {
        match (choice.get("const").and_then(Json::as_str), choice.get("enum").and_then(Json::as_array)) {
            (Some(word), _) => words.push(word),
            (None, Some(more)) => words.extend(more.iter().filter_map(Json::as_str)),
            (None, None) => return None,
        }
    }
    Some(words)
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

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(integer) => {
            i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok().map(|i| i as f64)
        }
        DeValue::Float(float) => float.as_str().replace('_', "").parse().ok(),
        _ => None,
    }
}
