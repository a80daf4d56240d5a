//! Why a step could not be done: sentences that say what is wrong and what to do about it.

/// A step refused its input or its parameters.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StepError {
    /// The step needs lengths, and nobody told the pixel size.
    #[error("{step} needs the pixel size, which the file does not tell: give it in the recipe")]
    PixelSizeUnknown {
        /// What was asked for.
        step: &'static str,
    },
    /// The pixel size is zero, negative or not finite.
    #[error("{step} needs a positive pixel size, not {x_mm} mm x {y_mm} mm: correct it in the recipe")]
    PixelSizeNotPositive {
        /// What was asked for.
        step: &'static str,
        /// Along x, mm.
        x_mm: f64,
        /// Along y, mm.
        y_mm: f64,
    },
    /// A parameter outside of what has a meaning.
    #[error("{parameter} = {value} has no meaning here: it must be {allowed}")]
    ParameterOutOfRange {
        /// Name of the parameter, as in the recipe.
        parameter: &'static str,
        /// What was given, in the unit that `allowed` names.
        value: f64,
        /// What would do.
        allowed: &'static str,
    },
    /// Two parameters were given of which only one may be.
    #[error("{one} and {other} exclude each other: leave one of them out")]
    Exclusive {
        /// One of them.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// Two arrays that belong together differ in shape.
    #[error("{what} has {found:?} (rows, columns) where {expected:?} is needed")]
    OtherShape {
        /// Which array.
        what: &'static str,
        /// Its rows and columns.
        found: [usize; 2],
        /// The rows and columns it should have.
        expected: [usize; 2],
    },
    /// Too little is left to work on.
    #[error("{step} needs at least {needed} {what} and found {found}: check masks and limits")]
    TooFew {
        /// What was asked for.
        step: &'static str,
        /// What there is too little of, in the plural.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many would do.
        needed: usize,
    },
    /// A place outside of the map.
    #[error("{what} at {value_mm} mm lies outside of the map, which reaches from {first_mm} mm to {last_mm} mm")]
    OutsideOfMap {
        /// What lies there.
        what: &'static str,
        /// Where, mm.
        value_mm: f64,
        /// First place inside, mm.
        first_mm: f64,
        /// Last place inside, mm.
        last_mm: f64,
    },
    /// The result would not fit any reasonable memory.
    #[error("the result would have {pixels:.3e} pixels, more than {most:.0e}: choose a larger pixel size")]
    TooManyPixels {
        /// Pixels of the result.
        pixels: f64,
        /// Most pixels allowed.
        most: f64,
    },
    /// Heights were given where slopes are needed, or the reverse.
    #[error("{step} works on {needed}, and this profile holds something else")]
    OtherKind {
        /// What was asked for.
        step: &'static str,
        /// What it works on.
        needed: &'static str,
    },
    /// The slopes along y are missing.
    #[error(
        "{step} needs slopes along x and along y, and the file holds only those along x: integrate its rows as profiles"
    )]
    NoSlopesAlongY {
        /// What was asked for.
        step: &'static str,
    },
    /// Points that do not lie on an equidistant grid.
    #[error(
        "the points are not equidistant: the distance of point {index} from the first is not a multiple of {step_mm} mm; \
         resample the profile first"
    )]
    NotEquidistant {
        /// The first point off the grid.
        index: usize,
        /// Spacing of the grid, mm.
        step_mm: f64,
    },
    /// An iteration ended before it was accurate.
    #[error("{step} did not converge: after {iterations} iterations the residual is {residual:.1e} of the data")]
    NotConverged {
        /// What was asked for.
        step: &'static str,
        /// Iterations done.
        iterations: usize,
        /// Remaining residual, relative.
        residual: f64,
    },
}
