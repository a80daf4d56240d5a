//! The error bars against the truth, over 20 seeds of each geometry: after the declared shapes are taken off, 94 to 97 % of the
//! valid pixels lie within two standard uncertainties, whatever the number of overlaps, and the long waves and the
//! correctors err as much as they are said to. Full-size cases: `cargo run --release -p stitchbox-simulate --example coverage`.

mod support;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stitchbox_stitch::{Options, Reference, Stitched, stitch};
use support::{Null, PIXEL_MM, Plan, residual};

const SEEDS: u64 = 20;

/// Sums over the seeds.
#[derive(Default)]
struct Tally {
    within: [f64; 5],
    pixels: [f64; 5],
    bins: Vec<f64>,
    pitches: Vec<f64>,
    noise: Vec<f64>,
}

impl Tally {
    fn add(&mut self, plan: &Plan, result: &Stitched, null: Null, period: Option<usize>) {
        let x0 = result.x0_mm / PIXEL_MM;
        let mut errors = residual(&result.height, null, |row, column| plan.truth(column as f64 + x0, row as f64));
        if let Some(period) = period {
            let mut sums = std::collections::HashMap::new();
            for (row, column, error) in &errors {
                let (sum, count) = sums.entry((*row, column % period)).or_insert((0.0, 0.0));
                (*sum, *count) = (*sum + error, *count + 1.0);
            }
            for (row, column, error) in &mut errors {
                let (sum, count) = sums[&(*row, *column % period)];
                *error -= sum / count;
            }
        }
        let uncertainty = result.uncertainty_nm.as_ref().unwrap();
        let profile = result.profile_covariance.as_ref().unwrap();
        let mut bins = vec![(0.0, 0.0); profile.columns.len() - 1];
        for (row, column, error) in errors {
            let class = usize::from(result.overlap[[row, column]]).min(4);
            for class in [0, class] {
                self.pixels[class] += 1.0;
                self.within[class] += f64::from(u8::from(error.abs() <= 2.0 * uncertainty[[row, column]]));
            }
            let bin = profile.columns.partition_point(|c| *c <= column) - 1;
            bins[bin] = (bins[bin].0 + error, bins[bin].1 + 1.0);
        }
        for (bin, (sum, count)) in bins.iter().enumerate() {
            self.bins.push(sum / count / profile.covariance_nm2[[bin, bin]].sqrt());
        }
        self.noise.push(result.noise_nm.unwrap());
    }

    fn percent(&self, class: usize) -> f64 {
        100.0 * self.within[class] / self.pixels[class]
    }

    fn check(&self, name: &str, bins: std::ops::Range<f64>) {
        let chi = rms(&self.bins);
        println!(
            "{name}: {:.2} %, n = 1: {:.2}, 2: {:.2}, 3: {:.2}, 4+: {:.2}; bins {chi:.3}, pitch {:.3}",
            self.percent(0),
            self.percent(1),
            self.percent(2),
            self.percent(3),
            self.percent(4),
            rms(&self.pitches)
        );
        assert!((94.0..97.0).contains(&self.percent(0)), "{name}: {}", self.percent(0));
        for class in (1..5).filter(|class| self.pixels[*class] > 20_000.0) {
            assert!((93.0..97.5).contains(&self.percent(class)), "{name}, {class} overlaps: {}", self.percent(class));
        }
        assert!(bins.contains(&chi), "{name}: chi of the profile {chi}");
    }
}

fn rms(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

fn scan(count: usize, width: usize, low: usize, high: usize, seed: u64) -> Plan {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut x = vec![0];
    for k in 1..count {
        x.push(x[k - 1] + rng.random_range(low..=high));
    }
    Plan { seed, ..Plan::x_scan((30, width), &x) }
}

fn tally(options: &Options, null: Null, period: Option<usize>, plan: impl Fn(u64) -> Plan) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..SEEDS {
        let plan = plan(seed);
        let result = stitch(&plan.series(), options, &()).unwrap();
        tally.add(&plan, &result, null, period);
        if null != Null::Quadratic {
            tally.add_pitches(&plan, &result);
        }
    }
    tally
}

