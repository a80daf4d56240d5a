//! Profiles taken out of a map, with their uncertainty where that of the map is known.

mod band;
mod line;
mod section;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::Profile;

pub use line::Line;
pub use section::Section;

/// How the errors of pixels that are averaged go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Errors {
    /// Independent (noise): the uncertainty of a mean of n equal pixels is smaller by the square root of n.
    #[default]
    Independent,
    /// Common to all of them (the correctors' and the reference's part): the mean is no better than one pixel.
    Common,
}

/// A profile taken out of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Extracted {
    /// Heights, nm, at positions that the step tells, mm; places without enough valid pixels are missing.
    pub profile: Profile,
    /// Standard uncertainty of each height, nm, where an uncertainty map was given.
    pub uncertainty_nm: Option<Vec<f64>>,
    /// How many values were averaged for each height.
    pub counts: Vec<usize>,
}
