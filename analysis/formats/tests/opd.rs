//! Wyko `.opd` files made byte by byte: directory, transposition, factors, masks, and what is refused.

mod fixtures;

use fixtures::{Opd, OpdHeights, patched};
use stitchbox_formats::{Format, FormatError, Limits, Sniff, read_sub_aperture, sniff};
use stitchbox_surface::{PixelSize, SubAperture};

fn read(file: &Opd) -> Result<SubAperture, FormatError> {
    read_sub_aperture("x.opd", &file.bytes(), &Limits::default())
}

fn error(file: &Opd) -> FormatError {
    read(file).expect_err("a spoilt file was read")
}

#[test]
fn floats_times_wavelength_are_transposed_and_masked() {
    let file = Opd::default();
    assert_eq!(sniff("x", &file.bytes()), Sniff::Recognised(Format::Opd));
    let sub = read(&file).unwrap();
    // Stored along y first: 4 columns of 3 heights.
    assert_eq!(sub.map.shape(), (3, 4));
    for ((row, column), height) in sub.map.heights_nm().indexed_iter() {
        let stored = 3 * column + row;
        let valid = ![4, 7, 11].contains(&stored);
        assert_eq!(sub.map.valid()[[row, column]], valid, "{row} {column}");
        assert_eq!(*height, if valid { (stored as f64 + 0.5) * 500.0 } else { 0.0 });
    }
    assert_eq!(sub.map.pixel(), Some(PixelSize { x_mm: 0.25, y_mm: 0.25 }));
    assert_eq!(sub.position_mm, None);
    let instrument = &sub.instrument;
    assert_eq!((instrument.wavelength_nm, instrument.comment.as_deref()), (Some(500.0), Some("caf\u{e9}")));
}

#[test]
fn integers_are_divided_by_mult_and_the_aspect_stretches_y() {
    let stored = vec![0, 1, -2, 32765, 32766, 32767, -32768, 7, 8, 9, 10, 11];
    let file =
        Opd { heights: OpdHeights::Integer(stored.clone()), mult: Some(200), aspect: Some(1.25), ..Opd::default() };
    let sub = read(&file).unwrap();
    for ((row, column), height) in sub.map.heights_nm().indexed_iter() {
        let value = stored[3 * column + row];
        assert_eq!(sub.map.valid()[[row, column]], value < 32766);
        assert!(value >= 32766 || (height - f64::from(value) / 200.0 * 500.0).abs() < 1e-9);
    }
    assert_eq!(sub.map.pixel(), Some(PixelSize { x_mm: 0.25, y_mm: 0.3125 }));
}

#[test]
fn every_name_of_the_heights_counts_and_the_first_in_the_directory_wins() {
    for block in ["RAW_DATA", "Raw", "RAW DATA", "OPD"] {
        assert_eq!(read(&Opd { block, ..Opd::default() }).unwrap().map, read(&Opd::default()).unwrap().map, "{block}");
    }
    let e = error(&Opd { block: "SAMPLE", ..Opd::default() });
    assert!(e.to_string().contains("names no block of heights"), "{e}");
}

#[test]
fn unknown_types_are_skipped_by_their_length() {
    // The block of type 15 stands before the heights; had it not been skipped, nothing would fit.
    let plain = read(&Opd::default()).unwrap();
    for odd in [0, 1, 6, 4001] {
        assert_eq!(read(&Opd { odd_block: odd, ..Opd::default() }).unwrap(), plain, "{odd} bytes");
    }
}

#[test]
fn the_image_is_the_intensity_and_the_stage_the_position() {
    let file = Opd { image: true, stage_inches: Some((2.0, -1.0)), ..Opd::default() };
    let sub = read(&file).unwrap();
    let intensity = sub.intensity.unwrap();
    assert!(intensity.indexed_iter().all(|((row, column), i)| *i == (10 + 3 * column + row) as f32));
    assert_eq!(sub.position_mm, Some((-50.8, 25.4)));
    assert_eq!(sub.instrument.stage_mm, sub.position_mm);
}

#[test]
fn factors_that_are_missing_or_none_are_named() {
    let integer = || OpdHeights::Integer(vec![1; 12]);
    let e = error(&Opd { heights: integer(), ..Opd::default() });
    assert!(e.to_string().contains("names no Mult"), "{e}");
    let e = error(&Opd { heights: integer(), mult: Some(0), ..Opd::default() });
    assert!(matches!(e, FormatError::ScaleFactor { which: "Mult", .. }), "{e}");
    let e = error(&Opd { wavelength: None, ..Opd::default() });
    assert!(e.to_string().contains("names no Wavelength"), "{e}");
    let e = error(&Opd { wavelength: Some(-1.0), ..Opd::default() });
    assert!(matches!(e, FormatError::ScaleFactor { which: "Wavelength", .. }), "{e}");
    for aspect in [0.0, -1.0] {
        assert_eq!(read(&Opd { aspect: Some(aspect), ..Opd::default() }).unwrap().map.pixel(), None);
    }
    assert_eq!(read(&Opd { pixel: None, ..Opd::default() }).unwrap().map.pixel(), None);
}

#[test]
fn a_truncated_or_contradictory_file_says_so() {
    let whole = Opd::default().bytes();
    let at = |length: usize| read_sub_aperture("x", &whole[..length], &Limits::default()).unwrap_err();
    assert!(matches!(at(20), FormatError::HeaderTruncated { needed: 26, found: 20 }));
    assert!(matches!(at(100), FormatError::HeaderTruncated { .. }));
    let e = at(whole.len() - 1);
    assert!(matches!(e, FormatError::Truncated { needed: 54, found: 53, .. }), "{e}");
    for size in [0i32, -1, 23] {
        let bytes = patched(whole.clone(), 20, &size.to_le_bytes());
        let e = read_sub_aperture("x", &bytes, &Limits::default()).unwrap_err();
        assert!(e.to_string().contains("its directory announces"), "{e}");
    }
    // More columns than the block has heights for, and none at all.
    let shape = whole.len() - 54;
    for (columns, wanted) in [(5u16, "HeightsTruncated"), (0, "NoHeights")] {
        let bytes = patched(whole.clone(), shape, &columns.to_le_bytes());
        let e = read_sub_aperture("x", &bytes, &Limits::default()).unwrap_err();
        assert!(format!("{e:?}").starts_with(wanted), "{e:?}");
    }
    let bytes = patched(whole.clone(), shape + 4, &[8, 0]);
    let e = read_sub_aperture("x", &bytes, &Limits::default()).unwrap_err();
    assert!(e.to_string().contains("heights of 8 bytes"), "{e}");
    let small = Limits { max_pixels: 11, ..Limits::default() };
    assert!(matches!(
        read_sub_aperture("x", &whole, &small),
        Err(FormatError::MapTooLarge { columns: 4, rows: 3, .. })
    ));
}
