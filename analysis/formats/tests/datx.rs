//! `.datx` files built here with `hdf5-writer`: links, units, masks, compression, and what is refused.

mod fixtures;

use fixtures::{Datx, Layout, with_filter};
use stitchbox_formats::{Format, FormatError, Limits, Sniff, read_sub_aperture, sniff};
use stitchbox_surface::{DetectorWindow, PixelSize, SubAperture};

fn read(file: &Datx) -> Result<SubAperture, FormatError> {
    read_sub_aperture("x.datx", &file.bytes(), &Limits::default())
}

fn error(file: &Datx) -> FormatError {
    read(file).expect_err("a spoilt file was read")
}

#[test]
fn fringes_become_nanometres_and_no_data_a_mask() {
    let file = Datx::default();
    assert_eq!(sniff("x.datx", &file.bytes()), Sniff::Recognised(Format::Datx));
    let sub = read(&file).unwrap();
    assert_eq!(sub.map.shape(), (3, 4));
    assert_eq!(sub.map.valid_count(), 11);
    assert!(!sub.map.valid()[[1, 1]]);
    assert!((sub.map.heights_nm()[[2, 3]] - 12.0 * 316.4).abs() < 1e-9);
    assert_eq!(sub.map.pixel(), Some(PixelSize { x_mm: 1.0, y_mm: 1.0 }));
    assert_eq!(sub.window, DetectorWindow { column: 15, row: 22 });
    assert_eq!(sub.position_mm, None);
    assert_eq!(sub.instrument.objective.as_deref(), Some("4 inch TF"));
    assert!((sub.instrument.wavelength_nm.unwrap() - 632.8).abs() < 1e-9);
}

#[test]
fn lengths_need_no_wavelength() {
    for (unit, nm) in [("NanoMeters", 1.0), ("MicroMeters", 1e3), ("Meters", 1e9), ("Angstroms", 0.1)] {
        let sub = read(&Datx { unit: Some(unit), wavelength: None, scale: None, ..Datx::default() }).unwrap();
        assert!((sub.map.heights_nm()[[0, 1]] / nm - 2.0).abs() < 1e-12, "{unit}");
    }
}

#[test]
fn compressed_heights_are_the_same_heights() {
    let plain = read(&Datx::default()).unwrap();
    assert_eq!(read(&Datx { layout: Layout::Deflate, ..Datx::default() }).unwrap().map, plain.map);
}

#[test]
fn an_unknown_filter_is_refused_with_its_cure() {
    let compressed = Datx { layout: Layout::Deflate, ..Datx::default() }.bytes();
    let e = read_sub_aperture("x.datx", &with_filter(compressed, 99), &Limits::default()).unwrap_err();
    assert!(matches!(e, FormatError::Compression { .. }), "{e}");
    let cure = "save it without compression, or as MetroPro .dat";
    assert!(e.to_string().contains(cure), "{e}");
}

#[test]
fn szip_heights_and_intensity_are_decoded_and_the_private_filter_disturbs_nobody() {
    let sub = read_sub_aperture("szip.datx", include_bytes!("fixtures/szip.datx"), &Limits::default()).unwrap();
    assert_eq!(sub.map.shape(), (9, 12));
    assert_eq!(sub.map.valid_count(), 106);
    assert!(!sub.map.valid()[[2, 3]] && !sub.map.valid()[[8, 11]]);
    let intensity = sub.intensity.unwrap();
    for (((row, column), height), valid) in sub.map.heights_nm().indexed_iter().zip(sub.map.valid()) {
        let expected = ((16 * row + column) as f64 / 64.0 - 1.0) * 320.0;
        assert!(!valid || (height - expected).abs() < 1e-9, "{row} {column}: {height}");
        assert_eq!(intensity[[row, column]], (1000 + 10 * (row + 2) + column + 2) as f32);
    }
    assert_eq!(sub.window, DetectorWindow { column: 22, row: 15 });
    let pixel = sub.map.pixel().unwrap();
    assert!((pixel.x_mm - 0.1).abs() < 1e-15 && pixel.x_mm == pixel.y_mm);
}

#[test]
fn several_measurements_in_one_file_are_not_guessed_at() {
    let e = error(&Datx { second: true, ..Datx::default() });
    assert!(matches!(e, FormatError::SeveralSurfaces { count: 2 }), "{e}");
    assert!(e.to_string().contains("save each measurement in a file of its own"), "{e}");
}

