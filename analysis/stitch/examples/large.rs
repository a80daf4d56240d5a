//! Stitches a simulated series that is never in memory: `large COUNT_X COUNT_Y ROWS COLUMNS FOLDER MIB [robust|plain [CANCEL_AFTER_S]]`.
//!
//! Sub-apertures in steps of a quarter of their width (and height, with more than one row of them), plus a few pixels at random. Prints
//! times, memory at its peak and the error against the truth; `FOLDER` holds scratch files and checkpoints.
use std::time::Instant;

use ndarray::Array2;
use stitchbox_stitch::{
    Described, Options, Progress, Scratch, Source, StitchError, estimate_source_bytes, stitch_source,
};
use stitchbox_surface::{DetectorWindow, HeightMap, PixelSize};

const PIXEL_MM: f64 = 0.05;

struct Simulated {
    shape: (usize, usize),
    places: Vec<(usize, usize)>,
}

/// Well mixed bits of a number.
fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Sine of the truth along one axis.
fn wave(length: usize, from: usize, per_px: f64) -> Vec<f64> {
    (0..length).map(|i| ((from + i) as f64 * per_px).sin()).collect()
}

impl Simulated {
    fn new(count: (usize, usize), shape: (usize, usize)) -> Self {
        let mut places = Vec::new();
        for j in 0..count.1 {
            let mut x = 0;
            for i in 0..count.0 {
                let bits = mixed((j * count.0 + i) as u64 + 99);
                let jitter = |bits: u64, step: usize| (bits as usize) % (step / 5).max(1);
                let y = j * (shape.0 / 4) + if count.1 > 1 { jitter(bits >> 32, shape.0 / 4) } else { 0 };
                places.push((y, x));
                x += shape.1 / 5 + 2 * jitter(bits, shape.1 / 4);
            }
        }
        Self { shape, places }
    }

    /// Truth along the rows and down the columns; the surface is the product (and so has no power).
    fn truth(&self, k: usize) -> (Vec<f64>, Vec<f64>) {
        let (y, x) = self.places[k];
        (wave(self.shape.0, y, 0.013), wave(self.shape.1, x, 0.017))
    }
}

impl Source for Simulated {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn describe(&self, k: usize) -> Described {
        let (y, x) = self.places[k];
        Described {
            name: format!("sub_{k:03}"),
            shape: self.shape,
            window: DetectorWindow { column: 0, row: 0 },
            pixel: Some(PixelSize { x_mm: PIXEL_MM, y_mm: PIXEL_MM }),
            x_mm: x as f64 * PIXEL_MM,
            y_mm: y as f64 * PIXEL_MM,
        }
    }

    fn read(&self, k: usize) -> Result<(HeightMap, Option<Array2<f32>>), String> {
        let (down, along) = self.truth(k);
        let mut heights = Array2::zeros(self.shape);
        let mut valid = Array2::from_elem(self.shape, true);
        let piston = (mixed(k as u64) % 600) as f64 - 300.0;
        let (pitch, roll) =
            ((mixed(k as u64 + 1000) % 100) as f64 * 0.01, (mixed(k as u64 + 2000) % 100) as f64 * 0.01);
        for (row, (mut line, mut ok)) in heights.rows_mut().into_iter().zip(valid.rows_mut()).enumerate() {
            let v = row as f64 / self.shape.0 as f64 - 0.5;
            for (column, (height, ok)) in line.iter_mut().zip(ok.iter_mut()).enumerate() {
                let u = column as f64 / self.shape.1 as f64 - 0.5;
                let bits = mixed(((k * self.shape.0 + row) * self.shape.1 + column) as u64);
                // Four uniform numbers make it normal enough, 0.5 nm.
                let four = (0..4).map(|i| f64::from((bits >> (16 * i)) as u16)).sum::<f64>();
                let noise = (four / 65536.0 - 2.0) * 3f64.sqrt() * 0.5;
                let reference = 8.0 * u * u * u - 6.0 * v * v * v + 5.0 * u * u * v;
                *height =
                    10.0 * down[row] * along[column] + reference + piston + 100.0 * (pitch * u + roll * v) + noise;
                if mixed(bits).is_multiple_of(200) {
                    *height = 0.0;
                    *ok = false;
                }
            }
        }
        HeightMap::new(heights, valid, None).map(|map| (map, None)).map_err(|e| e.to_string())
    }
}

