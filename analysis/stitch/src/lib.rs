//! Stitching: from placed sub-apertures to one map, by global weighted least squares over all overlapping pixels.

mod error;
mod options;
mod stitched;

pub use error::StitchError;
pub use options::{Options, Placed, Progress, Reference, Terms};
pub use stitched::{Corrector, NonObservable, Stitched, Warning};

/// Stitches a series.
pub fn stitch(series: &[Placed], options: &Options, progress: &dyn Progress) -> Result<Stitched, StitchError> {
    let _ = (options, progress);
    Err(StitchError::TooFew { count: series.len() })
}
