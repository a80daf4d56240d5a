//! `stitchbox`: stitch and simulate on this machine; push to, pull from and synchronise with a store, watch its runs.
//!
//! Exit codes are listed in [`exit`].

mod account;
mod compare;
mod convert;
mod exit;
mod info;
mod interrupt;
mod login;
mod logins;
mod ls;
mod mv;
mod place;
mod process;
mod progress;
mod pull;
mod push;
mod received;
mod recipe;
mod rerun;
mod rm;
mod runs;
mod score;
mod share;
mod simulate;
mod stitch;
mod sync;
mod there;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{EXIT_CODES, Failure};

/// Stitch mirror measurements, and exchange them with a Stitchbox (or any WebDAV) server.
#[derive(Debug, Parser)]
#[command(name = "stitchbox", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

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
    /// Log this device in to a server, by browser or password
    Login(login::Args),
    /// End a login and revoke its app password
    Logout(login::LogoutArgs),
    /// Keep a local folder and a folder of a server in step, both ways
    Sync(sync::Args),
    /// Push a folder to a server, verified, in parallel; delete it here when it is safe there
    #[command(visible_alias = "upload")]
    Push(push::Args),
    /// Pull a folder from a server
    #[command(visible_alias = "download")]
    Pull(pull::Args),
    /// List a folder of a server, or the spaces
    Ls(ls::Args),
    /// Rename or move on a server
    Mv(mv::Args),
    /// Delete on a server (into its trash)
    Rm(rm::Args),
    /// Give a user, a group, a partner elsewhere or whoever has a link access; list, change and end it
    Share(Box<share::Args>),
    /// What partners share with you: list, accept, decline, refresh
    #[command(subcommand)]
    Received(received::Command),
    /// Show the stitching runs of a server
    Runs(runs::Args),
    /// Check a result: every file, the result digest, signatures and attestations; offline
    Verify(verify::Args),
    /// Repeat the run whose results lie in a folder of a server, and have the outcome attested
    Rerun(rerun::RerunArgs),
    /// Stitch a folder of a server, a received one too, into another folder
    Run(rerun::RunArgs),
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
        Command::Login(args) => in_runtime(login::run(args)),
        Command::Logout(args) => in_runtime(login::logout(args)),
        Command::Sync(args) => in_runtime(sync::run(args)),
        Command::Push(args) => in_runtime(push::run(args)),
        Command::Pull(args) => in_runtime(pull::run(args)),
        Command::Ls(args) => in_runtime(ls::run(args)),
        Command::Mv(args) => in_runtime(mv::run(args)),
        Command::Rm(args) => in_runtime(rm::run(args)),
        Command::Share(args) => in_runtime(share::run(*args)),
        Command::Received(command) => in_runtime(received::run(command)),
        Command::Runs(args) => in_runtime(runs::run(args)),
        Command::Verify(args) => verify::run(&args),
        Command::Rerun(args) => in_runtime(rerun::rerun(args)),
        Command::Run(args) => in_runtime(rerun::run(args)),
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
