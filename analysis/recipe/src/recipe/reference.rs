//! The reference page of the recipe, written from the schema.

use std::fmt::Write as _;

use serde_json::Value;

use super::schema;

/// The page, in Markdown. It is also committed as `schema/generated/recipe.md`.
#[must_use]
pub fn reference_page() -> String {
    let schema = schema();
    let page = Page { schema };
    let mut out = "# The recipe, `stitch.toml`\n\n".to_owned();
    out.push_str(
        "Generated from the program (`stitchbox recipe reference`); do not edit. Every key may be left out. Quantities are texts \
         with their unit, `\"2 mm\"`; a missing or wrong unit, an unknown key or an unknown word is refused with its line.\n",
    );
    for section in ["series", "stitch", "positions", "slopes", "profiles", "output"] {
        let part = page.resolve(&schema["properties"][section]);
        let _ = write!(out, "\n## `[{section}]`\n\n{}\n\n", text(part, "description"));
        page.keys(&mut out, "", part);
    }
    out.push_str(
        "\n## Steps: `[[before]]` and `[[after]]`\n\nEach entry names a step and its parameters. Those of `[[before]]` are done \
         on every sub-aperture before stitching, those of `[[after]]` on the stitched map, in the order of the file.\n",
    );
    for step in schema.pointer("/$defs/Step/oneOf").and_then(Value::as_array).into_iter().flatten() {
        let name = step.pointer("/properties/step/const").and_then(Value::as_str).unwrap_or_default();
        let _ = write!(out, "\n### `step = \"{name}\"`\n\n{}\n\n", text(step, "description"));
        page.keys(&mut out, "", step);
    }
    out
}

struct Page<'s> {
    schema: &'s Value,
}

impl Page<'_> {
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
            let target = path.strip_prefix('#').and_then(|path| self.schema.pointer(path));
            return target.map_or(schema, |target| self.resolve(target));
        }
        let choices = schema.get("anyOf").and_then(Value::as_array);
        match choices.and_then(|all| all.iter().find(|one| one.get("type").and_then(Value::as_str) != Some("null"))) {
            Some(one) => self.resolve(one),
            None => schema,
        }
    }

    /// A table of the keys of a section, and below it what stands inside of them. `path` leads to the section.
    fn keys(&self, out: &mut String, path: &str, section: &Value) {
        let Some(properties) = section.get("properties").and_then(Value::as_object) else { return };
        let rows: Vec<_> = properties.iter().filter(|(name, _)| *name != "step").collect();
        if rows.is_empty() {
            out.push_str("It takes no parameters.\n");
            return;
        }
        let needed = |name: &str| {
            section.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|one| one == name))
        };
        out.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
        for (name, property) in &rows {
            let default = match property.get("default") {
                Some(Value::Null) | None if needed(name) => "must be given".to_owned(),
                Some(Value::Null) | None => String::new(),
                Some(default) => format!("`{default}`"),
            };
            let (value, words) = self.kind(property);
            let meaning = text(property, "description");
            let _ = writeln!(
                out,
                "| `{name}` | {} | {default} | {}{}{} |",
                cell(&value),
                cell(meaning),
                if words.is_empty() { "" } else { " " },
                cell(&words)
            );
        }
        for (name, property) in rows {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.inside(out, &path, property);
        }
    }

    /// The schema of one entry: of a list that of its items.
    fn entry<'a>(&'a self, property: &'a Value) -> &'a Value {
        let kind = self.resolve(property);
        kind.get("items").map_or(kind, |items| self.entry(items))
    }

    /// What a key holds that has keys of its own, or forms to choose from.
    fn inside(&self, out: &mut String, path: &str, property: &Value) {
        let kind = self.entry(property);
        // No recipe nests deeper; a schema that refers to itself would.
        if path.matches('.').count() >= DEEPEST {
            return;
        }
        if kind.get("properties").is_some() {
            let _ = write!(out, "\nKeys of `{path}`:\n\n");
            self.keys(out, path, kind);
            return;
        }
        let Some(forms) = forms(kind) else { return };
        let _ = write!(out, "\nForms of `{path}`:\n\n");
        for form in forms {
            let meaning = cell(text(form, "description"));
            if let Some(word) = form.get("const").and_then(Value::as_str) {
                let _ = writeln!(out, "- `\"{word}\"`: {meaning}");
            }
            for word in form.get("enum").and_then(Value::as_array).into_iter().flatten() {
                let _ = writeln!(out, "- `{word}`");
            }
            for (name, property) in form.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let (value, words) = self.kind(property);
                let line = format!("- `{{ {name} = … }}`, {}: {meaning} {}", cell(&value), cell(&words));
                let _ = writeln!(out, "{}", line.trim_end());
            }
        }
        for form in forms {
            for (name, property) in form.get("properties").and_then(Value::as_object).into_iter().flatten() {
                self.inside(out, &format!("{path}.{name}"), property);
            }
        }
    }

    /// What may be written, and the meaning of its words.
    fn kind(&self, property: &Value) -> (String, String) {
        let kind = self.resolve(property);
        if forms(kind).is_some() {
            return ("one of the forms below".to_owned(), String::new());
        }
        if let Some(choices) = kind.get("oneOf").and_then(Value::as_array) {
            let mut names = Vec::new();
            let mut meanings = String::new();
            for choice in choices {
                if let Some(word) = choice.get("const").and_then(Value::as_str) {
                    names.push(format!("`\"{word}\"`"));
                    let _ = write!(meanings, " `{word}`: {}", text(choice, "description"));
                }
            }
            if !names.is_empty() {
                return (names.join(", "), meanings);
            }
        }
        if let Some(words) = kind.get("enum").and_then(Value::as_array) {
            return (words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "), String::new());
        }
        if kind.get("x-units").is_some() {
            let example = kind.pointer("/examples/0").map_or(String::new(), |one| format!(", `{one}`"));
            return (format!("{}{example}", text(kind, "description")), String::new());
        }
        let range = [("minimum", "from"), ("exclusiveMinimum", "more than"), ("maximum", "to")];
        let range = |schema: &Value| {
            let parts = range.iter().filter_map(|(key, word)| Some(format!(" {word} {}", schema.get(*key)?)));
            parts.collect::<String>()
        };
        let name = match kind.get("type") {
            Some(Value::String(name)) => name.as_str(),
            Some(Value::Array(names)) => names.first().and_then(Value::as_str).unwrap_or_default(),
            _ => return (text(kind, "description").to_owned(), String::new()),
        };
        match name {
            "array" => {
                let (items, words) = kind.get("items").map(|items| self.kind(items)).unwrap_or_default();
                (format!("a list: {items}"), words)
            }
            "boolean" => ("`true` or `false`".to_owned(), String::new()),
            "integer" => (format!("a whole number{}", range(property)), String::new()),
            "number" => (format!("a number{}", range(property)), String::new()),
            "object" if kind.get("properties").is_some() => ("keys of its own, below".to_owned(), String::new()),
            "object" => ("keys of your own".to_owned(), String::new()),
            _ => ("a text".to_owned(), String::new()),
        }
    }
}

/// Deepest nesting written out.
const DEEPEST: usize = 5;

/// The choices of which at least one is more than a word.
pub(super) fn forms(kind: &Value) -> Option<&Vec<Value>> {
    let choices = kind.get("oneOf").and_then(Value::as_array)?;
    choices.iter().any(|choice| choice.get("properties").is_some()).then_some(choices)
}

fn text<'v>(schema: &'v Value, key: &str) -> &'v str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// One line, without what would end the cell.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
