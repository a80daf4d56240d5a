//! The solution against plain least squares over all unknowns: what the data determine must agree to rounding.

mod support;

use std::collections::HashMap;

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stitchbox_stitch::{KnownReference, Options, Placed, Reference, StitchError, Stitched, Terms, Weights, stitch};
use stitchbox_surface::{DetectorWindow, HeightMap};
use support::{PIXEL_MM, Plan};

/// One equation: columns with factors.
type Equation = Vec<(usize, f64)>;

/// The value that the dense least-squares solution gives to every datum, in the order of the series.
fn dense_fit(series: &[Placed], terms: Terms, unknown_reference: bool) -> Vec<f64> {
    let (equations, roots, n) = equations(series, terms, unknown_reference);
    let x = conjugate_gradients(&equations, n);
    let fit = |(equation, _): &(Equation, f64)| equation.iter().map(|(i, a)| a * x[*i]).sum::<f64>();
    equations.iter().zip(roots).map(|(equation, root)| fit(equation) / root).collect()
}

/// All equations, each times the root of its weight; those roots; and the number of unknowns.
fn equations(series: &[Placed], terms: Terms, unknown_reference: bool) -> (Vec<(Equation, f64)>, Vec<f64>, usize) {
    let mut columns: HashMap<(u8, i64, i64), usize> = HashMap::new();
    let mut equations: Vec<(Equation, f64)> = Vec::new();
    let mut roots = Vec::new();
    for (k, placed) in series.iter().enumerate() {
        let map = &placed.sub_aperture.map;
        let (x, y) = ((placed.x_mm / PIXEL_MM).round() as i64, (placed.y_mm / PIXEL_MM).round() as i64);
        for (((row, column), height), valid) in map.heights_nm().indexed_iter().zip(map.valid()) {
            if !valid {
                continue;
            }
            let (row, column) = (row as i64, column as i64);
            let mut named = |name| {
                let next = columns.len();
                *columns.entry(name).or_insert(next)
            };
            let mut equation = vec![(named((0, row + y, column + x)), 1.0)];
            if unknown_reference {
                equation.push((named((1, row, column)), 1.0));
            }
            let k = k as i64;
            let from_centre = |at: i64, length: usize| at as f64 - (length as f64 - 1.0) / 2.0;
            let from_centre_squared =
                from_centre(row, map.shape().0).powi(2) + from_centre(column, map.shape().1).powi(2);
            for (on, term, factor) in [
                (terms.piston, 0, 1.0),
                (terms.pitch, 1, 0.1 * (column as f64 - (map.shape().1 as f64 - 1.0) / 2.0)),
                (terms.roll, 2, 0.1 * (row as f64 - (map.shape().0 as f64 - 1.0) / 2.0)),
                (terms.curvature, 3, 0.01 * from_centre_squared),
            ] {
                if on {
                    equation.push((named((2, k, term)), factor));
                }
            }
            // Weighted least squares: each equation times the root of its weight.
            let root = weight(placed, row as usize, column as usize).sqrt();
            for (_, factor) in &mut equation {
                *factor *= root;
            }
            equations.push((equation, *height * root));
            roots.push(root);
        }
    }
    (equations, roots, columns.len())
}

/// Intensity where there is one: its median over all series here is 1.
fn weight(placed: &Placed, row: usize, column: usize) -> f64 {
    placed.sub_aperture.intensity.as_ref().map_or(1.0, |intensity| f64::from(intensity[[row, column]]))
}

