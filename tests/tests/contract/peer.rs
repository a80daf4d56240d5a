//! A peer in memory, as obliging or as wicked as a test wants it.

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stitchbox_domain::received::{
    Expected, Outgoing, PeerFiles, PeerTrouble, Peers, ReceivedShare, RemoteEntry, RemoteFolder, Written,
};
use stitchbox_domain::{BlobStream, ItemPath};
use stitchbox_schema::Timestamp;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    #[default]
    Good,
    /// Nothing is answered.
    Down,
    /// Everything is answered with this status.
    Says403,
    Says404,
    Html,
    /// Contents end ten bytes early, without an error.
    Short,
    /// Contents are longer than the file.
    Long,
    /// Contents break off in the middle.
    Breaks,
    /// Changes arrive, their answers do not.
    LosesAnswers,
    /// No room.
    Full,
    /// Bytes that differ from what the checksum says.
    Damaged,
}

#[derive(Debug, Clone)]
pub enum Node {
    Folder,
    File(Vec<u8>),
}

#[derive(Debug, Default)]
pub struct State {
    /// By path from `/`; each with its ETag.
    pub nodes: BTreeMap<String, (Node, String)>,
    pub mood: Mood,
    pub requests: usize,
    pub listings: usize,
    pub contents: usize,
    pub bytes_sent: usize,
    /// Requests answered before everything is down; `None`: for ever.
    pub patience: Option<usize>,
    /// Folder ETags move with what lies directly in them and no deeper.
    pub flat: bool,
    /// Folders have no ETag.
    pub untagged: bool,
    pub letters: BTreeMap<String, String>,
    pub tells_sha256: bool,
    /// Further children in every listing.
    pub extra: Vec<RemoteEntry>,
    /// Names in the top of which it cannot say what they are.
    pub unclear: Vec<String>,
    /// Every folder shows itself as its child.
    pub looped: bool,
    pub keeps_etag_secret: bool,
    count: u64,
}

#[derive(Debug, Clone, Default)]
pub struct FakePeer(pub Arc<Mutex<State>>);

fn parent(path: &str) -> String {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
    }
}

fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| top == "/" || rest.is_empty() || rest.starts_with('/'))
}

impl State {
    fn tag(&mut self) -> String {
        self.count += 1;
        format!("\"{:x}\"", self.count)
    }

    fn touch_above(&mut self, path: &str) {
        let mut path = path.to_owned();
        while path != "/" {
            path = parent(&path);
            let tag = self.tag();
            if let Some((_, etag)) = self.nodes.get_mut(&path) {
                *etag = tag;
            }
            if self.flat {
                return;
            }
        }
    }

    pub fn put(&mut self, path: &str, bytes: &[u8]) {
        let tag = self.tag();
        self.nodes.insert(path.to_owned(), (Node::File(bytes.to_vec()), tag));
        self.touch_above(path);
    }

    pub fn mkcol(&mut self, path: &str) {
        let tag = self.tag();
        self.nodes.insert(path.to_owned(), (Node::Folder, tag));
        self.touch_above(path);
    }

    pub fn remove(&mut self, top: &str) {
        self.nodes.retain(|path, _| !is_below(path, top));
        self.touch_above(top);
    }

    pub fn relocate(&mut self, from: &str, to: &str) {
        let moved: Vec<String> = self.nodes.keys().filter(|path| is_below(path, from)).cloned().collect();
        for path in moved {
            let node = self.nodes.remove(&path).expect("it was there");
            self.nodes.insert(format!("{to}{}", &path[from.len()..]), node);
        }
        self.touch_above(from);
        self.touch_above(to);
    }

    /// Everything but the top, as `(path, content or none)`.
    pub fn tree(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let content = |node: &Node| match node {
            Node::Folder => None,
            Node::File(bytes) => Some(bytes.clone()),
        };
        self.nodes
            .iter()
            .filter(|(path, _)| *path != "/")
            .map(|(path, (node, _))| (path.clone(), content(node)))
            .collect()
    }

