//! Where a sub-aperture is taken to lie: as given, as refined, or as found by registration.

use crate::Placed;

/// Place of one sub-aperture: position of camera column 0, row 0, and rotation about the centre of the camera frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pose {
    pub x_mm: f64,
    pub y_mm: f64,
    /// rad, x towards y.
    pub rotation: f64,
}

impl Pose {
    /// As the series says.
    pub fn given(series: &[Placed]) -> Vec<Self> {
        series.iter().map(|p| Self { x_mm: p.x_mm, y_mm: p.y_mm, rotation: 0.0 }).collect()
    }
}
