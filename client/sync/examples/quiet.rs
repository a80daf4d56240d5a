//! How long a pass over 100,000 unchanged files takes: `quiet FOLDER [FILES]` fills the folder and measures, with a server in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use stitchbox_sync::digest::Sha256;
use stitchbox_sync::remote::{
    Cursor, Downloaded, Etag, Feed, ItemId, Kind, LocalFile, Permissions, Progress, Remote, RemoteError, RemoteItem,
    Tree, UploadTarget,
};
use stitchbox_sync::{Engine, Settings};

/// A server on which nothing ever happens.
struct Still {
    items: Vec<RemoteItem>,
    requests: AtomicUsize,
}

fn item(id: String, parent: Option<String>, name: String, content: Option<&[u8]>) -> RemoteItem {
    RemoteItem {
        id: ItemId(id.into()),
        parent: parent.map(|id| ItemId(id.into())),
        name: name.into(),
        kind: if content.is_some() { Kind::File } else { Kind::Folder },
        etag: Etag::from("\"1\""),
        size: content.map_or(0, |content| content.len() as u64),
        mtime_ns: 1,
        sha256: content.map(Sha256::of),
        version: None,
        derived: false,
        permissions: Permissions("RGDNVW".into()),
        deep: false,
    }
}

fn refused<T>() -> Result<T, RemoteError> {
    Err(RemoteError::Other { status: 500, text: "nothing was to be done".to_owned() })
}

impl Remote for Still {
    async fn changes(&self, cursor: Option<&Cursor>, _: Duration) -> Result<Feed, RemoteError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let cursor = cursor.cloned().unwrap_or_else(|| Cursor::from("1"));
        Ok(Feed::Changes { items: Vec::new(), cursor, more: false, fingerprint: None })
    }
    async fn tree(&self, _: Option<&ItemId>) -> Result<Tree, RemoteError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let items = futures::stream::iter(self.items.clone().into_iter().map(Ok)).boxed();
        Ok(Tree { cursor: Cursor::from("1"), fingerprint: None, items })
    }
    async fn download(&self, _: &RemoteItem, _: &str, _: &Path, _: &dyn Progress) -> Result<Downloaded, RemoteError> {
        refused()
    }
    async fn upload(&self, _: UploadTarget, _: LocalFile, _: &dyn Progress) -> Result<RemoteItem, RemoteError> {
        refused()
    }
    async fn upload_small(
        &self,
        files: Vec<(UploadTarget, LocalFile)>,
        _: &dyn Progress,
    ) -> Vec<Result<RemoteItem, RemoteError>> {
        files.iter().map(|_| refused()).collect()
    }
    async fn make_folder(&self, _: &str) -> Result<RemoteItem, RemoteError> {
        refused()
    }
    async fn relocate(&self, _: &str, _: &str, _: Option<&Etag>) -> Result<RemoteItem, RemoteError> {
        refused()
    }
    async fn delete(&self, _: &str, _: &Etag) -> Result<(), RemoteError> {
        refused()
    }
}

/// Processor time of this process so far, in steps of 10 ms: on a busy machine it says more than the wall clock.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn fill(root: &Path, files: usize) -> std::io::Result<Vec<RemoteItem>> {
    let mut items = vec![item("top".to_owned(), None, String::new(), None)];
    for folder in 0..files.div_ceil(100) {
        let (id, name) = (format!("f{folder}"), format!("folder {folder}"));
        std::fs::create_dir_all(root.join(&name))?;
        items.push(item(id.clone(), Some("top".to_owned()), name.clone(), None));
        for file in folder * 100..files.min(folder * 100 + 100) {
            let (content, own) = (format!("content of {file}"), format!("file {file}.dat"));
            std::fs::write(root.join(&name).join(&own), &content)?;
            items.push(item(file.to_string(), Some(id.clone()), own, Some(content.as_bytes())));
        }
    }
    Ok(items)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().ok_or("quiet FOLDER [FILES]")?);
    let files: usize = arguments.next().map_or(Ok(100_000), |number| number.parse())?;
    let remote = Arc::new(Still { items: fill(&root, files)?, requests: AtomicUsize::new(0) });
    let mut settings = Settings::new(&root, "still", "lab");
    settings.quiet = Duration::ZERO;
    let pass = async |what: &str| -> Result<(), Box<dyn std::error::Error>> {
        remote.requests.store(0, Ordering::Relaxed);
        let (began, worked) = (Instant::now(), processor_seconds());
        let mut engine = Engine::open(settings.clone(), remote.clone(), Arc::new(())).await?;
        let report = engine.sync_once().await?;
        engine.close().await;
        println!(
            "{what}: {:.3} s wall, {:.2} s processor, {} requests, unchanged {}, {} problems",
            began.elapsed().as_secs_f64(),
            processor_seconds() - worked,
            remote.requests.load(Ordering::Relaxed),
            report.unchanged,
            report.problems.len()
        );
        Ok(())
    };
    pass("first pass, both sides equal").await?;
    for _ in 0..5 {
        pass("nothing changed").await?;
    }
    std::os::unix::fs::symlink("nowhere", root.join("link"))?;
    for _ in 0..3 {
        pass("nothing changed, but everything compared").await?;
    }
    std::fs::remove_file(root.join("link"))?;
    Ok(())
}
