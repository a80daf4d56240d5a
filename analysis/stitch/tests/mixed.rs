//! Mixed stitching: measured angles and profiles determine what the overlaps leave open, with the uncertainty that they have.

mod support;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use stitchbox_stitch::{Constraint, MeasuredAngles, Options, Placed, Reference, StitchError, Stitched, stitch};
use stitchbox_surface::{Profile, ProfileKind};
use support::{PIXEL_MM, Plan, normal, solve};

/// 40 sub-apertures of 30 mm, 273 mm of travel.
fn long_scan(seed: u64) -> Plan {
    let mut x = vec![0];
    for k in 0..39 {
        x.push(x[k] + [61, 79, 66, 74, 70][(k * 7 + k / 5) % 5] - if k == 38 { 9 } else { 0 });
    }
    assert_eq!(x.last(), Some(&2730), "{x:?}");
    Plan { seed, ..Plan::x_scan((5, 300), &x) }
}

/// What the sub-apertures of `plan` tilt: pitch and roll in urad, as the series generator draws them.
fn true_angles(plan: &Plan) -> (Vec<f64>, Vec<f64>) {
    // Without mirror, reference and noise each map is its plane.
    let flat = Plan { noise_nm: 0.0, dropouts: 0.0, ..plan.clone() };
    let series = flat.series();
    let mut angles = (Vec::new(), Vec::new());
    for (k, placed) in series.iter().enumerate() {
        let plane = |row: usize, column: usize| {
            let (x, y) = (flat.x_px[k] + column as f64, flat.y_px[k] + row as f64);
            placed.sub_aperture.map.heights_nm()[[row, column]] - flat.truth(x, y) - flat.reference(row, column)
        };
        let (rows, columns) = flat.shape;
        angles.0.push((plane(0, columns - 1) - plane(0, 0)) / ((columns - 1) as f64 * PIXEL_MM));
        angles.1.push((plane(rows - 1, 0) - plane(0, 0)) / ((rows - 1) as f64 * PIXEL_MM));
    }
    angles
}

/// Angles with noise `sigma` urad and an offset of their own.
fn measured(values: &[f64], offset: f64, sigma: f64, seed: u64) -> Vec<Option<(f64, f64)>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    values.iter().map(|v| Some((v + offset + sigma * normal(&mut rng), sigma))).collect()
}

fn joined(pitch: Vec<Option<(f64, f64)>>, roll: Vec<Option<(f64, f64)>>) -> Vec<MeasuredAngles> {
    pitch.into_iter().zip(roll).map(|(pitch_urad, roll_urad)| MeasuredAngles { pitch_urad, roll_urad }).collect()
}

/// Coefficients of 1, x, y, x^2, x y, y^2 (mm from the map's centre) in map - truth.
fn error_shapes(plan: &Plan, result: &Stitched) -> Vec<f64> {
    let (rows, columns) = result.height.shape();
    let (mut matrix, mut right) = (vec![vec![0.0; 6]; 6], vec![0.0; 6]);
    for ((row, column), height) in result.height.heights_nm().indexed_iter() {
        if result.height.valid()[[row, column]] {
            let x = (column as f64 - (columns as f64 - 1.0) / 2.0) * PIXEL_MM;
            let y = (row as f64 - (rows as f64 - 1.0) / 2.0) * PIXEL_MM;
            let shapes = [1.0, x, y, x * x, x * y, y * y];
            for i in 0..6 {
                right[i] += shapes[i] * (height - plan.truth(column as f64, row as f64));
                for j in 0..6 {
                    matrix[i][j] += shapes[i] * shapes[j];
                }
            }
        }
    }
    solve(matrix, right)
}

fn plain() -> Options {
    Options { robust: false, ..Options::default() }
}

fn found<'a>(result: &'a Stitched, what: &str) -> &'a Constraint {
    result.constraints.iter().find(|c| c.what == what).unwrap_or_else(|| panic!("{what} in {:?}", result.constraints))
}

fn terms(result: &Stitched) -> Vec<&str> {
    result.non_observable.iter().map(|n| n.term.as_str()).collect()
}

