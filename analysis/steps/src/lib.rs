//! Steps on one map or profile: masks, fits, filters, spectra, statistics, comparisons.

mod conic;
mod error;
mod extent;
mod fit;
mod least_squares;
mod levenberg;
mod mask;
mod polynomial;
mod quadric;

pub use conic::TwoFoci;
pub use error::StepError;
pub use fit::{Fit, Term};
pub use least_squares::{Dependent, Solution, Triangle, solve_normal};
pub use mask::{Keep, Mask, Region};
