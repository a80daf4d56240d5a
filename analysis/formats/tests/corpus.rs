//! The seeds of the fuzzing target: small files made here, committed in `fuzz/corpus` so that the target can start from
//! them. `STITCHBOX_WRITE_CORPUS=1 cargo test -p stitchbox-formats --test corpus` writes them anew.

mod fixtures;
#[path = "exchange/nexus_files.rs"]
mod nexus_files;

use std::path::Path;

use fixtures::texts::{HAS, SLP, SLP2, ascii, xyz};
use fixtures::{Datx, Layout, Opd, OpdHeights, small_map, small_metropro};
use stitchbox_formats::{
    Format, Limits, MetroProHeader, NexusRecord, X3pRecord, read_dabam, read_measurements, write_csv_map,
    write_csv_profile, write_dabam, write_metropro_with_intensity, write_nexus_map, write_x3p, write_xyz,
};
use stitchbox_surface::{Profile, ProfileKind};

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
    let profile = Profile::new(&[0.0, 1.0, 2.5], &[3.0, -1e-3, 0.25], ProfileKind::SlopeUrad).unwrap();
    let dabam = write_dabam(&profile);
    let described = [dabam.data.as_slice(), b"\0", dabam.description.as_slice()].concat();
    let stitched = write_nexus_map(&small_map(), None, Some((1.0, 2.0)), &NexusRecord::default()).unwrap();
    let sdf = "aISO-1.0\r\nManufacID = a\r\nCreateDate = 040120100853\r\nModDate = 050320101353\r\nNumPoints = 3\r\n\
               NumProfiles = 2\r\nXscale = 2.0E-6\r\nYscale = 3.0E-6\r\nZscale = 1.0E-9\r\nZresolution = -1\r\n\
               Compression = 0\r\nDataType = 6\r\nCheckType = 0\r\n*\r\n1 2 3\r\n4 BAD 6\r\n*\r\nend *";
    vec![
        ("sur", "integers", sur(false)),
        ("sur", "compressed", sur(true)),
        ("x3p", "deflate", write_x3p(&small_map(), &X3pRecord::default()).unwrap()),
        ("sdf", "text", sdf.as_bytes().to_vec()),
        ("nexus", "stitched", nexus_files::stitched()),
        ("nexus", "written", stitched),
        ("nexus", "pylost", nexus_files::pylost()),
        ("nexus", "mint", nexus_files::mint()),
        ("nexus", "shadow", nexus_files::shadow(true)),
        ("dabam", "slopes", described),
        ("csv", "profile", write_csv_profile(&profile, None)),
        ("csv", "map", write_csv_map(&small_map())),
        ("matrix", "spaces", b"1.5 2 3 0\n4 nan 6e-3 1\n-7 8 9 2\n".to_vec()),
        ("xyz", "points", write_xyz(&small_map()).unwrap()),
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

/// A Digital Surf file of 2 rows of 3, plain or as a stream of zlib.
fn sur(compressed: bool) -> Vec<u8> {
    let mut file = vec![0u8; 512];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    let stored: Vec<u8> = [10i32, 11, 12, 13, 8, 15].iter().flat_map(|v| v.to_le_bytes()).collect();
    // zlib, one stored block, Adler-32.
    let mut stream = vec![0x78, 0x01, 0x01, 24, 0, 0xE7, 0xFF];
    stream.extend_from_slice(&stored);
    stream.extend_from_slice(&adler32(&stored).to_be_bytes());
    put(0, if compressed { b"DSCOMPRESSED" } else { b"DIGITAL SURF" });
    for (at, value) in [(14, 1i16), (18, 2), (86, 1), (98, 32)] {
        put(at, &value.to_le_bytes());
    }
    for (at, value) in [(100, 10i32), (104, 15), (108, 3), (112, 2), (116, 6)] {
        put(at, &value.to_le_bytes());
    }
    for (at, value) in [(120, 2.0f32), (124, 3.0), (128, 0.5)] {
        put(at, &value.to_le_bytes());
    }
    for (at, unit) in [(180, "mm"), (196, "mm"), (212, "nm")] {
        put(at, unit.as_bytes());
    }
    if compressed {
        let directory = [1u32, stored.len() as u32, stream.len() as u32];
        file.extend(directory.iter().flat_map(|v| v.to_le_bytes()));
        file.extend(stream);
    } else {
        file.extend(stored);
    }
    file
}

/// The check sum of zlib.
fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1u32, 0u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    b << 16 | a
}

#[test]
fn the_committed_seeds_are_those_made_here_and_each_is_read_as_its_format() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let write = std::env::var_os("STITCHBOX_WRITE_CORPUS").is_some();
    let mut total = 0;
    for (folder, name, bytes) in seeds() {
        // By its first bytes HDF5 is HDF5, and DABAM comes as two files, here with a NUL between them.
        let word = if folder == "nexus" { "datx" } else { folder };
        let read = match folder {
            "dabam" => {
                let parts: Vec<&[u8]> = bytes.splitn(2, |byte| *byte == 0).collect();
                read_dabam(name, parts[0], parts[1], &Limits::default()).map(|_| ())
            }
            _ => {
                assert_eq!(Format::of(&bytes).map(Format::id), Some(word), "{name}");
                read_measurements(name, &bytes, &Limits::default()).map(|_| ())
            }
        };
        read.unwrap_or_else(|e| panic!("{folder}/{name}: {e}"));
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
