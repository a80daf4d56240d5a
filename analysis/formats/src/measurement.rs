//! From the bytes of a file to what it holds.

use stitchbox_surface::{Profile, SlopeSubAperture, SubAperture};

use crate::{Format, FormatError, Limits, datx, has, metropro, opd, slp, slp2, zygo_text};
use crate::{gwyddion, keyence, matlab, nexus, plain, sdf, sur, x3p};

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Measurement {
    /// A height map.
    Map(SubAperture),
    /// Slopes along x and y, or along x alone.
    Slopes(SlopeSubAperture),
    /// Heights or slopes along a line.
    Profile(Profile),
}

impl Measurement {
    /// What it is, for a sentence.
    fn holds(&self) -> &'static str {
        match self {
            Self::Map(_) => "a height map",
            Self::Slopes(_) => "slopes",
            Self::Profile(_) => "a profile",
        }
    }
}

/// Reads the whole content of a file of any known format, which is recognised by the content alone; `name` is carried
/// into the result and serves nothing else.
///
/// # Errors
/// [`FormatError`] says what is wrong with the content and what to do; it does not repeat the name.
pub fn read_measurement(name: &str, bytes: &[u8], limits: &Limits) -> Result<Measurement, FormatError> {
    let file_bytes = bytes.len() as u64;
    if file_bytes > limits.max_file_bytes {
        return Err(FormatError::FileTooLarge { bytes: file_bytes, limit: limits.max_file_bytes });
    }
    match Format::of(bytes) {
        Some(Format::MetroPro) => Ok(Measurement::Map(metropro::read(name, bytes, limits)?)),
        Some(Format::Datx) => read_hdf5(name, bytes, limits),
        Some(Format::Opd) => Ok(Measurement::Map(opd::read(name, bytes, limits)?)),
        Some(Format::ZygoXyz) => Ok(Measurement::Map(zygo_text::read_xyz(name, bytes, limits)?)),
        Some(Format::ZygoAscii) => Ok(Measurement::Map(zygo_text::read_ascii(name, bytes, limits)?)),
        Some(Format::Slp) => Ok(Measurement::Profile(slp::read(name, bytes, limits)?)),
        Some(Format::Slp2) => Ok(Measurement::Profile(slp2::read(name, bytes, limits)?)),
        Some(Format::Has) => Ok(Measurement::Slopes(has::read(name, bytes, limits)?)),
        Some(Format::Sur) => sur::read(name, bytes, limits),
        Some(Format::X3p) => x3p::read(name, bytes, limits),
        Some(Format::Sdf) => sdf::read(name, bytes, limits),
        Some(Format::Matlab) => matlab::read(name, bytes, limits),
        Some(Format::Gwyddion) => Ok(Measurement::Map(gwyddion::read(name, bytes, limits)?)),
        Some(Format::Keyence) => Ok(Measurement::Map(keyence::read(name, bytes, limits)?)),
        Some(Format::Csv | Format::Matrix | Format::XyzPoints) => plain::read(name, bytes, limits),
        Some(_) => Err(FormatError::unknown_signature(bytes)),
        None if bytes.is_empty() => Err(FormatError::Empty),
        None => Err(FormatError::unknown_signature(bytes)),
    }
}

/// An HDF5 file is Zygo's or else one of the others.
fn read_hdf5(name: &str, bytes: &[u8], limits: &Limits) -> Result<Measurement, FormatError> {
    match datx::read(name, bytes, limits) {
        Err(FormatError::NoSurface) => nexus::read(name, bytes, limits),
        zygo => Ok(Measurement::Map(zygo?)),
    }
}

/// Reads everything a file holds, at least one measurement: an HDF5 file of PyLOSt or MINT may be a whole series. Other
/// formats hold one, as [`read_measurement`] gives it.
///
/// # Errors
/// [`FormatError`], like [`read_measurement`].
pub fn read_measurements(name: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Measurement>, FormatError> {
    match read_measurement(name, bytes, limits) {
        Err(FormatError::Several { .. }) => nexus::read_all(name, bytes, limits),
        one => Ok(vec![one?]),
    }
}

/// Reads one height map, like [`read_measurement`].
///
/// # Errors
/// [`FormatError`]; [`FormatError::NotAMap`] if the file is sound but holds slopes or a profile.
pub fn read_sub_aperture(name: &str, bytes: &[u8], limits: &Limits) -> Result<SubAperture, FormatError> {
    match read_measurement(name, bytes, limits)? {
        Measurement::Map(map) => Ok(map),
        other => {
            let format = Format::of(bytes).map_or_else(String::new, |format| format.to_string());
            Err(FormatError::NotAMap { format, holds: other.holds() })
        }
    }
}
