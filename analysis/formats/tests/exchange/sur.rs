//! Digital Surf files written here byte by byte.

use std::io::Write;

use stitchbox_formats::{Format, FormatError, Limits, Sniff, read_measurement, sniff};
use stitchbox_surface::ProfileKind;

use crate::{assert_says, error, read_map, read_profile};

/// What the tests vary.
pub struct Sur {
    pub compressed: bool,
    pub kind: i16,
    pub special: i16,
    pub bits: i16,
    pub shape: (i32, i32),
    pub z_unit: &'static str,
    pub comment: &'static [u8],
    pub stored: Vec<i32>,
}

impl Default for Sur {
    /// 2 rows of 3, heights 10 to 15 steps of 0.5 um but the fifth, which is zmin - 2.
    fn default() -> Self {
        let stored = vec![10, 11, 12, 13, 8, 15];
        let (compressed, kind, special, bits) = (false, 2, 1, 32);
        Self { compressed, kind, special, bits, shape: (3, 2), z_unit: "\u{b5}m", comment: b"", stored }
    }
}

impl Sur {
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = vec![0u8; 512];
        let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, if self.compressed { b"DSCOMPRESSED" } else { b"DIGITAL SURF" });
        put(14, &1i16.to_le_bytes());
        put(18, &self.kind.to_le_bytes());
        put(20, b"M1 after polishing");
        put(86, &self.special.to_le_bytes());
        put(98, &self.bits.to_le_bytes());
        put(100, &10i32.to_le_bytes());
        put(104, &15i32.to_le_bytes());
        put(108, &self.shape.0.to_le_bytes());
        put(112, &self.shape.1.to_le_bytes());
        put(116, &(self.shape.0.wrapping_mul(self.shape.1)).to_le_bytes());
        put(120, &2.0f32.to_le_bytes());
        put(124, &3.0f32.to_le_bytes());
        put(128, &0.5f32.to_le_bytes());
        let latin: Vec<u8> = self.z_unit.chars().map(|c| c as u8).collect();
        put(180, b"\xB5m");
        put(196, b"mm");
        put(212, &latin);
        put(334, &(self.comment.len() as i16).to_le_bytes());
        put(336, &4i16.to_le_bytes());
        head.extend_from_slice(self.comment);
        head.extend_from_slice(b"priv");
        let mut numbers = Vec::new();
        for value in &self.stored {
            match self.bits {
                16 => numbers.extend_from_slice(&(*value as i16).to_le_bytes()),
                _ => numbers.extend_from_slice(&value.to_le_bytes()),
            }
        }
        if self.compressed {
            let (first, second) = numbers.split_at(numbers.len() / 2 - 1);
            let streams: Vec<Vec<u8>> = [first, second].into_iter().map(zlib).collect();
            head.extend_from_slice(&2u32.to_le_bytes());
            for (raw, packed) in [first, second].iter().zip(&streams) {
                head.extend_from_slice(&(raw.len() as u32).to_le_bytes());
                head.extend_from_slice(&(packed.len() as u32).to_le_bytes());
            }
            streams.iter().for_each(|stream| head.extend_from_slice(stream));
        } else {
            head.extend_from_slice(&numbers);
        }
        head
    }
}

pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn heights_are_steps_and_zmin_minus_two_was_not_measured() {
    for (bits, compressed) in [(16, false), (32, false), (16, true), (32, true)] {
        let bytes = Sur { bits, compressed, comment: b"a comment", ..Sur::default() }.bytes();
        let sub = read_map(&bytes);
        assert_eq!(sub.map.shape(), (2, 3));
        let heights: Vec<f64> = sub.map.heights_nm().iter().map(|h| (h * 1e6).round() / 1e6).collect();
        assert_eq!(heights, [5000.0, 5500.0, 6000.0, 6500.0, 0.0, 7500.0], "{bits} {compressed}");
        assert_eq!(sub.map.valid().iter().filter(|v| !**v).count(), 1);
        assert!(!sub.map.valid()[[1, 1]]);
        let pixel = sub.map.pixel().unwrap();
        assert!((pixel.x_mm - 2e-3).abs() < 1e-12 && pixel.y_mm == 3.0);
        assert_eq!(sub.instrument.part.as_deref(), Some("M1 after polishing"));
        assert_eq!(sniff("x.sur", &bytes), Sniff::Recognised(Format::Sur));
    }
}

#[test]
fn without_the_flag_every_number_is_a_height() {
    let sub = read_map(&Sur { special: 0, ..Sur::default() }.bytes());
    assert_eq!(sub.map.valid_count(), 6);
    assert!((sub.map.heights_nm()[[1, 1]] - 4000.0).abs() < 1e-6);
}

#[test]
fn a_profile_is_a_profile() {
    let profile = read_profile(&Sur { kind: 1, shape: (6, 1), ..Sur::default() }.bytes());
    assert_eq!(profile.kind, ProfileKind::HeightNm);
    assert_eq!(profile.len(), 5);
    assert!((profile.x_mm[4] - 0.01).abs() < 1e-12 && (profile.values[4] - 7500.0).abs() < 1e-6);
}

#[test]
fn what_cannot_be_read_is_refused_with_a_cure() {
    assert_says(&Sur { kind: 5, ..Sur::default() }.bytes(), &["type 5", "save the surface alone"]);
    assert_says(&Sur { z_unit: "V", ..Sur::default() }.bytes(), &["unit of the heights is 'V'"]);
    assert_says(&Sur { bits: 24, ..Sur::default() }.bytes(), &["24 bits"]);
    let mut inverted = Sur::default().bytes();
    inverted[290] = 1;
    assert_says(&inverted, &["inverted", "without inversion"]);
    assert!(matches!(error(&Sur { shape: (0, 2), ..Sur::default() }.bytes()), FormatError::NoHeights { .. }));
    assert!(matches!(error(&Sur { shape: (-3, 2), ..Sur::default() }.bytes()), FormatError::NoHeights { .. }));
    assert!(matches!(error(&Sur { shape: (3, 3), ..Sur::default() }.bytes()), FormatError::HeightsTruncated { .. }));
    assert!(matches!(
        error(&Sur { shape: (i32::MAX, i32::MAX), ..Sur::default() }.bytes()),
        FormatError::MapTooLarge { .. }
    ));
    assert!(matches!(error(&Sur::default().bytes()[..511]), FormatError::HeaderTruncated { .. }));
}

#[test]
fn a_bomb_is_unfolded_only_as_far_as_the_header_says() {
    let mut bytes = Sur { compressed: true, ..Sur::default() }.bytes();
    bytes.truncate(516);
    let bomb = zlib(&vec![0u8; 50 << 20]);
    bytes.extend_from_slice(&1u32.to_le_bytes());
    bytes.extend_from_slice(&(50u32 << 20).to_le_bytes());
    bytes.extend_from_slice(&(bomb.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&bomb);
    assert_eq!(read_map(&bytes).map.shape(), (2, 3));
    let small = Limits { max_pixels: 5, ..Limits::default() };
    assert!(matches!(read_measurement("b", &bytes, &small), Err(FormatError::MapTooLarge { .. })));
}
