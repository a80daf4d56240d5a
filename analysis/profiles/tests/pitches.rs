//! Self-calibration from several pitches, with a planted instrument error.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stitchbox_profiles::{MultiPitch, PlacedProfile, ProfilesError, SelfCalibrated, calibrate_pitches};
use stitchbox_surface::quantity::Angle;
use stitchbox_surface::{Profile, ProfileKind};

/// A mirror with 10 mrad of total slope: 500 mm long, with figure errors of some microradian.
fn mirror(x: f64) -> f64 {
    20.0 * (x - 250.0) + 3.0 * libm::sin(0.05 * x) + 0.8 * libm::sin(0.31 * x + 1.0)
}

/// 200 nrad with a period of 300 urad (of a detector's pixels, say), and a smooth part (an optic's distortion).
fn instrument(angle: f64) -> f64 {
    let far = angle / 5000.0;
    0.2 * libm::sin(2.0 * std::f64::consts::PI * angle / 300.0) + 0.15 * far * far * far + 0.1 * libm::cos(2.2 * far)
}

fn measured(pitches: &[f64], shifts: &[f64], sigma: f64, seed: u64) -> Vec<PlacedProfile> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut noise = move || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
    let of = |(pitch, shift): (&f64, &f64)| {
        let u: Vec<f64> = (0..=500).map(f64::from).collect();
        let value = |u: &f64| {
            let angle = mirror(u + shift) + pitch;
            angle + instrument(angle) + sigma * noise()
        };
        let values: Vec<f64> = u.iter().map(value).collect();
        let mut profile = Profile::new(&u, &values, ProfileKind::SlopeUrad).unwrap();
        profile.name = format!("pitch {pitch}");
        PlacedProfile { profile, x_mm: *shift }
    };
    pitches.iter().zip(shifts).map(of).collect()
}

/// Rms of (found - mirror), microradian, without what is declared: a constant and a multiple of the slopes.
fn error(x: &[f64], found: &[f64]) -> (f64, Vec<f64>) {
    let truth: Vec<f64> = x.iter().map(|x| mirror(*x)).collect();
    let n = x.len() as f64;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let d: Vec<f64> = found.iter().zip(&truth).map(|(f, t)| f - t).collect();
    let (md, mt) = (mean(&d), mean(&truth));
    let along = d.iter().zip(&truth).map(|(d, t)| (d - md) * (t - mt)).sum::<f64>()
        / truth.iter().map(|t| (t - mt) * (t - mt)).sum::<f64>();
    let left: Vec<f64> = d.iter().zip(&truth).map(|(d, t)| d - md - along * (t - mt)).collect();
    ((left.iter().map(|l| l * l).sum::<f64>() / n).sqrt(), left)
}

/// The mean of the profiles, each about its own mean: what one does without calibration.
fn plain(series: &[PlacedProfile]) -> f64 {
    let n = series.len() as f64;
    let x = &series[0].profile.x_mm;
    let mean: Vec<f64> = (0..x.len()).map(|i| series.iter().map(|p| p.profile.values[i]).sum::<f64>() / n).collect();
    error(x, &mean).0
}

/// Differences that share no divisor, up to 2 mrad.
const PITCHES: [f64; 7] = [0.0, 83.0, 217.0, 434.0, 811.0, 1327.0, 2011.0];

fn calibrated(series: &[PlacedProfile]) -> SelfCalibrated {
    let options = MultiPitch { knot_spacing: Some(Angle::new(75.0)), ..MultiPitch::default() };
    calibrate_pitches(series, &options).unwrap()
}

#[test]
fn five_pitches_and_more_tell_the_mirror_from_the_instrument() {
    for (count, least) in [(5, 8.0), (7, 8.0)] {
        let series = measured(&PITCHES[..count], &[0.0; 7][..count], 0.01, 1);
        let found = calibrated(&series);
        let (after, left) = error(&found.profile.x_mm, &found.profile.values);
        let before = plain(&series);
        println!(
            "{count} pitches: {:.1} nrad without calibration, {:.1} nrad with it ({:.1}x); noise floor {:.1} nrad, {} steps",
            1e3 * before,
            1e3 * after,
            before / after,
            10.0 / (count as f64).sqrt(),
            found.steps
        );
        assert!(before / after > least, "{before} {after}");
        let u = found.uncertainty.as_ref().unwrap();
        let inside = left.iter().zip(u).filter(|(l, u)| l.abs() <= 2.0 * **u).count() as f64 / u.len() as f64;
        assert!((0.92..0.99).contains(&inside), "{inside}");
        assert!((found.noise.unwrap() / 0.01 - 1.0).abs() < 0.06, "{:?}", found.noise);
    }
}

