//! Whether two results of one series say the same.
//!
//! **Identical**: the result digests are equal; this is decided before any map is read. Otherwise the maps are compared:
//!
//! 1. They have one shape and one pixel size, and at least 99 % of the pixels that are valid in either map are valid in both
//!    ([`LEAST_COMMON`]): two engines may treat single edge pixels or outliers differently, not regions.
//! 2. From the difference the shapes are taken off that the data of either side leave open, because two honest results
//!    may differ by these at will: piston and tilts, and of the others those that the result declares (`x^2`, `y^2`, `x y`).
//! 3. `|d| <= 2 sqrt(u1^2 + u2^2)` at 95 % of the common pixels or more ([`LEAST_WITHIN`]). 95 % (exactly 95.45 % for a
//!    normal distribution) is what U = k u with k = 2 promises for two *independent* measurements of one surface (JCGM 100,
//!    6.3.3); the result's own uncertainty is defined the same way: at 95 % of the pixels. Two computations from the *same*
//!    files share the noise, so their difference is far smaller, and a correct engine passes with a wide margin; an error
//!    that shows at more than one pixel in twenty does not pass.
//!
//! Where a map has no uncertainty nothing can be said to agree, and what is not identical has diverged.

use ndarray::Array2;
use serde::{Deserialize, Serialize};
use stitchbox_formats::{FormatError, Limits, Measurement, read_measurement, read_uncertainty};
use stitchbox_report::figure::{Bounds, MapFigure, Palette, Range, Thumbnail, label};
use stitchbox_steps::{Compare, Compared, Register, StepError, SurfaceTerm};
use stitchbox_surface::{HeightMap, PixelSize};

use crate::statement::MAX_PICTURE_BYTES;

/// Least part of the pixels valid in either map that must be valid in both.
pub const LEAST_COMMON: f64 = 0.99;
/// Least part of the common pixels where the difference is within U (k = 2).
pub const LEAST_WITHIN: f64 = 0.95;
const COVERAGE_FACTOR: f64 = 2.0;

/// How a repetition came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Equal result digests: bit for bit the same.
    Identical,
    /// Not the same bits, but within the uncertainties (k = 2).
    Agrees,
    /// Neither.
    Diverged,
}

impl Verdict {
    /// The word in SQL and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Agrees => "agrees",
            Self::Diverged => "diverged",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Identical, Self::Agrees, Self::Diverged].into_iter().find(|verdict| verdict.as_str() == word)
    }
}

/// The numbers behind a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Pixels compared.
    pub pixels: usize,
    /// Part of the pixels valid in either map that are valid in both.
    pub common: f64,
    /// Part of the compared pixels where the difference is within U (k = 2); none where a map has no uncertainty.
    pub within: Option<f64>,
    /// Rms of the difference, nm, without the shapes removed.
    pub rms_nm: f64,
    /// Largest minus smallest difference, nm.
    pub pv_nm: f64,
    /// Shapes taken off the difference.
    pub removed: Vec<String>,
    /// Why it was not compared pixel by pixel, or what decided.
    pub remark: String,
}

/// A difference map as a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// PNG, at most [`MAX_PICTURE_BYTES`].
    pub png: Vec<u8>,
}

/// Why two results cannot be compared at all.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// One of the files cannot be read.
    #[error("{which} result cannot be read: {error}")]
    Format {
        /// `their` or `our`.
        which: &'static str,
        /// Why.
        error: FormatError,
    },
    /// One of the files holds no height map.
    #[error("{which} result is no height map")]
    NoMap {
        /// `their` or `our`.
        which: &'static str,
    },
}

