//! The heights of an X3P file: linked binary numbers or listed texts, x fastest, with the mask of valid points.

use super::{FORMAT, NM_PER_M, archive::Archive, check_sum, document::Document};
use crate::{FormatError, Limits, raster};

/// Heights in nm in the order of the file; `None` was not measured.
pub(super) fn read(
    archive: &Archive<'_>,
    document: &Document,
    rows: u64,
    columns: u64,
    limits: &Limits,
) -> Result<Vec<Option<f64>>, FormatError> {
    let increment = document.number("Record1/Axes/CZ/Increment")?.unwrap_or(1.0);
    let offset = document.number("Record1/Axes/CZ/Offset")?.unwrap_or(0.0);
    let scale = FormatError::check_factor("increment along z", increment)? * NM_PER_M;
    let offset_nm = offset * NM_PER_M;
    let height = |stored: f64| {
        let nm = stored * scale + offset_nm;
        (stored.is_finite() && nm.is_finite()).then_some(nm)
    };

    if document.text("Record3/DataLink/PointDataLink").is_none() {
        let pixels = raster::admit(rows, columns, 1, document.listed.len() as u64, limits)?;
        return Ok(document.listed.iter().take(pixels).map(|stored| height(*stored)).collect());
    }
    let data_type = document.text("Record1/Axes/CZ/DataType").unwrap_or_default();
    let size: u64 = match data_type {
        "I" => 2,
        "L" | "F" => 4,
        "D" => 8,
        other => {
            return Err(FormatError::malformed(
                FORMAT,
                "the data type of CZ",
                format!("is \"{other}\" instead of I, L, F or D"),
            ));
        }
    };
    let pixels = raster::admit(rows, columns, 0, 0, limits)?;
    let data = linked(archive, document, "PointDataLink", "MD5ChecksumPointData", pixels as u64 * size)?;
    let mask = match document.text("Record3/DataLink/ValidPointsLink") {
        Some(_) => {
            let least = pixels.div_ceil(8) as u64;
            Some(linked(archive, document, "ValidPointsLink", "MD5ChecksumValidPoints", least)?)
        }
        None => None,
    };
    let is_valid = |at: usize| match &mask {
        Some(mask) => mask.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1),
        None => true,
    };
    let mut heights = Vec::new();
    heights.try_reserve_exact(pixels).map_err(|_| FormatError::OutOfMemory { columns, rows })?;
    let stored = data.chunks_exact(size as usize).map(|bytes| match (data_type, bytes) {
        ("I", &[a, b]) => f64::from(i16::from_le_bytes([a, b])),
        ("L", &[a, b, c, d]) => f64::from(i32::from_le_bytes([a, b, c, d])),
        ("F", &[a, b, c, d]) => f64::from(f32::from_le_bytes([a, b, c, d])),
        ("D", bytes) => bytes.first_chunk().map_or(f64::NAN, |b| f64::from_le_bytes(*b)),
        _ => f64::NAN,
    });
    heights.extend(stored.take(pixels).enumerate().map(|(at, stored)| height(stored).filter(|_| is_valid(at))));
    Ok(heights)
}

/// A linked file of `size` bytes (some programs pad it by up to eight more), its sum checked.
fn linked(
    archive: &Archive<'_>,
    document: &Document,
    link: &str,
    sum: &str,
    size: u64,
) -> Result<Vec<u8>, FormatError> {
    let name = document.text(&format!("Record3/DataLink/{link}")).unwrap_or_default();
    let content = archive.read(name, size.saturating_add(8))?;
    if (content.len() as u64) < size {
        return Err(FormatError::Truncated { what: "the point data", needed: size, found: content.len() as u64 });
    }
    if let Some(expected) = document.text(&format!("Record3/DataLink/{sum}")) {
        check_sum(name, &content, expected)?;
    }
    Ok(content)
}
