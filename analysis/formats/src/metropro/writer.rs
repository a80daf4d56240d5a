//! Writes height maps as genuine MetroPro files, header format 1, with or without intensity.

use ndarray::Array2;
use stitchbox_surface::HeightMap;

use super::{
    INVALID_FROM, IntensityBlock, MetroProHeader, NO_INTENSITY, PhaseWindow, bytes::LEAST_HEADER, nm_per_step,
};
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
    /// A height needs more than 31 bits.
    #[error(
        "a height of {height_nm} nm does not fit: with this scale a MetroPro file holds heights below {limit_nm:.0} nm; \
         subtract the mean or write with a coarser phase resolution"
    )]
    Height {
        /// The height, nm.
        height_nm: f64,
        /// The first height that does not fit, nm.
        limit_nm: f64,
    },
    /// The intensity is not of the map's shape.
    #[error(
        "the intensity has {intensity_columns} x {intensity_rows} pixels but the map {columns} x {rows}; bring both to \
         one shape"
    )]
    IntensityShape {
        /// Columns of the map.
        columns: usize,
        /// Rows of the map.
        rows: usize,
        /// Columns of the intensity.
        intensity_columns: usize,
        /// Rows of the intensity.
        intensity_rows: usize,
    },
    /// An intensity needs more than 16 bits, is negative or no number.
    #[error(
        "an intensity of {value} does not fit: a MetroPro file holds 0 to 65534; scale it or write without intensity"
    )]
    Intensity {
        /// The intensity.
        value: f32,
    },
    /// The scale in the header cannot turn heights into integers.
    #[error(transparent)]
    Scale(#[from] FormatError),
}

/// Encodes a map as a MetroPro file: header format 1 of 834 bytes, then the heights.
///
/// Shape, byte counts and lateral resolution come from the map (no pixel size = 0), everything else from `header`; a
/// camera size of 0 becomes the window's. Heights are rounded to the nearest step of `wavelength * S * O / R` (half to
/// even). Texts are cut to their fields.
///
/// # Errors
/// [`WriteError`] if the map is empty or too large, its pixels are not square, the header's scale is unusable, or a
/// height needs more than 31 bits.
pub fn write_metropro(map: &HeightMap, header: &MetroProHeader) -> Result<Vec<u8>, WriteError> {
    write(map, None, header)
}

/// Like [`write_metropro`], with one frame of intensity (camera counts, same shape as the map, rounded to integers)
/// before the heights.
///
/// # Errors
/// [`WriteError`], also where the intensity has another shape or a value outside 0 to 65534.
pub fn write_metropro_with_intensity(
    map: &HeightMap,
    intensity: &Array2<f32>,
    header: &MetroProHeader,
) -> Result<Vec<u8>, WriteError> {
    write(map, Some(intensity), header)
}

fn write(map: &HeightMap, intensity: Option<&Array2<f32>>, header: &MetroProHeader) -> Result<Vec<u8>, WriteError> {
    let (rows, columns) = map.shape();
    let too_large = WriteError::Shape { columns, rows };
    let (Ok(width), Ok(height)) = (i16::try_from(columns), i16::try_from(rows)) else { return Err(too_large) };
    let Some(bytes) = i32::try_from(4 * rows as u64 * columns as u64).ok().filter(|bytes| *bytes > 0) else {
        return Err(too_large);
    };
    let nm_per_step = nm_per_step(header)?;

    let mut header = header.clone();
    let (column, row) = (header.phase.column, header.phase.row);
    header.intensity = match intensity {
        Some(counts) if counts.dim() != map.shape() => {
            let (intensity_rows, intensity_columns) = counts.dim();
            return Err(WriteError::IntensityShape { columns, rows, intensity_columns, intensity_rows });
        }
        Some(_) => IntensityBlock { column, row, width, height, frames: 1, range: i16::MAX, bytes: bytes / 2 },
        None => IntensityBlock::default(),
    };
    header.phase = PhaseWindow { width, height, bytes, ..header.phase };
    header.lateral_resolution_m = lateral_resolution(map)?;
    if header.camera_width == 0 && header.camera_height == 0 {
        (header.camera_width, header.camera_height) = (width, height);
    }

    let mut file = Vec::with_capacity(LEAST_HEADER + 6 * rows * columns);
    file.extend_from_slice(&header.encode());
    for counts in intensity.into_iter().flatten() {
        let rounded = f64::from(*counts).round_ties_even();
        if !(0.0..f64::from(NO_INTENSITY)).contains(&rounded) {
            return Err(WriteError::Intensity { value: *counts });
        }
        file.extend_from_slice(&(rounded as u16).to_be_bytes());
    }
    for (height_nm, valid) in map.heights_nm().iter().zip(map.valid()) {
        let step = (height_nm / nm_per_step).round_ties_even();
        let stored = match *valid {
            true if step >= f64::from(i32::MIN) && step < f64::from(INVALID_FROM) => step as i32,
            true => {
                let limit_nm = f64::from(INVALID_FROM) * nm_per_step;
                return Err(WriteError::Height { height_nm: *height_nm, limit_nm });
            }
            false => INVALID_FROM,
        };
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
