//! Height maps and what can be said about one of them without stitching.
//!
//! This crate is the floor of `analysis/`: plain arrays with units in their names. It knows no files, no
//! series, no threads, no users.
//!
//! * Heights are in **nanometres**, lateral lengths in **millimetres**, slopes in nm/mm (= microradian).
//! * Arrays are `[row, column]`: x runs with the columns, y down the stored rows; nothing is flipped.
//! * Invalid pixels are marked in a mask. Their height is `0.0` and means nothing; NaN does not occur.

mod file_name;
mod map;
mod profile;
pub mod quantity;
mod slopes;
mod statistics;
mod sub_aperture;

pub use file_name::{FileName, NotAFileName};
pub use map::{HeightMap, PixelSize, ShapeMismatch};
pub use profile::{NotAProfile, Profile, ProfileKind};
pub use slopes::SlopeSubAperture;
pub use statistics::{Statistics, fit_plane, statistics};
pub use sub_aperture::{DetectorWindow, Instrument, SubAperture};
