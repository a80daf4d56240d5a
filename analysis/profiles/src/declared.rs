//! What a stitched profile cannot know, in words: the list of the result, and warnings.

use stitchbox_stitch::{NonObservable, Warning};
use stitchbox_surface::ProfileKind;

use crate::gauge::Gauge;
use crate::joint::UNSEEN;
use crate::semidefinite::Semidefinite;
use crate::stitching::{ProfileReference, StitchedProfile};

/// Warnings about what the overlaps leave open.
pub(crate) fn warn(
    warnings: &mut Vec<Warning>,
    (matrix, size): (&[f64], usize),
    factor: &Semidefinite,
    gauge: &Option<Gauge>,
    of_one: usize,
    (divisor, step): (usize, f64),
) {
    if gauge.is_some() && divisor > 1 {
        let message = format!(
            "all shifts are multiples of {:.4} mm, so an error of the instrument that repeats with that cannot be seen; it is \
             assumed zero. Vary the shifts so that they share no divisor to avoid this",
            divisor as f64 * step
        );
        warnings.push(Warning { code: "equal-steps".into(), message });
    }
    // Free by nature: the shapes of the gauge, and the constant (and tilt) of all profiles together.
    let free = of_one + gauge.as_ref().map_or(0, |gauge| gauge.rank);
    let largest = (0..size).map(|i| matrix[i * (size + 1)]).fold(0.0, f64::max);
    let met = (0..size).filter(|i| matrix[i * (size + 1)] > UNSEEN * largest).count();
    if factor.rank() + free < met {
        let message = format!(
            "the overlaps leave {} more combinations of offsets and instrument error open than they should; the result holds \
             one choice of many there",
            met - free - factor.rank()
        );
        warnings.push(Warning { code: "weak-overlap".into(), message });
    }
}

/// The list for the result.
pub(crate) fn non_observable(
    stitched: &StitchedProfile,
    tilt: bool,
    reference: ProfileReference,
    divisor: usize,
    step: f64,
) -> Vec<NonObservable> {
    let slopes = stitched.profile.kind == ProfileKind::SlopeUrad;
    let unknown = reference == ProfileReference::Pixelwise;
    let mut list = Vec::new();
    let mut say = |term: &str, why: String| list.push(NonObservable { term: term.into(), why });
    let constant = if slopes { "a tilt of the mirror" } else { "a height of the mirror" };
    let line = if slopes { "a curvature of the mirror" } else { "a tilt of the mirror" };
    say("1", format!("{constant} looks like the offset of every profile: the mean over the profile is taken off"));
    let assumed = "by convention the instrument has none (least squares over the scan), so all of it is in the profile";
    match (tilt, unknown) {
        (false, false) => {}
        (true, _) => say(
            "x",
            format!(
                "{line} looks like the tilt of every profile: the least-squares line over the profile is taken off"
            ),
        ),
        (false, true) => say(
            "x",
            format!(
                "{line} looks like an error that grows along the scan and offsets that grow with the position; {assumed}"
            ),
        ),
    }
    if tilt && unknown {
        let what = "power of the instrument's error and tilts that grow with the position look the same";
        say("x^2", format!("{what}; {assumed}"));
    }
    if unknown && divisor > 1 {
        let what =
            "all shifts are multiples of it, so any shape that repeats with it may belong to instrument or mirror";
        say(&format!("period {:.4} mm", divisor as f64 * step), format!("{what}; {assumed}"));
    }
    list
}
