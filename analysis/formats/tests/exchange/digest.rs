//! What is written is the same on every processor: the sums of files with compressed parts, as they were when this was
//! written. Run under an emulated old processor this shows a dispatch by processor features.

use md5::{Digest, Md5};
use ndarray::Array2;
use stitchbox_formats::{NexusRecord, X3pRecord, write_nexus_map, write_x3p};
use stitchbox_surface::{HeightMap, PixelSize};

fn sum(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Sums, products and quotients only, which every processor computes alike.
fn map() -> HeightMap {
    let heights = Array2::from_shape_fn((120, 300), |(r, c)| {
        let (y, x) = (r as f64 - 59.5, c as f64 - 149.5);
        if r == c { f64::NAN } else { x * y / (1.0 + x * x) + 0.1 * y }
    });
    HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: 0.12, y_mm: 0.12 }))
}

#[test]
fn compressed_bytes_do_not_depend_on_the_processor() {
    assert_eq!(
        sum(&write_nexus_map(&map(), None, Some((0.5, -0.25)), &NexusRecord::default()).unwrap()),
        "1dc2159991fbcfddcc8050f032867622"
    );
    // The heights within the archive: main.xml names the version of the program.
    let archive = write_x3p(&map(), &X3pRecord::default()).unwrap();
    let name = b"bindata/data.bin";
    let start = archive.windows(name.len()).position(|w| w == name).unwrap() + name.len();
    let end = start + archive[start..].windows(4).position(|w| w == b"PK\x03\x04").unwrap();
    assert_eq!(sum(&archive[start..end]), "7d29da239114e5d71923ac81b3358bc6");
}
