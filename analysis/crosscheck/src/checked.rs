//! The cross-check itself, and what it returns.

use ndarray::Array2;
use stitchbox_stitch::{Placed, Warning};
use stitchbox_surface::HeightMap;

use crate::average::{height_map, mean, residuals};
use crate::extracted;
use crate::layout::Layout;
use crate::network;
use crate::pair::pairs;
use crate::plane::{Moments, Plane};
use crate::progressive;
use crate::{Algorithm, CrossCheckError, Extraction, Method};

/// What an older method makes of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossChecked {
    /// The map, nm; row 0 is the smallest y, column 0 the smallest x of the mirror frame.
    pub height: HeightMap,
    /// Number of sub-apertures at each pixel; of the shape of `height`.
    pub overlap: Array2<u16>,
    /// What was added to each sub-aperture, in the order of the series.
    pub correctors: Vec<AddedCorrector>,
    /// What was added to every sub-aperture besides, camera frame, nm: *minus* the error of the instrument. `None`
    /// where no reference was asked for.
    pub reference: Option<HeightMap>,
    /// Rms of (map - corrected sub-aperture) over all pixels of all sub-apertures, nm.
    pub residual_rms_nm: f64,
    /// Mirror x of column 0, mm.
    pub x0_mm: f64,
    /// Mirror y of row 0, mm.
    pub y0_mm: f64,
    /// Pairs with overlap enough; 0 for methods without pairs.
    pub pairs: usize,
    /// Sweeps done; 0 for methods without sweeps.
    pub sweeps: u32,
    /// What to know before comparing.
    pub warnings: Vec<Warning>,
}

/// What an older method added to one sub-aperture: `piston + pitch x + roll y`, x and y in mm from the centre of the map.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AddedCorrector {
    /// File name of the sub-aperture.
    pub name: String,
    /// Constant height at the centre of the map, nm.
    pub piston_nm: f64,
    /// Slope along x, nm/mm.
    pub pitch_nm_per_mm: f64,
    /// Slope along y, nm/mm.
    pub roll_nm_per_mm: f64,
    /// Rms of (map - corrected sub-aperture) over its valid pixels, nm.
    pub residual_rms_nm: f64,
}

/// Computes what an older method makes of a series (`shared/facts/stitching.md`, section 2). For comparison only:
/// [`stitchbox_stitch::stitch`] is better in every case.
///
/// # Errors
/// [`CrossCheckError`] where a setting makes no sense or the series cannot be placed or tied together.
pub fn cross_check(series: &[Placed], method: &Method) -> Result<CrossChecked, CrossCheckError> {
    check(method)?;
    let layout = Layout::new(series)?;
    let mut warnings = vec![warning(
        "cross-check",
        "computed by an older method for comparison: no uncertainty, no rejection of outliers, equal weight for unequal overlaps"
            .into(),
    )];
    if layout.rounded > 0 {
        let message = format!(
            "{} of {} sub-apertures lie between whole pixels and were moved to the nearest, as the older programs do",
            layout.rounded,
            series.len()
        );
        warnings.push(warning("positions-rounded", message));
    }
    let (mut used, mut sweeps, mut reference) = (Vec::new(), 0, None);
    let correctors = match method.algorithm {
        Algorithm::SimpleAverage => levels(&layout, method.zero_mean),
        Algorithm::Progressive => {
            let (correctors, done) = progressive::correctors(series, &layout, method.sweeps)?;
            sweeps = done;
            correctors
        }
        Algorithm::PairPlanes => {
            used = pairs(&layout, method.min_overlap);
            network::check_tied(series, &used, method.min_overlap)?;
            let solve = if method.all_pixels { network::by_pixels } else { network::by_pairs };
            let correctors = solve(series.len(), &used);
            if used.len() < series.len() {
                let message =
                    "the pairs form a chain: each tie rests on one pair alone, and errors add up along it".to_owned();
                warnings.push(warning("chain", message));
            }
            if method.reference == Extraction::Full {
                reference = Some(extracted::reference(&layout, &used, method.reference_cut));
            }
            correctors
        }
    };
    let added = reference.as_ref().map_or(&[] as &[f64], |(heights, _)| heights);
    let averaged = mean(&layout, &correctors, added);
    let (each, residual_rms_nm) = residuals(&layout, &correctors, added, &averaged);
    let (mut height, overlap) = height_map(&layout, averaged)?;
    if method.remove_plane {
        height = without_plane(height)?;
    }
    let named = |((plane, rms), placed): ((&Plane, &f64), &Placed)| AddedCorrector {
        name: placed.sub_aperture.name.clone(),
        piston_nm: plane.piston,
        pitch_nm_per_mm: plane.pitch,
        roll_nm_per_mm: plane.roll,
        residual_rms_nm: *rms,
    };
    Ok(CrossChecked {
        height,
        overlap,
        correctors: correctors.iter().zip(&each).zip(series).map(named).collect(),
        reference: reference.map(|(heights, seen)| reference_map(&layout, heights, seen)).transpose()?,
        residual_rms_nm,
        x0_mm: layout.origin_mm.0,
        y0_mm: layout.origin_mm.1,
        pairs: used.len(),
        sweeps,
        warnings,
    })
}

