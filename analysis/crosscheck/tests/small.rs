//! Small series with a planted truth, and cases that can be computed by hand.

use ndarray::Array2;
use stitchbox_crosscheck::{Algorithm, Extraction, Method, cross_check};
use stitchbox_surface::DetectorWindow;

mod planted;

use planted::{GRID, PIXEL_MM, PLANE, SCAN, error, measured, none, placed};

#[test]
fn without_noise_and_reference_the_mirror_comes_back_up_to_a_plane() {
    let series = measured(&SCAN, none);
    for (algorithm, min_overlap) in
        [(Algorithm::PairPlanes, 0.5), (Algorithm::PairPlanes, 0.1), (Algorithm::Progressive, 0.6)]
    {
        let checked = cross_check(&series, &Method { algorithm, min_overlap, ..Method::default() }).unwrap();
        assert!(error(&checked.height, &PLANE) < 1e-9, "{algorithm:?}");
        assert!(checked.residual_rms_nm < 1e-9);
        assert_eq!(checked.overlap[[3, 11]], 4, "columns 0, 3, 7 and 10 reach column 11");
    }
    let sizes = cross_check(&series, &Method { min_overlap: 0.5, ..Method::default() }).unwrap();
    assert_eq!((sizes.height.shape(), sizes.pairs, sizes.correctors.len()), ((10, 26), 4, 5));
    assert!(sizes.warnings.iter().any(|w| w.code == "chain"));
}

#[test]
fn two_flat_maps_give_the_mean_by_hand() {
    // 10 + 1 and 10 + 4 on the overlap: the simple mean without levelling is 11, 12.5, 14.
    let series = [
        placed("a", Array2::from_elem((1, 2), 11.0), 0.0, 0.0),
        placed("b", Array2::from_elem((1, 2), 14.0), 1.0, 0.0),
    ];
    let plain =
        Method { algorithm: Algorithm::SimpleAverage, zero_mean: false, remove_plane: false, ..Method::default() };
    let map = cross_check(&series, &plain).unwrap();
    assert_eq!(map.height.heights_nm().as_slice().unwrap(), [11.0, 12.5, 14.0]);
    // Left over: 0 and 1.5 of the first, -1.5 and 0 of the second.
    assert!((map.residual_rms_nm - (2.0 * 2.25f64 / 4.0).sqrt()).abs() < 1e-12);
    assert!((map.correctors[0].residual_rms_nm - 1.125f64.sqrt()).abs() < 1e-12);
    let level = cross_check(&series, &Method { zero_mean: true, ..plain }).unwrap();
    assert_eq!(level.height.heights_nm().as_slice().unwrap(), [0.0, 0.0, 0.0]);
    assert_eq!((level.correctors[0].piston_nm, level.correctors[1].piston_nm), (-11.0, -14.0));
}

#[test]
fn pairs_count_alike_however_many_pixels_they_share() {
    // Three rows of one pixel height, 6 px long, at 0, 2, 4: pairs share 4, 4 and 2 px. The third pair contradicts:
    // pistons are given so that the differences are 1 (0->1), 1 (1->2) and 5 (0->2), which no sub-aperture can do as
    // a whole; the part shared by 0 and 2 alone is columns 4 and 5, where 1 lies too, so the values are set there.
    let first = Array2::from_shape_vec((1, 6), vec![0.0; 6]).unwrap();
    let second = Array2::from_shape_vec((1, 6), vec![0.0; 6]).unwrap();
    let third = Array2::from_shape_vec((1, 6), vec![3.0, 3.0, 0.0, 0.0, 0.0, 0.0]).unwrap();
    let series = [placed("0", first, 0.0, 0.0), placed("1", second, 2.0, 0.0), placed("2", third, 4.0, 0.0)];
    let method = Method { min_overlap: 0.3, remove_plane: false, ..Method::default() };
    let checked = cross_check(&series, &method).unwrap();
    assert_eq!(checked.pairs, 3);
    // Pair planes (first - second) in px from the map's centre 4.5: (0,1): 0. (1,2): values 0,0 | 3,3,0,0 at columns
    // 4..7: -3, -3, 0, 0: slope 1.2 per px about 5.5, mean -1.5. (0,2): -3, -3 at 4, 5: slope 0, mean -3.
    let (p12, p02) = (-1.5 - 1.2, -3.0);
    let solve = |d01: f64, d12: f64, d02: f64| {
        // c0 = -(2 d01 ... ) from the normal equations of a triangle with zero sum.
        let c0 = -(d01 + d02) / 3.0;
        let c1 = (d01 - d12) / 3.0;
        [c0, c1, (d12 + d02) / 3.0]
    };
    let (pistons, pitches) = (solve(0.0, p12, p02), solve(0.0, 1.2 / PIXEL_MM, 0.0));
    for (k, c) in checked.correctors.iter().enumerate() {
        assert!((c.piston_nm - pistons[k]).abs() < 1e-9, "{k}: {} {}", c.piston_nm, pistons[k]);
        assert!((c.pitch_nm_per_mm - pitches[k]).abs() < 1e-9, "{k}: {} {}", c.pitch_nm_per_mm, pitches[k]);
        assert_eq!(c.roll_nm_per_mm, 0.0);
    }
}