/// Prints when each step begins; ends the stitch after so many seconds.
struct Told(Instant, std::sync::Mutex<String>, f64);

impl Progress for Told {
    fn at(&self, fraction: f64, step: &str) {
        if let Ok(mut last) = self.1.lock()
            && *last != step
        {
            eprintln!(
                "{:8.1} s {:3.0} % {step}, {:.0} MiB",
                self.0.elapsed().as_secs_f64(),
                100.0 * fraction,
                peak_mib()
            );
            step.clone_into(&mut last);
        }
    }

    fn cancelled(&self) -> bool {
        self.0.elapsed().as_secs_f64() > self.2
    }
}

fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("0");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [nx, ny, rows, columns, folder, mib, more @ ..] = &arguments[..] else {
        return Err("large COUNT_X COUNT_Y ROWS COLUMNS FOLDER MIB [robust|plain [CANCEL_AFTER_S]]".into());
    };
    let source = Simulated::new((nx.parse()?, ny.parse()?), (rows.parse()?, columns.parse()?));
    let bytes = mib.parse::<u64>()? << 20;
    let robust = more.first().is_some_and(|m| m == "robust");
    let options = Options { robust, scratch: Some(Scratch { folder: folder.into(), bytes }), ..Options::default() };
    let estimate = estimate_source_bytes(&source, &options) >> 20;
    let pixels = source.len() * source.shape.0 * source.shape.1;
    let start = Instant::now();
    let ends = more.get(1).map_or(Ok(f64::INFINITY), |seconds| seconds.parse())?;
    let result = stitch_source(&source, &options, &Told(start, std::sync::Mutex::default(), ends));
    if matches!(result, Err(StitchError::Cancelled)) {
        println!("cancelled at {ends} s, ended {:.2} s later", start.elapsed().as_secs_f64() - ends);
        return Ok(());
    }
    let tiles = result?;
    let seconds = start.elapsed().as_secs_f64();
    let peak = peak_mib();
    // Rms of the difference to the truth at a sample of rows, after the mean of the row: enough to see that all is well.
    let (mut squares, mut number) = (0.0, 0.0);
    let (map_rows, map_columns) = tiles.shape();
    let along = wave(map_columns, 0, 0.017);
    for row in (0..map_rows).step_by((map_rows / 16).max(1)) {
        let tile = tiles.rows(row..row + 1)?;
        let down = (row as f64 * 0.013).sin();
        let values = tile.height.heights_nm().iter().zip(tile.height.valid()).zip(&along).filter(|((_, v), _)| **v);
        let left: Vec<f64> = values.map(|((h, _), a)| h - 10.0 * down * a).collect();
        // Neighbours: what is slow (power, tilt) drops out.
        squares += left.windows(2).map(|w| (w[1] - w[0]) * (w[1] - w[0]) / 2.0).sum::<f64>();
        number += left.len() as f64 - 1.0;
    }
    println!(
        "{} maps {rows}x{columns} = {:.1} Mpx, map {map_rows}x{map_columns}: {seconds:.1} s ({:.1} ns/px), {} iterations, peak {peak:.0} MiB \
         (estimate in memory {estimate} MiB), noise {:?}, error of neighbours {:.4} nm, digest {}",
        source.len(),
        pixels as f64 * 1e-6,
        seconds * 1e9 / pixels as f64,
        tiles.iterations,
        tiles.noise_nm,
        (squares / number).sqrt(),
        tiles.digest()?
    );
    Ok(())
}
