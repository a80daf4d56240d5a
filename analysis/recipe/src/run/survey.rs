//! What the files of a series hold, without keeping their pixels.

use rayon::prelude::*;
use stitchbox_formats::{HEAD_BYTES, Head, Limits, read_head};
use stitchbox_stitch::StitchError;
use stitchbox_surface::SubAperture;

use super::complaint::no_result;
use super::steps::{Before, not_done_before};
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

/// Looks at all files, in the order of their names. Steps before stitching may change a map's size, so with steps every file is
/// read once for that.
pub(super) fn survey<'a>(job: &Job<'a>, before: &Before<'_>) -> Result<Vec<Surveyed<'a>>, RunFailure> {
    let files = read::files(&job.sorted);
    let mut found = Vec::with_capacity(files.len());
    let (mut complaints, mut not_done, mut storage) = (Vec::new(), Vec::new(), false);
    for (batch, some) in files.chunks(FILES_AT_ONCE as usize).enumerate() {
        if job.progress.cancelled() {
            return Err(no_result(&StitchError::Cancelled));
        }
        let done = batch as f64 * FILES_AT_ONCE as f64 / files.len() as f64;
        job.progress.at(SURVEY_UNTIL * done, "looking at the files");
        let read: Vec<_> = some.par_iter().map(|file| heads(file, &job.context.limits, before)).collect();
        for (file, read) in some.iter().zip(read) {
            match read {
                Ok(Ok(heads)) => {
                    let members = heads.into_iter().enumerate();
                    found.extend(members.map(|(number, head)| Surveyed { file, number, head }));
                }
                Ok(Err(step)) => not_done.push(step),
                Err(complaint) => {
                    storage |= matches!(complaint, Complaint::Storage(_));
                    let (Complaint::Damaged(why) | Complaint::Storage(why)) = complaint;
                    complaints.push(format!("{}: {why}", file.name));
                }
            }
        }
    }
    if !complaints.is_empty() {
        return Err(read::refused(files.len(), &complaints, storage));
    }
    if not_done.is_empty() { Ok(found) } else { Err(not_done_before(&not_done)) }
}

/// The maps of one file; inside, the complaint of a step.
fn heads(file: &InputFile, limits: &Limits, before: &Before<'_>) -> Result<Result<Vec<Head>, String>, Complaint> {
    if before.is_empty() {
        let first = read::first_bytes(file, HEAD_BYTES).map_err(Complaint::Storage)?;
        if let Some(head) = read_head(&file.name, &first, limits) {
            return head.map(|head| Ok(vec![head])).map_err(|error| Complaint::Damaged(error.to_string()));
        }
    }
    let mut members = read::members::<SubAperture>(file, limits)?;
    let done: Result<(), String> = members.iter_mut().try_for_each(|member| before.apply(member));
    Ok(done.map(|()| members.into_iter().map(Head::of).collect()))
}
