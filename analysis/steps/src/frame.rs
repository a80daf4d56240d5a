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

/// The pixel size of a map, where it is known and positive.
pub(crate) fn pixel_size(map: &HeightMap, step: &'static str) -> Result<PixelSize, StepError> {
    positive(map.pixel().ok_or(StepError::NoPixelSize { step })?, step)
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
    step: &'static str,
    parameter: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    why: &'static str,
) -> Result<f64, StepError> {
    if range.contains(&value) { Ok(value) } else { Err(parameter_error(step, parameter, value, why)) }
}

/// The error for a number that has no meaning.
pub(crate) fn parameter_error(step: &'static str, parameter: &'static str, value: f64, why: &'static str) -> StepError {
    StepError::Parameter { step, parameter, value: value.to_string(), why }
}

/// Two shapes that must be one.
pub(crate) fn same_shape(step: &'static str, first: (usize, usize), second: (usize, usize)) -> Result<(), StepError> {
    if first == second {
        return Ok(());
    }
    Err(StepError::Shapes { step, first: [first.0, first.1], second: [second.0, second.1] })
}
