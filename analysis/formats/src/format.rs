//! The formats that can be read: which there are, what each gives, and how its content is recognised.

use crate::sniff::{HDF5_SIGNATURE, METROPRO_SIGNATURES};
use crate::{dabam, gwyddion, keyence, matlab, nexus, plain, sdf, sur, x3p};
use crate::{datx, has, metropro, opd, slp, slp2, zygo_text};

/// File formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Zygo MetroPro binary, usually `.dat`.
    MetroPro,
    /// Zygo Mx, an HDF5 file, usually `.datx`. By its first bytes any HDF5 file is taken for one.
    Datx,
    /// Veeco, Wyko and Bruker Vision `.opd`.
    Opd,
    /// ESRF long trace profiler, `.slp`.
    Slp,
    /// ESRF long trace profiler, second generation, `.slp2`.
    Slp2,
    /// Imagine Optic HASO and SHARPeR, `.has`.
    Has,
    /// Digital Surf `.sur`.
    Sur,
    /// ISO 25178-72, `.x3p`.
    X3p,
    /// ISO 25178-71, `.sdf`.
    Sdf,
    /// HDF5 as NeXus: our own, PyLOSt's, SOLEIL MINT's.
    Nexus,
    /// Zygo text, "XYZ Data File - Format 1", `.xyz`.
    ZygoXyz,
    /// Zygo text, "ASCII Data File - Format 2", `.asc` or `.ascii`.
    ZygoAscii,
    /// DABAM: columns of numbers with their description beside them.
    Dabam,
    /// A matrix of heights as text.
    Matrix,
    /// Points x, y, z as text.
    XyzPoints,
    /// Columns separated by comma or semicolon.
    Csv,
    /// MATLAB `.mat` of version 5.
    Matlab,
    /// Gwyddion's own `.gwy`.
    Gwyddion,
    /// Keyence `.vk4`.
    Keyence,
}

/// What a file of a format holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gives {
    /// A height map.
    Map,
    /// Slopes along x and y.
    Slopes,
    /// Heights or slopes along a line.
    Profile,
}

/// A format as the reference page and the API tell it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ReaderInfo {
    /// Word for programs: `metropro`.
    pub id: &'static str,
    /// Name for people: `MetroPro .dat`.
    pub name: &'static str,
    /// Usual endings of the name, lower case, without the dot. They decide nothing.
    pub extensions: &'static [&'static str],
    /// Media type.
    pub mime: &'static str,
    /// Versions and variants that are read.
    pub versions: &'static str,
    /// What a file holds.
    pub gives: Gives,
    /// Whether the format can be written, too.
    pub writes: bool,
}

/// Recognises a format by the content: the whole of it, or at least its first [`crate::SNIFF_BYTES`].
type Recognises = fn(&[u8]) -> bool;

/// In this order: signatures first, then texts, the strictest first.
const RECOGNISED: &[(Format, Recognises)] = &[
    (Format::MetroPro, |bytes| METROPRO_SIGNATURES.iter().any(|s| bytes.starts_with(s))),
    (Format::Datx, |bytes| bytes.starts_with(&HDF5_SIGNATURE)),
    (Format::Opd, opd::recognises),
    (Format::Sur, sur::recognises),
    (Format::X3p, x3p::recognises),
    (Format::Sdf, sdf::recognises),
    (Format::Matlab, matlab::recognises),
    (Format::Gwyddion, gwyddion::recognises),
    (Format::Keyence, keyence::recognises),
    (Format::ZygoXyz, zygo_text::recognises_xyz),
    (Format::ZygoAscii, zygo_text::recognises_ascii),
    (Format::Has, has::recognises),
    (Format::Slp2, slp2::recognises),
    (Format::Slp, slp::recognises),
    (Format::Csv, |bytes| plain::kind(bytes) == Some(Format::Csv)),
    (Format::XyzPoints, |bytes| plain::kind(bytes) == Some(Format::XyzPoints)),
    (Format::Matrix, |bytes| plain::kind(bytes) == Some(Format::Matrix)),
];

