//! Why profiles or slope maps cannot be processed as they are, in sentences for the person who measured them.

use stitchbox_stitch::StitchError;

/// Profiles, slope maps or settings with which nothing can be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProfilesError {
    /// Too few profiles or slope maps.
    #[error("{what} needs at least {least} and the series has {count}; add the missing files")]
    TooFew {
        /// What was to be done.
        what: &'static str,
        /// How many it needs.
        least: usize,
        /// How many there are.
        count: usize,
    },
    /// Heights and slopes in one series.
    #[error("{first} and {second} are not the same kind of profile (heights and slopes); convert one of them first")]
    KindsDiffer {
        /// A file.
        first: String,
        /// One of another kind.
        second: String,
    },
    /// Positions and values that do not make a profile.
    #[error(
        "{name} is no profile: it needs at least two positions, ascending, and a finite value for each; read the file again"
    )]
    NotAProfile {
        /// File name.
        name: String,
    },
    /// Only slopes depend on the measured angle.
    #[error("{name} holds heights, but the calibration by pitches is one of slopes; give the slopes as measured")]
    NotSlopes {
        /// File name.
        name: String,
    },
    /// A position, step or setting that is not a usable number.
    #[error("{what} is {value}, which must be {must}")]
    BadNumber {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        must: &'static str,
    },
    /// The profiles share no stretch.
    #[error("the scans share no common stretch of at least {least} points; remove {name}, or average fewer scans")]
    NoCommonStretch {
        /// The scan after which nothing was left in common.
        name: String,
        /// Points needed.
        least: usize,
    },
    /// Two parts of a series do not overlap enough.
    #[error("{name} does not overlap the others by at least {least} points; check its position")]
    NoOverlap {
        /// The first file that is not tied to the others.
        name: String,
        /// Points needed.
        least: usize,
    },
    /// An unknown instrument error cannot be separated because nothing moved.
    #[error(
        "nothing moved between the profiles, so the instrument's error cannot be told from the mirror; set reference = \"none\""
    )]
    NothingMoves,
    /// More unknowns or points than can be solved for at once.
    #[error("{what} would be {count}, more than {most}; use a larger step")]
    TooLarge {
        /// Of what there are too many.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many are possible.
        most: usize,
    },
    /// Too few points of a result are known.
    #[error(
        "only {points} points of {what} would be known, and a profile has at least 2; use a smaller step or profiles that \
         overlap more"
    )]
    TooShort {
        /// Of which result.
        what: &'static str,
        /// How many points are known.
        points: usize,
    },
    /// A slope map whose arrays disagree.
    #[error("the slopes and the mask of {name} have different shapes; export the file again")]
    ShapesDiffer {
        /// File name.
        name: String,
    },
    /// Some slope maps have a y axis and others have not.
    #[error("{first} has slopes along y and {second} has none; remove the file that does not belong to the series")]
    AxesDiffer {
        /// A file with both axes.
        first: String,
        /// One with x alone.
        second: String,
    },
    /// The engine refused the slope maps; it speaks of heights where these are slopes.
    #[error(transparent)]
    Stitch(#[from] StitchError),
    /// Something that cannot happen did: a fault of this program.
    #[error("internal fault while {step}: please report it with the files of the series")]
    Internal {
        /// What was being done.
        step: &'static str,
    },
}
