//! What all steps share about the frame of a map: its axes and its pixel size.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::{HeightMap, PixelSize};

use crate::StepError;

/// One direction of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// Along the rows, with growing column.
    #[default]
    X,
    /// Down the rows.
    Y,
}

/// One direction of a map, or both of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Axes {
    /// Along the rows only.
    X,
    /// Down the rows only.
    Y,
    /// Both.
    #[default]
    Both,
}

impl Axes {
    /// Whether x is among them.
    pub(crate) fn along_x(self) -> bool {
        self != Self::Y
    }

    /// Whether y is among them.
    pub(crate) fn along_y(self) -> bool {
        self != Self::X
    }
}

/// The pixel size of a map, where it is known and positive.
pub(crate) fn pixel_size(map: &HeightMap, step: &'static str) -> Result<PixelSize, StepError> {
    positive(map.pixel().ok_or(StepError::PixelSizeUnknown { step })?, step)
}

/// The same pixel size, where it is positive.
pub(crate) fn positive(pixel: PixelSize, step: &'static str) -> Result<PixelSize, StepError> {
    if [pixel.x_mm, pixel.y_mm].iter().all(|size| size.is_finite() && *size > 0.0) {
        Ok(pixel)
    } else {
        Err(StepError::PixelSizeNotPositive { step, x_mm: pixel.x_mm, y_mm: pixel.y_mm })
    }
}

/// A parameter that must lie in a closed range.
pub(crate) fn within(
    parameter: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    allowed: &'static str,
) -> Result<f64, StepError> {
    if range.contains(&value) { Ok(value) } else { Err(StepError::ParameterOutOfRange { parameter, value, allowed }) }
}

/// Two shapes that must be one.
pub(crate) fn same_shape(what: &'static str, found: (usize, usize), expected: (usize, usize)) -> Result<(), StepError> {
    if found == expected {
        return Ok(());
    }
    Err(StepError::OtherShape { what, found: [found.0, found.1], expected: [expected.0, expected.1] })
}

/// A map of heights and mask that have one shape by construction.
pub(crate) fn joined(
    heights: ndarray::Array2<f64>,
    valid: ndarray::Array2<bool>,
    pixel: Option<PixelSize>,
) -> Result<HeightMap, StepError> {
    HeightMap::new(heights, valid, pixel).map_err(|e| StepError::OtherShape {
        what: "the mask",
        found: e.valid,
        expected: e.heights,
    })
}
