//! SDF files written here: text and binary, each data type, each edition's mark for what was not measured.

use stitchbox_formats::FormatError;
use stitchbox_surface::ProfileKind;

use crate::{assert_says, error, read_map, read_profile};

pub fn text(signature: &str, data_type: u8, shape: (u32, u32), numbers: &str) -> Vec<u8> {
    format!(
        "{signature}\r\nManufacID = ISOTC213\r\nCreateDate = 040120100853\r\nModDate = 050320101353\r\n\
         NumPoints = {}\r\nNumProfiles = {}\r\nXscale = 2.0E-6\r\nYscale = 3.0E-6\r\nZscale = 1.0E-9\r\n\
         Zresolution = -1\r\nCompression = 0\r\nDataType = {data_type}\r\nCheckType = 0\r\n*\r\n{numbers}\r\n*\r\nend *",
        shape.0, shape.1
    )
    .into_bytes()
}

pub fn binary(signature: &[u8; 8], data_type: u8, shape: (u32, u32), data: &[u8]) -> Vec<u8> {
    let mut bytes = signature.to_vec();
    bytes.extend_from_slice(b"stitchbox 040120100853050320101353");
    for count in [shape.0, shape.1] {
        if signature.ends_with(b"2.0") {
            bytes.extend_from_slice(&count.to_le_bytes());
        } else {
            bytes.extend_from_slice(&(count as u16).to_le_bytes());
        }
    }
    for scale in [2e-6f64, 3e-6, 1e-9, -1.0] {
        bytes.extend_from_slice(&scale.to_le_bytes());
    }
    bytes.extend_from_slice(&[0, data_type, 0]);
    let header = if signature.ends_with(b"2.0") { 85 } else { 81 };
    assert_eq!(bytes.len(), header, "the header of the standard");
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"trailer");
    bytes
}

/// 2 rows of 3: 1, 2, bad, 4, -5 (5 if unsigned), 6.
fn check(bytes: &[u8], fifth: f64) {
    let sub = read_map(bytes);
    assert_eq!(sub.map.shape(), (2, 3));
    assert!(!sub.map.valid()[[0, 2]]);
    assert_eq!(sub.map.valid_count(), 5);
    let heights: Vec<f64> = sub.map.heights_nm().iter().map(|h| (h * 1e6).round() / 1e6).collect();
    assert_eq!(heights, [1.0, 2.0, 0.0, 4.0, fifth, 6.0]);
    let pixel = sub.map.pixel().unwrap();
    assert!((pixel.x_mm - 2e-3).abs() < 1e-15 && (pixel.y_mm - 3e-3).abs() < 1e-15);
}

#[test]
fn texts_mark_bad_points_with_a_word() {
    for signature in ["aISO-1.0", "aISO-2.0", "aBCR-1.0"] {
        check(&text(signature, 7, (3, 2), "1.0 2.0E0 BAD\r\n4 -5.0 6"), -5.0);
        check(&text(signature, 5, (3, 2), "1\n2\nBAD\n4\n-5\n6"), -5.0);
    }
    // In BCR the greatest number of the type does so, too; in ISO it is a height.
    check(&text("aBCR-1.0", 5, (3, 2), "1 2 32767 4 -5 6"), -5.0);
    assert_eq!(read_map(&text("aISO-1.0", 5, (3, 2), "1 2 32767 4 -5 6")).map.valid_count(), 6);
}

#[test]
fn every_binary_type_has_its_own_mark() {
    fn data<const N: usize>(values: [[u8; N]; 6]) -> Vec<u8> {
        values.concat()
    }
    let i16s = |bad: i16| data([1i16, 2, bad, 4, -5, 6].map(i16::to_le_bytes));
    let i32s = |bad: i32| data([1i32, 2, bad, 4, -5, 6].map(i32::to_le_bytes));
    let i8s = |bad: i8| data([1i8, 2, bad, 4, -5, 6].map(i8::to_le_bytes));
    for signature in [b"bISO-1.0", b"bISO-2.0"] {
        check(&binary(signature, 4, (3, 2), &i8s(i8::MIN)), -5.0);
        check(&binary(signature, 5, (3, 2), &i16s(i16::MIN)), -5.0);
        check(&binary(signature, 6, (3, 2), &i32s(i32::MIN)), -5.0);
        check(&binary(signature, 3, (3, 2), &data([1.0, 2.0, f32::NAN, 4.0, -5.0, 6.0].map(f32::to_le_bytes))), -5.0);
        check(&binary(signature, 7, (3, 2), &data([1.0, 2.0, f64::NAN, 4.0, -5.0, 6.0].map(f64::to_le_bytes))), -5.0);
    }
    check(&binary(b"bBCR-1.0", 4, (3, 2), &i8s(i8::MAX)), -5.0);
    check(&binary(b"bBCR-1.0", 5, (3, 2), &i16s(i16::MAX)), -5.0);
    check(&binary(b"bBCR-1.0", 6, (3, 2), &i32s(i32::MAX)), -5.0);
    check(&binary(b"bBCR-1.0", 7, (3, 2), &data([1.0, 2.0, f64::MAX, 4.0, -5.0, 6.0].map(f64::to_le_bytes))), -5.0);
    check(&binary(b"bBCR-1.0", 0, (3, 2), &[1, 2, 255, 4, 5, 6]), 5.0);
    check(&binary(b"bBCR-1.0", 1, (3, 2), &data([1u16, 2, u16::MAX, 4, 5, 6].map(u16::to_le_bytes))), 5.0);
    check(&binary(b"bBCR-1.0", 2, (3, 2), &data([1u32, 2, u32::MAX, 4, 5, 6].map(u32::to_le_bytes))), 5.0);
}

#[test]
fn one_row_is_a_profile() {
    let profile = read_profile(&text("aISO-1.0", 7, (4, 1), "1 2 BAD 4"));
    assert_eq!((profile.kind, profile.len()), (ProfileKind::HeightNm, 3));
    assert!((profile.x_mm[2] - 6e-3).abs() < 1e-15);
}

#[test]
fn what_cannot_be_read_is_refused() {
    assert_says(&text("aISO-1.0", 9, (3, 2), "1 2 3 4 5 6"), &["DataType", "is 9"]);
    assert_says(&text("aISO-1.0", 7, (3, 2), "1 2 3 4 5"), &["are 5 instead of 3 x 2"]);
    assert_says(&text("aISO-1.0", 7, (3, 2), "1 2 x 4 5 6"), &["height 3", "\"x\""]);
    assert!(matches!(error(&text("aISO-1.0", 7, (3000, 2000), "1 2")), FormatError::HeightsTruncated { .. }));
    assert!(matches!(error(&binary(b"bISO-1.0", 7, (3, 2), &[0; 5])), FormatError::HeightsTruncated { .. }));
    let compressed = String::from_utf8(text("aISO-1.0", 7, (1, 2), "1 2")).unwrap().replace("ssion = 0", "ssion = 1");
    assert_says(compressed.as_bytes(), &["compressed heights", "without compression"]);
}
