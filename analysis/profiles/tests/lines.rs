//! Profiles with a planted truth: chains, global stitching against written-out least squares.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stitchbox_profiles::{
    Averaging, Interpolation, PlacedProfile, ProfileMethod, ProfileReference, ProfileStitching, ProfilesError,
    StitchedProfile, average_scans, stitch_profiles,
};
use stitchbox_surface::quantity::Length;
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

/// Scans of `length` points with step 1 mm, at the given places, each with constant and tilt and an instrument error.
fn scans(
    places: &[f64],
    length: usize,
    kind: ProfileKind,
    (tilt, sigma): (f64, f64),
    reference: impl Fn(f64) -> f64,
    noise: &mut Noise,
) -> Vec<PlacedProfile> {
    let of = |(k, place): (usize, &f64)| {
        let u: Vec<f64> = (0..length).map(|i| i as f64).collect();
        let lean = tilt * libm::cos(2.0 * k as f64);
        let value = |u: &f64| {
            slope(u + place) + 20.0 * libm::sin(3.0 * k as f64) + lean * u + reference(*u) + sigma * noise.next()
        };
        let values: Vec<f64> = u.iter().map(value).collect();
        PlacedProfile { profile: named(&format!("scan {k}"), &u, &values, kind), x_mm: *place }
    };
    places.iter().enumerate().map(of).collect()
}

fn error(stitched: &StitchedProfile, degree: usize) -> Vec<f64> {
    let x = &stitched.profile.x_mm;
    let difference: Vec<f64> = stitched.profile.values.iter().zip(x).map(|(v, x)| v - slope(*x)).collect();
    without(&difference, x, degree)
}

fn none(_: f64) -> f64 {
    0.0
}

#[test]
fn without_redundancy_chained_and_global_are_the_same() {
    for (kind, tilt) in [(ProfileKind::SlopeUrad, 0.0), (ProfileKind::HeightNm, 0.4)] {
        // Overlaps of 12, 10 and 14 of 40 points: only neighbours meet.
        let series = scans(&[0.0, 28.0, 58.0, 84.0], 40, kind, (tilt, 0.3), none, &mut Noise::new(3));
        let of = |method| stitch_profiles(&series, &ProfileStitching { method, ..Default::default() }).unwrap();
        let (chained, global) = (of(ProfileMethod::Chained), of(ProfileMethod::Global));
        assert_eq!((chained.profile.len(), chained.profile.x_mm[0]), (124, 0.0));
        for (a, b) in chained.profile.values.iter().zip(&global.profile.values) {
            assert!((a - b).abs() < 1e-9, "{kind:?}: {a} {b}");
        }
        assert!((chained.noise.unwrap() - global.noise.unwrap()).abs() < 1e-9);
        let terms: Vec<&str> = global.non_observable.iter().map(|n| n.term.as_str()).collect();
        assert_eq!(terms, if kind == ProfileKind::SlopeUrad { vec!["1"] } else { vec!["1", "x"] });
        assert!(rms(error(&global, 1).into_iter()) < 1.0);
    }
}

#[test]
fn without_noise_mirror_and_instrument_come_back() {
    let instrument = |u: f64| 2.0 * libm::sin(0.7 * u) + 0.002 * u * u * u / 30.0;
    let places = [0.0, 7.0, 18.0, 23.0, 37.0, 42.0, 55.0];
    for (kind, tilt, free) in [(ProfileKind::SlopeUrad, 0.0, 1), (ProfileKind::HeightNm, 0.3, 2)] {
        let series = scans(&places, 40, kind, (tilt, 0.0), instrument, &mut Noise::new(4));
        let options = ProfileStitching { reference: ProfileReference::Pixelwise, ..Default::default() };
        let stitched = stitch_profiles(&series, &options).unwrap();
        assert!(rms(error(&stitched, free).into_iter()) < 1e-8, "{kind:?}");
        let reference = stitched.reference.as_ref().unwrap();
        let left: Vec<f64> = reference.values.iter().zip(&reference.x_mm).map(|(r, u)| r - instrument(*u)).collect();
        assert!(rms(without(&left, &reference.x_mm, free).into_iter()) < 1e-8);
        // By convention the instrument has none of what is open.
        let none_open = without(&reference.values, &reference.x_mm, free);
        assert!(none_open.iter().zip(&reference.values).all(|(a, b)| (a - b).abs() < 1e-8));
        let plain = stitch_profiles(&series, &ProfileStitching::default()).unwrap();
        assert!(rms(error(&plain, free).into_iter()) > 0.3, "the instrument shows where it is not asked for");
        assert!(!stitched.warnings.iter().any(|w| w.code == "weak-overlap"), "{:?}", stitched.warnings);
    }
}

