//! What older stitching programs compute, so that users can compare a result with their history. Never the default.
//!
//! The methods are those of the interactive tool that many laboratories have used for years, computed anew from their
//! description (`shared/facts/stitching.md`, section 2): the plain mean, the progressive fit, and the network of pair
//! planes, with or without a reference extracted afterwards. They differ from [`stitchbox_stitch::stitch`] on purpose:
//! * positions are rounded to whole pixels;
//! * every pair of sub-apertures counts the same, however many pixels it shares (no weights);
//! * the reference, where one is extracted, is found from pair differences *after* the plane of each pair was taken
//!   off, while the correctors come from planes that still hold it: long waves of the map suffer;
//! * there is no uncertainty and no rejection of outliers.
//!
//! On the oracle's cases A, B, C, D and L, seed 7, all figures that were measured of the peer come out again to within their
//! rounding: see `examples/history.rs`.
//!
//! Frame and units are those of [`stitchbox_surface`]: heights nm, lengths mm, slopes nm/mm, x with the columns, y down
//! the rows. Correctors are *added* to the data, about the centre of the stitched map.
//!
//! The result is the same to the last bit for any number of threads.

mod average;
mod checked;
mod error;
mod extracted;
mod layout;
mod method;
mod network;
mod pair;
mod plane;
mod progressive;

pub use checked::{AddedCorrector, CrossChecked, cross_check};
pub use error::CrossCheckError;
pub use method::{Algorithm, Extraction, Method};
