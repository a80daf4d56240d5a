//! Veeco, Wyko and Bruker Vision `.opd`: a directory of named blocks, little-endian, and the blocks one behind the other.
//!
//! `height[nm] = stored * Wavelength` for floats and `stored / Mult * Wavelength` for integers. Heights are stored column
//! by column (`[x][y]`) and turned here into `[row, column]`; nothing is flipped, although other readers show y upwards
//! (their row 0 is our last). Rows and columns without any height,
//! which stitched Vision maps have, stay in the map with their mask, so that pixels keep their places.

mod directory;

use ndarray::Array2;
use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, PixelSize, SubAperture};

use crate::{FormatError, Gives, Limits, ReaderInfo, position};
use directory::{Block, Directory};

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "opd",
    name: "Wyko .opd",
    extensions: &["opd"],
    mime: "application/x-wyko-opd",
    versions: "Vision 32 and Vision 64, float and integer heights",
    gives: Gives::Map,
    writes: false,
};

/// The first bytes of every file: a two-byte signature and the name of the first entry.
pub(crate) const HEAD: &[u8] = b"\x01\x00Directory\0";

/// Names of the block of heights; the first in the directory counts.
const HEIGHTS: [&str; 4] = ["RAW_DATA", "Raw", "RAW DATA", "OPD"];
/// Floats from here up are pixels without a height.
const INVALID_FLOAT: f32 = 1e38;
/// Integers from here up are pixels without a height.
const INVALID_INTEGER: i16 = 32766;
const NAME: &str = "Wyko .opd";

/// Whether the bytes begin like an `.opd` file.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    bytes.get(2..HEAD.len()) == HEAD.get(2..)
}

/// Reads an `.opd` file as a sub-aperture.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<SubAperture, FormatError> {
    let directory = Directory::new(bytes)?;
    let block = directory.find(|block| block.is_array() && HEIGHTS.contains(&block.name.as_str()));
    let block = block.ok_or_else(|| FormatError::malformed(NAME, "its directory", "names no block of heights"))?;
    let stored = Stored::of(&block, &directory, limits)?;
    let wavelength_nm = factor(&directory, "Wavelength")?;
    let nm_per_unit = match stored.element {
        Element::Float => wavelength_nm,
        Element::Integer => wavelength_nm / factor(&directory, "Mult")?,
    };
    let (heights, valid) = stored.heights(nm_per_unit)?;
    let map = HeightMap::new(heights, valid, pixel_size(&directory)).map_err(|_| stored.empty())?;

    let text = |name| directory.text(name).filter(|text| !text.is_empty());
    let stage_mm = stage_position(&directory);
    Ok(SubAperture {
        name: name.to_owned(),
        intensity: image(&directory, stored.rows, stored.columns),
        map,
        window: DetectorWindow { column: 0, row: 0 },
        position_mm: stage_mm,
        instrument: Instrument {
            format: NAME.to_owned(),
            wavelength_nm: Some(wavelength_nm),
            scale_factor: None,
            acquired_unix: None,
            comment: text("Note"),
            objective: text("ObjectiveLabel"),
            part: text("Title"),
            stage_mm,
        },
    })
}

/// A positive number that the heights cannot do without.
fn factor(directory: &Directory<'_>, name: &'static str) -> Result<f64, FormatError> {
    let value = directory.number(name);
    let value = value.ok_or_else(|| FormatError::malformed(NAME, "its directory", format!("names no {name}")))?;
    FormatError::check_factor(name, value)
}

/// x from the pixel size, y by the aspect (1 where the file does not tell it); anything not positive means "not
/// calibrated".
fn pixel_size(directory: &Directory<'_>) -> Option<PixelSize> {
    let positive = |value: &f64| value.is_finite() && *value > 0.0;
    let x_mm = directory.number("Pixel_size").filter(positive)?;
    let y_mm = Some(x_mm * directory.number("Aspect").unwrap_or(1.0)).filter(positive)?;
    Some(PixelSize { x_mm, y_mm })
}

