//! How long after the last PUT the result is there: `S_x12` with `expected = 12` (bar: 2 s) and with no recipe at all
//! (bar: the default quiet time of 10 s + 2 s), and its error against the truth (bar: 0.347 nm).
//!
//! `STITCHBOX_SHARED_DATA=… cargo run --release -p stitchbox-tests --bin bench_result_latency` (or `make bench`).

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use stitchbox_simulate::npy;
use stitchbox_tests::{Daemon, Dav, ResultFile, Settings, data_folder, error_nm, expected_recipe};

const EXPECTED_LIMIT_S: f64 = 2.0;
const QUIET_LIMIT_S: f64 = 12.0;
const ERROR_LIMIT_NM: f64 = 0.347;

fn main() -> ExitCode {
    let Some(folder) = data_folder().map(|data| data.join("synthetic/S_x12")) else {
        eprintln!("bench_result_latency: the shared data is not here; set STITCHBOX_SHARED_DATA");
        return ExitCode::FAILURE;
    };
    let files = read_series(&folder);
    let truth = npy::read(&std::fs::read(folder.join("truth_nm.npy")).expect("the truth")).expect("an array");
    let daemon = Daemon::start_with(Settings::default());
    let dav = daemon.user("bench");

    dav.mkcol("/expected").send().expect(201);
    dav.write("/expected/stitch.toml", expected_recipe(files.len()));
    let expected = measure(&dav, "/expected", &files);
    dav.mkcol("/quiet").send().expect(201);
    let quiet = measure(&dav, "/quiet", &files);
    let result = ResultFile::parse(&dav.read("/expected/Stitched/height.h5")).expect("a result file");
    let error = error_nm(&result, &truth);
    println!(
        "bench_result_latency: expected={expected:.2} s (limit {EXPECTED_LIMIT_S}) quiet={quiet:.2} s (limit \
         {QUIET_LIMIT_S}) error_nm={error:.4} (limit {ERROR_LIMIT_NM})"
    );
    let good = expected <= EXPECTED_LIMIT_S && quiet <= QUIET_LIMIT_S && error <= ERROR_LIMIT_NM;
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read_series(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("the series can be listed").flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.ends_with(".dat"));
    names.sort();
    names.into_iter().map(|name| (name.clone(), std::fs::read(folder.join(&name)).expect("readable"))).collect()
}

/// Seconds from the answer to the last PUT until the result can be read.
fn measure(dav: &Dav, folder: &str, files: &[(String, Vec<u8>)]) -> f64 {
    for (name, bytes) in files {
        dav.write(&format!("{folder}/{name}"), bytes.clone());
    }
    let start = Instant::now();
    while dav.call("HEAD", &format!("{folder}/Stitched/height.h5")).send().status != 200 {
        if let Ok(reply) = dav.get(&format!("{folder}/Stitched.error.txt")).attempt()
            && reply.status == 200
        {
            panic!("the run failed: {}", reply.text());
        }
        assert!(start.elapsed() < Duration::from_secs(120), "no result in two minutes");
        std::thread::sleep(Duration::from_millis(10));
    }
    start.elapsed().as_secs_f64()
}
