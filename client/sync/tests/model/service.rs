//! The server in memory behind [`Remote`], with faults on demand, and (for the killing test) in a file.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use stitchbox_sync::digest::Sha256;
use stitchbox_sync::remote::{
    Cursor, Downloaded, Etag, Expected, Feed, ItemId, LocalFile, Progress, Remote, RemoteError, RemoteItem, Tree,
    UploadTarget,
};

use super::Server;

#[derive(Default)]
pub struct Service {
    server: Mutex<Server>,
    file: Option<PathBuf>,
    pub requests: AtomicUsize,
    /// So many requests fail as if the server were away.
    pub offline: AtomicUsize,
    /// How long each request takes.
    pub delay: Duration,
    /// What `oc:data-fingerprint` says.
    pub fingerprint: Mutex<Option<String>>,
    /// Cursors below this are too old.
    pub kept_from: AtomicUsize,
}

impl Service {
    pub fn new(server: Server) -> Self {
        Self { server: Mutex::new(server), ..Self::default() }
    }

    /// The server in a file; every change is there whole or not at all.
    pub fn in_file(path: &Path) -> Self {
        let server = std::fs::read(path).map(|bytes| serde_json::from_slice(&bytes).unwrap()).unwrap_or_default();
        Self { server: Mutex::new(server), file: Some(path.to_owned()), ..Self::default() }
    }

    pub fn look(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn asked(&self) -> Result<(), RemoteError> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let away = self.offline.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match away {
            Ok(_) => Err(RemoteError::Offline { reason: "test".to_owned(), retry_after: Some(Duration::ZERO) }),
            Err(_) => Ok(()),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Server) -> Result<T, RemoteError>) -> Result<T, RemoteError> {
        let mut server = self.look();
        let outcome = change(&mut server)?;
        if let Some(file) = &self.file {
            let half = file.with_extension("half");
            std::fs::write(&half, serde_json::to_vec(&*server).unwrap()).unwrap();
            std::fs::rename(&half, file).unwrap();
        }
        Ok(outcome)
    }

    fn store(&self, target: &UploadTarget, source: &LocalFile) -> Result<RemoteItem, RemoteError> {
        let content = std::fs::read(&source.path).map_err(|_| RemoteError::Damaged)?;
        if Sha256::of(&content) != source.sha256 {
            return Err(RemoteError::Damaged);
        }
        let expected = match &target.expected {
            Expected::Absent => None,
            Expected::Etag(etag) => Some(etag),
        };
        self.change(|server| {
            let id = server.put(&target.path, &content, expected, source.mtime_ns)?;
            Ok(server.item(id))
        })
    }
}

impl Remote for Service {
    async fn changes(&self, cursor: Option<&Cursor>, wait: Duration) -> Result<Feed, RemoteError> {
        self.asked().await?;
        let from: Option<usize> = cursor.and_then(|cursor| cursor.0.parse().ok());
        let (kept, now) = (self.kept_from.load(Ordering::Relaxed), self.look().changes.len());
        if from.is_some_and(|from| from < kept || from > now) {
            return Ok(Feed::TooOld);
        }
        let until = tokio::time::Instant::now() + wait;
        loop {
            let (items, next) = self.look().feed(from.unwrap_or(usize::MAX));
            if !items.is_empty() || tokio::time::Instant::now() >= until {
                let fingerprint = self.fingerprint.lock().unwrap().as_deref().map(Into::into);
                return Ok(Feed::Changes { items, cursor: Cursor(next.to_string().into()), more: false, fingerprint });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn tree(&self, folder: Option<&ItemId>) -> Result<Tree, RemoteError> {
        self.asked().await?;
        let server = self.look();
        let id = folder.map_or(Some(1), |id| id.0.parse().ok()).filter(|id| server.items.contains_key(id));
        let listing = server.listing(id.ok_or(RemoteError::Gone)?);
        let cursor = Cursor(server.changes.len().to_string().into());
        let fingerprint = self.fingerprint.lock().unwrap().as_deref().map(Into::into);
        Ok(Tree { cursor, fingerprint, items: futures::stream::iter(listing.into_iter().map(Ok)).boxed() })
    }

    async fn download(
        &self,
        item: &RemoteItem,
        path: &str,
        into: &Path,
        progress: &dyn Progress,
    ) -> Result<Downloaded, RemoteError> {
        self.asked().await?;
        let found = {
            let server = self.look();
            let id = server.find(path).ok_or(RemoteError::Gone)?;
            (server.etag(id), server.items[&id].clone())
        };
        let content = found.1.content.ok_or(RemoteError::Gone)?;
        if found.0 != item.etag {
            return Err(RemoteError::Changed);
        }
        std::fs::write(into, &content).map_err(|error| RemoteError::LocalFile {
            path: into.to_owned(),
            reason: error.to_string(),
            full: false,
        })?;
        progress.bytes(content.len() as u64);
        Ok(Downloaded {
            etag: found.0,
            size: content.len() as u64,
            sha256: Sha256::of(&content),
            mtime_ns: found.1.mtime_ns,
            chunks: Vec::new(),
        })
    }

    async fn upload(
        &self,
        target: UploadTarget,
        source: LocalFile,
        progress: &dyn Progress,
    ) -> Result<RemoteItem, RemoteError> {
        self.asked().await?;
        progress.bytes(source.size);
        self.store(&target, &source)
    }

    async fn upload_small(
        &self,
        files: Vec<(UploadTarget, LocalFile)>,
        progress: &dyn Progress,
    ) -> Vec<Result<RemoteItem, RemoteError>> {
        if let Err(error) = self.asked().await {
            return files.iter().map(|_| Err(error.clone())).collect();
        }
        files
            .iter()
            .map(|(target, source)| {
                progress.bytes(source.size);
                self.store(target, source)
            })
            .collect()
    }

    async fn make_folder(&self, path: &str) -> Result<RemoteItem, RemoteError> {
        self.asked().await?;
        self.change(|server| server.make_folder(path).map(|id| server.item(id)))
    }

    async fn relocate(&self, from: &str, to: &str, expected: Option<&Etag>) -> Result<RemoteItem, RemoteError> {
        self.asked().await?;
        self.change(|server| server.relocate(from, to, expected).map(|id| server.item(id)))
    }

    async fn delete(&self, path: &str, expected: &Etag) -> Result<(), RemoteError> {
        self.asked().await?;
        self.change(|server| server.delete(path, expected))
    }
}
