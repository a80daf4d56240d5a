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
        page.keys(&mut out, part);
    }
    out.push_str(
        "\n## Steps: `[[before]]` and `[[after]]`\n\nEach entry names a step and its parameters. Those of `[[before]]` are done \
         on every sub-aperture before stitching, those of `[[after]]` on the stitched map, in the order of the file.\n",
    );
    for step in schema.pointer("/$defs/Step/oneOf").and_then(Value::as_array).into_iter().flatten() {
        let name = step.pointer("/properties/step/const").and_then(Value::as_str).unwrap_or_default();
        let _ = write!(out, "\n### `step = \"{name}\"`\n\n{}\n\n", text(step, "description"));
        page.keys(&mut out, step);
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

    fn keys(&self, out: &mut String, section: &Value) {
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
        for (name, property) in rows {
            let default = match property.get("default") {
                Some(Value::Null) | None if needed(name) => "must be given".to_owned(),
                Some(Value::Null) | None => String::new(),
                Some(default) => format!("`{default}`"),
            };
            let (value, words) = self.kind(property);
            let meaning = text(property, "description");
            let _ = writeln!(
                out,
                "| `{name}` | {value} | {default} | {}{}{} |",
                cell(meaning),
                if words.is_empty() { "" } else { " " },
                cell(&words)
            );
        }
    }

    /// What may be written, and the meaning of its words.
    fn kind(&self, property: &Value) -> (String, String) {
        let kind = self.resolve(property);
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
            "object" => (self.fields(kind), String::new()),
            _ => ("a text".to_owned(), String::new()),
        }
    }

    /// A table inside a table: its keys in one cell.
    fn fields(&self, kind: &Value) -> String {
        let Some(properties) = kind.get("properties").and_then(Value::as_object) else {
            return "keys of your own".to_owned();
        };
        let of = |(name, property): (&String, &Value)| format!("`{name}` ({})", text(property, "description"));
        properties.iter().map(of).collect::<Vec<_>>().join("; ")
    }
}

fn text<'v>(schema: &'v Value, key: &str) -> &'v str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// One line, without what would end the cell.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