#[test]
fn without_noise_what_is_left_is_the_spline() {
    let series = measured(&PITCHES, &[0.0; 7], 0.0, 1);
    let found =
        calibrate_pitches(&series, &MultiPitch { knot_spacing: Some(Angle::new(40.0)), ..MultiPitch::default() });
    let found = found.unwrap();
    let (after, _) = error(&found.profile.x_mm, &found.profile.values);
    assert!(after < 1e-3, "{after} urad against {}", plain(&series));
    // Pitches come back up to the common factor.
    let factor = (found.pitches_urad[6] - found.pitches_urad[0]) / 2011.0;
    assert!((factor - 1.0).abs() < 1e-3);
    for (t, truth) in found.pitches_urad.iter().zip(PITCHES) {
        assert!((t - found.pitches_urad[0] - factor * truth).abs() < 5e-3, "{t} {truth}");
    }
    assert!(found.pitches_urad.iter().sum::<f64>().abs() < 1e-9);
    // The instrument's error: the same up to a line.
    let angles: Vec<f64> = (0..100).map(|i| -4500.0 + 100.0 * f64::from(i)).collect();
    let differences: Vec<f64> = angles.iter().map(|a| found.error.at(*a) - instrument(*a)).collect();
    let n = angles.len() as f64;
    let (ma, md) = (angles.iter().sum::<f64>() / n, differences.iter().sum::<f64>() / n);
    let along = angles.iter().zip(&differences).map(|(a, d)| (a - ma) * (d - md)).sum::<f64>()
        / angles.iter().map(|a| (a - ma) * (a - ma)).sum::<f64>();
    let worst = angles.iter().zip(&differences).map(|(a, d)| (d - md - along * (a - ma)).abs()).fold(0.0, f64::max);
    assert!(worst < 6e-3, "{worst}");
    assert!(found.residual_rms < 1e-3 && found.steps < 15, "{} {}", found.residual_rms, found.steps);
    assert_eq!(found.non_observable.iter().map(|n| n.term.as_str()).collect::<Vec<_>>(), ["1", "s"]);
}

#[test]
fn shifts_help_where_pitches_are_few() {
    // Three pitches alone, and three pitches each at three shifts.
    let pitches = [0.0, 83.0, 217.0];
    let few = measured(&pitches, &[0.0; 3], 0.01, 2);
    let nine: Vec<f64> = pitches.iter().flat_map(|p| [*p, p + 5.0, p + 11.0]).collect();
    let shifts = [0.0, 7.0, 19.0, 3.0, 0.0, 12.0, 31.0, 5.0, 0.0];
    let many = measured(&nine, &shifts, 0.01, 2);
    let of = |series: &[PlacedProfile]| {
        let found = calibrated(series);
        error(&found.profile.x_mm, &found.profile.values).0
    };
    assert!(of(&many) < of(&few));
}

#[test]
fn equal_pitches_are_named_and_heights_refused() {
    let series = measured(&[0.0, 300.0, 600.0, 1200.0], &[0.0; 4], 0.01, 3);
    assert!(calibrated(&series).warnings.iter().any(|w| w.code == "equal-pitches"));
    assert!(calibrated(&measured(&PITCHES, &[0.0; 7], 0.01, 3)).warnings.is_empty());
    let mut heights = series.clone();
    heights[0].profile.kind = ProfileKind::HeightNm;
    assert!(matches!(calibrate_pitches(&heights, &MultiPitch::default()), Err(ProfilesError::NotSlopes { .. })));
    assert!(matches!(calibrate_pitches(&series[..2], &MultiPitch::default()), Err(ProfilesError::TooFew { .. })));
    let fine = MultiPitch { knot_spacing: Some(Angle::new(1e-3)), ..MultiPitch::default() };
    assert!(matches!(calibrate_pitches(&series, &fine), Err(ProfilesError::TooLarge { .. })));
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let series = measured(&PITCHES, &[0.0, 3.0, 0.0, 0.0, 8.5, 0.0, 1.0], 0.01, 3);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| calibrated(&series))
    };
    assert_eq!(with(1), with(3));
}
