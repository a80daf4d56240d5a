use super::*;
use crate::digest::Sha256;
use crate::ledger::Write;
use crate::local::Stamp;
use crate::mirror::{Applied, Mirror};
use crate::plan::Base;
use crate::remote::{Chunk, ItemId, Kind, Permissions, RemoteItem};

fn item(id: &str, parent: Option<&str>) -> RemoteItem {
    RemoteItem {
        id: id.into(),
        parent: parent.map(ItemId::from),
        name: format!("näme of {id}").into(),
        kind: Kind::File,
        etag: "\"e\"".into(),
        size: u64::MAX - 7,
        mtime_ns: -5,
        sha256: Some(Sha256::of(id.as_bytes())),
        version: Some("v".into()),
        derived: true,
        permissions: Permissions("RGD".into()),
        deep: false,
    }
}

#[tokio::test]
async fn what_is_stored_is_read_again_after_opening_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let base = Base {
        parent: "top".into(),
        name: "x".into(),
        kind: Kind::File,
        etag: "\"e\"".into(),
        sha256: Some(Sha256::of(b"x")),
        stamp: Stamp { size: 3, mtime_ns: -1, inode: u64::MAX },
    };
    let pieces = vec![
        Chunk { offset: 0, length: 10, sha256: Sha256::of(b"1") },
        Chunk { offset: 10, length: 5, sha256: Sha256::of(b"2") },
    ];
    let mut journal = Journal::open(&path).await.unwrap();
    let mut mirror = Mirror { top: Some("top".into()), ..Mirror::default() };
    for one in [item("top", None), item("a", Some("top")), item("b", Some("a"))] {
        mirror.items.insert(one.id.clone(), one);
    }
    let applied = Applied { stored: mirror.items.keys().cloned().collect(), ..Applied::default() };
    journal.store_mirror(&mirror, &applied, Some(&"17".into())).await.unwrap();
    let writes = [
        Write::Base("a".into(), base.clone()),
        Write::Base("b".into(), base.clone()),
        Write::Chunks("a".into(), Sha256::of(b"x"), pieces.clone()),
        Write::Forget("b".into()),
        Write::MirrorGone("b".into()),
    ];
    journal.store(&writes).await.unwrap();
    journal.set_mark("quiet", Some(&[1, 2])).await.unwrap();
    drop(journal);

    let mut journal = Journal::open(&path).await.unwrap();
    let read = journal.mirror().await.unwrap();
    mirror.items.remove(&"b".into());
    assert_eq!((read.top, read.items), (mirror.top, mirror.items));
    assert_eq!(journal.bases().await.unwrap(), [("a".into(), base)].into_iter().collect());
    assert_eq!(journal.chunks(&"a".into(), &Sha256::of(b"x")).await.unwrap(), pieces);
    assert_eq!(journal.chunks(&"a".into(), &Sha256::of(b"y")).await.unwrap(), vec![]);
    let marks = journal.marks().await.unwrap();
    assert_eq!((marks.cursor, marks.quiet), (Some("17".into()), Some(vec![1, 2])));
    journal.start_anew().await.unwrap();
    assert!(journal.bases().await.unwrap().is_empty() && journal.mirror().await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_file_that_is_no_journal_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    std::fs::write(&path, [7_u8; 8192]).unwrap();
    let error = Journal::open(&path).await.err().unwrap().to_string();
    assert!(error.contains("journal.sqlite") && error.contains("delete it"), "{error}");
}
