//! DABAM pairs written here: factors, several columns, columns of another kind, pairs of columns.

use stitchbox_formats::{FormatError, Limits, read_dabam, write_dabam};
use stitchbox_surface::{Profile, ProfileKind};

use crate::small_profile;

fn read(data: &str, description: &str) -> Result<Vec<Profile>, FormatError> {
    read_dabam("d", data.as_bytes(), description.as_bytes(), &Limits::default())
}

const DATA: &str = "title\n1 2 3 (numbers that are no data)\n0\t1.5\t7\t10\n1\t2.5\t8\t20\n2\t3.5\t9\t30\n";

#[test]
fn factors_and_header_lines_are_applied() {
    let json =
        r#"{"FILE_FORMAT": 1, "FILE_HEADER_LINES": 2, "X1_FACTOR": 1.0, "Y1_FACTOR": "1e-3", "FACILITY": "ESRF"}"#;
    let profiles = read(DATA, json).unwrap();
    assert_eq!(profiles.len(), 1);
    assert_eq!(profiles[0].kind, ProfileKind::SlopeUrad);
    assert_eq!(profiles[0].x_mm, [0.0, 1000.0, 2000.0]);
    assert_eq!(profiles[0].values, [1500.0, 2500.0, 3500.0]);
    assert_eq!(profiles[0].instrument.comment.as_deref(), Some("ESRF"));
}

#[test]
fn a_column_is_what_its_title_says_and_nothing_without_one() {
    let json = r#"{"FILE_FORMAT": 2, "FILE_HEADER_LINES": 2, "X1_FACTOR": 0.001, "Y1_FACTOR": 1e-9, "Y2_FACTOR": 1e-9,
        "Y3_FACTOR": 1e-6, "PLOT_TITLE_Y3": "Residual slope (um)"}"#;
    let profiles = read(DATA, json).unwrap();
    assert_eq!(profiles.len(), 2);
    assert_eq!((profiles[0].kind, profiles[1].kind), (ProfileKind::HeightNm, ProfileKind::SlopeUrad));
    assert_eq!(profiles[1].values, [10.0, 20.0, 30.0]);
    assert_eq!(profiles[1].name, "d (profile 2)");
}

#[test]
fn the_description_may_choose_the_columns() {
    let json = r#"{"FILE_FORMAT": 2, "FILE_HEADER_LINES": 2, "X1_FACTOR": 0.001, "Y1_FACTOR": 1e-9,
        "COLUMN_INDEX_ABSCISSAS": 2, "COLUMN_INDEX_ORDINATES": 3}"#;
    let profile = &read(DATA, json).unwrap()[0];
    assert_eq!((profile.x_mm[0], profile.values[2]), (7.0, 30.0));
    let pairs = r#"{"FILE_FORMAT": 3, "FILE_HEADER_LINES": 2, "X1_FACTOR": 0.001, "Y1_FACTOR": 1e-6, "X2_FACTOR": 0.01,
        "Y2_FACTOR": 1e-6, "PLOT_TITLE_Y2": "slope"}"#;
    let profiles = read(DATA, pairs).unwrap();
    assert_eq!((profiles[1].x_mm[0], profiles[1].values[0]), (70.0, 10.0));
}

#[test]
fn repeated_positions_count_once() {
    let json = r#"{"FILE_FORMAT": 1, "FILE_HEADER_LINES": 0, "X1_FACTOR": 0.001, "Y1_FACTOR": 1e-6}"#;
    let profile = &read("0 1\n1 2\n1 3\n2 4\n", json).unwrap()[0];
    assert_eq!(profile.values, [1.0, 2.0, 4.0]);
}

#[test]
fn descriptions_that_do_not_fit_are_refused() {
    let says = |data, json, words: &str| {
        let text = read(data, json).unwrap_err().to_string();
        assert!(text.contains(words), "{text}");
    };
    says(DATA, "[1]", "no JSON object");
    says(DATA, "{", "is no JSON");
    says(DATA, r#"{"FILE_HEADER_LINES": 2}"#, "FILE_FORMAT in the description is missing");
    says(DATA, r#"{"FILE_FORMAT": 7, "FILE_HEADER_LINES": 2}"#, "is 7 instead of 1 to 4");
    says(DATA, r#"{"FILE_FORMAT": 1, "FILE_HEADER_LINES": 2, "COLUMN_INDEX_ORDINATES": 4}"#, "have 4 columns");
    says(DATA, r#"{"FILE_FORMAT": 1, "FILE_HEADER_LINES": 2, "Y1_FACTOR": 0}"#, "factor of a column is 0");
    says("words only", r#"{"FILE_FORMAT": 1}"#, "no line of numbers");
}

#[test]
fn what_is_written_is_read_bit_by_bit() {
    for kind in [ProfileKind::HeightNm, ProfileKind::SlopeUrad] {
        let profile = small_profile(kind);
        let files = write_dabam(&profile);
        let read = &read_dabam("p", &files.data, &files.description, &Limits::default()).unwrap()[0];
        assert_eq!((&read.x_mm, &read.values, read.kind), (&profile.x_mm, &profile.values, kind));
        let json: serde_json::Value = serde_json::from_slice(&files.description).unwrap();
        assert_eq!(json["FILE_HEADER_LINES"], 1);
    }
}