#[test]
fn pitch_angles_fix_the_power_with_the_uncertainty_that_theory_gives() {
    let sigma = 0.05;
    let (mut chi, mut pixels) = (Vec::new(), Vec::new());
    for seed in 0..20 {
        let plan = long_scan(seed);
        let (pitch, roll) = true_angles(&plan);
        let angles = joined(measured(&pitch, 3.7, sigma, 100 + seed), vec![None; roll.len()]);
        let result = stitch(&plan.series(), &Options { angles, ..plain() }, &()).unwrap();
        let power = found(&result, "x^2");
        let centre = plan.x_px.iter().sum::<f64>() / plan.x_px.len() as f64;
        let squares: f64 = plan.x_px.iter().map(|x| ((x - centre) * PIXEL_MM).powi(2)).sum();
        // z = c x^2 / 2: the pitch grows by c per mm.
        let expected = sigma / squares.sqrt() / 2.0;
        assert!(
            (power.uncertainty_nm_per_mm2 / expected - 1.0).abs() < 0.02,
            "{} {expected}",
            power.uncertainty_nm_per_mm2
        );
        // Sag over the travel, facts section 3: 0.93 nm.
        let sag = 2.0 * power.uncertainty_nm_per_mm2 * 273.0f64.powi(2) / 8.0;
        assert!((sag - 0.93).abs() < 0.05, "{sag}");
        assert_eq!(power.source, "measured angles");
        assert_eq!(terms(&result), ["1", "x", "x y", "g(y)"]);
        assert!(result.warnings.is_empty(), "{:?}", result.warnings);
        chi.push(error_shapes(&plan, &result)[3] / power.uncertainty_nm_per_mm2);
        let errors = result.height.heights_nm().indexed_iter().filter(|(at, _)| result.height.valid()[*at]);
        let errors = errors.map(|((row, column), z)| ((row, column), z - plan.truth(column as f64, row as f64)));
        let uncertainty = result.uncertainty_nm.as_ref().unwrap();
        pixels.extend(without_lines(5, errors.collect()).iter().map(|(at, error)| error / uncertainty[*at]));
        // At the ends, where one sub-aperture alone would leave 0.5 nm, the power counts more than the noise.
        let at_end = rms((0..40).map(|column| uncertainty[[2, column]]).filter(|u| *u > 0.0));
        assert!(at_end > 0.8, "{at_end}");
    }
    let of_power = rms(chi.iter().copied());
    assert!((0.65..1.4).contains(&of_power), "{chi:?}");
    // The error bars of the pixels tell of the power's now.
    let of_pixels = rms(pixels.iter().copied());
    assert!((0.75..1.3).contains(&of_pixels), "{of_pixels}");
    // Without them power is missed by far more.
    let plan = long_scan(0);
    let without = error_shapes(&plan, &stitch(&plan.series(), &plain(), &()).unwrap())[3];
    assert!(without.abs() > 20.0 * 0.05 / 500.0 / 2.0, "{without}");
}

#[test]
fn roll_angles_fix_the_twist() {
    let mut chi = Vec::new();
    for seed in 0..12 {
        let plan = long_scan(seed);
        let (pitch, roll) = true_angles(&plan);
        let angles = joined(vec![None; pitch.len()], measured(&roll, -20.0, 0.5, 200 + seed));
        let result = stitch(&plan.series(), &Options { angles, ..plain() }, &()).unwrap();
        assert_eq!(terms(&result), ["1", "x", "x^2", "g(y)"]);
        let twist = found(&result, "x y");
        chi.push(error_shapes(&plan, &result)[4] / twist.uncertainty_nm_per_mm2);
    }
    let rms = rms(chi.iter().copied());
    assert!((0.55..1.5).contains(&rms), "{chi:?}");
}

