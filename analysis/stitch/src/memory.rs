//! How much memory a stitch takes, told before it is taken.

use stitchbox_surface::HeightMap;

use crate::layout::Layout;
use crate::pose::Pose;
use crate::{Options, Placed, Reference};

/// For each pixel of the map while solving: count and 1/count of the problem as measured; as much again of the problem
/// without outliers; the mean, unless all rows coincide.
const PROBLEM: u64 = 10;
const MEAN: u64 = 8;
/// For each pixel of the map while assembling: count and 1/count, height, mask, residual, spread, uncertainty.
const ASSEMBLING: u64 = 10 + 8 + 1 + 8 + 8 + 8;
/// For each camera pixel: with an unknown reference the vectors of conjugate gradients, or the shapes of the gauge.
const UNKNOWN_REFERENCE: u64 = 136;
const GIVEN_REFERENCE: u64 = 64;
/// Running sums of pairs: one set for each of the bands, the total, and the list.
const PAIR: u64 = 33 * 72 + 16 + 88;
/// Copies of the runs: grid (grown by doubling) and two problems.
const RUN_COPIES: u64 = 4;
/// Bytes of one pixel of the series as given: height and mask.
const GIVEN: u64 = 9;
/// Stacks, working rows, lists of outliers.
const FIXED: u64 = 8 << 20;

/// Memory that is in use at the peak of [`crate::stitch`], bytes: the series as given, the working space and the result.
/// Errs to the high side. For a series that is refused before anything large is allocated, it counts the series alone.
#[must_use]
pub fn estimate_bytes(series: &[Placed], options: &Options) -> u64 {
    let given: u64 = series.iter().map(|p| GIVEN * pixels(p.sub_aperture.map.shape())).sum();
    let Ok(layout) = Layout::new(series, &Pose::given(series)) else { return given };
    let n = series.len() as u64;
    let (map, camera) = (pixels(layout.map), pixels(layout.camera));
    let (rows, camera_rows) = (layout.map.0 as u64, layout.camera.0 as u64);

    let is_between = (0..series.len()).any(|k| layout.is_between_pixels(k));
    // Heights as given and as carried to whole pixels, a group of plates on its way, the map and its continuation.
    let all: u64 = layout.footprints.iter().map(|f| pixels(f.shape)).sum();
    let carried = if is_between { 24 * all + 44 * pixels(layout.map) } else { 0 };
    let runs: u64 = series.iter().map(|p| 8 * runs(&p.sub_aperture.map) + 4 * rows).sum();

    let unknown = matches!(options.reference, Reference::Pixelwise | Reference::Smooth);
    let on = [options.terms.piston, options.terms.pitch, options.terms.roll, options.terms.curvature];
    let size = n * on.iter().filter(|on| **on).count() as u64;
    let coincide = layout.y.whole.iter().all(|y| *y == layout.y.whole[0]);
    let solving = map * (PROBLEM * if options.robust { 2 } else { 1 } + if coincide { 0 } else { MEAN });
    // The matrix, and the half of its factor that is written.
    let square = size.saturating_mul(size);
    let dense = (12 * square).max(8 * square + PAIR * touching(&layout));
    let solving = solving + dense + 16 * camera_rows * n;
    let assembling = map * ASSEMBLING + 16 * rows * n;
    let of_camera = camera * if unknown { UNKNOWN_REFERENCE } else { GIVEN_REFERENCE };
    given + carried + RUN_COPIES * runs + of_camera + solving.max(assembling) + FIXED
}

fn pixels((rows, columns): (usize, usize)) -> u64 {
    rows as u64 * columns as u64
}

/// Number of runs of valid pixels.
fn runs(map: &HeightMap) -> u64 {
    let starts = |row: ndarray::ArrayView1<bool>| {
        row.iter().fold((0, false), |(n, before), valid| (n + u64::from(*valid && !before), *valid)).0
    };
    map.valid().rows().into_iter().map(starts).sum()
}

/// Pairs of sub-apertures that touch, each with itself included.
fn touching(layout: &Layout) -> u64 {
    let of =
        |k: usize| layout.footprints[k..].iter().filter(|other| layout.footprints[k].touches(other)).count() as u64;
    (0..layout.footprints.len()).map(of).sum()
}
