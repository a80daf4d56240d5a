//! A series of slope maps: stitched axis by axis, then integrated to heights.

use std::collections::BTreeMap;
use std::time::Instant;

use ndarray::Array2;
use serde_json::json;
use stitchbox_formats::write_nexus_map;
use stitchbox_profiles::{PlacedSlopes, SlopeAxis, StitchedSlopes, stitch_slopes};
use stitchbox_report::OutputFile;
use stitchbox_steps::SlopeMaps;
use stitchbox_steps::integrate::{IntegrateSlopes, Integrated};
use stitchbox_stitch::Warning;
use stitchbox_surface::{SlopeSubAperture, statistics};

use super::record::{Measured, record};
use super::steps::{self, Subject, export};
use super::{Job, Part, READ_UNTIL, RunOutput, SOLVE_UNTIL, other};
use crate::context::ENGINE_VERSION;
use crate::digest::{Array, digest};
use crate::failure::{FailureKind, RunFailure};
use crate::positions::{Told, places};
use crate::read;

/// Runs the recipe on slope maps.
pub(super) fn run(job: &Job<'_>) -> Result<RunOutput, RunFailure> {
    let maps = read::series::<SlopeSubAperture>(&job.sorted, job.context)?;
    let told: Vec<Told<'_>> = maps.iter().map(Told::from).collect();
    let (places, source) = places(&told, &job.recipe.positions, job.sorted.positions)?;
    let measured: Vec<Measured> = maps.iter().map(|map| Measured::new(&map.name, &map.instrument, source)).collect();
    let camera = [maps.iter().map(|m| m.window.column).min(), maps.iter().map(|m| m.window.row).min()];
    let series: Vec<PlacedSlopes> = maps.into_iter().zip(places).map(|(map, place)| at(job, map, place)).collect();
    let begun = Instant::now();
    let progress = Part { whole: job.progress, from: READ_UNTIL, to: SOLVE_UNTIL };
    let mut stitched = stitch_slopes(&series, &job.recipe.slopes, &progress).map_err(|error| refused(job, &error))?;
    job.go_on()?;
    let (heights, warning) = heights(&stitched);
    stitched.warnings.extend(warning);
    let solve_seconds = begun.elapsed().as_secs_f64();
    let digest = digest_of(&stitched);
    let overview = overview(job, &stitched, heights.as_ref(), &digest, series.len());
    let files = files(job, &stitched, heights.as_ref())?;
    let parameters = BTreeMap::from([
        ("slopes".to_owned(), json!(job.recipe.slopes)),
        ("sub_apertures".to_owned(), json!(series.len())),
        ("pixel_x_mm".to_owned(), json!(stitched.pixel.x_mm)),
        ("pixel_y_mm".to_owned(), json!(stitched.pixel.y_mm)),
    ]);
    let camera = camera.map(|origin| origin.unwrap_or(0));
    let record = record(&job.sorted, job.recipe, job.recipe_text, job.context, &measured, parameters, camera);
    other::finish(job, &record, digest, overview, files, solve_seconds)
}

fn at(job: &Job<'_>, mut slopes: SlopeSubAperture, (x_mm, y_mm): (f64, f64)) -> PlacedSlopes {
    if let Some(pixel) = job.recipe.positions.pixel() {
        slopes.pixel = Some(pixel);
    }
    PlacedSlopes { slopes, x_mm, y_mm }
}

fn refused(job: &Job<'_>, error: &stitchbox_profiles::ProfilesError) -> RunFailure {
    if job.progress.cancelled() {
        return RunFailure::new(FailureKind::Cancelled, "The run was cancelled.");
    }
    RunFailure::new(FailureKind::BadSeries, format!("The slopes cannot be stitched: {error}."))
}

/// Heights by least squares, where both axes were measured. Slopes that cannot be integrated are still a result.
fn heights(stitched: &StitchedSlopes) -> (Option<Integrated>, Option<Warning>) {
    let Some(y) = &stitched.y else { return (None, None) };
    let of = |axis: &SlopeAxis| (axis.slope_urad.clone(), axis.valid.clone());
    let integrated = SlopeMaps::new(of(&stitched.x), of(y), stitched.pixel)
        .and_then(|slopes| IntegrateSlopes::default().apply(&slopes));
    match integrated {
        Ok(integrated) => (Some(integrated), None),
        Err(error) => {
            let message = format!("the slopes could not be integrated to heights: {error}");
            (None, Some(Warning { code: "not-integrated".to_owned(), message }))
        }
    }
}

/// Rows and columns.
type Shape = (usize, usize);

