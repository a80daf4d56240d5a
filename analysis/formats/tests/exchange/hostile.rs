//! No bytes, however spoilt, make a reader of the exchange formats panic or take memory that the file does not justify.

use proptest::prelude::*;
use stitchbox_formats::{
    Limits, Measurement, SNIFF_BYTES, X3pRecord, read_dabam, read_measurements, sniff, write_csv_map,
    write_csv_profile, write_dabam, write_x3p, write_xyz,
};
use stitchbox_surface::ProfileKind;

use crate::x3p::{X3p, zip};
use crate::{corpus, nexus_files, real, sdf, small_map, small_profile, sur::Sur};

/// Reads the bytes, whatever comes out; what does come out must be finite and such as the file can hold.
fn survive(bytes: &[u8]) {
    let _ = sniff("x.dat", &bytes[..SNIFF_BYTES.min(bytes.len())]);
    let bounded = |count: usize| assert!(count <= 4096 * bytes.len(), "{count} numbers from {} bytes", bytes.len());
    match read_measurements("x", bytes, &Limits::default()) {
        Ok(all) => {
            for measurement in all {
                match measurement {
                    Measurement::Map(sub) => {
                        bounded(sub.map.valid().len());
                        assert!(sub.map.heights_nm().iter().all(|h| h.is_finite()));
                    }
                    Measurement::Slopes(slopes) => bounded(slopes.valid.len()),
                    Measurement::Profile(profile) => {
                        bounded(profile.len());
                        assert!(profile.values.iter().chain(&profile.x_mm).all(|v| v.is_finite()));
                    }
                }
            }
        }
        Err(error) => assert!(error.to_string().len() > 20, "{error}"),
    }
}

