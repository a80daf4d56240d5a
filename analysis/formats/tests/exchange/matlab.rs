//! MATLAB files of version 5 written here element by element, and the two of XMF.

use stitchbox_formats::{Format, FormatError, Limits, Measurement, read_matlab, read_measurement};
use stitchbox_surface::ProfileKind;

use crate::{assert_says, read_map, read_profile, real, sur::zlib};

struct Writer {
    big: bool,
}

impl Writer {
    fn word(&self, value: u32) -> [u8; 4] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn element(&self, kind: u32, content: &[u8]) -> Vec<u8> {
        let mut out = [self.word(kind), self.word(content.len() as u32)].concat();
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(8), 0);
        out
    }

    /// An element of at most four bytes, within its tag.
    fn small(&self, kind: u32, content: &[u8]) -> Vec<u8> {
        let mut out = self.word((content.len() as u32) << 16 | kind).to_vec();
        out.extend_from_slice(content);
        out.resize(8, 0);
        out
    }

    fn array(&self, name: &str, class: u32, kind: u32, shape: [u32; 2], numbers: &[u8]) -> Vec<u8> {
        let mut content = self.element(6, &[self.word(class), self.word(0)].concat());
        content.extend(self.element(5, &[self.word(shape[0]), self.word(shape[1])].concat()));
        content.extend(if name.len() <= 4 { self.small(1, name.as_bytes()) } else { self.element(1, name.as_bytes()) });
        content.extend(if numbers.len() <= 4 { self.small(kind, numbers) } else { self.element(kind, numbers) });
        self.element(14, &content)
    }

    fn doubles(&self, name: &str, shape: [u32; 2], values: &[f64]) -> Vec<u8> {
        let bytes = |v: &f64| if self.big { v.to_be_bytes() } else { v.to_le_bytes() };
        self.array(name, 6, 9, shape, &values.iter().flat_map(bytes).collect::<Vec<_>>())
    }

    fn file(&self, arrays: &[Vec<u8>], compressed: bool) -> Vec<u8> {
        let mut out = b"MATLAB 5.0 MAT-file, made by a test".to_vec();
        out.resize(124, b' ');
        out.extend_from_slice(if self.big { b"\x01\x00MI" } else { b"\x00\x01IM" });
        for array in arrays {
            if compressed {
                let packed = zlib(array);
                out.extend([self.word(15), self.word(packed.len() as u32)].concat());
                out.extend(packed);
            } else {
                out.extend(array);
            }
        }
        out
    }
}

/// 2 rows of 3, stored column by column: heights 1 to 6 nm along the rows, the second NaN.
pub fn map(big: bool, compressed: bool) -> Vec<u8> {
    let writer = Writer { big };
    let x = [1e-3, 1e-3, 2e-3, 2e-3, 3e-3, 3e-3];
    let y = [0.0, 2e-3, 0.0, 2e-3, 0.0, 2e-3];
    let z = [1e-9, 4e-9, f64::NAN, 5e-9, 3e-9, 6e-9];
    let text = writer.array("note", 4, 4, [1, 2], &[65, 0, 66, 0]);
    let arrays =
        [text, writer.doubles("x2d", [2, 3], &x), writer.doubles("y2d", [2, 3], &y), writer.doubles("z2d", [2, 3], &z)];
    writer.file(&arrays, compressed)
}

