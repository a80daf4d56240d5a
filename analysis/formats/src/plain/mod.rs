//! Texts of numbers that need no program to be read: a matrix of heights, points x y z, or the columns of a profile.
//!
//! Which of the three a text is follows from its first row of numbers and the words above it: two columns are a
//! profile, three are points unless the words name a matrix or a profile, four and more are a matrix. Units are taken
//! from the words. A matrix or points without any are taken for the house units (heights in nm, x and y in mm), and
//! [`Instrument::format`] says so; a profile without any is refused, for heights and slopes cannot be told apart.

mod grid;
mod labels;
mod profile;
mod writer;

pub use writer::{write_csv_map, write_csv_profile, write_xyz};

use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, SubAperture};

use crate::tables::{Table, columns, decode, length_mm, length_nm};
use crate::{Format, FormatError, Gives, Limits, Measurement, ReaderInfo, TableError, raster};
use labels::Labels;

/// For the reference page.
pub(crate) const CSV: ReaderInfo = ReaderInfo {
    id: "csv",
    name: "columns of numbers (csv)",
    extensions: &["csv", "txt"],
    mime: "text/csv",
    versions: "profiles x, height or slope, uncertainty; matrices separated by comma or semicolon",
    gives: Gives::Profile,
    writes: true,
};

/// For the reference page.
pub(crate) const MATRIX: ReaderInfo = ReaderInfo {
    id: "matrix",
    name: "matrix of heights as text",
    extensions: &["txt", "asc", "dat"],
    mime: "text/plain",
    versions: "Gwyddion (several languages, decimal comma), SPIP, plain",
    gives: Gives::Map,
    writes: false,
};

/// For the reference page.
pub(crate) const XYZ: ReaderInfo = ReaderInfo {
    id: "xyz",
    name: "points x y z as text",
    extensions: &["xyz", "txt"],
    mime: "text/plain",
    versions: "any order, on a regular grid, nodes may be missing",
    gives: Gives::Map,
    writes: true,
};

/// Bytes at the beginning of a text that decide what it is.
const LOOKED_AT: usize = 64 << 10;

/// What kind of table a text is; `None` if it is no text or holds no row of at least two numbers.
pub(crate) fn kind(bytes: &[u8]) -> Option<Format> {
    let head = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    let control = |b: &u8| *b < 0x20 && !matches!(*b, b'\t' | b'\n' | b'\r' | 0x0C | 0x1A) || *b == 0x7F;
    if head.is_empty() || head.iter().any(control) {
        return None;
    }
    // The last line may be cut; a character cut in two would make Latin-1 of UTF-8, which harms no number.
    let whole = if bytes.len() > LOOKED_AT { head.rsplitn(2, |b| *b == b'\n').last() } else { Some(head) };
    let text = decode(whole?);
    let table = Table::read(&text, &Limits::default()).ok()?;
    let labels = Labels::of(&table.header);
    Some(match table.columns {
        0 | 1 if labels.columns.is_none() => return None,
        2 if !labels.name_a_matrix() => Format::Csv,
        3 if profile::names(&table).is_some() => Format::Csv,
        3 if !labels.name_a_matrix() => Format::XyzPoints,
        _ if table.separated => Format::Csv,
        _ => Format::Matrix,
    })
}

/// Reads the table.
pub(crate) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Measurement, FormatError> {
    let text = decode(bytes);
    let table = Table::read(&text, limits)?;
    let labels = Labels::of(&table.header);
    match table.columns {
        2 if !labels.name_a_matrix() => profile::read(name, &table).map(Measurement::Profile),
        3 if profile::names(&table).is_some() => profile::read(name, &table).map(Measurement::Profile),
        3 if !labels.name_a_matrix() => points(name, &table, limits).map(Measurement::Map),
        _ => matrix(name, &table, &labels, limits).map(Measurement::Map),
    }
}

/// Three columns as points of a regular grid.
fn points(name: &str, table: &Table<'_>, limits: &Limits) -> Result<SubAperture, FormatError> {
    let named = table.header.iter().rev().find_map(|line| columns(line, 3));
    let unit = |at: usize| named.as_ref().and_then(|names| names.get(at)).map_or("", |column| column.unit.as_str());
    let told = (0..3).any(|at| !unit(at).is_empty());
    let factor = |at: usize, what, of: fn(&str) -> Option<f64>| match unit(at) {
        "" => Ok(1.0),
        unit => of(unit).ok_or_else(|| TableError::Unit { what, unit: unit.to_owned() }),
    };
    let (x, y) = (factor(0, "x column", length_mm)?, factor(1, "y column", length_mm)?);
    let z = factor(2, "height column", length_nm)?;
    let map = grid::map(
        table.values.chunks_exact(3).filter_map(|row| {
            let &[px, py, pz] = row else { return None };
            Some([px * x, py * y, pz * z])
        }),
        limits,
    )?;
    let format = if told { "xyz points" } else { "xyz points (no units given: mm and nm assumed)" };
    Ok(sub_aperture(name, map, format))
}

/// The whole table as heights.
fn matrix(name: &str, table: &Table<'_>, labels: &Labels, limits: &Limits) -> Result<SubAperture, FormatError> {
    let (rows, columns) = (table.rows(), table.columns);
    raster::admit(rows as u64, columns as u64, 1, u64::MAX, limits)?;
    let (announced_rows, announced_columns) =
        (labels.rows.unwrap_or(rows as u64), labels.columns.unwrap_or(columns as u64));
    if (announced_rows, announced_columns) != (rows as u64, columns as u64) {
        return Err(TableError::Shape { announced_columns, announced_rows, columns, rows }.into());
    }
    let scale = labels.nm_per_unit()?;
    let heights = table.values.iter().map(|v| v.is_finite().then_some(v * scale.unwrap_or(1.0)));
    let map = raster::fill(rows, columns, heights, labels.pixel(rows, columns))?;
    let format = if scale.is_some() { "text matrix" } else { "text matrix (no unit given: nm assumed)" };
    Ok(sub_aperture(name, map, format))
}

fn sub_aperture(name: &str, map: HeightMap, format: &str) -> SubAperture {
    SubAperture {
        name: name.to_owned(),
        map,
        window: DetectorWindow { column: 0, row: 0 },
        position_mm: None,
        intensity: None,
        instrument: Instrument { format: format.to_owned(), ..Instrument::default() },
    }
}
