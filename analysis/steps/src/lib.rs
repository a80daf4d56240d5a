//! Steps on one map or profile: masks, fits, filters, spectra, statistics, comparisons.

mod elimination;
mod error;
pub mod filter;
mod fourier;
mod frame;
pub mod geometry;

pub use error::StepError;
pub use frame::{Axes, Axis};