/// All formats, the most usual first.
const READERS: &[ReaderInfo] = &[
    metropro::INFO, //
    datx::INFO,
    opd::INFO,
    zygo_text::XYZ_INFO,
    zygo_text::ASCII_INFO,
    slp::INFO,
    slp2::INFO,
    has::INFO,
    sur::INFO,
    x3p::INFO,
    sdf::INFO,
    nexus::INFO,
    dabam::INFO,
    matlab::INFO,
    gwyddion::INFO,
    keyence::INFO,
    plain::CSV,
    plain::MATRIX,
    plain::XYZ,
];

/// All formats that can be read, for the reference page and the API.
#[must_use]
pub fn readers() -> &'static [ReaderInfo] {
    READERS
}

impl Format {
    /// The formats that form series (see [`Format::forms_series`]).
    pub(crate) const OF_SERIES: [Self; 7] =
        [Self::MetroPro, Self::Datx, Self::Opd, Self::Sur, Self::X3p, Self::ZygoXyz, Self::ZygoAscii];

    /// The format of a whole file, by its content alone. HDF5 files of other kinds count as [`Format::Datx`].
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        RECOGNISED.iter().find(|(_, recognises)| recognises(bytes)).map(|(format, _)| *format)
    }

    /// Whether a file of this format that appears in a folder belongs to a series without anybody saying so: maps as
    /// instruments write them, which their first bytes tell from everything else. Profiles, tables and texts of numbers
    /// do not; they are read where a recipe names them.
    #[must_use]
    pub fn forms_series(self) -> bool {
        Self::OF_SERIES.contains(&self)
    }

    /// Word for programs: `metropro`.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::MetroPro => "metropro",
            Self::Datx => "datx",
            Self::Opd => "opd",
            Self::Slp => "slp",
            Self::Slp2 => "slp2",
            Self::Has => "has",
            Self::Sur => "sur",
            Self::X3p => "x3p",
            Self::Sdf => "sdf",
            Self::Nexus => "nexus",
            Self::ZygoXyz => "zygo-xyz",
            Self::ZygoAscii => "zygo-ascii",
            Self::Dabam => "dabam",
            Self::Matrix => "matrix",
            Self::XyzPoints => "xyz",
            Self::Csv => "csv",
            Self::Matlab => "matlab",
            Self::Gwyddion => "gwyddion",
            Self::Keyence => "keyence",
        }
    }

    /// Bytes that begin every file of a format of series, for [`crate::Content`].
    pub(crate) fn head(self) -> &'static [u8] {
        match self {
            Self::MetroPro => &METROPRO_SIGNATURES[0],
            Self::Datx => &HDF5_SIGNATURE,
            Self::Opd => opd::HEAD,
            Self::ZygoXyz => zygo_text::XYZ_HEAD,
            Self::ZygoAscii => zygo_text::ASCII_HEAD,
            Self::Sur => sur::SIGNATURE,
            Self::X3p => x3p::SIGNATURE,
            _ => b"text",
        }
    }
}

impl std::fmt::Display for Format {
    /// The name for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let info = READERS.iter().find(|info| info.id == self.id());
        f.write_str(info.map_or(self.id(), |info| info.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reader_has_its_own_word_and_every_recognised_format_a_reader() {
        for (i, info) in readers().iter().enumerate() {
            assert!(readers().iter().skip(i + 1).all(|other| other.id != info.id && other.name != info.name));
            assert!(info.extensions.iter().all(|e| !e.starts_with('.') && e.to_ascii_lowercase() == **e), "{info:?}");
        }
        for (format, _) in RECOGNISED {
            assert!(readers().iter().any(|info| info.id == format.id()), "{format:?}");
            assert!(!format.forms_series() || Format::of(format.head()) == Some(*format), "{format:?}");
        }
    }
}
