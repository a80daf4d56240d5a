//! From files to results: exactly one run per complete series, whichever way the files came.

use stitchbox_tests::{Api, Daemon, Dav, ResultFile, Run, Series, Settings, digest_of, wait_until};

/// What a successful run leaves (issue 2 and invariant 4).
const OUTPUTS: [&str; 9] = [
    "height.h5",
    "height.png",
    "overlap.png",
    "provenance.json",
    "report.html",
    "residual.png",
    "ro-crate-metadata.json",
    "ro-crate-metadata.json.jws",
    "summary.json",
];

fn started() -> (Daemon, Dav, Api) {
    let daemon = Daemon::start();
    let dav = daemon.user("mira");
    let api = daemon.api("mira");
    (daemon, dav, api)
}

fn check_outputs(dav: &Dav, folder: &str) {
    let names = dav.names(folder);
    for name in OUTPUTS {
        assert!(names.iter().any(|found| found == name), "{folder} has no {name}: {names:?}");
    }
    ResultFile::parse(&dav.read(&format!("{folder}/height.h5"))).unwrap_or_else(|why| panic!("{folder}: {why}"));
}

/// Everything journalled so far has been looked at once a later series has its result.
fn barrier(dav: &Dav, api: &Api, name: &str) {
    let series = Series::new(3).of_mirror(name.bytes().map(u64::from).sum());
    dav.mkcol(&format!("/{name}")).send().expect(201);
    series.upload(dav, &format!("/{name}"));
    api.wait_run(name, "done");
}

fn states(runs: &[Run]) -> Vec<&str> {
    runs.iter().map(|run| run.state.as_str()).collect()
}

#[test]
fn an_expected_count_starts_one_run_when_the_last_file_arrives() {
    let (_daemon, dav, api) = started();
    let series = Series::new(4);
    let mut events = api.events();
    dav.mkcol("/m1").send().expect(201);
    dav.write("/m1/stitch.toml", "[series]\nexpected = 4\n");
    let files = series.files();
    for (name, bytes) in &files[..3] {
        dav.write(&format!("/m1/{name}"), bytes.clone());
    }
    barrier(&dav, &api, "other");
    assert_eq!(states(&api.runs_of("m1")), Vec::<&str>::new(), "three of four files are no series");
    dav.write(&format!("/m1/{}", files[3].0), files[3].1.clone());
    let run = api.wait_run("m1", "done");
    assert!(run.digest.as_deref().is_some_and(|digest| digest.len() == 64), "{run:?}");
    assert_eq!((run.attempts, run.progress), (1, Some(1.0)), "{run:?}");
    check_outputs(&dav, "/m1/Stitched");
    let result = ResultFile::parse(&dav.read("/m1/Stitched/height.h5")).expect("a result file");
    assert_eq!(result.shape, (series.rows, series.map_columns()));
    assert_eq!((result.height_unit.as_str(), result.axis_units.0.as_str()), ("nm", "mm"));
    assert!(result.x[0] < result.x[1] && result.y[0] < result.y[1], "column 0 and row 0 are the smallest");
    for (name, bytes) in &files {
        assert_eq!(&dav.read(&format!("/m1/{name}")), bytes, "raw data stays as it is");
    }
    let told = loop {
        let event = events.next_run();
        if event.is_of("m1") && event.is_over() {
            break event;
        }
    };
    assert_eq!((told.key(), told.state.as_str()), (run.key(), "done"));
    barrier(&dav, &api, "another");
    assert_eq!(states(&api.runs_of("m1")), ["done"], "results start nothing");
}

#[test]
fn a_marker_file_completes_a_series() {
    let (_daemon, dav, api) = started();
    dav.mkcol("/m2").send().expect(201);
    dav.write("/m2/stitch.toml", "[series]\nmarker = \"_DONE\"\n");
    Series::new(4).upload(&dav, "/m2");
    barrier(&dav, &api, "other");
    assert!(api.runs_of("m2").is_empty());
    dav.write("/m2/_DONE", "");
    api.wait_run("m2", "done");
    check_outputs(&dav, "/m2/Stitched");
}

