//! Long trace profiler files, made line by line: headers in all their variants, and what is refused.

mod fixtures;

use fixtures::texts::{SLP, SLP2};
use stitchbox_formats::{
    Format, FormatError, Limits, Measurement, SlpHeader, SlpWriteError, Sniff, read_measurement, read_sub_aperture,
    sniff, write_slp,
};
use stitchbox_surface::{Profile, ProfileKind};

fn read(bytes: &[u8]) -> Result<Profile, FormatError> {
    match read_measurement("trace", bytes, &Limits::default())? {
        Measurement::Profile(profile) => Ok(profile),
        other => panic!("{other:?}"),
    }
}

fn error(text: &str) -> String {
    read(text.as_bytes()).expect_err("a spoilt file was read").to_string()
}

#[test]
fn slopes_in_microradian_at_positions_in_millimetres() {
    let profile = read(SLP.as_bytes()).unwrap();
    assert_eq!(profile.x_mm, [-1.5, -0.5, 0.5, 1.5]);
    assert_eq!(profile.values, [2.5, -0.25, 1e-3, 0.0]);
    assert_eq!((profile.kind, profile.name.as_str()), (ProfileKind::SlopeUrad, "trace"));
    let comment = "average Forward/rotated; No ref/gravity correction; 24/01/2013 at 14:38";
    assert_eq!(profile.instrument.comment.as_deref(), Some(comment));
}

#[test]
fn the_variants_of_the_archives_say_the_same() {
    let expected = read(SLP.as_bytes()).unwrap();
    let commented: String =
        SLP.lines().enumerate().map(|(i, l)| if i < 6 { format!("; {l}\n") } else { format!("{l}\n") }).collect();
    let backwards = SLP.lines().take(6).chain(SLP.lines().skip(6).collect::<Vec<_>>().into_iter().rev());
    for variant in [
        commented,
        SLP.replace('\n', "\r\n"),
        format!("{SLP}\n\n"),
        SLP.replace('\t', "        "),
        SLP.replace("817.099976\n-1.000000", "793\n-1"),
        backwards.map(|line| format!("{line}\n")).collect(),
        // One too many announced, one too few, and a last line that steps back.
        SLP.replace("\n4\n", "\n5\n"),
        SLP.replace("\n4\n", "\n3\n"),
        SLP.to_owned() + "0.0\t0.0\n",
    ] {
        let profile = read(variant.as_bytes()).unwrap();
        assert_eq!((&profile.x_mm, &profile.values), (&expected.x_mm, &expected.values), "{variant}");
    }
    let latin = [&b"\xE0 l'envers\n"[..], SLP.split_once('\n').unwrap().1.as_bytes()].concat();
    assert!(read(&latin).unwrap().instrument.comment.unwrap().starts_with("\u{e0} l'envers; "));
}

#[test]
fn a_profile_is_no_map_and_forms_no_series() {
    for text in [SLP, SLP2] {
        let e = read_sub_aperture("x", text.as_bytes(), &Limits::default()).unwrap_err();
        assert!(matches!(&e, FormatError::NotAMap { holds: "a profile", .. }), "{e}");
        assert!(e.to_string().contains("ESRF .slp"), "{e}");
        for name in ["x.slp", "x.dat", "x.slp2"] {
            assert_eq!(sniff(name, text.as_bytes()), Sniff::Foreign);
        }
    }
}

#[test]
fn a_profile_that_is_cut_off_or_spoilt_is_refused() {
    let e = error(&SLP.replace("\n4\n", "\n40\n"));
    assert!(e.contains("has 4 points where its header announces 40"), "{e}");
    let e = error(&SLP.replace("0.5\t1e-3", "0.5"));
    assert!(e.contains("line 9 does not have a position and a slope"), "{e}");
    let e = error(&SLP.replace("0.5\t1e-3", "0.5\tnan"));
    assert!(e.contains("line 9 does not"), "{e}");
    let e = error(&SLP.replace("-0.5\t-0.25", "-1.5\t-0.25"));
    assert!(e.contains("same position"), "{e}");
}

#[test]
fn what_is_no_slp_file_is_not_taken_for_one() {
    for text in [
        "a\nb\nc\n1\n2\n3\n1 2\n".to_owned(),
        SLP.replace("24/01/2013", "January"),
        SLP.replace("\n4\n", "\nfour\n"),
        SLP.lines().take(6).collect::<Vec<_>>().join("\n"),
    ] {
        assert_ne!(Format::of(text.as_bytes()), Some(Format::Slp), "{text}");
    }
    assert_eq!(Format::of(SLP.as_bytes()), Some(Format::Slp));
}

