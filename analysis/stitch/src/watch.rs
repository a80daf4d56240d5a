//! Progress of one stitch: a range of the whole for each step, and the question whether to go on.

use crate::{Progress, StitchError};

/// The part of a stitch that is under way.
pub(crate) struct Watch<'a> {
    progress: &'a dyn Progress,
    from: f64,
    to: f64,
    step: &'static str,
}

impl<'a> Watch<'a> {
    /// Announces a step that takes the progress from one fraction to another.
    pub fn step(progress: &'a dyn Progress, from: f64, to: f64, step: &'static str) -> Result<Self, StitchError> {
        let watch = Self { progress, from, to, step };
        watch.at(0.0)?;
        Ok(watch)
    }

    /// Tells nothing, and can be ended all the same.
    pub fn quiet(progress: &'a dyn Progress) -> Self {
        Self { progress, from: 0.0, to: 0.0, step: "" }
    }

    /// A part of the step is done; ends the stitch if the caller wants that.
    pub fn at(&self, part: f64) -> Result<(), StitchError> {
        if self.progress.cancelled() {
            return Err(StitchError::Cancelled);
        }
        self.progress.at(self.from + (self.to - self.from) * part.clamp(0.0, 1.0), self.step);
        Ok(())
    }

    /// The caller wants no more: tasks leave off, and `still` tells why.
    pub fn stopped(&self) -> bool {
        self.progress.cancelled()
    }

    /// Ends the stitch if the caller wants that.
    pub fn still(&self) -> Result<(), StitchError> {
        if self.stopped() { Err(StitchError::Cancelled) } else { Ok(()) }
    }

    /// As `at`, for a residual on its way from `first` to `goal`.
    pub fn within(&self, residual: f64, first: f64, goal: f64) -> Result<(), StitchError> {
        let part = if residual > 0.0 && first > goal && goal > 0.0 {
            libm::log(first / residual) / libm::log(first / goal)
        } else {
            0.0
        };
        self.at(part)
    }
}

/// Reports a part of the whole as if it were the whole.
pub(crate) struct Part<'a> {
    pub progress: &'a dyn Progress,
    pub from: f64,
    pub to: f64,
}

impl Progress for Part<'_> {
    fn at(&self, fraction: f64, step: &str) {
        self.progress.at(self.from + (self.to - self.from) * fraction, step);
    }

    fn cancelled(&self) -> bool {
        self.progress.cancelled()
    }
}

/// Says nothing, and can be ended all the same.
pub(crate) struct Silent<'a>(pub &'a dyn Progress);

impl Progress for Silent<'_> {
    fn at(&self, _fraction: f64, _step: &str) {}

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}
