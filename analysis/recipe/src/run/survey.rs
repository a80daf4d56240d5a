//! What the files of a series hold, without keeping their pixels.

use rayon::prelude::*;
use stitchbox_formats::{HEAD_BYTES, Head, Limits, read_head};
use stitchbox_stitch::StitchError;
use stitchbox_surface::SubAperture;

use super::complaint::no_result;
use super::{Job, READ_UNTIL};
use crate::context::InputFile;
use crate::failure::RunFailure;
use crate::memory::FILES_AT_ONCE;
use crate::read::{self, Complaint};

/// Part of the reading that the survey is.
const SURVEY_UNTIL: f64 = 0.3 * READ_UNTIL;

/// One sub-aperture of a series.
pub(super) struct Surveyed<'a> {
    pub file: &'a InputFile,
    /// Which of the maps of its file it is.
    pub number: usize,
    pub head: Head,
}

/// Looks at all files, in the order of their names. Steps before stitching change nothing of what is seen here: they keep the grid.
pub(super) fn survey<'a>(job: &Job<'a>) -> Result<Vec<Surveyed<'a>>, RunFailure> {
    let files = job.sorted.series();
    let mut found = Vec::with_capacity(files.len());
    let (mut complaints, mut storage) = (Vec::new(), false);
    for (batch, some) in files.chunks(FILES_AT_ONCE as usize).enumerate() {
        if job.progress.cancelled() {
            return Err(no_result(&StitchError::Cancelled));
        }
        let done = batch as f64 * FILES_AT_ONCE as f64 / files.len() as f64;
        job.progress.at(SURVEY_UNTIL * done, "looking at the files");
        let read: Vec<_> = some.par_iter().map(|file| heads(file, &job.context.limits)).collect();
        for (file, read) in some.iter().zip(read) {
            match read {
                Ok(heads) => {
                    let members = heads.into_iter().enumerate();
                    found.extend(members.map(|(number, head)| Surveyed { file, number, head }));
                }
                Err(complaint) => {
                    storage |= matches!(complaint, Complaint::Storage(_));
                    let (Complaint::Damaged(why) | Complaint::Storage(why)) = complaint;
                    complaints.push(format!("{}: {why}", file.name));
                }
            }
        }
    }
    if complaints.is_empty() { Ok(found) } else { Err(read::refused(files.len(), &complaints, storage)) }
}

/// The maps of one file.
fn heads(file: &InputFile, limits: &Limits) -> Result<Vec<Head>, Complaint> {
    let first = read::first_bytes(file, HEAD_BYTES).map_err(Complaint::Storage)?;
    match read_head(&file.name, &first, limits) {
        Some(head) => Ok(vec![head.map_err(|error| Complaint::Damaged(error.to_string()))?]),
        None => Ok(read::members::<SubAperture>(file, limits)?.into_iter().map(Head::of).collect()),
    }
}
