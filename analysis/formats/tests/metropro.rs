//! MetroPro files, genuine and spoilt: every way a header can lie has its own answer.

mod fixtures;

use fixtures::{patched, small_map, small_metropro};
use stitchbox_formats::{
    FormatError, Limits, MetroPro, MetroProHeader, read_metropro, read_sub_aperture, write_metropro,
};
use stitchbox_surface::{DetectorWindow, HeightMap};

fn read(bytes: &[u8]) -> Result<MetroPro, FormatError> {
    read_metropro(bytes, &Limits::default())
}

fn error(bytes: &[u8]) -> FormatError {
    read_sub_aperture("x.dat", bytes, &Limits::default()).expect_err("a spoilt file was read")
}

/// Largest height difference in nm; the masks must be equal.
fn largest_difference(a: &HeightMap, b: &HeightMap) -> f64 {
    assert_eq!(a.valid(), b.valid());
    (a.heights_nm() - b.heights_nm()).iter().fold(0.0, |m, d| d.abs().max(m))
}

#[test]
fn what_was_written_is_read_within_half_a_step() {
    for (code, steps) in [(0, 4096.0), (1, 32768.0), (2, 131_072.0)] {
        let header = MetroProHeader { phase_resolution: code, ..MetroProHeader::default() };
        let read = read(&write_metropro(&small_map(), &header).unwrap()).unwrap();
        let step_nm = 632.8 * 0.5 / steps;
        assert!(largest_difference(&read.map, &small_map()) <= 0.5 * step_nm * 1.000_001, "phase resolution {code}");
        let pixel = read.map.pixel().unwrap();
        assert!((pixel.x_mm - 0.12).abs() < 1e-8 && pixel.x_mm == pixel.y_mm);
    }
}

#[test]
fn the_sub_aperture_has_name_position_window_and_instrument() {
    let header = MetroProHeader {
        comment: "Position= 3  X-coord= -12.5  X-shift= 0.000".to_owned(),
        phase: stitchbox_formats::PhaseWindow { column: 139, row: 38, ..Default::default() },
        time_stamp: 1_700_000_000,
        part_name: "M1".to_owned(),
        ..MetroProHeader::default()
    };
    let bytes = write_metropro(&small_map(), &header).unwrap();
    let sub = read_sub_aperture("sub_03.dat", &bytes, &Limits::default()).unwrap();
    assert_eq!(sub.name, "sub_03.dat");
    assert_eq!(sub.position_mm, Some((12.5, 0.0)));
    assert_eq!(sub.window, DetectorWindow { column: 139, row: 38 });
    assert_eq!(sub.instrument.format, "MetroPro .dat (format 1)");
    assert_eq!(sub.instrument.acquired_unix, Some(1_700_000_000));
    assert_eq!(sub.instrument.part.as_deref(), Some("M1"));
    assert_eq!(sub.instrument.objective, None);
    assert!((sub.instrument.wavelength_nm.unwrap() - 632.8).abs() < 1e-4);
}

#[test]
fn header_formats_two_and_three_are_read_and_the_announced_header_size_counts() {
    let genuine = small_metropro();
    for (last, size) in [(0x70, 834usize), (0x71, 4096), (0x6F, 1000)] {
        let mut bytes = patched(genuine.clone(), 3, &[last]);
        bytes = patched(bytes, 6, &(size as i32).to_be_bytes());
        bytes.splice(834..834, std::iter::repeat_n(0xAB, size - 834));
        let read = read(&bytes).unwrap();
        assert_eq!(read.header.format, last - 0x6E);
        assert_eq!(read.map, self::read(&genuine).unwrap().map, "header size {size}");
    }
}

#[test]
fn intensity_frames_are_skipped_by_their_size() {
    let genuine = small_metropro();
    let with_intensity = |pixels: [i16; 3], bytes: i32, actual: usize| {
        let mut file = genuine.clone();
        for (at, value) in [52, 54, 56].into_iter().zip(pixels) {
            file = patched(file, at, &value.to_be_bytes());
        }
        file = patched(file, 60, &bytes.to_be_bytes());
        file.splice(834..834, std::iter::repeat_n(0xFF, actual));
        file
    };
    let expected = read(&genuine).unwrap().map;
    for (pixels, bytes, actual) in [([6, 4, 2], 96, 96), ([6, 4, 0], 48, 48), ([6, 4, 1], 0, 48), ([0, 0, 0], 30, 30)] {
        assert_eq!(read(&with_intensity(pixels, bytes, actual)).unwrap().map, expected, "{pixels:?} {bytes}");
    }
    assert!(matches!(error(&with_intensity([6, 4, 1], 90, 10)), FormatError::Contradiction { .. }));
    assert!(matches!(error(&with_intensity([-6, 4, 1], 48, 48)), FormatError::IntensitySize { columns: -6, .. }));
    assert!(matches!(error(&with_intensity([6, 4, 1], -1, 48)), FormatError::IntensitySize { bytes: -1, .. }));
    let missing = error(&with_intensity([600, 400, 1], 480_000, 0));
    assert!(matches!(missing, FormatError::IntensityTruncated { announced: 480_000, found: 140 }), "{missing}");
}

