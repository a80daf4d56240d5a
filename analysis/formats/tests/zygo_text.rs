//! Zygo's two text formats, made line by line: camera coordinates, scales, gaps, intensity, and what is refused.

mod fixtures;

use fixtures::texts::{ascii, xyz};
use stitchbox_formats::{Format, FormatError, Limits, Sniff, read_sub_aperture, sniff};
use stitchbox_surface::{DetectorWindow, PixelSize, SubAperture};

fn read(text: &str) -> Result<SubAperture, FormatError> {
    read_sub_aperture("x.txt", text.as_bytes(), &Limits::default())
}

fn error(text: &str) -> String {
    read(text).expect_err("a spoilt file was read").to_string()
}

fn row_values(sub: &SubAperture) -> Vec<Option<f64>> {
    sub.map.heights_nm().iter().zip(sub.map.valid()).map(|(h, valid)| valid.then_some(*h)).collect()
}

#[test]
fn points_lie_at_their_camera_coordinates_in_any_order() {
    let points = "12 21 0.5\n10 20 -0.001\n\n11 20 No Data\n12 20 1e-3\n \n10 21 0\n11 21 NO DATA\n#\n";
    for end in ["\n", "\r\n"] {
        let text = xyz(points).replace('\n', end);
        assert_eq!(sniff("a.xyz", text.as_bytes()), Sniff::Recognised(Format::ZygoXyz));
        let sub = read(&text).unwrap();
        let heights = row_values(&sub);
        assert_eq!(heights, [Some(-1.0), None, Some(1.0), Some(0.0), None, Some(500.0)]);
        assert_eq!(sub.map.shape(), (2, 3));
        assert_eq!(sub.window, DetectorWindow { column: 10, row: 20 });
        assert_eq!(sub.map.pixel(), Some(PixelSize { x_mm: 0.1, y_mm: 0.1 }));
        assert_eq!(sub.position_mm, Some((7.5, 0.0)));
        assert_eq!(sub.instrument.acquired_unix, Some(1_600_000_000));
        assert_eq!(sub.instrument.part.as_deref(), Some("M1"));
        assert_eq!(sub.instrument.objective.as_deref(), Some("4 inch TF"));
        assert!((sub.instrument.wavelength_nm.unwrap() - 640.0).abs() < 1e-9);
    }
}

#[test]
fn missing_points_are_gaps_only_where_the_end_is_there() {
    assert_eq!(read(&xyz("10 20 1\n#\n")).unwrap().map.valid_count(), 1);
    let e = error(&xyz("10 20 1\n11 20 2\n"));
    assert!(e.contains("ends after 2 of 6 points"), "{e}");
    let all: String = (0..6).map(|i| format!("{} {} 1\n", 10 + i % 3, 20 + i / 3)).collect();
    assert_eq!(read(&xyz(&all)).unwrap().map.valid_count(), 6);
}

#[test]
fn a_point_that_is_none_is_named_by_its_line() {
    for (rows, says) in [
        ("13 20 1\n#\n", "line 15 does not begin with the place of a pixel"),
        ("9 20 1\n#\n", "line 15 does not begin"),
        ("10 20 1\n10 22 1\n#\n", "line 16 does not begin"),
        ("a b c\n#\n", "line 15 does not begin"),
        ("10 20\n#\n", "line 15 has no height"),
        ("10 20 x\n#\n", "line 15 has no height"),
        ("10 20 nan\n#\n", "line 15 has no height"),
        ("-9223372036854775808 20 1\n#\n", "line 15 does not begin"),
    ] {
        let e = error(&xyz(rows));
        assert!(e.contains(says), "{rows}: {e}");
    }
}