/// A line at row `row` with a point every `every` px.
fn line(plan: &Plan, row: f64, every: usize, kind: ProfileKind, sigma: f64, seed: u64) -> Profile {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let last = *plan.x_px.last().unwrap() as usize + plan.shape.1;
    let x_px: Vec<f64> = (every..last - every).step_by(every).map(|x| x as f64).collect();
    let values: Vec<f64> = x_px
        .iter()
        .map(|x| {
            let value = match kind {
                ProfileKind::HeightNm => plan.truth(*x, row) + 40.0 - 0.3 * x * PIXEL_MM,
                ProfileKind::SlopeUrad => (plan.truth(x + 0.5, row) - plan.truth(x - 0.5, row)) / PIXEL_MM + 5.0,
            };
            value + sigma * normal(&mut rng)
        })
        .collect();
    let x_mm: Vec<f64> = x_px.iter().map(|x| x * PIXEL_MM).collect();
    let mut profile = Profile::new(&x_mm, &values, kind).unwrap();
    profile.name = format!("line {row}");
    profile.y_mm = Some(row * PIXEL_MM);
    profile.sigma = Some(sigma);
    profile
}

#[test]
fn a_profile_of_heights_or_slopes_fixes_the_power() {
    for (kind, sigma) in [(ProfileKind::HeightNm, 1.0), (ProfileKind::SlopeUrad, 0.1)] {
        let mut chi = Vec::new();
        for seed in 0..12 {
            let plan = long_scan(seed);
            let mut profile = line(&plan, 2.0, 10, kind, sigma, 300 + seed);
            if seed >= 6 {
                // Its scatter about the map tells the sigma.
                profile.sigma = None;
            }
            let result = stitch(&plan.series(), &Options { profiles: vec![profile], ..plain() }, &()).unwrap();
            assert_eq!(terms(&result), ["1", "x", "x y", "g(y)"]);
            assert!(result.warnings.is_empty(), "{:?}", result.warnings);
            let power = found(&result, "x^2");
            assert_eq!(power.source, "profile line 2");
            chi.push(error_shapes(&plan, &result)[3] / power.uncertainty_nm_per_mm2);
        }
        let rms = rms(chi.iter().copied());
        assert!((0.55..1.5).contains(&rms), "{kind:?} {chi:?}");
    }
}

#[test]
fn two_lines_fix_the_twist_only_if_they_share_their_tilt() {
    let mut chi = Vec::new();
    for seed in 0..8 {
        let plan = long_scan(seed);
        let of = |row: f64, seed: u64| line(&plan, row, 10, ProfileKind::HeightNm, 0.5, 400 + seed);
        let profiles = vec![of(0.0, 2 * seed), of(4.0, 2 * seed + 1)];
        let options = Options { profiles: profiles.clone(), ..plain() };
        let apart = stitch(&plan.series(), &options, &()).unwrap();
        assert_eq!(terms(&apart), ["1", "x", "x y", "g(y)"]);
        let aligned = stitch(&plan.series(), &Options { profiles_aligned: true, ..options }, &()).unwrap();
        assert_eq!(terms(&aligned), ["1", "x", "g(y)"]);
        let twist = found(&aligned, "x y");
        assert_eq!(twist.source, "profile line 0 and profile line 4");
        chi.push(error_shapes(&plan, &aligned)[4] / twist.uncertainty_nm_per_mm2);
    }
    let rms = rms(chi.iter().copied());
    assert!((0.5..1.6).contains(&rms), "{chi:?}");
}