#[test]
fn values_from_2147483640_up_are_not_measured() {
    let stored = [2_147_483_639i32, 2_147_483_640, i32::MAX, i32::MIN, 0];
    let mut bytes = small_metropro();
    for (i, value) in stored.into_iter().enumerate() {
        bytes = patched(bytes, 834 + 4 * i, &value.to_be_bytes());
    }
    let map = read(&bytes).unwrap().map;
    let valid: Vec<bool> = map.valid().iter().copied().take(5).collect();
    assert_eq!(valid, [true, false, false, true, true]);
}

#[test]
fn a_truncated_file_says_what_is_missing() {
    let genuine = small_metropro();
    for length in [4, 9, 400, 833] {
        let e = error(&genuine[..length]);
        assert!(matches!(e, FormatError::HeaderTruncated { needed: 834, .. }), "{length}: {e}");
    }
    for length in [834, 835, genuine.len() - 1] {
        let e = error(&genuine[..length]);
        let found = length as u64 - 834;
        assert!(matches!(e, FormatError::HeightsTruncated { found: f, .. } if f == found), "{length}: {e}");
    }
    assert_eq!(
        error(&genuine[..900]).to_string(),
        "the file is truncated: the header announces 7 x 5 heights (140 bytes) but only 66 bytes follow; copy it again \
         from the instrument"
    );
    assert!(matches!(error(&[]), FormatError::Empty));
    assert!(matches!(error(&genuine[..3]), FormatError::UnknownSignature { .. }));
}

#[test]
fn another_signature_is_shown() {
    let e = error(&patched(small_metropro(), 0, &[0x88, 0x1B, 0x03, 0x7F]));
    assert!(e.to_string().starts_with("the file begins with 88 1b 03 7f,"), "{e}");
}

#[test]
fn absurd_header_sizes_are_refused_before_anything_is_read() {
    let with_size = |size: i32| patched(small_metropro(), 6, &size.to_be_bytes());
    for size in [i32::MIN, -1, 0, 833] {
        let e = error(&with_size(size));
        assert!(matches!(e, FormatError::HeaderSize { announced, .. } if announced == i64::from(size)), "{e}");
    }
    for size in [100_000, i32::MAX] {
        assert!(matches!(error(&with_size(size)), FormatError::HeaderTruncated { .. }));
    }
}

#[test]
fn a_map_without_heights_or_with_impossible_ones_is_refused() {
    let with_shape = |columns: i16, rows: i16, bytes: i32| {
        let file = patched(small_metropro(), 68, &columns.to_be_bytes());
        patched(patched(file, 70, &rows.to_be_bytes()), 72, &bytes.to_be_bytes())
    };
    for (columns, rows) in [(0, 5), (7, 0), (0, 0), (-7, 5), (7, i16::MIN)] {
        let e = error(&with_shape(columns, rows, 0));
        assert!(matches!(e, FormatError::NoHeights { .. }), "{columns} x {rows}: {e}");
    }
    let huge = error(&with_shape(i16::MAX, 2000, 0));
    assert!(matches!(huge, FormatError::HeightsTruncated { needed: 262_136_000, found: 140, .. }), "{huge}");
    assert!(matches!(error(&with_shape(i16::MAX, i16::MAX, 0)), FormatError::MapTooLarge { .. }));
    assert!(matches!(error(&with_shape(6, 5, 140)), FormatError::Contradiction { expected: 120, .. }));
    assert!(read(&with_shape(7, 5, 0)).is_ok(), "a writer that does not count bytes");
}

#[test]
fn a_factor_that_is_no_factor_is_named() {
    let factors = [(164, "interferometric scale factor"), (168, "wavelength"), (176, "obliquity factor")];
    for (at, name) in factors {
        for value in [0.0f32, -0.5, f32::NAN, f32::INFINITY] {
            let e = error(&patched(small_metropro(), at, &value.to_be_bytes()));
            assert!(matches!(e, FormatError::ScaleFactor { which, .. } if which == name), "{name} {value}: {e}");
        }
    }
    for code in [3i16, -1, 100] {
        let e = error(&patched(small_metropro(), 218, &code.to_be_bytes()));
        assert!(matches!(e, FormatError::PhaseResolution { code: c } if c == code), "{e}");
    }
}