    fn entry(&self, path: &str) -> Option<RemoteEntry> {
        let (node, etag) = self.nodes.get(path)?;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let letters = self.letters.get(path).cloned();
        Some(match node {
            Node::Folder => RemoteEntry {
                name,
                is_folder: true,
                etag: (!self.untagged).then(|| etag.clone()),
                size: 0,
                mtime: None,
                letters,
                sha256: None,
            },
            Node::File(bytes) => RemoteEntry {
                name,
                is_folder: false,
                etag: Some(etag.clone()),
                size: bytes.len() as u64,
                mtime: Some(Timestamp(1_600_000_000_000_000_000)),
                letters,
                sha256: self.tells_sha256.then(|| sha256(bytes)),
            },
        })
    }

    fn asked(&mut self) -> Result<(), PeerTrouble> {
        self.requests += 1;
        if let Some(patience) = &mut self.patience {
            if *patience == 0 {
                return Err(PeerTrouble::Unreachable("connection refused".into()));
            }
            *patience -= 1;
        }
        match self.mood {
            Mood::Down => Err(PeerTrouble::Unreachable("connection refused".into())),
            Mood::Says403 => Err(PeerTrouble::Denied("403 Forbidden".into())),
            Mood::Says404 => Err(PeerTrouble::Missing),
            Mood::Html => Err(PeerTrouble::Nonsense("it answered 500 with a page of HTML".into())),
            _ => Ok(()),
        }
    }

    fn expect(&self, path: &str, expected: &Expected) -> Result<(), PeerTrouble> {
        let there = self.nodes.get(path);
        match (expected, there) {
            (Expected::Nothing, None) | (Expected::Anything, Some(_)) => Ok(()),
            (Expected::ETag(etag), Some((_, now))) if etag == now => Ok(()),
            (Expected::Anything, None) => Err(PeerTrouble::Missing),
            _ => Err(PeerTrouble::Changed),
        }
    }