#[test]
fn the_second_generation_is_read_by_the_names_of_its_columns() {
    let profile = read(SLP2.as_bytes()).unwrap();
    assert_eq!((profile.x_mm.as_slice(), profile.values.as_slice()), (&[-1.0, 0.0, 1.0][..], &[3.5, 4.5, 5.5][..]));
    let comment = "M1 up; ref substracted/No gravity; 01/02/2020 @ 10:11:12";
    assert_eq!(profile.instrument.comment.as_deref(), Some(comment));
    let first_version = SLP2.replace("legacy_header", "general_header");
    let unnamed = first_version.replace("data_header = \"mirror_coord mean_slopes SUT_Xmin REF_Xmin\"\n", "");
    let swapped = SLP2.replace("mirror_coord mean_slopes SUT_Xmin", "mirror_coord SUT_Xmin mean_slopes");
    assert_eq!(read(first_version.as_bytes()).unwrap().values, profile.values);
    assert_eq!(read(unnamed.as_bytes()).unwrap().values, profile.values);
    assert_eq!(read(swapped.as_bytes()).unwrap().values, [902.0, 901.0, 900.0]);
}

#[test]
fn detector_pixels_become_slopes_with_the_pixel_of_their_detector() {
    let pixels = SLP2.replace("mirror_coord mean_slopes SUT_Xmin REF_Xmin", "mirror_coord spare SUT_Xmin REF_Xmin");
    let urad = |pixel: f64, pixel_um: f64| pixel * 1e3 * pixel_um / (2.0 * 812.31);
    let new = read(pixels.as_bytes()).unwrap();
    assert_eq!(new.values, [urad(902.0, 7.0), urad(901.0, 7.0), urad(900.0, 7.0)]);
    let old = read(pixels.replace("2000.0", "1000.0").as_bytes()).unwrap();
    assert_eq!(old.values, [urad(902.0, 25.0), urad(901.0, 25.0), urad(900.0, 25.0)]);
    let e = error(&pixels.replace("812.31", "0"));
    assert!(e.contains("its header has no focal length"), "{e}");
}

#[test]
fn rows_must_be_closed_and_be_there() {
    let e = error(SLP2.trim_end_matches("\"\n"));
    assert!(e.contains("is not closed"), "{e}");
    let e = error(SLP2.split_once("[data]").unwrap().0);
    assert!(e.contains("has no rows of data"), "{e}");
    let e = error(&SLP2.replace("nb_acquisitions = \"3\"", "nb_acquisitions = \"300\""));
    assert!(e.contains("announces 300"), "{e}");
    let few = Limits { max_pixels: 2, ..Limits::default() };
    for text in [SLP, SLP2] {
        let e = read_measurement("x", text.as_bytes(), &few).unwrap_err();
        assert!(e.to_string().contains("more than 2 points"), "{e}");
    }
}

#[test]
fn what_is_written_is_read_to_the_last_bit() {
    let x: Vec<f64> = (0..100).map(|i| -50.0 + f64::from(i) * 1.000_000_1 / 3.0).collect();
    let slopes: Vec<f64> = (0..100).map(|i| f64::from(i * i) * 1e-7 / 3.0 - 1e-13).collect();
    let profile = Profile::new(&x, &slopes, ProfileKind::SlopeUrad).unwrap();
    let header = SlpHeader { comment: "M1".to_owned(), ..SlpHeader::default() };
    let text = write_slp(&profile, &header).unwrap();
    let back = read(text.as_bytes()).unwrap();
    assert_eq!((back.x_mm, back.values), (profile.x_mm.clone(), profile.values.clone()));
    let lines: Vec<&str> = text.lines().take(6).collect();
    assert_eq!(lines[..3], ["M1", "01/01/1970 at 00:00", "No ref/No gravity"]);
    assert_eq!(lines[3..], ["0.000000", "0.3333333667", "100"]);

    let heights = Profile { kind: ProfileKind::HeightNm, ..profile.clone() };
    assert_eq!(write_slp(&heights, &header), Err(SlpWriteError::NotSlopes));
    let two_lines = SlpHeader { comment: "a\nb".to_owned(), ..header.clone() };
    assert_eq!(write_slp(&profile, &two_lines), Err(SlpWriteError::Header { field: "comment" }));
    let endless = SlpHeader { focal_length_mm: f64::NAN, ..header };
    assert_eq!(write_slp(&profile, &endless), Err(SlpWriteError::Header { field: "focal length" }));
}