#[test]
fn no_lateral_calibration_is_no_error() {
    for value in [0.0f32, -1.0, f32::NAN, f32::INFINITY] {
        let read = read(&patched(small_metropro(), 184, &value.to_be_bytes())).unwrap();
        assert_eq!(read.map.pixel(), None, "{value}");
    }
}

#[test]
fn the_stage_gives_the_position_where_no_comment_does() {
    let stage = |state, comment: &str| {
        let stage = stitchbox_formats::Stage { state, x_inches: 2.0, y_inches: -1.0, ..Default::default() };
        let header = MetroProHeader { stage, comment: comment.to_owned(), ..MetroProHeader::default() };
        read(&write_metropro(&small_map(), &header).unwrap()).unwrap().position_mm()
    };
    assert_eq!(stage(1, "mirror M1"), Some((-50.8, 25.4)));
    assert_eq!(stage(0, "mirror M1"), None);
    assert_eq!(stage(1, "X-coord= 3"), Some((-3.0, 0.0)));
}

#[test]
fn limits_hold() {
    let bytes = small_metropro();
    let pixels = Limits { max_pixels: 34, ..Limits::default() };
    let e = read_sub_aperture("x.dat", &bytes, &pixels).unwrap_err();
    assert!(matches!(e, FormatError::MapTooLarge { columns: 7, rows: 5, limit: 34 }), "{e}");
    let size = Limits { max_file_bytes: 973, ..Limits::default() };
    let e = read_sub_aperture("x.dat", &bytes, &size).unwrap_err();
    assert!(matches!(e, FormatError::FileTooLarge { bytes: 974, limit: 973 }), "{e}");
    assert!(read_sub_aperture("x.dat", &bytes, &Limits { max_pixels: 35, max_file_bytes: 974 }).is_ok());
}

/// The small map's file with frames before the heights; the header tells window, shape and number of frames.
fn with_frames(window: [i16; 2], shape: [i16; 3], counts: &[u16]) -> Vec<u8> {
    let mut file = patched(small_metropro(), 64, &[0, 10, 0, 20]);
    for (at, value) in (48..58).step_by(2).zip([window[0], window[1], shape[0], shape[1], shape[2]]) {
        file = patched(file, at, &value.to_be_bytes());
    }
    file = patched(file, 60, &(2 * counts.len() as i32).to_be_bytes());
    let bytes = counts.iter().flat_map(|c| c.to_be_bytes());
    file.splice(834..834, bytes);
    file
}

#[test]
fn intensity_is_the_mean_of_the_frames_in_the_window_of_the_heights() {
    // The heights are 7 x 5 from camera column 10, row 20; the frames 9 x 6 from column 9, row 20.
    let counts = |frame: u16| (0..54u16).map(move |i| if (frame, i) == (0, 12) { 65535 } else { 300 * frame + i });
    let two: Vec<u16> = counts(0).chain(counts(1)).collect();
    let sub = read_sub_aperture("x", &with_frames([9, 20], [9, 6, 2], &two), &Limits::default()).unwrap();
    let intensity = sub.intensity.unwrap();
    assert_eq!(intensity.dim(), (5, 7));
    for ((row, column), found) in intensity.indexed_iter() {
        let stored = 9 * row + column + 1;
        let mean = if stored == 12 { 312.0 } else { stored as f32 + 150.0 };
        assert_eq!(*found, mean, "{row} {column}");
    }
    assert_eq!(sub.map, read(&small_metropro()).unwrap().map);

    let elsewhere = with_frames([17, 20], [9, 6, 1], &two[..54]);
    assert_eq!(read(&elsewhere).unwrap().intensity, None);
    let partly = read(&with_frames([16, 24], [9, 6, 1], &two[54..])).unwrap().intensity.unwrap();
    assert_eq!(partly.iter().filter(|i| **i > 0.0).count(), 1);
    assert_eq!(partly[[4, 6]], 300.0);
    assert_eq!(read(&small_metropro()).unwrap().intensity, None);
}

