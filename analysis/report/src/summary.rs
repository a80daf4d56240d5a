//! `summary.json`: the numbers of a result, for programs and for the table in the report.

use serde::Serialize;
use stitchbox_stitch::{Constraint, Corrector, NonObservable, Stitched, Warning};
use stitchbox_surface::{PixelSize, fit_plane, statistics};

use crate::pixel_size;
use crate::record::Record;

/// Version of the layout of `summary.json`.
pub const SUMMARY_SCHEMA: &str = "stitchbox.summary/1";

/// Numbers of one stitched map. Lengths in mm, heights in nm, slopes in nm/mm (= microradian).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// [`SUMMARY_SCHEMA`].
    pub schema: &'static str,
    /// Name of the series.
    pub title: String,
    /// Result digest, SHA-256 over the arrays.
    pub digest: String,
    /// Engine and revision.
    pub engine: String,
    /// Number of sub-apertures stitched.
    pub sub_apertures: usize,
    /// Rows and columns of the map.
    pub shape: [usize; 2],
    /// Pixel size, mm.
    pub pixel: PixelSize,
    /// Mirror x of column 0, mm.
    pub x0_mm: f64,
    /// Mirror y of row 0, mm.
    pub y0_mm: f64,
    /// Extent along x, mm.
    pub length_mm: f64,
    /// Extent along y, mm.
    pub width_mm: f64,
    /// Pixels with a height.
    pub valid_pixels: usize,
    /// Standard deviation of the map about its mean, nm.
    pub rms_nm: f64,
    /// Largest minus smallest height of the map, nm.
    pub pv_nm: f64,
    /// Rms after removing the least-squares plane, nm.
    pub rms_without_plane_nm: Option<f64>,
    /// Noise of one pixel of one sub-aperture, nm.
    pub noise_nm: Option<f64>,
    /// Median of the uncertainty map, nm.
    pub uncertainty_median_nm: Option<f64>,
    /// Largest number of sub-apertures on one pixel.
    pub overlap_max: u16,
    /// Mean number of sub-apertures on a valid pixel.
    pub overlap_mean: f64,
    /// Rms of corrected sub-apertures minus map, over pixels where at least two overlap, nm.
    pub residual_rms_nm: f64,
    /// Rms of the reference about its mean, nm.
    pub reference_rms_nm: Option<f64>,
    /// PV of the reference, nm.
    pub reference_pv_nm: Option<f64>,
    /// Valid pixels that the robust loop rejected, over all sub-apertures.
    pub rejected_pixels: usize,
    /// Conjugate-gradient iterations.
    pub iterations: usize,
    /// Map shapes that the data cannot determine.
    pub non_observable: Vec<NonObservable>,
    /// Map shapes that measured angles or profiles determined.
    pub constraints: Vec<Constraint>,
    /// Standard uncertainty of the mean height of stretches along x (a fortieth of the length each), nm: how sure the long
    /// waves are. The declared shapes are taken out.
    pub profile_uncertainty_nm: Option<Vec<f64>>,
    /// What to know before trusting the map.
    pub warnings: Vec<Warning>,
    /// What each sub-aperture carried.
    pub correctors: Vec<Corrector>,
}

impl Summary {
    /// Computes the numbers of a result.
    #[must_use]
    pub fn new(stitched: &Stitched, record: &Record) -> Self {
        let pixel = pixel_size(stitched);
        let (rows, columns) = stitched.height.shape();
        let numbers = statistics(&stitched.height);
        let reference = stitched.reference.as_ref().and_then(statistics);
        let (overlap_sum, overlap_count) = stitched
            .overlap
            .iter()
            .zip(stitched.height.valid())
            .filter(|(_, valid)| **valid)
            .fold((0u64, 0u64), |(sum, count), (n, _)| (sum + u64::from(*n), count + 1));
        Self {
            schema: SUMMARY_SCHEMA,
            title: record.title.clone(),
            digest: stitched.digest(),
            engine: record.engine.clone(),
            sub_apertures: stitched.correctors.len(),
            shape: [rows, columns],
            pixel,
            x0_mm: stitched.x0_mm,
            y0_mm: stitched.y0_mm,
            length_mm: columns as f64 * pixel.x_mm,
            width_mm: rows as f64 * pixel.y_mm,
            valid_pixels: numbers.map_or(0, |s| s.count),
            rms_nm: numbers.map_or(0.0, |s| s.rms_nm),
            pv_nm: numbers.map_or(0.0, |s| s.pv_nm),
            rms_without_plane_nm: rms_without_plane(stitched),
            noise_nm: stitched.noise_nm,
            uncertainty_median_nm: uncertainty_median(stitched),
            overlap_max: stitched.overlap.iter().copied().max().unwrap_or(0),
            overlap_mean: if overlap_count > 0 { overlap_sum as f64 / overlap_count as f64 } else { 0.0 },
            residual_rms_nm: residual_rms(stitched),
            reference_rms_nm: reference.map(|s| s.rms_nm),
            reference_pv_nm: reference.map(|s| s.pv_nm),
            rejected_pixels: stitched.correctors.iter().map(|c| c.rejected).sum(),
            iterations: stitched.iterations,
            non_observable: stitched.non_observable.clone(),
            constraints: stitched.constraints.clone(),
            profile_uncertainty_nm: stitched
                .profile_covariance
                .as_ref()
                .map(|profile| profile.covariance_nm2.diag().iter().map(|variance| variance.max(0.0).sqrt()).collect()),
            warnings: stitched.warnings.clone(),
            correctors: stitched.correctors.clone(),
        }
    }
}

fn rms_without_plane(stitched: &Stitched) -> Option<f64> {
    let [piston, pitch, roll] = fit_plane(&stitched.height)?;
    let (rows, columns) = stitched.height.shape();
    let (v0, u0) = ((rows as f64 - 1.0) / 2.0, (columns as f64 - 1.0) / 2.0);
    let heights = stitched.height.heights_nm().indexed_iter().zip(stitched.height.valid());
    let (sum, count) = heights.filter(|(_, valid)| **valid).fold((0.0, 0usize), |(sum, count), (((r, c), h), _)| {
        let rest = h - piston - pitch * (c as f64 - u0) - roll * (r as f64 - v0);
        (sum + rest * rest, count + 1)
    });
    (count > 0).then(|| (sum / count as f64).sqrt())
}

fn uncertainty_median(stitched: &Stitched) -> Option<f64> {
    let map = stitched.uncertainty_nm.as_ref()?;
    let mut values: Vec<f64> = map.iter().zip(stitched.height.valid()).filter(|(_, v)| **v).map(|(u, _)| *u).collect();
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

fn residual_rms(stitched: &Stitched) -> f64 {
    let overlapping = stitched.residual_nm.iter().zip(&stitched.overlap).filter(|(_, n)| **n >= 2);
    let (sum, weight) = overlapping.fold((0.0, 0.0), |(sum, weight), (r, n)| {
        let n = f64::from(*n);
        (sum + n * r * r, weight + n)
    });
    if weight > 0.0 { (sum / weight).sqrt() } else { 0.0 }
}
