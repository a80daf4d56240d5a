//! The same house on PostgreSQL: store, trigger, workers and the kill, against a cluster of the test's own.

use stitchbox_tests::{Api, Daemon, Postgres, ResultFile, Series, Settings, digest_of, skip, wait_until};

#[test]
fn store_trigger_and_restart_work_on_postgresql() {
    let cluster = match Postgres::start() {
        Ok(cluster) => cluster,
        Err(why) => skip!("postgres", "{why}"),
    };
    let settings = Settings::quick().with("DATABASE__URL", &cluster.url());
    let mut daemon = Daemon::start_with(settings);
    let dav = daemon.user("pia");
    let api = daemon.api("pia");

    dav.mkcol("/d").send().expect(201);
    let tag = dav.put("/d/f", "one").send().expect(201).etag();
    dav.put("/d/f", "two").header("If-Match", "\"nope\"").send().expect(412);
    dav.put("/d/f", "two").header("If-Match", &tag).send().expect(204);
    let large = vec![5u8; 3_000_000];
    dav.write("/d/large", large.clone());
    assert_eq!(dav.get("/d/large").header("Range", "bytes=-3").send().expect(206).body, [5, 5, 5]);
    let root = dav.entry("/").etag();
    dav.rename("/d/f", "/d/g").send().expect(201);
    assert_ne!(dav.entry("/").etag(), root);
    dav.copy("/d", "/e").send().expect(201);
    dav.delete("/d").send().expect(204);
    let trash = api.trash("pia");
    api.restore(trash.first().expect("the deleted folder is in the trash"));
    assert_eq!(dav.read("/d/g"), b"two");
    assert_eq!(api.versions("pia", "/d/g").len(), 2);
    assert!(dav.exists("/e/g") && dav.exists("/d/large"));

    daemon.space("ring", &[("pia", "editor")]);
    let ring = dav.at("/dav/spaces/ring");
    Series::new(4).upload_expected(&ring, "/m");
    api.wait_run("m", "done");
    ResultFile::parse(&ring.read("/m/Stitched/height.h5")).expect("a result file");
    assert_eq!(api.runs_of("m").len(), 1);

    daemon.verify_clean();
    daemon.kill();
    daemon.verify_clean();
    daemon.restart();
    let dav = daemon.client("pia");
    assert_eq!(digest_of(&dav.read("/e/large")), digest_of(&large));
    assert_eq!(dav.names("/d"), ["g", "large"]);
}

#[test]
fn two_workers_and_concurrent_clients_share_one_postgresql() {
    let cluster = match Postgres::start() {
        Ok(cluster) => cluster,
        Err(why) => skip!("postgres", "{why}"),
    };
    let settings = Settings::quick().with("DATABASE__URL", &cluster.database("second")).with("JOBS__WORKERS", "0");
    let daemon = Daemon::start_with(settings);
    let dav = daemon.user("pia");
    std::thread::scope(|scope| {
        for client in 0..4 {
            let dav = dav.clone();
            scope.spawn(move || {
                Series::new(4).of_mirror(client).upload_expected(&dav, &format!("/m{client}"));
                for index in 0..20 {
                    dav.put(&format!("/c{client}-{index}"), format!("{client} {index}")).send().expect(201);
                }
            });
        }
    });
    let api = Api::new(&dav);
    let killed = daemon.worker();
    wait_until("a worker takes something", || api.runs().iter().any(|run| run.state != "queued"));
    killed.kill();
    let _workers = [daemon.worker(), daemon.worker()];
    for client in 0..4 {
        api.wait_run(&format!("m{client}"), "done");
        assert_eq!(api.runs_of(&format!("m{client}")).len(), 1);
    }
    for client in 0..4 {
        for index in 0..20 {
            assert_eq!(dav.read(&format!("/c{client}-{index}")), format!("{client} {index}").into_bytes());
        }
    }
    daemon.verify_clean();
}
