//! What can be wrong with the content of a measurement file, said to the person who put it there.

/// Why a file could not be read. The sentences do not name the file: the caller knows it and puts it in front.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Nothing arrived.
    #[error("the file is empty; copy it again from the instrument")]
    Empty,
    /// The first bytes are of no known format.
    #[error(
        "the file begins with {found}, which is the beginning of no format that can be read here: it is damaged or of \
         another kind; copy it again from the instrument or move it out of the series"
    )]
    UnknownSignature {
        /// The first bytes in hexadecimal.
        found: String,
    },
    /// The file is sound but holds something else than a height map.
    #[error("the file is {format} and holds {holds}, but a height map is needed here; use it in a step for {holds}")]
    NotAMap {
        /// Name of the format.
        format: String,
        /// What it holds.
        holds: &'static str,
    },
    /// A text or a table of the file is not as the format wants it.
    #[error("the file is {format}, but {place} {problem}; copy it again from the instrument or export it again")]
    Malformed {
        /// Name of the format.
        format: &'static str,
        /// Where: `line 7`.
        place: String,
        /// What is wrong there: `has 2 numbers instead of 3`.
        problem: String,
    },
    /// The file ends before a part of it does.
    #[error(
        "the file is truncated: {what} needs {needed} bytes but only {found} are there; copy it again from the instrument"
    )]
    Truncated {
        /// The part.
        what: &'static str,
        /// Bytes it needs.
        needed: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The file is larger than the reader may look at.
    #[error("the file has {bytes} bytes but at most {limit} are read; raise the limit or export a smaller map")]
    FileTooLarge {
        /// Size of the file, bytes.
        bytes: u64,
        /// The limit, bytes.
        limit: u64,
    },
    /// The map is larger than the reader may hold.
    #[error("the map has {columns} x {rows} heights but at most {limit} are accepted; raise the limit or bin the map")]
    MapTooLarge {
        /// Columns announced.
        columns: u64,
        /// Rows announced.
        rows: u64,
        /// The limit, pixels.
        limit: usize,
    },
    /// The file ends within its header.
    #[error(
        "the file is truncated: its header alone needs {needed} bytes but the file has {found}; copy it again from the \
         instrument"
    )]
    HeaderTruncated {
        /// Bytes the header needs.
        needed: u64,
        /// Bytes the file has.
        found: u64,
    },
    /// The header announces a size for itself that cannot be.
    #[error(
        "the header announces a header size of {announced} bytes, which is less than the {least} bytes of the smallest \
         MetroPro header; the file is damaged, copy it again from the instrument"
    )]
    HeaderSize {
        /// Size announced, bytes.
        announced: i64,
        /// The smallest genuine header, bytes.
        least: u64,
    },
    /// The file ends within its heights.
    #[error(
        "the file is truncated: the header announces {columns} x {rows} heights ({needed} bytes) but only {found} bytes \
         follow; copy it again from the instrument"
    )]
    HeightsTruncated {
        /// Columns announced.
        columns: u64,
        /// Rows announced.
        rows: u64,
        /// Bytes the heights need.
        needed: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The file ends within the intensity frames that precede the heights.
    #[error(
        "the file is truncated: the header announces {announced} bytes of intensity before the heights but only {found} \
         bytes follow the header; copy it again from the instrument"
    )]
    IntensityTruncated {
        /// Bytes announced.
        announced: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The header announces a negative intensity block.
    #[error(
        "the header announces an intensity block of {columns} x {rows} pixels, {frames} frames and {bytes} bytes, which \
         cannot be; the file is damaged, copy it again from the instrument"
    )]
    IntensitySize {
        /// Columns announced.
        columns: i64,
        /// Rows announced.
        rows: i64,
        /// Frames announced.
        frames: i64,
        /// Bytes announced.
        bytes: i64,
    },
    /// Two statements of the header exclude each other.
    #[error(
        "the header contradicts itself: {what} should take {expected} bytes but it announces {announced}; the file is \
         damaged, copy it again from the instrument"
    )]
    Contradiction {
        /// What the sizes are of.
        what: &'static str,
        /// Bytes that follow from rows and columns.
        expected: u64,
        /// Bytes announced.
        announced: i64,
    },
    /// There is no height in the file: zero or negative rows or columns.
    #[error(
        "the file holds no heights: it announces {columns} x {rows}; it may be an intensity picture, save the height map \
         instead"
    )]
    NoHeights {
        /// Columns announced.
        columns: i64,
        /// Rows announced.
        rows: i64,
    },
    /// A factor that turns stored numbers into heights is zero, negative or not a number.
    #[error(
        "the {which} is {value}, so the stored numbers cannot be turned into heights; correct it in the instrument's \
         software and save the file again"
    )]
    ScaleFactor {
        /// Name of the factor.
        which: &'static str,
        /// Its value as stored.
        value: f64,
    },
    /// A factor that turns stored numbers into heights is missing.
    #[error(
        "the heights are stored in fringes but the file does not tell the {which}; save the map again in nanometres or \
         with its acquisition settings"
    )]
    ScaleFactorMissing {
        /// Name of the factor.
        which: &'static str,
    },
    /// The phase resolution code is not one of 0, 1, 2.
    #[error(
        "the phase resolution code is {code}, but only 0 (normal), 1 (high) and 2 (super) are known; the file is damaged \
         or newer than this reader"
    )]
    PhaseResolution {
        /// The code found.
        code: i16,
    },
    /// The HDF5 structure could not be read.
    #[error("the HDF5 file cannot be read while {doing}: {source}; copy it again from the instrument")]
    Hdf5 {
        /// What the reader was about to do.
        doing: &'static str,
        /// What the HDF5 reader said.
        source: Box<hdf5_reader::error::Error>,
    },
    /// The heights are compressed in a way that is not supported.
    #[error(
        "the heights are compressed with a filter that cannot be decoded here ({filter}); open the file in Mx and save it \
         without compression, or as MetroPro .dat"
    )]
    Compression {
        /// What the HDF5 reader said about the filter.
        filter: String,
    },
    /// There is no height map in the HDF5 file.
    #[error(
        "the HDF5 file holds no Zygo height map (no Surface in its MetaData and none in /Data/Surface), no NXdata with a \
         signal and nothing of PyLOSt, MINT or SHADOW; save the map with its surface data"
    )]
    NoSurface,
    /// There are several height maps and nothing says which one is meant.
    #[error(
        "the HDF5 file holds {count} height maps and does not say which is meant; open it in the instrument's software and \
         save each measurement in a file of its own"
    )]
    SeveralSurfaces {
        /// How many there are.
        count: usize,
    },
    /// The dataset is not a matrix.
    #[error(
        "the height data has {dimensions} dimensions instead of rows and columns; save the map as a single surface"
    )]
    NotAMatrix {
        /// How many dimensions it has.
        dimensions: usize,
    },
    /// The dataset holds something that is no height.
    #[error("the heights are stored as {found}, which cannot be turned into heights; save the map in nanometres")]
    NotNumbers {
        /// Name of the kind of data.
        found: &'static str,
    },
    /// The file does not say in which unit the heights are, or in one that is not known.
    #[error(
        "the unit of the heights is '{unit}', which is not known here; save the map in fringes, nanometres or another \
         unit of length"
    )]
    Unit {
        /// The unit found; empty where the file has none.
        unit: String,
    },
    /// A text is no table of numbers, or one whose meaning is not told.
    #[error(transparent)]
    Table(#[from] crate::TableError),
    /// The file is sound but uses something of its format that is not read here.
    #[error("the file is {format} with {what}, which is not read here; {cure}")]
    Unsupported {
        /// Name of the format.
        format: &'static str,
        /// What it has.
        what: String,
        /// What to do instead.
        cure: &'static str,
    },
    /// The file is a whole series.
    #[error(
        "the HDF5 file holds {count} measurements where one is wanted; read it as a series or save them one by one"
    )]
    Several {
        /// How many there are.
        count: usize,
    },
    /// The space for the heights could not be had.
    #[error("there is not enough memory for a map of {columns} x {rows} heights; free some or bin the map")]
    OutOfMemory {
        /// Columns of the map.
        columns: u64,
        /// Rows of the map.
        rows: u64,
    },
}

impl FormatError {
    /// The error for a place in a file, said in words.
    pub(crate) fn malformed(format: &'static str, place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Malformed { format, place: place.into(), problem: problem.into() }
    }

    /// The error for a part of a format that is not read here, with what to do instead.
    pub(crate) fn unsupported(format: &'static str, what: impl Into<String>, cure: &'static str) -> Self {
        Self::Unsupported { format, what: what.into(), cure }
    }

    /// The error for bytes that begin with no known signature.
    pub(crate) fn unknown_signature(bytes: &[u8]) -> Self {
        let found = bytes.iter().take(4).map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
        Self::UnknownSignature { found }
    }

    /// Refuses a factor that is zero, negative, infinite or NaN.
    pub(crate) fn check_factor(which: &'static str, value: f64) -> Result<f64, Self> {
        if value.is_finite() && value > 0.0 { Ok(value) } else { Err(Self::ScaleFactor { which, value }) }
    }
}
