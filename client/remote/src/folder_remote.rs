//! A folder of a space as synchronisation sees it: the trait [`Remote`] over HTTP.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use reqwest::Url;
use stitchbox_sync::remote::{
    Cursor, Downloaded, Etag, Expected, Feed, FeedItem, ItemId, Kind, LocalFile, Permissions, Progress, Remote,
    RemoteError, RemoteItem, Tree, UploadTarget,
};

use crate::address::{below, child};
use crate::bulk::Small;
use crate::connection::Connection;
use crate::dav::{self, Stored};
use crate::delta::OldVersion;
use crate::download::Known;
use crate::feed::Top;
use crate::outgoing::Outgoing;
use crate::told::told;
use crate::verdict::{About, verdict};

/// Small files on their way at the same time, where the server takes no batches.
const PARALLEL: usize = 8;

/// A folder of a space on a Stitchbox.
#[derive(Debug)]
pub struct HttpRemote {
    connection: Connection,
    space: String,
    /// Path of the folder in the space, `/` for its root.
    path: String,
    root: Url,
    /// Whether the server was found to take no batches.
    without_batches: AtomicBool,
}

impl HttpRemote {
    /// The folder `path` (names parted by `/`) of the space with this id. Nothing is asked yet.
    pub fn new(connection: Connection, space: &str, path: &str) -> Self {
        let root = below(&child(connection.server(), ["dav", "spaces", space]), path);
        let path = format!("/{}", path.trim_matches('/'));
        Self { connection, space: space.to_owned(), path, root, without_batches: AtomicBool::new(false) }
    }

    fn at(&self, path: &str) -> Url {
        below(&self.root, path)
    }

    async fn one_by_one(
        &self,
        files: Vec<(UploadTarget, LocalFile)>,
        progress: &dyn Progress,
    ) -> Vec<Result<RemoteItem, RemoteError>> {
        let uploads = files.into_iter().map(|(target, file)| self.upload(target, file, progress));
        futures::stream::iter(uploads).buffered(PARALLEL).collect().await
    }
}

fn expected(expected: &Expected) -> dav::Expected {
    match expected {
        Expected::Absent => dav::Expected::Absent,
        Expected::Etag(etag) => dav::Expected::Etag(etag.0.to_string()),
    }
}

fn about(expected: &Expected) -> About {
    match expected {
        Expected::Absent => About::New,
        Expected::Etag(_) => About::Known,
    }
}

fn outgoing(file: &LocalFile) -> Outgoing {
    Outgoing { path: file.path.clone(), size: file.size, mtime_ns: Some(file.mtime_ns), sha256: file.sha256 }
}

/// `oc:id` is the number of the item, with zeros in front and the name of the server behind.
fn item_id(oc_id: &str) -> ItemId {
    let digits: String = oc_id.chars().take_while(char::is_ascii_digit).collect();
    ItemId(digits.trim_start_matches('0').into())
}

fn item(path: &str, kind: Kind, stored: Stored, file: Option<&LocalFile>) -> Result<RemoteItem, RemoteError> {
    let unknown = || RemoteError::Other { status: 200, text: "no id and ETag of what was stored".to_owned() };
    Ok(RemoteItem {
        id: item_id(&stored.id.ok_or_else(unknown)?),
        // not said in these answers; whoever asked knows the folder
        parent: None,
        name: path.rsplit('/').next().unwrap_or_default().into(),
        kind,
        etag: Etag(stored.etag.ok_or_else(unknown)?.into()),
        size: file.map_or(0, |file| file.size),
        mtime_ns: file.map_or(0, |file| file.mtime_ns),
        sha256: file.map(|file| file.sha256),
        version: None,
        derived: false,
        permissions: Permissions("".into()),
        deep: false,
    })
}

impl Remote for HttpRemote {
    async fn changes(&self, cursor: Option<&Cursor>, wait: Duration) -> Result<Feed, RemoteError> {
        let mut changes =
            self.connection.changes(&self.space, cursor, wait).await.map_err(|e| verdict(e, About::Known))?;
        if let Feed::Changes { items, .. } = &mut changes.feed {
            // a folder that was not plainly made may hold things that have no entry of their own
            for entry in items {
                if let FeedItem::Present(item) = entry {
                    item.deep |= item.kind == Kind::Folder && !changes.made.contains(&item.id);
                }
            }
        }
        Ok(changes.feed)
    }

    async fn tree(&self, folder: Option<&ItemId>) -> Result<Tree, RemoteError> {
        let top = match folder {
            Some(id) => Top::Item(id),
            None if self.path == "/" => Top::Space,
            None => Top::Path(&self.path),
        };
        let listing = self.connection.tree(&self.space, top).await.map_err(|e| verdict(e, About::Known))?;
        let items = listing.items.map(|item| item.map_err(|error| verdict(error, About::Known))).boxed();
        Ok(Tree { cursor: listing.cursor, fingerprint: listing.fingerprint, items })
    }

