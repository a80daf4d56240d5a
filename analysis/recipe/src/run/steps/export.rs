//! What steps have made, as files.

use ndarray::Array2;
use stitchbox_formats::{
    MetroProHeader, NexusRecord, WriteError, X3pRecord, write_csv_map, write_csv_profile, write_dabam, write_metropro,
    write_nexus_map, write_nexus_profile, write_x3p, write_xyz,
};
use stitchbox_report::OutputFile;
use stitchbox_report::figure::{MapFigure, Palette, Range, label};
use stitchbox_steps::extract::Section;
use stitchbox_steps::{Axis, StepError};
use stitchbox_surface::{HeightMap, PixelSize, Profile, statistics};

use super::apply::{Made, Subject};
use crate::failure::{FailureKind, RunFailure};
use crate::recipe::OutputFormat;
use crate::run::Job;

/// `NAME.h5` and `NAME.png` of a map, `NAME_x.csv` and `NAME_y.csv` of slopes, `NAME.csv` and `NAME.h5` of a profile.
pub(super) fn subject(job: &Job<'_>, subject: &Subject, name: &str) -> Result<Vec<OutputFile>, RunFailure> {
    match subject {
        Subject::Map { map, uncertainty, origin_mm } => {
            let bytes = write_nexus_map(map, uncertainty.as_ref(), *origin_mm, &nexus_record(job))
                .map_err(|e| not_written(name, &e))?;
            Ok(vec![file(&format!("{name}.h5"), bytes), figure(job, map, name)?])
        }
        Subject::Slopes(slopes) => Ok(vec![
            slopes_csv(&format!("{name}_x.csv"), slopes.x_urad(), slopes.x_valid(), slopes.pixel()),
            slopes_csv(&format!("{name}_y.csv"), slopes.y_urad(), slopes.y_valid(), slopes.pixel()),
        ]),
        Subject::Profile { profile, uncertainty } => {
            let bytes = write_nexus_profile(profile, uncertainty.as_deref(), &nexus_record(job))
                .map_err(|e| not_written(name, &e))?;
            let csv = profile_csv(&format!("{name}.csv"), profile, uncertainty.as_deref());
            Ok(vec![file(&format!("{name}.h5"), bytes), csv])
        }
    }
}

/// What a step left on its way.
pub(super) fn made(job: &Job<'_>, made: Made, number: usize) -> Result<Vec<OutputFile>, RunFailure> {
    match made {
        Made::Map { what, map } => subject(job, &Subject::map(map, None), &format!("{number:02}-{what}")),
        Made::Text { name, text } => Ok(vec![file(&format!("{number:02}-{name}"), text.into_bytes())]),
    }
}

/// `x_mm`, the value and, where it is known, its standard uncertainty, a line for each place.
pub(in crate::run) fn profile_csv(name: &str, profile: &Profile, uncertainty: Option<&[f64]>) -> OutputFile {
    file(name, write_csv_profile(profile, uncertainty))
}

/// The formats that `[output]` asks for.
pub(in crate::run) fn formats(job: &Job<'_>, map: &HeightMap) -> Result<Vec<OutputFile>, RunFailure> {
    let mut files = Vec::new();
    for format in &job.recipe.output.formats {
        match format {
            OutputFormat::X3p => {
                let record = X3pRecord {
                    date: job.context.started_at.rfc3339(),
                    model: job.context.software.clone(),
                    comment: job.context.title.clone(),
                    ..X3pRecord::default()
                };
                let bytes = write_x3p(map, &record).map_err(|e| not_possible("height.x3p", &e))?;
                files.push(file("height.x3p", bytes));
            }
            OutputFormat::Metropro => {
                let bytes = metropro(job, map).map_err(|e| not_possible("height.dat", &e))?;
                files.push(file("height.dat", bytes));
            }
            OutputFormat::Csv => files.push(file("height.csv", write_csv_map(map))),
            OutputFormat::Xyz => {
                files.push(file("height.xyz", write_xyz(map).map_err(|e| not_possible("height.xyz", &e))?));
            }
            OutputFormat::Dabam => {
                let dabam = write_dabam(&mean_profile(map).map_err(|e| not_possible("profile.dat", &e))?);
                files.push(file("profile.dat", dabam.data));
                files.push(file("profile.txt", dabam.description));
            }
        }
    }
    Ok(files)
}

