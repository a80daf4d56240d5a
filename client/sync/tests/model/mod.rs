//! A server in memory (or in one file, rewritten whole after each change), and a local folder in memory: what the tests synchronise.
#![allow(dead_code)]

pub mod replica;
pub mod service;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stitchbox_sync::digest::Sha256;
use stitchbox_sync::remote::{Etag, FeedItem, ItemId, Kind, Permissions, RemoteError, RemoteItem};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    pub parent: Option<u64>,
    pub name: String,
    #[serde(with = "as_text")]
    pub content: Option<Vec<u8>>,
    pub etag: u64,
    pub mtime_ns: i64,
    pub derived: bool,
    pub permissions: String,
}

/// Contents are text here; as a list of numbers the file would be four times as long.
mod as_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(content: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        content.as_ref().map(|bytes| String::from_utf8_lossy(bytes)).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(String::into_bytes))
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    pub items: BTreeMap<u64, Item>,
    pub changes: Vec<u64>,
    pub next: u64,
    /// Digests are not told (as of a server that has not computed them).
    pub without_digests: bool,
}

impl Default for Server {
    fn default() -> Self {
        let top = Item {
            parent: None,
            name: String::new(),
            content: None,
            etag: 1,
            mtime_ns: 1,
            derived: false,
            permissions: String::new(),
        };
        Self { items: BTreeMap::from([(1, top)]), changes: vec![1], next: 2, without_digests: false }
    }
}

