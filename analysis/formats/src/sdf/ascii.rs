//! The text variant: `Name = value` lines up to `*`, numbers separated by white space up to `*`, a trailer.

use super::{DataType, FORMAT, Header, Variant};
use crate::tables::decode;
use crate::{FormatError, Limits, raster};

/// A number takes a digit and a space.
const LEAST_BYTES: u64 = 2;
/// Longest header, lines.
const MAX_LINES: usize = 100;

/// Header and heights in units of `Zscale`, NaN where not measured.
pub(super) fn read(variant: Variant, bytes: &[u8], limits: &Limits) -> Result<(Header, Vec<f64>), FormatError> {
    let text = decode(bytes);
    let header_end = text.find('*').ok_or_else(|| FormatError::malformed(FORMAT, "the header", "has no end (*)"))?;
    let (head, rest) = text.split_at_checked(header_end).unwrap_or((&text, ""));
    let body = rest.get(1..).unwrap_or_default();
    let header = header(head)?;
    // One byte more, for the last number needs no space behind it.
    let pixels = raster::admit(header.rows, header.columns, LEAST_BYTES, body.len() as u64 + 1, limits)?;

    let mut heights = Vec::new();
    let out_of_memory = |_| FormatError::OutOfMemory { columns: header.columns, rows: header.rows };
    heights.try_reserve_exact(pixels).map_err(out_of_memory)?;
    let numbers = body.split('*').next().unwrap_or_default();
    for token in numbers.split([' ', '\t', '\r', '\n', ',']).filter(|token| !token.is_empty()).take(pixels) {
        heights.push(number(variant, header.data_type, token).ok_or_else(|| {
            let shown: String = token.chars().take(24).collect();
            FormatError::malformed(
                FORMAT,
                format!("height {}", heights.len() + 1),
                format!("is \"{shown}\", no number"),
            )
        })?);
    }
    if heights.len() < pixels {
        let problem = format!("are {} instead of {} x {}", heights.len(), header.columns, header.rows);
        return Err(FormatError::malformed(FORMAT, "the heights", problem));
    }
    Ok((header, heights))
}

fn number(variant: Variant, data_type: DataType, token: &str) -> Option<f64> {
    if token.eq_ignore_ascii_case("bad") || token.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    let value: f64 = token.parse().ok().filter(|value: &f64| value.is_finite())?;
    let greatest = match data_type {
        DataType::U8 => 255.0,
        DataType::U16 => 65_535.0,
        DataType::U32 => 4_294_967_295.0,
        DataType::I8 => 127.0,
        DataType::I16 => 32_767.0,
        DataType::I32 => 2_147_483_647.0,
        DataType::F32 | DataType::F64 => return Some(value),
    };
    // BCR files, the text ones as well, use the greatest number of the type.
    Some(if variant.bcr && value == greatest { f64::NAN } else { value })
}

fn header(head: &str) -> Result<Header, FormatError> {
    let field = |name: &str| {
        let fields = head.lines().take(MAX_LINES).filter_map(|line| line.split_once('='));
        let mut fields = fields.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        fields.next().map(|(_, value)| value.trim())
    };
    let missing =
        |name: &str| FormatError::malformed(FORMAT, format!("the header field {name}"), "is missing or no number");
    let count = |name: &str| field(name).and_then(|value| value.parse::<u64>().ok()).ok_or_else(|| missing(name));
    let number = |name: &str| {
        field(name).and_then(|value| value.parse::<f64>().ok()).filter(|v| v.is_finite()).ok_or_else(|| missing(name))
    };
    let code = |name: &str| field(name).map_or(Ok(0), |value| value.parse::<i64>().map_err(|_| missing(name)));
    let data_type =
        DataType::of(field("DataType").map_or(Ok(7), |value| value.parse().map_err(|_| missing("DataType")))?)?;
    Header {
        manufacturer: field("ManufacID").unwrap_or_default().chars().take(80).collect(),
        columns: count("NumPoints")?,
        rows: count("NumProfiles")?,
        x_scale_m: number("Xscale")?,
        y_scale_m: number("Yscale").or_else(|error| if count("NumProfiles")? == 1 { Ok(0.0) } else { Err(error) })?,
        z_scale_m: number("Zscale")?,
        data_type,
    }
    .check(code("Compression")?, code("CheckType")?)
}
