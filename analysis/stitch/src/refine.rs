//! Positions that are not quite right: found from the data, together with everything else.

use std::borrow::Cow;

use stitchbox_surface::PixelSize;

use crate::alignment::{self, Step, Wanted};
use crate::between;
use crate::engine::Engine;
use crate::pose::Pose;
use crate::robust::overlap_sigma;
use crate::rounds::{self, placed};
use crate::watch::Part;
use crate::{Options, Placed, Progress, Refine, StitchError, Stitched, Warning};

/// Steps at most.
const MOST_STEPS: usize = 10;
/// Steps end when their rms is less than this part of the uncertainty, or than so many px.
const SMALL_PART: f64 = 0.25;
const SMALL_PX: f64 = 1e-3;
/// So often the map is improved before its residuals are looked at.
const SETTLING: usize = 2;
/// Tolerance of the solves between steps.
const LOOSE: f64 = 1e-4;
/// Largest standard uncertainty, px, with which a position counts as told by the data.
const TOLD_PX: f64 = 0.2;

/// The data contradict the given places where the rms of the first step is so many times its uncertainty. Nearer, and nothing
/// is gained: on a smooth mirror the fine structure is noise, which asks for steps of about one uncertainty.
const CONTRADICTED: f64 = 2.0;

/// Places that were found.
pub(crate) struct Refined {
    pub poses: Vec<Pose>,
    /// dx (px), dy (px), turn (rad) and what they are uncertain by, of every sub-aperture; no uncertainty where not wanted.
    pub changes: Vec<([f64; 3], [f64; 3])>,
    pub wanted: Wanted,
    pub pixel: PixelSize,
    pub warnings: Vec<Warning>,
}

/// Stitches with the positions refined.
pub(crate) fn stitch_refined(
    series: &[Placed],
    options: &Options,
    progress: &dyn Progress,
) -> Result<Stitched, StitchError> {
    let first = Part { progress, from: 0.0, to: 0.6 };
    let refined = refine(series, options, &Pose::given(series), &first)?;
    let second = Part { progress, from: 0.6, to: 1.0 };
    let mut stitched = rounds::stitch_at(series, options, &refined.poses, &second)?;
    for ((corrector, given), (change, sigma)) in stitched.correctors.iter_mut().zip(series).zip(&refined.changes) {
        (corrector.x_mm, corrector.y_mm) = (given.x_mm, given.y_mm);
        let of = |i: usize, unit: f64| refined.wanted[i].then(|| (change[i] * unit, sigma[i] * unit));
        corrector.dx_mm = of(0, refined.pixel.x_mm);
        corrector.dy_mm = of(1, refined.pixel.y_mm);
        corrector.rotation_urad = of(2, 1e6);
    }
    stitched.warnings.extend(refined.warnings);
    Ok(stitched)
}

