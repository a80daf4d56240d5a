//! The black box: everything the suites need to start the real programs and talk to them as a client does.
//!
//! Nothing here knows the inside of the server: only command lines, HTTP and files. Every test owns a daemon on
//! its own data folder and port, so all of them may run at once. The suites are `tests/tests/*.rs`, one topic each.

mod api;
mod client;
mod content;
mod daemon;
mod dav;
pub mod federation;
mod judge;
mod multistatus;
mod postgres;
mod processes;
mod programs;
mod random;
mod raw;
mod result_file;
mod series;
mod skip;
mod wait;

pub use api::{Api, Run, Stream, TrashItem, VersionRow};
pub use client::{Client, report_of};
pub use content::{digest_of, hex, sha256};
pub use daemon::{Daemon, Settings, password_of};
pub use dav::{Call, Credentials, Dav, Reply, encode_path};
pub use judge::{error_nm, limit_nm};
pub use multistatus::{Entry, parse_multistatus};
pub use postgres::Postgres;
pub use processes::{Admin, Worker};
pub use programs::{data_folder, program};
pub use random::Random;
pub use raw::{End, raw_request};
pub use result_file::ResultFile;
pub use series::{Damage, Series, expected_recipe};
pub use skip::no_skip;
pub use wait::{wait_for, wait_or_tell, wait_until};

/// Prints a line to the real standard error, past the test harness's capture.
pub fn say(line: &str) {
    use std::io::Write;
    // A closed standard error is no reason to fail a test.
    let _ = writeln!(std::io::stderr(), "{line}");
}
