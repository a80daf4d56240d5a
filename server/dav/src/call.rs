//! One request after login: who asks, for which address, and what the address means in the tree.

use crate::entity_tags::TagList;
use crate::errors::Fault;
use crate::if_header;
use crate::mount::{Address, Base, Mount, NoAddress, push_segment};
use crate::request_headers::{Depth, date, depth, text};
use axum::http::{HeaderMap, Method, Uri};
use stitchbox_domain::{
    Conditions, Domain, Error, FilesView, ItemPath, Location, Membership, Principal, Refusal, SHARES_FOLDER,
    SPACES_FOLDER, StateList,
};
use stitchbox_schema::SpaceKind;

/// A request whose sender is known, to an address of the files or of another part of the WebDAV tree.
#[derive(Debug)]
pub(crate) struct Call<A = Address> {
    pub domain: Domain,
    pub principal: Principal,
    pub method: Method,
    pub address: A,
    pub headers: HeaderMap,
    /// Host and port of the request, as the client named this server.
    pub authority: Option<String>,
    /// The client speaks TLS, as far as the listener or a trusted proxy says so.
    pub secure: bool,
    /// The top of what the client sees, if it came by a link or a federated share.
    pub top: Option<Location>,
}

/// A place in a space, with the URL of that space in the mount of the request.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub location: Location,
    /// URL of the space's root, or of what is shared of it.
    pub base: Base,
    /// It is the top of `files/USER`, which also shows the folders of spaces and of shares.
    pub is_top_of_files: bool,
    /// The name of the entry in the folder of shares that this is the top of.
    pub entry: Option<String>,
}

impl Place {
    fn new(location: Location, base: Base) -> Self {
        Self { location, base, is_top_of_files: false, entry: None }
    }
}

/// What an address means.
#[derive(Debug, Clone)]
pub(crate) enum View {
    /// A place in a space, whether or not something is there.
    Place(Place),
    /// The folder that shows the project spaces.
    SpacesFolder,
    /// The folder that shows what is shared with the person.
    SharesFolder,
}

const UNREADABLE: Fault = Fault::BadRequest("the header Destination is not a URL");

impl<A> Call<A> {
    /// What an address of the files means.
    pub(crate) async fn view_of(&self, address: &Address) -> Result<View, Error> {
        if let Some(top) = &self.top {
            return self.shared_place(address, top).map(View::Place);
        }
        let segments: Vec<&str> = address.segments.iter().map(String::as_str).collect();
        let user = match &address.mount {
            Mount::Files(user) => user,
            Mount::Own => &self.principal.name,
            Mount::Space(space) => {
                let membership = self.domain.find_space(&self.principal, space).await?;
                let location = membership.place(ItemPath::from_segments(segments)?);
                let top = membership.place(ItemPath::default());
                let base = address.base_of(&location.path, &top.path);
                return Ok(View::Place(Place::new(location, base)));
            }
            // What is shared is entered by its own login.
            Mount::Public | Mount::Link(_) | Mount::Ocm(_) => return Err(Error::NotFound),
        };
        let root = ItemPath::default();
        Ok(match self.domain.files_view(&self.principal, user, &segments).await? {
            FilesView::SpacesFolder => View::SpacesFolder,
            FilesView::SharesFolder => View::SharesFolder,
            FilesView::Root { personal } => {
                let base = address.base_of(&personal.path, &root);
                View::Place(Place { is_top_of_files: true, ..Place::new(personal, base) })
            }
            FilesView::Item(location) => {
                let base = address.base_of(&location.path, &root);
                View::Place(Place::new(location, base))
            }
            FilesView::Shared { entry, top, at } => {
                let base = address.base_of(&at.path, &top.path);
                let entry = (at.path == top.path).then_some(entry);
                View::Place(Place { entry, ..Place::new(at, base) })
            }
        })
    }

