//! What can be said of the steps before anything is computed: whether the files they name are there, and whether each
//! works on what the steps before it leave.

use crate::failure::{FailureKind, RunFailure};
use crate::recipe::{SeriesKind, Step};
use crate::run::Job;

/// What a step works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Map,
    Slopes,
    Profile,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Map => "a map",
            Self::Slopes => "slope maps",
            Self::Profile => "a profile",
        }
    }

    /// What the step makes of it; `None` where it cannot work on it.
    fn after(self, step: &Step) -> Option<Self> {
        match (self, step) {
            (Self::Map, Step::Section(_) | Step::Line(_)) => Some(Self::Profile),
            (Self::Map, Step::Differentiate(_)) => Some(Self::Slopes),
            (Self::Map, Step::Integrate(_) | Step::IntegrateProfile(_) | Step::RemoveFromProfile(_)) => None,
            (Self::Map, _) => Some(Self::Map),
            (Self::Slopes, Step::Integrate(_)) => Some(Self::Map),
            (Self::Slopes, _) => None,
            (
                Self::Profile,
                Step::RemoveFromProfile(_)
                | Step::Gravity(_)
                | Step::Gaussian(_)
                | Step::Differentiate(_)
                | Step::IntegrateProfile(_)
                | Step::Statistics(_)
                | Step::Psd(_)
                | Step::BandRms(_),
            ) => Some(Self::Profile),
            (Self::Profile, _) => None,
        }
    }
}

/// Refuses what can only fail after the series was solved.
pub(in crate::run) fn foresee(job: &Job<'_>) -> Result<(), RunFailure> {
    let recipe = job.recipe;
    for name in recipe.before.iter().chain(&recipe.after).filter_map(Step::file) {
        if job.named(name).is_none() {
            return Err(super::missing(name));
        }
    }
    match recipe.series.kind {
        SeriesKind::Maps => walk(&recipe.after, Kind::Map),
        SeriesKind::Profiles => walk(&recipe.after, Kind::Profile),
        // With both axes they are heights, with one they stay slopes: the files tell.
        SeriesKind::Slopes => Ok(()),
    }
}

fn walk(steps: &[Step], start: Kind) -> Result<(), RunFailure> {
    let mut kind = start;
    for (index, step) in steps.iter().enumerate() {
        if let Step::Restart(_) = step {
            kind = start;
            continue;
        }
        kind = kind.after(step).ok_or_else(|| {
            let message = format!(
                "Step {} of [[after]] (\"{}\") cannot work on {}, which is what there is at this place of the list. Move or \
                 remove the step in stitch.toml; \"restart\" goes on with the result as stitched.",
                index + 1,
                step.name(),
                kind.name()
            );
            RunFailure::new(FailureKind::BadRecipe, message)
        })?;
    }
    Ok(())
}
