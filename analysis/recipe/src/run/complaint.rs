//! What the solver and the steps refuse, as a sentence for the person who measured.

use stitchbox_stitch::StitchError;

use crate::failure::{FailureKind, RunFailure};

pub(super) fn no_result(error: &StitchError) -> RunFailure {
    let kind = match error {
        StitchError::Cancelled => FailureKind::Cancelled,
        StitchError::ReferenceShape { .. } | StitchError::ReferencePixels { .. } => FailureKind::BadRecipe,
        StitchError::AnglesCount { .. } | StitchError::AbsurdAngle { .. } | StitchError::AbsurdProfile { .. } => {
            FailureKind::BadRecipe
        }
        StitchError::AbsurdPosition { .. } => FailureKind::NoPositions,
        StitchError::TooLarge { .. } | StitchError::NotInMemory { .. } => FailureKind::TooLarge,
        StitchError::Unreadable { .. } | StitchError::Scratch { .. } => FailureKind::Storage,
        StitchError::Internal { .. } => FailureKind::Internal,
        StitchError::TooFew { .. }
        | StitchError::NoValidPixels { .. }
        | StitchError::NoLateralCalibration { .. }
        | StitchError::PixelSizesDiffer { .. }
        | StitchError::AbsurdWindow { .. }
        | StitchError::AbsurdHeight { .. }
        | StitchError::NoOverlap { .. } => FailureKind::BadSeries,
    };
    RunFailure::new(kind, sentence(error))
}

/// First letter upper-case, a full stop at the end.
fn sentence(error: &StitchError) -> String {
    let text = error.to_string();
    // a file name keeps its spelling
    let begins_with_name = match error {
        StitchError::NoValidPixels { file: name }
        | StitchError::NoLateralCalibration { file: name }
        | StitchError::AbsurdWindow { file: name, .. }
        | StitchError::AbsurdHeight { file: name, .. }
        | StitchError::Unreadable { file: name, .. }
        | StitchError::PixelSizesDiffer { first: name, .. } => text.starts_with(name.as_str()),
        _ => false,
    };
    let mut characters = text.chars();
    let first: String = match characters.next() {
        Some(c) if !begins_with_name => c.to_uppercase().collect(),
        Some(c) => c.to_string(),
        None => String::new(),
    };
    format!("{first}{}.", characters.as_str().trim_end_matches('.'))
}