    /// The place an address means to who came by a share: in the mounts of shares, below its top, and nowhere else.
    fn shared_place(&self, address: &Address, top: &Location) -> Result<Place, Error> {
        if !address.mount.is_of_share() {
            return Err(Error::NotFound);
        }
        let below = ItemPath::from_segments(address.segments.iter().map(String::as_str))?;
        let location = top.at(top.path.append(below));
        let base = address.base_of(&location.path, &top.path);
        Ok(Place::new(location, base))
    }

    /// The path named by `Destination`, percent-encoded.
    pub(crate) fn destination_path(&self) -> Result<String, Fault> {
        let value = self.headers.get("destination").ok_or(Fault::BadRequest("the header Destination is missing"))?;
        let Ok(value) = std::str::from_utf8(value.as_bytes()) else { return Err(UNREADABLE) };
        match self.own_path(value.trim()) {
            Written::Path(path) => Ok(path),
            Written::OtherServer => Err(Fault::OtherServer),
            Written::Unreadable => Err(UNREADABLE),
        }
    }

    /// The place named by `Destination`: a URL of this server or an absolute path.
    pub(crate) async fn destination(&self) -> Result<Place, Fault> {
        let address = match Address::parse(&self.destination_path()?) {
            Ok(address) => address,
            Err(NoAddress::Malformed) => return Err(UNREADABLE),
            Err(NoAddress::Outside) => return Err(Fault::OtherServer),
        };
        // Nobody moves anything from one login into what another one opens.
        if self.top.is_some() != address.mount.is_of_share() {
            return Err(Fault::OtherServer);
        }
        match self.view_of(&address).await? {
            View::Place(place) => Ok(place),
            View::SpacesFolder | View::SharesFolder => Err(Error::from(Refusal::Root).into()),
        }
    }

    /// The name below the folder of shares that `Destination` speaks of; `None` if it leads elsewhere.
    pub(crate) fn destination_in_shares(&self) -> Result<Option<String>, Fault> {
        let Ok(address) = Address::parse(&self.destination_path()?) else { return Ok(None) };
        let is_own = match &address.mount {
            Mount::Files(user) => *user == self.principal.name,
            Mount::Own => true,
            Mount::Space(_) | Mount::Public | Mount::Link(_) | Mount::Ocm(_) => false,
        };
        Ok(match address.segments.as_slice() {
            [folder, name] if is_own && folder == SHARES_FOLDER => Some(name.clone()),
            _ => None,
        })
    }

    /// The path of a URL of this server.
    fn own_path(&self, written: &str) -> Written {
        if written.contains('#') {
            return Written::Unreadable;
        }
        let Ok(uri) = written.parse::<Uri>() else { return Written::Unreadable };
        match uri.authority() {
            None if written.starts_with('/') => Written::Path(uri.path().to_owned()),
            None => Written::Unreadable,
            Some(authority) => {
                let default_port = if uri.scheme_str() == Some("https") { ":443" } else { ":80" };
                let plain = |name: &str| name.to_ascii_lowercase().trim_end_matches(default_port).to_owned();
                let own = self.authority.as_deref().map(plain);
                if own.as_deref() == Some(plain(authority.as_str()).as_str()) {
                    Written::Path(uri.path().to_owned())
                } else {
                    Written::OtherServer
                }
            }
        }
    }

    /// The tags of an entity-tag header, if it is there.
    pub(crate) fn tags(&self, name: &str) -> Result<Option<TagList>, Fault> {
        if !self.headers.contains_key(name) {
            return Ok(None);
        }
        let list = text(&self.headers, name).and_then(TagList::parse);
        list.map(Some).ok_or(Fault::BadRequest("a header with entity tags cannot be read; they stand in quotes"))
    }

    /// Everything the request demands before it may change anything.
    pub(crate) async fn conditions(&self) -> Result<Conditions, Fault> {
        let mut state_lists = Vec::new();
        if let Some(value) = self.headers.get("if") {
            let lists = value.to_str().ok().and_then(if_header::parse);
            let lists = lists.ok_or(Fault::BadRequest("the header If cannot be read"))?;
            for list in lists {
                let resource = match list.resource {
                    None => None,
                    Some(written) => Some(self.tagged(&written).await?),
                };
                state_lists.push(StateList { resource, conditions: list.conditions });
            }
        }
        Ok(Conditions {
            if_match: self.tags("if-match")?.map(TagList::strong),
            if_none_match: self.tags("if-none-match")?.map(TagList::strong),
            if_unmodified_since: text(&self.headers, "if-unmodified-since").and_then(date),
            state_lists,
        })
    }

