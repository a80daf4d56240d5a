//! What the text formats share: characters, numbers in the dialects people export, tables, and units of columns.

mod columns;
mod dialect;
mod table;
mod units;

pub(crate) use columns::columns;
pub(crate) use table::Table;
pub(crate) use units::{length_mm, length_nm, slope_urad, split_quantity};

use std::borrow::Cow;

use crate::text;

/// The characters of a text file, without a byte order mark: UTF-8, or else Latin-1.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    text::decode(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes))
}

/// What keeps a text from being a table of numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// Not one line of numbers.
    #[error("the text holds no line of numbers; export the measurement as columns or as a matrix of numbers")]
    NoNumbers,
    /// Something between the numbers is no number.
    #[error(
        "line {line} of the text holds \"{found}\" where a number should be; remove the line or begin it with #, and \
         write decimals with a point or, throughout the file, with a comma"
    )]
    NotANumber {
        /// Line in the file, from 1.
        line: usize,
        /// What stands there, shortened.
        found: String,
    },
    /// The rows differ in length.
    #[error("line {line} of the text has {found} numbers but the first row has {expected}; export the table again")]
    Ragged {
        /// Line in the file, from 1.
        line: usize,
        /// Numbers in this line.
        found: usize,
        /// Numbers in the first row.
        expected: usize,
    },
    /// The header announces another shape.
    #[error(
        "the header of the text announces {announced_columns} x {announced_rows} heights but {columns} x {rows} follow; \
         the file is incomplete, export it again"
    )]
    Shape {
        /// Columns announced.
        announced_columns: u64,
        /// Rows announced.
        announced_rows: u64,
        /// Columns found.
        columns: usize,
        /// Rows found.
        rows: usize,
    },
    /// A unit that is neither known nor harmless.
    #[error(
        "the unit \"{unit}\" of the {what} is not known here; use m, mm, um, nm or pm for lengths and rad, mrad, urad, \
         nrad or arcsec for slopes"
    )]
    Unit {
        /// What it is the unit of.
        what: &'static str,
        /// The unit found.
        unit: String,
    },
    /// Two or three columns and no word about what they are.
    #[error(
        "the text has two columns but does not say what they are; write a header line such as x_mm,height_nm or \
         x_mm,slope_urad above them"
    )]
    UnknownColumns,
    /// Points that lie on no regular grid.
    #[error(
        "the {points} points lie on no regular grid of columns and rows ({why}); export the map on the grid of the camera"
    )]
    NoGrid {
        /// How many points there are.
        points: usize,
        /// What speaks against a grid.
        why: &'static str,
    },
    /// The points of a profile make no profile.
    #[error("the columns make no profile: {0}; export the trace again")]
    NotAProfile(#[from] stitchbox_surface::NotAProfile),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_are_read() {
        assert_eq!(decode("\u{feff}12 µm".as_bytes()), "12 µm");
        assert_eq!(decode(b"12 \xB5m"), "12 µm");
    }
}