/// Position from the stage (inches), with the sign turned as for MetroPro.
fn stage_position(directory: &Directory<'_>) -> Option<(f64, f64)> {
    let (x, y) = (directory.number("StageX"), directory.number("StageY"));
    (x.is_some() || y.is_some()).then(|| position::from_stage_inches(x.unwrap_or(0.0), y.unwrap_or(0.0))).flatten()
}

/// The camera image, where it has the shape of the heights.
fn image(directory: &Directory<'_>, rows: usize, columns: usize) -> Option<Array2<f32>> {
    let block = directory.find(|block| block.is_array() && block.name == "Image")?;
    let array = block.array()?;
    if (array.x, array.y, array.element_bytes) != (columns, rows, 1) {
        return None;
    }
    let counts = array.values.get(..rows * columns)?;
    transposed(rows, columns, |at| counts.get(at).map_or(0.0, |count| f32::from(*count)))
}

/// `[x][y]` as `[row, column]`.
fn transposed<T>(rows: usize, columns: usize, value: impl Fn(usize) -> T) -> Option<Array2<T>> {
    let mut all = Vec::new();
    all.try_reserve_exact(rows.checked_mul(columns)?).ok()?;
    for row in 0..rows {
        all.extend((0..columns).map(|column| value(column * rows + row)));
    }
    Array2::from_shape_vec((rows, columns), all).ok()
}

/// How a height is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Float,
    Integer,
}

/// The heights as they are stored, their length checked.
struct Stored<'b> {
    rows: usize,
    columns: usize,
    element: Element,
    values: &'b [u8],
}

impl<'b> Stored<'b> {
    fn of(block: &Block<'b>, directory: &Directory<'b>, limits: &Limits) -> Result<Self, FormatError> {
        let found = directory.available(block);
        let needed = block.length;
        let truncated = || FormatError::Truncated { what: "the block of heights", needed, found };
        let array = block.array().ok_or_else(truncated)?;
        let element = match array.element_bytes {
            4 => Element::Float,
            2 => Element::Integer,
            other => {
                let problem = format!("has heights of {other} bytes, but only 2 (integer) and 4 (float) are known");
                return Err(FormatError::malformed(NAME, format!("the block {}", block.name), problem));
            }
        };
        let (rows, columns) = (array.y as u64, array.x as u64);
        if rows == 0 || columns == 0 {
            return Err(FormatError::NoHeights { columns: columns as i64, rows: rows as i64 });
        }
        let too_large = FormatError::MapTooLarge { columns, rows, limit: limits.max_pixels };
        let pixels = limits.admit(rows, columns).ok_or(too_large)?;
        let needed = pixels as u64 * array.element_bytes as u64;
        let found = array.values.len() as u64;
        let truncated = FormatError::HeightsTruncated { columns, rows, needed, found };
        let values = array.values.get(..needed as usize).ok_or(truncated)?;
        Ok(Self { rows: array.y, columns: array.x, element, values })
    }

    fn heights(&self, nm_per_unit: f64) -> Result<(Array2<f64>, Array2<bool>), FormatError> {
        let stored = |at: usize| match self.element {
            Element::Float => {
                let value = self.values.as_chunks::<4>().0.get(at).map(|b| f32::from_le_bytes(*b))?;
                (value.is_finite() && value < INVALID_FLOAT).then(|| f64::from(value))
            }
            Element::Integer => {
                let value = self.values.as_chunks::<2>().0.get(at).map(|b| i16::from_le_bytes(*b))?;
                (value < INVALID_INTEGER).then(|| f64::from(value))
            }
        };
        let (rows, columns) = (self.rows as u64, self.columns as u64);
        let out_of_memory = || FormatError::OutOfMemory { columns, rows };
        let height = |at| stored(at).map_or(0.0, |value| value * nm_per_unit);
        let heights = transposed(self.rows, self.columns, height).ok_or_else(out_of_memory)?;
        let valid = transposed(self.rows, self.columns, |at| stored(at).is_some()).ok_or_else(out_of_memory)?;
        Ok((heights, valid))
    }

    fn empty(&self) -> FormatError {
        FormatError::NoHeights { columns: self.columns as i64, rows: self.rows as i64 }
    }
}
