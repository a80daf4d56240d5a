//! HASO and SHARPeR files, made here as text: several roots, the sign and half, masks, motors, and what is refused.

mod fixtures;

use fixtures::texts::HAS;
use stitchbox_formats::{Format, FormatError, Limits, Measurement, Sniff, read_measurement, read_sub_aperture, sniff};
use stitchbox_surface::{PixelSize, SlopeSubAperture};

fn read(text: &str) -> Result<SlopeSubAperture, FormatError> {
    match read_measurement("a.has", text.as_bytes(), &Limits::default())? {
        Measurement::Slopes(slopes) => Ok(slopes),
        other => panic!("{other:?}"),
    }
}

fn error(text: &str) -> String {
    read(text).expect_err("a spoilt file was read").to_string()
}

#[test]
fn mirror_slopes_are_minus_half_the_wavefronts_once() {
    let slopes = read(HAS).unwrap();
    assert_eq!(slopes.x_urad, ndarray::array![[-500.0, 1000.0, -250.0], [0.0, -2500.0, 0.0]]);
    assert_eq!(slopes.y_urad.unwrap(), ndarray::array![[-5000.0, -10000.0, -15000.0], [0.0, -25000.0, 0.0]]);
    assert_eq!(slopes.valid, ndarray::array![[true, true, true], [false, true, false]]);
    assert_eq!(slopes.pixel, Some(PixelSize { x_mm: 0.12, y_mm: 0.1005 }));
    assert_eq!(slopes.position_mm, Some((12.5, -2.0)));
    assert!(slopes.instrument.comment.unwrap().starts_with("X (tool)"));
}

#[test]
fn other_spellings_of_the_same_file() {
    let expected = read(HAS).unwrap();
    for text in [
        format!("\u{feff}{HAS}"),
        HAS.replace("?>\n", "?>\n<!-- a remark with raw_slopes -->\n"),
        HAS.replace(
            "<buffer>1.0\t-2.0\t0.5\n4e-3\t5.0\t6.0\n</buffer>",
            "<buffer><![CDATA[1.0 -2.0 0.5 4e-3 5.0 6.0]]></buffer>",
        ),
        HAS.replace("NaN", "-1.#IND"),
        HAS.replace("NaN", "inf"),
        HAS.replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", ""),
        HAS.replace("\n", "\r\n"),
    ] {
        let found = read(&text).unwrap();
        assert_eq!((&found.x_urad, &found.y_urad, &found.valid), (&expected.x_urad, &expected.y_urad, &expected.valid));
    }
    // Latin-1 in a comment, although the file says UTF-8.
    let latin: Vec<u8> = HAS.replace("RX = 0.1", "RX = 0.1\u{b0}").chars().map(|c| c as u8).collect();
    let Measurement::Slopes(found) = read_measurement("a", &latin, &Limits::default()).unwrap() else { panic!() };
    assert_eq!(found.x_urad, expected.x_urad);
}

#[test]
fn a_direction_a_pupil_or_a_step_may_be_missing() {
    let without = |from: &str, to: &str| {
        let (before, rest) = HAS.split_once(from).unwrap();
        read(&[before, rest.split_once(to).unwrap().1].concat())
    };
    let one = without("<y_slopes>", "</y_slopes>").unwrap();
    assert_eq!(one.y_urad, None);
    assert_eq!(one.valid.iter().filter(|v| **v).count(), 5);
    let open = without("<pupil>", "</pupil>").unwrap();
    assert_eq!(open.valid.iter().filter(|v| **v).count(), 5);
    assert_eq!(without("<step>", "</step>").unwrap().pixel, None);
    assert_eq!(without("<metadata>", "</metadata>").unwrap().position_mm, None);
    assert!(without("<x_slopes>", "</x_slopes>").is_err() && without("<size>", "</size>").is_err());
}

#[test]
fn what_does_not_fit_its_size_is_refused() {
    let e = error(&HAS.replace("<x>3</x>", "<x>4</x>"));
    assert!(e.contains("its x_slopes have 6 values where their size of 4 x 2 needs 8"), "{e}");
    let e = error(&HAS.replace("10\t20\t30", "10\t20"));
    assert!(e.contains("its y_slopes have 5"), "{e}");
    let e = error(&HAS.replace("-2.0", "minus two"));
    assert!(e.contains("holds 'minus'"), "{e}");
    assert!(matches!(read(&HAS.replace("<x>3</x>", "<x>0</x>")), Err(FormatError::NoHeights { .. })));
    assert!(matches!(read(&HAS.replace("<x>3</x>", "<x>99999999999</x>")), Err(FormatError::MapTooLarge { .. })));
    let few = Limits { max_pixels: 5, ..Limits::default() };
    assert!(read_measurement("a", HAS.as_bytes(), &few).unwrap_err().to_string().contains("more than 5 values"));
}

#[test]
fn xml_that_is_none_is_refused_with_its_line() {
    let e = error(&HAS.replace("</metadata>", "</metadatum>"));
    assert!(e.contains("line 8 is no XML"), "{e}");
    let deep = format!("<raw_slopes>{}", "<a>".repeat(100));
    assert!(error(&deep).contains("nested too deeply"));
    // The entities of a bomb are not expanded: the comment that names one stays empty.
    let bomb = format!("<!DOCTYPE a [<!ENTITY b \"{}\">]>{}", "x".repeat(1000), HAS.replace("RX = 0.1", "&b;&b;"));
    assert!(read(&bomb).unwrap().instrument.comment.unwrap().len() < 60);
}

#[test]
fn slopes_are_no_map_and_form_no_series_yet() {
    let e = read_sub_aperture("a", HAS.as_bytes(), &Limits::default()).unwrap_err();
    assert!(matches!(&e, FormatError::NotAMap { holds: "slopes", .. }), "{e}");
    assert_eq!(sniff("a.has", HAS.as_bytes()), Sniff::Foreign);
    assert_eq!(Format::of(HAS.as_bytes()), Some(Format::Has));
    assert_eq!(Format::of(b"<html><body>raw_slopes</body></html>"), None);
}