impl Tally {
    /// Second differences of the pitch errors do not know a pitch that is constant or grows with x: nothing declared is in
    /// them. They are compared with differences of independent errors only roughly, for the errors are not.
    fn add_pitches(&mut self, plan: &Plan, result: &Stitched) {
        let quiet = Plan { noise_nm: 0.0, dropouts: 0.0, ..plan.clone() };
        let series = quiet.series();
        let (_, columns) = plan.shape;
        let mut errors = Vec::new();
        for (k, (placed, corrector)) in series.iter().zip(&result.correctors).enumerate() {
            let flat = |column: usize| {
                placed.sub_aperture.map.heights_nm()[[0, column]]
                    - quiet.truth(plan.x_px[k] + column as f64, plan.y_px[k])
                    - quiet.reference(0, column)
            };
            let pitch = (flat(columns - 1) - flat(0)) / ((columns - 1) as f64 * PIXEL_MM);
            errors.push((
                plan.x_px[k],
                corrector.pitch_nm_per_mm - pitch,
                corrector.uncertainty.unwrap().pitch_nm_per_mm,
            ));
        }
        // What is linear in x goes: constant (tilt) and power.
        let n = errors.len() as f64;
        let mean = |f: &dyn Fn(&(f64, f64, f64)) -> f64| errors.iter().map(f).sum::<f64>() / n;
        let (x, e) = (mean(&|p| p.0), mean(&|p| p.1));
        let slope = mean(&|p| (p.0 - x) * (p.1 - e)) / mean(&|p| (p.0 - x) * (p.0 - x));
        self.pitches.extend(errors.iter().map(|p| (p.1 - e - slope * (p.0 - x)) / p.2));
    }
}

fn plain() -> Options {
    Options { robust: false, ..Options::default() }
}

#[test]
fn random_steps_along_x() {
    let tally = tally(&plain(), Null::XScan, None, |seed| scan(20, 200, 40, 60, seed));
    tally.check("B", 0.8..1.25);
    let pitch = rms(&tally.pitches);
    assert!((0.75..1.3).contains(&pitch), "{pitch}");
    let noise = tally.noise.iter().sum::<f64>() / tally.noise.len() as f64;
    assert!((noise - 0.5).abs() < 0.001, "the degrees of freedom are counted: {noise} nm");
}

#[test]
fn rejection_leaves_the_error_bars_right() {
    let options = Options { robust: true, ..plain() };
    let tally = tally(&options, Null::XScan, None, |seed| scan(20, 200, 40, 60, seed));
    tally.check("B robust", 0.8..1.25);
}

#[test]
fn equal_steps() {
    tally(&plain(), Null::XScan, Some(50), |seed| scan(20, 200, 50, 50, seed)).check("A", 0.75..1.25);
}

#[test]
fn a_scan_in_both_directions() {
    let plan = |seed: u64| {
        let mut plan = scan(20, 200, 40, 60, seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed + 99);
        let second: Vec<f64> = plan.x_px[..10].iter().map(|x| x + f64::from(rng.random_range(0..9u8))).collect();
        plan.x_px.splice(10.., second);
        plan.y_px = (0..20).map(|k| f64::from(rng.random_range(0..4u8)) + if k < 10 { 0.0 } else { 10.0 }).collect();
        plan.y_px[0] = 0.0;
        plan
    };
    tally(&plain(), Null::Quadratic, None, plan).check("C", 0.8..1.25);
}

#[test]
fn positions_between_pixels() {
    let plan = |seed: u64| {
        let mut plan = scan(20, 200, 40, 60, seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed + 77);
        plan.x_px.iter_mut().skip(1).for_each(|x| *x += rng.random_range(-0.5..0.5));
        plan
    };
    let tally = tally(&plain(), Null::XScan, None, plan);
    tally.check("D", 0.8..1.35);
    let noise = tally.noise.iter().sum::<f64>() / tally.noise.len() as f64;
    // Data that are resampled to whole pixels are smoother than as measured.
    assert!((0.44..0.51).contains(&noise), "{noise} nm");
}

#[test]
fn a_reference_that_is_known_or_smooth() {
    let flat = |seed| Plan { reference_nm: 0.0, ..scan(20, 200, 40, 60, seed) };
    let options = Options { reference: Reference::None, ..plain() };
    tally(&options, Null::Plane, None, flat).check("known", 0.8..1.25);
    let options = Options { reference: Reference::Smooth, ..plain() };
    tally(&options, Null::XScan, None, flat).check("smooth", 0.8..1.3);
}

#[test]
fn few_sub_apertures() {
    for count in [4, 6, 8] {
        let tally = tally(&plain(), Null::XScan, None, |seed| scan(count, 200, 40, 70, seed));
        tally.check(&format!("{count} sub-apertures"), 0.75..1.3);
    }
}

/// One geometry, many patterns of noise: the long waves closely. `cargo test --test coverage -- --ignored`
#[test]
#[ignore = "a minute: 300 stitches"]
fn long_waves_closely() {
    let mut tally = Tally::default();
    for seed in 0..300 {
        let plan = Plan { seed, ..scan(20, 200, 40, 60, 5) };
        let result = stitch(&plan.series(), &plain(), &()).unwrap();
        tally.add(&plan, &result, Null::XScan, None);
        tally.add_pitches(&plan, &result);
    }
    tally.check("B, one geometry", 0.9..1.1);
}