#[test]
fn integers_are_scaled_by_the_phase_resolution() {
    for (code, steps) in [("0", 4096.0), ("1", 32768.0), ("2", 131_072.0)] {
        let text = ascii("0 0 0 0 0 0", code, "#\n-100 0 2147483640\n2147483639 7 2147483647\n#\n");
        assert_eq!(sniff("a.asc", text.as_bytes()), Sniff::Recognised(Format::ZygoAscii));
        let sub = read(&text).unwrap();
        let nm = |stored: f64| Some(stored * (6.4e-7 * 0.5 / steps) * 1e9);
        let expected = [nm(-100.0), nm(0.0), None, nm(2_147_483_639.0), nm(7.0), None];
        for (found, expected) in row_values(&sub).into_iter().zip(expected) {
            assert_eq!(found.is_some(), expected.is_some());
            assert!((found.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() <= 1e-12 * expected.unwrap_or(0.0).abs());
        }
        assert_eq!(sub.intensity, None);
    }
    let without_mark = ascii("0 0 0 0 0 0", "1", "1 2 3 4 5 6\n#\n");
    assert_eq!(read(&without_mark).unwrap().map.valid_count(), 6);
}

#[test]
fn intensities_are_averaged_and_cut_to_the_window() {
    // Two frames of 4 x 2 pixels, which begin one column before the heights.
    let text = ascii("9 20 4 2 2 255", "1", "1 2 3 4 5\n6 7 8\n\n11 12 65535 14 15 16 17 18\n#\n1 2 3 4 5 6\n#\n");
    let sub = read(&text).unwrap();
    let expected = ndarray::array![[7.0, 3.0, 9.0], [11.0, 12.0, 13.0]];
    assert_eq!(sub.intensity.unwrap(), expected);
}

#[test]
fn the_wrong_number_of_integers_is_refused() {
    let none = "0 0 0 0 0 0";
    let e = error(&ascii(none, "1", "#\n1 2 3 4 5\n#\n"));
    assert!(e.contains("ends the heights after 5 of 6"), "{e}");
    let e = error(&ascii(none, "1", "#\n1 2 3 4 5 6 7\n#\n"));
    assert!(e.contains("more heights than the 6"), "{e}");
    let e = error(&ascii(none, "1", "#\n1 2 3 4.5 5 6\n#\n"));
    assert!(e.contains("no integer"), "{e}");
    let e = error(&ascii("0 0 2 2 1 255", "1", "1 2 3\n#\n1 2 3 4 5 6\n#\n"));
    assert!(e.contains("ends the intensities after 3 of 4"), "{e}");
}

#[test]
fn a_header_that_promises_too_much_or_too_little_is_refused_before_anything_is_held() {
    let huge = xyz("#\n").replace("10 20 3 2", "10 20 4000 4000");
    assert!(matches!(read(&huge), Err(FormatError::HeightsTruncated { columns: 4000, rows: 4000, .. })));
    let huge = xyz("#\n").replace("10 20 3 2", "10 20 400000 400000");
    assert!(matches!(read(&huge), Err(FormatError::MapTooLarge { .. })));
    assert!(matches!(read(&xyz("#\n").replace("10 20 3 2", "10 20 0 2")), Err(FormatError::NoHeights { .. })));
    let huge = ascii("0 0 60000 60000 9 255", "1", "#\n1 2 3 4 5 6\n#\n");
    assert!(matches!(read(&huge), Err(FormatError::IntensitySize { frames: 9, .. })));
    for (from, to, says) in [
        ("10 20 3 2", "10 20 3", "line 4 of the header"),
        ("0 0 0 0 0 0", "nothing", "line 3 of the header"),
        ("0 0.5 6.4e-07", "0 x 6.4e-07", "line 8 of the header"),
        ("#\n", "", "the header has no end"),
    ] {
        let e = error(&xyz("").replacen(from, to, 1));
        assert!(e.contains(says), "{from} -> {to}: {e}");
    }
    let e = read(&ascii("0 0 0 0 0 0", "3", "#\n1 2 3 4 5 6\n#\n")).unwrap_err();
    assert!(matches!(e, FormatError::PhaseResolution { code: 3 }), "{e}");
    let flat = ascii("0 0 0 0 0 0", "1", "#\n1 2 3 4 5 6\n#\n").replace("0 0.5 6.4e-07", "0 0 6.4e-07");
    assert!(matches!(read(&flat), Err(FormatError::ScaleFactor { which: "interferometric scale factor", .. })));
}
