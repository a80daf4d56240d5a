//! Simulated mirrors with a known truth: series of sub-apertures as an interferometer would write them, and the score
//! of a stitched map against that truth, with the best score that the noise allows.
//!
//! Every sub-aperture k is `truth(v + Y_k, u + X_k) + reference(v, u) + piston + pitch x + roll y + noise`, heights in
//! nm, lengths in mm, with u, v the columns and rows of the detector and x, y mm from its centre. The definitions are
//! those of `shared/stitching/gen_synth.py`; the random numbers are our own (ChaCha8), the same on every machine for
//! one seed: transcendental functions come from `libm` and the Fourier transform is written here.

mod case;
mod fourier;
mod fractal;
mod limit;
mod measure;
pub mod npy;
mod part;
mod random;
pub mod score;
mod series;
mod surfaces;

pub use case::{Case, UnknownCase};
pub use limit::{LimitError, limit_nm, placed};
pub use measure::{Simulated, noise_only, simulate};
pub use series::write_series;

/// What is to be simulated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Geometry and disturbances.
    pub case: Case,
    /// Seed of all random numbers; the same seed gives the same series.
    pub seed: u64,
    /// Standard deviation of the pixel noise, nm.
    pub sigma_nm: f64,
}

impl Default for Parameters {
    /// The small case with 0.5 nm of noise, seed 7.
    fn default() -> Self {
        Self { case: Case::S, seed: 7, sigma_nm: 0.5 }
    }
}