#[test]
fn maps_are_turned_from_columns_to_rows() {
    for (big, compressed) in [(false, false), (false, true), (true, false), (true, true)] {
        let bytes = map(big, compressed);
        assert_eq!(Format::of(&bytes), Some(Format::Matlab));
        let sub = read_map(&bytes);
        let heights: Vec<f64> = sub.map.heights_nm().iter().map(|h| (h * 1e6).round() / 1e6).collect();
        assert_eq!(heights, [1.0, 0.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(!sub.map.valid()[[0, 1]]);
        let pixel = sub.map.pixel().unwrap();
        assert!((pixel.x_mm - 1.0).abs() < 1e-12 && (pixel.y_mm - 2.0).abs() < 1e-12);
        assert_eq!(sub.position_mm, Some((1.0, 0.0)));
    }
}

#[test]
fn every_kind_of_number_is_read_and_texts_are_passed_over() {
    let writer = Writer { big: false };
    let i16s = [1i16, -2].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let f32s = [0.5f32, -1.5].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let arrays = [
        // A double that happens to be whole is stored as a byte.
        writer.array("bytes", 6, 2, [2, 1], &[7, 255]),
        writer.array("signed", 10, 3, [1, 2], &i16s),
        writer.array("single", 7, 7, [1, 2], &f32s),
        writer.array("text", 4, 4, [1, 1], &[65, 0]),
        writer.array("none", 6, 9, [0, 0], &[]),
    ];
    let read = read_matlab(&writer.file(&arrays, false), &Limits::default()).unwrap();
    let found: Vec<(&str, Vec<f64>)> =
        read.iter().map(|a| (a.name.as_str(), a.values.iter().copied().collect())).collect();
    assert_eq!(
        found,
        [("bytes", vec![7.0, 255.0]), ("signed", vec![1.0, -2.0]), ("single", vec![0.5, -1.5]), ("none", vec![])]
    );
}

#[test]
fn profiles_are_known_by_their_names_and_others_are_refused() {
    let writer = Writer { big: false };
    let x = writer.doubles("x1d", [3, 1], &[0.0, 1e-3, 3e-3]);
    let profile = read_profile(&writer.file(&[x.clone(), writer.doubles("sx1d", [3, 1], &[1e-6, 2e-6, 3e-6])], true));
    assert_eq!((profile.kind, profile.x_mm[2]), (ProfileKind::SlopeUrad, 3.0));
    let profile = read_profile(&writer.file(&[x.clone(), writer.doubles("z1d", [3, 1], &[1e-9, 2e-9, 3e-9])], false));
    assert_eq!(profile.kind, ProfileKind::HeightNm);
    assert_says(&writer.file(&[x], false), &["(x1d)", "rename them"]);
    let huge = writer.array("z", 6, 9, [u32::MAX, u32::MAX], &[0; 16]);
    assert!(matches!(
        read_measurement("m", &writer.file(&[huge], false), &Limits::default()),
        Err(FormatError::MapTooLarge { .. })
    ));
}

#[test]
fn the_mirrors_of_xmf_have_the_numbers_of_the_manifest() {
    let Some(folder) = real::data("XMF files") else { return };
    let read = |name: &str| {
        let bytes = std::fs::read(folder.join("xmf").join(name)).unwrap();
        read_measurement(name, &bytes, &Limits::default()).unwrap()
    };
    let Measurement::Profile(slopes) = read("sample_01_concave_elliptic_cylinder_slope.mat") else {
        panic!("no profile")
    };
    assert_eq!((slopes.kind, slopes.len()), (ProfileKind::SlopeUrad, 201));
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::MAX, f64::MIN), |(low, high): (f64, f64), v| (low.min(v), high.max(v)))
    };
    let (low, high) = range(&mut slopes.values.iter().copied());
    assert!((low + 535.953).abs() < 0.5e-3 && (high - 509.157).abs() < 0.5e-3, "{low} {high}");

    let Measurement::Map(map) = read("sample_02_concave_hyperbolic_cylinder_height_map.mat") else { panic!("no map") };
    assert_eq!(map.map.shape(), (64, 1657));
    let measured = map.map.heights_nm().iter().zip(map.map.valid()).filter(|(_, v)| **v).map(|(h, _)| *h);
    let (low, high) = range(&mut measured.into_iter());
    assert!((low + 1875.3).abs() < 0.05 && (high - 2648.3).abs() < 0.05, "{low} {high}");
    let pixel = map.map.pixel().unwrap();
    assert!((pixel.x_mm - 0.032).abs() < 1e-6 && (pixel.y_mm - 0.032).abs() < 1e-6, "{pixel:?}");
}
