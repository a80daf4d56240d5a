//! The files that a result without a stitched height map leaves: summary and provenance, beside its own.

use serde_json::Value;
use stitchbox_report::{OutputFile, Record};

use super::{Job, RunOutput, json_file};
use crate::failure::{FailureKind, RunFailure};

/// Adds `summary.json` and `provenance.json` to the files of a result.
pub(super) fn finish(
    job: &Job<'_>,
    record: &Record,
    digest: String,
    overview: Value,
    mut files: Vec<OutputFile>,
    solve_seconds: f64,
) -> Result<RunOutput, RunFailure> {
    files.push(json_file("summary.json", &overview)?);
    let files = with_provenance(record, &digest, files)?;
    job.progress.at(1.0, "done");
    Ok(RunOutput { files, overview, summary: None, digest, solve_seconds })
}

/// Adds `provenance.json` and the RO-Crate, which name every other file.
pub(super) fn with_provenance(
    record: &Record,
    digest: &str,
    files: Vec<OutputFile>,
) -> Result<Vec<OutputFile>, RunFailure> {
    stitchbox_report::with_provenance(record, digest, files)
        .map_err(|error| RunFailure::new(FailureKind::Internal, format!("{error}.")))
}
