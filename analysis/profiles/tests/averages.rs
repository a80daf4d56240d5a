//! Averages of scans of a planted line.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stitchbox_profiles::{Averaging, average_scans};
use stitchbox_surface::quantity::Angle;
use stitchbox_surface::{Profile, ProfileKind};

struct Noise(ChaCha8Rng);

impl Noise {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Nearly normal, variance 1.
    fn next(&mut self) -> f64 {
        (0..12).map(|_| self.0.random::<f64>()).sum::<f64>() - 6.0
    }
}

fn named(name: &str, x: &[f64], values: &[f64], kind: ProfileKind) -> Profile {
    let mut profile = Profile::new(x, values, kind).unwrap();
    profile.name = name.into();
    profile
}

fn rms(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(s, n), v| (s + v * v, n + 1.0));
    (sum / n).sqrt()
}

/// What the least-squares polynomial of a degree leaves, by Gram-Schmidt.
fn without(values: &[f64], x: &[f64], degree: usize) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (low, high) = (x[0], x[x.len() - 1]);
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let mut left = values.to_vec();
    for power in 0..=degree {
        let unit = |x: &f64| (2.0 * (x - low) / (high - low) - 1.0).powi(power as i32);
        let mut column: Vec<f64> = x.iter().map(unit).collect();
        for other in basis.iter().chain(&basis) {
            let part = dot(&column, other);
            column.iter_mut().zip(other).for_each(|(c, o)| *c -= part * o);
        }
        let length = dot(&column, &column).sqrt();
        column.iter_mut().for_each(|c| *c /= length);
        let part = dot(&left, &column);
        left.iter_mut().zip(&column).for_each(|(l, c)| *l -= part * c);
        basis.push(column);
    }
    left
}

fn slope(x: f64) -> f64 {
    30.0 * libm::sin(0.11 * x) + 8.0 * libm::cos(0.9 * x + 0.3) + 0.5 * x
}

#[test]
fn a_scan_that_disagrees_is_left_out_and_drift_is_forgiven() {
    let x: Vec<f64> = (0..80).map(f64::from).collect();
    let mut noise = Noise::new(1);
    let mut scan = |name: &str, offset: f64, drift: f64, bump: f64| {
        let value = |x: &f64| {
            let bump = if *x > 40.0 && *x < 50.0 { bump } else { 0.0 };
            slope(*x) + offset + drift * x + bump + 0.02 * noise.next()
        };
        named(name, &x, &x.iter().map(value).collect::<Vec<_>>(), ProfileKind::SlopeUrad)
    };
    let forward = [
        scan("f1", 0.0, 0.0, 0.0),
        scan("f2", 3.0, 0.01, 0.0),
        scan("f3", -1.0, 0.0, 2.0),
        scan("f4", 0.0, -0.01, 0.0),
    ];
    let backward = [scan("b1", 1.0, 0.0, 0.0), scan("b2", 1.0, 0.0, 0.0), scan("b3", 0.0, 0.0, 0.0)];
    let mean = average_scans(&forward, &backward, &Averaging::default()).unwrap();
    assert_eq!(mean.kept, 6);
    assert_eq!(mean.excluded.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["f3"]);
    assert!(mean.warnings.is_empty());
    let error: Vec<f64> = mean.profile.values.iter().zip(&x).map(|(v, x)| v - slope(*x)).collect();
    assert!(rms(without(&error, &x, 1).into_iter()) < 0.02);
    // Offsets of the kept: forward (0 + 3 + 0) / 3, backward 2 / 3; the mean of the two.
    let offset = error.iter().sum::<f64>() / 80.0;
    assert!((offset - (1.0 + 2.0 / 3.0) / 2.0).abs() < 0.01, "{offset}");
    assert!(mean.direction_rms.unwrap() < 0.03);
    // Without detrending the drift is judged too.
    let strict = Averaging { detrend_degree: 0, ..Averaging::default() };
    assert!(average_scans(&forward, &backward, &strict).unwrap().excluded.len() > 1);
    // Two scans alone: none is wrong more than the other.
    let two = average_scans(&[forward[0].clone(), forward[2].clone()], &[], &Averaging::default()).unwrap();
    assert_eq!((two.kept, two.warnings[0].code.as_str()), (2, "scans-disagree"));
    let loose = Averaging { slope_limit: Angle::new(1e3), ..Averaging::default() };
    assert_eq!(average_scans(&forward, &backward, &loose).unwrap().kept, 7);
}

#[test]
fn short_scans_do_not_look_better_for_their_polynomial() {
    // Of 8 points a cubic takes half of the scatter: 0.02 / sqrt 4 for each mean, over many of them.
    let x: Vec<f64> = (0..8).map(f64::from).collect();
    let mut noise = Noise::new(5);
    let options = Averaging { detrend_degree: 3, ..Averaging::default() };
    let mut squares = 0.0;
    for _ in 0..400 {
        let mut scan = |_| {
            let values: Vec<f64> = x.iter().map(|_| 0.02 * noise.next()).collect();
            named("scan", &x, &values, ProfileKind::SlopeUrad)
        };
        let forward: Vec<Profile> = (0..4).map(&mut scan).collect();
        let mean = average_scans(&forward, &[], &options).unwrap();
        assert_eq!(mean.kept, 4);
        squares += mean.profile.sigma.unwrap() * mean.profile.sigma.unwrap();
    }
    let sigma = (squares / 400.0f64).sqrt();
    assert!((sigma / 0.01 - 1.0).abs() < 0.04, "{sigma}");
    // A polynomial through all points leaves nothing to tell.
    let through = Averaging { detrend_degree: 7, ..Averaging::default() };
    let scan = |by: f64| named("scan", &x, &x.iter().map(|x| by * x * x).collect::<Vec<_>>(), ProfileKind::SlopeUrad);
    let mean = average_scans(&[scan(1.0), scan(1.1), scan(0.9)], &[], &through).unwrap();
    assert!(mean.uncertainty.is_empty() && mean.profile.sigma.is_none());
}

#[test]
fn the_uncertainty_of_a_mean_is_its_scatter() {
    let x: Vec<f64> = (0..400).map(f64::from).collect();
    let mut noise = Noise::new(2);
    let mut scan = |_| {
        let values: Vec<f64> = x.iter().map(|x| slope(*x) + 0.05 * noise.next()).collect();
        named("scan", &x, &values, ProfileKind::SlopeUrad)
    };
    let forward: Vec<Profile> = (0..5).map(&mut scan).collect();
    let backward: Vec<Profile> = (0..3).map(&mut scan).collect();
    let mean = average_scans(&forward, &backward, &Averaging::default()).unwrap();
    // Each direction weighs one half: 0.05 sqrt((1/5 + 1/3) / 4).
    let expected = 0.05 * ((1.0 / 5.0 + 1.0 / 3.0) / 4.0f64).sqrt();
    let sigma = mean.profile.sigma.unwrap();
    let error = rms(mean.profile.values.iter().zip(&x).map(|(v, x)| v - slope(*x)));
    assert!((sigma / expected - 1.0).abs() < 0.08, "{sigma} {expected}");
    assert!((error / expected - 1.0).abs() < 0.12, "{error} {expected}");
}
