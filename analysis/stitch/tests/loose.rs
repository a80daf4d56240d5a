//! Camera pixels that masks, windows or too few sub-apertures cut off from the rest are counted, declared, and do not spoil the
//! noise; what hangs together is not accused.

mod support;

use stitchbox_stitch::{Options, Placed, Stitched, stitch};
use stitchbox_surface::HeightMap;
use support::{Null, Plan, residual, rms};

fn plain() -> Options {
    Options { robust: false, ..Options::default() }
}

fn run(series: &[Placed]) -> Stitched {
    stitch(series, &plain(), &()).unwrap()
}

fn loose(result: &Stitched) -> Option<&str> {
    assert_eq!(
        result.warnings.iter().any(|w| w.code == "loose-pixels"),
        result.non_observable.iter().any(|n| n.term.starts_with("offsets of"))
    );
    result.warnings.iter().find(|w| w.code == "loose-pixels").map(|w| w.message.as_str())
}

/// Masks pixels of sub-aperture k.
fn mask(series: &mut [Placed], gone: impl Fn(usize, usize, usize) -> bool) {
    for (k, placed) in series.iter_mut().enumerate() {
        let (heights, mut valid, pixel) = placed.sub_aperture.map.clone().into_parts();
        for ((row, column), valid) in valid.indexed_iter_mut() {
            *valid &= !gone(k, row, column);
        }
        placed.sub_aperture.map = HeightMap::new(heights, valid, pixel).unwrap();
    }
}

#[test]
fn what_hangs_together_is_not_accused() {
    for seed in 0..5 {
        assert_eq!(loose(&run(&Plan::small(seed).series())), None);
    }
    // Holes of all sizes, but every camera pixel sees what others see.
    let plan = Plan { dropouts: 0.3, ..Plan::small(9) };
    assert_eq!(loose(&run(&plan.series())), None);
}

/// In camera rows 10 to 13, columns 50 to 55 are masked in all sub-apertures but two, and there all around them is masked that
/// could compare them with the rest: they see only each other, 43 px apart.
fn cut_off() -> (Plan, Vec<Placed>) {
    let plan = Plan { dropouts: 0.0, ..Plan::x_scan((20, 120), &[0, 31, 74, 100, 137, 160]) };
    let mut series = plan.series();
    // Sub-apertures 2 and 1: map column 31 + 93 = 74 + 50.
    let pair =
        |k: usize, column: usize| (k == 2 && (50..56).contains(&column)) || (k == 1 && (93..99).contains(&column));
    let island = |k: usize, row: usize, column: usize| {
        if !(10..14).contains(&row) {
            return false;
        }
        let of_camera = (50..56).contains(&column) || (93..99).contains(&column);
        let at = plan.x_px[k] as usize + column;
        let of_map = (124..130).contains(&at);
        (of_camera || of_map) && !pair(k, column)
    };
    mask(&mut series, island);
    (plan, series)
}

#[test]
fn an_island_of_camera_pixels_is_counted_and_declared() {
    let (plan, series) = cut_off();
    let result = run(&series);
    let message = loose(&result).expect("a warning");
    assert!(message.contains("24 map pixels") && message.contains("48 camera pixels (in 24 groups)"), "{message}");
    let open = &result.non_observable.last().unwrap().term;
    assert_eq!(open, "offsets of 24 groups of pixels");
    // Nothing else suffers: the noise is right, and so is the map outside.
    assert!((result.noise_nm.unwrap() - 0.5).abs() < 0.02, "{:?}", result.noise_nm);
    let errors = residual(&result.height, Null::XScan, |row, column| plan.truth(column as f64, row as f64));
    let inside = |row: usize, column: usize| (10..14).contains(&row) && (124..130).contains(&column);
    let (island, rest): (Vec<_>, Vec<_>) = errors.into_iter().partition(|(row, column, _)| inside(*row, *column));
    assert_eq!(island.len(), 24);
    assert!(rms(&rest) < 0.5, "{}", rms(&rest));
    // The island continues the reference around it: its pixels are rough by 0.43 nm rms, not off by the 6 nm of the smooth part.
    assert!(rms(&island) < 1.5, "{}", rms(&island));
}

#[test]
fn the_same_island_with_one_bridge_is_not_declared() {
    let (_, mut series) = cut_off();
    let whole = Plan { dropouts: 0.0, ..Plan::x_scan((20, 120), &[0, 31, 74, 100, 137, 160]) }.series();
    // A sub-aperture that sees camera pixels of the island elsewhere ties it to the rest.
    series[4].sub_aperture.map = whole[4].sub_aperture.map.clone();
    assert_eq!(loose(&run(&series)), None);
}

#[test]
fn too_few_sub_apertures_for_their_steps_are_declared() {
    // Steps of 70 and 83 share no divisor, but in a camera of 120 px a chain of comparisons ends before it ties all.
    // (The third step repeats the first: without that nothing would tell the noise.)
    let plan = Plan { dropouts: 0.0, ..Plan::x_scan((10, 120), &[0, 70, 153, 223]) };
    let result = run(&plan.series());
    let message = loose(&result).expect("a warning");
    // By hand: each row has pixels 0..50 tied to 70..120 and 0..37 to 83..120; the rest was never compared.
    let mut parent: Vec<usize> = (0..120).collect();
    for (step, length) in [(70, 50), (83, 37)] {
        for u in 0..length {
            let (a, b) = (find(&parent, u), find(&parent, u + step));
            parent[a.max(b)] = a.min(b);
        }
    }
    let compared = |u: usize| !(50..70).contains(&u);
    let groups = (0..120).filter(|u| compared(*u) && find(&parent, *u) == *u).count();
    assert!(message.contains(&format!("(in {} groups)", 10 * (groups - 1))), "{groups}: {message}");
    assert!((result.noise_nm.unwrap() - 0.5).abs() < 0.1, "the degrees of freedom are counted: {:?}", result.noise_nm);
}

fn find(parent: &[usize], mut u: usize) -> usize {
    while parent[u] != u {
        u = parent[u];
    }
    u
}

#[test]
fn windows_that_share_no_camera_pixel_are_tied_by_the_mirror() {
    // Two windows, each used at three places; both see the same mirror.
    let plan = Plan { dropouts: 0.0, ..Plan::x_scan((12, 80), &[0, 13, 29, 40, 57, 66]) };
    let mut series = plan.series();
    for (k, placed) in series.iter_mut().enumerate() {
        if k % 2 == 1 {
            placed.sub_aperture.window.row = 40;
            placed.y_mm -= 40.0 * support::PIXEL_MM;
        }
    }
    let result = run(&series);
    assert_eq!(loose(&result), None, "the mirror ties the windows");
}
