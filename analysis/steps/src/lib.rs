//! Steps on one map or profile: masks, fits, filters, spectra, statistics, comparisons.

mod error;
mod least_squares;

pub use error::StepError;
pub use least_squares::{Dependent, Solution, Triangle, solve_normal};