#[test]
fn the_solution_satisfies_the_normal_equations_written_out() {
    // Fractional places (linear interpolation of the instrument's error), gaps, heights with tilt: every derivative of
    // the sum of squares vanishes, computed here from the result alone.
    let places = [0.0, 7.3, 18.0, 23.6, 37.0];
    let mut series = scans(&places, 40, ProfileKind::HeightNm, (0.3, 0.5), libm::sin, &mut Noise::new(5));
    series[1].profile.x_mm.drain(10..13);
    series[1].profile.values.drain(10..13);
    let options = ProfileStitching { reference: ProfileReference::Pixelwise, ..Default::default() };
    let stitched = stitch_profiles(&series, &options).unwrap();
    let reference = stitched.reference.as_ref().unwrap();
    let middle = 19.5;
    let (mut of_mirror, mut of_nodes) = (vec![0.0; stitched.profile.len()], vec![0.0; 60]);
    let mut of_scans = vec![[0.0; 2]; places.len()];
    let mut met = 0;
    for (k, (placed, corrector)) in series.iter().zip(&stitched.correctors).enumerate() {
        for (i, (x, z)) in stitched.profile.x_mm.iter().zip(&stitched.profile.values).enumerate() {
            let Some(value) = cubic(&placed.profile, x - places[k]) else { continue };
            let u = x - places[k];
            let (node, part) = ((u + 1e-9).floor(), u - (u + 1e-9).floor());
            let at =
                |node: f64| reference.x_mm.iter().position(|x| (x - node).abs() < 1e-6).map(|i| reference.values[i]);
            let (Some(low), Some(high)) = (at(node), if part < 1e-6 { Some(0.0) } else { at(node + 1.0) }) else {
                continue;
            };
            let error = (1.0 - part) * low + part * high;
            let left = value - z - error - corrector.constant - corrector.tilt_per_mm * (u - middle);
            met += 1;
            of_mirror[i] += left;
            of_scans[k][0] += left;
            of_scans[k][1] += left * (u - middle);
            of_nodes[node as usize] += (1.0 - part) * left;
            of_nodes[node as usize + 1] += part * left;
        }
    }
    assert!(met > 180, "{met}");
    let all = of_mirror.iter().chain(of_scans.iter().flatten()).chain(&of_nodes);
    let steepest = all.fold(0.0f64, |m, v| m.max(v.abs()));
    assert!(steepest < 1e-7, "{steepest} {of_scans:?}");
}

/// The cubic through four neighbours, as documented; `None` at gaps.
fn cubic(profile: &Profile, u: f64) -> Option<f64> {
    let xs = &profile.x_mm;
    if let Some(i) = xs.iter().position(|x| (x - u).abs() < 1e-6) {
        return Some(profile.values[i]);
    }
    let left = xs.iter().rposition(|x| *x < u)?;
    if left + 1 >= xs.len() || xs[left + 1] - xs[left] > 1.5 {
        return None;
    }
    let straight = profile.values[left] + (profile.values[left + 1] - profile.values[left]) * (u - xs[left]);
    let whole = |first: &usize| first + 4 <= xs.len() && (*first..first + 3).all(|i| xs[i + 1] - xs[i] <= 1.5);
    let firsts = [left.checked_sub(1), left.checked_sub(2), Some(left)];
    let Some(first) = firsts.into_iter().flatten().find(whole) else { return Some(straight) };
    let stencil = first..first + 4;
    let weight = |i: usize| stencil.clone().filter(|j| *j != i).map(|j| (u - xs[j]) / (xs[i] - xs[j])).product::<f64>();
    Some(stencil.clone().map(|i| profile.values[i] * weight(i)).sum())
}

