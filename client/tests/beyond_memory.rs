//! `stitchbox stitch` on a series that exceeds the memory it may take: through a scratch folder, killed and interrupted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ndarray::Array2;
use stitchbox_formats::{MetroProHeader, write_metropro};
use stitchbox_surface::{HeightMap, PixelSize};

const COUNT: usize = 60;
const SHAPE: (usize, usize) = (400, 500);
/// Less than the series takes in memory.
const MEMORY: u64 = 120 << 20;
const PIXEL_MM: f64 = 0.1;

/// Noise, the same for the same place.
fn noise(k: usize, row: usize, column: usize) -> f64 {
    let mut x = (k * 1_000_003 + row * 7919 + column) as u64;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x >> 40) as f64 / (1 << 24) as f64 - 0.5
}

/// Maps of a wavy mirror with a wavy reference, at whole pixels and steps that vary.
fn series(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for k in 0..COUNT {
        let at = k * 5 + (k * k) % 4;
        let mirror: Vec<f64> = (0..SHAPE.1).map(|column| 40.0 * ((at + column) as f64 * 0.021).sin()).collect();
        let heights = Array2::from_shape_fn(SHAPE, |(row, column)| {
            mirror[column] + (row * column % 97) as f64 * 0.05 + (k % 7) as f64 * 3.0 + noise(k, row, column)
        });
        let pixel = PixelSize { x_mm: PIXEL_MM, y_mm: PIXEL_MM };
        let header = MetroProHeader {
            comment: format!("Position= {k}  X-coord= {:.5}  Y-coord= 0.0", -(at as f64) * PIXEL_MM),
            ..MetroProHeader::default()
        };
        let bytes = write_metropro(&HeightMap::from_heights_nm(heights, Some(pixel)), &header).unwrap();
        fs::write(folder.join(format!("sub_{k:02}.dat")), bytes).unwrap();
    }
}

struct Place {
    _folder: tempfile::TempDir,
    input: PathBuf,
    scratch: PathBuf,
    root: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        series(&root.join("in"));
        Self { input: root.join("in"), scratch: root.join("scratch"), root, _folder: folder }
    }

    fn start(&self, out: &str, limited: bool) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stitchbox"));
        command.arg("stitch").arg(&self.input).arg("-o").arg(self.root.join(out)).arg("--json");
        if limited {
            command.args(["--memory", &MEMORY.to_string(), "--scratch"]).arg(&self.scratch);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Names of the files below the scratch folder.
    fn in_scratch(&self) -> Vec<String> {
        let Ok(own) = fs::read_dir(&self.scratch) else { return Vec::new() };
        let files = own.flatten().filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten().flatten();
        files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Waits until the program has left such a file.
    fn wait_for(&self, child: &mut Child, ends_with: &str) {
        let begun = Instant::now();
        while !self.in_scratch().iter().any(|name| name.ends_with(ends_with)) {
            assert!(child.try_wait().unwrap().is_none(), "it ended before");
            assert!(begun.elapsed() < Duration::from_secs(120));
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn digest(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    said["digest"].as_str().unwrap().to_owned()
}

/// Largest resident memory of a process until it ends, bytes; 0 where the system does not tell.
fn peak(child: &mut Child) -> u64 {
    let (path, mut peak) = (format!("/proc/{}/status", child.id()), 0);
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(&path).unwrap_or_default();
        let told = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = told.and_then(|told| told.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_millis(5));
    }
    peak
}

#[test]
fn a_series_beyond_memory_gives_the_same_digest_within_the_limit_and_goes_on_after_a_kill() {
    let place = Place::new();
    let expected = digest(&place.start("free", false).wait_with_output().unwrap());

    let mut killed = place.start("out", true);
    place.wait_for(&mut killed, ".done");
    killed.kill().unwrap();
    assert!(!killed.wait().unwrap().success());
    assert!(!place.root.join("out").exists());
    assert!(place.in_scratch().iter().any(|name| name.ends_with(".done")), "{:?}", place.in_scratch());

    let mut resumed = place.start("out", true);
    let peak = peak(&mut resumed);
    assert_eq!(digest(&resumed.wait_with_output().unwrap()), expected);
    assert!(peak < MEMORY, "{} MiB", peak >> 20);
    assert!(place.root.join("out/height.h5").is_file());
    assert_eq!(fs::read_dir(&place.scratch).unwrap().count(), 0, "a success leaves nothing");
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_it_within_two_seconds() {
    let place = Place::new();
    let mut child = place.start("out", true);
    place.wait_for(&mut child, "heights");
    let begun = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!place.root.join("out").exists());
}

#[test]
fn without_a_scratch_folder_the_cure_is_named() {
    let place = Place::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stitchbox"));
    let out = place.root.join("out");
    let refused = command.arg("stitch").arg(&place.input).arg("-o").arg(&out).args(["--memory", "60M"]).output();
    let refused = refused.unwrap();
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("--scratch") && said.contains("60 files"), "{said}");
}
