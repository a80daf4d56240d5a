//! Stitches one series of raw floats and says how long it took: `bench SERIES.raw [robust] [OUT]`.
//!
//! The file: little-endian u64 count, rows, columns; f64 pixel size (mm); f64 x and y (px) of each sub-aperture; f32 heights (nm).
use std::time::Instant;

use ndarray::Array2;
use stitchbox_stitch::{Options, Placed, Progress, Reference, stitch};
use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, PixelSize, SubAperture};

/// Memory at its peak, MiB, as the system tells.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("0");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Time that all threads have computed, s: other programs do not count.
fn computed() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0)
    };
    tasks.map(of).sum::<f64>() * 1e-9
}

/// Adds up the time computed in each step.
#[derive(Default)]
struct Steps(std::sync::Mutex<Vec<(String, f64)>>);

impl Progress for Steps {
    fn at(&self, _fraction: f64, step: &str) {
        if let Ok(mut steps) = self.0.lock()
            && steps.last().is_none_or(|(last, _)| last != step)
        {
            steps.push((step.to_owned(), computed()));
        }
    }
}

fn read(path: &str) -> std::io::Result<Vec<Placed>> {
    use std::io::Read;
    let mut file = std::io::BufReader::with_capacity(1 << 16, std::fs::File::open(path)?);
    let mut eight = [0u8; 8];
    let mut word = || -> std::io::Result<[u8; 8]> {
        file.read_exact(&mut eight)?;
        Ok(eight)
    };
    let (count, rows, columns) =
        (u64::from_le_bytes(word()?), u64::from_le_bytes(word()?), u64::from_le_bytes(word()?));
    let pixel = f64::from_le_bytes(word()?);
    let mut places = Vec::new();
    for _ in 0..count {
        places.push((f64::from_le_bytes(word()?), f64::from_le_bytes(word()?)));
    }
    let (rows, columns) = (rows as usize, columns as usize);
    let mut series = Vec::new();
    let mut line = vec![0u8; columns * 4];
    for (k, (x, y)) in places.into_iter().enumerate() {
        let mut heights = Array2::zeros((rows, columns));
        for mut row in heights.rows_mut() {
            file.read_exact(&mut line)?;
            for (value, bytes) in row.iter_mut().zip(line.chunks_exact(4)) {
                *value = f64::from(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
            }
        }
        let mut valid = Array2::from_elem((rows, columns), true);
        for (h, v) in heights.iter_mut().zip(valid.iter_mut()) {
            if !h.is_finite() {
                *v = false;
                *h = 0.0;
            }
        }
        let map = HeightMap::new(heights, valid, Some(PixelSize { x_mm: pixel, y_mm: pixel }));
        let map = map.map_err(std::io::Error::other)?;
        series.push(Placed {
            sub_aperture: SubAperture {
                name: format!("sub_{:02}", k + 1),
                map,
                window: DetectorWindow { column: 0, row: 0 },
                position_mm: None,
                intensity: None,
                instrument: Instrument::default(),
            },
            x_mm: x * pixel,
            y_mm: y * pixel,
        });
    }
    Ok(series)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("bench SERIES.raw [robust|plain] [OUT] [TOLERANCE] [REPEATS]")?;
    let series = read(path)?;
    let read_mib = peak_mib();
    let robust = arguments.get(1).is_some_and(|a| a == "robust");
    let reference = if arguments.get(1).is_some_and(|a| a == "held") { Reference::None } else { Reference::Pixelwise };
    let mut options = Options { robust, reference, ..Options::default() };
    if let Some(tolerance) = arguments.get(3) {
        options.tolerance = tolerance.parse()?;
    }
    let repeats: usize = arguments.get(4).map_or(Ok(1), |n| n.parse())?;
    let mut times = Vec::new();
    let mut computing = f64::INFINITY;
    let mut profile = String::new();
    let mut result = None;
    for _ in 0..repeats {
        drop(result.take());
        let (start, before) = (Instant::now(), computed());
        let steps = Steps::default();
        let stitched = stitch(&series, &options, &steps)?;
        times.push(start.elapsed().as_secs_f64());
        let own = computed() - before;
        if own < computing {
            computing = own;
            let steps = steps.0.into_inner().map_err(|e| e.to_string())?;
            let lasted = steps.windows(2).map(|pair| format!("{} {:.3}", pair[0].0, pair[1].1 - pair[0].1));
            profile = lasted.collect::<Vec<_>>().join(", ");
        }
        result = Some(stitched);
    }
    let peak = peak_mib();
    let result = result.ok_or("no repeats")?;
    times.sort_by(f64::total_cmp);
    println!(
        "{path} {:?} threads {} best {:.3} s median {:.3} s, computed {computing:.3} s ({profile}), {} iterations, peak {peak:.0} MiB (series {read_mib:.0}), noise {:?}, warnings {:?} {}",
        arguments.get(1),
        rayon::current_num_threads(),
        times[0],
        times[times.len() / 2],
        result.iterations,
        result.noise_nm,
        result.warnings.iter().map(|w| w.code.as_str()).collect::<Vec<_>>(),
        result.digest(),
    );
    if let Some(out) = arguments.get(2).filter(|out| *out != "-") {
        let mut bytes = Vec::new();
        let values = result.height.heights_nm().iter().zip(result.height.valid());
        bytes.extend(values.flat_map(|(h, v)| if *v { *h } else { f64::NAN }.to_le_bytes()));
        std::fs::write(out, bytes)?;
    }
    Ok(())
}
