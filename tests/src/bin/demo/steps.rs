//! What happens in the demo, one function a step.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use stitchbox_simulate::{Case, Parameters, Simulated};
use stitchbox_tests::{Admin, Api, Dav, ResultFile, error_nm, expected_recipe, limit_nm, program, wait_for};

const FOLDER: &str = "/Mirror 7";
const SEED: u64 = 7;

/// The simulated series: its files on disk, and the same in memory with its truth.
pub struct Series {
    files: Vec<PathBuf>,
    simulated: Simulated,
}

/// How good the result is.
pub struct Verdict {
    pub rows: usize,
    pub columns: usize,
    pub rms_nm: f64,
    pub pv_nm: f64,
    pub error_nm: f64,
    pub limit_nm: f64,
    pub copy: PathBuf,
}

/// Writes the series with the program `stitchbox`, beside the data folder.
pub fn simulate(data: &Path) -> Series {
    let folder = data.with_file_name("instrument");
    let mut command = Command::new(program("stitchbox"));
    command.args(["simulate", "--case", "S", "--seed", &SEED.to_string(), "-o"]).arg(&folder);
    Admin::run(&mut command, "").succeeded();
    let entries = std::fs::read_dir(&folder).expect("the simulated folder can be listed").flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "dat"));
    files.sort();
    println!("demo: simulated a mirror: {} MetroPro files (case S, seed {SEED})", files.len());
    let parameters = Parameters { case: Case::S, seed: SEED, ..Parameters::default() };
    Series { files, simulated: stitchbox_simulate::simulate(&parameters) }
}

/// Uploads recipe and files by PUT, showing progress; gives the instant of the last answer.
pub fn upload(dav: &Dav, series: &Series) -> Instant {
    dav.mkcol(FOLDER).send().expect(201);
    dav.write(&format!("{FOLDER}/stitch.toml"), expected_recipe(series.files.len()));
    let count = series.files.len();
    let mut sent = 0;
    for (index, path) in series.files.iter().enumerate() {
        let bytes = std::fs::read(path).expect("a simulated file can be read");
        sent += bytes.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        dav.write(&format!("{FOLDER}/{name}"), bytes);
        progress("uploading", index + 1, count, &format!("{name}, {} kB in all", sent / 1000));
    }
    Instant::now()
}

/// Waits until `Stitched/` is visible; gives the seconds since `last`.
///
/// # Panics
/// With the words of `Stitched.error.txt` when the run fails.
pub fn wait_for_result(dav: &Dav, last: Instant) -> f64 {
    let api = Api::new(dav);
    let mut step = String::new();
    let seconds = wait_for("the result in Stitched/", || {
        if dav.exists(&format!("{FOLDER}/Stitched/height.h5")) {
            return Some(last.elapsed().as_secs_f64());
        }
        let run = api.runs().into_iter().next()?;
        assert_ne!(run.state, "failed", "the run failed: {}", run.message.unwrap_or_default());
        let now = run.step.unwrap_or(run.state);
        if now != step {
            println!("demo: the run: {now} ({:.0} %)", run.progress.unwrap_or(0.0) * 100.0);
            step = now;
        }
        None
    });
    println!("demo: one run started by itself and is done");
    seconds
}

/// Downloads `Stitched/` beside the simulated files and compares the map with the truth.
pub fn judge(dav: &Dav, series: &Series) -> Verdict {
    let beside = series.files.first().and_then(|file| file.parent()).expect("the series has files");
    let copy = beside.join("Stitched");
    std::fs::create_dir_all(&copy).expect("the folder can be made");
    let entries = dav.list(&format!("{FOLDER}/Stitched"));
    for (index, entry) in entries.iter().enumerate() {
        let bytes = dav.read(&format!("{FOLDER}/Stitched/{}", entry.name()));
        progress("downloading", index + 1, entries.len(), &format!("{}, {} kB", entry.name(), bytes.len() / 1000));
        std::fs::write(copy.join(entry.name()), bytes).expect("the copy can be written");
    }
    let bytes = std::fs::read(copy.join("height.h5")).expect("the result has a height.h5");
    let result = ResultFile::parse(&bytes).unwrap_or_else(|why| panic!("height.h5: {why}"));
    let valid = || result.height.iter().copied().filter(|height| height.is_finite());
    let (low, high) = valid().fold((f64::MAX, f64::MIN), |(low, high), height| (low.min(height), high.max(height)));
    Verdict {
        rows: result.shape.0,
        columns: result.shape.1,
        rms_nm: result.rms(),
        pv_nm: high - low,
        error_nm: error_nm(&result, &series.simulated.truth_nm),
        limit_nm: limit_nm(&series.simulated),
        copy,
    }
}

/// On a terminal one line that changes, elsewhere a line for each step.
fn progress(what: &str, done: usize, count: usize, detail: &str) {
    let mut out = std::io::stdout();
    let line = format!("demo: {what} {done}/{count}  {detail}");
    // Progress that nobody can read is no reason to stop.
    let _ = if out.is_terminal() {
        write!(out, "\r\x1b[K{line}{}", if done == count { "\n" } else { "" })
    } else {
        writeln!(out, "{line}")
    };
    let _ = out.flush();
}
