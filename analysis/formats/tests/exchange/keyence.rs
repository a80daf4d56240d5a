//! Keyence files written here byte by byte.

use stitchbox_formats::{Format, FormatError};

use crate::{assert_says, error, read_map};

const CONDITIONS: usize = 60;
const LIGHT: usize = 260;
const PICTURE: usize = 28 + 768;

/// 2 rows of 3 heights 1 to 6 steps of 100 pm, light 10 to 60.
pub fn file(bits: u32) -> Vec<u8> {
    let mut file = vec![0u8; LIGHT];
    let height = LIGHT + PICTURE + 12;
    let mut put = |at: usize, value: u32| file[at..at + 4].copy_from_slice(&value.to_le_bytes());
    put(12, CONDITIONS as u32);
    put(24, LIGHT as u32);
    put(36, height as u32);
    put(CONDITIONS + 168, 2_000_000);
    put(CONDITIONS + 172, 3_000_000);
    put(CONDITIONS + 176, 100);
    file[..4].copy_from_slice(b"VK4_");
    let picture = |bits: u32| {
        let mut head: Vec<u8> = [3u32, 2, bits, 0, 6 * bits / 8, 0, 100].iter().flat_map(|v| v.to_le_bytes()).collect();
        head.resize(PICTURE, 7);
        head
    };
    file.extend(picture(16));
    file.extend([10u16, 20, 30, 40, 50, 60].iter().flat_map(|v| v.to_le_bytes()));
    file.extend(picture(bits));
    for value in 1..=6u32 {
        match bits {
            16 => file.extend((value as u16).to_le_bytes()),
            _ => file.extend(value.to_le_bytes()),
        }
    }
    file
}

#[test]
fn heights_and_light_are_read_with_their_lengths() {
    for bits in [16, 32] {
        assert_eq!(Format::of(&file(bits)), Some(Format::Keyence));
        let sub = read_map(&file(bits));
        let heights: Vec<f64> = sub.map.heights_nm().iter().map(|h| (h * 1e6).round() / 1e6).collect();
        assert_eq!(heights, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
        let pixel = sub.map.pixel().unwrap();
        assert!((pixel.x_mm - 2e-3).abs() < 1e-12 && (pixel.y_mm - 3e-3).abs() < 1e-12);
        assert_eq!(sub.intensity.unwrap()[[1, 2]], 60.0);
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let patched = |at: usize, value: u32| {
        let mut file = file(32);
        file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        file
    };
    let height = LIGHT + PICTURE + 12;
    assert_says(&patched(height + 8, 24), &["24 bits"]);
    assert_says(&patched(height + 12, 1), &["compressed", "without compression"]);
    assert_says(&patched(36, 0), &["names no heights"]);
    assert!(matches!(error(&patched(height, 4)), FormatError::HeightsTruncated { .. }));
    assert!(matches!(error(&patched(12, u32::MAX)), FormatError::Truncated { .. }));
    assert!(matches!(error(&patched(CONDITIONS + 176, 0)), FormatError::ScaleFactor { .. }));
    // Light of another size is no light of this map.
    assert!(read_map(&patched(LIGHT, 2)).intensity.is_none());
}