/// Compares the contents of two `height.h5` whose digests differ. `open` are the shapes that the results declare as not
/// observable (`x^2`, `g(y)`, …); those without a name here cannot be taken off and count as difference.
///
/// # Errors
/// [`CompareError`] where one of them is no result of ours.
pub fn compare(
    theirs: &[u8],
    ours: &[u8],
    open: &[String],
    limits: &Limits,
) -> Result<(Verdict, Agreement, Option<Picture>), CompareError> {
    let (their_map, their_u) = read("their", theirs, limits)?;
    let (our_map, our_u) = read("our", ours, limits)?;
    let diverged = |remark: String| Agreement {
        pixels: 0,
        common: 0.0,
        within: None,
        rms_nm: 0.0,
        pv_nm: 0.0,
        removed: Vec::new(),
        remark,
    };
    if their_map.shape() != our_map.shape() {
        let ((r, c), (r2, c2)) = (their_map.shape(), our_map.shape());
        let remark = format!("the maps have different shapes: {r} x {c} and {r2} x {c2} pixels");
        return Ok((Verdict::Diverged, diverged(remark), None));
    }
    if !same_pixel(their_map.pixel(), our_map.pixel()) {
        return Ok((Verdict::Diverged, diverged("the maps have different pixel sizes".to_owned()), None));
    }
    let remove = terms(open);
    let common = common(&their_map, &our_map);
    let both = their_u.as_ref().zip(our_u.as_ref());
    let step = Compare { remove, register: Register::None, max_shift: None, coverage_factor: COVERAGE_FACTOR };
    let applied = match step.apply(&our_map, both.map(|(_, u)| u), &their_map, both.map(|(u, _)| u)) {
        // An uncertainty of zero is none.
        Err(StepError::Parameter { .. }) if both.is_some() => step.apply(&our_map, None, &their_map, None),
        applied => applied,
    };
    let compared = match applied {
        Ok(compared) => compared,
        // Too few common pixels, or none.
        Err(error) => {
            let agreement = Agreement { common, ..diverged(format!("the maps cannot be compared: {error}")) };
            return Ok((Verdict::Diverged, agreement, None));
        }
    };
    let agrees = common >= LEAST_COMMON && compared.within.is_some_and(|within| within >= LEAST_WITHIN);
    let remark = match compared.within {
        _ if common < LEAST_COMMON => "too many pixels are valid in one of the maps only",
        None => "a map without uncertainty agrees with nothing but itself",
        Some(_) if agrees => "the difference is within U (k = 2)",
        Some(_) => "the difference exceeds U (k = 2) at more than 5 % of the pixels",
    };
    let agreement = Agreement {
        pixels: compared.count,
        common,
        within: compared.within,
        rms_nm: compared.rms_nm,
        pv_nm: compared.pv_nm,
        removed: compared.removed.iter().map(|term| term.name.to_owned()).collect(),
        remark: remark.to_owned(),
    };
    if agrees {
        return Ok((Verdict::Agrees, agreement, None));
    }
    let picture = draw(&compared, our_map.pixel());
    Ok((Verdict::Diverged, agreement, picture))
}

fn read(which: &'static str, bytes: &[u8], limits: &Limits) -> Result<(HeightMap, Option<Array2<f64>>), CompareError> {
    let trouble = |error| CompareError::Format { which, error };
    let Measurement::Map(map) = read_measurement(which, bytes, limits).map_err(trouble)? else {
        return Err(CompareError::NoMap { which });
    };
    let uncertainty = read_uncertainty(bytes, limits).map_err(trouble)?;
    Ok((map.map, uncertainty.map(|map| map.heights_nm().clone())))
}

fn same_pixel(one: Option<PixelSize>, other: Option<PixelSize>) -> bool {
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
    match (one, other) {
        (Some(a), Some(b)) => close(a.x_mm, b.x_mm) && close(a.y_mm, b.y_mm),
        (None, None) => true,
        _ => false,
    }
}

fn common(one: &HeightMap, other: &HeightMap) -> f64 {
    let (either, both) = one.valid().iter().zip(other.valid()).fold((0usize, 0usize), |(either, both), (a, b)| {
        (either + usize::from(*a || *b), both + usize::from(*a && *b))
    });
    if either == 0 { 0.0 } else { both as f64 / either as f64 }
}

fn terms(open: &[String]) -> Vec<SurfaceTerm> {
    let mut terms = vec![SurfaceTerm::Piston, SurfaceTerm::TiltX, SurfaceTerm::TiltY];
    terms.extend(open.iter().filter_map(|term| match term.as_str() {
        "x^2" => Some(SurfaceTerm::CurvatureX),
        "y^2" => Some(SurfaceTerm::CurvatureY),
        "x y" => Some(SurfaceTerm::Twist),
        _ => None,
    }));
    terms
}

/// The picture with scales if it is small enough, else the plain map.
fn draw(compared: &Compared, pixel: Option<PixelSize>) -> Option<Picture> {
    let map = &compared.difference;
    let figure = MapFigure {
        title: "Difference — ours minus theirs".to_owned(),
        remark: format!("rms {} nm · PV {} nm", label(compared.rms_nm), label(compared.pv_nm)),
        quantity: "difference (nm)".to_owned(),
        values: map.heights_nm(),
        valid: map.valid(),
        pixel: pixel.unwrap_or(PixelSize { x_mm: 1.0, y_mm: 1.0 }),
        origin_mm: (0.0, 0.0),
        palette: Palette::Signed,
        range: Range::Symmetric,
    };
    let fits = |png: &Vec<u8>| png.len() <= MAX_PICTURE_BYTES;
    let plain = |side| {
        let thumbnail = Thumbnail { values: map.heights_nm(), valid: map.valid(), pixel, palette: Palette::Signed };
        thumbnail.png(Bounds { width: side, height: side })
    };
    let png = figure.png().ok().filter(fits);
    let png = png.or_else(|| [800, 400, 200].into_iter().find_map(|side| plain(side).filter(fits)))?;
    Some(Picture { png })
}
