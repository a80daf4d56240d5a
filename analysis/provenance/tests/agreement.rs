//! Verdicts on pairs of maps whose difference is known.

use ndarray::Array2;
use stitchbox_formats::{Limits, NexusRecord, write_nexus_map};
use stitchbox_provenance::{Verdict, compare};
use stitchbox_surface::{HeightMap, PixelSize};

const ROWS: usize = 60;
const COLUMNS: usize = 200;

/// A map with a difference on top of the mirror; NaN leaves a pixel out.
fn file(u_nm: Option<f64>, more: impl Fn(f64, f64) -> f64) -> Vec<u8> {
    let pixel = Some(PixelSize { x_mm: 0.1, y_mm: 0.1 });
    let at = |(r, c): (usize, usize)| {
        let (x, y) = (c as f64 * 0.1, r as f64 * 0.1);
        10.0 * (0.3 * x).sin() + y * y + more(x, y)
    };
    let map = HeightMap::from_heights_nm(Array2::from_shape_fn((ROWS, COLUMNS), at), pixel);
    let u = u_nm.map(|u| HeightMap::from_heights_nm(Array2::from_elem((ROWS, COLUMNS), u), pixel));
    write_nexus_map(&map, u.as_ref(), None, &NexusRecord::default()).unwrap()
}

fn verdict(theirs: &[u8], ours: &[u8], open: &[&str]) -> (Verdict, Option<f64>, bool) {
    let open: Vec<String> = open.iter().map(|term| (*term).to_owned()).collect();
    let (verdict, numbers, picture) = compare(theirs, ours, &open, &Limits::default()).unwrap();
    if let Some(picture) = &picture {
        assert!(picture.png.starts_with(b"\x89PNG"));
    }
    (verdict, numbers.within, picture.is_some())
}

#[test]
fn small_differences_agree_and_larger_ones_diverge_with_a_picture() {
    let theirs = file(Some(0.1), |_, _| 0.0);
    let ripple = |size: f64| move |x: f64, _: f64| size * (40.0 * x).sin();
    // U of the difference is 2 * sqrt(0.1^2 + 0.1^2) = 0.283 nm.
    assert_eq!(verdict(&theirs, &file(Some(0.1), ripple(0.25)), &[]), (Verdict::Agrees, Some(1.0), false));
    let (found, within, picture) = verdict(&theirs, &file(Some(0.1), ripple(0.6)), &[]);
    assert!(found == Verdict::Diverged && picture && within.unwrap() < 0.6);
    // An error at 4 % of the pixels is tolerated, at 7 % it is not.
    let band = |columns: f64| move |x: f64, _: f64| if x > 10.0 && x < 10.0 + columns * 0.1 { 3.0 } else { 0.0 };
    assert_eq!(verdict(&theirs, &file(Some(0.1), band(1.9)), &[]).0, Verdict::Agrees);
    assert_eq!(verdict(&theirs, &file(Some(0.1), band(16.0)), &[]).0, Verdict::Diverged);
}

#[test]
fn what_the_data_leave_open_is_no_difference() {
    let theirs = file(Some(0.1), |_, _| 0.0);
    let tilted = file(Some(0.1), |x, y| 500.0 + 3.0 * x - 2.0 * y);
    assert_eq!(verdict(&theirs, &tilted, &[]).0, Verdict::Agrees);
    let bent = file(Some(0.1), |x, _| 0.05 * x * x);
    assert_eq!(verdict(&theirs, &bent, &[]).0, Verdict::Diverged);
    assert_eq!(verdict(&theirs, &bent, &["x^2", "g(y)"]).0, Verdict::Agrees);
    assert_eq!(verdict(&theirs, &bent, &["y^2", "x y"]).0, Verdict::Diverged);
}

#[test]
fn maps_without_uncertainty_of_another_shape_or_with_holes_do_not_agree() {
    let theirs = file(Some(0.1), |_, _| 0.0);
    assert_eq!(verdict(&theirs, &file(None, |_, _| 1e-9), &[]).0, Verdict::Diverged);
    assert_eq!(verdict(&theirs, &file(Some(0.0), |_, _| 1e-9), &[]).0, Verdict::Diverged);
    let holes = |part: f64| move |x: f64, _: f64| if x < 20.0 * part { f64::NAN } else { 0.0 };
    assert_eq!(verdict(&theirs, &file(Some(0.1), holes(0.009)), &[]).0, Verdict::Agrees);
    assert_eq!(verdict(&theirs, &file(Some(0.1), holes(0.02)), &[]).0, Verdict::Diverged);
    let empty = file(Some(0.1), |x, y| if x + y > 0.0 { f64::NAN } else { 0.0 });
    assert_eq!(verdict(&theirs, &empty, &[]).0, Verdict::Diverged);
    assert!(compare(b"no map", &theirs, &[], &Limits::default()).is_err());
}
