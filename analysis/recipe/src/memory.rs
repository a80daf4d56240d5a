//! How much memory a stitch will take, told before it is taken.

use stitchbox_stitch::Placed;

/// Bytes for each pixel of each sub-aperture: heights and mask as read (9), the solver's own copy in f32 with its mask,
/// and the scratch of one iteration.
const BYTES_PER_INPUT_PIXEL: u64 = 9 + 10;
/// Bytes for each pixel of the map: height, mask, uncertainty, overlap, residual, sums, and `height.h5` being written.
const BYTES_PER_MAP_PIXEL: u64 = 9 + 8 + 2 + 8 + 24 + 72;
/// Program, fonts, figures.
const FIXED_BYTES: u64 = 48 << 20;

/// An estimate of the peak memory of stitching and reporting this series, bytes.
#[must_use]
pub fn estimate_bytes(series: &[Placed]) -> u64 {
    let input: u64 = series.iter().map(|p| p.sub_aperture.map.shape()).map(|(r, c)| r as u64 * c as u64).sum();
    input
        .saturating_mul(BYTES_PER_INPUT_PIXEL)
        .saturating_add(map_pixels(series).saturating_mul(BYTES_PER_MAP_PIXEL))
        .saturating_add(FIXED_BYTES)
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

/// A size for people, in MiB.
pub(crate) fn readable(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
