//! Gwyddion's own files, `.gwy`: a tree of typed components; channel k is the data field `/k/data`. Read is the first
//! channel whose values are lengths. Not measured is NaN and what lies under the channel's mask (`/k/mask`): programs
//! that import maps with holes fill them and mark them so.

mod components;

use stitchbox_surface::{DetectorWindow, Instrument, SubAperture};

use crate::tables::length_mm;
use crate::{FormatError, Gives, Limits, ReaderInfo, raster};
use components::{Component, Components, Value};

const FORMAT: &str = "Gwyddion .gwy";
const SIGNATURE: &[u8] = b"GWYP";
const ROOT: &str = "GwyContainer";
const FIELD: &str = "GwyDataField";
const NM_PER_M: f64 = 1e9;
const MM_PER_M: f64 = 1e3;

/// For the reference page.
pub(crate) const INFO: ReaderInfo = ReaderInfo {
    id: "gwyddion",
    name: FORMAT,
    extensions: &["gwy"],
    mime: "application/x-gwyddion-spm",
    versions: "the first channel of heights, with its mask",
    gives: Gives::Map,
    writes: false,
};

/// Whether the bytes begin like such a file.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// Reads the first channel of heights.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<SubAperture, FormatError> {
    let behind = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    let (root, content) =
        components::object(behind).ok_or_else(|| FormatError::malformed(FORMAT, "the file", "is cut off"))?;
    if root != ROOT.as_bytes() {
        return Err(FormatError::malformed(FORMAT, "the file", "does not begin with a container"));
    }
    let mut channels: Vec<(u32, Field<'_>)> = Vec::new();
    for component in Components::of(content) {
        let Component { name, value } = component?;
        if let (Some(number), Value::Object(kind, content)) = (channel(name, "data"), value) {
            if kind == FIELD.as_bytes() {
                channels.push((number, Field::read(content)?));
            }
        }
    }
    channels.sort_by_key(|(number, _)| *number);
    let channel_of_heights = channels.iter().find(|(_, field)| field.z_unit == "m");
    let Some((number, field)) = channel_of_heights else {
        let units = channels.iter().map(|(_, field)| format!("'{}'", field.z_unit)).collect::<Vec<_>>().join(", ");
        let what = if units.is_empty() { "no channel".to_owned() } else { format!("channels in {units} only") };
        return Err(FormatError::unsupported(FORMAT, what, "save the channel with the heights, in metres"));
    };
    let mut mask = None;
    let mut title = None;
    for component in Components::of(content) {
        let Component { name, value } = component?;
        match value {
            Value::Object(kind, content) if kind == FIELD.as_bytes() && channel(name, "mask") == Some(*number) => {
                mask =
                    Some(Field::read(content)?).filter(|mask| (mask.rows, mask.columns) == (field.rows, field.columns));
            }
            Value::Text(text) if channel(name, "data/title") == Some(*number) => {
                title = Some(String::from_utf8_lossy(text).chars().take(200).collect::<String>());
            }
            _ => {}
        }
    }

    raster::admit(field.rows, field.columns, 8, field.numbers.len() as u64, limits)?;
    let masked = mask.iter().flat_map(|mask| mask.values()).map(|value| value > 0.0);
    let masked = masked.chain(std::iter::repeat(false));
    let heights =
        field.values().zip(masked).map(|(height, masked)| (height.is_finite() && !masked).then_some(height * NM_PER_M));
    let pixel = field.pixel_m().and_then(|(x, y)| raster::pixel_mm(x * MM_PER_M, y * MM_PER_M));
    Ok(SubAperture {
        name: name.to_owned(),
        map: raster::fill(field.rows as usize, field.columns as usize, heights, pixel)?,
        window: DetectorWindow { column: 0, row: 0 },
        position_mm: None,
        intensity: None,
        instrument: Instrument { format: FORMAT.to_owned(), comment: title, ..Instrument::default() },
    })
}

/// The number of a channel in `/7/data`.
fn channel(name: &[u8], what: &str) -> Option<u32> {
    let name = std::str::from_utf8(name).ok()?.strip_prefix('/')?;
    let (number, rest) = name.split_once('/')?;
    if rest == what { number.parse().ok() } else { None }
}

/// A data field: size, real size, units, numbers row by row.
struct Field<'a> {
    columns: u64,
    rows: u64,
    width: f64,
    height: f64,
    xy_unit: String,
    z_unit: String,
    numbers: &'a [u8],
}

impl<'a> Field<'a> {
    fn read(content: &'a [u8]) -> Result<Self, FormatError> {
        let (columns, rows, width, height) = (0, 0, 0.0, 0.0);
        let (xy_unit, z_unit) = (String::new(), String::new());
        let mut field = Self { columns, rows, width, height, xy_unit, z_unit, numbers: &[] };
        for component in Components::of(content) {
            let Component { name, value } = component?;
            match (name, value) {
                (b"xres", Value::Whole(count)) => field.columns = u64::try_from(count).unwrap_or(0),
                (b"yres", Value::Whole(count)) => field.rows = u64::try_from(count).unwrap_or(0),
                (b"xreal", Value::Real(length)) => field.width = length,
                (b"yreal", Value::Real(length)) => field.height = length,
                (b"si_unit_xy", Value::Object(_, unit)) => field.xy_unit = unit_text(unit)?,
                (b"si_unit_z", Value::Object(_, unit)) => field.z_unit = unit_text(unit)?,
                (b"data", Value::Reals(numbers)) => field.numbers = numbers,
                _ => {}
            }
        }
        Ok(field)
    }

    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.numbers.chunks_exact(8).filter_map(|chunk| chunk.first_chunk()).map(|chunk| f64::from_le_bytes(*chunk))
    }

    /// Sides of a pixel in metres, if the lateral unit is a length.
    fn pixel_m(&self) -> Option<(f64, f64)> {
        let metres = length_mm(&self.xy_unit)? / MM_PER_M;
        Some((self.width * metres / self.columns as f64, self.height * metres / self.rows as f64))
    }
}

fn unit_text(content: &[u8]) -> Result<String, FormatError> {
    for component in Components::of(content) {
        if let Component { name: b"unitstr", value: Value::Text(text) } = component? {
            return Ok(String::from_utf8_lossy(text).chars().take(40).collect());
        }
    }
    Ok(String::new())
}
