//! Writes a simulated series as genuine MetroPro files, with the truth beside them.

use std::{fs, io, path::Path};

use serde_json::json;
use stitchbox_formats::{MetroProHeader, write_metropro};

use crate::{Simulated, npy};

/// A fixed acquisition time, so that the same parameters give the same bytes (2023-11-14 UTC).
const TIME_STAMP: i32 = 1_700_000_000;

/// Writes into an existing folder: `sub_01.dat` ... with the position in the comment as at the ESRF (minus the
/// coordinate, mm), `truth_nm.npy` (what the maps cover), `reference_nm.npy` and `positions.json` (positions,
/// correctors, pixel size, noise).
///
/// # Errors
/// What the file system answers.
pub fn write_series(simulated: &Simulated, folder: &Path) -> io::Result<()> {
    for (k, map) in simulated.sub_apertures.iter().enumerate() {
        let header = MetroProHeader {
            comment: comment(simulated, k),
            time_stamp: TIME_STAMP,
            software_date: "Mon Jan 01 00:00:00 2024".to_owned(),
            ..MetroProHeader::default()
        };
        let bytes = write_metropro(map, &header).map_err(io::Error::other)?;
        fs::write(folder.join(format!("sub_{:02}.dat", k + 1)), bytes)?;
    }
    let mut truth = Vec::new();
    npy::write_f32(&mut truth, &simulated.covered_truth_nm())?;
    fs::write(folder.join("truth_nm.npy"), truth)?;
    let mut reference = Vec::new();
    npy::write_f32(&mut reference, &simulated.reference_nm)?;
    fs::write(folder.join("reference_nm.npy"), reference)?;
    fs::write(folder.join("positions.json"), positions(simulated))
}

/// `Position= 3  X-coord= -43.80704  X-shift= 0.000  Y-coord= 0.00000`
fn comment(simulated: &Simulated, k: usize) -> String {
    let coordinate = |offsets: &[f64]| -offsets.get(k).copied().unwrap_or(0.0) * simulated.pixel_mm;
    let (x, y) = (coordinate(&simulated.x_px), coordinate(&simulated.y_px));
    format!("Position= {}  X-coord= {x:.5}  X-shift= 0.000  Y-coord= {y:.5}", k + 1)
}

fn positions(simulated: &Simulated) -> String {
    let whole = |offsets: &[f64]| offsets.iter().map(|o| o.round() as i64).collect::<Vec<_>>();
    let in_mm = |offsets: &[f64]| offsets.iter().map(|o| o * simulated.pixel_mm).collect::<Vec<_>>();
    let (_, rows, columns) = simulated.parameters.case.shape();
    let (map_rows, map_columns) = simulated.map_shape();
    let document = json!({
        "case": simulated.parameters.case.to_string(),
        "seed": simulated.parameters.seed,
        "n": simulated.sub_apertures.len(),
        "subaperture_shape": [rows, columns],
        "map_shape": [map_rows, map_columns],
        "pixel_mm": simulated.pixel_mm,
        "x_px": whole(&simulated.x_px),
        "y_px": whole(&simulated.y_px),
        "x_mm": in_mm(&simulated.x_px),
        "y_mm": in_mm(&simulated.y_px),
        "noise_sigma_nm": simulated.sigma_nm,
        "piston_nm": simulated.piston_nm,
        "pitch_nm_per_mm": simulated.pitch_nm_per_mm,
        "roll_nm_per_mm": simulated.roll_nm_per_mm,
    });
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Parameters, simulate};
    use stitchbox_formats::{Limits, read_sub_aperture};

    #[test]
    fn the_series_is_read_back_with_its_positions() {
        let folder = tempfile::tempdir().unwrap();
        let simulated = simulate(&Parameters::default());
        write_series(&simulated, folder.path()).unwrap();
        // Half a step of 632.8 nm * 0.5 / 32768.
        let half_step_nm = 632.8 * 0.5 / 32768.0 / 2.0 * 1.000_01;
        for (k, map) in simulated.sub_apertures.iter().enumerate() {
            let name = format!("sub_{:02}.dat", k + 1);
            let bytes = fs::read(folder.path().join(&name)).unwrap();
            let sub = read_sub_aperture(&name, &bytes, &Limits::default()).unwrap();
            assert_eq!(sub.map.valid(), map.valid());
            let difference = sub.map.heights_nm() - map.heights_nm();
            assert!(difference.iter().all(|d| d.abs() <= half_step_nm));
            let (x, y) = sub.position_mm.unwrap();
            assert!((x / simulated.pixel_mm - simulated.x_px[k]).abs() < 1e-4 && y == 0.0, "{name}: {x} {y}");
            assert!((sub.map.pixel().unwrap().x_mm / simulated.pixel_mm - 1.0).abs() < 1e-7);
        }
        let truth = npy::read(&fs::read(folder.path().join("truth_nm.npy")).unwrap()).unwrap();
        assert_eq!(truth.dim(), simulated.map_shape());
        let reference = npy::read(&fs::read(folder.path().join("reference_nm.npy")).unwrap()).unwrap();
        assert_eq!(reference.dim(), (40, 200));
        let positions = fs::read_to_string(folder.path().join("positions.json")).unwrap();
        let positions: serde_json::Value = serde_json::from_str(&positions).unwrap();
        assert_eq!(positions["n"], 12);
        assert_eq!(positions["x_px"][3], simulated.x_px[3] as i64);
    }

    #[test]
    fn the_same_parameters_give_the_same_bytes() {
        let write = || {
            let folder = tempfile::tempdir().unwrap();
            write_series(&simulate(&Parameters::default()), folder.path()).unwrap();
            fs::read(folder.path().join("sub_07.dat")).unwrap()
        };
        assert_eq!(write(), write());
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let simulated = simulate(&Parameters::default());
        let error = write_series(&simulated, Path::new("/nonexistent/folder")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
