//! `stitchbox download`: a folder from a store, each file whole or not at all.

use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Url;
use sha2::Digest as _;
use tokio::io::AsyncWriteExt as _;

use crate::credentials::{CredentialArgs, http_client};
use crate::dav::{Dav, DavError, child};
use crate::exit::Failure;

/// Arguments of `download`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address of the folder on the server
    url: Url,
    /// Local folder; made if it is not there
    folder: PathBuf,
    #[command(flatten)]
    credentials: CredentialArgs,
    /// Files fetched at the same time
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=8))]
    parallel: u8,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// A file to be fetched.
struct Remote {
    url: Url,
    target: PathBuf,
    bytes: Option<u64>,
    sha256: Option<String>,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let dav = Dav::new(http_client()?, args.credentials.read()?);
    let files = find(&dav, &args.url, &args.folder).await?;
    let bar =
        if args.quiet { ProgressBar::hidden() } else { ProgressBar::new(files.iter().filter_map(|f| f.bytes).sum()) };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}") {
        bar.set_style(style);
    }
    let failed: Vec<String> = futures::stream::iter(&files)
        .map(|file| async {
            fetch(&dav, file, &bar).await.err().map(|error| format!("{}: {error}", file.target.display()))
        })
        .buffer_unordered(usize::from(args.parallel))
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    bar.finish_and_clear();
    for failure in &failed {
        eprintln!("  not fetched: {failure}");
    }
    println!("{} files fetched into {}", files.len() - failed.len(), args.folder.display());
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::incomplete(format!("{} of {} files were not fetched", failed.len(), files.len())))
}

/// All files below an address; makes the local folders on the way.
async fn find(dav: &Dav, url: &Url, folder: &Path) -> Result<Vec<Remote>, Failure> {
    let mut files = Vec::new();
    let mut open = vec![(url.clone(), folder.to_owned())];
    while let Some((url, folder)) = open.pop() {
        let entries = dav
            .list(&url)
            .await
            .map_err(|error| Failure::failed(format!("{url} could not be listed: {error}")))?
            .ok_or_else(|| Failure::failed(format!("there is no folder {url}")))?;
        tokio::fs::create_dir_all(&folder)
            .await
            .map_err(|error| Failure::failed(format!("{} could not be made: {error}", folder.display())))?;
        for entry in entries {
            let (url, target) = (child(&url, &[&entry.name]), folder.join(&entry.name));
            if entry.is_folder {
                open.push((url, target));
            } else {
                let sha256 = entry.checksums.iter().find_map(|c| c.strip_prefix("SHA256:")).map(str::to_lowercase);
                files.push(Remote { url, target, bytes: entry.bytes, sha256 });
            }
        }
    }
    Ok(files)
}

async fn fetch(dav: &Dav, file: &Remote, bar: &ProgressBar) -> Result<(), DavError> {
    let name = file.target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let staged = file.target.with_file_name(format!(".{name}.part"));
    let done = fetch_to(dav, file, &staged, bar).await;
    match done {
        Ok(()) => Ok(tokio::fs::rename(&staged, &file.target).await?),
        Err(error) => {
            // what is half there must not be taken for a file
            let _ = tokio::fs::remove_file(&staged).await;
            Err(error)
        }
    }
}

async fn fetch_to(dav: &Dav, file: &Remote, staged: &Path, bar: &ProgressBar) -> Result<(), DavError> {
    let mut stream = dav.get(&file.url).await?.bytes_stream();
    let mut out = tokio::fs::File::create(staged).await?;
    let mut hash = sha2::Sha256::new();
    let mut bytes = 0u64;
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        hash.update(&piece);
        bytes += piece.len() as u64;
        bar.inc(piece.len() as u64);
        out.write_all(&piece).await?;
    }
    out.flush().await?;
    out.sync_all().await?;
    if let Some(announced) = file.bytes.filter(|announced| *announced != bytes) {
        return Err(DavError::Damaged(format!("{bytes} bytes instead of {announced}")));
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    match &file.sha256 {
        Some(known) if *known != found => Err(DavError::Damaged("its SHA-256 differs from the server's".to_owned())),
        _ => Ok(()),
    }
}
