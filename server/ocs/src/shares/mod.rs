//! `/ocs/vN.php/apps/files_sharing/api/v1/shares`: sharing, as clients of Nextcloud and ownCloud ask for it.

mod document;
mod fields;
mod list;
mod make;
mod one;
#[cfg(test)]
mod tests;
pub(crate) mod word;

pub(crate) use list::{inherited, list, pending};
pub(crate) use make::{USUAL, post};
pub(crate) use one::{delete, get, leave, put, take_up};

use crate::Ocs;
use crate::error::OcsError;
use stitchbox_domain::{Error, FilesView, Location, Principal};

/// The place that a path below the asking person's files stands for.
async fn place(ocs: &Ocs, principal: &Principal, path: &str) -> Result<Location, OcsError> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match ocs.domain.files_view(principal, &principal.name, &segments).await? {
        FilesView::Item(at) | FilesView::Root { personal: at } | FilesView::Shared { at, .. } => Ok(at),
        FilesView::SpacesFolder | FilesView::SharesFolder => Err(Error::NotFound.into()),
    }
}