#[test]
fn angles_and_a_profile_that_contradict_each_other_are_named() {
    let plan = long_scan(3);
    let (pitch, roll) = true_angles(&plan);
    let profile = line(&plan, 2.0, 10, ProfileKind::HeightNm, 1.0, 9);
    let with = |pitch: &[f64]| {
        let angles = joined(measured(pitch, 0.0, 0.05, 5), vec![None; roll.len()]);
        let options = Options { angles, profiles: vec![profile.clone()], ..plain() };
        stitch(&plan.series(), &options, &()).unwrap()
    };
    let good = with(&pitch);
    assert!(good.warnings.is_empty(), "{:?}", good.warnings);
    // Both tell the power: together better than either.
    assert_eq!(found(&good, "x^2").source, "measured angles and profile line 2");
    assert!(found(&good, "x^2").uncertainty_nm_per_mm2 < 0.05 / 500.0 / 2.0);
    // The sensor drifts by 10 urad over the scan.
    let drifting: Vec<f64> = pitch.iter().enumerate().map(|(k, p)| p + 10.0 * k as f64 / 39.0).collect();
    let bad = with(&drifting);
    let codes: Vec<&str> = bad.warnings.iter().map(|w| w.code.as_str()).collect();
    assert!(codes.contains(&"constraints-disagree"), "{codes:?}");
    let message = &bad.warnings.iter().find(|w| w.code == "constraints-disagree").unwrap().message;
    assert!(message.contains("measured angles and profile line 2") && message.contains("x^2"), "{message}");
}

#[test]
fn readings_that_cannot_be_are_refused_and_unused_ones_named() {
    let series: Vec<Placed> = Plan::small(3).series();
    let with = |angles: Vec<MeasuredAngles>| stitch(&series, &Options { angles, ..plain() }, &());
    let one = MeasuredAngles { pitch_urad: Some((1.0, 0.1)), roll_urad: None };
    assert_eq!(with(vec![one; 11]).unwrap_err(), StitchError::AnglesCount { angles: 11, sub_apertures: 12 });
    let mut absurd = vec![one; 12];
    absurd[4].pitch_urad = Some((1.0, 0.0));
    assert_eq!(with(absurd).unwrap_err(), StitchError::AbsurdAngle { file: "sub_05.dat".into() });
    let mut profile = line(&Plan::small(3), 3.0, 10, ProfileKind::HeightNm, 1.0, 1);
    profile.sigma = Some(-1.0);
    let refused = stitch(&series, &Options { profiles: vec![profile.clone()], ..plain() }, &()).unwrap_err();
    assert!(refused.to_string().contains("line 3"), "{refused}");
    profile.sigma = Some(1.0);
    profile.x_mm.iter_mut().for_each(|x| *x += 1e4);
    let result = stitch(&series, &Options { profiles: vec![profile], ..plain() }, &()).unwrap();
    assert_eq!(result.warnings[0].code, "constraint-unused");
    assert!(result.constraints.is_empty() && terms(&result).contains(&"x^2"));
}

/// Takes a line along x off each row: all that stays open once the power is known.
fn without_lines(rows: usize, values: Vec<((usize, usize), f64)>) -> Vec<((usize, usize), f64)> {
    let mut left = Vec::new();
    for row in 0..rows {
        let own: Vec<_> = values.iter().filter(|((r, _), _)| *r == row).collect();
        let n = own.len() as f64;
        let x = own.iter().map(|((_, column), _)| *column as f64).sum::<f64>() / n;
        let mean = own.iter().map(|(_, d)| d).sum::<f64>() / n;
        let products = own.iter().map(|((_, column), d)| (*column as f64 - x) * (d - mean)).sum::<f64>();
        let slope = products / own.iter().map(|((_, column), _)| (*column as f64 - x).powi(2)).sum::<f64>();
        left.extend(own.iter().map(|(at, d)| (*at, d - mean - slope * (at.1 as f64 - x))));
    }
    left
}

fn rms(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), v| (sum + v * v, count + 1.0));
    f64::sqrt(sum / count)
}

