//! The binary variant, little-endian: signature 8c, ManufacID 10c, dates 12c each, NumPoints and NumProfiles (u16; u32
//! in edition 2.0), Xscale, Yscale, Zscale, Zresolution f64, Compression, DataType, CheckType u8; then the heights.

use super::{DataType, Header, SIGNATURE, Variant};
use crate::{FormatError, Limits, raster};

const MANUFACTURER: usize = 10;
const DATES: usize = 24;

/// Header and heights in units of `Zscale`, NaN where not measured.
pub(super) fn read(variant: Variant, bytes: &[u8], limits: &Limits) -> Result<(Header, Vec<f64>), FormatError> {
    let mut fields = Fields { bytes, at: SIGNATURE };
    let manufacturer = fields.take::<MANUFACTURER>()?;
    fields.take::<DATES>()?;
    let (columns, rows) = if variant.second_edition {
        (u64::from(u32::from_le_bytes(fields.take()?)), u64::from(u32::from_le_bytes(fields.take()?)))
    } else {
        (u64::from(u16::from_le_bytes(fields.take()?)), u64::from(u16::from_le_bytes(fields.take()?)))
    };
    let x_scale_m = f64::from_le_bytes(fields.take()?);
    let y_scale_m = f64::from_le_bytes(fields.take()?);
    let z_scale_m = f64::from_le_bytes(fields.take()?);
    fields.take::<8>()?;
    let [compression, data_type, check_type] = fields.take()?;
    let data_type = DataType::of(data_type.into())?;
    let manufacturer: String = manufacturer.iter().take_while(|b| **b != 0).map(|b| char::from(*b)).collect();
    let manufacturer = manufacturer.trim().to_owned();
    let header = Header { manufacturer, columns, rows, x_scale_m, y_scale_m, z_scale_m, data_type };
    let header = header.check(compression.into(), check_type.into())?;

    let data = bytes.get(fields.at..).unwrap_or_default();
    let bcr = variant.bcr;
    let pixels = |size| raster::admit(rows, columns, size, data.len() as u64, limits);
    let heights = match data_type {
        // Unsigned types exist in BCR only, where the greatest marks what was not measured.
        DataType::U8 => numbers(data, pixels(1)?, |b: [u8; 1]| whole(b[0].into(), u8::MAX.into())),
        DataType::U16 => numbers(data, pixels(2)?, |b| whole(u16::from_le_bytes(b).into(), u16::MAX.into())),
        DataType::U32 => numbers(data, pixels(4)?, |b| whole(u32::from_le_bytes(b).into(), u32::MAX.into())),
        DataType::I8 => numbers(data, pixels(1)?, |b| signed(i8::from_le_bytes(b).into(), i8::MIN.into(), bcr)),
        DataType::I16 => numbers(data, pixels(2)?, |b| signed(i16::from_le_bytes(b).into(), i16::MIN.into(), bcr)),
        DataType::I32 => numbers(data, pixels(4)?, |b| signed(i32::from_le_bytes(b).into(), i32::MIN.into(), bcr)),
        // Some programs write the greatest number of the type where others write NaN.
        DataType::F32 => numbers(data, pixels(4)?, |b| {
            let value = f32::from_le_bytes(b);
            if value.abs() == f32::MAX { f64::NAN } else { f64::from(value) }
        }),
        DataType::F64 => numbers(data, pixels(8)?, |b| {
            let value = f64::from_le_bytes(b);
            if value.abs() == f64::MAX { f64::NAN } else { value }
        }),
    };
    heights.map(|heights| (header, heights)).ok_or(FormatError::OutOfMemory { columns, rows })
}

fn whole(value: i64, not_measured: i64) -> f64 {
    if value == not_measured { f64::NAN } else { value as f64 }
}

/// The least number of the type in ISO files, the greatest in BCR files.
fn signed(value: i64, least: i64, bcr: bool) -> f64 {
    whole(value, if bcr { -(least + 1) } else { least })
}

fn numbers<const N: usize>(data: &[u8], pixels: usize, value: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
    let mut heights = Vec::new();
    heights.try_reserve_exact(pixels).ok()?;
    let stored = data.chunks_exact(N).filter_map(|chunk| chunk.first_chunk::<N>());
    heights.extend(stored.take(pixels).map(|chunk| value(*chunk)));
    Some(heights)
}

struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let field = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let found = self.bytes.len() as u64;
        let truncated =
            FormatError::Truncated { what: "the header of an SDF file", needed: (self.at + N) as u64, found };
        self.at += N;
        field.copied().ok_or(truncated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edition_marks_what_was_not_measured_in_its_own_way() {
        assert!(signed(-32768, -32768, false).is_nan() && signed(32767, -32768, false) == 32767.0);
        assert!(signed(32767, -32768, true).is_nan() && signed(-32768, -32768, true) == -32768.0);
    }
}
