//! Filters that respect masks: an invalid pixel takes part in nothing and spreads nowhere.

mod gaussian;
mod median;
mod smooth;
mod threshold;

pub use gaussian::{EndEffect, Gaussian};
pub use median::{Hampel, HampelAction, Median};
pub use threshold::Threshold;

pub(crate) use median::median;