    /// The place a list of an `If` header speaks of; `None` for one that is not here or that the person may not see.
    async fn tagged(&self, written: &str) -> Result<Option<Location>, Fault> {
        let Written::Path(path) = self.own_path(written) else { return Ok(None) };
        let Ok(address) = Address::parse(&path) else { return Ok(None) };
        match self.view_of(&address).await {
            Ok(View::Place(place)) => Ok(Some(place.location)),
            Ok(View::SpacesFolder | View::SharesFolder) | Err(Error::NotFound | Error::Name(_)) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }
}

impl Call {
    /// URL of the root of a space, or of what is shared of it, in the mount of the request; `None` if the mount does not
    /// show it.
    pub(crate) async fn base_of_space(&self, membership: &Membership) -> Result<Option<Base>, Error> {
        let mut url = self.address.top();
        let above = membership.via.as_ref().map_or(0, |via| via.above());
        let is_shown = match &self.address.mount {
            Mount::Space(name) => {
                let shown = self.domain.find_space(&self.principal, name).await?;
                shown.part() == membership.part()
            }
            Mount::Files(_) | Mount::Own => match (&membership.via, membership.space.kind) {
                (None, SpaceKind::Personal) => true,
                (None, SpaceKind::Project) => {
                    push_segment(&mut url, SPACES_FOLDER);
                    push_segment(&mut url, &membership.space.name);
                    true
                }
                // Shown in the folder of shares, under a name that is the person's own.
                (Some(_), _) | (None, SpaceKind::Received) => {
                    let entry = self.domain.entry_of(&self.principal, membership).await?;
                    push_segment(&mut url, SHARES_FOLDER);
                    push_segment(&mut url, entry.as_deref().unwrap_or_default());
                    entry.is_some()
                }
            },
            Mount::Public | Mount::Link(_) | Mount::Ocm(_) => {
                self.top.as_ref().and_then(|top| top.via) == membership.via.as_ref().map(|via| via.share)
            }
        };
        Ok(is_shown.then(|| Base::new(url, above)))
    }

    /// What the address of the request means.
    pub(crate) async fn view(&self) -> Result<View, Fault> {
        let view = self.view_of(&self.address).await?;
        if let View::Place(place) = &view {
            tracing::Span::current().record("space", place.location.space.0);
        }
        Ok(view)
    }

    /// URL of the root of the space the request speaks of, for an error about a path in it.
    pub(crate) async fn base(&self) -> Base {
        match self.view().await {
            Ok(View::Place(place)) => place.base,
            Ok(View::SpacesFolder | View::SharesFolder) | Err(_) => Base::new(self.address.href(), 0),
        }
    }

    /// The place the request wants to change.
    pub(crate) async fn place(&self) -> Result<Place, Fault> {
        match self.view().await? {
            View::Place(place) => Ok(place),
            View::SpacesFolder | View::SharesFolder => Err(Error::from(Refusal::Root).into()),
        }
    }

    /// Refuses a `Depth` that would leave a part of a folder behind (RFC 4918, 9.6.1 and 9.9.2).
    pub(crate) async fn refuse_partial_depth(&self, place: &Place) -> Result<(), Fault> {
        let partial = matches!(depth(&self.headers)?, Some(Depth::Zero | Depth::One));
        if partial && self.domain.item(&self.principal, &place.location).await?.1.is_folder() {
            return Err(Fault::BadRequest(
                "this is done to a folder with everything in it; leave out the header Depth",
            ));
        }
        Ok(())
    }
}

/// A URL as somebody wrote it.
enum Written {
    /// The path of one of ours, percent-encoded.
    Path(String),
    OtherServer,
    Unreadable,
}
