//! What is refused, in sentences that name the file, and how much memory is foretold.

mod support;

use ndarray::Array2;
use stitchbox_stitch::{KnownReference, Options, Placed, Reference, StitchError, Terms, estimate_bytes, stitch};
use stitchbox_surface::{DetectorWindow, HeightMap, PixelSize};
use support::{PIXEL_MM, Plan, placed};

#[test]
fn what_cannot_be_stitched_is_refused_with_names() {
    let series = Plan::small(13).series();
    let refused = |series: &[Placed]| stitch(series, &Options::default(), &()).unwrap_err();

    assert_eq!(refused(&series[..1]), StitchError::TooFew { count: 1 });

    let mut empty = series.clone();
    empty[4] = placed("blank.dat", Array2::from_elem((40, 200), f64::NAN), 0.0, 0.0);
    assert_eq!(refused(&empty), StitchError::NoValidPixels { file: "blank.dat".into() });

    let mut uncalibrated = series.clone();
    uncalibrated[2].sub_aperture.map = uncalibrated[2].sub_aperture.map.clone().with_pixel(None);
    assert_eq!(refused(&uncalibrated), StitchError::NoLateralCalibration { file: "sub_03.dat".into() });

    let mut mixed = series.clone();
    let other = PixelSize { x_mm: 0.1002, y_mm: 0.1 };
    mixed[7].sub_aperture.map = mixed[7].sub_aperture.map.clone().with_pixel(Some(other));
    let sentence = refused(&mixed).to_string();
    assert!(sentence.contains("sub_01.dat has pixels of 0.100000 mm"), "{sentence}");
    assert!(sentence.contains("sub_08.dat has pixels of 0.100200 x 0.100000 mm"), "{sentence}");

    let mut apart = series.clone();
    for p in &mut apart[10..] {
        p.x_mm += 1000.0;
    }
    let sentence = refused(&apart).to_string();
    assert!(sentence.contains("2 groups") && sentence.contains("(sub_11.dat, sub_12.dat)"), "{sentence}");

    let mut lost = series.clone();
    lost[1].x_mm = f64::NAN;
    assert!(matches!(refused(&lost), StitchError::AbsurdPosition { file, .. } if file == "sub_02.dat"));

    let mut far = series.clone();
    far[1].sub_aperture.window = DetectorWindow { column: i64::MAX, row: i64::MIN };
    assert!(matches!(refused(&far), StitchError::AbsurdWindow { file, .. } if file == "sub_02.dat"));
    for hostile in [i64::MAX - 1023, (1 << 31) + 1, -(1 << 31) - 1] {
        let mut far = series.clone();
        for p in &mut far {
            p.sub_aperture.window.row = hostile;
        }
        let sentence = refused(&far).to_string();
        assert!(sentence.contains("detector window of sub_01.dat") && sentence.contains("column 0"), "{sentence}");
    }
    far[1].sub_aperture.window = DetectorWindow { column: 1 << 31, row: 0 };
    assert!(matches!(refused(&far), StitchError::TooLarge { what: "camera frame", .. }));

    let mut mountain = series.clone();
    let (mut heights, valid, pixel) = mountain[3].sub_aperture.map.clone().into_parts();
    heights[[2, 2]] = -1.5e12;
    heights[[2, 3]] = 2e9;
    mountain[3].sub_aperture.map = HeightMap::new(heights, Array2::from_elem(valid.dim(), true), pixel).unwrap();
    let sentence = refused(&mountain).to_string();
    assert!(sentence.contains("sub_04.dat has a height of -1.5e12 nm"), "{sentence}");

    let with_reference = |shape: (usize, usize), window: (i64, i64), pixel_mm: f64| {
        let pixel = Some(PixelSize { x_mm: pixel_mm, y_mm: pixel_mm });
        let known = KnownReference {
            map: HeightMap::from_heights_nm(Array2::zeros(shape), pixel),
            window: DetectorWindow { row: window.0, column: window.1 },
        };
        stitch(&series, &Options { reference: Reference::Known(known), ..Options::default() }, &())
    };
    let sentence = with_reference((3, 4), (0, 0), PIXEL_MM).unwrap_err().to_string();
    assert!(sentence.contains("3 x 4") && sentence.contains("40 x 200"), "{sentence}");
    // As large as the camera frame, but elsewhere in the camera.
    for window in [(0, 1), (-1, 0), (i64::MIN, 0), (0, i64::MAX)] {
        let refused = with_reference((40, 200), window, PIXEL_MM).unwrap_err();
        assert!(matches!(refused, StitchError::ReferenceShape { .. }), "{refused}");
    }
    let sentence = with_reference((40, 200), (0, 0), 1.001 * PIXEL_MM).unwrap_err().to_string();
    assert!(sentence.contains("0.100100 mm") && sentence.contains("0.100000 mm"), "{sentence}");
    assert!(with_reference((50, 210), (-4, -10), PIXEL_MM).is_ok());
}

#[test]
fn a_tie_of_pixels_on_one_line_is_none() {
    let mut series = Plan::x_scan((12, 60), &[0, 15, 34, 52]).series();
    // Of the last nothing is left but what lies on one diagonal of the others.
    let (heights, mut valid, pixel) = series[3].sub_aperture.map.clone().into_parts();
    for ((row, column), valid) in valid.indexed_iter_mut() {
        *valid = row == column && row < 8 || column >= 50;
    }
    series[3].sub_aperture.map = HeightMap::new(heights, valid, pixel).unwrap();
    let sentence = stitch(&series, &Options::default(), &()).unwrap_err().to_string();
    assert!(sentence.contains("on one line: (sub_01.dat, sub_02.dat, sub_03.dat); (sub_04.dat)"), "{sentence}");
    let terms = Terms { roll: false, ..Terms::default() };
    let options = Options { terms, reference: Reference::None, robust: false, ..Options::default() };
    assert!(stitch(&series, &options, &()).is_ok());
}

#[test]
fn the_memory_estimate_grows_with_series_map_and_options() {
    let series = Plan::small(19).series();
    let robust = estimate_bytes(&series, &Options::default());
    let given = 9 * 12 * 40 * 200;
    assert!(robust > given && robust < given + (20 << 20), "{robust}");
    assert!(estimate_bytes(&series, &Options { robust: false, ..Options::default() }) <= robust);
    let mut between = series.clone();
    between[3].x_mm += 0.5 * PIXEL_MM;
    assert!(estimate_bytes(&between, &Options::default()) >= robust + 8 * 40 * 200);
    // What will be refused before anything large is allocated is not called too large.
    let mut lost = series.clone();
    lost[1].x_mm = f64::NAN;
    assert_eq!(estimate_bytes(&lost, &Options::default()), given);
}
