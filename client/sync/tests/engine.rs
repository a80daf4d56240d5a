//! The engine on a real folder, against the server in memory.

mod model;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::Server;
use model::service::Service;
use stitchbox_sync::{Engine, Report, Settings, SyncError};

fn settings(root: &Path) -> Settings {
    let mut settings = Settings::new(root, "test", "lab");
    settings.quiet = Duration::ZERO;
    settings
}

async fn engine(root: &Path, service: &Arc<Service>) -> Engine<Service> {
    Engine::open(settings(root), service.clone(), Arc::new(())).await.unwrap()
}

async fn sync(root: &Path, service: &Arc<Service>) -> Report {
    let mut engine = engine(root, service).await;
    let report = engine.sync_once().await.unwrap();
    engine.close().await;
    report
}

fn picture(root: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    fn walk(root: &Path, at: &Path, found: &mut BTreeMap<String, Option<Vec<u8>>>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path == root.join(".stitchbox") {
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let folder = path.is_dir();
            found.insert(name, if folder { None } else { Some(fs::read(&path).unwrap()) });
            if folder {
                walk(root, &path, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

fn put(service: &Service, path: &str, content: &str) {
    let mut server = service.look();
    let etag = server.find(path).map(|id| server.etag(id));
    server.put(path, content.as_bytes(), etag.as_ref(), 1_700_000_000_123_456_789).unwrap();
}

#[tokio::test]
async fn two_folders_become_equal_and_stay_so() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let service = Arc::new(Service::default());
    fs::create_dir_all(here.path().join("lab/maps")).unwrap();
    fs::create_dir_all(here.path().join("empty")).unwrap();
    for number in 0..20 {
        fs::write(here.path().join(format!("lab/maps/{number}.dat")), format!("map {number}")).unwrap();
    }
    fs::write(here.path().join("lab/nothing"), "").unwrap();
    fs::write(here.path().join("lab/large"), vec![7; 600_000]).unwrap();
    let report = sync(here.path(), &service).await;
    assert_eq!((report.uploaded, report.folders, report.problems.len()), (22, 3, 0), "{report:?}");
    assert_eq!(picture(here.path()), service.look().picture());

    put(&service, "lab/from the server", "hello");
    let report = sync(there.path(), &service).await;
    assert_eq!(report.downloaded, 23);
    assert_eq!(picture(there.path()), service.look().picture());
    let metadata = fs::metadata(there.path().join("lab/from the server")).unwrap();
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_700_000_000, 123_456_789));

    // renamed here with everything in it: no content travels; edited there; deleted there
    fs::rename(there.path().join("lab"), there.path().join("laboratory")).unwrap();
    fs::write(there.path().join("laboratory/maps/3.dat"), "better").unwrap();
    fs::remove_file(there.path().join("laboratory/maps/4.dat")).unwrap();
    let report = sync(there.path(), &service).await;
    assert_eq!((report.moved, report.uploaded, report.deleted_there, report.downloaded), (1, 1, 1, 0), "{report:?}");
    let report = sync(here.path(), &service).await;
    assert_eq!((report.moved, report.downloaded, report.deleted_here), (1, 2, 1), "{report:?}");
    assert_eq!(picture(here.path()), picture(there.path()));
    let trash: Vec<_> = fs::read_dir(here.path().join(".stitchbox/trash")).unwrap().flatten().collect();
    assert_eq!(fs::read(trash[0].path().join("laboratory/maps/4.dat")).unwrap(), b"map 4");

    service.requests.store(0, Ordering::Relaxed);
    let report = sync(here.path(), &service).await;
    assert!(report.unchanged && report.is_complete(), "{report:?}");
    assert_eq!(service.requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_conflict_keeps_both_and_reaches_everybody() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let service = Arc::new(Service::default());
    fs::write(here.path().join("x.txt"), "first").unwrap();
    sync(here.path(), &service).await;
    sync(there.path(), &service).await;
    fs::write(here.path().join("x.txt"), "of here").unwrap();
    fs::write(there.path().join("x.txt"), "of there").unwrap();
    sync(here.path(), &service).await;
    let report = sync(there.path(), &service).await;
    assert_eq!(report.conflicts.len(), 1, "{report:?}");
    sync(here.path(), &service).await;
    let all = picture(here.path());
    assert_eq!((all.clone(), all.clone()), (picture(there.path()), service.look().picture()));
    assert_eq!(all["x.txt"].as_deref(), Some(&b"of here"[..]));
    let copy = all.keys().find(|name| name.starts_with("x (conflict 2") && name.ends_with("lab).txt")).unwrap();
    assert_eq!(all[copy].as_deref(), Some(&b"of there"[..]));
    assert_eq!(all.len(), 2);
}

#[tokio::test]
async fn equal_content_on_both_sides_is_no_conflict_even_without_a_digest() {
    let here = tempfile::tempdir().unwrap();
    let service = Arc::new(Service::new(Server { without_digests: true, ..Server::default() }));
    put(&service, "x", "same");
    fs::write(here.path().join("x"), "same").unwrap();
    let report = sync(here.path(), &service).await;
    assert!(report.conflicts.is_empty() && report.uploaded == 0, "{report:?}");
    assert_eq!(picture(here.path()).len(), 1);
    assert!(sync(here.path(), &service).await.unchanged);
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_again_and_then_named() {
    let here = tempfile::tempdir().unwrap();
    let service = Arc::new(Service::default());
    fs::write(here.path().join("x"), "1").unwrap();
    service.offline.store(3, Ordering::Relaxed);
    assert_eq!(sync(here.path(), &service).await.uploaded, 1);
    service.offline.store(100, Ordering::Relaxed);
    let mut engine = engine(here.path(), &service).await;
    let error = engine.sync_once().await.unwrap_err();
    assert!(error.is_passing() && error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn a_mass_deletion_and_a_vanished_disk_are_refused() {
    let (here, journal) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let service = Arc::new(Service::default());
    for number in 0..60 {
        fs::write(here.path().join(format!("{number}")), format!("{number}")).unwrap();
    }
    let mut settings = settings(here.path());
    settings.journal = Some(journal.path().join("journal.sqlite"));
    let open = |settings: &Settings| Engine::open(settings.clone(), service.clone(), Arc::new(()));
    open(&settings).await.unwrap().sync_once().await.unwrap();
    for number in 0..40 {
        fs::remove_file(here.path().join(format!("{number}"))).unwrap();
    }
    let mut engine = open(&settings).await.unwrap();
    let error = engine.sync_once().await.unwrap_err();
    assert!(matches!(error, SyncError::MassDelete { count: 40, of: 60, .. }), "{error}");
    assert_eq!(service.look().picture().len(), 60);
    assert!(matches!(open(&settings).await.err(), Some(SyncError::AlreadyRunning(_))));
    drop(engine);
    settings.allow_mass_delete = true;
    open(&settings).await.unwrap().sync_once().await.unwrap();
    assert_eq!(service.look().picture().len(), 20);
    // the disk is not mounted: the mount point is an empty folder
    fs::remove_dir_all(here.path()).unwrap();
    assert!(matches!(open(&settings).await.err(), Some(SyncError::RootMissing(_))));
    fs::create_dir(here.path()).unwrap();
    assert!(matches!(open(&settings).await.err(), Some(SyncError::RootReplaced(_))));
    assert_eq!(service.look().picture().len(), 20);
}

#[tokio::test]
async fn a_server_restored_from_a_backup_gets_back_what_it_lacks() {
    let here = tempfile::tempdir().unwrap();
    let service = Arc::new(Service::default());
    *service.fingerprint.lock().unwrap() = Some("one".to_owned());
    fs::write(here.path().join("old"), "old").unwrap();
    sync(here.path(), &service).await;
    let backup = service.look().clone();
    fs::write(here.path().join("new"), "new").unwrap();
    sync(here.path(), &service).await;
    *service.look() = backup;
    *service.fingerprint.lock().unwrap() = Some("two".to_owned());
    sync(here.path(), &service).await;
    assert_eq!(service.look().picture().len(), 2);
    assert_eq!(picture(here.path()), service.look().picture());
    assert!(sync(here.path(), &service).await.unchanged);
}

/// As `stitchboxd restored` does it: another fingerprint, and no cursor of before is taken any more.
#[tokio::test]
async fn a_restored_server_that_takes_no_older_cursor_costs_nothing_either() {
    for said in [true, false] {
        let here = tempfile::tempdir().unwrap();
        let service = Arc::new(Service::default());
        *service.fingerprint.lock().unwrap() = Some(String::new());
        fs::write(here.path().join("edited"), "before").unwrap();
        sync(here.path(), &service).await;
        let backup = service.look().clone();
        fs::write(here.path().join("edited"), "after the backup").unwrap();
        fs::write(here.path().join("new"), "new").unwrap();
        sync(here.path(), &service).await;
        let gone = std::mem::replace(&mut *service.look(), backup).changes.len();
        if said {
            *service.fingerprint.lock().unwrap() = Some("restored".to_owned());
            let kept_from = gone + 1;
            for number in 0..=kept_from {
                put(&service, &format!("later {number}"), "x");
            }
            service.kept_from.store(kept_from, Ordering::Relaxed);
        }
        sync(here.path(), &service).await;
        let all = picture(here.path());
        assert_eq!(all.get("new").cloned().flatten().as_deref(), Some(&b"new"[..]), "{said}");
        assert!(all.values().flatten().any(|content| content == b"after the backup"), "{said}: {all:?}");
        assert_eq!(all, service.look().picture());
    }
}

#[tokio::test]
async fn a_derived_file_is_put_back_and_the_edit_kept_beside() {
    let here = tempfile::tempdir().unwrap();
    let service = Arc::new(Service::default());
    put(&service, "height.txt", "computed");
    {
        let mut server = service.look();
        let id = server.find("height.txt").unwrap();
        let item = server.items.get_mut(&id).unwrap();
        (item.derived, item.permissions) = (true, "RGD".to_owned());
    }
    sync(here.path(), &service).await;
    fs::write(here.path().join("height.txt"), "edited by hand").unwrap();
    let report = sync(here.path(), &service).await;
    assert_eq!(report.conflicts.len(), 1, "{report:?}");
    assert_eq!(fs::read(here.path().join("height.txt")).unwrap(), b"computed");
    assert_eq!(picture(here.path()), service.look().picture());
    fs::remove_file(here.path().join("height.txt")).unwrap();
    sync(here.path(), &service).await;
    assert!(service.look().find("height.txt").is_none(), "its deletion is respected");
}

#[tokio::test]
async fn what_is_in_the_way_is_named_and_left_alone() {
    let here = tempfile::tempdir().unwrap();
    let service = Arc::new(Service::default());
    fs::write(here.path().join("good"), "1").unwrap();
    std::os::unix::fs::symlink("good", here.path().join("link")).unwrap();
    put(&service, &"x".repeat(300), "too long for this file system");
    let report = sync(here.path(), &service).await;
    let paths: Vec<&str> = report.problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(report.problems.len(), 2, "{paths:?}");
    assert_eq!(service.look().picture().len(), 2, "neither lost nor uploaded");
    assert!(report.problems.iter().all(|problem| !problem.next.is_empty()));
}

#[tokio::test]
async fn a_folder_deleted_here_keeps_what_was_not_seen() {
    let here = tempfile::tempdir().unwrap();
    let service = Arc::new(Service::default());
    fs::create_dir(here.path().join("a")).unwrap();
    fs::write(here.path().join("a/seen"), "1").unwrap();
    sync(here.path(), &service).await;
    fs::remove_dir_all(here.path().join("a")).unwrap();
    put(&service, "a/unseen", "2");
    sync(here.path(), &service).await;
    let expected = BTreeMap::from([("a".to_owned(), None), ("a/unseen".to_owned(), Some(b"2".to_vec()))]);
    assert_eq!(service.look().picture(), expected);
    assert_eq!(picture(here.path()), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_continuous_mode_hears_both_sides() {
    let here = tempfile::tempdir().unwrap();
    let service = Arc::new(Service::default());
    let stop = tokio_util::sync::CancellationToken::new();
    let mut engine = engine(here.path(), &service).await;
    let watching = tokio::spawn({
        let stop = stop.clone();
        async move { engine.watch(stop).await }
    });
    let wait = async |what: &dyn Fn() -> bool| {
        for _ in 0..200 {
            if what() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nothing happened in 10 s");
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    fs::write(here.path().join("from here"), "1").unwrap();
    wait(&|| service.look().find("from here").is_some()).await;
    put(&service, "from there", "2");
    wait(&|| here.path().join("from there").exists()).await;
    stop.cancel();
    watching.await.unwrap().unwrap();
}
