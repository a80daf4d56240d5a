//! Changes of the frame of a map: turned, cut, coarser, finer, moved, with its holes filled.

mod bin;
mod crop;
mod cubic;
mod fill;
mod flip;
mod resample;
mod resample_profile;
mod rotate;
mod shift;

pub use bin::{Bin, BinBy};
pub use crop::Crop;
pub use fill::{Fill, FillBy};
pub use flip::Flip;
pub use resample::Resample;
pub use resample_profile::ResampleProfile;
pub use rotate::Rotate;
pub use shift::Shift;

pub(crate) use cubic::{at_point, cubic_weights};
