//! Slope maps (SHARPeR, HASO): each axis is stitched with one constant for each sub-aperture, and the two axes are held
//! against each other.

use std::borrow::Cow;

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_stitch::{NonObservable, Options, Placed, Progress, Reference, Terms, Warning, stitch};
use stitchbox_surface::{HeightMap, Instrument, PixelSize, SlopeSubAperture, SubAperture};

use crate::ProfilesError;
use crate::chained_maps;
use crate::curl::{Curl, curl};
use crate::semidefinite::fit;

/// A slope map and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedSlopes {
    /// The measured slopes. Their own `position_mm` is not looked at.
    pub slopes: SlopeSubAperture,
    /// Mirror x of camera column 0, mm.
    pub x_mm: f64,
    /// Mirror y of camera row 0, mm.
    pub y_mm: f64,
}

/// How the constants of the sub-apertures are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SlopeMethod {
    /// Each sub-aperture is set onto an earlier one by the mean difference; positions are rounded to whole pixels, and
    /// there is neither reference nor uncertainty.
    Chained,
    /// All overlaps together, by the engine that stitches heights.
    #[default]
    Global,
}

/// What is known of the instrument's slope error over the detector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SlopeReference {
    /// Taken as zero.
    None,
    /// Unknown, one value for each pixel and axis. Global method only.
    #[default]
    Pixelwise,
    /// Unknown but smooth. Global method only.
    Smooth,
}

/// How slope maps are stitched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlopeStitching {
    /// How the constants are found. Default `global`.
    pub method: SlopeMethod,
    /// What is known of the instrument's error; the chained method takes it as zero whatever stands here. Default
    /// `pixelwise`.
    pub reference: SlopeReference,
    /// Look for outliers and solve again without them; global method only. Default true.
    pub robust: bool,
    /// Width of the blocks, pixels, over which the curl is averaged to see long waves; at least 1. Default 16.
    pub curl_block: u32,
}

impl Default for SlopeStitching {
    fn default() -> Self {
        Self { method: SlopeMethod::default(), reference: SlopeReference::default(), robust: true, curl_block: 16 }
    }
}

/// Stitched slopes.
#[derive(Debug, Clone, PartialEq)]
pub struct StitchedSlopes {
    /// dz/dx.
    pub x: SlopeAxis,
    /// dz/dy, where the instrument measures it.
    pub y: Option<SlopeAxis>,
    /// Pixel size, mm.
    pub pixel: PixelSize,
    /// Mirror x of column 0, mm.
    pub x0_mm: f64,
    /// Mirror y of row 0, mm.
    pub y0_mm: f64,
    /// How well the two axes agree with one surface; `None` with one axis, or without enough neighbouring pixels.
    pub curl: Option<Curl>,
    /// What to know about both axes; what concerns one stands there.
    pub warnings: Vec<Warning>,
}

/// One stitched axis. All arrays have one shape (rows, columns), but that of the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct SlopeAxis {
    /// Slopes, microradian; `0.0` where invalid.
    pub slope_urad: Array2<f64>,
    /// Where they are known.
    pub valid: Array2<bool>,
    /// Standard uncertainty (k = 1) as the engine gives it, microradian.
    pub uncertainty_urad: Option<Array2<f64>>,
    /// Sub-apertures at each pixel.
    pub overlap: Array2<u16>,
    /// Rms over the overlaps of (corrected sub-aperture - map), microradian.
    pub residual_urad: Array2<f64>,
    /// Slope error over the detector, microradian, and where it is known.
    pub reference: Option<(Array2<f64>, Array2<bool>)>,
    /// The constant that each sub-aperture carries, microradian, in the order of the series.
    pub offsets_urad: Vec<f64>,
    /// Noise of one pixel of one sub-aperture, microradian.
    pub noise_urad: Option<f64>,
    /// What these data cannot determine of this axis, and what was done about each.
    pub non_observable: Vec<NonObservable>,
    /// What to know about this axis.
    pub warnings: Vec<Warning>,
}

/// The axis of a slope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Along {
    X,
    Y,
}

