//! How much memory a run will take, told before it is taken.

use stitchbox_stitch::{Options, Placed};
use stitchbox_surface::HeightMap;

use crate::failure::{FailureKind, RunFailure};

/// Bytes for each pixel of each sub-aperture as read: height and mask.
const BYTES_PER_INPUT_PIXEL: u64 = 9;
/// Bytes for each pixel of the map while reporting: height, mask, uncertainty, overlap, residual; copies with NaN, and
/// `height.h5` being written.
const BYTES_PER_MAP_PIXEL: u64 = 9 + 8 + 2 + 8 + 72;
/// Program, fonts, figures.
const FIXED_BYTES: u64 = 48 << 20;

/// The least memory that stitching files of these sizes takes, bytes: as much as the files. A map in memory takes 9
/// bytes a pixel and the solver some more; a file keeps 4 to 12, with intensity and all, unless it is compressed.
pub(crate) fn least_bytes(file_sizes: impl Iterator<Item = u64>) -> u64 {
    file_sizes.fold(FIXED_BYTES, u64::saturating_add)
}

/// Memory that a map as read takes, bytes.
pub(crate) fn held_bytes(map: &HeightMap) -> u64 {
    let (rows, columns) = map.shape();
    (rows as u64 * columns as u64).saturating_mul(BYTES_PER_INPUT_PIXEL)
}

/// An estimate of the peak memory of stitching and reporting this series, bytes.
#[must_use]
pub fn estimate_bytes(series: &[Placed], options: &Options) -> u64 {
    let input: u64 = series.iter().map(|p| held_bytes(&p.sub_aperture.map)).fold(0, u64::saturating_add);
    let reporting = input.saturating_add(map_pixels(series).saturating_mul(BYTES_PER_MAP_PIXEL));
    stitchbox_stitch::estimate_bytes(series, options).max(reporting).saturating_add(FIXED_BYTES)
}

/// Pixels of the bounding box of the series; positions beyond reason count as what they are.
fn map_pixels(series: &[Placed]) -> u64 {
    let mut low = (f64::INFINITY, f64::INFINITY);
    let mut high = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for placed in series {
        let Some(pixel) = placed.sub_aperture.map.pixel() else { continue };
        let (rows, columns) = placed.sub_aperture.map.shape();
        let window = placed.sub_aperture.window;
        let x = placed.x_mm / pixel.x_mm + window.column as f64;
        let y = placed.y_mm / pixel.y_mm + window.row as f64;
        low = (low.0.min(x), low.1.min(y));
        high = (high.0.max(x + columns as f64), high.1.max(y + rows as f64));
    }
    let (width, height) = (high.0 - low.0, high.1 - low.1);
    if width.is_finite() && height.is_finite() && width > 0.0 && height > 0.0 {
        (width.ceil() * height.ceil()) as u64
    } else {
        0
    }
}

/// The refusal, with sizes in MiB.
pub(crate) fn too_large(files: usize, needed: u64, limit: u64) -> RunFailure {
    let readable = |bytes: u64| format!("{} MiB", bytes.div_ceil(1 << 20));
    let message = format!(
        "Stitching these {files} files takes about {} of memory and {} are allowed. Allow more, or stitch fewer files.",
        readable(needed),
        readable(limit)
    );
    RunFailure::new(FailureKind::TooLarge, message)
}
