//! `cross_check.json`: what older methods make of the series, and how far that is from the result.

use serde_json::{Value, json};
use stitchbox_crosscheck::{CrossChecked, Method, cross_check};
use stitchbox_report::OutputFile;
use stitchbox_steps::{Remove, Shape};
use stitchbox_stitch::{Placed, StitchError, Stitched, Warning};
use stitchbox_surface::{HeightMap, statistics};

use super::complaint::no_result;
use super::{Job, json_file};
use crate::failure::RunFailure;

/// The file, if the recipe asks for any method. One that cannot be done is told in the file and by a warning: it never
/// costs the result.
pub(super) fn check(job: &Job<'_>, series: &[Placed], stitched: &mut Stitched) -> Result<Vec<OutputFile>, RunFailure> {
    let methods = &job.recipe.stitch.cross_check;
    if methods.is_empty() {
        return Ok(Vec::new());
    }
    let mut entries = Vec::with_capacity(methods.len());
    for method in methods {
        job.progress.at(super::SOLVE_UNTIL, "cross-checking");
        if job.progress.cancelled() {
            return Err(no_result(&StitchError::Cancelled));
        }
        entries.push(match cross_check(series, method) {
            Ok(checked) => entry(method, &checked, stitched),
            Err(error) => {
                let message = format!("a cross-check could not be done: {error}");
                stitched.warnings.push(Warning { code: "cross-check-failed".to_owned(), message });
                json!({ "method": method, "error": error.to_string() })
            }
        });
    }
    Ok(vec![json_file("cross_check.json", &json!({ "schema": "stitchbox.cross-check/1", "methods": entries }))?])
}

fn entry(method: &Method, checked: &CrossChecked, stitched: &Stitched) -> Value {
    json!({
        "method": method,
        "residual_rms_nm": checked.residual_rms_nm,
        "pairs": checked.pairs,
        "sweeps": checked.sweeps,
        "correctors": checked.correctors,
        "warnings": checked.warnings,
        "difference": difference(checked, stitched),
    })
}

/// Rms and peak to valley of this map minus the result, without the plane; the grids may differ by rounded positions.
fn difference(checked: &CrossChecked, stitched: &Stitched) -> Value {
    let Some(pixel) = stitched.height.pixel() else { return Value::Null };
    let columns = ((stitched.x0_mm - checked.x0_mm) / pixel.x_mm).round() as i64;
    let rows = ((stitched.y0_mm - checked.y0_mm) / pixel.y_mm).round() as i64;
    let mut heights = stitched.height.heights_nm().clone();
    let mut valid = stitched.height.valid().clone();
    for (((row, column), height), ok) in heights.indexed_iter_mut().zip(valid.iter_mut()) {
        let at = usize::try_from(row as i64 + rows).ok().zip(usize::try_from(column as i64 + columns).ok());
        let other = at.and_then(|at| Some((checked.height.heights_nm().get(at)?, checked.height.valid().get(at)?)));
        match other {
            Some((other, true)) if *ok => *height = other - *height,
            _ => *ok = false,
        }
    }
    let Ok(map) = HeightMap::new(heights, valid, Some(pixel)) else { return Value::Null };
    let without_plane = Remove::shape(Shape::Plane).apply(&map).ok();
    match without_plane.as_ref().and_then(|removed| statistics(&removed.map)) {
        Some(s) => json!({ "rms_nm": s.rms_nm, "pv_nm": s.pv_nm, "pixels": s.count, "without": "plane" }),
        None => Value::Null,
    }
}
