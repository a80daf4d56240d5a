//! `stitchbox sync`: a local folder and a folder of a space, kept in step in both directions.

mod binding;
mod show;

use std::path::PathBuf;
use std::sync::Arc;

use stitchbox_remote::{Connection, Dialect, HttpRemote, Options};
use stitchbox_sync::remote::RemoteError;
use stitchbox_sync::{Engine, Report, Settings, SyncError};
use tokio_util::sync::CancellationToken;

use crate::account::AccountArgs;
use crate::exit::Failure;
use crate::place::Written;
use binding::Binding;
use show::Show;

/// Arguments of `sync`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Local folder
    local: PathBuf,
    /// Folder on the server: SPACE:/path or an address; needed the first time only
    remote: Option<Written>,
    #[command(flatten)]
    account: AccountArgs,
    /// Go on: carry over what changes on either side, as it happens
    #[arg(long)]
    watch: bool,
    /// Say only what would be done
    #[arg(long, conflicts_with = "watch")]
    dry_run: bool,
    /// Leave out what matches (syntax of .gitignore; also from .stitchboxignore files in the folders)
    #[arg(long, value_name = "PATTERN")]
    ignore: Vec<String>,
    /// Only this folder, below the synced one (can be given more than once)
    #[arg(long, value_name = "FOLDER")]
    include: Vec<String>,
    /// Not this folder, below the synced one (can be given more than once)
    #[arg(long, value_name = "FOLDER")]
    exclude: Vec<String>,
    /// Delete even more than half of the files when the other side says so
    #[arg(long)]
    confirm_deletes: bool,
    /// The name of this computer in the names of conflict copies
    #[arg(long, value_name = "NAME")]
    conflict_name: Option<String>,
    /// File of the journal; else .stitchbox/journal.sqlite in the folder
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Name each file that is carried over
    #[arg(short, long)]
    verbose: bool,
    /// One JSON document a line instead of sentences
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let (binding, connection) = partner(&args).await?;
    let mut settings = Settings::new(&args.local, binding.partner(), conflict_name(&args));
    settings.journal = args.journal.clone();
    settings.ignore = args.ignore.clone();
    settings.only = folders(&args.include);
    settings.except = folders(&args.exclude);
    settings.allow_mass_delete = args.confirm_deletes;
    let remote = Arc::new(HttpRemote::new(connection, &binding.space, &binding.path));
    let show = Arc::new(Show::new(args.json, args.verbose, args.quiet));
    let observer = Arc::clone(&show) as Arc<dyn stitchbox_sync::Observer>;
    let mut engine = Engine::open(settings, remote, observer).await.map_err(failure)?;
    binding.keep(&args.local)?;
    if args.dry_run {
        let plan = engine.plan().await.map_err(failure)?;
        show.plan(&plan);
        engine.close().await;
        return Ok(());
    }
    let stop = CancellationToken::new();
    let ended = {
        let work = async { if args.watch { engine.watch(stop.clone()).await } else { engine.sync_once().await } };
        tokio::pin!(work);
        tokio::select! {
            ended = &mut work => Some(ended),
            () = interrupted() => {
                stop.cancel();
                // what is under way is dropped: it goes on from where it is
                None
            }
        }
    };
    show.finish();
    engine.close().await;
    match ended {
        None => Err(Failure::interrupted()),
        Some(Err(error)) => Err(failure(error)),
        Some(Ok(report)) => tell(&show, &args, &report),
    }
}

/// Where the folder belongs, from the command line or from the last time, and a connection. A folder that is known costs
/// no request.
async fn partner(args: &Args) -> Result<(Binding, Connection), Failure> {
    let known = Binding::read(&args.local)?;
    let (binding, server) = match (&args.remote, known) {
        (None, None) => {
            return Err(Failure::usage(format!(
                "{} was not synchronised before: name the folder on the server, as SPACE:/path or an address",
                args.local.display()
            )));
        }
        (None, Some(known)) => (Some(known.clone()), known.server),
        (Some(written), known) => {
            let place = written.place(&args.account)?;
            let same = known.filter(|known| known.asked == place.address.as_str());
            (same, place.server)
        }
    };
    let options = Options {
        // whoever waits between attempts is the synchronisation itself
        attempts: Some(1),
        dialect: Some(Dialect::Stitchbox),
        ..args.account.options()?
    };
    let connection = args.account.connect_with(&server, args.account.credentials(&server)?, options)?;
    let user = connection.credentials().user().unwrap_or("the bearer of a token").to_owned();
    if let Some(known) = binding {
        return Ok((Binding { user, ..known }, connection));
    }
    let Some(written) = &args.remote else { return Err(Failure::usage("the folder on the server is not named")) };
    let place = written.place(&args.account)?;
    let failed = |error| match &error {
        stitchbox_remote::WireError::Refused(refusal) if refusal.status.as_u16() == 404 => Failure::failed(format!(
            "{server} is no Stitchbox: it has no feed of changes to synchronise with; use push and pull"
        )),
        error => Failure::request(&place, error),
    };
    let space = connection.space_of(&place).await.map_err(failed)?;
    let space =
        space.ok_or_else(|| Failure::failed(format!("there is no space for {place}, or it is not open to you")))?;
    let folder =
        stitchbox_remote::below(&stitchbox_remote::child(&server, ["dav", "spaces", space.id.as_str()]), &place.path);
    connection.ensure_folder(&folder).await.map_err(|error| Failure::request(&place, &error))?;
    let asked = place.address.to_string();
    Ok((Binding { asked, server, user, space: space.id, path: place.path }, connection))
}

/// Ctrl-C, or the end of a service.
async fn interrupted() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

fn conflict_name(args: &Args) -> String {
    args.conflict_name.clone().unwrap_or_else(|| {
        let host =
            std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
        let host = host.unwrap_or_default().trim().split('.').next().unwrap_or_default().to_owned();
        if host.is_empty() { "this computer".to_owned() } else { host }
    })
}

fn folders(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| text.trim_matches('/').to_owned()).collect()
}

fn failure(error: SyncError) -> Failure {
    match &error {
        SyncError::MassDelete { .. } => Failure::unconfirmed(format!("{error} with --confirm-deletes")),
        SyncError::Remote(RemoteError::Unauthorized) => Failure::unauthorized(error.to_string()),
        SyncError::Pattern(_) => Failure::usage(error.to_string()),
        _ => Failure::failed(error.to_string()),
    }
}

fn tell(show: &Show, args: &Args, report: &Report) -> Result<(), Failure> {
    if !args.watch {
        show.report(report);
    }
    if report.is_complete() {
        return Ok(());
    }
    let left = report.problems.len() + report.waiting;
    Err(Failure::incomplete(format!("{left} items are left for the next time")))
}
