//! What is added to every sub-aperture besides its own terms: maps that stand still in the camera, each times a factor
//! of the sub-aperture, and a correction of the data for places between whole pixels.

/// Maps fixed in the camera. Map 0 is the reference, with the factor 1 for every sub-aperture; further ones (retrace, drift)
/// are unknown in the same way. Their heights stand one map behind the other, each row-major, nm.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Additive {
    maps: usize,
    /// Factors of one sub-aperture after the other, one for each map.
    factors: Vec<f64>,
}

impl Additive {
    /// The reference alone.
    pub fn reference(sub_apertures: usize) -> Self {
        Self { maps: 1, factors: vec![1.0; sub_apertures] }
    }

    /// And one more map, with a factor for each sub-aperture.
    pub fn with(&self, factors: &[f64]) -> Self {
        let rows = self.factors.chunks_exact(self.maps).zip(factors);
        let factors = rows.flat_map(|(own, more)| own.iter().chain(std::iter::once(more)).copied()).collect();
        Self { maps: self.maps + 1, factors }
    }

    /// Number of maps, at least one.
    pub fn maps(&self) -> usize {
        self.maps
    }

    /// Factors of sub-aperture `k`, one for each map.
    pub fn of(&self, k: usize) -> &[f64] {
        &self.factors[k * self.maps..(k + 1) * self.maps]
    }
}

/// Correction of the data for places that are not whole pixels: sub-aperture k reads the map at
/// `p + (fx, fy) + rotation x (p - centre of its camera frame)`, to first order `map(p) + d . gradient(p)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Shift {
    /// Gradient of the map along x and along y, nm per px, of the map's shape, row-major.
    pub gx: Vec<f32>,
    pub gy: Vec<f32>,
    /// `fx`, `fy` (px) and the rotation (rad, x towards y) of every sub-aperture.
    pub of: Vec<[f64; 3]>,
}