#[test]
fn a_reference_without_planes_in_its_pair_differences_is_found() {
    // A single bad camera pixel: the differences it makes have nearly no plane, and what they have is second order.
    let spot = |v: usize, u: usize| if (v, u) == (4, 6) { 2.0 } else { 0.0 };
    let series = measured(&GRID, spot);
    let method = Method { min_overlap: 0.3, ..Method::default() };
    let without = cross_check(&series, &method).unwrap();
    let with = cross_check(&series, &Method { reference: Extraction::Full, ..method.clone() }).unwrap();
    let reference = with.reference.as_ref().unwrap();
    let around = (reference.heights_nm()[[4, 4]] + reference.heights_nm()[[2, 6]]) / 2.0;
    let found = reference.heights_nm()[[4, 6]] - around;
    assert!((found + 2.0).abs() < 0.15, "added to the data, so minus the error: {found}");
    let quadratic: [fn(f64, f64) -> f64; 6] =
        [|_, _| 1.0, |x, _| x, |_, y| y, |x, _| x * x, |x, y| x * y, |_, y| y * y];
    let (better, worse) = (error(&with.height, &quadratic), error(&without.height, &quadratic));
    assert!(better < 0.3 * worse, "{better} {worse}");
    assert!(with.residual_rms_nm < 0.3 * without.residual_rms_nm);
}

#[test]
fn the_extracted_reference_solves_its_normal_equations() {
    // Independent: all rows written out, and the gradient of the sum of squares at the solution is zero.
    let bump = |v: usize, u: usize| 3.0 * libm::cos(0.9 * u as f64) + libm::sin(1.3 * (v * v + 2 * u) as f64);
    for cut in [None, Some(1.5)] {
        let series = measured(&GRID, bump);
        let method = Method { min_overlap: 0.3, reference: Extraction::Full, reference_cut: cut, ..Method::default() };
        let checked = cross_check(&series, &method).unwrap();
        let r = checked.reference.unwrap();
        let mut gradient = Array2::<f64>::zeros((8, 12));
        let (mut first_size, mut pairs, mut left_out) = (0.0f64, 0, 0);
        for (i, a) in GRID.iter().enumerate() {
            for (j, b) in GRID.iter().enumerate().skip(i + 1) {
                let mut rows = Vec::new();
                for y in a.0.max(b.0)..(a.0 + 8).min(b.0 + 8) {
                    for x in a.1.max(b.1)..(a.1 + 12).min(b.1 + 12) {
                        let (pa, pb) = ([y - a.0, x - a.1], [y - b.0, x - b.1]);
                        let (ma, mb) = (&series[i].sub_aperture.map, &series[j].sub_aperture.map);
                        if ma.valid()[pa] && mb.valid()[pb] {
                            rows.push((pa, pb, x as f64, y as f64, ma.heights_nm()[pa] - mb.heights_nm()[pb]));
                        }
                    }
                }
                let least = 0.3 * 95.0;
                if (rows.len() as f64) < least {
                    continue;
                }
                pairs += 1;
                let residual = without_plane(&rows.iter().map(|r| (r.2, r.3, r.4)).collect::<Vec<_>>());
                let rms = (residual.iter().map(|d| d * d).sum::<f64>() / residual.len() as f64).sqrt();
                for ((pa, pb, ..), d) in rows.iter().zip(residual) {
                    if cut.is_some_and(|cut| d.abs() > cut * rms) {
                        left_out += 1;
                        continue;
                    }
                    let misfit = -r.heights_nm()[*pa] + r.heights_nm()[*pb] - d;
                    gradient[*pa] -= misfit;
                    gradient[*pb] += misfit;
                    first_size = first_size.max(d.abs());
                }
            }
        }
        assert_eq!((pairs, left_out > 0), (checked.pairs, cut.is_some()));
        let steepest = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        assert!(steepest < 1e-4 * first_size, "{cut:?}: {steepest} {first_size}");
    }
}