/// Least squares over map, reference, correctors and the offset of the angles in one go, by elimination: the map as (row,
/// column) -> nm.
fn dense(plan: &Plan, series: &[Placed], angles: &[MeasuredAngles], noise: f64) -> Vec<((usize, usize), f64)> {
    let (rows, columns) = plan.shape;
    let (mut numbers, mut equations) = (std::collections::BTreeMap::new(), Vec::new());
    let mut number = |name: (u8, usize, usize)| {
        let next = numbers.len();
        *numbers.entry(name).or_insert(next)
    };
    for (k, placed) in series.iter().enumerate() {
        for ((row, column), height) in placed.sub_aperture.map.heights_nm().indexed_iter() {
            if placed.sub_aperture.map.valid()[[row, column]] {
                let u = (column as f64 - (columns as f64 - 1.0) / 2.0) * PIXEL_MM;
                let v = (row as f64 - (rows as f64 - 1.0) / 2.0) * PIXEL_MM;
                let terms = [
                    (number((0, row, column + plan.x_px[k] as usize)), 1.0),
                    (number((1, row, column)), 1.0),
                    (number((2, k, 0)), 1.0),
                    (number((2, k, 1)), u),
                    (number((2, k, 2)), v),
                ];
                equations.push((terms.to_vec(), *height, 1.0 / (noise * noise)));
            }
        }
    }
    for (k, angle) in angles.iter().enumerate() {
        if let Some((value, sigma)) = angle.pitch_urad {
            let terms = vec![(number((2, k, 1)), 1.0), (number((3, 0, 0)), -1.0)];
            equations.push((terms, value, 1.0 / (sigma * sigma)));
        }
    }
    let n = numbers.len();
    let (mut matrix, mut right) = (vec![vec![0.0; n]; n], vec![0.0; n]);
    for (terms, value, weight) in equations {
        for (i, a) in &terms {
            right[*i] += weight * a * value;
            for (j, b) in &terms {
                matrix[*i][*j] += weight * a * b;
            }
        }
    }
    let solved = solve(matrix, right);
    let map = numbers.into_iter().filter(|((what, _, _), _)| *what == 0);
    map.map(|((_, row, column), i)| ((row, column), solved[i])).collect()
}

#[test]
fn angles_lead_to_the_solution_of_the_joint_equations() {
    for (sigma, seed) in [(0.5, 1), (5.0, 2)] {
        let plan = Plan { seed, dropouts: 0.05, ..Plan::x_scan((4, 24), &[0, 5, 11, 14, 22, 25, 33, 40]) };
        let (series, (pitch, roll)) = (plan.series(), true_angles(&plan));
        let angles = joined(measured(&pitch, 4.0, sigma, 3), vec![None; roll.len()]);
        let options = Options { angles: angles.clone(), tolerance: 1e-12, ..plain() };
        let result = stitch(&series, &options, &()).unwrap();
        let joint = dense(&plan, &series, &angles, result.noise_nm.unwrap());
        let uncertainty = result.uncertainty_nm.as_ref().unwrap();
        let differences = joint.iter().filter(|(at, _)| result.height.valid()[*at]);
        let differences = differences.map(|(at, z)| (*at, result.height.heights_nm()[*at] - z));
        let left = without_lines(4, differences.collect());
        let chi = rms(left.iter().map(|(at, d)| d / uncertainty[*at]));
        assert!(chi < 0.05, "sigma {sigma}: {chi} standard uncertainties from the joint solution");
    }
}

#[test]
fn with_a_known_reference_angles_open_nothing_and_spoil_nothing() {
    let plan = Plan { reference_nm: 0.0, ..long_scan(4) };
    let (pitch, roll) = true_angles(&plan);
    let options = Options { reference: Reference::None, ..plain() };
    let without = stitch(&plan.series(), &options, &()).unwrap();
    let angles = joined(measured(&pitch, 1.0, 0.05, 8), measured(&roll, 1.0, 0.05, 9));
    let with = stitch(&plan.series(), &Options { angles, ..options }, &()).unwrap();
    assert!(with.constraints.is_empty() && with.warnings.is_empty(), "{:?}", with.warnings);
    assert_eq!(terms(&with), ["1", "x", "y"]);
    // The angles make the pitches surer, if anything.
    let (a, b) = (without.correctors[3].uncertainty.unwrap(), with.correctors[3].uncertainty.unwrap());
    assert!(b.pitch_nm_per_mm <= a.pitch_nm_per_mm && b.roll_nm_per_mm <= a.roll_nm_per_mm, "{a:?} {b:?}");
    assert!(error_shapes(&plan, &with)[3].abs() < 0.05 / 500.0, "{:?}", error_shapes(&plan, &with));
}
