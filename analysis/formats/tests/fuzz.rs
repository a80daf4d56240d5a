//! Every reader against spoilt files, with the memory counted: nothing panics, and nothing is allocated that the length
//! of the file does not justify. The seeds are those of the coverage-guided target (`fuzz/corpus`, see `fuzz/README.md`),
//! and the genuine files where they are.

mod fixtures;

use std::path::{Path, PathBuf};

use fixtures::mutation::{Dice, mutate};
use fixtures::texts::{HAS, SLP, SLP2, ascii, xyz};
use fixtures::{Opd, patched, with_right_checksums};
use ndarray::Array2;
use peak_alloc::PeakAlloc;
use stitchbox_formats::{
    Content, Format, Limits, Measurement, MetroProHeader, SNIFF_BYTES, read_dabam, read_diamond_steps,
    read_measurement, read_measurements, readers, sniff, write_metropro_with_intensity,
};

use stitchbox_surface::HeightMap;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that may be held at once for each byte of the file, and besides.
const PER_BYTE: usize = 16;
const BESIDES: usize = 1 << 20;
/// What a compressed file may unfold to: pixels, and bytes for each.
const LIMITS: Limits = Limits { max_pixels: 1 << 16, max_file_bytes: 1 << 30 };
const PER_PIXEL: usize = 64;
/// hdf5-reader 0.12 sets aside room for as many messages as an old object header announces (up to 65535, 9.4 MB, which
/// are not touched), whatever its length; so many at once.
const HDF5_HEADERS: usize = 7 * 9_437_040;

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
    let hdf5 = bytes.starts_with(b"\x89HDF");
    let unfolded = if hdf5 || bytes.starts_with(b"PK") { PER_PIXEL * LIMITS.max_pixels } else { 0 };
    PER_BYTE * bytes.len() + BESIDES + unfolded + if hdf5 { HDF5_HEADERS } else { 0 }
}

/// Large sound files in which every number is as short as the format allows: the worst there is for their length.
fn dense() -> Vec<(&'static str, Vec<u8>)> {
    const SIDE: usize = 240;
    let square = SIDE * SIDE;
    let shape = format!("0 0 {SIDE} {SIDE}");
    let points: String = (0..square).map(|i| format!("{} {} 0\n", i % SIDE, i / SIDE)).collect();
    let zeros = "0 ".repeat(square);
    let opd = Opd::default().bytes();
    let heights = [&opd[..opd.len() - 54], &[SIDE as u8, 0, SIDE as u8, 0, 4, 0], &vec![0; 4 * square]].concat();
    // The length of the block of heights is in the entry that names it.
    let entry = heights.windows(4).position(|w| w == b"Raw\0").unwrap();
    let opd = patched(heights, entry + 18, &(6 + 4 * square as i32).to_le_bytes());
    let map = HeightMap::from_heights_nm(Array2::zeros((SIDE, SIDE)), None);
    let metropro =
        write_metropro_with_intensity(&map, &Array2::ones((SIDE, SIDE)), &MetroProHeader::default()).unwrap();
    let line: String = (0..square).map(|i| format!("{i} 0\n")).collect();
    let (head, _) = SLP2.split_once("1.0\t5.5").unwrap();
    let has = HAS.replace("<x>3</x><y>2</y>", &format!("<x>{SIDE}</x><y>{SIDE}</y>"));
    let mut has: Vec<&str> = has.split("<buffer>").collect();
    let buffers: Vec<String> =
        has.drain(1..).map(|rest| format!("<buffer>{zeros}{}", &rest[rest.find("</buffer>").unwrap()..])).collect();
    vec![
        ("metropro", metropro),
        ("opd", opd),
        ("zygo-xyz", xyz(&points).replace("10 20 3 2", &shape).into_bytes()),
        (
            "zygo-ascii",
            ascii(&format!("{shape} 1 1"), "1", &format!("{zeros}\n#\n{zeros}\n#\n"))
                .replace("10 20 3 2", &shape)
                .into_bytes(),
        ),
        ("slp", SLP.lines().take(5).collect::<Vec<_>>().join("\n").into_bytes()),
        ("slp2", format!("{}{line}\"\n", head.replace("\"3\"", &format!("\"{square}\""))).into_bytes()),
        ("has", format!("{}{}", has[0], buffers.concat()).into_bytes()),
    ]
    .into_iter()
    .map(|(id, bytes)| match id {
        "slp" => (id, [bytes, format!("\n{square}\n{line}").into_bytes()].concat()),
        _ => (id, bytes),
    })
    .collect()
}

// One test, so that no other counts into its memory.
#[test]
fn no_spoilt_file_makes_a_reader_panic_or_hold_more_than_its_length_justifies() {
    for (id, bytes) in dense() {
        assert_eq!(Format::of(&bytes).map(Format::id), Some(id));
        if let Err(e) = read_measurement(id, &bytes, &LIMITS) {
            panic!("{id}: {e}");
        }
        let (held, length) = (survive(&bytes), bytes.len());
        println!("{id}: {:.2} bytes held for each of {length}", held as f64 / length as f64);
        assert!(held <= PER_BYTE * length, "{id}: {held} bytes for a file of {length}");
    }
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
            // Kept for whoever mends it, should it not be survived.
            let kept = std::env::temp_dir().join("stitchbox-spoilt");
            let (held, allowed) = match std::panic::catch_unwind(|| survive(&mutated)) {
                Ok(held) => (held, allowed(&mutated)),
                Err(_) => {
                    let _ = std::fs::write(&kept, &mutated);
                    panic!("{}, round {round}, see {}", path.display(), kept.display());
                }
            };
            let length = mutated.len();
            (reads, most_held) = (reads + 1, most_held.max(held));
            if held > allowed {
                let _ = std::fs::write(&kept, &mutated);
            }
            assert!(held <= allowed, "{}, round {round}: {held} bytes for a file of {length}", path.display());
        }
    }
    println!("{reads} spoilt files read; at most {most_held} bytes held at once");
}