/// Plain conjugate gradients on the normal equations of all unknowns, run until nothing changes: slow, simple, and
/// without any of the eliminations and preconditioners under test.
fn conjugate_gradients(equations: &[(Equation, f64)], n: usize) -> Vec<f64> {
    let forward = |x: &[f64]| -> Vec<f64> {
        equations.iter().map(|(equation, _)| equation.iter().map(|(i, a)| a * x[*i]).sum()).collect()
    };
    let backward = |residual: &[f64]| {
        let mut gradient = vec![0.0; n];
        for ((equation, _), r) in equations.iter().zip(residual) {
            for (i, a) in equation {
                gradient[*i] += a * r;
            }
        }
        gradient
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut x = vec![0.0; n];
    // Starting anew takes away what rounding did to the directions.
    for _ in 0..4 {
        let fit = forward(&x);
        let mut residual: Vec<f64> = equations.iter().zip(fit).map(|((_, height), f)| height - f).collect();
        let mut gradient = backward(&residual);
        let mut direction = gradient.clone();
        for _ in 0..6000 {
            let size = dot(&gradient, &gradient);
            if size < 1e-24 {
                break;
            }
            let image = forward(&direction);
            let step = size / dot(&image, &image);
            x.iter_mut().zip(&direction).for_each(|(x, d)| *x += step * d);
            residual.iter_mut().zip(&image).for_each(|(r, i)| *r -= step * i);
            gradient = backward(&residual);
            let factor = dot(&gradient, &gradient) / size;
            direction.iter_mut().zip(&gradient).for_each(|(d, g)| *d = g + factor * *d);
        }
    }
    x
}

/// The same from a stitched result: map + reference + corrector, where the map is valid.
fn stitched_fit(series: &[Placed], result: &Stitched) -> Vec<Option<f64>> {
    let mut fit = Vec::new();
    for (placed, corrector) in series.iter().zip(&result.correctors) {
        let map = &placed.sub_aperture.map;
        let (rows, columns) = map.shape();
        let x = ((placed.x_mm - result.x0_mm) / PIXEL_MM).round() as usize;
        let y = ((placed.y_mm - result.y0_mm) / PIXEL_MM).round() as usize;
        for ((row, column), valid) in map.valid().indexed_iter() {
            if *valid {
                let u = (column as f64 - (columns as f64 - 1.0) / 2.0) * PIXEL_MM;
                let v = (row as f64 - (rows as f64 - 1.0) / 2.0) * PIXEL_MM;
                let plane = corrector.piston_nm + corrector.pitch_nm_per_mm * u + corrector.roll_nm_per_mm * v;
                let power = corrector.curvature_nm_per_mm2 * (u * u + v * v);
                let reference = result.reference.as_ref().map_or(0.0, |r| r.heights_nm()[[row, column]]);
                let at = [row + y, column + x];
                let known = result.height.valid()[at];
                fit.push(known.then(|| result.height.heights_nm()[at] + reference + plane + power));
            }
        }
    }
    fit
}

fn check(plan: &Plan, options: &Options) {
    check_series(&plan.series(), options);
}

fn check_series(series: &[Placed], options: &Options) -> Stitched {
    let result = stitch(series, options, &()).unwrap();
    let expected = dense_fit(series, options.terms, options.reference != Reference::None);
    let found = stitched_fit(series, &result);
    let both = expected.iter().zip(&found).filter_map(|(a, b)| b.map(|b| (a - b).abs()));
    let worst = both.fold(0.0, f64::max);
    // With terms missing, what is left over is hundreds of nm: the solver stops at a fixed part of that.
    let bound = if options.terms == ALL { 1e-9 } else { 1e-7 };
    assert!(
        worst < bound,
        "{worst:e} nm after {} iterations, {:?} {:?}",
        result.iterations,
        result.warnings,
        options.terms
    );
    result
}

fn plain(reference: Reference, terms: Terms) -> Options {
    Options { terms, reference, robust: false, tolerance: 1e-14, ..Options::default() }
}

const ALL: Terms = Terms { piston: true, pitch: true, roll: true, curvature: false };

fn x_scan() -> Plan {
    Plan { dropouts: 0.08, ..Plan::x_scan((5, 14), &[0, 3, 7, 9, 14, 18]) }
}

fn plane_scan() -> Plan {
    Plan { y_px: vec![0.0, 2.0, 1.0, 0.0, 3.0, 2.0], ..x_scan() }
}

#[test]
fn an_x_scan_agrees_with_and_without_reference() {
    check(&x_scan(), &plain(Reference::Pixelwise, ALL));
    check(&x_scan(), &plain(Reference::None, ALL));
}

#[test]
fn a_scan_in_both_directions_agrees() {
    check(&plane_scan(), &plain(Reference::Pixelwise, ALL));
    check(&plane_scan(), &plain(Reference::None, ALL));
}

#[test]
fn a_y_scan_agrees() {
    let scan = x_scan();
    let plan = Plan { shape: (14, 5), y_px: scan.x_px.clone(), x_px: scan.y_px.clone(), ..scan };
    check(&plan, &plain(Reference::Pixelwise, ALL));
}

#[test]
fn a_diagonal_scan_agrees() {
    let plan = Plan { y_px: vec![0.0, 3.0, 7.0, 9.0, 14.0, 18.0], shape: (9, 14), ..x_scan() };
    check(&plan, &plain(Reference::Pixelwise, ALL));
}

#[test]
fn every_choice_of_terms_agrees() {
    for bits in 1..16 {
        let terms =
            Terms { piston: bits & 1 != 0, pitch: bits & 2 != 0, roll: bits & 4 != 0, curvature: bits & 8 != 0 };
        check(&x_scan(), &plain(Reference::Pixelwise, terms));
        check(&plane_scan(), &plain(Reference::Pixelwise, terms));
        check(&plane_scan(), &plain(Reference::None, terms));
    }
}

#[test]
fn bright_pixels_count_more() {
    for (plan, terms) in [(x_scan(), ALL), (plane_scan(), ALL), (plane_scan(), Terms { curvature: true, ..ALL })] {
        let mut series = plan.series();
        for (k, p) in series.iter_mut().enumerate() {
            let bright = |(row, column): (usize, usize)| [1.0, 1.0, 1.0, 0.25, 4.0][(row * 2 + column * 3 + k) % 5];
            p.sub_aperture.intensity = Some(Array2::from_shape_fn(plan.shape, bright));
        }
        for reference in [Reference::Pixelwise, Reference::None] {
            let options = Options { weights: Weights::Intensity, ..plain(reference, terms) };
            let weighted = check_series(&series, &options);
            let equal = stitch(&series, &Options { weights: Weights::Equal, ..options }, &()).unwrap();
            assert!(weighted.height != equal.height);
        }
    }
}

/// The fit by the normal matrix of all unknowns, written out and eliminated with pivots: the third way to the same numbers.
fn eliminated_fit(series: &[Placed], terms: Terms, unknown_reference: bool) -> Vec<f64> {
    let (equations, roots, n) = equations(series, terms, unknown_reference);
    let (mut matrix, mut right) = (vec![vec![0.0; n]; n], vec![0.0; n]);
    for (equation, height) in &equations {
        for (i, a) in equation {
            right[*i] += a * height;
            for (j, b) in equation {
                matrix[*i][*j] += a * b;
            }
        }
    }
    let x = support::solve(matrix, right);
    let fit = |(equation, _): &(Equation, f64)| equation.iter().map(|(i, a)| a * x[*i]).sum::<f64>();
    equations.iter().zip(roots).map(|(equation, root)| fit(equation) / root).collect()
}

#[test]
fn random_series_agree_with_elimination() {
    for seed in 0..24u64 {
        let mut rng = ChaCha8Rng::seed_from_u64(1000 + seed);
        let count = rng.random_range(3..7);
        let mut x = vec![0.0];
        for k in 1..count {
            x.push(x[k - 1] + f64::from(rng.random_range(1..6)));
        }
        let moves_in_y = rng.random_range(0..5) * i32::from(seed % 2 == 1);
        let y = (0..count).map(|_| f64::from(rng.random_range(0..=moves_in_y))).collect();
        let shape = (rng.random_range(3..7), rng.random_range(9..15));
        let plan = Plan { shape, x_px: x, y_px: y, seed, dropouts: 0.06, ..x_scan() };
        let mut series = plan.series();
        let weights = if seed % 3 == 0 { Weights::Intensity } else { Weights::Equal };
        for p in &mut series {
            let bright = |_| [1.0, 1.0, 1.0, 0.5, 2.0][rng.random_range(0..5)];
            let intensity = Array2::from_shape_fn(plan.shape, bright);
            p.sub_aperture.intensity = (weights == Weights::Intensity).then_some(intensity);
        }
        let terms = Terms { piston: rng.random(), pitch: rng.random(), roll: rng.random(), curvature: rng.random() };
        let reference = if rng.random::<f64>() < 0.7 { Reference::Pixelwise } else { Reference::None };
        let unknown = reference != Reference::None;
        let options = Options { weights, ..plain(reference, terms) };
        let result = match stitch(&series, &options, &()) {
            Ok(result) => result,
            // With so many terms some of these tiny series fall apart, and that is said.
            Err(StitchError::NoOverlap { .. }) => continue,
            Err(other) => panic!("{other}"),
        };
        let expected = eliminated_fit(&series, terms, unknown);
        let found = stitched_fit(&series, &result);
        let pairs = expected.iter().zip(&found).filter_map(|(a, b)| b.map(|b| (a - b).abs()));
        let worst = pairs.fold(0.0, f64::max);
        assert!(worst < 2e-6, "seed {seed}: {worst:e} nm, {terms:?} {weights:?} {unknown} {:?}", result.warnings);
    }
}

#[test]
fn sub_apertures_at_the_same_position_are_allowed() {
    let mut plan = x_scan();
    plan.x_px[2] = plan.x_px[1];
    check(&plan, &plain(Reference::Pixelwise, ALL));
}

#[test]
fn a_known_reference_is_taken_off_and_its_holes_mask() {
    let plan = Plan { noise_nm: 0.0, dropouts: 0.0, ..x_scan() };
    let mut reference = Array2::from_shape_fn(plan.shape, |(row, column)| plan.reference(row, column));
    reference[[2, 5]] = f64::NAN;
    // The reference map is larger than what the series uses of the camera, and begins elsewhere.
    let larger = Array2::from_shape_fn((reference.nrows() + 3, reference.ncols() + 4), |(row, column)| {
        let inside = (row.checked_sub(1), column.checked_sub(2));
        inside.0.zip(inside.1).and_then(|at| reference.get(at)).copied().unwrap_or(1000.0)
    });
    let window = DetectorWindow { row: -1, column: -2 };
    let known = KnownReference { map: HeightMap::from_heights_nm(larger, None), window };
    let options = plain(Reference::Known(known), ALL);
    let result = stitch(&plan.series(), &options, &()).unwrap();
    let truth = |row: usize, column: usize| plan.truth(column as f64, row as f64);
    let error = support::error_nm(&result.height, support::Null::Plane, truth);
    assert!(error < 1e-8, "{error:e}");
    assert_eq!(result.overlap[[2, 5]], 1, "one of two sub-apertures is masked there");
    let terms: Vec<&str> = result.non_observable.iter().map(|n| n.term.as_str()).collect();
    assert_eq!(terms, ["1", "x", "y"]);
}
