//! `make demo`: one command from nothing to a stitched mirror. Starts `stitchboxd` on its defaults, simulates a
//! measured mirror with known truth, uploads it by WebDAV as an instrument PC would, waits for the run that starts by
//! itself, downloads `Stitched/` and judges it. Serves on until Ctrl-C; `ONCE=1` (or `--once`) ends instead.

mod account;
mod ending;
mod steps;

use std::process::ExitCode;

use stitchbox_tests::{Daemon, Settings};

/// Where it listens when nobody else does.
const ADDRESS: &str = "127.0.0.1:8741";
/// A result this much worse than the statistical limit is a fault.
const TOLERANCE: f64 = 1.10;

fn main() -> ExitCode {
    let once =
        std::env::args().any(|argument| argument == "--once") || std::env::var("ONCE").is_ok_and(|once| once == "1");
    let mut daemon = Daemon::prepared(Settings::default());
    if std::net::TcpListener::bind(ADDRESS).is_ok() {
        daemon.listen(ADDRESS);
    } else {
        println!("demo: {ADDRESS} is taken; another port is used");
    }
    daemon.restart();
    ending::on_signal(&daemon);
    println!("demo: stitchboxd runs at {} on the data folder {}", daemon.base(), daemon.data().display());

    let dav = account::make(&daemon);
    let series = steps::simulate(daemon.data());
    let last = steps::upload(&dav, &series);
    let seconds = steps::wait_for_result(&dav, last);
    let verdict = steps::judge(&dav, &series);
    println!(
        "demo: the map has rms {:.1} nm and PV {:.1} nm over {} x {} px",
        verdict.rms_nm, verdict.pv_nm, verdict.rows, verdict.columns
    );
    println!(
        "demo: its error against the truth is {:.3} nm rms; noise alone allows {:.3} nm",
        verdict.error_nm, verdict.limit_nm
    );
    println!("demo: the result came {seconds:.2} s after the last upload");
    if !once {
        println!("demo: a copy of it lies in {} (until the demo ends)", verdict.copy.display());
    }
    account::show(&dav);
    let good = verdict.error_nm <= verdict.limit_nm * TOLERANCE;
    let word = if good { "ok" } else { "FAILED" };
    println!("demo: {word} error_nm={:.4} limit_nm={:.4} seconds={seconds:.2}", verdict.error_nm, verdict.limit_nm);
    if !once && good {
        println!("demo: serving until Ctrl-C");
        ending::serve(&mut daemon);
        return ExitCode::FAILURE;
    }
    daemon.stop();
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
