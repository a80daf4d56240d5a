//! Bad input: every kind ends with a clear sentence beside the series and in the run record, nothing lost or renamed,
//! the service unharmed, and the next good series goes on as if nothing had been.

use stitchbox_tests::{Api, Daemon, Damage, Dav, ResultFile, Series, expected_recipe, wait_until};

/// Words of which at least one must be in the sentence; and the file it must name, when one file is at fault.
fn wanted(damage: Damage) -> (&'static [&'static str], Option<&'static str>) {
    match damage {
        Damage::Truncated => (&["truncated", "cut", "too short", "incomplete"], Some("sub_02.dat")),
        Damage::WrongMagic => {
            (&["magic", "not a MetroPro", "not recognised", "unknown format", "damaged"], Some("sub_02.dat"))
        }
        Damage::AbsurdSizes => (&["header", "announces", "size"], Some("sub_02.dat")),
        Damage::OtherPixelSize => (&["pixel"], Some("sub_02.dat")),
        Damage::NoLateralCalibration => (&["calibrat", "pixel size", "lateral"], None),
        Damage::NoPositions => (&["position"], None),
        Damage::NoOverlap => (&["overlap", "share no"], None),
        Damage::ZeroValid => (&["valid"], Some("sub_02.dat")),
        Damage::PdfAmong => (&[], None),
    }
}

fn upload(dav: &Dav, folder: &str, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        dav.write(&format!("{folder}/{name}"), bytes.clone());
    }
}

fn started() -> (Daemon, Dav, Api) {
    let daemon = Daemon::start();
    let dav = daemon.user("ida");
    let api = daemon.api("ida");
    (daemon, dav, api)
}

/// Uploads the damaged series, checks every promise, repairs it and checks that success replaces the complaint.
fn check(damage: Damage) {
    let (daemon, dav, api) = started();
    let series = Series::new(4);
    let files = series.damaged(damage);
    dav.mkcol("/bad").send().expect(201);
    dav.write("/bad/stitch.toml", expected_recipe(4));
    upload(&dav, "/bad", &files);
    let run = api.wait_run("bad", "failed");
    let message = run.message.clone().unwrap_or_default();
    wait_until("the explanation beside the series", || dav.exists("/bad/Stitched.error.txt"));
    let text = String::from_utf8(dav.read("/bad/Stitched.error.txt")).expect("UTF-8");
    let (words, file) = wanted(damage);
    for (place, said) in [("file", &text), ("record", &message)] {
        let lower = said.to_lowercase();
        assert!(words.iter().any(|word| lower.contains(&word.to_lowercase())), "{damage:?}, the {place} says: {said}");
        assert!(file.is_none_or(|name| said.contains(name)), "{damage:?}, the {place} names no file: {said}");
        assert!(said.contains(' ') && !lower.contains("panick") && !said.contains("Error {"), "{damage:?}: {said}");
    }
    for (name, bytes) in &files {
        assert_eq!(&dav.read(&format!("/bad/{name}")), bytes, "{name} is unharmed");
    }
    let mut names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    names.extend(["Stitched.error.txt".to_owned(), "stitch.toml".to_owned()]);
    names.sort();
    assert_eq!(dav.names("/bad"), names, "nothing lost, renamed or added");
    daemon.nobody().get("/healthz").send().expect(200);
    // A second series in the same server is stitched as if nothing had been.
    series.clone().of_mirror(11).upload_expected(&dav, "/good");
    api.wait_run("good", "done");
    // Repaired, the complaint disappears in the commit of the success.
    upload(&dav, "/bad", &series.files());
    api.wait_run("bad", "done");
    assert!(!dav.exists("/bad/Stitched.error.txt"), "the complaint stays after the success");
    ResultFile::parse(&dav.read("/bad/Stitched/height.h5")).expect("a result file");
    daemon.verify_clean();
}

#[test]
fn a_truncated_file() {
    check(Damage::Truncated);
}

#[test]
fn a_wrong_magic_number() {
    check(Damage::WrongMagic);
}

#[test]
fn absurd_sizes_in_the_header() {
    check(Damage::AbsurdSizes);
}

#[test]
fn another_pixel_size_in_the_set() {
    check(Damage::OtherPixelSize);
}

#[test]
fn no_lateral_calibration() {
    check(Damage::NoLateralCalibration);
}

#[test]
fn no_positions() {
    check(Damage::NoPositions);
}

#[test]
fn no_overlap() {
    check(Damage::NoOverlap);
}

#[test]
fn a_file_without_a_valid_pixel() {
    check(Damage::ZeroValid);
}

#[test]
fn a_pdf_among_the_maps_is_ignored() {
    let (_daemon, dav, api) = started();
    let series = Series::new(4);
    dav.mkcol("/m").send().expect(201);
    dav.write("/m/stitch.toml", expected_recipe(4));
    dav.write("/m/notes.txt", "measured on a Monday");
    let mut files = series.damaged(Damage::PdfAmong);
    files.rotate_right(1);
    upload(&dav, "/m", &files);
    api.wait_run("m", "done");
    assert!(!dav.exists("/m/Stitched.error.txt"));
    let result = ResultFile::parse(&dav.read("/m/Stitched/height.h5")).expect("a result file");
    assert_eq!(result.shape, (series.rows, series.map_columns()));
    assert_eq!(api.runs_of("m").len(), 1);
}

#[test]
fn positions_may_come_from_a_table_beside_the_files() {
    let (_daemon, dav, api) = started();
    let series = Series::new(4);
    dav.mkcol("/m").send().expect(201);
    let mut table = "file,x_mm,y_mm\n".to_owned();
    for (index, start) in series.starts.iter().enumerate() {
        table.push_str(&format!("{},{:.5},0\n", Series::name(index), *start as f64 * series.pixel_mm));
    }
    dav.write("/m/positions.csv", table);
    dav.write("/m/stitch.toml", expected_recipe(4));
    upload(&dav, "/m", &series.damaged(Damage::NoPositions));
    api.wait_run("m", "done");
    let result = ResultFile::parse(&dav.read("/m/Stitched/height.h5")).expect("a result file");
    assert_eq!(result.shape, (series.rows, series.map_columns()));
}

#[test]
fn many_bad_series_at_once_leave_the_service_healthy() {
    let (daemon, dav, api) = started();
    for (index, damage) in Damage::ALL.into_iter().enumerate() {
        let folder = format!("/bad{index}");
        dav.mkcol(&folder).send().expect(201);
        upload(&dav, &folder, &Series::new(4).of_mirror(index as u64).damaged(damage));
    }
    for (index, damage) in Damage::ALL.into_iter().enumerate() {
        let wanted = if damage == Damage::PdfAmong { "done" } else { "failed" };
        api.wait_run(&format!("bad{index}"), wanted);
    }
    daemon.nobody().get("/readyz").send().expect(200);
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log_tail());
    daemon.verify_clean();
}
