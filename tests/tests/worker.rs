//! Killing a worker in the middle of a run loses nothing: the lease expires and another attempt finishes it; a run
//! that can never end well ends *failed*, with the reason where a person finds it.

use stitchbox_tests::{Api, Daemon, Dav, ResultFile, Run, Series, Settings, wait_for, wait_until};

/// Large enough that a run takes a moment in a debug build, so that kills land inside it.
fn slow_series() -> Series {
    Series::sized(6, 240, 480)
}

fn without_workers() -> (Daemon, Dav, Api) {
    let daemon = Daemon::start_with(Settings::quick().with("JOBS__WORKERS", "0").with("JOBS__ATTEMPTS", "3"));
    let (dav, api) = (daemon.user("wim"), daemon.api("wim"));
    (daemon, dav, api)
}

fn only_run(api: &Api, name: &str) -> Run {
    let mut runs = api.runs_of(name);
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.remove(0)
}

#[test]
fn a_worker_process_does_what_the_server_would() {
    let (daemon, dav, api) = without_workers();
    Series::new(4).upload_expected(&dav, "/w1");
    assert_eq!(api.wait_run("w1", "queued").attempts, 0, "nobody works yet");
    let worker = daemon.worker();
    api.wait_run("w1", "done");
    ResultFile::parse(&dav.read("/w1/Stitched/height.h5")).expect("a result file");
    let status = worker.stop().expect("SIGTERM ends a worker");
    assert!(status.success(), "{status:?}");
}

#[test]
fn a_killed_worker_is_replaced_and_the_run_finishes_once() {
    let (daemon, dav, api) = without_workers();
    slow_series().upload_expected(&dav, "/w2");
    api.wait_run("w2", "queued");
    let worker = daemon.worker();
    let seen = wait_for("the first attempt", || api.runs_of("w2").into_iter().find(|run| run.state != "queued"));
    worker.kill();
    let second = daemon.worker();
    let run = api.wait_run("w2", "done");
    if seen.state == "running" {
        assert!(run.attempts >= 2 || seen.is_over(), "another attempt finished it: {run:?}");
    }
    assert_eq!(only_run(&api, "w2").state, "done");
    ResultFile::parse(&dav.read("/w2/Stitched/height.h5")).expect("a result file");
    assert_eq!(api.versions("wim", "/w2/Stitched/height.h5").len(), 1, "written once");
    drop(second);
    daemon.verify_clean();
}

#[test]
fn a_server_killed_in_the_middle_of_a_run_finishes_it_after_the_restart() {
    let mut daemon = Daemon::start_with(Settings::quick().with("JOBS__WORKERS", "1"));
    let dav = daemon.user("wim");
    slow_series().upload_expected(&dav, "/w3");
    let api = daemon.api("wim");
    wait_until("the run starts", || api.runs_of("w3").iter().any(|run| run.state != "queued"));
    daemon.kill();
    daemon.restart();
    let (dav, api) = (daemon.client("wim"), daemon.api("wim"));
    api.wait_run("w3", "done");
    assert_eq!(only_run(&api, "w3").state, "done");
    ResultFile::parse(&dav.read("/w3/Stitched/height.h5")).expect("a result file");
    daemon.verify_clean();
}

#[test]
fn a_series_that_was_complete_when_the_server_died_is_not_forgotten() {
    let mut daemon = Daemon::start_with(Settings::quick().with("SERIES__QUIET", "2 s"));
    let dav = daemon.user("wim");
    dav.mkcol("/w4").send().expect(201);
    Series::new(4).upload(&dav, "/w4");
    daemon.kill();
    daemon.restart();
    daemon.api("wim").wait_run("w4", "done");
    assert_eq!(daemon.api("wim").runs_of("w4").len(), 1);
}

#[test]
fn after_the_last_attempt_the_run_ends_failed_with_the_reason_in_a_file() {
    let (daemon, dav, api) = without_workers();
    // Big enough that no attempt can end before it is killed.
    Series::sized(8, 700, 1400).upload_expected(&dav, "/w5");
    api.wait_run("w5", "queued");
    for attempt in 1..=3 {
        let worker = daemon.worker();
        let run = wait_for(&format!("attempt {attempt}"), || {
            let run = only_run(&api, "w5");
            (run.is_over() || (run.state == "running" && run.attempts >= attempt)).then_some(run)
        });
        assert_ne!(run.state, "done", "the run was too quick for this test");
        worker.kill();
    }
    let _worker = daemon.worker();
    let failed = api.wait_run("w5", "failed");
    assert_eq!(failed.attempts, 3, "{failed:?}");
    let message = failed.message.expect("a failed run says why");
    wait_until("the reason in a file", || dav.exists("/w5/Stitched.error.txt"));
    let text = String::from_utf8(dav.read("/w5/Stitched.error.txt")).expect("UTF-8");
    assert!(text.contains("attempt") || text.contains('3'), "{text}");
    assert!(
        text.contains(message.lines().next().unwrap_or_default()),
        "the file says what the record says:\n{text}\n{message}"
    );
    assert!(!dav.exists("/w5/Stitched"));
    assert_eq!(dav.names("/w5").len(), 10, "eight files, the recipe and the explanation: {:?}", dav.names("/w5"));
    daemon.verify_clean();
}

#[test]
fn two_workers_share_the_runs_and_do_none_twice() {
    let (daemon, dav, api) = without_workers();
    for index in 0..6 {
        Series::new(4).of_mirror(index).upload_expected(&dav, &format!("/many{index}"));
    }
    let _workers = [daemon.worker(), daemon.worker()];
    for index in 0..6 {
        let name = format!("many{index}");
        let run = api.wait_run(&name, "done");
        assert_eq!(run.attempts, 1, "{run:?}");
        assert_eq!(api.versions("wim", &format!("/{name}/Stitched/height.h5")).len(), 1);
    }
}
