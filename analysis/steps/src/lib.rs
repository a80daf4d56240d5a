//! Steps on one map or profile: masks, fits, filters, spectra, statistics, comparisons.

mod error;
mod fourier;

pub use error::StepError;