/// What the least-squares plane leaves of (x, y, d), by Gram-Schmidt.
fn without_plane(points: &[(f64, f64, f64)]) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let columns = [
        points.iter().map(|_| 1.0).collect::<Vec<f64>>(),
        points.iter().map(|p| p.0).collect(),
        points.iter().map(|p| p.1).collect(),
    ];
    for mut column in columns {
        for other in basis.iter().chain(&basis) {
            let part = dot(&column, other);
            column.iter_mut().zip(other).for_each(|(c, o)| *c -= part * o);
        }
        let length = dot(&column, &column).sqrt();
        column.iter_mut().for_each(|c| *c /= length);
        basis.push(column);
    }
    let mut d: Vec<f64> = points.iter().map(|p| p.2).collect();
    for column in &basis {
        let part = dot(&d, column);
        d.iter_mut().zip(column).for_each(|(d, c)| *d -= part * c);
    }
    d
}

#[test]
fn with_all_pixels_the_sum_over_all_pairs_of_pixels_is_least() {
    // Independent: every derivative of sum (S_i + C_i - S_j - C_j)^2 vanishes at the solution.
    let bump = |v: usize, u: usize| libm::cos(0.9 * u as f64) + libm::sin(1.3 * (v * v + 2 * u) as f64);
    let series = measured(&GRID, bump);
    let of = |all_pixels| cross_check(&series, &Method { min_overlap: 0.2, all_pixels, ..Method::default() }).unwrap();
    let (pixels, pairs) = (of(true), of(false));
    let steepest = |correctors: &[stitchbox_crosscheck::AddedCorrector]| {
        let mut gradient = vec![[0.0f64; 3]; GRID.len()];
        for (i, a) in GRID.iter().enumerate() {
            for (j, b) in GRID.iter().enumerate().skip(i + 1) {
                let (ma, mb) = (&series[i].sub_aperture.map, &series[j].sub_aperture.map);
                let mut rows = Vec::new();
                for y in a.0.max(b.0)..(a.0 + 8).min(b.0 + 8) {
                    for x in a.1.max(b.1)..(a.1 + 12).min(b.1 + 12) {
                        let (pa, pb) = ([y - a.0, x - a.1], [y - b.0, x - b.1]);
                        if ma.valid()[pa] && mb.valid()[pb] {
                            let shape = [1.0, (x as f64 - 10.0) * PIXEL_MM, (y as f64 - 6.5) * PIXEL_MM];
                            let plus = |k: usize| {
                                let c: &stitchbox_crosscheck::AddedCorrector = &correctors[k];
                                c.piston_nm + c.pitch_nm_per_mm * shape[1] + c.roll_nm_per_mm * shape[2]
                            };
                            rows.push((shape, ma.heights_nm()[pa] + plus(i) - mb.heights_nm()[pb] - plus(j)));
                        }
                    }
                }
                if (rows.len() as f64) < 0.2 * 95.0 {
                    continue;
                }
                for (shape, left) in rows {
                    for term in 0..3 {
                        gradient[i][term] += left * shape[term];
                        gradient[j][term] -= left * shape[term];
                    }
                }
            }
        }
        gradient.iter().flatten().fold(0.0f64, |m, g| m.max(g.abs()))
    };
    assert!(steepest(&pixels.correctors) < 1e-8, "{}", steepest(&pixels.correctors));
    assert!(steepest(&pairs.correctors) > 1.0);
    for k in [0, 1, 2] {
        let sum: f64 = pixels.correctors.iter().map(|c| [c.piston_nm, c.pitch_nm_per_mm, c.roll_nm_per_mm][k]).sum();
        assert!(sum.abs() < 1e-9);
    }
}

#[test]
fn later_sweeps_lower_the_residual_and_stop_in_time() {
    let bump = |v: usize, u: usize| 0.5 * libm::cos(0.9 * u as f64) + 0.01 * (v * u) as f64;
    let series = measured(&SCAN, bump);
    let sweeps =
        |sweeps| cross_check(&series, &Method { algorithm: Algorithm::Progressive, sweeps, ..Method::default() });
    let (one, five) = (sweeps(1).unwrap(), sweeps(5).unwrap());
    assert_eq!(one.sweeps, 1);
    assert!((2..=5).contains(&five.sweeps));
    assert!(five.residual_rms_nm < one.residual_rms_nm);
}

#[test]
fn detector_windows_move_the_map_and_the_reference() {
    let mut series = measured(&SCAN, none);
    // The same mirror pixels seen by other camera pixels: the position moves back by as much.
    series[2].sub_aperture.window = DetectorWindow { row: 2, column: 5 };
    series[2].x_mm -= 5.0 * PIXEL_MM;
    series[2].y_mm -= 2.0 * PIXEL_MM;
    let method = Method { min_overlap: 0.5, reference: Extraction::Full, ..Method::default() };
    let checked = cross_check(&series, &method).unwrap();
    assert!(error(&checked.height, &PLANE) < 1e-9);
    assert_eq!(checked.reference.unwrap().shape(), (10, 17));
}
