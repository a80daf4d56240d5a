//! No bytes, however spoilt, make a reader panic or take memory that the file does not justify.

mod fixtures;

use fixtures::mutation::{Dice, mutate};
use fixtures::{Datx, Layout, small_map, small_metropro, with_right_checksums};
use ndarray::Array2;
use proptest::prelude::*;
use stitchbox_formats::{Limits, MetroProHeader, SNIFF_BYTES, read_metropro, read_sub_aperture, sniff, write_metropro};
use stitchbox_surface::HeightMap;

/// Reads the bytes, whatever comes out; a map that does come out must be one the file can hold.
fn survive(bytes: &[u8]) {
    let _ = sniff("x.dat", &bytes[..SNIFF_BYTES.min(bytes.len())]);
    match read_sub_aperture("x.dat", bytes, &Limits::default()) {
        Ok(sub) => {
            let (rows, columns) = sub.map.shape();
            assert!(rows * columns <= 4096 * bytes.len(), "{rows} x {columns} heights from {} bytes", bytes.len());
            assert!(sub.map.heights_nm().iter().all(|h| h.is_finite()));
        }
        Err(error) => assert!(error.to_string().len() > 20, "{error}"),
    }
}

/// Address space this process ever took, bytes, where the system tells.
fn peak_address_space() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmPeak:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[test]
fn ten_thousands_of_mutations_are_survived_in_little_memory() {
    let before = peak_address_space();
    let metropro = small_metropro();
    let plain = Datx { stage_mm: Some((1.0, 2.0)), ..Datx::default() }.bytes();
    let compressed = Datx { layout: Layout::Deflate, ..Datx::default() }.bytes();
    let rounds = std::env::var("STITCHBOX_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(1u64);
    for (seed, genuine, count) in [(1, &metropro, 20_000), (2, &plain, 8_000), (3, &compressed, 8_000)] {
        let mut dice = Dice(seed);
        for round in 0..count * rounds {
            let mutated = mutate(genuine, &mut dice);
            // A MetroPro file has no checksums; of the HDF5 files every second gets its own made right.
            survive(&if round % 2 == 0 { mutated } else { with_right_checksums(mutated) });
        }
    }
    // The other tests of this program run beside this one and take little; a believed header would take gigabytes.
    if let (Some(before), Some(after)) = (before, peak_address_space()) {
        assert!(after - before < 512 << 20, "{} MiB more address space", (after - before) >> 20);
    }
}

#[test]
fn every_single_byte_may_be_wrong_and_every_length_short() {
    for genuine in [small_metropro(), Datx::default().bytes()] {
        for at in 0..genuine.len() {
            for value in [0x00, 0xFF, 0x80, genuine[at] ^ 1] {
                survive(&fixtures::patched(genuine.clone(), at, &[value]));
            }
            survive(&genuine[..at]);
        }
    }
}

#[test]
fn a_real_datx_survives_mutations() {
    let Some(data) = fixtures::real_data() else {
        eprintln!("SKIPPED mutations of a real .datx: no real files");
        return;
    };
    let genuine = std::fs::read(data.join("zygo/monolithic_zygo_test.datx")).unwrap();
    let rounds = std::env::var("STITCHBOX_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut dice = Dice(4);
    for _ in 0..300 * rounds {
        survive(&mutate(&genuine, &mut dice));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..3000), start in 0usize..5) {
        let signatures: [&[u8]; 5] =
            [b"", b"\x88\x1B\x03\x6F", b"\x88\x1B\x03\x70", b"\x88\x1B\x03\x71", b"\x89HDF\r\n\x1a\n"];
        survive(&[signatures[start], &bytes].concat());
    }

    #[test]
    fn an_arbitrary_metropro_header_before_real_heights_is_survived(
        fields in proptest::collection::vec((0usize..826, any::<[u8; 8]>()), 1..12),
    ) {
        let mut bytes = small_metropro();
        for (at, value) in fields {
            // The signature and the header's own size stay, so that the rest is looked at.
            bytes = fixtures::patched(bytes, at.max(10), &value);
        }
        survive(&bytes);
    }

    #[test]
    fn maps_survive_writing_and_reading(
        (rows, columns, heights) in (1usize..9, 1usize..9).prop_flat_map(|(r, c)| {
            (Just(r), Just(c), proptest::collection::vec(proptest::option::weighted(0.9, -1e6f64..1e6), r * c))
        }),
        code in 0i16..3,
        scale in 0.1f32..2.0,
        comment in "[ -~]{0,81}",
    ) {
        let heights: Vec<f64> = heights.into_iter().map(|h| h.unwrap_or(f64::NAN)).collect();
        let map = HeightMap::from_heights_nm(Array2::from_shape_vec((rows, columns), heights).unwrap(), None);
        let header = MetroProHeader {
            phase_resolution: code, scale_factor: scale, comment: comment.clone(), ..MetroProHeader::default()
        };
        let read = read_metropro(&write_metropro(&map, &header).unwrap(), &Limits::default()).unwrap();
        prop_assert_eq!(read.header.comment, comment.trim());
        prop_assert_eq!(read.map.valid(), map.valid());
        let step_nm = 632.8 * f64::from(scale) / [4096.0, 32768.0, 131_072.0][code as usize];
        for (found, written) in read.map.heights_nm().iter().zip(map.heights_nm()) {
            prop_assert!((found - written).abs() <= 0.5 * step_nm * 1.000_01 + 1e-9);
        }
    }
}

#[test]
fn a_file_that_says_nothing_of_itself_is_still_written_and_read() {
    let bytes = write_metropro(&small_map().with_pixel(None), &MetroProHeader::default()).unwrap();
    assert!(read_sub_aperture("x", &bytes, &Limits::default()).unwrap().position_mm.is_none());
}
