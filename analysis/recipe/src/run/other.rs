//! The files that a result without a stitched height map leaves: summary and provenance, beside its own.

use serde_json::Value;
use stitchbox_report::{OutputEntity, OutputFile, Record, provenance, sha256_hex};

use super::{Job, RunOutput, json_file};
use crate::failure::RunFailure;

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

/// Adds `provenance.json`, which names every other file.
pub(super) fn with_provenance(
    record: &Record,
    digest: &str,
    mut files: Vec<OutputFile>,
) -> Result<Vec<OutputFile>, RunFailure> {
    let entity = |file: &OutputFile| OutputEntity {
        name: file.name.clone(),
        sha256: sha256_hex(&file.bytes),
        bytes: file.bytes.len() as u64,
    };
    let entities: Vec<OutputEntity> = files.iter().map(entity).collect();
    files.push(json_file("provenance.json", &provenance(record, digest, &entities))?);
    Ok(files)
}
