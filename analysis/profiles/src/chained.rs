//! Chained stitching: every profile is set onto an earlier one, and what is set is averaged.

use stitchbox_stitch::Warning;

use crate::ProfilesError;
use crate::declared::non_observable;
use crate::sampled::Sampled;
use crate::semidefinite::fit;
use crate::stitching::{Draft, PlacedProfile, ProfileReference, StitchedProfile};

/// Sets each profile, in order of position, onto the one of those before with which it shares most.
pub(crate) fn stitch(
    series: &[PlacedProfile],
    sampled: &Sampled,
    tilt: bool,
) -> Result<StitchedProfile, ProfilesError> {
    let mut order: Vec<usize> = (0..series.len()).collect();
    order.sort_by_key(|k| (sampled.scans[*k].first, *k));
    let correctors = vec![[0.0; 2]; series.len()];
    let mut draft = Draft { series, sampled, correctors, reference: Vec::new(), seen: Vec::new() };
    let least = if tilt { 3 } else { 1 };
    for at in 1..order.len() {
        let k = order[at];
        let shared = |other: &usize| sampled.common(k, *other).count();
        // Of equal ones the nearest before.
        let onto = order[..at].iter().copied().max_by_key(shared).filter(|other| shared(other) >= least);
        let Some(onto) = onto else {
            return Err(ProfilesError::NoOverlap { name: series[k].profile.name.clone(), least });
        };
        let (mut rows, mut differences) = (Vec::new(), Vec::new());
        for (point, own, _) in sampled.common(k, onto) {
            let Some(known) = draft.corrected(onto, point) else { continue };
            let u = sampled.x(point) - series[k].x_mm - draft.middle();
            rows.push(if tilt { vec![1.0, u] } else { vec![1.0] });
            differences.push(own - known);
        }
        let coefficients = fit(&rows, &differences);
        draft.correctors[k] = [coefficients[0], coefficients.get(1).copied().unwrap_or(0.0)];
    }
    draft.take_off(tilt);
    let warnings = vec![Warning {
        code: "chained".into(),
        message:
            "each profile was set onto one other alone: errors add up along the chain, and no uncertainty is given"
                .into(),
    }];
    let (mut stitched, (squares, values, points)) = draft.finish(warnings)?;
    let unknowns = points + (series.len() - 1) * (1 + usize::from(tilt));
    stitched.noise = values.checked_sub(unknowns).filter(|f| *f > 0).map(|f| (squares / f as f64).sqrt());
    stitched.non_observable = non_observable(&stitched, tilt, ProfileReference::None, 1, sampled.step);
    Ok(stitched)
}