#[test]
fn quiet_time_completes_a_series_and_an_open_upload_keeps_it_open() {
    let (_daemon, dav, api) = started();
    dav.mkcol("/m3").send().expect(201);
    Series::new(4).upload(&dav, "/m3");
    api.wait_run("m3", "done");
    check_outputs(&dav, "/m3/Stitched");
    assert_eq!(api.runs_of("m3").len(), 1);
}

#[test]
fn a_project_space_runs_like_a_personal_one() {
    let (daemon, dav, api) = started();
    daemon.space("beamline", &[("mira", "editor")]);
    let space = dav.at("/dav/spaces/beamline");
    Series::new(4).upload_expected(&space, "/m");
    let run = api.wait_run("m", "done");
    assert!(!run.space.is_null());
    check_outputs(&space, "/m/Stitched");
    check_outputs(&dav, "/Spaces/beamline/m/Stitched");
}

#[test]
fn files_that_come_by_move_copy_or_restore_count_as_well() {
    let (_daemon, dav, api) = started();
    let series = Series::new(4);
    let files = series.files();
    dav.mkcol("/inbox").send().expect(201);
    dav.write("/inbox/stitch.toml", "[series]\nexpected = 99\n");
    dav.mkcol("/m4").send().expect(201);
    dav.write("/m4/stitch.toml", "[series]\nexpected = 4\n");
    for (name, bytes) in &files {
        dav.write(&format!("/inbox/{name}"), bytes.clone());
    }
    dav.write(&format!("/m4/{}", files[0].0), files[0].1.clone());
    dav.copy(&format!("/inbox/{}", files[1].0), &format!("/m4/{}", files[1].0)).send().expect(201);
    dav.rename(&format!("/inbox/{}", files[2].0), &format!("/m4/{}", files[2].0)).send().expect(201);
    dav.write(&format!("/m4/{}", files[3].0), files[3].1.clone());
    api.wait_run("m4", "done");

    dav.mkcol("/m5").send().expect(201);
    dav.write("/m5/stitch.toml", "[series]\nexpected = 4\n");
    for (name, bytes) in &files[..3] {
        dav.write(&format!("/m5/{name}"), bytes.clone());
    }
    dav.write("/m5/elsewhere.tmp", "x");
    dav.delete("/m5/elsewhere.tmp").send().expect(204);
    dav.rename(&format!("/inbox/{}", files[3].0), &format!("/m5/{}", files[3].0)).send().expect(201);
    api.wait_run("m5", "done");

    dav.mkcol("/m6").send().expect(201);
    dav.write("/m6/stitch.toml", "[series]\nexpected = 4\n");
    dav.write(&format!("/m6/{}", files[3].0), files[3].1.clone());
    dav.delete(&format!("/m6/{}", files[3].0)).send().expect(204);
    for (name, bytes) in &files[..3] {
        dav.write(&format!("/m6/{name}"), bytes.clone());
    }
    barrier(&dav, &api, "other");
    assert!(api.runs_of("m6").is_empty(), "a deleted file does not count");
    let trash = api.trash("mira");
    let item = trash.iter().find(|item| item.original_path.contains("m6")).unwrap_or_else(|| panic!("{trash:?}"));
    api.restore(item);
    api.wait_run("m6", "done");
    for folder in ["m4", "m5", "m6"] {
        assert_eq!(states(&api.runs_of(folder)), ["done"], "{folder}");
        check_outputs(&dav, &format!("/{folder}/Stitched"));
    }
}

