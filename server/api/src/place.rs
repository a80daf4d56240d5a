//! A place as a body names it: a space and a path in it, or a path below what the person sees as their files.

use crate::Api;
use crate::error::ApiError;
use serde::Deserialize;
use stitchbox_domain::{Error, FilesView, ItemPath, Location, Principal};

/// `{"space": "ring", "path": "/mirror 4"}`; without the space the path is one below `/remote.php/dav/files/USER/`, so that
/// `Shares/…` and `Spaces/…` lead where they lead there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceWanted {
    #[serde(default)]
    pub(crate) space: Option<String>,
    pub(crate) path: String,
}

impl PlaceWanted {
    /// Where it is.
    pub(crate) async fn location(&self, api: &Api, principal: &Principal) -> Result<Location, ApiError> {
        if let Some(space) = &self.space {
            let membership = api.domain.find_space(principal, space).await?;
            let path = ItemPath::parse(&self.path).map_err(Error::from)?;
            return Ok(Location::in_space(membership.space.id, path));
        }
        let names: Vec<&str> = self.path.split('/').collect();
        match api.domain.files_view(principal, &principal.name, &names).await? {
            FilesView::Item(location)
            | FilesView::Root { personal: location }
            | FilesView::Shared { at: location, .. } => Ok(location),
            FilesView::SpacesFolder | FilesView::SharesFolder => Err(Error::NotFound.into()),
        }
    }
}
