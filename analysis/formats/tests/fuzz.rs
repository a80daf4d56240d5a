//! Every reader against spoilt files, with the memory counted: nothing panics, and nothing is allocated that the length
//! of the file does not justify. The seeds are those of the coverage-guided target (`fuzz/corpus`, see `fuzz/README.md`),
//! and the genuine files where they are.

mod fixtures;

use std::path::{Path, PathBuf};

use fixtures::mutation::{Dice, mutate};
use fixtures::with_right_checksums;
use peak_alloc::PeakAlloc;
use stitchbox_formats::{
    Content, Limits, Measurement, SNIFF_BYTES, read_dabam, read_diamond_steps, read_measurement, read_measurements,
    readers, sniff,
};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that may be held at once for each byte of the file, and besides.
const PER_BYTE: usize = 16;
const BESIDES: usize = 1 << 20;
/// What a compressed file may unfold to: pixels, and bytes for each.
const LIMITS: Limits = Limits { max_pixels: 1 << 16, max_file_bytes: 1 << 30 };
const PER_PIXEL: usize = 64;

/// All files in a folder and below, in the order of their paths.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Reads the bytes as everything they may be; whatever comes out must be sound. Gives the memory held at the peak.
fn survive(bytes: &[u8]) -> usize {
    let head = &bytes[..SNIFF_BYTES.min(bytes.len())];
    for name in ["a.dat", "a.opd", "a.h5", "a"] {
        assert_eq!(sniff(name, Content::of(head).head()), sniff(name, head));
    }
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let read = read_measurement("x", bytes, &LIMITS);
    let _ = read_diamond_steps(bytes, &LIMITS);
    // DABAM comes as two files, here with a NUL between them.
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        let _ = read_dabam("x", &bytes[..end], &bytes[end + 1..], &LIMITS);
    }
    let _ = read_measurements("x", bytes, &LIMITS);
    let held = MEMORY.peak_usage().saturating_sub(before);
    match read {
        Ok(Measurement::Map(sub)) => {
            assert!(sub.map.heights_nm().iter().all(|h| h.is_finite()));
            assert!(sub.intensity.iter().flatten().all(|i| i.is_finite() && *i >= 0.0));
            assert!(sub.intensity.is_none_or(|i| i.dim() == sub.map.shape()));
            assert!(sub.map.pixel().is_none_or(|p| p.x_mm > 0.0 && p.y_mm > 0.0));
            assert!(sub.position_mm.is_none_or(|(x, y)| x.is_finite() && y.is_finite()));
        }
        Ok(Measurement::Slopes(slopes)) => {
            assert!(slopes.x_urad.iter().chain(slopes.y_urad.iter().flatten()).all(|s| s.is_finite()));
            assert_eq!(slopes.x_urad.dim(), slopes.valid.dim());
            assert!(slopes.y_urad.is_none_or(|y| y.dim() == slopes.valid.dim()));
        }
        Ok(Measurement::Profile(profile)) => {
            assert!(profile.x_mm.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(profile.values.iter().all(|v| v.is_finite()) && profile.len() == profile.x_mm.len());
        }
        Err(error) => assert!(error.to_string().len() > 20, "{error}"),
    }
    held
}

/// Memory a file of these bytes may take.
fn allowed(bytes: &[u8]) -> usize {
    let compressed = bytes.starts_with(b"\x89HDF") || bytes.starts_with(b"PK");
    PER_BYTE * bytes.len() + BESIDES + if compressed { PER_PIXEL * LIMITS.max_pixels } else { 0 }
}

// One test, so that no other counts into its memory.
#[test]
fn no_spoilt_file_makes_a_reader_panic_or_hold_more_than_its_length_justifies() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let seeds = files(&corpus);
    for info in readers() {
        assert!(corpus.join(info.id).is_dir(), "no seed for {} in fuzz/corpus/{}", info.name, info.id);
    }
    let rounds: u64 = std::env::var("STITCHBOX_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let genuine = fixtures::real_data().map(|data| files(&data)).unwrap_or_default();
    let real = genuine.iter().filter(|path| std::fs::metadata(path).is_ok_and(|file| file.len() < 300_000));
    let all = seeds.iter().map(|path| (path, 1500)).chain(real.map(|path| (path, 10)));
    let (mut reads, mut most_held) = (0u64, 0);
    for (seed, (path, count)) in all.enumerate() {
        let bytes = std::fs::read(path).unwrap();
        let mut dice = Dice(seed as u64);
        for round in 0..count * rounds {
            let mutated = if round == 0 { bytes.clone() } else { mutate(&bytes, &mut dice) };
            let mutated = if round % 2 == 0 { mutated } else { with_right_checksums(mutated) };
            let (held, allowed) = (survive(&mutated), allowed(&mutated));
            let length = mutated.len();
            (reads, most_held) = (reads + 1, most_held.max(held));
            assert!(held <= allowed, "{}, round {round}: {held} bytes for a file of {length}", path.display());
        }
    }
    println!("{reads} spoilt files read; at most {most_held} bytes held at once");
}
