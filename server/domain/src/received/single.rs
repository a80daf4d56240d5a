//! A share that is a single file, shown as a folder that holds it: such a share has no names, its top is the file.

use super::peer::{Expected, Outgoing, PeerFiles, PeerTrouble, RemoteEntry, RemoteFolder, Written};
use crate::{BlobStream, ItemPath};
use futures::future::BoxFuture;
use std::ops::Range;
use std::sync::Arc;
use stitchbox_schema::Timestamp;

/// The file as the only child of the top.
#[derive(Debug)]
pub(super) struct SingleFile {
    files: Arc<dyn PeerFiles>,
    name: String,
}

const NO: &str = "only a single file is shared; nothing can be put beside it";

impl SingleFile {
    pub(super) fn new(files: Arc<dyn PeerFiles>, name: &str) -> Self {
        Self { files, name: name.to_owned() }
    }

    fn is_it(&self, path: &ItemPath) -> Result<(), PeerTrouble> {
        match path.names() {
            [name] if name.as_str() == self.name => Ok(()),
            _ => Err(PeerTrouble::Missing),
        }
    }

    async fn child(&self) -> Result<RemoteEntry, PeerTrouble> {
        let entry = self.files.look(&ItemPath::default()).await?;
        // Moving and removing it would be moving the share.
        let letters = entry.letters.map(|letters| letters.replace(['D', 'N', 'V'], ""));
        Ok(RemoteEntry { name: self.name.clone(), letters: letters.or_else(|| Some("GW".to_owned())), ..entry })
    }
}

impl PeerFiles for SingleFile {
    fn look<'a>(&'a self, path: &'a ItemPath) -> BoxFuture<'a, Result<RemoteEntry, PeerTrouble>> {
        Box::pin(async move {
            if path.is_root() {
                return Ok(folder_around(&self.child().await?));
            }
            self.is_it(path)?;
            self.child().await
        })
    }

    fn list<'a>(&'a self, path: &'a ItemPath) -> BoxFuture<'a, Result<RemoteFolder, PeerTrouble>> {
        Box::pin(async move {
            if !path.is_root() {
                return Err(PeerTrouble::Missing);
            }
            let child = self.child().await?;
            Ok(RemoteFolder { itself: folder_around(&child), children: vec![child], left_out: Vec::new() })
        })
    }

    fn read<'a>(
        &'a self,
        path: &'a ItemPath,
        range: Range<u64>,
        size: u64,
        etag: Option<&'a str>,
    ) -> BoxFuture<'a, Result<BlobStream, PeerTrouble>> {
        Box::pin(async move {
            self.is_it(path)?;
            self.files.read(&ItemPath::default(), range, size, etag).await
        })
    }

    fn write<'a>(
        &'a self,
        path: &'a ItemPath,
        body: Outgoing,
        mtime: Option<Timestamp>,
        expected: &'a Expected,
    ) -> BoxFuture<'a, Result<Written, PeerTrouble>> {
        Box::pin(async move {
            self.is_it(path).map_err(|_| PeerTrouble::Refused(NO.to_owned()))?;
            self.files.write(&ItemPath::default(), body, mtime, expected).await
        })
    }

    fn make_folder<'a>(&'a self, _: &'a ItemPath) -> BoxFuture<'a, Result<(), PeerTrouble>> {
        Box::pin(std::future::ready(Err(PeerTrouble::Refused(NO.to_owned()))))
    }

    fn remove<'a>(&'a self, _: &'a ItemPath, _: &'a Expected) -> BoxFuture<'a, Result<(), PeerTrouble>> {
        Box::pin(std::future::ready(Err(PeerTrouble::Refused(NO.to_owned()))))
    }

    fn relocate<'a>(&'a self, _: &'a ItemPath, _: &'a ItemPath, _: bool) -> BoxFuture<'a, Result<(), PeerTrouble>> {
        Box::pin(std::future::ready(Err(PeerTrouble::Refused(NO.to_owned()))))
    }
}

/// The folder that shows the file: changes with it, and allows nothing.
fn folder_around(file: &RemoteEntry) -> RemoteEntry {
    RemoteEntry {
        name: String::new(),
        is_folder: true,
        etag: file.etag.clone(),
        size: 0,
        mtime: file.mtime,
        letters: Some("G".to_owned()),
        sha256: None,
    }
}