#[test]
fn the_uncertainty_covers_the_error_as_it_should() {
    let places = [0.0, 7.0, 18.0, 23.0, 37.0, 42.0, 55.0, 60.0];
    let instrument = |u: f64| 2.0 * libm::sin(0.7 * u);
    for (kind, tilt, reference, free) in [
        (ProfileKind::SlopeUrad, 0.0, ProfileReference::None, 0),
        (ProfileKind::SlopeUrad, 0.0, ProfileReference::Pixelwise, 1),
        (ProfileKind::HeightNm, 0.3, ProfileReference::Pixelwise, 2),
    ] {
        let (mut inside, mut all, mut squares, mut noises) = (0, 0, 0.0, 0.0);
        let runs = 60;
        for seed in 0..runs {
            let asked = reference == ProfileReference::Pixelwise;
            let truth = |u| if asked { instrument(u) } else { 0.0 };
            let series = scans(&places, 40, kind, (tilt, 0.3), truth, &mut Noise::new(100 + seed));
            let options = ProfileStitching { reference, ..Default::default() };
            let stitched = stitch_profiles(&series, &options).unwrap();
            let uncertainty = stitched.uncertainty.as_ref().unwrap();
            // What is declared is taken off the error: the mean and line that are taken off the result anyway, and for
            // an unknown reference the shape that the convention leaves in.
            for (e, u) in error(&stitched, free).iter().zip(uncertainty) {
                inside += usize::from(e.abs() <= 2.0 * u);
                all += 1;
                squares += (e / u) * (e / u);
            }
            noises += stitched.noise.unwrap() / runs as f64;
        }
        let (part, spread) =
            (f64::from(inside as u32) / f64::from(all as u32), (squares / f64::from(all as u32)).sqrt());
        assert!((noises / 0.3 - 1.0).abs() < 0.03, "{kind:?} {reference:?}: {noises}");
        // The convention's own shape is uncertain too: the error without it may be a little smaller than u.
        assert!(
            (0.935..0.985).contains(&part) && (0.8..1.05).contains(&spread),
            "{kind:?} {reference:?}: {part} {spread}"
        );
    }
}

#[test]
fn equal_shifts_are_declared_and_what_repeats_is_assumed_zero() {
    let instrument = |u: f64| [1.0, -2.0, 0.5, 0.7, -0.2][u as usize % 5] + libm::sin(0.3 * u);
    let places = [0.0, 10.0, 15.0, 25.0, 40.0, 45.0];
    let series = scans(&places, 30, ProfileKind::SlopeUrad, (0.0, 0.0), instrument, &mut Noise::new(6));
    let options = ProfileStitching { reference: ProfileReference::Pixelwise, ..Default::default() };
    let stitched = stitch_profiles(&series, &options).unwrap();
    assert!(stitched.warnings.iter().any(|w| w.code == "equal-steps"));
    assert!(stitched.non_observable.iter().any(|n| n.term == "period 5.0000 mm"), "{:?}", stitched.non_observable);
    // What repeats is in the profile; nothing else is.
    let mut left = error(&stitched, 1);
    for _ in 0..200 {
        for phase in 0..5 {
            let mean =
                left.iter().skip(phase).step_by(5).sum::<f64>() / left.iter().skip(phase).step_by(5).count() as f64;
            left.iter_mut().skip(phase).step_by(5).for_each(|l| *l -= mean);
        }
        left = without(&left, &stitched.profile.x_mm, 1);
    }
    assert!(rms(left.into_iter()) < 1e-7);
    let still = scans(&[3.0, 3.0], 30, ProfileKind::SlopeUrad, (0.0, 0.0), none, &mut Noise::new(7));
    assert_eq!(stitch_profiles(&still, &options), Err(ProfilesError::NothingMoves));
}

#[test]
fn weights_follow_the_sigmas() {
    // Two scans of the same stretch, one ten times noisier: the mean is 0.99 / 0.01.
    let x = [0.0, 1.0, 2.0, 3.0];
    let mut a = named("a", &x, &[0.0, 1.0, 0.0, -1.0], ProfileKind::SlopeUrad);
    let mut b = named("b", &x, &[5.0, 5.0, 5.0, 5.0], ProfileKind::SlopeUrad);
    (a.sigma, b.sigma) = (Some(0.1), Some(1.0));
    let series = [PlacedProfile { profile: a, x_mm: 0.0 }, PlacedProfile { profile: b, x_mm: 0.0 }];
    let stitched = stitch_profiles(&series, &ProfileStitching::default()).unwrap();
    let share = 100.0 / 101.0;
    for (v, expected) in stitched.profile.values.iter().zip([0.0, share, 0.0, -share]) {
        assert!((v - expected).abs() < 1e-12, "{v} {expected}");
    }
}

#[test]
fn a_sigma_that_makes_no_weight_is_none() {
    let x = [0.0, 1.0, 2.0, 3.0];
    let of = |name: &str, values: &[f64], sigma: f64| {
        let profile = Profile { sigma: Some(sigma), ..named(name, &x, values, ProfileKind::SlopeUrad) };
        PlacedProfile { profile, x_mm: 0.0 }
    };
    for sigma in [1e-200, 1e200, 0.0, f64::INFINITY] {
        let series = [of("a", &[0.0, 1.0, 0.0, -1.0], sigma), of("b", &[5.0; 4], 1.0)];
        let stitched = stitch_profiles(&series, &ProfileStitching::default()).unwrap();
        for (v, expected) in stitched.profile.values.iter().zip([0.0, 0.5, 0.0, -0.5]) {
            assert!((v - expected).abs() < 1e-12, "{sigma}: {v} {expected}");
        }
    }
}

