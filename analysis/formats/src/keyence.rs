//! Keyence `.vk4` (laser microscopes): a table of offsets, then measurement conditions, pictures, the light intensity
//! and the heights as whole numbers. Layout: facts/stitching.md 6.8; little-endian. The format marks no pixel as not
//! measured.

use ndarray::Array2;
use stitchbox_surface::{DetectorWindow, Instrument, SubAperture};

use crate::{FormatError, Gives, Limits, ReaderInfo, raster};

const FORMAT: &str = "Keyence .vk4";
const SIGNATURE: &[u8] = b"VK4_";
/// Offsets of the parts' offsets.
const CONDITIONS_AT: usize = 12;
const LIGHT_AT: usize = 24;
const HEIGHT_AT: usize = 36;
/// Within the conditions: lengths of a pixel along x and y and of one step of height, pm.
const X_LENGTH: usize = 168;
const Y_LENGTH: usize = 172;
const Z_LENGTH: usize = 176;
/// Seven words and a palette of 256 colours stand before the numbers of a picture.
const PICTURE_HEADER: usize = 28 + 768;
const MM_PER_PM: f64 = 1e-9;
const NM_PER_PM: f64 = 1e-3;

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "keyence",
    name: FORMAT,
    extensions: &["vk4"],
    mime: "application/x-keyence-vk4",
    versions: "heights of 16 or 32 bits, with the light intensity",
    gives: Gives::Map,
    writes: false,
};

/// Whether the bytes begin like such a file.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// Reads the heights and, where it fits them, the light.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<SubAperture, FormatError> {
    let conditions = word(bytes, CONDITIONS_AT)? as usize;
    let length = |at: usize| word(bytes, conditions.saturating_add(at)).map(f64::from);
    let nm = FormatError::check_factor("length of a step of height", length(Z_LENGTH)?)? * NM_PER_PM;
    let pixel = raster::pixel_mm(length(X_LENGTH)? * MM_PER_PM, length(Y_LENGTH)? * MM_PER_PM);

    let picture = Picture::at(bytes, HEIGHT_AT)?;
    raster::admit(picture.rows, picture.columns, picture.size as u64, picture.numbers.len() as u64, limits)?;
    let (rows, columns) = (picture.rows as usize, picture.columns as usize);
    let map = raster::fill(rows, columns, picture.values().map(|stored| Some(stored * nm)), pixel)?;
    // The light is welcome but nothing depends on it.
    let light = Picture::at(bytes, LIGHT_AT)
        .ok()
        .filter(|light| (light.rows, light.columns) == (picture.rows, picture.columns));
    let intensity = light.filter(|light| light.numbers.len() / light.size >= rows * columns).and_then(|light| {
        let counts: Vec<f32> = light.values().take(rows * columns).map(|count| count as f32).collect();
        Array2::from_shape_vec((rows, columns), counts).ok()
    });
    Ok(SubAperture {
        name: name.to_owned(),
        map,
        window: DetectorWindow { column: 0, row: 0 },
        position_mm: None,
        intensity,
        instrument: Instrument { format: FORMAT.to_owned(), ..Instrument::default() },
    })
}

/// Whole numbers row by row.
struct Picture<'a> {
    rows: u64,
    columns: u64,
    /// Bytes of a number, 2 or 4.
    size: usize,
    numbers: &'a [u8],
}

impl<'a> Picture<'a> {
    /// The picture whose offset stands at `pointer`: width, height, bits, compression, length, range, palette, numbers.
    fn at(bytes: &'a [u8], pointer: usize) -> Result<Self, FormatError> {
        let start = word(bytes, pointer)? as usize;
        if start == 0 {
            return Err(FormatError::malformed(FORMAT, "the table of parts", "names no heights"));
        }
        let field = |index: usize| word(bytes, start.saturating_add(4 * index));
        let (columns, rows) = (u64::from(field(0)?), u64::from(field(1)?));
        let size = match field(2)? {
            16 => 2,
            32 => 4,
            bits => return Err(FormatError::malformed(FORMAT, "a picture", format!("has numbers of {bits} bits"))),
        };
        if field(3)? != 0 {
            return Err(FormatError::unsupported(FORMAT, "compressed heights", "save it without compression"));
        }
        let numbers = bytes.get(start.saturating_add(PICTURE_HEADER)..).unwrap_or_default();
        Ok(Self { rows, columns, size, numbers })
    }

    fn values(&self) -> impl Iterator<Item = f64> + 'a {
        self.numbers.chunks_exact(self.size).map(|bytes| match *bytes {
            [a, b] => f64::from(u16::from_le_bytes([a, b])),
            [a, b, c, d] => f64::from(u32::from_le_bytes([a, b, c, d])),
            _ => 0.0,
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Result<u32, FormatError> {
    let found = bytes.len() as u64;
    let truncated = FormatError::Truncated { what: "a part of the file", needed: (at as u64).saturating_add(4), found };
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|word| u32::from_le_bytes(*word)).ok_or(truncated)
}
