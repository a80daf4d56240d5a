//! What a server has below a folder, by path: from one stream where the server lists trees, else folder by folder.

use std::collections::HashMap;

use futures::StreamExt as _;
use stitchbox_remote::{Connection, Dialect, Place, Space, Top, WireError, child};
use stitchbox_sync::digest::Sha256;
use stitchbox_sync::remote::{ItemId, Kind};

/// A file or folder on the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct There {
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Bytes of a file.
    pub size: Option<u64>,
    /// ETag with its quotes.
    pub etag: Option<String>,
    /// Content, where the server tells it.
    pub sha256: Option<Sha256>,
    /// Modification time, nanoseconds since 1970.
    pub mtime_ns: Option<i64>,
}

/// Everything below a folder.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// By path below the folder, names parted by `/`; the folder itself is `""`. Empty if nothing is there.
    pub items: HashMap<String, There>,
    /// The space, where the server has spaces.
    pub space: Option<Space>,
    /// Whether this login may not look: it may only add.
    pub blind: bool,
}

impl Tree {
    /// Lists what is at a place.
    pub(crate) async fn of(connection: &Connection, place: &Place) -> Result<Self, WireError> {
        match Self::seen(connection, place).await {
            Err(error) if error.status() == Some(403) => Ok(Self { blind: true, ..Self::default() }),
            other => other,
        }
    }

    async fn seen(connection: &Connection, place: &Place) -> Result<Self, WireError> {
        if connection.dialect().await? == Dialect::Stitchbox
            && let Some(space) = connection.space_of(place).await?
        {
            let items = streamed(connection, &space, place).await?;
            return Ok(Self { items, space: Some(space), blind: false });
        }
        Ok(Self { items: by_folders(connection, place).await?, space: None, blind: false })
    }
}

async fn streamed(connection: &Connection, space: &Space, place: &Place) -> Result<HashMap<String, There>, WireError> {
    let path = format!("/{}", place.path);
    let top = if place.path.is_empty() { Top::Space } else { Top::Path(&path) };
    let mut listing = match connection.tree(&space.id, top).await {
        Ok(listing) => listing,
        Err(error) if error.status() == Some(404) && !place.path.is_empty() => return Ok(HashMap::new()),
        // no such interface: an older server
        Err(error) if error.status() == Some(404) => return by_folders(connection, place).await,
        Err(error) => return Err(error),
    };
    let mut items = HashMap::new();
    let mut folders: HashMap<ItemId, String> = HashMap::new();
    let mut is_top = true;
    while let Some(item) = listing.items.next().await {
        let item = item?;
        let above = item.parent.as_ref().and_then(|parent| folders.get(parent));
        let path = match above {
            _ if is_top => String::new(),
            Some(above) => format!("{above}{}", item.name),
            None => continue,
        };
        is_top = false;
        if item.kind == Kind::Folder {
            folders.insert(item.id, if path.is_empty() { String::new() } else { format!("{path}/") });
        }
        let there = There {
            is_folder: item.kind == Kind::Folder,
            size: Some(item.size),
            etag: Some(item.etag.0.into()),
            sha256: item.sha256,
            mtime_ns: Some(item.mtime_ns),
        };
        items.insert(path, there);
    }
    Ok(items)
}

async fn by_folders(connection: &Connection, place: &Place) -> Result<HashMap<String, There>, WireError> {
    let mut items = HashMap::new();
    let mut open = vec![(place.address.clone(), String::new())];
    while let Some((url, path)) = open.pop() {
        for entry in connection.list(&url).await?.unwrap_or_default() {
            if entry.name.is_empty() && !path.is_empty() {
                continue;
            }
            let inside = format!("{path}{}", entry.name);
            if entry.is_folder && !entry.name.is_empty() {
                open.push((child(&url, [entry.name.as_str()]), format!("{inside}/")));
            }
            let modified = entry.modified.as_deref().and_then(|text| httpdate::parse_http_date(text).ok());
            let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            let there = There {
                is_folder: entry.is_folder,
                size: entry.size,
                sha256: entry.sha256(),
                // a weak one guards nothing
                etag: entry.etag.filter(|etag| !etag.starts_with("W/")),
                mtime_ns: since.and_then(|since| i64::try_from(since.as_nanos()).ok()),
            };
            items.insert(inside, there);
        }
    }
    Ok(items)
}