    async fn download(
        &self,
        item: &RemoteItem,
        path: &str,
        into: &Path,
        progress: &dyn Progress,
    ) -> Result<Downloaded, RemoteError> {
        let known = Known { etag: Some(item.etag.0.to_string()), size: Some(item.size), sha256: item.sha256 };
        let url = self.at(path);
        let fetched = told(progress, |heard| async move { self.connection.fetch(&url, into, &known, &heard).await });
        let fetched = fetched.await.map_err(|error| verdict(error, About::Known))?;
        Ok(Downloaded {
            etag: fetched.etag.map_or_else(|| item.etag.clone(), |etag| Etag(etag.into())),
            size: fetched.size,
            sha256: fetched.sha256,
            mtime_ns: item.mtime_ns,
            chunks: fetched.chunks,
        })
    }

    async fn upload(
        &self,
        target: UploadTarget,
        source: LocalFile,
        progress: &dyn Progress,
    ) -> Result<RemoteItem, RemoteError> {
        let (url, out) = (self.at(&target.path), outgoing(&source));
        let wanted = expected(&target.expected);
        let old = match &target.expected {
            Expected::Etag(etag) if !source.old_chunks.is_empty() => Some(OldVersion {
                etag: etag.0.to_string(),
                chunks: source.old_chunks.clone(),
                new_chunks: source.chunks.clone(),
            }),
            Expected::Etag(_) | Expected::Absent => None,
        };
        let stored =
            told(
                progress,
                |heard| async move { self.connection.store(&url, &out, &wanted, old.as_ref(), &heard).await },
            );
        let stored = stored.await.map_err(|error| verdict(error, about(&target.expected)))?;
        item(&target.path, Kind::File, stored, Some(&source))
    }

    async fn upload_small(
        &self,
        files: Vec<(UploadTarget, LocalFile)>,
        progress: &dyn Progress,
    ) -> Vec<Result<RemoteItem, RemoteError>> {
        if self.without_batches.load(Ordering::Relaxed) {
            return self.one_by_one(files, progress).await;
        }
        let small: Vec<Small> = files
            .iter()
            .map(|(target, file)| Small {
                path: target.path.clone(),
                expected: expected(&target.expected),
                outgoing: outgoing(file),
            })
            .collect();
        let stored =
            told(progress, |heard| async move { self.connection.store_small(&self.root, &small, &heard).await });
        match stored.await {
            Ok(results) => {
                let pairs = files.into_iter().zip(results);
                let judged = pairs.map(|((target, file), stored)| match stored {
                    Ok(stored) => item(&target.path, Kind::File, stored, Some(&file)),
                    Err(error) => Err(verdict(error, about(&target.expected))),
                });
                judged.collect()
            }
            Err(error) if matches!(error.status(), Some(404 | 405 | 415 | 501)) => {
                self.without_batches.store(true, Ordering::Relaxed);
                self.one_by_one(files, progress).await
            }
            Err(error) => {
                let whole = verdict(error, About::New);
                files.iter().map(|_| Err(whole.clone())).collect()
            }
        }
    }

    async fn make_folder(&self, path: &str) -> Result<RemoteItem, RemoteError> {
        let stored = self.connection.make_folder(&self.at(path)).await.map_err(|error| verdict(error, About::New))?;
        item(path, Kind::Folder, stored, None)
    }

    async fn relocate(&self, from: &str, to: &str, expected: Option<&Etag>) -> Result<RemoteItem, RemoteError> {
        let target = self.at(to);
        let wanted = expected.map_or(dav::Expected::Anything, |etag| dav::Expected::Etag(etag.0.to_string()));
        match self.connection.relocate(&self.at(from), &target, &wanted).await {
            // kind, size and content are those of before, which the caller knows
            Ok(stored) => item(to, Kind::File, stored, None),
            Err(error) if error.status() == Some(412) && expected.is_some() => {
                // either condition may have failed: the target tells which
                let taken = self.connection.look_at(&target).await.is_ok_and(|entry| entry.is_some());
                Err(verdict(error, if taken { About::New } else { About::Known }))
            }
            Err(error) => Err(verdict(error, About::New)),
        }
    }

    async fn delete(&self, path: &str, expected: &Etag) -> Result<(), RemoteError> {
        let wanted = dav::Expected::Etag(expected.0.to_string());
        self.connection.delete(&self.at(path), &wanted).await.map_err(|error| verdict(error, About::Known))
    }
}
