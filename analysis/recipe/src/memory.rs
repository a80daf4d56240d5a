//! How much memory a run will take, told before it is taken.

use stitchbox_stitch::{Described, Options, Placed, Source};
use stitchbox_surface::{DetectorWindow, HeightMap, PixelSize};

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

/// Files of these sizes may take more memory than allowed once they are read: a pixel takes at least 4 bytes in a file that is
/// not compressed, and 9 in memory.
pub(crate) fn may_exceed(file_sizes: impl Iterator<Item = u64>, limit: u64) -> bool {
    file_sizes.fold(0, u64::saturating_add).saturating_mul(3).saturating_add(FIXED_BYTES) > limit
}

/// As [`estimate_bytes`], of a series that was not read yet.
pub(crate) fn estimate_unread_bytes(source: &dyn Source, options: &Options) -> u64 {
    let all: Vec<Described> = (0..source.len()).map(|k| source.describe(k)).collect();
    let sum = all.iter().map(|d| d.shape.0 as u64 * d.shape.1 as u64).fold(0, u64::saturating_add);
    let map = bounding_pixels(all.iter().map(|d| (d.pixel, d.shape, d.window, d.x_mm, d.y_mm)));
    let reporting = sum.saturating_mul(BYTES_PER_INPUT_PIXEL).saturating_add(map.saturating_mul(BYTES_PER_MAP_PIXEL));
    stitchbox_stitch::estimate_source_bytes(source, options).max(reporting).saturating_add(FIXED_BYTES)
}

/// An estimate of the peak memory of stitching a series through scratch files and reporting it, bytes. `largest_file`: bytes of
/// the largest one.
pub(crate) fn streamed_bytes(source: &dyn Source, largest_file: u64) -> u64 {
    let all: Vec<Described> = (0..source.len()).map(|k| source.describe(k)).collect();
    let pixels = |d: &Described| d.shape.0 as u64 * d.shape.1 as u64;
    let sum: u64 = all.iter().map(pixels).fold(0, u64::saturating_add);
    let largest = all.iter().map(pixels).max().unwrap_or(0);
    let map = bounding_pixels(all.iter().map(|d| (d.pixel, d.shape, d.window, d.x_mm, d.y_mm)));
    let reading = FILES_AT_ONCE * (largest_file + READING * largest);
    let masks = sum / MASK_PIXELS_PER_BYTE;
    let solving = map.saturating_mul(SOLVING).saturating_add(largest * OF_CAMERA);
    let reporting = map.saturating_mul(BYTES_PER_MAP_PIXEL).saturating_add(DRAWING_BYTES);
    FIXED_BYTES.saturating_add(masks.saturating_add(reading.max(solving)).max(reporting))
}

/// Figures and the page beside them, as measured beyond the fixed part.
const DRAWING_BYTES: u64 = 32 << 20;
/// Files that are read at a time.
pub(crate) const FILES_AT_ONCE: u64 = 4;
/// For each pixel of a file as it is read: heights and mask, and copies on their way into the scratch file.
const READING: u64 = 9 + 16;
/// The masks of the series, as runs of valid pixels: one hole for every hundred pixels, two copies.
const MASK_PIXELS_PER_BYTE: u64 = 3;
/// For each pixel of the map while solving: overlap, counts and their inverses, with and without outliers.
const SOLVING: u64 = 2 + 2 * 10 + 8;
/// For each camera pixel: the vectors of the solver.
const OF_CAMERA: u64 = 136;

/// Pixels of the bounding box of the series; positions beyond reason count as what they are.
fn map_pixels(series: &[Placed]) -> u64 {
    bounding_pixels(series.iter().map(|placed| {
        let own = &placed.sub_aperture;
        (own.map.pixel(), own.map.shape(), own.window, placed.x_mm, placed.y_mm)
    }))
}

/// Pixel size, shape, window and place of a sub-aperture.
type Rectangle = (Option<PixelSize>, (usize, usize), DetectorWindow, f64, f64);

fn bounding_pixels(series: impl Iterator<Item = Rectangle>) -> u64 {
    let mut low = (f64::INFINITY, f64::INFINITY);
    let mut high = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (pixel, (rows, columns), window, x_mm, y_mm) in series {
        let Some(pixel) = pixel else { continue };
        let x = x_mm / pixel.x_mm + window.column as f64;
        let y = y_mm / pixel.y_mm + window.row as f64;
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
        "Stitching these {files} files takes about {} of memory and {} are allowed. Allow more, or stitch fewer files; height maps \
         can also be stitched through a scratch folder (stitchbox stitch --scratch FOLDER).",
        readable(needed),
        readable(limit)
    );
    RunFailure::new(FailureKind::TooLarge, message)
}

/// The refusal of a series that is too large even with a scratch folder.
pub(crate) fn too_large_to_stream(files: usize, needed: u64, limit: u64) -> RunFailure {
    let message = format!(
        "Stitching these {files} files takes about {} MiB of memory even through the scratch folder, and {} MiB are allowed. Allow more, or \
         stitch fewer files.",
        needed.div_ceil(1 << 20),
        limit.div_ceil(1 << 20)
    );
    RunFailure::new(FailureKind::TooLarge, message)
}
