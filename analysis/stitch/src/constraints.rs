//! What measured angles and profiles add to a series ("mixed stitching"): they determine power and twist, which an unknown
//! reference leaves open, and tell when they contradict each other or the series.

use stitchbox_surface::Profile;

use crate::angles;
use crate::assemble::Assembled;
use crate::cells::Cells;
use crate::certainty::{Certainty, Unknowns};
use crate::cholesky::dot;
use crate::conjugate::State;
use crate::corrector_matrix::CorrectorInverse;
use crate::joint::{Joint, Row, Series};
use crate::normal::{Normal, TERMS};
use crate::observable::Observable;
use crate::profile_rows::{self, Offsets, Stage};
use crate::shapes::{Frame, QUADRATIC, SHAPES, XX, XY, YY, declared};
use crate::{Constraint, MeasuredAngles, Options, StitchError, Warning};

/// Sigmas of their difference at which two instruments contradict each other.
const CONTRADICTION: f64 = 3.0;
/// Chi (rms of residuals over their uncertainty) at which readings contradict the series.
const MISFIT: f64 = 2.0;
/// Fewer rows than this are not judged by their chi.
const LEAST_JUDGED: usize = 8;

/// The solved series.
pub(crate) struct Solved<'a> {
    pub normal: &'a Normal<'a>,
    pub inverse: &'a CorrectorInverse,
    pub observable: &'a Observable,
    pub unknown_reference: bool,
    pub frame: &'a Frame,
    pub cells: &'a Cells,
    pub assembled: &'a Assembled,
    pub noise_nm: f64,
}

/// What came out.
pub(crate) struct Settled {
    /// Correctors and the shapes that are determined now.
    pub unknowns: Unknowns,
    /// Their covariance, nm^2.
    pub covariance: Vec<f64>,
    pub constraints: Vec<Constraint>,
    pub determined: [bool; SHAPES],
    pub warnings: Vec<Warning>,
}

/// Adds the other measurements to the solution. `None` if there are none that say anything.
pub(crate) fn settle(solved: &Solved, options: &Options, state: &mut State) -> Result<Option<Settled>, StitchError> {
    let Options { angles, profiles, profiles_aligned, .. } = options;
    if angles.is_empty() && profiles.is_empty() {
        return Ok(None);
    }
    let mut warnings = Vec::new();
    let mut warn = |code: &str, message: String| warnings.push(Warning { code: code.into(), message });
    let unknowns = Unknowns::new(solved.normal, solved.inverse, candidates(solved));
    let offsets = angles::OFFSETS + profile_rows::OFFSETS * profiles.len();
    let series = Series { unknowns: &unknowns, matrix: solved.inverse.matrix(), noise_nm: solved.noise_nm, offsets };

    let (rows, unused) = rows(solved, &series, (angles, profiles, *profiles_aligned), state)?;
    for name in unused {
        let message =
            format!("{name} determine nothing here: no readings for terms that are solved for, or none on the map");
        warn("constraint-unused", message);
    }
    for profile in profiles.iter().filter(|p| p.y_mm.is_none()) {
        let message = format!(
            "it is not known across the mirror where the line of {} lies; the middle of the map is taken",
            named(profile)
        );
        warn("profile-line-unknown", message);
    }
    let joint = series.with(&rows.iter().collect::<Vec<&Row>>());
    let names: Vec<String> = std::iter::once(angles::NAME.to_owned()).chain(profiles.iter().map(named)).collect();
    for message in misfits(&rows, &joint, &names) {
        warn("constraint-misfit", message);
    }
    for message in contradictions(&series, &rows, &names, solved) {
        warn("constraints-disagree", message);
    }

    apply(solved, &unknowns, &joint.change, state);
    let mut determined = [false; SHAPES];
    let mut constraints = Vec::new();
    for (j, shape) in unknowns.shapes.iter().enumerate().filter(|(j, _)| joint.determined[*j]) {
        let (value_nm_per_mm2, uncertainty_nm_per_mm2) = amplitude(solved, &unknowns, &joint, j);
        // The instruments that determine it, alone or only together.
        let alone: Vec<&String> = (0..names.len())
            .filter(|s| only(&series, &rows, *s).is_some_and(|joint| joint.determined[j]))
            .map(|s| &names[s])
            .collect();
        let present = (0..names.len()).filter(|s| rows.iter().any(|row| row.source == *s)).map(|s| &names[s]);
        let source: Vec<&str> = if alone.is_empty() {
            present.map(String::as_str).collect()
        } else {
            alone.iter().map(|n| n.as_str()).collect()
        };
        determined[*shape] = true;
        let what = term(*shape).to_owned();
        constraints.push(Constraint { what, value_nm_per_mm2, uncertainty_nm_per_mm2, source: source.join(" and ") });
    }
    let (unknowns, covariance) = kept(unknowns, joint);
    Ok(Some(Settled { unknowns, covariance, constraints, determined, warnings }))
}