/// Over the slopes of both axes, their uncertainty and overlap; the heights follow from them.
fn digest_of(stitched: &StitchedSlopes) -> String {
    let mut parts: Vec<(String, &str, Shape, Vec<Option<f64>>)> = Vec::new();
    for (name, axis) in [("x", Some(&stitched.x)), ("y", stitched.y.as_ref())] {
        let Some(axis) = axis else { continue };
        let shape = axis.slope_urad.dim();
        let masked = |values: &ndarray::Array2<f64>| {
            values.iter().zip(&axis.valid).map(|(value, valid)| valid.then_some(*value)).collect::<Vec<_>>()
        };
        parts.push((format!("slope_{name}"), "urad", shape, masked(&axis.slope_urad)));
        if let Some(uncertainty) = &axis.uncertainty_urad {
            parts.push((format!("uncertainty_{name}"), "urad", shape, masked(uncertainty)));
        }
        let overlap = axis.overlap.iter().map(|n| Some(f64::from(*n))).collect();
        parts.push((format!("overlap_{name}"), "1", shape, overlap));
    }
    let mut values: Vec<_> = parts.iter().map(|part| part.3.iter().copied()).collect();
    digest(parts.iter().zip(&mut values).map(|((name, unit, (rows, columns), _), values)| Array {
        name,
        unit,
        rows: *rows,
        columns: *columns,
        values,
    }))
}

fn overview(
    job: &Job<'_>,
    stitched: &StitchedSlopes,
    heights: Option<&Integrated>,
    digest: &str,
    sub_apertures: usize,
) -> serde_json::Value {
    let axis = |axis: &SlopeAxis| {
        let values: Vec<f64> =
            axis.slope_urad.iter().zip(&axis.valid).filter(|(_, ok)| **ok).map(|(s, _)| *s).collect();
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let rms = (values.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / n).sqrt();
        json!({
            "rms_urad": rms,
            "noise_urad": axis.noise_urad,
            "valid_pixels": values.len(),
            "offsets_urad": axis.offsets_urad,
            "non_observable": axis.non_observable,
            "warnings": axis.warnings,
        })
    };
    let (rows, columns) = stitched.x.slope_urad.dim();
    json!({
        "schema": "stitchbox.slopes/1",
        "title": job.context.title,
        "digest": digest,
        "engine": ENGINE_VERSION,
        "sub_apertures": sub_apertures,
        "shape": [rows, columns],
        "pixel": stitched.pixel,
        "x0_mm": stitched.x0_mm,
        "y0_mm": stitched.y0_mm,
        "slope_x": axis(&stitched.x),
        "slope_y": stitched.y.as_ref().map(axis),
        "curl": stitched.curl,
        "height": heights.map(|h| json!({
            "rms_nm": statistics(&h.map).map(|s| s.rms_nm),
            "pv_nm": statistics(&h.map).map(|s| s.pv_nm),
            "residual_x_urad": h.residual_x_urad,
            "residual_y_urad": h.residual_y_urad,
            "islands": h.islands,
        })),
        "warnings": stitched.warnings,
    })
}

/// What the steps of `[[after]]` work on: heights where there are any.
fn subject(stitched: &StitchedSlopes, heights: Option<&Integrated>) -> Result<Subject, RunFailure> {
    if let Some(heights) = heights {
        return Ok(Subject::map(heights.map.clone(), None).at(Some((stitched.x0_mm, stitched.y0_mm))));
    }
    let of = |axis: &SlopeAxis| (axis.slope_urad.clone(), axis.valid.clone());
    let y = stitched.y.as_ref().map_or_else(|| none_like(&stitched.x), of);
    SlopeMaps::new(of(&stitched.x), y, stitched.pixel).map(Subject::Slopes).map_err(|error| {
        RunFailure::new(FailureKind::Internal, format!("The slopes could not be handed to the steps: {error}."))
    })
}

/// No slopes at all, of the same shape.
fn none_like(axis: &SlopeAxis) -> (Array2<f64>, Array2<bool>) {
    (Array2::zeros(axis.slope_urad.dim()), Array2::from_elem(axis.valid.dim(), false))
}

/// `slope_x.csv`, `slope_y.csv`, and with both axes `height.h5`, `height.png`.
fn files(
    job: &Job<'_>,
    stitched: &StitchedSlopes,
    heights: Option<&Integrated>,
) -> Result<Vec<OutputFile>, RunFailure> {
    let csv = |name: &str, axis: &SlopeAxis| export::slopes_csv(name, &axis.slope_urad, &axis.valid, stitched.pixel);
    let mut files = vec![csv("slope_x.csv", &stitched.x)];
    files.extend(stitched.y.as_ref().map(|axis| csv("slope_y.csv", axis)));
    if let Some(heights) = heights {
        let record = export::nexus_record(job);
        let origin = Some((stitched.x0_mm, stitched.y0_mm));
        let bytes = write_nexus_map(&heights.map, None, origin, &record).map_err(|error| {
            RunFailure::new(FailureKind::Internal, format!("height.h5 could not be written: {error}."))
        })?;
        files.push(OutputFile { name: "height.h5".to_owned(), bytes });
        files.push(export::figure(job, &heights.map, "height")?);
    }
    files.extend(steps::chain(job, subject(stitched, heights)?)?);
    Ok(files)
}
