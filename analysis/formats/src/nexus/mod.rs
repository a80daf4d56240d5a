//! HDF5 files of heights or slopes other than Zygo's, told apart by what is in them:
//!
//! * NeXus NXdata with a signal and axes: our own `height.h5`, and whatever follows the convention ([`nxdata`]);
//! * PyLOSt's files: datasets of class `MetrologyData` ([`pylost`]);
//! * SOLEIL's MINT: wavefronts below NXscan ([`mint`]);
//! * OASYS and SHADOW: `surface_file/{X,Y,Z}` ([`shadow`]).
//!
//! One file may hold several sub-apertures.

mod mint;
mod numbers;
mod nxdata;
mod pylost;
mod scalar_strings;
mod shadow;
mod tree;
mod writer;

pub use scalar_strings::make_scalar as make_scalar_strings;
pub use writer::{NexusRecord, write_nexus_map, write_nexus_profile};

use std::cell::Cell;

use hdf5_reader::Hdf5File;
use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, SubAperture};

use crate::{Format, FormatError, Gives, Limits, Measurement, ReaderInfo, datx};

const FORMAT: &str = "HDF5";

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "nexus",
    name: "NeXus and other HDF5",
    extensions: &["h5", "hdf5", "nxs"],
    mime: "application/x-hdf5",
    versions: "NXdata (our own height.h5), PyLOSt, SOLEIL MINT, OASYS/SHADOW surface_file",
    gives: Gives::Map,
    writes: true,
};

/// Reads everything the file holds, at least one measurement.
pub(crate) fn read_all(name: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Measurement>, FormatError> {
    let file = datx::open(bytes, limits)?;
    let source = Source::new(name, &file, bytes.len(), limits);
    if let Some(map) = shadow::read(&source)? {
        return Ok(vec![map]);
    }
    let wavefronts = mint::read(&source)?;
    if !wavefronts.is_empty() {
        return Ok(wavefronts);
    }
    let items = pylost::read(&source)?;
    if !items.is_empty() {
        return Ok(items);
    }
    match nxdata::read(&source)? {
        Some(measurement) => Ok(vec![measurement]),
        None => Err(FormatError::NoSurface),
    }
}

/// Reads the only measurement of the file.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Measurement, FormatError> {
    let mut all = read_all(name, bytes, limits)?;
    match (all.pop(), all.len()) {
        (Some(measurement), 0) => Ok(measurement),
        (_, others) => Err(FormatError::Several { count: others + 1 }),
    }
}

/// The map of standard uncertainties (nm) that stands beside the heights of a NeXus file such as our own `height.h5`; `None`
/// where there is none, or the file is of another kind.
///
/// # Errors
/// [`FormatError`] where the file names one that cannot be read.
pub fn read_uncertainty(bytes: &[u8], limits: &Limits) -> Result<Option<HeightMap>, FormatError> {
    if Format::of(bytes) != Some(Format::Datx) && Format::of(bytes) != Some(Format::Nexus) {
        return Ok(None);
    }
    let file = datx::open(bytes, limits)?;
    nxdata::uncertainty(&Source::new("", &file, bytes.len(), limits))
}

/// A two-dimensional dataset as it stands in the file: no unit is converted and no value left out.
#[derive(Debug, Clone, PartialEq)]
pub struct NexusArray {
    /// Rows and columns.
    pub shape: (usize, usize),
    /// The attribute `units`; empty if there is none.
    pub unit: String,
    /// The values row by row, NaN where the file has NaN.
    pub values: Vec<f64>,
}

/// Datasets of the default NXdata of a NeXus file, in the order asked for; `None` for one that is not there or has not two
/// dimensions.
///
/// # Errors
/// [`FormatError`] where the file or one of the datasets cannot be read within the limits.
pub fn read_nexus_arrays(
    bytes: &[u8],
    names: &[&str],
    limits: &Limits,
) -> Result<Vec<Option<NexusArray>>, FormatError> {
    if Format::of(bytes) != Some(Format::Datx) && Format::of(bytes) != Some(Format::Nexus) {
        return Err(FormatError::NoSurface);
    }
    let file = datx::open(bytes, limits)?;
    let mut source = Source::new("", &file, bytes.len(), limits);
    // The arrays of one result are all of its size.
    *source.room.get_mut() = source.room.get().saturating_mul(names.len());
    nxdata::arrays(&source, names)
}

/// An open file and what its parts need to know.
struct Source<'a> {
    name: &'a str,
    file: &'a Hdf5File,
    /// Length of the file, which bounds what it can hold.
    bytes: usize,
    limits: &'a Limits,
    /// Values that may still be read.
    room: Cell<usize>,
    /// Members of groups listed so far.
    listed: Cell<usize>,
}

impl<'a> Source<'a> {
    fn new(name: &'a str, file: &'a Hdf5File, bytes: usize, limits: &'a Limits) -> Self {
        // What a file holds in all may exceed one map, but not what so many bytes can stand for: links let a small file
        // show the same large map a thousand times.
        let room = Cell::new(limits.max_pixels.max(bytes));
        Self { name, file, bytes, limits, room, listed: Cell::new(0) }
    }
}

/// A map with its place.
fn sub_aperture(name: String, map: HeightMap, position_mm: Option<(f64, f64)>, format: &str) -> SubAperture {
    SubAperture {
        name,
        map,
        window: DetectorWindow { column: 0, row: 0 },
        position_mm,
        intensity: None,
        instrument: Instrument { format: format.to_owned(), ..Instrument::default() },
    }
}
