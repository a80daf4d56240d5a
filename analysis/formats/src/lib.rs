//! Readers for the files interferometers write, and a writer for the simulated ones.
//!
//! What a file *is* is decided by its content ([`sniff`]); [`read_sub_aperture`] turns its bytes into one
//! [`SubAperture`]. The layouts follow `shared/facts/stitching.md` section 6. This crate opens no file and knows no
//! series: bytes in, values out, so that a reader can be given anything and must survive it.
//!
//! * A header is never believed: every size it announces is checked against the bytes that are there *before*
//!   anything is allocated. MetroPro reading allocates at most three bytes for each byte of the file; a compressed
//!   `.datx` may unfold, but never beyond [`Limits`].
//! * Positions are given in the frame of the mirror: where the camera looks, `(-X-coord, -Y-coord)` of the stage.

mod content;
mod datx;
mod error;
mod limits;
mod metropro;
mod position;
mod raster;
mod sniff;
mod sur;
mod tables;

pub use content::Content;
pub use error::FormatError;
pub use limits::Limits;
pub use metropro::{
    IntensityBlock, MetroPro, MetroProHeader, PhaseWindow, Stage, WriteError, read_metropro, write_metropro,
};
pub use position::from_comment as position_in_comment;
pub use tables::TableError;
pub use sniff::{Format, SNIFF_BYTES, Sniff, sniff};

use stitchbox_surface::SubAperture;

/// Reads one sub-aperture from the whole content of a file.
///
/// `name` is carried into the result and serves nothing else: the format is recognised by the first bytes.
///
/// # Errors
/// [`FormatError`] says what is wrong with the content and what to do; it does not repeat the name.
pub fn read_sub_aperture(name: &str, bytes: &[u8], limits: &Limits) -> Result<SubAperture, FormatError> {
    let file_bytes = bytes.len() as u64;
    if file_bytes > limits.max_file_bytes {
        return Err(FormatError::FileTooLarge { bytes: file_bytes, limit: limits.max_file_bytes });
    }
    match sniff::signature(bytes) {
        Some(Format::MetroPro) => Ok(read_metropro(bytes, limits)?.into_sub_aperture(name)),
        Some(Format::Datx) => datx::read(name, bytes, limits),
        None if bytes.is_empty() => Err(FormatError::Empty),
        None => Err(FormatError::unknown_signature(bytes)),
    }
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Measurement {
    /// A height map.
    Map(SubAperture),
    /// Slopes along x and y, or along x alone.
    Slopes(stitchbox_surface::SlopeSubAperture),
    /// Heights or slopes along a line.
    Profile(stitchbox_surface::Profile),
}