/// A MetroPro file of a double-pass HeNe Fizeau, one step of height being 9.7 pm.
fn metropro(job: &Job<'_>, map: &HeightMap) -> Result<Vec<u8>, WriteError> {
    write_metropro(map, &MetroProHeader { comment: job.context.software.clone(), ..MetroProHeader::default() })
}

/// The mean profile along x over the whole width.
fn mean_profile(map: &HeightMap) -> Result<Profile, StepError> {
    let width = map.pixel().map_or(0.0, |pixel| pixel.y_mm * map.shape().0 as f64);
    let section =
        Section { along: Axis::X, width: stitchbox_surface::quantity::Length::new(width), ..Section::default() };
    Ok(section.apply(map, None)?.profile)
}

/// A matrix of slopes, its unit and pixel size in the first lines.
pub(in crate::run) fn slopes_csv(
    name: &str,
    slopes: &Array2<f64>,
    valid: &Array2<bool>,
    pixel: PixelSize,
) -> OutputFile {
    let mut text = format!(
        "# Slopes in urad; row 0 first, x with the columns; nan = not known\n# pixel x: {} mm\n# pixel y: {} mm\n",
        pixel.x_mm, pixel.y_mm
    );
    for (slopes, valid) in slopes.rows().into_iter().zip(valid.rows()) {
        let values = slopes.iter().zip(valid).map(|(s, ok)| if *ok { s.to_string() } else { "nan".to_owned() });
        text.push_str(&values.collect::<Vec<_>>().join(","));
        text.push('\n');
    }
    file(name, text.into_bytes())
}

/// The picture of a map.
pub(in crate::run) fn figure(job: &Job<'_>, map: &HeightMap, name: &str) -> Result<OutputFile, RunFailure> {
    let remark =
        statistics(map).map_or_else(String::new, |s| format!("rms {} nm · PV {} nm", label(s.rms_nm), label(s.pv_nm)));
    let drawn = MapFigure {
        title: format!("{} — {}", shown(name), job.context.title),
        remark,
        quantity: "height (nm)".to_owned(),
        values: map.heights_nm(),
        valid: map.valid(),
        pixel: map.pixel().unwrap_or(PixelSize { x_mm: 1.0, y_mm: 1.0 }),
        origin_mm: (0.0, 0.0),
        palette: Palette::Height,
        range: Range::Quantiles,
    };
    let bytes = drawn.png().map_err(|error| not_written(&format!("{name}.png"), &error))?;
    Ok(file(&format!("{name}.png"), bytes))
}

/// What the picture of this file shows.
fn shown(name: &str) -> &'static str {
    match name {
        "height" => "Heights from the slopes",
        _ if name.ends_with("-difference") => "Difference of the two maps",
        _ => "After the steps of the recipe",
    }
}

pub(in crate::run) fn nexus_record(job: &Job<'_>) -> NexusRecord {
    NexusRecord {
        title: job.context.title.clone(),
        start_time: job.context.started_at.rfc3339(),
        creator: job.context.software.clone(),
    }
}

fn file(name: &str, bytes: Vec<u8>) -> OutputFile {
    OutputFile { name: name.to_owned(), bytes }
}

/// A fault of the program: these formats take any map.
fn not_written(name: &str, error: &dyn std::fmt::Display) -> RunFailure {
    RunFailure::new(FailureKind::Internal, format!("{name} could not be written: {error}."))
}

/// A format of `[output]` that cannot hold this map.
fn not_possible(name: &str, error: &dyn std::fmt::Display) -> RunFailure {
    RunFailure::new(
        FailureKind::BadRecipe,
        format!("{name} could not be written: {error}. Choose other [output] formats."),
    )
}
