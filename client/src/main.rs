//! `stitchbox`: stitch and simulate on this machine, upload to and download from a store, watch its runs.
//!
//! Exit codes: 0 done · 1 failed (network, disk, refused by the server) · 2 wrong command line · 3 the series or recipe
//! cannot be stitched; trying again without changing the files will not help · 4 finished, but not every file arrived.

mod compare;
mod convert;
mod credentials;
mod dav;
mod download;
mod exit;
mod info;
mod interrupt;
mod process;
mod recipe;
mod runs;
mod score;
mod simulate;
mod stitch;
mod upload;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Failure;

/// Stitch mirror measurements, and exchange them with a Stitchbox (or any WebDAV) server.
#[derive(Debug, Parser)]
#[command(name = "stitchbox", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 the series or recipe cannot be stitched \
as it is, 4 not every file arrived.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Stitch the sub-apertures of a folder on this machine
    Stitch(stitch::Args),
    /// Write a simulated series as genuine instrument files, with its truth
    Simulate(simulate::Args),
    /// Compare a stitched map with the truth of a simulated series
    Score(score::Args),
    /// Do the steps of a recipe on one map or profile
    Process(process::Args),
    /// Compare two maps: difference, and E_n where both have an uncertainty
    Compare(compare::Args),
    /// Write a map or profile in another format
    Convert(convert::Args),
    /// Say what is in a file: format, size, pixel, statistics; or list the formats
    Info(info::Args),
    /// Upload a folder by WebDAV, with checksums, in parallel
    Upload(upload::Args),
    /// Download a folder by WebDAV
    Download(download::Args),
    /// Show the stitching runs of a server
    Runs(runs::Args),
    /// Check a recipe
    #[command(subcommand)]
    Recipe(recipe::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // the one TLS provider of the process; a second installation would mean that another was installed before it
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = match cli.command {
        Command::Stitch(args) => stitch::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Score(args) => score::run(&args),
        Command::Process(args) => process::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Upload(args) => in_runtime(upload::run(args)),
        Command::Download(args) => in_runtime(download::run(args)),
        Command::Runs(args) => in_runtime(runs::run(args)),
        Command::Recipe(command) => recipe::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("stitchbox: {failure}");
            failure.code()
        }
    }
}

fn in_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the network runtime could not be started: {error}")))?
        .block_on(work)
}
