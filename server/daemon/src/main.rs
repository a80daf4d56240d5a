//! `stitchboxd`: the server, its workers, and their administration.

mod administration;
mod command_line;
mod config;
mod data_folder;
mod failure;
mod lifecycle;
mod listen;
mod logging;
mod machine;
mod observe;
mod operation;
mod patience;
mod peer_orders;
mod proxies;
mod serve;
mod socket;
mod tls;
mod wire;
mod workers;

use crate::administration::{Order, Outcome, Report, perform};
use crate::command_line::{Action, CommandLine, Place};
use crate::config::{Config, Log};
use crate::data_folder::DataFolder;
use crate::failure::Failure;
use clap::Parser;
use std::io::{BufReader, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Exit code: it was looked at, and something is wrong.
const PROBLEMS: u8 = 1;
/// Exit code: it could not be done.
const FAILED: u8 = 2;
/// How long threads that still compute may hold up the end of the program; their runs are given back already.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Threads for requests, on however small a machine.
const LEAST_THREADS: usize = 4;

fn main() -> ExitCode {
    let action = CommandLine::parse().action;
    // Reads of the database and of the first bytes of a file block the thread that asks, so there are more than processors.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (2 * processors).max(LEAST_THREADS);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("stitchboxd: the system gives no threads: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let outcome = runtime.block_on(act(action));
    runtime.shutdown_timeout(LAST_MOMENT);
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("stitchboxd: {failure}");
            ExitCode::from(FAILED)
        }
    }
}

async fn act(action: Action) -> Result<ExitCode, Failure> {
    let mut input = BufReader::new(std::io::stdin());
    match action {
        Action::Serve { place, listen } => {
            let config = load(place.config.as_deref())?;
            logging::start(&config.log);
            serve::serve(&config, &DataFolder::open(&place.data)?, listen).await?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Worker { place } => {
            let config = load(place.config.as_deref())?;
            logging::start(&config.log);
            // A worker on another machine has only the scratch folder there, and may make it.
            check_in_use(&config, &place.data)?;
            serve::work(&config, &DataFolder::open(&place.data)?).await?;
            Ok(ExitCode::SUCCESS)
        }
        Action::User { place, action } => administer(place, action.order(&mut input).map_err(Failure::Refused)?).await,
        Action::Space { place, action } => administer(place, action.order()).await,
        Action::AppPassword { place, action } => administer(place, action.order()).await,
        Action::Peer { place, action } => administer(place, action.order()).await,
        Action::Federation { place, action } => administer(place, Order::Federation(action)).await,
        Action::Group { place, action } => administer(place, action.order()).await,
        Action::Audit { place, item, share, since, limit } => {
            administer(place, Order::Audit { item, share, since: since.map(|since| since.0), limit }).await
        }
        Action::Verify { place } => administer(place, Order::Verify).await,
        Action::Restored { place } => administer(place, Order::Restored).await,
        Action::CheckConfig { config } => check_config(config.as_deref()),
    }
}

fn load(file: Option<&Path>) -> Result<Config, Failure> {
    // Names and values that are no text are not ours.
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(Config::load(file, environment)?)
}

fn check_config(file: Option<&Path>) -> Result<ExitCode, Failure> {
    let config = load(file)?;
    wire::check_secrets(&config)?;
    let text = config.to_toml().map_err(Failure::other("the configuration cannot be printed"))?;
    print_lines(&Report { lines: vec![text.trim_end().to_owned()], ..Report::default() });
    Ok(ExitCode::SUCCESS)
}

/// Whoever mistypes --data must not find an empty installation there.
fn check_in_use(config: &Config, folder: &Path) -> Result<(), Failure> {
    if wire::is_in_use(config, folder) {
        return Ok(());
    }
    Err(Failure::Refused(format!("there is no data of Stitchbox in {}; check --data", folder.display())))
}

/// The same where the metadata is elsewhere: the folder holds the key and the socket.
fn check_exists(folder: &Path) -> Result<(), Failure> {
    if folder.is_dir() {
        return Ok(());
    }
    Err(Failure::Refused(format!("there is no folder {}; check --data", folder.display())))
}

/// Lets the running server carry out the order, or does it here.
async fn administer(place: Place, order: Order) -> Result<ExitCode, Failure> {
    let config = load(place.config.as_deref())?;
    // What an order did is told, not logged; only trouble is.
    logging::start(&Log { filter: "warn".to_owned(), ..config.log.clone() });
    if !order.may_be_first() {
        check_in_use(&config, &place.data)?;
        check_exists(&place.data)?;
    }
    let data = DataFolder::open(&place.data)?;
    let outcome = match socket::send(&data, &order).await? {
        Some(outcome) => outcome,
        None => perform(&wire::open(&config, &data).await?.domain, order).await,
    };
    match outcome {
        Outcome::Done(report) => {
            print_lines(&report);
            Ok(if report.problems { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
        }
        Outcome::Refused(why) => Err(Failure::Refused(why)),
    }
}

fn print_lines(report: &Report) {
    for remark in &report.remarks {
        eprintln!("{remark}");
    }
    let mut output = std::io::stdout().lock();
    for line in &report.lines {
        // Whoever closed our output does not want the rest.
        if writeln!(output, "{line}").is_err() {
            return;
        }
    }
}
