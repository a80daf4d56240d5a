//! Plain texts: what they are is told by their words and shape; what is written is read back.

use stitchbox_formats::{Format, Limits, Sniff, read_measurement, sniff, write_csv_map, write_csv_profile, write_xyz};
use stitchbox_surface::ProfileKind;

use crate::{assert_says, read_map, read_profile, small_map, small_profile};

#[test]
fn maps_survive_csv_bit_by_bit() {
    for map in [small_map(), small_map().with_pixel(None)] {
        let text = write_csv_map(&map);
        assert_eq!(Format::of(&text), Some(Format::Csv));
        let read = read_map(&text);
        assert_eq!(read.map, map);
        assert_eq!(read.instrument.format, "text matrix");
    }
}

#[test]
fn a_csv_map_of_two_or_three_columns_stays_a_map() {
    for columns in [1, 2, 3] {
        let whole = small_map();
        // The first row was not measured at all.
        let height = |at: (usize, usize)| if at.0 == 0 { f64::NAN } else { whole.heights_nm()[at] + 0.25 };
        let heights = ndarray::Array2::from_shape_fn((5, columns), height);
        let map = stitchbox_surface::HeightMap::from_heights_nm(heights, whole.pixel());
        assert_eq!(read_map(&write_csv_map(&map)).map, map, "{columns} columns");
    }
}

#[test]
fn profiles_survive_csv_bit_by_bit() {
    for kind in [ProfileKind::HeightNm, ProfileKind::SlopeUrad] {
        for sigma in [Some(0.05), None] {
            let profile = stitchbox_surface::Profile { sigma, ..small_profile(kind) };
            let read = read_profile(&write_csv_profile(&profile, None));
            assert_eq!((&read.x_mm, &read.values), (&profile.x_mm, &profile.values));
            assert_eq!((read.kind, read.sigma), (kind, sigma));
        }
    }
}

#[test]
fn points_survive_with_their_heights_and_mask() {
    let map = small_map();
    let text = write_xyz(&map).unwrap();
    assert_eq!(Format::of(&text), Some(Format::XyzPoints));
    let read = read_map(&text);
    assert_eq!(read.map.heights_nm(), map.heights_nm());
    assert_eq!(read.map.valid(), map.valid());
    let (found, pixel) = (read.map.pixel().unwrap(), map.pixel().unwrap());
    assert!((found.x_mm / pixel.x_mm - 1.0).abs() < 1e-14 && (found.y_mm / pixel.y_mm - 1.0).abs() < 1e-14);
    assert_eq!(read.instrument.format, "xyz points");
    assert!(write_xyz(&map.with_pixel(None)).unwrap_err().to_string().contains("pixel size"));
}

#[test]
fn units_of_columns_are_converted() {
    let profile = read_profile(b"# comment\nx [m];slope [mrad]\n0,001;2,5\n0,002;-1\n0,004;nan\n0,005;3\n");
    assert_eq!(profile.kind, ProfileKind::SlopeUrad);
    assert_eq!(profile.x_mm, [1.0, 2.0, 5.0]);
    assert_eq!(profile.values, [2500.0, -1000.0, 3000.0]);
    let map = read_map("x(m) y(m) z(\u{b5}m)\n0 0 1\n1e-3 0 2\n0 2e-3 3\n1e-3 2e-3 4\n".as_bytes()).map;
    assert_eq!(map.pixel().unwrap().y_mm, 2.0);
    assert!((map.heights_nm()[[1, 0]] - 3000.0).abs() < 1e-9);
}

#[test]
fn decimal_commas_and_latin_1_are_read() {
    let text = b"# Breite: 12,34 \xB5m\n# H\xF6he: 5678,9 nm\n# Value units: nm\n1 1,5 3 4\n-2 -3 -6 nan\n";
    let map = read_map(text).map;
    assert_eq!(map.shape(), (2, 4));
    assert_eq!(map.heights_nm()[[0, 1]], 1.5);
    assert_eq!(map.valid_count(), 7);
    assert!((map.pixel().unwrap().x_mm - 12.34e-3 / 4.0).abs() < 1e-15);
}

#[test]
fn a_matrix_without_words_is_in_nanometres_and_says_so() {
    let sub = read_map(b"1 2 3 4\n5 6 7 8\n");
    assert_eq!((sub.map.shape(), sub.map.pixel()), ((2, 4), None));
    assert!(sub.instrument.format.contains("nm assumed"));
}

#[test]
fn what_is_ambiguous_or_wrong_is_refused() {
    assert_says(b"1 2\n3 4\n", &["does not say what they are", "x_mm,height_nm"]);
    assert_says(b"# Value units: V\n1 2 3 4\n5 6 7 8\n", &["\"V\"", "heights"]);
    assert_says(b"h=3 w=4\n1 2 3 4\n5 6 7 8\n", &["announces 4 x 3", "4 x 2 follow"]);
    assert_says(b"0 0 1\n1 1 2\n3 7 1\n2.2 0.1 1\n", &["no regular grid"]);
    assert!(read_measurement("t", b"only words\nand more\n", &Limits::default()).is_err());
    assert_eq!(Format::of(b"year 2024\n12\n13\n"), None);
}

#[test]
fn texts_form_no_series_by_themselves() {
    for text in [&b"1 2 3\n"[..], b"x_mm,height_nm\n1,2\n2,3\n", b"1 2 3 4\n5 6 7 8\n"] {
        assert_eq!(sniff("a.txt", text), Sniff::Foreign);
    }
}
