//! The name of a file as a recipe writes it: of one folder, never a path.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// The name of a file in the folder of the recipe, without a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FileName(String);

/// A text that is no [`FileName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" must be the name of a file in this folder, without a path")]
pub struct NotAFileName {
    /// What was written.
    pub text: String,
}

impl FileName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FileName {
    type Err = NotAFileName;
    fn from_str(name: &str) -> Result<Self, NotAFileName> {
        if name.is_empty() || name.contains(['/', '\\', '\0']) || name == "." || name == ".." {
            return Err(NotAFileName { text: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }
}

impl<'de> Deserialize<'de> for FileName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for FileName {
    fn schema_name() -> Cow<'static, str> {
        "FileName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "the name of a file in this folder, without a path",
            "examples": ["flat.dat"],
            "minLength": 1,
            "pattern": r"^[^/\\\u0000]+$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_no_name() {
        for text in ["", ".", "..", "../flat.dat", "a/b", "a\\b", "/etc/passwd", "a\0"] {
            assert!(text.parse::<FileName>().is_err(), "{text:?}");
        }
        assert_eq!("flat 2.dat".parse::<FileName>().unwrap().as_str(), "flat 2.dat");
    }
}
