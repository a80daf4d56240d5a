//! Genuine files of the exchange formats, where they are on this machine: the numbers of `shared/data/MANIFEST.md` and
//! of an independent parse with numpy.

use std::path::PathBuf;

use stitchbox_formats::{Format, Limits, Measurement, read_dabam, read_measurement, write_x3p};
use stitchbox_surface::{Profile, ProfileKind, SubAperture, statistics};

/// The folder of real files, or a line that says why the test checks nothing.
pub fn data(test: &str) -> Option<PathBuf> {
    let beside_the_repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let folder = std::env::var_os("STITCHBOX_SHARED_DATA").map_or_else(|| beside_the_repository.into(), PathBuf::from);
    if !folder.is_dir() {
        eprintln!("SKIPPED {test}: no real files (set STITCHBOX_SHARED_DATA)");
        return None;
    }
    Some(folder)
}

fn map(path: &str, format: Format) -> Option<SubAperture> {
    let bytes = std::fs::read(data(path)?.join(path)).unwrap();
    assert_eq!(Format::of(&bytes), Some(format), "{path}");
    match read_measurement(path, &bytes, &Limits::default()) {
        Ok(Measurement::Map(map)) => Some(map),
        other => panic!("{path}: {other:?}"),
    }
}

fn close(found: f64, expected: f64, relative: f64) {
    assert!((found - expected).abs() <= relative * expected.abs(), "{found:e} is not {expected:e}");
}

/// Valid pixels, mean, PV and rms in nm.
fn check(sub: &SubAperture, shape: (usize, usize), valid: usize, mean: f64, pv: f64, rms: f64) {
    assert_eq!(sub.map.shape(), shape);
    let s = statistics(&sub.map).unwrap();
    assert_eq!(s.count, valid);
    close(s.mean_nm, mean, 1e-9);
    close(s.pv_nm, pv, 1e-9);
    close(s.rms_nm, rms, 1e-9);
}

#[test]
fn digital_surf_masks_what_was_not_measured() {
    let Some(sub) = map("digitalsurf/st_sur-2.sur", Format::Sur) else { return };
    let s = statistics(&sub.map).unwrap();
    assert_eq!((s.count, sub.map.shape()), (272_375, (484, 563)));
    assert!((s.rms_nm - 17.517881).abs() < 0.5e-6, "{}", s.rms_nm);
    assert!((s.mean_nm - 10157.376).abs() < 0.5e-3 && (s.pv_nm - 1476.0).abs() < 0.5e-4 * 1e3, "{s:?}");
    let pixel = sub.map.pixel().unwrap();
    assert!((pixel.x_mm * 1e3 - 3.484_000_22).abs() < 1e-8 && pixel.x_mm == pixel.y_mm);
}

#[test]
fn x3p_has_the_numbers_of_the_manifest() {
    let Some(sub) = map("other/x3p-2.x3p", Format::X3p) else { return };
    check(&sub, (650, 650), 422_500, -2.491824169306, 554.3362, 77.28033273598);
    let pixel = sub.map.pixel().unwrap();
    close(pixel.x_mm * 650.0, 8.297_673_139_427_49e-2, 1e-13);
    close(pixel.y_mm * 650.0, 0.204_478_373_793_034_9, 1e-13);
    // What is written from it is read again.
    let again = write_x3p(&sub.map, &stitchbox_formats::X3pRecord::default()).unwrap();
    let Measurement::Map(again) = read_measurement("x", &again, &Limits::default()).unwrap() else { panic!("no map") };
    for (a, b) in again.map.heights_nm().iter().zip(sub.map.heights_nm()) {
        assert!((a - b).abs() <= f64::EPSILON * b.abs(), "{a} {b}");
    }
}

#[test]
fn sdf_has_the_numbers_of_the_manifest() {
    let Some(sub) = map("other/sdf-1.sdf", Format::Sdf) else { return };
    check(&sub, (4, 7), 28, 983.5632142857, 50.93, 13.60289728949);
    let pixel = sub.map.pixel().unwrap();
    close(pixel.x_mm, 1e-3, 1e-14);
    close(pixel.y_mm, 1e-3, 1e-14);
}

#[test]
fn matrices_have_the_numbers_of_the_manifest() {
    for path in ["other/gwyddion-export-english.txt", "other/gwyddion-export-german.txt"] {
        let Some(sub) = map(path, Format::Matrix) else { return };
        assert_eq!(sub.map.shape(), (4, 3));
        let s = statistics(&sub.map).unwrap();
        close(s.mean_nm, 1e9 * 21.5 / 12.0, 1e-14);
        close(s.pv_nm, 15e9, 1e-14);
        close(s.rms_nm, 4.705_75e9, 1e-6);
        let pixel = sub.map.pixel().unwrap();
        close(pixel.x_mm * 3.0, 1.234e-2, 1e-14);
        close(pixel.y_mm * 4.0, 5.6789e-3, 1e-14);
    }
    let Some(sub) = map("other/matrix-4.txt", Format::Matrix) else { return };
    assert_eq!(sub.map.shape(), (305, 75));
    let s = statistics(&sub.map).unwrap();
    close(s.pv_nm, 589.7958694348, 1e-9);
    close(s.rms_nm, 117.4589151099, 1e-9);
    assert!(s.mean_nm.abs() < 1e-4);
    close(sub.map.pixel().unwrap().x_mm * 75.0, 2.773_965e-2, 1e-12);
}

