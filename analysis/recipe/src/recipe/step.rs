//! The steps that a recipe may name, each with the parameters of its function in `analysis/steps`.

use schemars::JsonSchema;
use serde::{Deserialize as _, Serialize};
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

macro_rules! steps {
    ($($word:literal => $variant:ident($parameters:ty): $doc:literal,)*) => {
        /// One step of a recipe, with its parameters.
        #[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
        #[serde(tag = "step")]
        pub enum Step {
            $(#[doc = $doc] #[serde(rename = $word)] $variant($parameters),)*
        }

        impl Step {
            /// The words that `step = "…"` understands.
            pub const NAMES: &'static [&'static str] = &[$($word),*];

            /// The word of this step.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $word,)* }
            }

            /// The file that the step reads besides the map, if it does.
            #[must_use]
            pub fn file(&self) -> Option<&str> {
                None
            }

            /// Reads the parameters of the step of this name; `None` where there is no such step.
            pub(super) fn read(
                name: &str,
                table: Spanned<DeTable<'_>>,
            ) -> Option<Result<Self, toml::de::Error>> {
                let from = Deserializer::from(table);
                match name {
                    $($word => Some(<$parameters>::deserialize(from).map(Self::$variant)),)*
                    _ => None,
                }
            }
        }
    };
}

steps! {
    "nothing" => Nothing(Nothing): "Leaves the map as it is.",
}

/// Leaves the map as it is.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}
