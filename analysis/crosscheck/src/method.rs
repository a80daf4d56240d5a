//! Which older method is computed, and with which of its settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The older methods, by what they do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// Each sub-aperture has its mean taken off (see `zero_mean`); the map is the mean. The peer's `simple_avg`.
    SimpleAverage,
    /// Each sub-aperture is fitted (piston, pitch, roll) to the mean of those before it; later sweeps fit all of them
    /// to the map of the sweep before. The peer's `progressive_stitch`.
    Progressive,
    /// A plane is fitted to the difference of every pair with overlap enough; the correctors are the least-squares
    /// solution of these planes, each pair counting the same. The peer's `matrix_overlaperr` and `global_optimize`,
    /// which solve the same equations in two ways.
    #[default]
    PairPlanes,
}

/// Whether a reference is extracted after the pair planes were fitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Extraction {
    /// No reference.
    #[default]
    None,
    /// One value for every camera pixel, from the differences of the pairs without their planes. The peer's "extract
    /// reference (full)" of `global_optimize`.
    Full,
}

/// An older stitching method with its settings. The defaults are the peer's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Method {
    /// What is computed. Default `pair-planes`.
    pub algorithm: Algorithm,
    /// Pair planes only: a pair counts if its common valid area is at least this part of the smaller of the two valid
    /// areas. A number above 0, at most 1. Default 0.6. Smaller values use more pairs and make the map *worse*, for a
    /// narrow overlap counts as much as a wide one.
    pub min_overlap: f64,
    /// Pair planes only: every common pixel counts as one equation, so that wide overlaps count more than narrow ones. The
    /// peer's `cor_all_pixels`, solved to the end. Default false.
    pub all_pixels: bool,
    /// Pair planes only: extract a reference afterwards, or not. Default `none`.
    pub reference: Extraction,
    /// Only with a reference: differences farther from their pair's plane than so many standard deviations of that pair
    /// are left out of the extraction. A number above 0; nothing is left out by default.
    pub reference_cut: Option<f64>,
    /// Progressive only: sweeps at most, 1 to 1000. It ends earlier when the summed residual grows. Default 5.
    #[schemars(range(min = 1, max = 1000))]
    pub sweeps: u32,
    /// Simple average only: take the mean off every sub-aperture first. Default true.
    pub zero_mean: bool,
    /// Take the least-squares plane off the finished map. Default true.
    pub remove_plane: bool,
}

impl Default for Method {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            min_overlap: 0.6,
            all_pixels: false,
            reference: Extraction::None,
            reference_cut: None,
            sweeps: 5,
            zero_mean: true,
            remove_plane: true,
        }
    }
}