/// Stitches slope maps: one constant for each sub-aperture and axis, and a slope reference for each axis where wanted.
/// Heights are not integrated here.
///
/// # Errors
/// Maps whose arrays disagree, series in which some maps lack the y axis, and whatever the engine refuses.
pub fn stitch_slopes(
    series: &[PlacedSlopes],
    options: &SlopeStitching,
    progress: &dyn Progress,
) -> Result<StitchedSlopes, ProfilesError> {
    let with_y = check(series)?;
    if options.curl_block == 0 {
        return Err(ProfilesError::BadNumber { what: "curl_block", value: 0.0, must: "at least 1" });
    }
    let parts = if with_y { [(0.0, 0.5), (0.5, 1.0)] } else { [(0.0, 1.0), (1.0, 1.0)] };
    let of = |along: Along, (from, to): (f64, f64)| {
        let placed: Vec<Placed> = series.iter().map(|p| as_heights(p, along)).collect::<Result<_, _>>()?;
        let progress = Part { progress, from, to };
        match options.method {
            SlopeMethod::Chained => chained_maps::stitch(&placed, along),
            SlopeMethod::Global => global(&placed, along, options, &progress),
        }
    };
    let (x, frame) = of(Along::X, parts[0])?;
    let y = if with_y { Some(of(Along::Y, parts[1])?.0) } else { None };
    let mut warnings = Vec::new();
    let found = match &y {
        Some(y) => curl(&x, y, frame.pixel, options.curl_block as usize),
        None => None,
    };
    if let Some(message) = found.as_ref().and_then(Curl::contradiction) {
        warnings.push(Warning { code: "curl".into(), message });
    }
    Ok(StitchedSlopes { x, y, pixel: frame.pixel, x0_mm: frame.x0_mm, y0_mm: frame.y0_mm, curl: found, warnings })
}

/// Where an axis lies on the mirror.
pub(crate) struct Frame {
    pub pixel: PixelSize,
    pub x0_mm: f64,
    pub y0_mm: f64,
}

/// Whether the maps have a y axis, all of them or none.
fn check(series: &[PlacedSlopes]) -> Result<bool, ProfilesError> {
    let [first, ..] = series else { return Err(ProfilesError::TooFew { what: "stitching", least: 2, count: 0 }) };
    let with_y = first.slopes.y_urad.is_some();
    for p in series {
        let s = &p.slopes;
        let shape = s.valid.dim();
        if s.x_urad.dim() != shape || s.y_urad.as_ref().is_some_and(|y| y.dim() != shape) {
            return Err(ProfilesError::ShapesDiffer { name: s.name.clone() });
        }
        if s.y_urad.is_some() != with_y {
            let (with, without) = if with_y { (&first.slopes, s) } else { (s, &first.slopes) };
            return Err(ProfilesError::AxesDiffer { first: with.name.clone(), second: without.name.clone() });
        }
    }
    Ok(with_y)
}

/// Slopes in the place of heights: microradian for nanometres.
fn as_heights(p: &PlacedSlopes, along: Along) -> Result<Placed, ProfilesError> {
    let s = &p.slopes;
    let values = match along {
        Along::X => Cow::Borrowed(&s.x_urad),
        Along::Y => s.y_urad.as_ref().map_or(Cow::Owned(Array2::zeros(s.valid.dim())), Cow::Borrowed),
    };
    let map = HeightMap::new(values.into_owned(), s.valid.clone(), s.pixel)
        .map_err(|_| ProfilesError::ShapesDiffer { name: s.name.clone() })?;
    let sub_aperture = SubAperture {
        name: s.name.clone(),
        map,
        window: s.window,
        position_mm: None,
        intensity: None,
        instrument: Instrument::default(),
    };
    Ok(Placed { sub_aperture, x_mm: p.x_mm, y_mm: p.y_mm })
}

fn global(
    placed: &[Placed],
    along: Along,
    options: &SlopeStitching,
    progress: &dyn Progress,
) -> Result<(SlopeAxis, Frame), ProfilesError> {
    let reference = match options.reference {
        SlopeReference::None => Reference::None,
        SlopeReference::Pixelwise => Reference::Pixelwise,
        SlopeReference::Smooth => Reference::Smooth,
    };
    let found = stitch(placed, &for_slopes(Options::default(), reference, options.robust), progress)?;
    let non_observable = found.non_observable.iter().map(|n| in_slopes(n, along)).collect();
    let offsets_urad = found.correctors.iter().map(|c| c.piston_nm).collect();
    let (slope_urad, valid, pixel) = found.height.into_parts();
    let pixel = pixel.ok_or(ProfilesError::Internal { step: "stitching slopes" })?;
    let mut axis = SlopeAxis {
        slope_urad,
        valid,
        uncertainty_urad: found.uncertainty_nm,
        overlap: found.overlap,
        residual_urad: found.residual_nm,
        reference: found.reference.map(|map| {
            let (slopes, valid, _) = map.into_parts();
            (slopes, valid)
        }),
        offsets_urad,
        noise_urad: found.noise_nm,
        non_observable,
        warnings: found.warnings,
    };
    let frame = Frame { pixel, x0_mm: found.x0_mm, y0_mm: found.y0_mm };
    axis.power_to_map(placed, &frame);
    Ok((axis, frame))
}

