//! `stitchbox push` (and `upload`, its older name): a folder to a store, verified, and off the instrument when it is safe.
//!
//! The recipe and the positions go first and the marker file of the recipe last, so that no run starts on half a series.
//! A file counts as stored once its content on the server is known to be right: a Stitchbox verifies the checksum before
//! it answers; from any other server, which may keep the checksum unread, the file is read back. What is on the server and
//! was changed there meanwhile is not overwritten.

mod plan;
mod release;
mod send;
mod watch;

use std::collections::HashMap;
use std::path::PathBuf;

use stitchbox_remote::{Connection, Dialect, Place};

use crate::account::AccountArgs;
use crate::exit::Failure;
use crate::place::Written;
use crate::progress::Progress;
use crate::there::Tree;
use plan::{LocalFile, Stage, plan};
use send::{Destination, Outcome};

/// Arguments of `push`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Local folder, pushed with its subfolders; or one file
    local: PathBuf,
    /// Folder on the server, made if it is not there: SPACE:/path, or an address such as
    /// <https://HOST/remote.php/dav/files/USER/mirror-1>
    remote: Written,
    #[command(flatten)]
    account: AccountArgs,
    /// Read every file back, also from a server that verifies by itself
    #[arg(long)]
    verify: bool,
    /// Delete each local file once the server says that it is safe there, and its content is the one here
    #[arg(long)]
    delete_when_safe: bool,
    /// With --delete-when-safe: leave files alone that changed within so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    min_age: u64,
    /// Go on: push what appears or changes
    #[arg(long)]
    watch: bool,
    /// Say only what would be pushed
    #[arg(long, conflicts_with_all = ["watch", "delete_when_safe"])]
    dry_run: bool,
    /// Files sent at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    parallel: u8,
    /// Write the names of the files that arrived verified, one a line
    #[arg(long, value_name = "FILE")]
    safe_list: Option<PathBuf>,
    /// One JSON document a line instead of sentences
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// What one round did.
#[derive(Debug, Default)]
struct Round {
    /// Verified on the server.
    stored: Vec<String>,
    /// How many of these were there before.
    known: usize,
    /// Name and why.
    failed: Vec<(String, String)>,
    /// Deleted here.
    released: Vec<String>,
    /// Not deleted, and why.
    kept: Vec<(String, String)>,
}

/// Files that are stored and were not touched since: path here to size and time.
type Done = HashMap<PathBuf, (u64, Option<i64>)>;

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let (place, connection) = args.remote.reach(&args.account)?;
    if args.delete_when_safe {
        release::bring_back(&args.local)?;
    }
    let work = async {
        let mut done = Done::new();
        let first = round(&args, &connection, &place, &mut done).await?;
        let ended = tell(&args, &first);
        if args.watch { watch::go_on(&args, &connection, &place, &mut done).await } else { ended }
    };
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
    }
}

/// Pushes what is here now.
async fn round(args: &Args, connection: &Connection, place: &Place, done: &mut Done) -> Result<Round, Failure> {
    let mut files = plan(&args.local)?;
    if files.is_empty() && !args.watch && !args.delete_when_safe {
        return Err(Failure::failed(format!("{} holds no files", args.local.display())));
    }
    files.retain(|file| done.get(&file.path) != Some(&(file.bytes, file.mtime_ns)));
    if files.is_empty() && !args.delete_when_safe {
        return Ok(Round::default());
    }
    let failed = |error| Failure::request(place, &error);
    let tree = Tree::of(connection, place).await.map_err(failed)?;
    if args.dry_run {
        return Ok(Round { stored: send::would_send(&files, &tree).await?, ..Round::default() });
    }
    let dialect = connection.dialect().await.map_err(failed)?;
    if tree.items.is_empty() {
        connection.ensure_folder(&place.address).await.map_err(failed)?;
    }
    let progress = Progress::new(files.iter().map(|file| file.bytes).sum(), args.quiet || args.json);
    let destination = Destination {
        connection,
        place,
        tree: &tree,
        progress: &progress,
        parallel: args.parallel.into(),
        reads_back: args.verify || dialect != Dialect::Stitchbox,
        takes_batches: dialect == Dialect::Stitchbox,
    };
    let mut round = Round::default();
    for stage in [Stage::First, Stage::Middle, Stage::Last] {
        let of_stage: Vec<&LocalFile> = files.iter().filter(|file| file.stage == stage).collect();
        if stage == Stage::Last && !round.failed.is_empty() {
            // the marker says "complete": not when it is not
            let why = || "not sent, because other files did not arrive".to_owned();
            round.failed.extend(of_stage.iter().map(|file| (file.name(), why())));
            break;
        }
        for (file, outcome) in destination.send(of_stage).await {
            match outcome {
                Outcome::Stored | Outcome::AlreadyThere => {
                    round.known += usize::from(matches!(outcome, Outcome::AlreadyThere));
                    round.stored.push(file.name());
                    done.insert(file.path.clone(), (file.bytes, file.mtime_ns));
                }
                Outcome::Failed(why) => round.failed.push((file.name(), why)),
            }
        }
    }
    progress.finish();
    if args.delete_when_safe {
        let (released, kept) = release::release(args, connection, place, tree.space.as_ref()).await?;
        (round.released, round.kept) = (released, kept);
    }
    Ok(round)
}

fn tell(args: &Args, round: &Round) -> Result<(), Failure> {
    if let Some(path) = &args.safe_list {
        write_list(path, &round.stored)?;
    }
    if args.json {
        let line = |state: &str, name: &str, why: Option<&str>| {
            println!("{}", serde_json::json!({ "state": state, "path": name, "reason": why }));
        };
        let state = if args.dry_run { "would be sent" } else { "stored" };
        round.stored.iter().for_each(|name| line(state, name, None));
        round.failed.iter().for_each(|(name, why)| line("failed", name, Some(why)));
        round.released.iter().for_each(|name| line("deleted here", name, None));
        round.kept.iter().for_each(|(name, why)| line("kept here", name, Some(why)));
    } else if args.dry_run {
        round.stored.iter().for_each(|name| println!("would be sent: {name}"));
    } else {
        let before =
            if round.known > 0 { format!(" ({} of them were there before)", round.known) } else { String::new() };
        println!("{} files are stored and verified{before}: safe to delete here", round.stored.len());
        for (name, why) in &round.failed {
            eprintln!("  not stored: {name}: {why}");
        }
        if args.delete_when_safe {
            println!("{} files are deleted here", round.released.len());
            for (name, why) in &round.kept {
                eprintln!("  kept here: {name}: {why}");
            }
        }
    }
    if round.failed.is_empty() && round.kept.is_empty() {
        return Ok(());
    }
    if round.failed.is_empty() {
        return Err(Failure::incomplete(format!("{} files were not deleted here", round.kept.len())));
    }
    let all = round.stored.len() + round.failed.len();
    Err(Failure::incomplete(format!(
        "{} of {all} files did not arrive; run the same command again to send only these",
        round.failed.len()
    )))
}

fn write_list(path: &std::path::Path, names: &[String]) -> Result<(), Failure> {
    let mut text = names.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    std::fs::write(path, text)
        .map_err(|error| Failure::failed(format!("{} could not be written: {error}", path.display())))
}
