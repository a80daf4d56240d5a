//! `stitchbox upload`: a folder to a store, each file with its checksum, several at a time.
//!
//! The recipe and the positions go first and the marker file of the recipe last, so that no run starts on half a
//! series. A file is "safe to delete" here once its content on the server is known to be right: a Stitchbox verifies the
//! checksum before it answers; from any other server, which may keep the checksum unread, the file is read back.

mod plan;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Url;

use crate::credentials::{CredentialArgs, http_client};
use crate::dav::{Dav, DavError, Upload, child};
use crate::exit::Failure;
use plan::{Checksum, Hasher, LocalFile, Stage, plan};

/// Arguments of `upload`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Local folder, uploaded with its subfolders
    folder: PathBuf,
    /// Address of the folder on the server, made if it is not there:
    /// <https://HOST/remote.php/dav/files/USER/mirror-1>
    url: Url,
    #[command(flatten)]
    credentials: CredentialArgs,
    /// Files sent at the same time
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=8))]
    parallel: u8,
    /// Checksum sent with each file
    #[arg(long, value_enum, default_value_t = Checksum::Sha256)]
    checksum: Checksum,
    /// Write the names of the files that arrived verified, one a line
    #[arg(long, value_name = "FILE")]
    safe_list: Option<PathBuf>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// What became of one file.
enum Outcome {
    Stored,
    AlreadyThere,
    Failed(String),
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let dav = Dav::new(http_client()?, args.credentials.read()?);
    let files = plan(&args.folder)?;
    if files.is_empty() {
        return Err(Failure::failed(format!("{} holds no files", args.folder.display())));
    }
    let refused =
        |folder: &Url, error: &DavError| Failure::failed(format!("the folder {folder} could not be made: {error}"));
    dav.ensure_folder(&args.url).await.map_err(|error| refused(&args.url, &error))?;
    let mut folders: Vec<&[String]> = files.iter().map(LocalFile::folder).filter(|folder| !folder.is_empty()).collect();
    folders.sort();
    folders.dedup();
    for folder in folders {
        let url = address(&args.url, folder);
        dav.ensure_folder(&url).await.map_err(|error| refused(&url, &error))?;
    }
    let verified_there = dav.verifies_checksums(&args.url).await;
    let bars = Bars::new(&files, args.quiet);
    let mut safe = Vec::new();
    let mut failed = Vec::new();
    let mut skipped = 0usize;
    for stage in [Stage::First, Stage::Middle, Stage::Last] {
        let parallel = if stage == Stage::Middle { usize::from(args.parallel) } else { 1 };
        if stage == Stage::Last && !failed.is_empty() {
            // the marker says "complete": not when it is not
            let waiting = files.iter().filter(|file| file.stage == stage);
            failed.extend(waiting.map(|file| (file.name(), "not sent, because other files did not arrive".to_owned())));
            break;
        }
        let of_stage = files.iter().filter(|file| file.stage == stage);
        let outcomes = futures::stream::iter(of_stage)
            .map(|file| {
                let to = Destination { dav: &dav, args: &args, bars: &bars, verified_there };
                async move { (file, to.send(file).await) }
            })
            .buffered(parallel)
            .collect::<Vec<_>>()
            .await;
        for (file, outcome) in outcomes {
            match outcome {
                Outcome::Stored => safe.push(file.name()),
                Outcome::AlreadyThere => {
                    skipped += 1;
                    safe.push(file.name());
                }
                Outcome::Failed(why) => failed.push((file.name(), why)),
            }
        }
    }
    bars.finish();
    tell(&args, &safe, skipped, &failed)
}

/// Where the files of one upload go.
#[derive(Clone, Copy)]
struct Destination<'a> {
    dav: &'a Dav,
    args: &'a Args,
    bars: &'a Bars,
    /// Whether the server verifies checksums itself.
    verified_there: bool,
}

impl Destination<'_> {
    async fn send(self, file: &LocalFile) -> Outcome {
        let checksum = match file.checksum(self.args.checksum).await {
            Ok(checksum) => checksum,
            Err(error) => return Outcome::Failed(format!("could not be read: {error}")),
        };
        let url = address(&self.args.url, &file.path_in_folder);
        let there = self.is_there(file, &checksum).await;
        if there {
            self.bars.total.inc(file.bytes);
        } else {
            let upload = Upload { path: &file.path, bytes: file.bytes, checksum: &checksum, modified: file.modified };
            let total = self.bars.total.clone();
            let sent = move |bytes: i64| match u64::try_from(bytes) {
                Ok(bytes) => total.inc(bytes),
                Err(_) => total.dec(bytes.unsigned_abs()),
            };
            if let Err(error) = self.dav.put(&url, &upload, sent).await {
                return Outcome::Failed(error.to_string());
            }
        }
        match self.is_right(&url, &checksum).await {
            Ok(true) if there => Outcome::AlreadyThere,
            Ok(true) => Outcome::Stored,
            Ok(false) => Outcome::Failed("its content on the server differs from the one here".to_owned()),
            Err(error) => Outcome::Failed(format!("it was sent, but could not be read back: {error}")),
        }
    }

    /// Whether the server says it has exactly this content under this name already.
    async fn is_there(self, file: &LocalFile, checksum: &str) -> bool {
        let folder = address(&self.args.url, file.folder());
        let Ok(Some(entries)) = self.dav.list(&folder).await else { return false };
        let Some(name) = file.path_in_folder.last() else { return false };
        entries.iter().any(|e| {
            e.name == *name
                && e.bytes == Some(file.bytes)
                && e.checksums.iter().any(|c| c.eq_ignore_ascii_case(checksum))
        })
    }

    async fn is_right(self, url: &Url, checksum: &str) -> Result<bool, DavError> {
        if self.verified_there {
            return Ok(true);
        }
        let mut hasher = Hasher::new(self.args.checksum);
        self.dav.read_back(url, |piece| hasher.update(piece)).await?;
        Ok(hasher.finish() == checksum)
    }
}

fn address(base: &Url, names: &[String]) -> Url {
    child(base, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn tell(args: &Args, safe: &[String], skipped: usize, failed: &[(String, String)]) -> Result<(), Failure> {
    if let Some(path) = &args.safe_list {
        write_list(path, safe)?;
    }
    let before = if skipped > 0 { format!(" ({skipped} of them were there before)") } else { String::new() };
    println!("{} files are stored and verified{before}: safe to delete here", safe.len());
    for (name, why) in failed {
        eprintln!("  not stored: {name}: {why}");
    }
    if failed.is_empty() {
        return Ok(());
    }
    let all = safe.len() + failed.len();
    Err(Failure::incomplete(format!(
        "{} of {all} files did not arrive; run the same command again to send only these",
        failed.len()
    )))
}

fn write_list(path: &Path, names: &[String]) -> Result<(), Failure> {
    let mut text = names.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    std::fs::write(path, text)
        .map_err(|error| Failure::failed(format!("{} could not be written: {error}", path.display())))
}

/// The progress of the whole upload.
struct Bars {
    total: Arc<ProgressBar>,
}

impl Bars {
    fn new(files: &[LocalFile], quiet: bool) -> Self {
        let bytes = files.iter().map(|file| file.bytes).sum();
        let total = if quiet { ProgressBar::hidden() } else { ProgressBar::new(bytes) };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}") {
            total.set_style(style);
        }
        Self { total: Arc::new(total) }
    }

    fn finish(&self) {
        self.total.finish_and_clear();
    }
}
