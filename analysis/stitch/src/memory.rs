//! How much memory a stitch takes, told before it is taken.

use stitchbox_surface::HeightMap;

use crate::layout::Layout;
use crate::normal::TERMS;
use crate::source::described;
use crate::{Described, Options, Placed, Reference, Source, Weights};

/// For each pixel of the map while solving: the count of the problem as measured; as much again of the problem without outliers.
const PROBLEM: u64 = 2;
/// And 1 / sum of the weights, if they differ.
const WEIGHTED: u64 = 8;
/// For each pixel of the map while assembling: count, height, mask, residual, uncertainty.
const ASSEMBLING: u64 = 2 + 8 + 1 + 8 + 8;
/// For each camera pixel and band, unless all rows coincide: what the band gathers.
const BANDS: u64 = 8 * 8;
/// For each camera pixel: with an unknown reference the vectors of conjugate gradients, or the shapes of the gauge.
const UNKNOWN_REFERENCE: u64 = 136;
const GIVEN_REFERENCE: u64 = 64;
/// Running sums of pairs: one set for each of the bands, the total, and the list.
const PAIR: u64 = 17 * 128 + 16 + 144;
/// Copies of the runs: grid (grown by doubling) and two problems.
const RUN_COPIES: u64 = 4;
/// Square matrices of the correctors' size while judging the solution: the matrix, its factor and its inverse; with measured angles
/// or profiles those of the joint problem too.
const JUDGING: u64 = 24;
const JOINT: u64 = 40;
/// Bytes of one pixel of the series as given: height and mask.
const GIVEN: u64 = 9;
/// Stacks, working rows, lists of outliers.
const FIXED: u64 = 8 << 20;

/// Memory that is in use at the peak of [`crate::stitch`], bytes: the series as given, the working space and the result.
/// Errs to the high side. For a series that is refused before anything large is allocated, it counts the series alone.
#[must_use]
pub fn estimate_bytes(series: &[Placed], options: &Options) -> u64 {
    let given: u64 = series.iter().map(|p| GIVEN * pixels(p.sub_aperture.map.shape())).sum();
    let described: Vec<Described> = series.iter().map(described).collect();
    let Ok(layout) = Layout::new(&described) else { return given };
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
    let weighted = options.weights == Weights::Intensity;
    let of_problem = PROBLEM + if weighted { WEIGHTED } else { 0 };
    let solving = map * of_problem * if options.robust { 2 } else { 1 };
    // The matrix, and the half of its factor that is written.
    let square = size.saturating_mul(size);
    let dense = (12 * square).max(8 * square + PAIR * touching(&layout));
    let solving = solving + dense + 16 * camera_rows * n;
    let assembling = map * (ASSEMBLING + if weighted { WEIGHTED } else { 0 }) + 2 * rows * n + judging(size, options);
    let of_camera = camera
        * (if unknown { UNKNOWN_REFERENCE } else { GIVEN_REFERENCE } + if coincide || !unknown { 0 } else { BANDS });
    let weights = if weighted { given / GIVEN * 4 } else { 0 };
    given + weights + carried + RUN_COPIES * runs + of_camera + solving.max(assembling) + FIXED
}

/// As [`estimate_bytes`], for a series whose maps are read one after the other. What the masks look like is not known yet: one hole
/// for every hundred pixels is assumed.
#[must_use]
pub fn estimate_source_bytes(source: &dyn Source, options: &Options) -> u64 {
    let series: Vec<Described> = (0..source.len()).map(|k| source.describe(k)).collect();
    let given: u64 = series.iter().map(|p| GIVEN * pixels(p.shape)).sum();
    let Ok(layout) = Layout::new(&series) else { return given };
    let map = pixels(layout.map);
    let unknown = matches!(options.reference, Reference::Pixelwise | Reference::Smooth);
    let of_camera = pixels(layout.camera) * if unknown { UNKNOWN_REFERENCE } else { GIVEN_REFERENCE };
    let camera_bands = if unknown { BANDS * pixels(layout.camera) } else { 0 };
    let judging = judging(TERMS as u64 * series.len() as u64, options);
    given + RUN_COPIES * given / GIVEN / 100 * 8 + of_camera + map * ASSEMBLING + camera_bands + judging + FIXED
}

/// The covariance of `size` correctors.
fn judging(size: u64, options: &Options) -> u64 {
    let joint = if options.angles.is_empty() && options.profiles.is_empty() { 0 } else { JOINT };
    size.saturating_mul(size).saturating_mul(JUDGING + joint)
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