#[test]
fn a_later_file_supersedes_a_run_that_has_not_begun() {
    let daemon = Daemon::start_with(Settings::quick().with("JOBS__WORKERS", "0"));
    let (dav, api) = (daemon.user("mira"), daemon.api("mira"));
    let files = Series::new(5).files();
    dav.mkcol("/m7").send().expect(201);
    for (name, bytes) in &files[..4] {
        dav.write(&format!("/m7/{name}"), bytes.clone());
    }
    let first = api.wait_run("m7", "queued");
    dav.write(&format!("/m7/{}", files[4].0), files[4].1.clone());
    wait_until("the next run", || {
        api.runs_of("m7").iter().any(|run| run.state == "queued" && run.key() != first.key())
    });
    assert_eq!(api.wait_run("m7", "superseded").key(), first.key());
    let _worker = daemon.worker();
    let done = api.wait_run("m7", "done");
    assert_ne!(done.key(), first.key());
    assert_eq!(api.runs_of("m7").len(), 2);
    assert_eq!(api.versions("mira", "/m7/Stitched/height.h5").len(), 1, "the superseded run wrote nothing");
}

#[test]
fn a_later_file_replaces_the_result_and_the_earlier_one_stays_a_version() {
    let (_daemon, dav, api) = started();
    let files = Series::new(5).files();
    dav.mkcol("/m15").send().expect(201);
    for (name, bytes) in &files[..4] {
        dav.write(&format!("/m15/{name}"), bytes.clone());
    }
    let first = api.wait_run("m15", "done");
    let before = dav.entry("/m15/Stitched/height.h5").etag();
    let earlier = digest_of(&dav.read("/m15/Stitched/height.h5"));
    dav.write(&format!("/m15/{}", files[4].0), files[4].1.clone());
    wait_until("a second result", || {
        api.runs_of("m15").iter().any(|run| run.state == "done" && run.key() != first.key())
    });
    let runs = api.runs_of("m15");
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert!(runs.iter().any(|run| run.key() == first.key() && run.state == "superseded"), "{runs:?}");
    assert_ne!(dav.entry("/m15/Stitched/height.h5").etag(), before);
    let versions = api.versions("mira", "/m15/Stitched/height.h5");
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert!(versions.iter().any(|version| version.sha256 == earlier && !version.current), "{versions:?}");
}

#[test]
fn the_same_content_again_starts_nothing() {
    let (_daemon, dav, api) = started();
    let series = Series::new(4);
    series.upload_expected(&dav, "/m8");
    api.wait_run("m8", "done");
    series.upload(&dav, "/m8");
    barrier(&dav, &api, "other");
    assert_eq!(states(&api.runs_of("m8")), ["done"], "the same names and digests are the same run");
}

#[test]
fn a_changed_recipe_starts_a_run_and_a_broken_one_says_where() {
    let (_daemon, dav, api) = started();
    Series::new(4).upload_expected(&dav, "/m9");
    api.wait_run("m9", "done");
    dav.write("/m9/stitch.toml", "[series]\nexpected = 4\n[stitch]\nreference = \"none\"\n");
    wait_until("a second run and its end", || {
        let runs = api.runs_of("m9");
        runs.len() == 2 && runs.iter().all(Run::is_over)
    });
    dav.write("/m9/stitch.toml", "[series]\nexpected = 4\n[stitch]\nreferenze = \"none\"\n");
    wait_until("a file that explains the recipe", || dav.exists("/m9/Stitched.error.txt"));
    let text = String::from_utf8(dav.read("/m9/Stitched.error.txt")).expect("UTF-8");
    assert!(text.contains("referenze") && text.contains("stitch.toml"), "{text}");
}

#[test]
fn deleted_results_are_not_made_again_until_something_changes() {
    let (_daemon, dav, api) = started();
    let series = Series::new(5);
    let files = series.files();
    dav.mkcol("/m10").send().expect(201);
    for (name, bytes) in &files[..4] {
        dav.write(&format!("/m10/{name}"), bytes.clone());
    }
    let run = api.wait_run("m10", "done");
    dav.delete("/m10/Stitched").send().expect(204);
    api.wait_run("m10", "outputs_removed");
    barrier(&dav, &api, "other");
    assert!(!dav.exists("/m10/Stitched"));
    assert_eq!(states(&api.runs_of("m10")), ["outputs_removed"]);
    dav.write(&format!("/m10/{}", files[4].0), files[4].1.clone());
    let second = api.wait_run("m10", "done");
    assert_ne!(second.key(), run.key());
    check_outputs(&dav, "/m10/Stitched");
}