#[test]
fn intensity_is_written_and_read() {
    use stitchbox_formats::{PhaseWindow, WriteError, write_metropro_with_intensity};
    let counts = ndarray::Array2::from_shape_fn((5, 7), |(r, c)| (100 * r + c) as f32 + 0.25);
    let header =
        MetroProHeader { phase: PhaseWindow { column: 3, row: 4, ..Default::default() }, ..MetroProHeader::default() };
    let back = read(&write_metropro_with_intensity(&small_map(), &counts, &header).unwrap()).unwrap();
    assert_eq!(back.intensity.unwrap(), counts.mapv(f32::round));
    assert_eq!(back.map, read(&write_metropro(&small_map(), &header).unwrap()).unwrap().map);
    for value in [-1.0, 65534.6, f32::NAN] {
        let mut bad = counts.clone();
        bad[[1, 1]] = value;
        let e = write_metropro_with_intensity(&small_map(), &bad, &header).unwrap_err();
        assert!(matches!(e, WriteError::Intensity { .. }), "{value}: {e}");
    }
    let e = write_metropro_with_intensity(&small_map(), &ndarray::Array2::zeros((7, 5)), &header).unwrap_err();
    assert!(matches!(e, WriteError::IntensityShape { columns: 7, intensity_columns: 5, .. }), "{e}");
}

#[test]
fn heights_that_no_integer_holds_are_refused() {
    use stitchbox_formats::WriteError;
    let step_nm = 632.8 * 0.5 / 32768.0;
    for (height, fits) in
        [(1e12, false), (-1e12, false), (2_147_483_000.0 * step_nm, true), (2_147_483_700.0 * step_nm, false)]
    {
        let mut heights = small_map().heights_nm().clone();
        heights[[1, 1]] = height;
        let written = write_metropro(&HeightMap::from_heights_nm(heights, None), &MetroProHeader::default());
        match written {
            Ok(bytes) => assert!(fits && read(&bytes).unwrap().map.valid()[[1, 1]], "{height}"),
            Err(e) => assert!(!fits && matches!(e, WriteError::Height { height_nm, .. } if height_nm == height), "{e}"),
        }
    }
}

#[test]
fn what_a_metropro_file_cannot_hold_is_not_written() {
    use ndarray::Array2;
    use stitchbox_formats::WriteError;
    use stitchbox_surface::PixelSize;
    let write = |map: &HeightMap| write_metropro(map, &MetroProHeader::default()).unwrap_err();
    let wide = HeightMap::from_heights_nm(Array2::zeros((1, 40_000)), None);
    assert!(matches!(write(&wide), WriteError::Shape { columns: 40_000, rows: 1 }));
    let empty = HeightMap::from_heights_nm(Array2::zeros((0, 4)), None);
    assert!(matches!(write(&empty), WriteError::Shape { .. }));
    let oblong = small_map().with_pixel(Some(PixelSize { x_mm: 0.1, y_mm: 0.2 }));
    assert!(matches!(write(&oblong), WriteError::PixelNotSquare { .. }));
    let header = MetroProHeader { wavelength_m: 0.0, ..MetroProHeader::default() };
    assert!(matches!(write_metropro(&small_map(), &header).unwrap_err(), WriteError::Scale(_)));
}

#[test]
fn every_field_of_the_header_survives() {
    let header = MetroProHeader {
        software_date: "Mon Jan 01 00:00:00 2024".to_owned(),
        software_version: [8, 3, 5],
        time_stamp: 1_700_000_001,
        comment: "caf\u{e9} run 7".to_owned(),
        numerical_aperture: 0.1,
        magnification: 2.0,
        acquisition_type: 3,
        intensity_averages: 4,
        phase_resolution: 2,
        sign: 1,
        camera_width: 640,
        camera_height: 480,
        system_type: 4,
        objective_name: "4\" TF".to_owned(),
        part_name: "M1".to_owned(),
        phase_averages: 16,
        subtract_system_error: 1,
        part_serial_number: "SN 12".to_owned(),
        refractive_index: 1.5,
        camera_pixel_width_m: 1e-5,
        camera_pixel_height_m: 1.1e-5,
        light_level: 40.5,
        stage: stitchbox_formats::Stage {
            state: 7,
            x_inches: 1.0,
            y_inches: 2.0,
            z_inches: 3.0,
            rotation_degrees: [4.0, 5.0, 6.0],
        },
        system_error_file: "error.dat".to_owned(),
        zoom: "1.6X".to_owned(),
        ..MetroProHeader::default()
    };
    let map = small_map();
    let read = read(&write_metropro(&map, &header).unwrap()).unwrap().header;
    let expected = MetroProHeader {
        phase: stitchbox_formats::PhaseWindow { column: 0, row: 0, width: 7, height: 5, bytes: 140 },
        lateral_resolution_m: 0.12e-3,
        ..header
    };
    assert_eq!(read, expected);
}
