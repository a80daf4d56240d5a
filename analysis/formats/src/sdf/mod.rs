//! SDF, the surface data file of ISO 25178-71: a header, the heights in metres per `Zscale`, a trailer. As text
//! (`aISO-1.0`) or binary (`bISO-1.0`), in the editions 1.0 and 2.0 of the standard and in its forerunner BCR-1.0.
//!
//! What was not measured is `BAD` in a text; in binary NaN, or the least number of a whole-number type (ISO) or the
//! greatest (BCR). The first profile is row 0 as stored.

mod ascii;
mod binary;

use stitchbox_surface::{DetectorWindow, Instrument, Profile, ProfileKind, SubAperture};

use crate::{FormatError, Gives, Limits, Measurement, ReaderInfo, TableError, raster};

const FORMAT: &str = "SDF (ISO 25178-71)";
const NM_PER_M: f64 = 1e9;
const MM_PER_M: f64 = 1e3;
const SIGNATURE: usize = 8;

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "sdf",
    name: FORMAT,
    extensions: &["sdf"],
    mime: "application/x-sdf",
    versions: "text and binary; ISO-1.0, ISO-2.0, BCR-1.0, NIST-1.0; all data types, no compression",
    gives: Gives::Map,
    writes: false,
};

/// What the signature says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Variant {
    binary: bool,
    /// BCR-1.0: the greatest whole number marks what was not measured.
    bcr: bool,
    /// Edition 2.0: shape in words of 32 bits.
    second_edition: bool,
}

impl Variant {
    fn of(bytes: &[u8]) -> Option<Self> {
        let (kind, edition) = bytes.get(..SIGNATURE)?.split_first()?;
        let binary = match kind {
            b'a' => false,
            b'b' => true,
            _ => return None,
        };
        let (bcr, second_edition) = match edition {
            b"ISO-1.0" | b"NIST-1." => (false, false),
            b"ISO-2.0" => (false, true),
            b"BCR-1.0" => (true, false),
            _ => return None,
        };
        Some(Self { binary, bcr, second_edition })
    }
}

/// Whether the bytes begin like such a file.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    Variant::of(bytes).is_some()
}

/// How a height is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataType {
    U8,
    U16,
    U32,
    F32,
    I8,
    I16,
    I32,
    F64,
}

impl DataType {
    fn of(code: i64) -> Result<Self, FormatError> {
        Ok(match code {
            0 => Self::U8,
            1 => Self::U16,
            2 => Self::U32,
            3 => Self::F32,
            4 => Self::I8,
            5 => Self::I16,
            6 => Self::I32,
            7 => Self::F64,
            _ => return Err(FormatError::malformed(FORMAT, "DataType", format!("is {code} instead of 0 to 7"))),
        })
    }
}

/// What the header says.
#[derive(Debug, Clone, PartialEq)]
struct Header {
    manufacturer: String,
    columns: u64,
    rows: u64,
    x_scale_m: f64,
    y_scale_m: f64,
    z_scale_m: f64,
    data_type: DataType,
}

impl Header {
    /// Refuses what cannot be turned into heights.
    fn check(self, compression: i64, check_type: i64) -> Result<Self, FormatError> {
        const CURE: &str = "save the file again without compression and check sums";
        if compression != 0 {
            return Err(FormatError::unsupported(
                FORMAT,
                format!("compressed heights (Compression = {compression})"),
                CURE,
            ));
        }
        if check_type != 0 {
            return Err(FormatError::unsupported(
                FORMAT,
                format!("sums among the heights (CheckType = {check_type})"),
                CURE,
            ));
        }
        FormatError::check_factor("Zscale", self.z_scale_m)?;
        Ok(self)
    }
}

/// Reads the surface, or the profile if there is only one.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Measurement, FormatError> {
    let variant = Variant::of(bytes).ok_or_else(|| FormatError::unknown_signature(bytes))?;
    let (header, heights) =
        if variant.binary { binary::read(variant, bytes, limits)? } else { ascii::read(variant, bytes, limits)? };
    let nm = header.z_scale_m * NM_PER_M;
    let heights = heights.into_iter().map(|stored| stored.is_finite().then_some(stored * nm));
    let instrument = Instrument {
        format: FORMAT.to_owned(),
        comment: (!header.manufacturer.is_empty()).then_some(header.manufacturer),
        ..Instrument::default()
    };
    if header.rows == 1 {
        let step = FormatError::check_factor("Xscale", header.x_scale_m)? * MM_PER_M;
        let (x, values): (Vec<f64>, Vec<f64>) =
            heights.enumerate().filter_map(|(i, height)| height.map(|height| (i as f64 * step, height))).unzip();
        let profile = Profile::new(&x, &values, ProfileKind::HeightNm).map_err(TableError::from)?;
        return Ok(Measurement::Profile(Profile { name: name.to_owned(), instrument, ..profile }));
    }
    let pixel = raster::pixel_mm(header.x_scale_m * MM_PER_M, header.y_scale_m * MM_PER_M);
    let map = raster::fill(header.rows as usize, header.columns as usize, heights, pixel)?;
    Ok(Measurement::Map(SubAperture {
        name: name.to_owned(),
        map,
        window: DetectorWindow { column: 0, row: 0 },
        position_mm: None,
        intensity: None,
        instrument,
    }))
}
