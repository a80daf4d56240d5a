//! Steps on one map or profile: masks, fits, filters, spectra, statistics, comparisons.

mod differentiate;
mod elimination;
mod error;
pub mod extract;
pub mod filter;
mod fourier;
mod frame;
pub mod geometry;
pub mod integrate;
mod lagrange;
pub mod psd;
mod slope_maps;

pub use differentiate::{Differentiate, SlopeEdges};
pub use error::StepError;
pub use frame::{Axes, Axis};
pub use slope_maps::SlopeMaps;
