//! Quantities as people write them in a recipe: a number and its unit in one string, `"2 mm"`. A number without a unit
//! or with the unit of something else is refused, so that nobody stitches in metres what was meant in millimetres.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that is not the quantity it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAQuantity {
    /// No unit, or none of this kind of quantity.
    #[error("\"{text}\" is not {kind}: write a number and one of the units {units}, for instance \"{example}\"")]
    Unit {
        /// What was written.
        text: String,
        /// `a length`, `an angle`, ...
        kind: &'static str,
        /// The units understood, joined by commas.
        units: String,
        /// A good one.
        example: &'static str,
    },
    /// The number is good, but in the first of the units it is larger than any number.
    #[error("\"{text}\" is larger than anything that can be computed with: write {kind} like \"{example}\"")]
    TooLarge {
        /// What was written.
        text: String,
        /// `a length`, `an angle`, ...
        kind: &'static str,
        /// A good one.
        example: &'static str,
    },
    /// The unit is good, what stands before it is not a finite number.
    #[error("\"{text}\" does not begin with a number: write {kind} like \"{example}\"")]
    Number {
        /// What was written.
        text: String,
        /// `a length`, `an angle`, ...
        kind: &'static str,
        /// A good one.
        example: &'static str,
    },
}

/// Splits `text` into a number and one of `units`, and returns it in the first of them.
fn parse(text: &str, kind: &'static str, units: &[(&str, f64)], example: &'static str) -> Result<f64, NotAQuantity> {
    let trimmed = text.trim();
    // The longest unit that fits: "mm" before "m".
    let fitting = units.iter().filter(|(unit, _)| trimmed.ends_with(unit)).max_by_key(|(unit, _)| unit.len());
    let Some((unit, factor)) = fitting else {
        let units = units.iter().map(|(unit, _)| *unit).collect::<Vec<_>>().join(", ");
        return Err(NotAQuantity::Unit { text: text.to_owned(), kind, units, example });
    };
    let before = &trimmed[..trimmed.len() - unit.len()];
    let number = before.trim_end();
    // "21/mm" may be meant as "2 1/mm" or as "21 1/mm".
    if begins_with_digit(unit) && number.len() == before.len() && !number.is_empty() {
        return Err(NotAQuantity::Number { text: text.to_owned(), kind, example });
    }
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() && (value * factor).is_finite() => Ok(value * factor),
        Ok(value) if value.is_finite() => Err(NotAQuantity::TooLarge { text: text.to_owned(), kind, example }),
        _ if number.ends_with(|c: char| c.is_alphabetic() || c == '/') => {
            let units = units.iter().map(|(unit, _)| *unit).collect::<Vec<_>>().join(", ");
            Err(NotAQuantity::Unit { text: text.to_owned(), kind, units, example })
        }
        _ => Err(NotAQuantity::Number { text: text.to_owned(), kind, example }),
    }
}

fn begins_with_digit(unit: &str) -> bool {
    unit.starts_with(|c: char| c.is_ascii_digit())
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $getter:ident, $kind:literal, $base:literal, $example:literal, $units:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
        pub struct $name(f64);

        impl $name {
            const UNITS: &'static [(&'static str, f64)] = $units;

            #[doc = concat!("From a number of ", $base, ".")]
            #[must_use]
            pub const fn new(value: f64) -> Self {
                Self(value)
            }

            #[doc = concat!("The number of ", $base, ".")]
            #[must_use]
            pub const fn $getter(self) -> f64 {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAQuantity;
            fn from_str(text: &str) -> Result<Self, NotAQuantity> {
                parse(text, $kind, Self::UNITS, $example).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.0, Self::UNITS[0].0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, concat!($kind, " with its unit, for instance \"", $example, "\""))
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Text)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let units: Vec<&str> = Self::UNITS.iter().map(|(unit, _)| *unit).collect();
                let gap = if units.iter().any(|unit| begins_with_digit(unit)) { r"\s+" } else { r"\s*" };
                json_schema!({
                    "type": "string",
                    "description": format!("{} with its unit ({})", $kind, units.join(", ")),
                    "examples": [$example],
                    "x-units": units,
                    "pattern": format!(r"^\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?{gap}({})\s*$", units.join("|")),
                })
            }
        }
    };
}

