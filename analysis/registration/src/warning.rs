//! What a person should look at before believing places found from overlaps.

use std::fmt;

/// Something that does not prevent registration but weakens it.
#[derive(Debug, Clone, PartialEq)]
pub enum RegistrationWarning {
    /// Too few sub-apertures to tell the reference from the mirror.
    ReferenceKept {
        /// Number of sub-apertures.
        count: usize,
    },
    /// The series hangs together by one overlap only here.
    SingleTie {
        /// First file.
        first: String,
        /// Second file.
        second: String,
        /// How far its peak stands above the next one.
        peak_ratio: f64,
    },
    /// A shift that looked clear was left out, because others contradict it.
    LeftOut {
        /// First file.
        first: String,
        /// Second file.
        second: String,
        /// By how much it misses what the others say, pixels.
        miss_px: f64,
    },
    /// Two sub-apertures were found to look at the same place.
    SamePlace {
        /// First file.
        first: String,
        /// Second file.
        second: String,
    },
}

impl fmt::Display for RegistrationWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReferenceKept { count } => write!(
                f,
                "with {count} sub-apertures the reference cannot be told from the mirror; places that rest on it look like shift zero \
                 and were ignored"
            ),
            Self::SingleTie { first, second, peak_ratio } => write!(
                f,
                "only the overlap of {first} and {second} ties the two parts of the series together (peak ratio {peak_ratio:.1}); no \
                 other overlap confirms it"
            ),
            Self::LeftOut { first, second, miss_px } => write!(
                f,
                "the shift between {first} and {second} misses by {miss_px:.1} pixels what the other overlaps say and was left out"
            ),
            Self::SamePlace { first, second } => {
                write!(f, "{first} and {second} look at the same place, as far as their roughness tells")
            }
        }
    }
}
