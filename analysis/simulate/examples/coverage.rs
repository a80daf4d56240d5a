//! Do the error bars hold? Stitches many seeds of a case and prints, of all of them together, how often the map lies within
//! two standard uncertainties of the truth (all pixels, and by the number of overlaps), the chi of the mean heights
//! of stretches along x and of the correctors, and the time of a stitch.
//!
//! `cargo run --release -p stitchbox-simulate --example coverage -- B 20 robust`

use std::time::Instant;

use ndarray::Array2;
use stitchbox_simulate::score::{NullSpace, residual_nm};
use stitchbox_simulate::{Case, Parameters, Simulated, simulate};
use stitchbox_stitch::{Options, Placed, Stitched, stitch};
use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, SubAperture};

/// Counts of pixels within two standard uncertainties, and sums of squared chi.
#[derive(Default)]
struct Tally {
    within: [u64; 5],
    pixels: [u64; 5],
    squares: [f64; 5],
    bins: Vec<f64>,
    correctors: [Vec<f64>; 3],
    seconds: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let case: Case =
        arguments.first().map_or(Ok(Case::S), |text| text.parse()).unwrap_or_else(|error| panic!("{error}"));
    let seeds: u64 = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(20);
    let robust = arguments.get(2).is_some_and(|text| text == "robust");
    let mut tally = Tally::default();
    for seed in 1..=seeds {
        let simulated = simulate(&Parameters { case, seed: 1000 + seed, sigma_nm: 0.5 });
        let series = placed(&simulated);
        let begin = Instant::now();
        let options = Options { robust, ..Options::default() };
        let stitched = match stitch(&series, &options, &()) {
            Ok(stitched) => stitched,
            Err(error) => panic!("seed {seed}: {error}"),
        };
        tally.seconds += begin.elapsed().as_secs_f64();
        tally.add(&simulated, &stitched);
    }
    tally.print(case, seeds, robust);
}

impl Tally {
    fn add(&mut self, simulated: &Simulated, stitched: &Stitched) {
        let null = match simulated.parameters.case {
            Case::C => NullSpace::Quadratic,
            Case::A => NullSpace::XScan { period: Some(250) },
            _ => NullSpace::XScan { period: None },
        };
        let truth = truth_at(simulated, stitched);
        let error = residual_nm(&stitched.height, &truth, null).expect("the map is not larger than the truth");
        let uncertainty = stitched.uncertainty_nm.as_ref().expect("a redundant series has error bars");
        for (at, error_nm) in error.heights_nm().indexed_iter().filter(|(at, _)| error.valid()[*at]) {
            let chi = error_nm / uncertainty[at];
            for class in [0, usize::from(stitched.overlap[at].clamp(1, 4))] {
                self.pixels[class] += 1;
                self.within[class] += u64::from(chi.abs() <= 2.0);
                self.squares[class] += chi * chi;
            }
        }
        let profile = stitched.profile_covariance.as_ref().expect("error bars of the profile");
        for (bin, edges) in profile.columns.windows(2).enumerate() {
            let (mut sum, mut count) = (0.0, 0.0);
            for column in edges[0]..edges[1] {
                for row in 0..error.shape().0 {
                    if error.valid()[[row, column]] {
                        sum += error.heights_nm()[[row, column]];
                        count += 1.0;
                    }
                }
            }
            let variance = profile.covariance_nm2[[bin, bin]];
            if count > 0.0 && variance > 0.0 {
                self.bins.push(sum / count / variance.sqrt());
            }
        }
        self.add_correctors(simulated, stitched, &truth);
    }