/// The older programs do five; a series that has not settled after so many sweeps does not settle.
const MOST_SWEEPS: u32 = 1000;

fn check(method: &Method) -> Result<(), CrossCheckError> {
    let Method { min_overlap, reference_cut, .. } = *method;
    if !(min_overlap > 0.0 && min_overlap <= 1.0) {
        return Err(CrossCheckError::BadMinOverlap { value: min_overlap });
    }
    if let Some(value) = reference_cut.filter(|cut| !(*cut > 0.0 && cut.is_finite())) {
        return Err(CrossCheckError::BadReferenceCut { value });
    }
    if !(1..=MOST_SWEEPS).contains(&method.sweeps) {
        return Err(CrossCheckError::BadSweeps { value: method.sweeps, most: MOST_SWEEPS });
    }
    if method.reference == Extraction::Full && method.algorithm != Algorithm::PairPlanes {
        return Err(CrossCheckError::NoReferenceInMethod);
    }
    Ok(())
}

fn warning(code: &str, message: String) -> Warning {
    Warning { code: code.into(), message }
}

/// Pistons that bring every sub-aperture to zero mean, or none.
fn levels(layout: &Layout, zero_mean: bool) -> Vec<Plane> {
    let level = |plate: &crate::layout::Plate| {
        if !zero_mean {
            return Plane::default();
        }
        let of_row = |row: usize| {
            let (heights, valid) = plate.row(row);
            heights.iter().zip(valid).filter(|(_, v)| **v).map(|(h, _)| *h).sum::<f64>()
        };
        let sum: f64 = (0..plate.shape.0).map(of_row).sum();
        Plane { piston: -sum / plate.count as f64, ..Plane::default() }
    };
    layout.plates.iter().map(level).collect()
}

fn without_plane(map: HeightMap) -> Result<HeightMap, CrossCheckError> {
    let (mut heights, valid, pixel) = map.into_parts();
    let mut moments = Moments::default();
    for (row, (heights, valid)) in heights.rows().into_iter().zip(valid.rows()).enumerate() {
        let pixels = heights.into_iter().zip(valid).enumerate().filter(|(_, (_, valid))| **valid);
        moments.add_row(row as f64, pixels.map(|(column, (h, _))| (column as f64, *h)));
    }
    if let Some(plane) = moments.plane() {
        for ((row, column), height) in heights.indexed_iter_mut() {
            *height -= plane.piston + plane.pitch * column as f64 + plane.roll * row as f64;
        }
    }
    HeightMap::new(heights, valid, pixel).map_err(|_| CrossCheckError::Internal)
}

fn reference_map(layout: &Layout, heights: Vec<f64>, seen: Vec<bool>) -> Result<HeightMap, CrossCheckError> {
    let heights = Array2::from_shape_vec(layout.camera, heights).map_err(|_| CrossCheckError::Internal)?;
    let seen = Array2::from_shape_vec(layout.camera, seen).map_err(|_| CrossCheckError::Internal)?;
    HeightMap::new(heights, seen, Some(layout.pixel)).map_err(|_| CrossCheckError::Internal)
}
