//! Values that a recipe writes in a form of its own: file names, times, pixel sizes, places.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use stitchbox_surface::PixelSize;

use super::duration;

/// How long nothing must arrive: `"10 s"`, `"2 min"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet(pub Duration);

impl Serialize for Quiet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&duration::write(self.0))
    }
}

impl<'de> Deserialize<'de> for Quiet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        duration::read(&text).map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "\"{text}\" is not a time between 0 s and 7 d; write for example \"10 s\" or \"2 min\""
            ))
        })
    }
}

impl JsonSchema for Quiet {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "a time with its unit (ms, s, min, h, d), at most 7 d",
            "examples": ["10 s"],
            "x-units": ["ms", "s", "min", "h", "d"],
            "pattern": r"^\s*[0-9.]+\s*(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)\s*$",
        })
    }
}

/// The distance between neighbouring pixels: one number, or two where the pixels are not square. Millimetres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelMm(pub PixelSize);

impl Serialize for PixelMm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.0.x_mm, self.0.y_mm].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PixelMm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [x_mm, y_mm] = deserializer.deserialize_any(Numbers { single: true })?;
        let possible = |size: f64| (1e-6..=1e3).contains(&size);
        if !possible(x_mm) || !possible(y_mm) {
            return Err(de::Error::custom(format!(
                "a pixel of {x_mm} x {y_mm} mm cannot be; pixel_mm is the distance between pixels in millimetres"
            )));
        }
        Ok(Self(PixelSize { x_mm, y_mm }))
    }
}

impl JsonSchema for PixelMm {
    fn schema_name() -> Cow<'static, str> {
        "PixelMm".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let size = json_schema!({ "type": "number", "minimum": 1e-6, "maximum": 1e3 });
        json_schema!({
            "description": "one number, or [x, y], in mm",
            "examples": [0.026, [0.026, 0.03]],
            "oneOf": [size, { "type": "array", "items": size, "minItems": 2, "maxItems": 2 }],
        })
    }
}

/// A place on the mirror, `[x, y]` in mm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place(pub f64, pub f64);

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.0, self.1].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [x, y] = deserializer.deserialize_any(Numbers { single: false })?;
        Ok(Self(x, y))
    }
}

impl JsonSchema for Place {
    fn schema_name() -> Cow<'static, str> {
        "Place".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "description": "two numbers in mm, [x, y]",
            "examples": [[12.5, 0.0]],
            "items": { "type": "number" },
            "minItems": 2,
            "maxItems": 2,
        })
    }
}

/// Two finite numbers, or one for both.
struct Numbers {
    single: bool,
}

impl<'de> de::Visitor<'de> for Numbers {
    type Value = [f64; 2];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.single {
            "a number of mm, or two numbers, [x, y], such as [0.026, 0.03]"
        } else {
            "two numbers in mm, [x, y], such as [12.5, 0.0]"
        })
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<[f64; 2], E> {
        if self.single { Ok([value, value]) } else { Err(E::invalid_type(de::Unexpected::Float(value), &self)) }
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<[f64; 2], E> {
        self.visit_f64(value as f64)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<[f64; 2], A::Error> {
        let mut numbers = [f64::NAN; 2];
        for (i, number) in numbers.iter_mut().enumerate() {
            *number = list.next_element()?.ok_or_else(|| de::Error::invalid_length(i, &self))?;
        }
        let more: Option<f64> = list.next_element()?;
        if more.is_some() || numbers.iter().any(|n| !n.is_finite()) {
            return Err(de::Error::custom("must be two numbers in mm, [x, y], such as [12.5, 0.0]"));
        }
        Ok(numbers)
    }
}