/// A small reproducible generator, so that a failure can be repeated from its round.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// One to four mutations: flipped bits, extreme values, removed or repeated stretches, digits made larger, a cut end.
fn mutate(genuine: &[u8], dice: &mut Dice) -> Vec<u8> {
    const EXTREMES: [[u8; 8]; 5] = [
        [0; 8],
        [0xFF; 8],
        [0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xEF, 0x7F],
        [0, 0, 0, 0x80, 0, 0, 0xF0, 0x7F],
        [1, 0, 0, 0, 0, 0, 0, 0],
    ];
    let mut bytes = genuine.to_vec();
    for _ in 0..=dice.below(4) {
        let length = bytes.len();
        let at = dice.below(length);
        match dice.below(8) {
            0 | 1 if length > 0 => bytes[at] ^= 1 << dice.below(8),
            2 | 3 => {
                let extreme = EXTREMES[dice.below(EXTREMES.len())];
                for (byte, value) in bytes.iter_mut().skip(at).zip(extreme).take(1 << dice.below(4)) {
                    *byte = value;
                }
            }
            4 | 5 => {
                // In texts and XML the lies are written in digits.
                if let Some(digit) = bytes.iter().skip(at).position(u8::is_ascii_digit) {
                    let run = b"9".repeat(1 + dice.below(12));
                    bytes.splice(at + digit..at + digit, run);
                }
            }
            6 => {
                let end = length.min(at + dice.below(64));
                let stretch: Vec<u8> = bytes.drain(at..end).collect();
                if dice.below(2) == 0 {
                    bytes.splice(at..at, stretch.iter().chain(&stretch).copied());
                }
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// One small genuine file of each kind, HDF5 apart, which is slow.
fn genuine() -> Vec<Vec<u8>> {
    let seeds = corpus::seeds().into_iter().filter(|(folder, ..)| *folder != "nexus").map(|(.., bytes)| bytes);
    let others = [
        Sur::default().bytes(),
        Sur { compressed: true, ..Sur::default() }.bytes(),
        sdf::text("aISO-1.0", 7, (3, 2), "1 2 BAD 4 -5.5 6"),
        write_x3p(&small_map(), &X3pRecord::default()).unwrap(),
        write_csv_map(&small_map()),
        write_csv_profile(&small_profile(ProfileKind::SlopeUrad), None),
        write_xyz(&small_map()).unwrap(),
    ];
    seeds.chain(others).collect()
}

/// The sums of an archive hide its content from mutations: these files are spoilt before they are packed.
#[test]
fn archives_of_spoilt_files_are_survived() {
    let none = Some("no sum");
    for (seed, archive) in [
        X3p { data_sum: none, main_sum: none, ..X3p::default() },
        X3p { data_sum: none, main_sum: none, mask: Some(vec![0xFD]), ..X3p::default() },
        X3p { data_sum: none, main_sum: none, listed: Some("<Datum>1e-9</Datum><Datum/>"), ..X3p::default() },
    ]
    .into_iter()
    .enumerate()
    {
        let mut dice = Dice(30 + seed as u64);
        for _ in 0..3000 * rounds() {
            let mut files = archive.files();
            let spoilt = dice.below(4) % files.len();
            files[spoilt].1 = mutate(&files[spoilt].1, &mut dice);
            survive(&zip(&files));
        }
    }
}

/// Address space this process ever took, bytes, where the system tells.
fn peak_address_space() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmPeak:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

fn rounds() -> usize {
    std::env::var("STITCHBOX_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

#[test]
fn thousands_of_mutations_of_each_are_survived_in_little_memory() {
    let before = peak_address_space();
    for (seed, genuine) in genuine().into_iter().enumerate() {
        let mut dice = Dice(seed as u64);
        survive(&genuine);
        for _ in 0..3000 * rounds() {
            survive(&mutate(&genuine, &mut dice));
        }
    }
    // The other tests of this program run beside this one; a believed header would take gigabytes.
    if let (Some(before), Some(after)) = (before, peak_address_space()) {
        assert!(after - before < 768 << 20, "{} MiB more address space", (after - before) >> 20);
    }
}

#[test]
fn mutations_of_hdf5_files_are_survived() {
    let files = [nexus_files::stitched(), nexus_files::pylost(), nexus_files::mint(), nexus_files::shadow(true)];
    for (seed, genuine) in files.into_iter().enumerate() {
        let mut dice = Dice(100 + seed as u64);
        for round in 0..1500 * rounds() {
            let mutated = mutate(&genuine, &mut dice);
            // Every second gets its checksums made right, so that what was changed is looked at.
            survive(&if round % 2 == 0 { mutated } else { with_right_checksums(mutated) });
        }
    }
}

/// The same HDF5 file with the checksums of its superblock and object headers made right.
fn with_right_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    const SUPERBLOCK: usize = 44;
    if !bytes.starts_with(b"\x89HDF") {
        return bytes;
    }
    let mut ends = vec![(0, SUPERBLOCK)];
    for header in bytes.windows(4).enumerate().filter(|(_, w)| *w == b"OHDR").map(|(at, _)| at) {
        let Some(flags) = bytes.get(header + 5) else { continue };
        let size_at = header + 6 + if flags & 0x20 == 0 { 0 } else { 16 } + if flags & 0x10 == 0 { 0 } else { 4 };
        let width = 1usize << (flags & 3);
        let Some(size) = bytes.get(size_at..size_at + width) else { continue };
        let size = size.iter().rev().fold(0usize, |size, byte| (size << 8) | usize::from(*byte));
        ends.push((header, (size_at + width).saturating_add(size)));
    }
    for (start, end) in ends {
        if end.checked_add(4).is_some_and(|behind| behind <= bytes.len()) {
            let checksum = hdf5_writer::jenkins_lookup3(&bytes[start..end]).to_le_bytes();
            bytes[end..end + 4].copy_from_slice(&checksum);
        }
    }
    bytes
}

#[test]
fn dabam_pairs_survive_mutations_of_either_file() {
    let files = write_dabam(&small_profile(ProfileKind::HeightNm));
    let mut dice = Dice(7);
    for round in 0..4000 * rounds() {
        let (data, description) = match round % 2 {
            0 => (mutate(&files.data, &mut dice), files.description.clone()),
            _ => (files.data.clone(), mutate(&files.description, &mut dice)),
        };
        if let Ok(profiles) = read_dabam("d", &data, &description, &Limits::default()) {
            assert!(profiles.iter().all(|p| p.values.iter().all(|v| v.is_finite()) && p.len() <= data.len()));
        }
    }
}

#[test]
fn every_single_byte_may_be_wrong_and_every_length_short() {
    for genuine in genuine() {
        for at in 0..genuine.len() {
            for value in [0x00, 0xFF, b'9', genuine[at] ^ 1] {
                let mut spoilt = genuine.clone();
                spoilt[at] = value;
                survive(&spoilt);
            }
            survive(&genuine[..at]);
        }
    }
}

#[test]
fn genuine_files_survive_mutations() {
    let Some(folder) = real::data("mutations of genuine files") else { return };
    for (seed, path) in ["other/sdf-1.sdf", "other/xyz-1.txt", "digitalsurf/st_sur-2.sur"].into_iter().enumerate() {
        let genuine = std::fs::read(folder.join(path)).unwrap();
        let mut dice = Dice(50 + seed as u64);
        for _ in 0..60 * rounds() {
            survive(&mutate(&genuine, &mut dice));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000), start in 0usize..6) {
        let starts: [&[u8]; 6] = [b"", b"DIGITAL SURF", b"DSCOMPRESSED", b"bISO-1.0", b"aISO-1.0\n", b"PK\x03\x04"];
        survive(&[starts[start], &bytes].concat());
    }

    #[test]
    fn arbitrary_texts_are_survived(text in "[-+0-9eEdD.,; \tnaNx#:=()_\n]{0,400}") {
        survive(text.as_bytes());
    }
}
