//! The steps of a recipe, done: `[[before]]` on every sub-aperture, `[[after]]` on the stitched map.

use stitchbox_report::OutputFile;
use stitchbox_stitch::Stitched;
use stitchbox_surface::SubAperture;

use super::Job;
use crate::failure::RunFailure;

pub(super) fn before(_job: &Job<'_>, maps: Vec<SubAperture>) -> Result<Vec<SubAperture>, RunFailure> {
    Ok(maps)
}

pub(super) fn after(_job: &Job<'_>, _stitched: &Stitched) -> Result<Vec<OutputFile>, RunFailure> {
    Ok(Vec::new())
}