    /// Errors of the correctors, less what the shapes left open carry into them (fitted to the error of the map), less a
    /// constant of each (the plane of the reference).
    fn add_correctors(&mut self, simulated: &Simulated, stitched: &Stitched, truth: &Array2<f64>) {
        let (rows, columns) = stitched.height.shape();
        let pixel = simulated.pixel_mm;
        let mm = |row: usize, column: usize| {
            ((column as f64 - (columns as f64 - 1.0) / 2.0) * pixel, (row as f64 - (rows as f64 - 1.0) / 2.0) * pixel)
        };
        let mut normal = vec![0.0; 36];
        let mut right = vec![0.0; 6];
        for ((row, column), height) in stitched.height.heights_nm().indexed_iter() {
            if stitched.height.valid()[[row, column]] {
                let (x, y) = mm(row, column);
                let shapes = [1.0, x, y, x * x, x * y, y * y];
                for i in 0..6 {
                    right[i] += shapes[i] * (height - truth[[row, column]]);
                    for j in 0..6 {
                        normal[i * 6 + j] += shapes[i] * shapes[j];
                    }
                }
            }
        }
        let q = eliminate(normal, right);
        let (sub_rows, sub_columns) = simulated.sub_apertures[0].shape();
        let mut errors: [Vec<f64>; 3] = Default::default();
        for (k, c) in stitched.correctors.iter().enumerate() {
            let x = (simulated.x_px[k] + (sub_columns as f64 - 1.0) / 2.0 - (columns as f64 - 1.0) / 2.0) * pixel;
            let y = (simulated.y_px[k] + (sub_rows as f64 - 1.0) / 2.0 - (rows as f64 - 1.0) / 2.0) * pixel;
            let carried = q[0] + q[1] * x + q[2] * y + q[3] * x * x + q[4] * x * y + q[5] * y * y;
            errors[0].push(c.piston_nm - simulated.piston_nm[k] + carried);
            errors[1].push(c.pitch_nm_per_mm - simulated.pitch_nm_per_mm[k] + q[1] + 2.0 * q[3] * x + q[4] * y);
            errors[2].push(c.roll_nm_per_mm - simulated.roll_nm_per_mm[k] + q[2] + q[4] * x + 2.0 * q[5] * y);
        }
        for (term, errors) in errors.iter().enumerate() {
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            for (error, c) in errors.iter().zip(&stitched.correctors) {
                let u = c.uncertainty.expect("error bars of the correctors");
                let u = [u.piston_nm, u.pitch_nm_per_mm, u.roll_nm_per_mm][term];
                self.correctors[term].push((error - mean) / u);
            }
        }
    }

    fn print(&self, case: Case, seeds: u64, robust: bool) {
        let percent = |class: usize| 100.0 * self.within[class] as f64 / self.pixels[class].max(1) as f64;
        let chi = |class: usize| (self.squares[class] / self.pixels[class].max(1) as f64).sqrt();
        let rms = |values: &[f64]| (values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64).sqrt();
        let classes: Vec<String> = (0..5).map(|class| format!("{:5.2} ({:.3})", percent(class), chi(class))).collect();
        println!(
            "{case} {seeds} seeds{}: within 2u, % (chi): all {}, n = 1 {}, 2 {}, 3 {}, 4+ {}; chi of bins {:.3}, piston {:.3}, \
             pitch {:.3}, roll {:.3}; {:.3} s each",
            if robust { " robust" } else { "" },
            classes[0],
            classes[1],
            classes[2],
            classes[3],
            classes[4],
            rms(&self.bins),
            rms(&self.correctors[0]),
            rms(&self.correctors[1]),
            rms(&self.correctors[2]),
            self.seconds / seeds as f64
        );
    }
}

/// The mirror at the pixels of the map, whose column 0 may lie between those of the mirror: cubic interpolation.
fn truth_at(simulated: &Simulated, stitched: &Stitched) -> Array2<f64> {
    let (truth, (rows, columns)) = (&simulated.truth_nm, stitched.height.shape());
    let first = stitched.x0_mm / simulated.pixel_mm;
    let t = first - first.floor();
    let taps = if !(1e-6..=1.0 - 1e-6).contains(&t) {
        [0.0, 1.0, 0.0, 0.0]
    } else {
        let (a, b, c) = (t + 1.0, 1.0 - t, 2.0 - t);
        [-t * b * c / 6.0, a * b * c / 2.0, a * t * c / 2.0, -a * t * b / 6.0]
    };
    let base = if t > 1.0 - 1e-6 { first.round() } else { first.floor() } as isize;
    let last = truth.ncols() as isize - 1;
    Array2::from_shape_fn((rows, columns), |(row, column)| {
        let at = |i: usize| truth[[row, (base + column as isize + i as isize - 1).clamp(0, last) as usize]];
        (0..4).map(|i| taps[i] * at(i)).sum()
    })
}

/// Gaussian elimination with diagonal pivots (symmetric positive definite equations, six of them).
fn eliminate(mut a: Vec<f64>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for pivot in 0..n {
        for row in (0..n).filter(|row| *row != pivot) {
            let factor = a[row * n + pivot] / a[pivot * n + pivot];
            for column in 0..n {
                a[row * n + column] -= factor * a[pivot * n + column];
            }
            b[row] -= factor * b[pivot];
        }
    }
    (0..n).map(|i| b[i] / a[i * n + i]).collect()
}

fn placed(simulated: &Simulated) -> Vec<Placed> {
    let one = |(k, map): (usize, &HeightMap)| Placed {
        sub_aperture: SubAperture {
            name: format!("sub_{:02}", k + 1),
            map: map.clone(),
            window: DetectorWindow { column: 0, row: 0 },
            position_mm: None,
            intensity: None,
            instrument: Instrument::default(),
        },
        x_mm: simulated.x_px[k] * simulated.pixel_mm,
        y_mm: simulated.y_px[k] * simulated.pixel_mm,
    };
    simulated.sub_apertures.iter().enumerate().map(one).collect()
}