/// Name of a shape in the results.
pub(crate) fn term(shape: usize) -> &'static str {
    ["1", "x", "y", "x^2", "x y", "y^2"].get(shape).copied().unwrap_or_default()
}

/// Shapes that the series leaves open and that move with the positions.
fn candidates(solved: &Solved) -> Vec<usize> {
    let open = declared(solved.observable, solved.unknown_reference);
    let (x, y) = solved.observable.moves;
    [(XX, x), (XY, x || y), (YY, y)].into_iter().filter(|(s, moves)| open[*s] && *moves).map(|(s, _)| s).collect()
}

fn named(profile: &Profile) -> String {
    if profile.name.is_empty() { "a profile".to_owned() } else { format!("profile {}", profile.name) }
}

/// All rows, and the names of what has none.
fn rows(
    solved: &Solved,
    series: &Series,
    (angles, profiles, aligned): (&[MeasuredAngles], &[Profile], bool),
    state: &State,
) -> Result<(Vec<Row>, Vec<String>), StitchError> {
    let first = series.unknowns.len();
    let frame = (solved.normal.grid, solved.frame);
    let mut rows = angles::rows(angles, frame, series.unknowns, state, (0, first));
    let mut unused = Vec::new();
    if rows.is_empty() && !angles.is_empty() {
        unused.push(angles::NAME.to_owned());
    }
    let stage = Stage {
        normal: solved.normal,
        frame: solved.frame,
        cells: solved.cells,
        unknowns: series.unknowns,
        assembled: solved.assembled,
        noise_nm: solved.noise_nm,
    };
    for (i, profile) in profiles.iter().enumerate() {
        let at = |i: usize| first + angles::OFFSETS + profile_rows::OFFSETS * i;
        let offsets = Offsets { height: at(i), tilt: at(if aligned { 0 } else { i }) + 1 };
        let mut own = stage.rows(profile, 1.0, i + 1, offsets)?;
        if profile.sigma.is_none() {
            let sigma = scatter(series, &own);
            own = stage.rows(profile, sigma, i + 1, offsets)?;
        }
        if own.is_empty() {
            unused.push(named(profile));
        }
        rows.extend(own);
    }
    Ok((rows, unused))
}

/// Standard deviation of readings that do not tell their own, from what the solution with them alone leaves.
fn scatter(series: &Series, rows: &[Row]) -> f64 {
    // Height, tilt and power at most.
    let freedom = rows.len().saturating_sub(3).max(1) as f64;
    let joint = series.with(&rows.iter().collect::<Vec<&Row>>());
    let squares: f64 = joint.left.iter().map(|left| left * left).sum();
    (squares / freedom).sqrt().max(f64::MIN_POSITIVE.sqrt())
}

/// The joint solution with the rows of one instrument only, if it has any.
fn only(series: &Series, rows: &[Row], source: usize) -> Option<Joint> {
    let own: Vec<&Row> = rows.iter().filter(|row| row.source == source).collect();
    (!own.is_empty()).then(|| series.with(&own))
}

/// Change of the coefficient of shape `j` in the map, and the standard uncertainty of the coefficient, nm/mm^2.
fn amplitude(solved: &Solved, unknowns: &Unknowns, joint: &Joint, j: usize) -> (f64, f64) {
    let (half, pixel) = (solved.frame.half(), solved.normal.grid.pixel);
    let (x, y) = (half.0 * pixel.x_mm, half.1 * pixel.y_mm);
    let unit = match unknowns.shapes[j] {
        XX => x * x,
        XY => x * y,
        _ => y * y,
    };
    let covariance = joint.covariance.clone();
    let certainty = Certainty::new(unknowns.clone(), covariance, QUADRATIC, solved.frame, solved.cells);
    let (by_unknown, variance) = certainty.amplitude(unknowns.shapes[j]).unwrap_or((&[], 0.0));
    (dot(by_unknown, &joint.change) / unit, variance.max(0.0).sqrt() / unit)
}