#[test]
fn intensity_is_cut_to_the_heights_and_one_that_cannot_be_read_is_left_out() {
    assert_eq!(read(&Datx::default()).unwrap().intensity, None);
    let sub = read(&Datx { intensity: Some(vec![4, 5]), ..Datx::default() }).unwrap();
    // The frame begins one row above the heights, at their first column; its last value on the map says "No Data".
    let expected: Vec<f32> = (0..12).map(|i| if i == 11 { 0.0 } else { (5 + i + i / 4 + 1) as f32 }).collect();
    assert_eq!(sub.intensity.unwrap().into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(read(&Datx { intensity: Some(vec![20]), ..Datx::default() }).unwrap().intensity, None);
}

#[test]
fn the_links_choose_and_without_them_the_only_surface_counts() {
    let linked = read(&Datx { stranger: true, ..Datx::default() }).unwrap();
    assert_eq!(linked.map, read(&Datx::default()).unwrap().map);
    assert_eq!(read(&Datx { links: false, ..Datx::default() }).unwrap().map, linked.map);
    let e = error(&Datx { links: false, stranger: true, ..Datx::default() });
    assert!(matches!(e, FormatError::SeveralSurfaces { count: 2 }), "{e}");
}

#[test]
fn positions_come_from_the_comment_or_else_from_the_stage() {
    let stage_mm = Some((12.5, -3.0));
    assert_eq!(read(&Datx { stage_mm, ..Datx::default() }).unwrap().position_mm, Some((-12.5, 3.0)));
    let both = Datx { stage_mm, comment: "Position= 1  X-coord= 7", ..Datx::default() };
    assert_eq!(read(&both).unwrap().position_mm, Some((-7.0, 0.0)));
}

#[test]
fn no_lateral_calibration_is_no_error() {
    for lateral_m in [None, Some(0.0), Some(f64::NAN), Some(-1.0)] {
        assert_eq!(read(&Datx { lateral_m, ..Datx::default() }).unwrap().map.pixel(), None, "{lateral_m:?}");
    }
}

#[test]
fn a_scale_that_is_missing_or_no_scale_is_named() {
    let e = error(&Datx { wavelength: None, ..Datx::default() });
    assert!(matches!(e, FormatError::ScaleFactorMissing { which: "wavelength" }), "{e}");
    let e = error(&Datx { scale: None, ..Datx::default() });
    assert!(matches!(e, FormatError::ScaleFactorMissing { which: "interferometric scale factor" }), "{e}");
    for value in [0.0, -0.5, f64::NAN] {
        let e = error(&Datx { scale: Some(value), ..Datx::default() });
        assert!(matches!(e, FormatError::ScaleFactor { which: "interferometric scale factor", .. }), "{e}");
    }
    let e = error(&Datx { unit: Some("Waves"), ..Datx::default() });
    assert!(matches!(&e, FormatError::Unit { unit } if unit == "Waves"), "{e}");
    assert!(matches!(error(&Datx { unit: None, ..Datx::default() }), FormatError::Unit { .. }));
}

#[test]
fn what_is_no_matrix_of_heights_is_refused() {
    let e = error(&Datx { shape: vec![12], ..Datx::default() });
    assert!(matches!(e, FormatError::NotAMatrix { dimensions: 1 }), "{e}");
    let e = error(&Datx { shape: vec![0, 4], heights: vec![], ..Datx::default() });
    assert!(matches!(e, FormatError::NoHeights { rows: 0, .. }), "{e}");
    let small = Limits { max_pixels: 11, ..Limits::default() };
    let e = read_sub_aperture("x.datx", &Datx::default().bytes(), &small).unwrap_err();
    assert!(matches!(e, FormatError::MapTooLarge { .. }), "{e}");
}

#[test]
fn an_hdf5_file_of_another_kind_and_a_truncated_one_are_refused() {
    use hdf5_writer::{DatasetBuilder, Hdf5Builder, WriteOptions};
    let other = Hdf5Builder::new().dataset(DatasetBuilder::typed_data("entry/data", vec![2], &[1.0, 2.0]).unwrap());
    let bytes = other.into_plan().unwrap().encode(WriteOptions::default()).unwrap();
    let e = read_sub_aperture("x.datx", &bytes, &Limits::default()).unwrap_err();
    assert!(matches!(e, FormatError::NoSurface), "{e}");

    let whole = Datx::default().bytes();
    for length in [8, 40, 100, whole.len() / 2, whole.len() - 1] {
        let e = read_sub_aperture("x.datx", &whole[..length], &Limits::default());
        assert!(e.is_err(), "{length} of {} bytes", whole.len());
    }
}