/// Finds the places, starting from `poses`. What the data cannot tell stays as it is and is named in a warning.
pub(crate) fn refine(
    series: &[Placed],
    options: &Options,
    poses: &[Pose],
    progress: &dyn Progress,
) -> Result<Refined, StitchError> {
    let mut wanted = [true, true, options.refine == Refine::OffsetsAndRotation];
    let mut poses = poses.to_vec();
    let mut changes = vec![([0.0; 3], [0.0; 3]); series.len()];
    let mut warnings = Vec::new();
    // Places need fewer digits than the map.
    let loose = Options { tolerance: options.tolerance.max(LOOSE), ..options.clone() };
    let mut last = None;
    let mut pixel = None;
    for number in 0..MOST_STEPS {
        let part = 1.0 / MOST_STEPS as f64;
        let part = Part { progress, from: part * number as f64, to: part * (number + 1) as f64 };
        let (mut grid, mut state) = placed(series, options, &poses)?;
        pixel = Some(grid.pixel);
        if let Some(last) = last.take() {
            state = last;
        }
        let between = grid.between_pixels();
        let given: Vec<Cow<[f64]>> = grid.plates.iter().map(|plate| plate.heights.clone()).collect();
        let measured: Vec<&[f64]> = given.iter().map(|heights| &**heights).collect();
        if between {
            let mut engine = Engine::new(&grid, &loose, &part);
            let kept = engine.run(&mut state)?;
            let map = between::map_of(&kept.normal, &state);
            let heights = between::carried(&kept.normal, &measured, &state, &map);
            drop((engine, kept));
            grid.replace_heights(heights);
        }
        let mut engine = Engine::new(&grid, &loose, &part);
        let kept = engine.run(&mut state)?;
        let mut map = between::map_of(&kept.normal, &state);
        for _ in 0..if between { SETTLING } else { 0 } {
            // The corrections came from a map with positions rounded: again with this one.
            let heights = between::carried(&kept.normal, &measured, &state, &map);
            map = between::map_with(&kept.normal, &heights, &state);
        }
        let noise_nm = overlap_sigma(&kept.normal, &state);
        let mut step = alignment::step(&kept.normal, &measured, &state, &map, noise_nm, wanted);
        let mut untold = untold(&step, wanted, grid.scale);
        if number == 0 {
            for (i, untold) in untold.iter_mut().enumerate() {
                *untold |= wanted[i] && !contradicted(&step, i);
            }
        }
        if untold != [false; 3] {
            for (wanted, untold) in wanted.iter_mut().zip(untold) {
                *wanted &= !untold;
            }
            warnings.push(warning(untold));
            if wanted == [false; 3] {
                break;
            }
            step = alignment::step(&kept.normal, &measured, &state, &map, noise_nm, wanted);
        }
        let reach = grid.scale.0.max(grid.scale.1);
        let (mut far, mut vague) = (0.0f64, 0.0f64);
        for (k, (pose, (change, sigma))) in poses.iter_mut().zip(&mut changes).enumerate() {
            let found = step.moves[k].iter().zip(&step.sigma[k]);
            for ((change, (moved, sigma)), unit) in change.iter_mut().zip(found).zip([1.0, 1.0, reach]) {
                *change += moved;
                far += (moved * unit).powi(2);
                vague += (sigma * unit).powi(2);
            }
            *sigma = step.sigma[k];
            pose.x_mm += step.moves[k][0] * grid.pixel.x_mm;
            pose.y_mm += step.moves[k][1] * grid.pixel.y_mm;
            pose.rotation += step.moves[k][2];
        }
        drop((engine, kept));
        last = Some(state);
        let each = (3 * series.len()) as f64;
        if (far / each).sqrt() < SMALL_PX.max(SMALL_PART * (vague / each).sqrt()) {
            break;
        }
    }
    let pixel = pixel.ok_or(StitchError::Internal { step: "refining the positions" })?;
    Ok(Refined { poses, changes, wanted, pixel, warnings })
}

/// Directions in which the data do not tell the places.
fn untold(step: &Step, wanted: Wanted, scale: (f64, f64)) -> [bool; 3] {
    let limit = [TOLD_PX, TOLD_PX, TOLD_PX / scale.0.max(scale.1)];
    let mut untold = [false; 3];
    for i in (0..3).filter(|i| wanted[*i]) {
        untold[i] = step.sigma.iter().any(|sigma| sigma[i].is_nan() || sigma[i] > limit[i]);
    }
    untold
}

/// Whether the data contradict the given places in one direction.
fn contradicted(step: &Step, i: usize) -> bool {
    let ratio =
        |(found, sigma): (&[f64; 3], &[f64; 3])| if sigma[i] > 0.0 { (found[i] / sigma[i]).powi(2) } else { 0.0 };
    let squares: f64 = step.moves.iter().zip(&step.sigma).map(ratio).sum();
    (squares / step.moves.len().max(1) as f64).sqrt() > CONTRADICTED
}

fn warning(untold: [bool; 3]) -> Warning {
    let names = ["x positions", "y positions", "rotations"];
    let named: Vec<&str> = names.into_iter().zip(untold).filter(|(_, untold)| *untold).map(|(name, _)| name).collect();
    Warning {
        code: "positions-not-refined".into(),
        message: format!(
            "the {} stay as given: these data do not contradict them, or the mirror has too little fine structure above the \
             noise to tell",
            named.join(" and ")
        ),
    }
}
