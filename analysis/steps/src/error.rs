//! What can go wrong in a step: each error says what, why, and what to do next.

use stitchbox_surface::{NotAProfile, ShapeMismatch};

/// Why a step could not be applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StepError {
    /// Lengths were given but the map has no pixel size.
    #[error(
        "{step} needs lengths, but the pixel size of the map is not known; set the pixel size in the recipe or give pixels"
    )]
    NoPixelSize {
        /// The step.
        step: &'static str,
    },
    /// A parameter is outside what makes sense.
    #[error("{step}: {parameter} is {value}, but {why}")]
    Parameter {
        /// The step.
        step: &'static str,
        /// Name of the parameter as the recipe writes it.
        parameter: &'static str,
        /// What was given.
        value: String,
        /// What it must be.
        why: &'static str,
    },
    /// Too few points to fit.
    #[error("{step} has {points} valid points for {terms} free terms; fit fewer terms or mask less")]
    TooFewPoints {
        /// The step.
        step: &'static str,
        /// Valid points found.
        points: usize,
        /// Terms asked for.
        terms: usize,
    },
    /// The data do not tell one term from the others.
    #[error("{step} cannot tell {term} from the other free terms with these data; fix it or fit fewer terms")]
    NotDetermined {
        /// The step.
        step: &'static str,
        /// Name of the term.
        term: String,
    },
    /// The iteration did not settle.
    #[error(
        "{step} did not settle after {iterations} iterations; start closer to the true values or fix one of the parameters"
    )]
    NotConverged {
        /// The step.
        step: &'static str,
        /// Iterations done.
        iterations: usize,
    },
    /// A shape does not reach as far as the data do.
    #[error(
        "{step}: the data reach to x = {x_mm} mm, where {shape} with these parameters has no surface; check p, q, theta, the radius and x0"
    )]
    BeyondShape {
        /// The step.
        step: &'static str,
        /// The shape.
        shape: &'static str,
        /// Where the data are, mm from the centre.
        x_mm: f64,
    },
    /// Maps that should be alike are not.
    #[error("{step}: the maps have {first:?} and {second:?} (rows, columns); crop or resample one to the other first")]
    Shapes {
        /// The step.
        step: &'static str,
        /// Rows and columns of the one.
        first: [usize; 2],
        /// Rows and columns of the other.
        second: [usize; 2],
    },
    /// Pixel sizes that should be alike are not.
    #[error("{step}: the pixel sizes differ; resample one map to the other first")]
    PixelSizes {
        /// The step.
        step: &'static str,
    },
    /// Nothing is left.
    #[error("{step} leaves no valid pixel; check the mask and its place relative to the centre of the map")]
    NothingLeft {
        /// The step.
        step: &'static str,
    },
    /// A step for heights was given slopes, or the other way round.
    #[error("{step} works on {expected}, but the profile holds {found}; integrate or differentiate it first")]
    Kind {
        /// The step.
        step: &'static str,
        /// What it works on.
        expected: &'static str,
        /// What it got.
        found: &'static str,
    },
    /// Heights and mask that do not belong together.
    #[error(transparent)]
    Mask(#[from] ShapeMismatch),
    /// Positions and values that are no profile.
    #[error(transparent)]
    Profile(#[from] NotAProfile),
    /// The pixel size is zero, negative or not finite.
    #[error("{step} needs a positive pixel size, not {x_mm} mm x {y_mm} mm; correct it in the recipe")]
    PixelSizeNotPositive {
        /// The step.
        step: &'static str,
        /// Along x, mm.
        x_mm: f64,
        /// Along y, mm.
        y_mm: f64,
    },
    /// Two parameters were given of which only one may be.
    #[error("{step}: {one} and {other} exclude each other; leave one of them out")]
    Exclusive {
        /// The step.
        step: &'static str,
        /// One of them.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// Too little is left to work on.
    #[error("{step} needs at least {needed} {what} and found {found}; check masks and limits")]
    TooFew {
        /// The step.
        step: &'static str,
        /// What there is too little of, in the plural.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many would do.
        needed: usize,
    },
    /// A place outside of the map.
    #[error("{step}: {what} = {value_mm} mm lies outside of the map, which reaches from {first_mm} mm to {last_mm} mm")]
    OutsideOfMap {
        /// The step.
        step: &'static str,
        /// Name of the parameter.
        what: &'static str,
        /// Where, mm from the centre of the map.
        value_mm: f64,
        /// First place inside, mm.
        first_mm: f64,
        /// Last place inside, mm.
        last_mm: f64,
    },
    /// The result would not fit any reasonable memory.
    #[error("{step} would make {pixels:.3e} pixels, more than {most:.0e}; choose a larger pixel size")]
    TooManyPixels {
        /// The step.
        step: &'static str,
        /// Pixels of the result.
        pixels: f64,
        /// Most pixels allowed.
        most: f64,
    },
    /// The slopes along y are missing.
    #[error("{step} needs slopes along x and y, but the file holds those along x only; integrate its rows as profiles")]
    NoSlopesAlongY {
        /// The step.
        step: &'static str,
    },
    /// Points that do not lie on an equidistant grid.
    #[error(
        "{step} needs equidistant points, but point {index} lies off the grid of {spacing_mm} mm; resample the profile first"
    )]
    NotEquidistant {
        /// The step.
        step: &'static str,
        /// The first point off the grid, counted from 0.
        index: usize,
        /// Spacing of the grid, mm.
        spacing_mm: f64,
    },
}