#[test]
fn a_step_longer_than_the_profile_is_refused_and_no_fault_of_the_program() {
    let series = scans(&[0.0, 0.0], 20, ProfileKind::SlopeUrad, (0.0, 0.0), none, &mut Noise::new(9));
    for method in [ProfileMethod::Global, ProfileMethod::Chained] {
        for step in [100.0, 1e300] {
            let options = ProfileStitching { method, step: Some(Length::new(step)), ..Default::default() };
            let found = stitch_profiles(&series, &options);
            assert!(matches!(found, Err(ProfilesError::TooShort { points: 1, .. })), "{found:?}");
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let series = scans(&[0.0, 100.0], 20, ProfileKind::SlopeUrad, (0.0, 0.0), none, &mut Noise::new(8));
    let options = ProfileStitching::default();
    assert!(matches!(stitch_profiles(&series, &options), Err(ProfilesError::NoOverlap { .. })));
    assert!(matches!(stitch_profiles(&series[..1], &options), Err(ProfilesError::TooFew { count: 1, .. })));
    let mut mixed = series.clone();
    mixed[1].profile.kind = ProfileKind::HeightNm;
    assert!(matches!(stitch_profiles(&mixed, &options), Err(ProfilesError::KindsDiffer { .. })));
    let mut far = series.clone();
    far[1].x_mm = 1e12;
    assert!(matches!(stitch_profiles(&far, &options), Err(ProfilesError::TooLarge { .. })));
    far[1].x_mm = f64::NAN;
    assert!(matches!(stitch_profiles(&far, &options), Err(ProfilesError::BadNumber { .. })));
    let fine = ProfileStitching { step: Some(Length::new(-1.0)), ..Default::default() };
    assert!(matches!(stitch_profiles(&series, &fine), Err(ProfilesError::BadNumber { .. })));
    let chain = ProfileStitching {
        method: ProfileMethod::Chained,
        reference: ProfileReference::Pixelwise,
        interpolation: Interpolation::Linear,
        ..Default::default()
    };
    let near = scans(&[0.0, 10.0], 20, ProfileKind::SlopeUrad, (0.0, 0.0), none, &mut Noise::new(8));
    assert!(stitch_profiles(&near, &chain).is_err());
    assert!(average_scans(&[], &[], &Averaging::default()).is_err());
}

#[test]
fn a_profile_that_is_none_is_refused() {
    let good = scans(&[0.0, 10.0], 20, ProfileKind::SlopeUrad, (0.0, 0.0), none, &mut Noise::new(8));
    let spoiled: [fn(&mut Profile); 4] = [
        |p| p.values.truncate(3),
        |p| p.x_mm.swap(2, 3),
        |p| p.values[4] = f64::NAN,
        |p| (p.x_mm, p.values) = (vec![], vec![]),
    ];
    for spoil in spoiled {
        let mut bad = good.clone();
        spoil(&mut bad[1].profile);
        let refused = |result| matches!(result, Err(ProfilesError::NotAProfile { .. }));
        assert!(refused(stitch_profiles(&bad, &ProfileStitching::default()).map(|_| ())));
        let scans = [good[0].profile.clone(), bad[1].profile.clone()];
        assert!(refused(average_scans(&scans, &[], &Averaging::default()).map(|_| ())));
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let places: Vec<f64> = (0..14).map(|k| 11.0 * f64::from(k) + f64::from(k * k % 5)).collect();
    let series = scans(&places, 300, ProfileKind::HeightNm, (0.3, 0.5), libm::sin, &mut Noise::new(9));
    let options = ProfileStitching { reference: ProfileReference::Pixelwise, ..Default::default() };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| stitch_profiles(&series, &options)).unwrap()
    };
    assert_eq!(with(1), with(4));
}

#[test]
fn parameters_are_read_as_they_are_written() {
    let read: ProfileStitching =
        serde_json::from_str(r#"{"method": "chained", "step": "0.5 mm", "tilt": false}"#).unwrap();
    assert_eq!((read.method, read.step, read.tilt), (ProfileMethod::Chained, Some(Length::new(0.5)), Some(false)));
    assert!(serde_json::from_str::<ProfileStitching>(r#"{"pitch": true}"#).is_err());
    let averaging: Averaging = serde_json::from_str(r#"{"slope_limit": "200 nrad"}"#).unwrap();
    assert!((averaging.slope_limit.urad() - 0.2).abs() < 1e-15);
    assert!(serde_json::from_str::<Averaging>(r#"{"slope_limit": 0.2}"#).is_err());
}