#[test]
fn results_are_read_only_but_may_be_deleted() {
    let (_daemon, dav, api) = started();
    Series::new(4).upload_expected(&dav, "/m11");
    api.wait_run("m11", "done");
    let letters = dav.entry("/m11/Stitched/height.h5").oc("permissions").unwrap_or_default().to_owned();
    assert!(
        letters.contains('D') && !letters.contains(['W', 'N', 'V', 'C', 'K']),
        "letters of a derived file: {letters}"
    );
    let folder = dav.entry("/m11/Stitched").oc("permissions").unwrap_or_default().to_owned();
    assert!(folder.contains('D') && !folder.contains(['W', 'N', 'V', 'C', 'K']), "letters of Stitched/: {folder}");
    for call in [
        dav.put("/m11/Stitched/height.h5", "mine"),
        dav.put("/m11/Stitched/mine.txt", "mine"),
        dav.mkcol("/m11/Stitched/mine"),
        dav.rename("/m11/Stitched/height.h5", "/m11/height.h5"),
        dav.rename("/m11/Stitched", "/m11/Mine"),
    ] {
        let reply = call.send();
        assert_eq!(reply.status, 403, "{reply:?}");
    }
    dav.copy("/m11/Stitched/height.h5", "/taken.h5").send().expect(201);
    dav.delete("/m11/Stitched/report.html").send().expect(204);
}

#[test]
fn a_folder_called_stitched_that_a_user_made_stays_untouched() {
    let (_daemon, dav, api) = started();
    dav.mkcol("/m12").send().expect(201);
    dav.mkcol("/m12/Stitched").send().expect(201);
    dav.write("/m12/Stitched/mine.txt", "my own words");
    dav.write("/m12/stitch.toml", "[series]\nexpected = 4\n");
    Series::new(4).upload(&dav, "/m12");
    let run = api.wait_run("m12", "done");
    assert_eq!(dav.names("/m12/Stitched"), ["mine.txt"]);
    assert_eq!(dav.read("/m12/Stitched/mine.txt"), b"my own words");
    check_outputs(&dav, "/m12/Stitched (run)");
    let told = format!("{:?} {:?}", run.message, run.outputs);
    assert!(told.contains("Stitched (run)"), "the run says so: {told}");
}

#[test]
fn copying_a_folder_starts_a_run_and_moving_it_starts_nothing() {
    let (_daemon, dav, api) = started();
    Series::new(4).upload_expected(&dav, "/m13");
    api.wait_run("m13", "done");
    dav.rename("/m13", "/moved").send().expect(201);
    barrier(&dav, &api, "other");
    let all = api.runs();
    assert_eq!(all.iter().filter(|run| !run.is_of("other")).count(), 1, "{all:?}");
    check_outputs(&dav, "/moved/Stitched");
    dav.copy("/moved", "/copied").send().expect(201);
    api.wait_run("copied", "done");
    assert_eq!(states(&api.runs_of("copied")), ["done"]);
    wait_until("results in the copy", || {
        dav.exists("/copied/Stitched/height.h5") || dav.exists("/copied/Stitched (run)/height.h5")
    });
}

#[test]
fn raw_data_can_be_replaced_and_removed_while_a_run_is_queued() {
    let daemon = Daemon::start_with(Settings::quick().with("JOBS__WORKERS", "0"));
    let (dav, api) = (daemon.user("mira"), daemon.api("mira"));
    let series = Series::new(4);
    series.upload_expected(&dav, "/m14");
    api.wait_run("m14", "queued");
    let reply = dav.put("/m14/sub_02.dat", series.clone().of_mirror(9).file(1)).send();
    assert_eq!(reply.status, 204, "raw data never waits for analysis: {reply:?}");
    dav.delete("/m14/sub_03.dat").send().expect(204);
    dav.rename("/m14/sub_04.dat", "/m14/last.dat").send().expect(201);
}
