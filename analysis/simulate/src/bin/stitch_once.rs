//! Stitches one series and says how long that took and how much memory: what `tests/bench/stitch_table.py` measures, and whose
//! digests `tests/determinism` compares.
//!
//! `stitch_once FOLDER OUT [--threads N] [--robust] [--refine] [--reference none] [--between] [--flip] [--read-only]`: the map
//! goes to OUT as raw little-endian f64 (NaN where invalid); one line of JSON tells seconds (of the stitch alone, the
//! series being in memory), peak memory of the process, shape, digest. FOLDER may be `case:S:7`, a simulated series; `--flip`
//! changes the last bit of one of its heights. OUT may be `-`: nothing is written.

use std::error::Error;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use stitchbox_formats::{Limits, position_in_comment, read_sub_aperture};
use stitchbox_simulate::{Parameters, placed, simulate};
use stitchbox_stitch::{Options, Placed, Reference, Refine, stitch};
use stitchbox_surface::HeightMap;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, out, switches @ ..] = &arguments[..] else {
        return Err("usage: stitch_once FOLDER OUT [--threads N] [--robust] ...".into());
    };
    let known = ["--threads", "--robust", "--refine", "--reference", "--between", "--flip", "--read-only"];
    let is_value = |i: usize| i > 0 && matches!(switches[i - 1].as_str(), "--threads" | "--reference");
    if let Some(other) = (0..switches.len()).find(|i| !is_value(*i) && !known.contains(&switches[*i].as_str())) {
        return Err(format!("unknown switch {}", switches[other]).into());
    }
    let has = |name: &str| switches.iter().any(|s| s == name);
    let value = |name: &str| switches.iter().position(|s| s == name).and_then(|i| switches.get(i + 1));
    let threads = value("--threads").map_or(Ok(2), |n| n.parse())?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;

    let mut options = Options { robust: has("--robust"), ..Options::default() };
    match value("--reference").map(String::as_str) {
        None | Some("pixelwise") => {}
        Some("none") => options.reference = Reference::None,
        Some("smooth") => options.reference = Reference::Smooth,
        Some(other) => return Err(format!("unknown reference {other}").into()),
    }
    if has("--refine") {
        options.refine = Refine::Offsets;
    }
    let mut series = match folder.strip_prefix("case:") {
        Some(case) => simulated(case)?,
        None => read(Path::new(folder))?,
    };
    if has("--between") {
        // Wrong by known fractions of a pixel, so that there is something to interpolate and to refine.
        let pixel = series.first().and_then(|p| p.sub_aperture.map.pixel()).map_or(1.0, |pixel| pixel.x_mm);
        for (k, placed) in series.iter_mut().enumerate() {
            placed.x_mm += pixel * (((7 * k) % 11) as f64 / 11.0 - 0.5);
        }
    }
    if has("--flip") {
        flip(&mut series)?;
    }
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
    if out != "-" {
        let mut file = BufWriter::new(fs::File::create(out)?);
        for (height, valid) in stitched.height.heights_nm().iter().zip(stitched.height.valid()) {
            file.write_all(&if *valid { *height } else { f64::NAN }.to_le_bytes())?;
        }
        file.flush()?;
    }
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

/// `S:7`: the case and the seed.
fn simulated(text: &str) -> Result<Vec<Placed>, Box<dyn Error>> {
    let (case, seed) = text.split_once(':').ok_or("a simulated series is written case:S:7")?;
    let parameters = Parameters { case: case.parse()?, seed: seed.parse()?, ..Parameters::default() };
    Ok(placed(&simulate(&parameters)))
}

/// Changes the last bit of one height.
fn flip(series: &mut [Placed]) -> Result<(), Box<dyn Error>> {
    let map = &mut series.first_mut().ok_or("an empty series")?.sub_aperture.map;
    let (mut heights, valid, pixel) = map.clone().into_parts();
    let height = heights.iter_mut().zip(&valid).find(|(_, valid)| **valid).ok_or("no valid pixel")?.0;
    *height = f64::from_bits(height.to_bits() ^ 1);
    *map = HeightMap::new(heights, valid, pixel)?;
    Ok(())
}

/// Peak resident memory of this process, MiB.
fn peak_mib() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: f64 = line.split_whitespace().next().ok_or("no VmHWM")?.parse()?;
    Ok(kib / 1024.0)
}