impl Server {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    pub fn find(&self, path: &str) -> Option<u64> {
        let mut at = 1;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = *self.items.iter().find(|(_, item)| item.parent == Some(at) && item.name == name)?.0;
        }
        Some(at)
    }

    pub fn path(&self, id: u64) -> String {
        let mut names = Vec::new();
        let mut at = id;
        while let Some(item) = self.items.get(&at).filter(|item| item.parent.is_some()) {
            names.push(item.name.clone());
            at = item.parent.unwrap();
        }
        names.reverse();
        names.join("/")
    }

    /// The item changed, and with it the ETags of the folders around it.
    fn touch(&mut self, id: u64) {
        self.changes.push(id);
        let etag = self.number();
        let mut at = Some(id);
        while let Some(item) = at.and_then(|id| self.items.get_mut(&id)) {
            item.etag = etag;
            at = item.parent;
        }
    }

    fn split(&self, path: &str) -> Result<(u64, String), RemoteError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.find(folder).ok_or(RemoteError::Gone)?;
        if self.items[&parent].content.is_some() {
            return Err(RemoteError::Gone);
        }
        Ok((parent, name.to_owned()))
    }

    fn add(&mut self, path: &str, content: Option<Vec<u8>>, mtime_ns: i64) -> Result<u64, RemoteError> {
        let (parent, name) = self.split(path)?;
        if self.find(path).is_some() {
            return Err(RemoteError::Exists);
        }
        let id = self.number();
        let item =
            Item { parent: Some(parent), name, content, etag: 0, mtime_ns, derived: false, permissions: String::new() };
        self.items.insert(id, item);
        self.touch(id);
        Ok(id)
    }

    pub fn make_folder(&mut self, path: &str) -> Result<u64, RemoteError> {
        self.add(path, None, 0)
    }

    pub fn put(
        &mut self,
        path: &str,
        content: &[u8],
        expected: Option<&Etag>,
        mtime_ns: i64,
    ) -> Result<u64, RemoteError> {
        let Some(expected) = expected else { return self.add(path, Some(content.to_vec()), mtime_ns) };
        let id = self.find(path).ok_or(RemoteError::Changed)?;
        if self.etag(id) != *expected {
            return Err(RemoteError::Changed);
        }
        let item = self.items.get_mut(&id).unwrap();
        if item.content.is_none() {
            return Err(RemoteError::Exists);
        }
        if item.derived {
            return Err(RemoteError::Forbidden { reason: "derived".to_owned() });
        }
        (item.content, item.mtime_ns) = (Some(content.to_vec()), mtime_ns);
        self.touch(id);
        Ok(id)
    }

    pub fn relocate(&mut self, from: &str, to: &str, expected: Option<&Etag>) -> Result<u64, RemoteError> {
        let id = self.find(from).filter(|id| *id != 1).ok_or(RemoteError::Gone)?;
        if expected.is_some_and(|expected| self.etag(id) != *expected) {
            return Err(RemoteError::Changed);
        }
        let (parent, name) = self.split(to)?;
        if self.find(to).is_some() || self.is_below(parent, id) {
            return Err(RemoteError::Exists);
        }
        let old = self.items[&id].parent.unwrap();
        let etag = self.items[&id].etag;
        let item = self.items.get_mut(&id).unwrap();
        (item.parent, item.name) = (Some(parent), name);
        self.touch(id);
        self.touch(old);
        // a file's ETag survives the move
        if self.items[&id].content.is_some() {
            self.items.get_mut(&id).unwrap().etag = etag;
        }
        Ok(id)
    }

    pub fn delete(&mut self, path: &str, expected: &Etag) -> Result<(), RemoteError> {
        let id = self.find(path).filter(|id| *id != 1).ok_or(RemoteError::Gone)?;
        if self.etag(id) != *expected {
            return Err(RemoteError::Changed);
        }
        self.remove(id);
        Ok(())
    }

    pub fn remove(&mut self, id: u64) {
        let below: Vec<u64> = self.items.keys().copied().filter(|other| self.is_below(*other, id)).collect();
        let parent = self.items[&id].parent.unwrap();
        for gone in below {
            self.items.remove(&gone);
            self.changes.push(gone);
        }
        self.touch(parent);
    }

    pub fn is_below(&self, id: u64, folder: u64) -> bool {
        let mut at = Some(id);
        while let Some(id) = at {
            if id == folder {
                return true;
            }
            at = self.items.get(&id).and_then(|item| item.parent);
        }
        false
    }

    pub fn etag(&self, id: u64) -> Etag {
        Etag(format!("\"{}\"", self.items[&id].etag).into())
    }

    pub fn item(&self, id: u64) -> RemoteItem {
        let item = &self.items[&id];
        let sha256 = item.content.as_ref().filter(|_| !self.without_digests).map(|content| Sha256::of(content));
        RemoteItem {
            id: ItemId(id.to_string().into()),
            parent: item.parent.map(|id| ItemId(id.to_string().into())),
            name: item.name.as_str().into(),
            kind: if item.content.is_some() { Kind::File } else { Kind::Folder },
            etag: self.etag(id),
            size: item.content.as_ref().map_or(0, Vec::len) as u64,
            mtime_ns: item.mtime_ns,
            sha256,
            version: None,
            derived: item.derived,
            permissions: Permissions(item.permissions.as_str().into()),
            deep: false,
        }
    }

    /// What changed since the cursor; folders whose ETag changed only because of something below are not among it.
    pub fn feed(&self, cursor: usize) -> (Vec<FeedItem>, usize) {
        let mut changed: Vec<u64> = self.changes.iter().skip(cursor).copied().collect();
        changed.sort_unstable();
        changed.dedup();
        let entry = |id: u64| match self.items.contains_key(&id) {
            true => FeedItem::Present(self.item(id)),
            false => FeedItem::Gone(ItemId(id.to_string().into())),
        };
        (changed.into_iter().map(entry).collect(), self.changes.len())
    }

    /// A folder with everything below it, parents first.
    pub fn listing(&self, folder: u64) -> Vec<RemoteItem> {
        let mut found = vec![folder];
        let mut at = 0;
        while at < found.len() {
            let children = self.items.iter().filter(|(_, item)| item.parent == Some(found[at]));
            found.extend(children.map(|(id, _)| *id).collect::<Vec<_>>());
            at += 1;
        }
        found.into_iter().map(|id| self.item(id)).collect()
    }

    /// Path → content (`None` for folders).
    pub fn picture(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let below = self.items.iter().filter(|(_, item)| item.parent.is_some());
        below.map(|(id, item)| (self.path(*id), item.content.clone())).collect()
    }
}
