//! Steps on one map or profile: masks, fits, filters, spectra, statistics, comparisons.

mod arithmetic;
mod circle;
mod conic;
mod conic_fit;
mod detrend;
mod error;
mod extent;
mod fit;
mod gravity;
mod least_squares;
mod levenberg;
mod mask;
mod polynomial;
mod profile_statistics;
mod quadric;
mod quadric_fit;
mod remove;
mod statistics;
mod surface_term;
mod zernike;

pub use arithmetic::{Add, Average, Averaged, Multiply, Subtract};
pub use conic::TwoFoci;
pub use conic_fit::{Beam, Conic, ConicTerm};
pub use detrend::{ProfileShape, RemoveFromProfile, RemovedFromProfile};
pub use error::StepError;
pub use fit::{Fit, Term};
pub use gravity::{Axis, Facing, Gravity, GravityAction};
pub use least_squares::{Dependent, Solution, Triangle, solve_normal};
pub use mask::{Keep, Mask, Region};
pub use profile_statistics::ProfileStatistics;
pub use remove::{Legendre, Legendre1d, Polynomial, Remove, Removed, Shape};
pub use statistics::{MapStatistics, SlopeStatistics, Statistics};
pub use surface_term::SurfaceTerm;
pub use zernike::{Pupil, Zernike, ZernikeOrder};
