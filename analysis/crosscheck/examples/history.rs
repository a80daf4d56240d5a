//! The peer's figures beside ours: `history FOLDER CASE [PERIOD]` for a folder written by `write_dat_set.py`.

use std::{env, fs, path::Path, time::Instant};

use stitchbox_crosscheck::{Algorithm, Extraction, Method, cross_check};
use stitchbox_simulate::{npy, score};
use stitchbox_stitch::Placed;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1);
    let folder = arguments.next().ok_or("usage: history FOLDER CASE [PERIOD]")?;
    let case = arguments.next().ok_or("usage: history FOLDER CASE [PERIOD]")?;
    let period = arguments.next().map(|p| p.parse()).transpose()?;
    let folder = Path::new(&folder);
    let truth = npy::read(&fs::read(folder.join("truth_nm.npy"))?)?;
    let series = series(folder)?;
    let base = Method::default();
    let planes = |min_overlap, reference| Method { min_overlap, reference, ..Method::default() };
    let methods = [
        ("simple_avg", Method { algorithm: Algorithm::SimpleAverage, ..base.clone() }),
        ("simple_avg, means kept", Method { algorithm: Algorithm::SimpleAverage, zero_mean: false, ..base.clone() }),
        ("progressive", Method { algorithm: Algorithm::Progressive, ..base.clone() }),
        ("progressive, one sweep", Method { algorithm: Algorithm::Progressive, sweeps: 1, ..base.clone() }),
        ("matrix / global", base.clone()),
        ("matrix / global, min_overlap 0.2", planes(0.2, Extraction::None)),
        ("global + reference", planes(0.6, Extraction::Full)),
        ("global + reference, 0.4", planes(0.4, Extraction::Full)),
        ("global + reference, 0.2", planes(0.2, Extraction::Full)),
    ];
    println!("| case | method | pairs | x-scan nm | profile nm | quad nm | period off nm | time s |\n|---|---|---|---|---|---|---|---|");
    for (name, method) in methods {
        let start = Instant::now();
        let checked = match cross_check(&series, &method) {
            Ok(checked) => checked,
            Err(error) => {
                println!("| {case} | {name} | {error} |");
                continue;
            }
        };
        let time = start.elapsed().as_secs_f64();
        let of = |null| score::residual_nm(&checked.height, &truth, null);
        let x_scan = of(score::NullSpace::XScan { period: None })?;
        let profile = score::profile_nm(&x_scan, 40);
        let low = (profile.iter().map(|p| p * p).sum::<f64>() / profile.len().max(1) as f64).sqrt();
        let quad = score::rms_nm(&of(score::NullSpace::Quadratic)?);
        let without = match period {
            Some(_) => format!("{:.4}", score::rms_nm(&of(score::NullSpace::XScan { period })?)),
            None => "-".into(),
        };
        let (pairs, x_scan) = (checked.pairs, score::rms_nm(&x_scan));
        println!("| {case} | {name} | {pairs} | {x_scan:.4} | {low:.4} | {quad:.4} | {without} | {time:.2} |");
    }
    Ok(())
}

fn series(folder: &Path) -> Result<Vec<Placed>, Failure> {
    let mut names: Vec<_> = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?.iter().map(|f| f.path()).collect();
    names.retain(|path| path.extension().is_some_and(|e| e == "dat"));
    names.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.display().to_string();
        let sub_aperture = stitchbox_formats::read_sub_aperture(&name, &fs::read(path)?, &Default::default())?;
        let (x_mm, y_mm) = sub_aperture.position_mm.ok_or("no position in the file")?;
        Ok(Placed { sub_aperture, x_mm, y_mm })
    };
    names.iter().map(read).collect()
}