    fn answered<T>(&self, value: T) -> Result<T, PeerTrouble> {
        match self.mood {
            Mood::LosesAnswers => Err(PeerTrouble::Unreachable("the connection broke".into())),
            _ => Ok(value),
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl FakePeer {
    pub fn new() -> Self {
        let fake = Self::default();
        fake.with(|state| {
            let tag = state.tag();
            state.nodes.insert("/".into(), (Node::Folder, tag));
        });
        fake
    }

    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }
}

impl Peers for FakePeer {
    fn files<'a>(&'a self, _: &'a ReceivedShare) -> BoxFuture<'a, Result<Arc<dyn PeerFiles>, PeerTrouble>> {
        Box::pin(async move { Ok(Arc::new(self.clone()) as Arc<dyn PeerFiles>) })
    }
}

impl PeerFiles for FakePeer {
    fn look<'a>(&'a self, path: &'a ItemPath) -> BoxFuture<'a, Result<RemoteEntry, PeerTrouble>> {
        Box::pin(async move {
            self.with(|state| {
                state.asked()?;
                state.entry(&path.to_string()).ok_or(PeerTrouble::Missing)
            })
        })
    }

    fn list<'a>(&'a self, path: &'a ItemPath) -> BoxFuture<'a, Result<RemoteFolder, PeerTrouble>> {
        Box::pin(async move {
            self.with(|state| {
                state.asked()?;
                state.listings += 1;
                let path = path.to_string();
                // A folder that shows itself is the same at every depth.
                let path = if state.looped { "/".to_owned() } else { path };
                let itself = state.entry(&path).ok_or(PeerTrouble::Missing)?;
                let below = |child: &&String| **child != "/" && parent(child) == path;
                let mut children: Vec<RemoteEntry> =
                    state.nodes.keys().filter(below).filter_map(|child| state.entry(child)).collect();
                children.extend(state.extra.iter().cloned());
                if state.looped {
                    children.push(RemoteEntry { name: "again".into(), ..itself.clone() });
                }
                let left_out = if path == "/" { state.unclear.clone() } else { Vec::new() };
                children.retain(|child| !left_out.contains(&child.name));
                Ok(RemoteFolder { itself, children, left_out })
            })
        })
    }

    fn read<'a>(
        &'a self,
        path: &'a ItemPath,
        range: Range<u64>,
        _: u64,
        etag: Option<&'a str>,
    ) -> BoxFuture<'a, Result<BlobStream, PeerTrouble>> {
        Box::pin(async move {
            self.with(|state| {
                state.asked()?;
                state.contents += 1;
                let path = path.to_string();
                let (node, now) = state.nodes.get(&path).ok_or(PeerTrouble::Missing)?;
                if etag.is_some_and(|etag| etag != now) {
                    return Err(PeerTrouble::Changed);
                }
                let Node::File(bytes) = node else { return Err(PeerTrouble::Refused("a folder".into())) };
                let (start, end) = (range.start as usize, (range.end as usize).min(bytes.len()));
                let mut bytes = bytes[start..end].to_vec();
                match state.mood {
                    Mood::Short => bytes.truncate(bytes.len().saturating_sub(10)),
                    Mood::Long => bytes.extend([0; 10]),
                    Mood::Damaged => bytes[0] ^= 1,
                    _ => {}
                }
                let mood = state.mood;
                let half = bytes.len() / 2;
                state.bytes_sent += if mood == Mood::Breaks && half > 0 { half } else { bytes.len() };
                let pieces: Vec<io::Result<Bytes>> = match mood {
                    // Some come through each time, so whoever goes on gets to the end.
                    Mood::Breaks if half > 0 => {
                        vec![Ok(Bytes::copy_from_slice(&bytes[..half])), Err(io::Error::other("broken"))]
                    }
                    _ => bytes.chunks(40_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect(),
                };
                Ok(stream::iter(pieces).boxed())
            })
        })
    }

    fn write<'a>(
        &'a self,
        path: &'a ItemPath,
        body: Outgoing,
        _: Option<Timestamp>,
        expected: &'a Expected,
    ) -> BoxFuture<'a, Result<Written, PeerTrouble>> {
        Box::pin(async move {
            let path = path.to_string();
            self.with(|state| {
                state.asked()?;
                if state.mood == Mood::Full {
                    return Err(PeerTrouble::Full("507 the folder is full".into()));
                }
                match expected {
                    Expected::Anything => Ok(()),
                    expected => state.expect(&path, expected),
                }
            })?;
            let bytes = body.from(0).try_collect::<Vec<Bytes>>().await;
            let bytes = bytes.map_err(|error| PeerTrouble::Unreachable(error.to_string()))?.concat();
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.with(|state| {
                state.put(&path, &bytes);
                let etag = (!state.keeps_etag_secret).then(|| state.nodes[&path].1.clone());
                state.answered(Written { etag })
            })
        })
    }

    fn make_folder<'a>(&'a self, path: &'a ItemPath) -> BoxFuture<'a, Result<(), PeerTrouble>> {
        Box::pin(async move {
            self.with(|state| {
                state.asked()?;
                let path = path.to_string();
                if state.nodes.contains_key(&path) {
                    return Err(PeerTrouble::Exists);
                }
                state.mkcol(&path);
                state.answered(())
            })
        })
    }

    fn remove<'a>(&'a self, path: &'a ItemPath, expected: &'a Expected) -> BoxFuture<'a, Result<(), PeerTrouble>> {
        Box::pin(async move {
            self.with(|state| {
                state.asked()?;
                let path = path.to_string();
                if !state.nodes.contains_key(&path) {
                    return Err(PeerTrouble::Missing);
                }
                state.expect(&path, expected)?;
                state.remove(&path);
                state.answered(())
            })
        })
    }

    fn relocate<'a>(
        &'a self,
        from: &'a ItemPath,
        to: &'a ItemPath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<(), PeerTrouble>> {
        Box::pin(async move {
            self.with(|state| {
                state.asked()?;
                let (from, to) = (from.to_string(), to.to_string());
                if !state.nodes.contains_key(&from) {
                    return Err(PeerTrouble::Missing);
                }
                if state.nodes.contains_key(&to) {
                    if !overwrite {
                        return Err(PeerTrouble::Exists);
                    }
                    state.remove(&to);
                }
                state.relocate(&from, &to);
                state.answered(())
            })
        })
    }
}