impl SlopeAxis {
    /// The engine takes the whole plane off its map: of heights, that is tilt. Of slopes it is power and twist, which the
    /// convention for heights leaves in the map, with a reference that has none. This moves them there.
    fn power_to_map(&mut self, placed: &[Placed], frame: &Frame) {
        let Some((reference, seen)) = &mut self.reference else { return };
        let (rows, columns) = reference.dim();
        let centre = ((columns as f64 - 1.0) / 2.0, (rows as f64 - 1.0) / 2.0);
        let of = |(row, column): (usize, usize)| [1.0, column as f64 - centre.0, row as f64 - centre.1];
        let pixels = || reference.indexed_iter().zip(seen.iter()).filter(|(_, seen)| **seen);
        let plane = fit(pixels().map(|((at, _), _)| of(at)), pixels().map(|((_, r), _)| r));
        let [_, along_u, along_v] = plane.as_slice() else { return };
        let (along_u, along_v) = (*along_u, *along_v);
        for ((at, r), seen) in reference.indexed_iter_mut().zip(seen.iter()) {
            if *seen {
                let shape = of(at);
                *r -= along_u * shape[1] + along_v * shape[2];
            }
        }
        let (map_rows, map_columns) = self.valid.dim();
        let middle = ((map_columns as f64 - 1.0) / 2.0, (map_rows as f64 - 1.0) / 2.0);
        for (((row, column), s), valid) in self.slope_urad.indexed_iter_mut().zip(&self.valid) {
            if *valid {
                *s += along_u * (column as f64 - middle.0) + along_v * (row as f64 - middle.1);
            }
        }
        let used = || self.slope_urad.iter().zip(&self.valid).filter(|(_, valid)| **valid);
        let mean = used().map(|(s, _)| s).sum::<f64>() / used().count().max(1) as f64;
        self.slope_urad.zip_mut_with(&self.valid, |s, valid| *s = if *valid { *s - mean } else { 0.0 });
        // The reference begins where the first detector window does.
        let windows = || placed.iter().map(|p| p.sub_aperture.window);
        let column0 = windows().map(|w| w.column).min().unwrap_or(0) as f64;
        let row0 = windows().map(|w| w.row).min().unwrap_or(0) as f64;
        for (offset, p) in self.offsets_urad.iter_mut().zip(placed) {
            let x = (p.x_mm - frame.x0_mm) / frame.pixel.x_mm + column0 + centre.0 - middle.0;
            let y = (p.y_mm - frame.y0_mm) / frame.pixel.y_mm + row0 + centre.1 - middle.1;
            *offset += mean - along_u * x - along_v * y;
        }
    }
}

/// A sub-aperture of slopes carries a constant and nothing else.
fn for_slopes(mut options: Options, reference: Reference, robust: bool) -> Options {
    let mut terms = Terms::default();
    (terms.piston, terms.pitch, terms.roll) = (true, false, false);
    options.terms = terms;
    options.reference = reference;
    options.robust = robust;
    options
}

/// What the engine says of heights, said of slopes.
pub(crate) fn in_slopes(of_heights: &NonObservable, along: Along) -> NonObservable {
    let assumed = "by convention the instrument has none (least squares over the detector), so all of it is in the map";
    let (own, other) = match along {
        Along::X => ("dz/dx", "dz/dy"),
        Along::Y => ("dz/dy", "dz/dx"),
    };
    let across = |of: &str| {
        format!(
            "nothing moved across that direction, so any {own} that is a function of {of} alone may belong to instrument or \
             mirror; {assumed}"
        )
    };
    let why = match (of_heights.term.as_str(), along) {
        ("1", _) => "a tilt of the mirror looks like the constant of every sub-aperture: the mean is taken off".into(),
        ("x", Along::X) | ("y", Along::Y) => format!(
            "power of the mirror looks like an error of the instrument that grows along the detector and constants that grow \
             with the position; {assumed}"
        ),
        ("x" | "y", _) => format!(
            "twist of the mirror looks like an error of the instrument that grows across the detector; {assumed}. The twist \
             that {other} would tell is open for the same reason"
        ),
        ("g(x)", _) => across("x"),
        ("g(y)", _) => across("y"),
        _ => of_heights.why.clone(),
    };
    NonObservable { term: of_heights.term.clone(), why }
}

/// Reports a part of the whole as if it were the whole.
struct Part<'a> {
    progress: &'a dyn Progress,
    from: f64,
    to: f64,
}

impl Progress for Part<'_> {
    fn at(&self, fraction: f64, step: &str) {
        self.progress.at(self.from + (self.to - self.from) * fraction, step);
    }

    fn cancelled(&self) -> bool {
        self.progress.cancelled()
    }
}