quantity!(
    /// A distance along the mirror.
    Length, mm, "a length", "mm", "2 mm",
    &[("mm", 1.0), ("nm", 1e-6), ("um", 1e-3), ("µm", 1e-3), ("cm", 10.0), ("m", 1e3), ("km", 1e6)]
);
quantity!(
    /// A height or a height difference.
    Height, nm, "a height", "nm", "5 nm",
    &[("nm", 1.0), ("pm", 1e-3), ("um", 1e3), ("µm", 1e3), ("mm", 1e6)]
);
quantity!(
    /// An angle or a slope.
    Angle, urad, "an angle", "urad", "3 mrad",
    &[
        ("urad", 1.0),
        ("µrad", 1.0),
        ("nrad", 1e-3),
        ("mrad", 1e3),
        ("rad", 1e6),
        ("deg", 1e6 * std::f64::consts::PI / 180.0),
        ("arcsec", 1e6 * std::f64::consts::PI / 648_000.0),
    ]
);
quantity!(
    /// A spatial frequency.
    Frequency, per_mm, "a spatial frequency", "1/mm", "0.5 1/mm",
    &[("1/mm", 1.0), ("1/um", 1e3), ("1/µm", 1e3), ("1/m", 1e-3)]
);
quantity!(
    /// A mass density.
    Density, kg_per_m3, "a density", "kg/m3", "2330 kg/m3",
    &[("kg/m3", 1.0), ("g/cm3", 1e3)]
);
quantity!(
    /// A modulus of elasticity.
    Modulus, pa, "a modulus", "Pa", "130 GPa",
    &[("Pa", 1.0), ("MPa", 1e6), ("GPa", 1e9)]
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_unit() {
        for (text, mm) in [("2 mm", 2.0), ("2mm", 2.0), (" 0.5 m ", 500.0), ("30 um", 0.03), ("-1e2 µm", -0.1)] {
            assert!((text.parse::<Length>().unwrap().mm() - mm).abs() < 1e-12, "{text}");
        }
        assert!(("180 deg".parse::<Angle>().unwrap().urad() - 1e6 * std::f64::consts::PI).abs() < 1e-6);
        assert_eq!("0.5 1/mm".parse::<Frequency>().unwrap().per_mm(), 0.5);
        assert_eq!("3 mrad".parse::<Angle>().unwrap().to_string(), "3000 urad");
    }

    #[test]
    fn a_missing_or_wrong_unit_is_refused() {
        for text in ["2", "2 s", "mm", "2 kmm", "two mm", "", "2 mrad", "nan mm", "inf m"] {
            assert!(text.parse::<Length>().is_err(), "{text}");
        }
        let error = "2 s".parse::<Length>().unwrap_err();
        assert!(error.to_string().contains("mm"), "{error}");
    }

    #[test]
    fn a_unit_that_begins_with_a_digit_stands_alone() {
        for text in ["21/mm", "0.51/um", "1/mm"] {
            assert!(text.parse::<Frequency>().is_err(), "{text}");
        }
        assert_eq!("21 1/mm".parse::<Frequency>().unwrap().per_mm(), 21.0);
        assert_eq!("2\t1/mm".parse::<Frequency>().unwrap().per_mm(), 2.0);
        let pattern = |schema: Schema| schema.get("pattern").unwrap().as_str().unwrap().to_owned();
        assert!(pattern(Frequency::json_schema(&mut SchemaGenerator::default())).contains(r"?\s+(1/mm"));
        assert!(pattern(Length::json_schema(&mut SchemaGenerator::default())).contains(r"?\s*(mm"));
    }

    #[test]
    fn a_number_that_overflows_in_its_base_unit_is_refused() {
        for text in ["1e303 km", "-1e306 m"] {
            assert!(text.parse::<Length>().is_err(), "{text}");
        }
        assert!("1e300 GPa".parse::<Modulus>().is_err());
        assert!("1e308 mm".parse::<Length>().is_ok());
    }

    #[test]
    fn what_is_written_reads_back() {
        for mm in [1.0 / 3.0, 1e-12, 123_456.789] {
            assert_eq!(Length::new(mm).to_string().parse::<Length>().unwrap().mm(), mm);
        }
    }
}
