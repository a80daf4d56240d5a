//! Readers for the files instruments write, and writers for some of them.
//!
//! What a file *is* is decided by its content; [`read_measurement`] turns its bytes into a height map, slopes or a
//! profile, [`read_sub_aperture`] accepts maps only. Which files of a folder form a series by themselves is a narrower
//! question, answered by [`sniff`]. The layouts follow `shared/facts/stitching.md` section 6. This crate opens no file
//! and knows no series: bytes in, values out, so that a reader can be given anything and must survive it.
//!
//! * A header is never believed: every size it announces is checked against the bytes that are there *before*
//!   anything is allocated. Reading allocates a small multiple of the file's length; a compressed file may unfold, but
//!   never beyond [`Limits`].
//! * Positions are given in the frame of the mirror: where the camera looks, `(-X-coord, -Y-coord)` of the stage.

mod content;
mod dabam;
mod datx;
mod diamond;
mod error;
mod export_error;
mod format;
mod gwyddion;
mod has;
mod head;
mod intensity;
mod keyence;
mod limits;
mod matlab;
mod measurement;
mod metropro;
mod nexus;
mod opd;
mod plain;
mod position;
mod raster;
mod sdf;
mod slp;
mod slp2;
mod sniff;
mod sur;
mod tables;
mod text;
mod x3p;
mod zygo_text;

pub use content::Content;
pub use dabam::{DabamFiles, read_dabam, write_dabam};
pub use diamond::{DiamondStep, diamond_table_of, read_diamond_steps};
pub use error::FormatError;
pub use export_error::ExportError;
pub use format::{Format, Gives, ReaderInfo, readers};
pub use head::{HEAD_BYTES, Head, read_head};
pub use limits::Limits;
pub use matlab::{MatlabArray, read_matlab};
pub use measurement::{Measurement, read_measurement, read_measurements, read_sub_aperture};
pub use metropro::{
    IntensityBlock, MetroPro, MetroProHeader, PhaseWindow, Stage, WriteError, read_metropro, write_metropro,
    write_metropro_with_intensity,
};
pub use nexus::{
    NexusArray, NexusRecord, make_scalar_strings, read_nexus_arrays, read_uncertainty, write_nexus_map,
    write_nexus_profile,
};
pub use plain::{write_csv_map, write_csv_profile, write_xyz};
pub use position::from_comment as position_in_comment;
pub use slp::{SlpHeader, SlpWriteError, write_slp};
pub use sniff::{SNIFF_BYTES, Sniff, sniff};
pub use tables::TableError;
pub use x3p::{X3pRecord, write_x3p};
