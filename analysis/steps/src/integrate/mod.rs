//! Slopes to heights: along a line, and by least squares over a map.

mod edges;
mod islands;
mod poisson;
mod profile;
mod surface;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use islands::Islands;
pub use profile::{IntegrateProfile, Zero};
pub use surface::{IntegrateSlopes, Integrated};

/// How slopes between two points are imagined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// As the cubic through the two points and one more on either side (where there is one): fourth order.
    #[default]
    Cubic,
    /// As a straight line (trapezoids): second order.
    Linear,
}
