//! Stitches one folder and says how long that took and how much memory: what `tests/bench/stitch_table.py` measures.
//!
//! `stitch_once FOLDER OUT [--threads N] [--robust] [--refine] [--reference none] [--tolerance T] [--read-only]`: the map
//! goes to OUT as raw little-endian f64 (NaN where invalid); one line of JSON tells seconds (of the stitch alone, the
//! series being in memory), peak memory of the process, shape, digest.

use std::error::Error;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use stitchbox_formats::{Limits, position_in_comment, read_sub_aperture};
use stitchbox_stitch::{Options, Placed, Reference, stitch};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, out, switches @ ..] = &arguments[..] else {
        return Err("usage: stitch_once FOLDER OUT [--threads N] [--robust] ...".into());
    };
    let has = |name: &str| switches.iter().any(|s| s == name);
    let value = |name: &str| switches.iter().position(|s| s == name).and_then(|i| switches.get(i + 1));
    let threads = value("--threads").map_or(Ok(2), |n| n.parse())?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;

    let mut options = Options { robust: has("--robust"), ..Options::default() };
    if value("--reference").is_some_and(|r| r == "none") {
        options.reference = Reference::None;
    }
    let series = read(Path::new(folder))?;
    let memory_read = peak_mib()?;
    if has("--read-only") {
        println!("{}", serde_json::json!({ "sub_apertures": series.len(), "peak_mib": memory_read }));
        return Ok(());
    }
    let begun = Instant::now();
    let stitched = stitch(&series, &options, &())?;
    let seconds = begun.elapsed().as_secs_f64();
    let peak = peak_mib()?;
    let digest = stitched.digest();
    let mut file = BufWriter::new(fs::File::create(out)?);
    for (height, valid) in stitched.height.heights_nm().iter().zip(stitched.height.valid()) {
        file.write_all(&if *valid { *height } else { f64::NAN }.to_le_bytes())?;
    }
    file.flush()?;
    let (rows, columns) = stitched.height.shape();
    let object = serde_json::json!({
        "seconds": seconds, "peak_mib": peak, "read_mib": memory_read, "rows": rows, "columns": columns, "digest": digest,
        "iterations": stitched.iterations, "noise_nm": stitched.noise_nm,
        "warnings": stitched.warnings.iter().map(|w| &w.code).collect::<Vec<_>>(),
    });
    println!("{object}");
    Ok(())
}

/// The series in the order of its names, placed by the comments of the files.
fn read(folder: &Path) -> Result<Vec<Placed>, Box<dyn Error>> {
    let mut paths: Vec<_> = fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "dat"));
    paths.sort();
    let mut series = Vec::with_capacity(paths.len());
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sub_aperture = read_sub_aperture(&name, &fs::read(&path)?, &Limits::default())?;
        let comment = sub_aperture.instrument.comment.as_deref().and_then(position_in_comment);
        let (x_mm, y_mm) = comment.ok_or_else(|| format!("{name}: no position in its comment"))?;
        series.push(Placed { sub_aperture, x_mm, y_mm });
    }
    Ok(series)
}

/// Peak resident memory of this process, MiB.
fn peak_mib() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: f64 = line.split_whitespace().next().ok_or("no VmHWM")?.parse()?;
    Ok(kib / 1024.0)
}