#[test]
fn points_are_found_on_their_grid_in_any_order() {
    let Some(one) = map("other/xyz-1.txt", Format::XyzPoints) else { return };
    let other = map("other/xyz-1-different-order.txt", Format::XyzPoints).unwrap();
    assert_eq!(one.map.shape(), (4, 4));
    assert_eq!(one.map.heights_nm()[[1, 1]], 2.0);
    assert_eq!(one.map.heights_nm()[[2, 1]], 2.0);
    assert_eq!(one.map.heights_nm().sum(), 18.0);
    // The two files differ by a transposition only: the second names (1, 1) and (1, 2), too.
    assert_eq!(one.map, other.map);
    assert!(one.instrument.format.contains("assumed"));
}

fn dabam(number: u32) -> Option<Result<Vec<Profile>, stitchbox_formats::FormatError>> {
    let folder = data("dabam")?.join("dabam");
    let file = |extension| std::fs::read(folder.join(format!("dabam-{number:03}.{extension}"))).unwrap();
    Some(read_dabam(&format!("{number:03}"), &file("dat"), &file("txt"), &Limits::default()))
}

/// Least-squares line: value at the mean position, slope; and the rms of the rest.
fn line(profile: &Profile) -> (f64, f64, f64) {
    let n = profile.len() as f64;
    let mean = profile.values.iter().sum::<f64>() / n;
    let x0 = profile.x_mm.iter().sum::<f64>() / n;
    let sxx: f64 = profile.x_mm.iter().map(|x| (x - x0) * (x - x0)).sum();
    let slope = profile.x_mm.iter().zip(&profile.values).map(|(x, v)| (x - x0) * v).sum::<f64>() / sxx;
    let rest =
        profile.x_mm.iter().zip(&profile.values).map(|(x, v)| (v - mean - slope * (x - x0)).powi(2)).sum::<f64>();
    (mean, slope, (rest / n).sqrt())
}

#[test]
fn every_dabam_entry_is_read() {
    for number in (1..=101).step_by(2) {
        let Some(profiles) = dabam(number) else { return };
        let profiles = profiles.unwrap_or_else(|e| panic!("dabam-{number:03}: {e}"));
        assert!(profiles[0].len() > 50, "dabam-{number:03}");
        let several = match number {
            25 => 12,
            11 | 13 | 15 | 17 => 4,
            81 => 2,
            _ => 1,
        };
        assert_eq!(profiles.len(), several, "dabam-{number:03}");
    }
}

/// The table of the manifest: number, points, mean and rms after a line (urad).
#[test]
fn the_profiles_of_the_esrf_have_the_numbers_of_the_manifest() {
    for (number, n, mean, rms) in [
        (37, 1001, 0.0, 0.3204),
        (39, 1001, 0.0596, 0.3444),
        (45, 1301, 0.0, 0.7799),
        (51, 191, 0.0, 0.3750),
        (55, 181, 0.0, 1.6004),
        (57, 701, 0.0, 0.7430),
        (59, 441, -0.1026, 0.1883),
        (71, 9230, 0.0118, 0.2615),
        (75, 9269, 0.1597, 0.2689),
        (77, 9269, 0.3764, 0.2664),
    ] {
        let Some(profiles) = dabam(number) else { return };
        let profile = &profiles.unwrap()[0];
        assert_eq!(profile.kind, ProfileKind::SlopeUrad);
        let (found_mean, _, found_rms) = line(profile);
        assert_eq!(profile.len(), n, "dabam-{number:03}");
        assert!((found_mean - mean).abs() < 1.01e-4, "dabam-{number:03}: mean {found_mean}");
        assert!((found_rms - rms).abs() < 0.51e-4, "dabam-{number:03}: rms {found_rms}");
    }
}

/// DABAM's own summary: rms of the slopes after a line (flat and spherical mirrors), which its authors computed with
/// n - 1 in the denominator.
#[test]
fn slopes_have_the_errors_of_the_summary_of_dabam() {
    for (number, expected) in SUMMARY {
        let Some(profiles) = dabam(number) else { return };
        let profile = &profiles.unwrap()[0];
        assert_eq!(profile.kind, ProfileKind::SlopeUrad);
        let (.., rms) = line(profile);
        let n = profile.len() as f64;
        close(rms * 1e-6 * (n / (n - 1.0)).sqrt(), expected, 1e-9);
    }
}

const SUMMARY: [(u32, f64); 12] = [
    (1, 4.867_211_352_304_034e-07),
    (3, 1.740_917_939_411_374_7e-07),
    (5, 8.422_232_698_576_862e-07),
    (7, 5.770_463_973_069_622e-07),
    (9, 4.374_920_517_528_351_6e-07),
    (25, 7.235_190_671_143_242e-08),
    (37, 3.205_281_706_744_859_3e-07),
    (53, 3.352_495_242_498_67e-07),
    (59, 1.884_675_958_361_484e-07),
    (85, 3.321_563_826_676_439_5e-07),
    (97, 5.576_094_542_654_7e-07),
    (101, 4.356_126_736_687_697e-07),
];
