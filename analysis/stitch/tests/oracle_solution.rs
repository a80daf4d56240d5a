//! The map against that of the numpy oracle (`ls_reference.py`), both solved as far as rounding lets them, from the same numbers.

mod support;

use ndarray::Array2;
use stitchbox_stitch::{Options, Placed, Weights, stitch};
use stitchbox_surface::HeightMap;
use support::{Null, PIXEL_MM, placed, residual, rms};

/// Well mixed bits of a number.
fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The series of `fixtures/make_ls_reference.py`, of case S's size: integers and fractions of powers of two, the same in any language.
fn series() -> Vec<Placed> {
    let mut x0 = 0i64;
    (0..12u64)
        .map(|k| {
            if k > 0 {
                x0 += 40 + (mixed(k - 1 + 7) % 21) as i64;
            }
            let [piston, pitch, roll] = [1, 2, 3].map(|i| (mixed(1000 * i + k) % 601) as f64 - 300.0);
            let heights = Array2::from_shape_fn((40, 200), |(v, u)| {
                let (v, u) = (v as i64, u as i64);
                let x = x0 + u;
                let truth =
                    (x - 380).pow(2) / 64 + x * v / 32 + (mixed((x / 3 * 64 + v / 2 + 50_000) as u64) % 8) as i64;
                let reference =
                    (u - 100).pow(2) / 512 + (v - 20).pow(2) / 32 + (mixed((u * 40 + v + 90_000) as u64) % 4) as i64;
                let bits = mixed((k * 40 + v as u64) * 200 + u as u64 + 1_000_000);
                let noise = (0..4).map(|i| f64::from((bits >> (16 * i)) as u16)).sum::<f64>() / 131_072.0 - 1.0;
                let tilt = pitch * (u - 100) as f64 / 64.0 + roll * (v - 20) as f64 / 64.0;
                let value = (truth + reference) as f64 + piston + tilt + noise;
                if mixed(bits).is_multiple_of(100) { f64::NAN } else { value }
            });
            placed(&format!("{k}"), heights, x0 as f64 * PIXEL_MM, 0.0)
        })
        .collect()
}

/// Every fourth column of the oracle's map, and the columns of the whole.
fn oracle() -> (Array2<f64>, usize) {
    let bytes = include_bytes!("fixtures/ls_reference.f64");
    let (words, _) = bytes.as_chunks::<8>();
    let (rows, columns) = (u64::from_le_bytes(words[0]) as usize, u64::from_le_bytes(words[1]) as usize);
    let values = words[2..].iter().map(|word| f64::from_le_bytes(*word)).collect();
    (Array2::from_shape_vec((rows, columns.div_ceil(4)), values).unwrap(), columns)
}

/// Every fourth column.
fn thinned(map: &HeightMap) -> HeightMap {
    let (rows, columns) = map.shape();
    let of = |(row, column): (usize, usize)| {
        if map.valid()[[row, 4 * column]] { map.heights_nm()[[row, 4 * column]] } else { f64::NAN }
    };
    HeightMap::from_heights_nm(Array2::from_shape_fn((rows, columns.div_ceil(4)), of), None)
}

#[test]
fn the_map_is_that_of_the_oracle() {
    let (oracle, columns) = oracle();
    let options = Options { robust: false, tolerance: 1e-14, weights: Weights::Equal, ..Options::default() };
    let result = stitch(&series(), &options, &()).unwrap();
    assert_eq!(result.height.shape(), (oracle.nrows(), columns));
    let own = thinned(&result.height);
    for (at, valid) in own.valid().indexed_iter() {
        assert_eq!(*valid, oracle[at].is_finite(), "{at:?}");
    }
    // Functions that no data determine restricted to every fourth column are such functions of those columns.
    let left = residual(&own, Null::XScan, |row, column| oracle[[row, column]]);
    let worst = left.iter().fold(0.0f64, |worst, (_, _, d)| worst.max(d.abs()));
    println!("farthest from the oracle: {worst:.1e} nm, {} iterations", result.iterations);
    assert!(worst < 1e-6, "{worst:e} nm");
}

#[test]
fn the_default_tolerance_costs_nothing() {
    let plain = |tolerance: f64, series: &[Placed]| {
        stitch(series, &Options { robust: false, tolerance, ..Options::default() }, &()).unwrap()
    };
    // Steps that hardly vary are the hardest: content of the reference that nearly repeats is hardly seen.
    let jittered: Vec<usize> = (0..12).map(|k| 50 * k + [0, 2, 5, 1, 3, 0, 4, 2, 0, 5, 1, 3][k]).collect();
    let steps = support::Plan::x_scan((20, 200), &jittered);
    let y = (0..12).map(|k| f64::from((k * 5) % 9)).collect();
    let plane = support::Plan { y_px: y, ..support::Plan::small(41) };
    for (series, null) in [(series(), Null::XScan), (steps.series(), Null::XScan), (plane.series(), Null::Quadratic)] {
        let default = plain(Options::default().tolerance, &series);
        let exact = plain(1e-14, &series);
        let noise = exact.noise_nm.unwrap();
        let left = rms(&residual(&default.height, null, |row, column| exact.height.heights_nm()[[row, column]]));
        println!(
            "{left:.1e} nm of {noise:.2} nm, {} iterations for {}: {:?}",
            default.iterations, exact.iterations, default.warnings
        );
        assert!(left < 1e-4 * noise, "{left:e}");
        assert!(default.iterations < exact.iterations);
    }
}

#[test]
fn looking_for_outliers_costs_nothing_where_there_are_none() {
    let series = series();
    let plain = stitch(&series, &Options { robust: false, ..Options::default() }, &()).unwrap();
    assert_eq!(stitch(&series, &Options::default(), &()).unwrap().digest(), plain.digest());
}
