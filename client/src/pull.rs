//! `stitchbox pull` (and `download`, its older name): a folder from a store, each file whole or not at all.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use reqwest::Url;
use stitchbox_remote::{Connection, Known, WireError, below, sha256_of};

use crate::account::AccountArgs;
use crate::exit::Failure;
use crate::place::Written;
use crate::progress::Progress;
use crate::there::{There, Tree};

/// Arguments of `pull`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder or file on the server: SPACE:/path or an address
    remote: Written,
    /// Local folder; made if it is not there
    local: PathBuf,
    #[command(flatten)]
    account: AccountArgs,
    /// Replace files here whose content is another on the server
    #[arg(long)]
    overwrite: bool,
    /// Say only what would be fetched
    #[arg(long)]
    dry_run: bool,
    /// Files fetched at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    parallel: u8,
    /// One JSON document a line instead of sentences
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// A file to be fetched.
#[derive(Debug, Clone)]
struct Wanted {
    name: String,
    url: Url,
    target: PathBuf,
    there: There,
}

/// What became of it.
enum Outcome {
    Fetched,
    AlreadyHere,
    Failed(String),
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let (place, connection) = args.remote.reach(&args.account)?;
    let tree = Tree::of(&connection, &place).await.map_err(|error| Failure::request(&place, &error))?;
    if tree.blind {
        return Err(Failure::failed(format!(
            "this login may add to {place} but not read it; use another app password"
        )));
    }
    if tree.items.is_empty() {
        return Err(Failure::failed(format!("there is nothing at {place}")));
    }
    let wanted = wanted(&tree.items, &place.address, &args.local)?;
    let progress =
        Progress::new(wanted.iter().filter_map(|file| file.there.size).sum(), args.quiet || args.json || args.dry_run);
    let work = async {
        let files = futures::stream::iter(&wanted).map(|file| {
            let (args, connection, progress) = (&args, &connection, &progress);
            async move { (file, one(args, connection, file, progress).await) }
        });
        files.buffer_unordered(usize::from(args.parallel)).collect::<Vec<_>>().await
    };
    let outcomes = tokio::select! {
        outcomes = work => outcomes,
        _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted()),
    };
    progress.finish();
    if !args.dry_run {
        flush_folders(&outcomes)?;
    }
    tell(&args, &outcomes)
}

/// The files, with the folders for them made.
fn wanted(items: &HashMap<String, There>, base: &Url, local: &Path) -> Result<Vec<Wanted>, Failure> {
    let mut wanted = Vec::new();
    let mut paths: Vec<(&String, &There)> = items.iter().collect();
    paths.sort_by_key(|(path, _)| *path);
    for (path, there) in paths {
        // names come from a server: none may lead out of the folder
        if !path.is_empty() && !path.split('/').all(is_name) {
            return Err(Failure::failed(format!("the server has a file called {path:?}, which cannot be kept here")));
        }
        let name = if path.is_empty() { stitchbox_remote::last_name(base) } else { path.clone() };
        let target = if path.is_empty() && there.is_folder { local.to_owned() } else { local.join(&name) };
        if there.is_folder {
            std::fs::create_dir_all(&target)
                .map_err(|error| Failure::failed(format!("{} could not be made: {error}", target.display())))?;
        } else {
            if let Some(above) = target.parent() {
                std::fs::create_dir_all(above)
                    .map_err(|error| Failure::failed(format!("{} could not be made: {error}", above.display())))?;
            }
            wanted.push(Wanted { url: below(base, path), name, target, there: there.clone() });
        }
    }
    Ok(wanted)
}

/// Whether a part of a path is a name: an empty one would make the path begin at the root of this computer.
fn is_name(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0'])
}

