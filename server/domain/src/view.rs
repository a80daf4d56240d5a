//! What a user sees at `files/<user>/`: the personal space, with the other spaces under `Spaces/` and
//! what is shared with the user under `Shares/`.

use crate::access::enter;
use crate::share_access::enter_by;
use crate::{Domain, Error, ItemPath, Location, Membership, Principal};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use stitchbox_schema::{SpaceId, SpaceKind, SpaceName, UserId};
use stitchbox_store::spaces;

/// Name of the folder that shows the project spaces.
pub const SPACES_FOLDER: &str = "Spaces";
/// Name of the folder that shows what is shared with a user.
pub const SHARES_FOLDER: &str = "Shares";
/// Names in the top folder of a personal space that stand for something else.
pub const RESERVED_NAMES: [&str; 2] = [SPACES_FOLDER, SHARES_FOLDER];

/// What lies at a path of `files/<user>/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesView {
    /// A place in a space, personal or other.
    Item(Location),
    /// The top: the root of the personal space, which also shows the folder `Spaces`.
    Root {
        /// Root of the personal space.
        personal: Location,
    },
    /// The folder that shows the project spaces; nothing of its own.
    SpacesFolder,
    /// The folder that shows what is shared with the person; nothing of its own.
    SharesFolder,
    /// A place in something that is shown there, below the entry of this name.
    Shared {
        /// Name of the entry.
        entry: String,
        /// What the entry shows.
        top: Location,
        /// The place, at or below it.
        at: Location,
    },
}

/// Which space is whose personal one: looked up once, since neither user nor space is ever renamed or removed. Whether
/// somebody may enter is asked every time, elsewhere.
#[derive(Debug, Default)]
pub(crate) struct PersonalSpaces(Mutex<HashMap<UserId, SpaceId>>);

/// Most people remembered.
const MOST_REMEMBERED: usize = 10_000;

impl PersonalSpaces {
    fn known(&self) -> MutexGuard<'_, HashMap<UserId, SpaceId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Domain {
    async fn personal_space(&self, principal: &Principal) -> Result<SpaceId, Error> {
        // Who comes by a link or from a peer acts in somebody's name and may even be called like somebody.
        if principal.scope.share.is_some() {
            return Err(Error::NotFound);
        }
        let known = self.personal_spaces.known().get(&principal.user).copied();
        if let Some(space) = known {
            return Ok(space);
        }
        let mut db = self.store.read().await?;
        let space = spaces::by_name(&mut db, SpaceKind::Personal, &principal.name).await?.ok_or(Error::NotFound)?.id;
        let mut known = self.personal_spaces.known();
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        known.insert(principal.user, space);
        Ok(space)
    }

    /// The spaces the principal may see, personal first, then by name: none for a credential that may only create.
    pub async fn spaces_of(&self, principal: &Principal) -> Result<Vec<Membership>, Error> {
        if principal.scope.create_only || principal.scope.share.is_some() {
            return Ok(Vec::new());
        }
        let mut db = self.store.read().await?;
        let all = spaces::of_user(&mut db, principal.user).await?;
        let scope = principal.scope;
        Ok(all
            .into_iter()
            .filter(|(space, _)| scope.space.is_none_or(|only| only == space.id))
            .map(|(space, role)| Membership { space, role, scope, via: None })
            .collect())
    }

    /// A space by its id, by the name of a project space, or by the principal's own name for the personal one; or, by the
    /// id of a share, what that opens.
    pub async fn find_space(&self, principal: &Principal, id_or_name: &str) -> Result<Membership, Error> {
        let mut db = self.store.read().await?;
        let mut candidates: Vec<SpaceId> = id_or_name.parse().into_iter().collect();
        // What no space can be called is not looked up: a NUL would be an error of one database and not of the other.
        if SpaceName::parse(id_or_name).is_ok() {
            for kind in [SpaceKind::Project, SpaceKind::Personal] {
                candidates.extend(spaces::by_name(&mut db, kind, id_or_name).await?.map(|space| space.id));
            }
        }
        for id in candidates {
            match enter(&mut db, principal, id).await {
                Err(Error::NotFound) => {}
                entered => return entered,
            }
        }
        match id_or_name.parse() {
            Ok(share) => enter_by(&mut db, principal, share, self.now()).await,
            Err(_) => Err(Error::NotFound),
        }
    }

    /// What lies at `files/<user>/<segments…>`. Only one's own view exists.
    pub async fn files_view(&self, principal: &Principal, user: &str, segments: &[&str]) -> Result<FilesView, Error> {
        if user != principal.name {
            return Err(Error::NotFound);
        }
        let segments: Vec<&str> = segments.iter().copied().filter(|segment| !segment.is_empty()).collect();
        match segments.as_slice() {
            [SPACES_FOLDER] => Ok(FilesView::SpacesFolder),
            [SPACES_FOLDER, name, rest @ ..] => {
                SpaceName::parse(name).map_err(|_| Error::NotFound)?;
                let mut db = self.store.read().await?;
                let space = spaces::by_name(&mut db, SpaceKind::Project, name).await?.ok_or(Error::NotFound)?;
                let membership = enter(&mut db, principal, space.id).await?;
                let path = ItemPath::from_segments(rest.iter().copied())?;
                Ok(FilesView::Item(Location::in_space(membership.space.id, path)))
            }
            [SHARES_FOLDER] => Ok(FilesView::SharesFolder),
            [SHARES_FOLDER, name, rest @ ..] => {
                let below = ItemPath::from_segments(rest.iter().copied())?;
                let top = self.shares_entry(principal, name).await?.top;
                let at = top.at(top.path.append(below));
                Ok(FilesView::Shared { entry: (*name).to_owned(), top, at })
            }
            within => {
                let space = self.personal_space(principal).await?;
                let location = Location::in_space(space, ItemPath::from_segments(within.iter().copied())?);
                let top = location.path.is_root();
                Ok(if top { FilesView::Root { personal: location } } else { FilesView::Item(location) })
            }
        }
    }
}
