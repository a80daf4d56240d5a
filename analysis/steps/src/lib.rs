//! Steps on one map or profile: masks, fits, filters, spectra, statistics, comparisons.

mod circle;
mod conic;
mod conic_fit;
mod error;
mod extent;
mod fit;
mod least_squares;
mod levenberg;
mod mask;
mod polynomial;
mod quadric;
mod quadric_fit;
mod remove;
mod surface_term;
mod zernike;

pub use conic::TwoFoci;
pub use conic_fit::{Beam, Conic, ConicTerm};
pub use error::StepError;
pub use fit::{Fit, Term};
pub use least_squares::{Dependent, Solution, Triangle, solve_normal};
pub use mask::{Keep, Mask, Region};
pub use remove::{Legendre, Polynomial, Remove, Removed, Shape};
pub use surface_term::SurfaceTerm;
pub use zernike::{Pupil, Zernike, ZernikeOrder};