async fn one(args: &Args, connection: &Connection, file: &Wanted, progress: &Progress) -> Outcome {
    match is_here(file).await {
        Ok(Some(true)) => {
            progress.skip(file.there.size.unwrap_or(0));
            return Outcome::AlreadyHere;
        }
        Ok(Some(false)) if !args.overwrite => {
            return Outcome::Failed("another file of this name is here; --overwrite replaces it".to_owned());
        }
        Ok(_) => {}
        Err(error) => return Outcome::Failed(error.to_string()),
    }
    if args.dry_run {
        return Outcome::Fetched;
    }
    match fetch(connection, file, args.overwrite, progress).await {
        Ok(()) => Outcome::Fetched,
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Whether the file here has the server's content; `None` if there is none.
async fn is_here(file: &Wanted) -> Result<Option<bool>, WireError> {
    let Ok(metadata) = std::fs::symlink_metadata(&file.target) else { return Ok(None) };
    if !metadata.is_file() || file.there.size != Some(metadata.len()) || file.there.sha256.is_none() {
        return Ok(Some(false));
    }
    let path = file.target.clone();
    let hashed = tokio::task::spawn_blocking(move || sha256_of(&path)).await;
    let (sha256, _) = hashed.map_err(|error| WireError::local(&file.target, std::io::Error::other(error)))??;
    Ok(Some(file.there.sha256 == Some(sha256)))
}

async fn fetch(connection: &Connection, file: &Wanted, overwrite: bool, progress: &Progress) -> Result<(), WireError> {
    let Some(name) = file.target.file_name() else { return Err(WireError::Address(file.name.clone())) };
    // named after the content, so that a part that is there is one of this very content
    let mark =
        file.there.sha256.map_or_else(|| "part".to_owned(), |digest| digest.to_string().chars().take(12).collect());
    let staged = file.target.with_file_name(format!(".{}.{mark}.stitchbox-part", name.to_string_lossy()));
    let known = Known { etag: file.there.etag.clone(), size: file.there.size, sha256: file.there.sha256 };
    if known.sha256.is_none() {
        // nothing could prove that the part belongs to this content
        let _ = std::fs::remove_file(&staged);
    }
    connection.fetch(&file.url, &staged, &known, &progress.heard()).await?;
    let (target, mtime_ns) = (file.target.clone(), file.there.mtime_ns);
    let settled = tokio::task::spawn_blocking(move || settle(&staged, &target, mtime_ns, overwrite)).await;
    settled
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|error| WireError::local(&file.target, error))
}

/// Durable, with its time, under its name; unless told to, not over a file that came while this one was fetched.
fn settle(staged: &Path, target: &Path, mtime_ns: Option<i64>, overwrite: bool) -> std::io::Result<()> {
    let file = std::fs::File::options().write(true).open(staged)?;
    if let Some(since) = mtime_ns.and_then(|ns| u64::try_from(ns).ok()) {
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_nanos(since))?;
    }
    file.sync_all()?;
    if !overwrite {
        match std::fs::hard_link(staged, target) {
            Ok(()) => return std::fs::remove_file(staged),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Err(error),
            // no hard links here (FAT, some network drives)
            Err(_) if target.symlink_metadata().is_ok() => return Err(std::io::ErrorKind::AlreadyExists.into()),
            Err(_) => {}
        }
    }
    std::fs::rename(staged, target)
}

/// The names of what was fetched are durable, too: once a folder, not once a file.
fn flush_folders(outcomes: &[(&Wanted, Outcome)]) -> Result<(), Failure> {
    let fetched = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Fetched));
    let folders: std::collections::BTreeSet<&Path> = fetched.filter_map(|(file, _)| file.target.parent()).collect();
    for folder in folders {
        std::fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| Failure::failed(format!("{} could not be written: {error}", folder.display())))?;
    }
    Ok(())
}

fn tell(args: &Args, outcomes: &[(&Wanted, Outcome)]) -> Result<(), Failure> {
    let (mut fetched, mut here, mut failed) = (0usize, 0usize, 0usize);
    for (file, outcome) in outcomes {
        let (state, reason) = match outcome {
            Outcome::Fetched => {
                fetched += 1;
                (if args.dry_run { "would be fetched" } else { "fetched" }, None)
            }
            Outcome::AlreadyHere => {
                here += 1;
                ("already here", None)
            }
            Outcome::Failed(why) => {
                failed += 1;
                ("failed", Some(why))
            }
        };
        if args.json {
            println!("{}", serde_json::json!({ "state": state, "path": file.name, "reason": reason }));
        } else if let Some(why) = reason {
            eprintln!("  not fetched: {}: {why}", file.name);
        } else if args.dry_run && matches!(outcome, Outcome::Fetched) {
            println!("would be fetched: {}", file.name);
        }
    }
    if !args.json && !args.dry_run {
        println!("{fetched} files fetched into {} ({here} were there already)", args.local.display());
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::incomplete(format!("{failed} of {} files were not fetched", outcomes.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_server_leads_out_of_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let base = Url::parse("https://h/dav/spaces/7/").unwrap();
        let evil = outside.path().join("new/evil").to_str().unwrap().to_owned();
        for name in [evil.as_str(), "../x", "a//b", "/", "a/./b"] {
            let items = HashMap::from([(name.to_owned(), There::default())]);
            assert!(wanted(&items, &base, folder.path()).is_err(), "{name}");
        }
        assert!(!outside.path().join("new").exists());
    }

    #[test]
    fn a_file_that_came_meanwhile_is_replaced_only_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let (staged, target) = (folder.path().join("staged"), folder.path().join("a.dat"));
        std::fs::write(&staged, "server").unwrap();
        std::fs::write(&target, "measured meanwhile").unwrap();
        assert!(settle(&staged, &target, None, false).is_err());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "measured meanwhile");
        settle(&staged, &target, None, true).unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "server");
    }
}
