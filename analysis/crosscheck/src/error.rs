//! Why an older method cannot be computed for a series, in sentences for the person who asked for it.

/// A series or a setting with which no cross-check can be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CrossCheckError {
    /// Fewer than two sub-apertures.
    #[error("a cross-check needs at least two sub-apertures and the series has {count}; add the missing files")]
    TooFew {
        /// Number of sub-apertures given.
        count: usize,
    },
    /// A file without a single valid pixel.
    #[error("{file} has no valid pixel; remove the file or measure it again")]
    NoValidPixels {
        /// File name.
        file: String,
    },
    /// A file does not tell its pixel size, or tells one that is not positive.
    #[error(
        "{file} carries no lateral calibration, so its position in mm cannot be turned into pixels; give the pixel size \
         in stitch.toml"
    )]
    NoLateralCalibration {
        /// File name.
        file: String,
    },
    /// The pixel sizes of two files differ by more than 1e-4.
    #[error(
        "{first} and {second} have pixels of different size (more than 0.01 %); remove the file that does not belong to \
         the series, or give one pixel size in stitch.toml"
    )]
    PixelSizesDiffer {
        /// File whose pixel size is taken as that of the series.
        first: String,
        /// File that disagrees.
        second: String,
    },
    /// A position or a detector window that no mirror and no camera has.
    #[error(
        "{file} lies at x = {x_mm} mm, y = {y_mm} mm, or in a detector window, that cannot be; correct the position"
    )]
    AbsurdPosition {
        /// File name.
        file: String,
        /// Mirror x, mm.
        x_mm: f64,
        /// Mirror y, mm.
        y_mm: f64,
    },
    /// A map larger than any mirror needs.
    #[error("the {what} would have {rows} x {columns} pixels, more than can be held; a position must be wrong")]
    TooLarge {
        /// `camera frame` or `stitched map`.
        what: &'static str,
        /// Rows it would have.
        rows: u64,
        /// Columns it would have.
        columns: u64,
    },
    /// The pairs that overlap enough do not tie all sub-apertures together.
    #[error(
        "pairs with an overlap of at least {min_overlap} tie only {tied} of {count} sub-apertures to {first}; {loose} is \
         the first that is not: lower min_overlap"
    )]
    NotTied {
        /// The limit that was set.
        min_overlap: f64,
        /// Sub-apertures tied to the first one, itself included.
        tied: usize,
        /// Sub-apertures in the series.
        count: usize,
        /// File name of the first sub-aperture.
        first: String,
        /// File name of the first that is not tied to it.
        loose: String,
    },
    /// Progressive: a sub-aperture shares no plane's worth of pixels with those before it.
    #[error(
        "{file} does not overlap the sub-apertures before it, so the progressive method cannot place it; sort the series \
         or use pair-planes"
    )]
    NothingBefore {
        /// File name.
        file: String,
    },
    /// `min_overlap` is not a part.
    #[error("min_overlap is {value}, but it is a part of an area: above 0 and at most 1")]
    BadMinOverlap {
        /// What was set.
        value: f64,
    },
    /// `reference_cut` is not a positive number.
    #[error("reference_cut is {value}, but it is a number of standard deviations above 0")]
    BadReferenceCut {
        /// What was set.
        value: f64,
    },
    /// `sweeps` is zero, or more than anyone waits for.
    #[error("sweeps is {value}, but the progressive method does at least one and at most {most}")]
    BadSweeps {
        /// What was set.
        value: u32,
        /// The most there may be.
        most: u32,
    },
    /// A reference was asked for with a method that has none.
    #[error(
        "a reference is extracted only with the algorithm pair-planes; set reference = \"none\" or change the algorithm"
    )]
    NoReferenceInMethod,
    /// Something that cannot happen did: a fault of this program.
    #[error("internal fault: the sizes of two arrays disagree; please report it with the files of the series")]
    Internal,
}
