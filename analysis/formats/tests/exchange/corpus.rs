//! More seeds of the fuzzing target, which need what the tests here write, beside those of `tests/corpus.rs`:
//! `STITCHBOX_WRITE_CORPUS=1 cargo test -p stitchbox-formats --test exchange` writes them anew.

use std::path::Path;

use stitchbox_formats::{Format, Limits, NexusRecord, read_measurements, write_nexus_profile};
use stitchbox_surface::ProfileKind;

use crate::{gwyddion, keyence, matlab, sdf, small_profile, sur::Sur, x3p::X3p};

/// Largest size of all seeds together, bytes.
const MOST_BYTES: usize = 100_000;

/// Folder (the word of the format), name and content.
pub fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let profile = small_profile(ProfileKind::SlopeUrad);
    let numbers: Vec<u8> = [1i16, 2, -32768, 4, -5, 6].iter().flat_map(|v| v.to_le_bytes()).collect();
    let listed = Some("<Datum>;;1e-9</Datum><Datum/><Datum>2e-9</Datum>");
    let record = NexusRecord::default();
    vec![
        ("sur", "profile", Sur { bits: 16, kind: 1, shape: (6, 1), ..Sur::default() }.bytes()),
        ("sdf", "binary", sdf::binary(b"bISO-2.0", 5, (3, 2), &numbers)),
        ("sdf", "bcr", sdf::binary(b"bBCR-1.0", 1, (3, 2), &numbers)),
        ("x3p", "stored", X3p::default().bytes()),
        ("x3p", "mask", X3p { mask: Some(vec![0xFD]), ..X3p::default() }.bytes()),
        ("x3p", "listed", X3p { listed, size: (3, 1, 1), feature: "PRF", ..X3p::default() }.bytes()),
        ("nexus", "profile", write_nexus_profile(&profile, None, &record).unwrap()),
        (
            "matrix",
            "gwyddion",
            b"# Width: 12.34 um\n# Height: 5678.9 nm\n# Value units: m\n1 1,5 3 2\n-2 -3 -6 1\n".to_vec(),
        ),
        (
            "matrix",
            "conversion",
            b"h=2 w=4\npixel size=3e-7 m\nheight conversion factor (-> m)=2e-8\n1 2 3 4\n5 6 7 8\n".to_vec(),
        ),
        ("gwyddion", "channels", gwyddion::file()),
        ("keyence", "light", keyence::file(32)),
        ("matlab", "plain", matlab::map(true, false)),
        ("matlab", "compressed", matlab::map(false, true)),
    ]
}

#[test]
fn the_committed_seeds_are_those_made_here_and_each_is_read_as_its_format() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let write = std::env::var_os("STITCHBOX_WRITE_CORPUS").is_some();
    let mut total = 0;
    for (folder, name, bytes) in seeds() {
        // By its first bytes any HDF5 file is taken for Zygo's.
        let word = if folder == "nexus" { "datx" } else { folder };
        assert_eq!(Format::of(&bytes).map(Format::id), Some(word), "{folder}/{name}");
        read_measurements(name, &bytes, &Limits::default()).unwrap_or_else(|e| panic!("{folder}/{name}: {e}"));
        let path = corpus.join(folder).join(name);
        if write {
            std::fs::create_dir_all(corpus.join(folder)).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        let committed = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(committed == bytes, "{} is not the file made here: write it anew", path.display());
        total += bytes.len();
    }
    assert!(total < MOST_BYTES, "{total} bytes");
}
