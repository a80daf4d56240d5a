//! The shared series S_x12 (real file layout, known truth): the map must reach the statistical limit.

mod support;

use std::path::{Path, PathBuf};

use ndarray::Array2;
use stitchbox_formats::{Limits, read_sub_aperture};
use stitchbox_stitch::{Options, Placed, stitch};
use support::{Null, error_nm};

fn shared_series() -> Option<PathBuf> {
    let data = std::env::var_os("STITCHBOX_SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = data.join("synthetic/S_x12");
    folder.is_dir().then_some(folder)
}

/// A two-dimensional little-endian f32 array in numpy's file format, version 1.
fn read_npy(path: &Path) -> Array2<f64> {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..start]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let shape = header.split_once('(').unwrap().1.split_once(')').unwrap().0;
    let shape: Vec<usize> = shape.split(',').map(|n| n.trim().parse().unwrap()).collect();
    let values = bytes[start..].chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    Array2::from_shape_vec((shape[0], shape[1]), values.collect()).unwrap()
}

#[test]
fn the_shared_series_reaches_the_statistical_limit() {
    let Some(folder) = shared_series() else {
        println!("SKIPPED: no shared data (set STITCHBOX_SHARED_DATA)");
        return;
    };
    let series: Vec<Placed> = (1..=12)
        .map(|k| {
            let name = format!("sub_{k:02}.dat");
            let bytes = std::fs::read(folder.join(&name)).unwrap();
            let sub_aperture = read_sub_aperture(&name, &bytes, &Limits::default()).unwrap();
            let (x_mm, y_mm) = sub_aperture.position_mm.unwrap();
            Placed { sub_aperture, x_mm, y_mm }
        })
        .collect();
    let result = stitch(&series, &Options::default(), &()).unwrap();
    let truth = read_npy(&folder.join("truth_nm.npy"));
    assert_eq!(result.height.shape(), truth.dim());
    assert!(result.warnings.is_empty(), "{:?}", result.warnings);
    let error = error_nm(&result.height, Null::XScan, |row, column| truth[[row, column]]);
    println!(
        "S_x12: error {error:.4} nm (limit 0.340, to reach 0.347), noise {:?} nm, {} iterations, digest {}",
        result.noise_nm,
        result.iterations,
        result.digest()
    );
    assert!(error <= 0.347, "{error} nm");
    let noise = result.noise_nm.unwrap();
    assert!((noise - 0.5).abs() < 0.01, "noise {noise} nm, simulated with 0.5");
}
