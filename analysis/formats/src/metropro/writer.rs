//! Writes height maps as genuine MetroPro files, header format 1, without intensity.

use stitchbox_surface::HeightMap;

use super::{INVALID_FROM, IntensityBlock, MetroProHeader, PhaseWindow, bytes::LEAST_HEADER, nm_per_step};
use crate::FormatError;

/// Why a map cannot be written as a MetroPro file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The header counts rows and columns with 15 bits, and the bytes of the heights with 31.
    #[error("a MetroPro file cannot hold {columns} x {rows} heights (at least 1, at most 32767 each way and 2 GiB)")]
    Shape {
        /// Columns of the map.
        columns: usize,
        /// Rows of the map.
        rows: usize,
    },
    /// The header has one lateral resolution for both directions.
    #[error("a MetroPro file cannot hold a map whose pixels are not square ({x_mm} mm x {y_mm} mm)")]
    PixelNotSquare {
        /// Pixel size along a row, mm.
        x_mm: f64,
        /// Pixel size down the rows, mm.
        y_mm: f64,
    },
    /// The scale in the header cannot turn heights into integers.
    #[error(transparent)]
    Scale(#[from] FormatError),
}

/// Encodes a map as a MetroPro file: header format 1 of 834 bytes, then the heights.
///
/// Shape, byte counts and lateral resolution come from the map (no pixel size = 0), everything else from `header`; a
/// camera size of 0 becomes the window's. Heights are rounded to the nearest step of `wavelength * S * O / R` (half to
/// even); one that does not fit an `i32` is written as not measured. Texts are cut to their fields.
///
/// # Errors
/// [`WriteError`] if the map is empty or too large, its pixels are not square, or the header's scale is unusable.
pub fn write_metropro(map: &HeightMap, header: &MetroProHeader) -> Result<Vec<u8>, WriteError> {
    let (rows, columns) = map.shape();
    let too_large = WriteError::Shape { columns, rows };
    let (Ok(width), Ok(height)) = (i16::try_from(columns), i16::try_from(rows)) else { return Err(too_large) };
    let Some(bytes) = i32::try_from(4 * rows as u64 * columns as u64).ok().filter(|bytes| *bytes > 0) else {
        return Err(too_large);
    };
    let nm_per_step = nm_per_step(header)?;

    let mut header = header.clone();
    header.intensity = IntensityBlock::default();
    header.phase = PhaseWindow { width, height, bytes, ..header.phase };
    header.lateral_resolution_m = lateral_resolution(map)?;
    if header.camera_width == 0 && header.camera_height == 0 {
        (header.camera_width, header.camera_height) = (width, height);
    }

    let mut file = Vec::with_capacity(LEAST_HEADER + 4 * rows * columns);
    file.extend_from_slice(&header.encode());
    for (height_nm, valid) in map.heights_nm().iter().zip(map.valid()) {
        let step = (height_nm / nm_per_step).round_ties_even();
        let storable = *valid && step >= f64::from(i32::MIN) && step < f64::from(INVALID_FROM);
        let stored = if storable { step as i32 } else { INVALID_FROM };
        file.extend_from_slice(&stored.to_be_bytes());
    }
    Ok(file)
}

/// Lateral resolution in m/px; 0 if the map has no pixel size.
fn lateral_resolution(map: &HeightMap) -> Result<f32, WriteError> {
    let Some(pixel) = map.pixel() else { return Ok(0.0) };
    let (x_mm, y_mm) = (pixel.x_mm, pixel.y_mm);
    if (x_mm - y_mm).abs() > 1e-6 * x_mm.abs() {
        return Err(WriteError::PixelNotSquare { x_mm, y_mm });
    }
    Ok((x_mm * 1e-3) as f32)
}
