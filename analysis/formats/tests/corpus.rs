//! The seeds of the fuzzing target: small files made here, committed in `fuzz/corpus` so that the target can start from
//! them. `STITCHBOX_WRITE_CORPUS=1 cargo test -p stitchbox-formats --test corpus` writes them anew.

mod fixtures;

use std::path::Path;

use fixtures::texts::{HAS, SLP, SLP2, ascii, xyz};
use fixtures::{Datx, Layout, Opd, OpdHeights, small_map, small_metropro};
use stitchbox_formats::{Format, Limits, MetroProHeader, read_measurement, write_metropro_with_intensity};

/// Largest size of all seeds together, bytes.
const MOST_BYTES: usize = 200_000;

/// Folder (the word of the format), name and content.
fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let counts = ndarray::Array2::from_shape_fn((5, 7), |(r, c)| (100 * r + c) as f32);
    let intensity = write_metropro_with_intensity(&small_map(), &counts, &MetroProHeader::default()).unwrap();
    let integers = OpdHeights::Integer(vec![0, 1, -2, 32765, 32766, 32767, -32768, 7, 8, 9, 10, 11]);
    let integers = Opd { heights: integers, mult: Some(200), aspect: Some(1.25), image: true, ..Opd::default() };
    let points = "12 21 0.5\n10 20 -0.001\n\n11 20 No Data\n12 20 1e-3\n10 21 0\n11 21 2\n#\n";
    let frames = "1 2 3 4 5\n6 7 8\n#\n1 2 3 4 5 2147483640\n#\n";
    vec![
        ("metropro", "plain", small_metropro()),
        ("metropro", "intensity", intensity),
        ("datx", "contiguous", Datx { stage_mm: Some((1.0, 2.0)), ..Datx::default() }.bytes()),
        ("datx", "deflate", Datx { layout: Layout::Deflate, ..Datx::default() }.bytes()),
        ("datx", "intensity", Datx { intensity: Some(vec![4, 5]), ..Datx::default() }.bytes()),
        ("datx", "szip", include_bytes!("fixtures/szip.datx").to_vec()),
        ("opd", "float", Opd { stage_inches: Some((2.0, -1.0)), ..Opd::default() }.bytes()),
        ("opd", "integer", integers.bytes()),
        ("zygo-xyz", "format-1", xyz(points).into_bytes()),
        ("zygo-ascii", "format-2", ascii("9 20 4 2 1 255", "1", frames).into_bytes()),
        ("zygo-ascii", "heights-only", ascii("0 0 0 0 0 0", "2", "#\n1 2 3 4 5 6\n#\n").into_bytes()),
        ("slp", "slp", SLP.as_bytes().to_vec()),
        ("slp2", "slp2", SLP2.as_bytes().to_vec()),
        ("slp2", "pixels", SLP2.replace("mean_slopes", "spare").into_bytes()),
        ("has", "has", HAS.as_bytes().to_vec()),
    ]
}

#[test]
fn the_committed_seeds_are_those_made_here_and_each_is_read_as_its_format() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let write = std::env::var_os("STITCHBOX_WRITE_CORPUS").is_some();
    let mut total = 0;
    for (folder, name, bytes) in seeds() {
        assert_eq!(Format::of(&bytes).map(Format::id), Some(folder), "{name}");
        read_measurement(name, &bytes, &Limits::default()).unwrap_or_else(|e| panic!("{folder}/{name}: {e}"));
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