fn misfits(rows: &[Row], joint: &Joint, names: &[String]) -> Vec<String> {
    let mut messages = Vec::new();
    for (source, name) in names.iter().enumerate() {
        let chi: Vec<f64> = rows
            .iter()
            .zip(&joint.left)
            .filter(|(row, _)| row.source == source)
            .map(|(row, left)| left / row.sigma)
            .collect();
        let rms = (chi.iter().map(|c| c * c).sum::<f64>() / chi.len().max(1) as f64).sqrt();
        if chi.len() >= LEAST_JUDGED && rms > MISFIT {
            messages.push(format!(
                "the {name} and the stitched map differ by {rms:.1} times the stated uncertainty (rms of {} readings); what they \
                 determine is less certain than stated",
                chi.len()
            ));
        }
    }
    messages
}

/// Angles and profiles, each alone, against each other.
fn contradictions(series: &Series, rows: &[Row], names: &[String], solved: &Solved) -> Vec<String> {
    let alone: Vec<Option<Joint>> = (0..names.len()).map(|source| only(series, rows, source)).collect();
    let mut messages = Vec::new();
    for (j, shape) in series.unknowns.shapes.iter().enumerate() {
        let found: Vec<(usize, (f64, f64))> = alone
            .iter()
            .enumerate()
            .filter_map(|(s, joint)| joint.as_ref().filter(|joint| joint.determined[j]).map(|joint| (s, joint)))
            .map(|(s, joint)| (s, amplitude(solved, series.unknowns, joint, j)))
            .collect();
        for (i, (a, (of_a, u_a))) in found.iter().enumerate() {
            for (b, (of_b, u_b)) in &found[i + 1..] {
                let sigmas = (of_a - of_b).abs() / (u_a * u_a + u_b * u_b).sqrt();
                if sigmas > CONTRADICTION {
                    messages.push(format!(
                        "{} and {} contradict each other: the coefficient of {} is {of_a:.6} +- {u_a:.6} nm/mm^2 by the one \
                         and {of_b:.6} +- {u_b:.6} by the other, {sigmas:.1} sigma apart",
                        names[*a],
                        names[*b],
                        term(*shape)
                    ));
                }
            }
        }
    }
    messages
}

/// Carries the change into correctors and reference.
fn apply(solved: &Solved, unknowns: &Unknowns, change: &[f64], state: &mut State) {
    let grid = solved.normal.grid;
    let (own, amplitudes) = change.split_at(unknowns.correctors);
    // What a term that is off would have to carry is the same for all: it goes into the reference.
    let mut into_reference = [0.0; TERMS];
    for (k, corrector) in state.correctors.iter_mut().enumerate() {
        let carried = solved.frame.carried(k);
        for (term, value) in corrector.iter_mut().enumerate() {
            let of_shapes: f64 = unknowns.shapes.iter().zip(amplitudes).map(|(s, a)| a * carried[*s][term]).sum();
            match unknowns.corrector(k, term) {
                Some(i) => *value += own[i] + of_shapes,
                None => into_reference[term] = of_shapes,
            }
        }
    }
    let referred = solved.frame.referred();
    let mut second = [0.0; 3];
    for (shape, amplitude) in unknowns.shapes.iter().zip(amplitudes) {
        second[shape - XX] = amplitude * referred[shape - XX];
    }
    for (line, v) in state.reference.chunks_exact_mut(grid.camera.1).zip(&grid.v) {
        for (r, u) in line.iter_mut().zip(&grid.u) {
            let [one, along_u, along_v, _] = into_reference;
            let first = one + along_u * u + along_v * v;
            *r += first + second[0] * u * u + second[1] * u * v + second[2] * v * v;
        }
    }
}

/// Leaves out the shapes that stay open.
fn kept(mut unknowns: Unknowns, joint: Joint) -> (Unknowns, Vec<f64>) {
    let size = unknowns.len();
    let keep: Vec<usize> =
        (0..size).filter(|i| i.checked_sub(unknowns.correctors).is_none_or(|j| joint.determined[j])).collect();
    let pairs = keep.iter().flat_map(|i| keep.iter().map(move |j| (i, j)));
    let covariance = pairs.map(|(i, j)| joint.covariance[i * size + j]).collect();
    let mut determined = joint.determined.iter();
    unknowns.shapes.retain(|_| determined.next().copied().unwrap_or(false));
    (unknowns, covariance)
}
