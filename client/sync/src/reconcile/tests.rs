//! Single cases of the two parts that are not plain three-way; everything else is in `tests/properties.rs` and `tests/cases.rs`.

use std::collections::HashSet;

use super::*;
use crate::ledger::Write;
use crate::local::{LocalEntry, Stamp};
use crate::plan::Deed;
use crate::remote::{Etag, Permissions};

fn entry(parent: u32, name: &str, kind: LocalKind, inode: u64, content: Content) -> LocalEntry {
    LocalEntry { parent, name: name.into(), kind, stamp: Stamp { size: 1, mtime_ns: inode as i64, inode }, content }
}

fn item(id: &str, parent: Option<&str>, name: &str, kind: Kind, content: Option<&str>) -> RemoteItem {
    RemoteItem {
        id: id.into(),
        parent: parent.map(ItemId::from),
        name: name.into(),
        kind,
        etag: Etag::from("\"1\""),
        size: 1,
        mtime_ns: 1,
        sha256: content.map(|content| Sha256::of(content.as_bytes())),
        version: None,
        derived: false,
        permissions: Permissions("".into()),
        deep: false,
    }
}

fn mirror(items: Vec<RemoteItem>) -> Mirror {
    let top = item("top", None, "", Kind::Folder, None);
    let items = items.into_iter().chain([top]).map(|item| (item.id.clone(), item)).collect();
    Mirror { top: Some("top".into()), items }
}

fn plan(local: &LocalTree, mirror: &Mirror, bases: &Bases, names: LocalNames, sending: &Sending) -> Plan {
    let rules = Rules { when: "now", host: "lab", names, sending, skips: &|_, _| false };
    reconcile(local, mirror, bases, &rules)
}

#[test]
fn of_two_spellings_the_one_that_is_here_stays_and_the_other_is_left_alone() {
    let known = Content::Known(Sha256::of(b"x"));
    let mut local = LocalTree::default();
    local.entries.push(entry(0, "Map", LocalKind::File, 5, known));
    let mirror = mirror(vec![
        item("1", Some("top"), "Map", Kind::File, Some("x")),
        item("2", Some("top"), "map", Kind::File, Some("y")),
    ]);
    let folding = LocalNames { folds_case: true, ..LocalNames::default() };
    let plan_folding = plan(&local, &mirror, &Bases::new(), folding, &HashSet::new());
    assert!(plan_folding.actions.is_empty(), "{:?}", plan_folding.steps());
    assert_eq!(plan_folding.problems.len(), 1, "{:?}", plan_folding.problems);
    assert_eq!(plan_folding.problems[0].path, "map");
    let exact = plan(&local, &mirror, &Bases::new(), LocalNames::default(), &HashSet::new());
    assert_eq!(exact.steps().iter().map(|step| step.verb).collect::<Vec<_>>(), ["download"]);
}

#[test]
fn a_download_the_journal_never_heard_of_is_no_new_file() {
    let mut local = LocalTree::default();
    local.entries.push(entry(0, "x", LocalKind::File, 5, Content::Known(Sha256::of(b"sent"))));
    let gone = mirror(Vec::new());
    let begun = Begun {
        id: "1".into(),
        path: "x".to_owned(),
        parent: "top".into(),
        name: "x".into(),
        kind: Kind::File,
        etag: Etag::from("\"1\""),
        sha256: Some(Sha256::of(b"sent")),
    };
    let without = plan(&local, &gone, &Bases::new(), LocalNames::default(), &HashSet::new());
    assert_eq!(without.steps()[0].verb, "upload");
    let writes = recover(&local, &gone, &Bases::new(), std::slice::from_ref(&begun));
    let [Write::Base(id, base)] = &writes[..] else { panic!("{writes:?}") };
    let bases = [(id.clone(), base.clone())].into_iter().collect();
    let with = plan(&local, &gone, &bases, LocalNames::default(), &HashSet::new());
    assert_eq!(with.steps()[0].verb, "delete here", "deleted on the server since");
    local.entries[1].content = Content::Known(Sha256::of(b"edited since"));
    assert!(recover(&local, &gone, &Bases::new(), &[begun]).is_empty());
}

#[test]
fn what_this_computer_sent_is_nobody_elses_edit() {
    let mut local = LocalTree::default();
    local.entries.push(entry(0, "x", LocalKind::File, 5, Content::Known(Sha256::of(b"second"))));
    let there = mirror(vec![item("1", Some("top"), "x", Kind::File, Some("first"))]);
    let conflict = plan(&local, &there, &Bases::new(), LocalNames::default(), &HashSet::new());
    assert_eq!(conflict.steps()[0].conflict_copy.as_deref(), Some("x (conflict now lab)"));
    let sending = HashSet::from([("top".into(), "x".into(), Sha256::of(b"first"))]);
    let ours = plan(&local, &there, &Bases::new(), LocalNames::default(), &sending);
    assert_eq!(ours.steps()[0].verb, "upload");
}

#[test]
fn names_from_the_server_cannot_leave_the_folder() {
    let wild = mirror(vec![
        item("1", Some("top"), "..", Kind::Folder, None),
        item("2", Some("1"), "passwd", Kind::File, Some("x")),
        item("3", Some("top"), "a/../../b", Kind::File, Some("x")),
        item("4", Some("top"), ".stitchbox", Kind::Folder, None),
        item("5", Some("6"), "loop", Kind::Folder, None),
        item("6", Some("5"), "loop", Kind::Folder, None),
    ]);
    let plan = plan(&LocalTree::default(), &wild, &Bases::new(), LocalNames::default(), &HashSet::new());
    assert!(plan.actions.is_empty(), "{:?}", plan.steps());
    assert_eq!(plan.problems.len(), 3, "{:?}", plan.problems);
}

#[test]
fn a_conflict_copy_that_is_about_to_go_keeps_nothing() {
    let mine = Content::Known(Sha256::of(b"mine"));
    let copy = "x (conflict before lab)";
    let mut local = LocalTree::default();
    local.entries.push(entry(0, "x", LocalKind::File, 5, mine));
    local.entries.push(entry(0, copy, LocalKind::File, 6, mine));
    let base = |name: &str, inode: u64, content: &[u8]| Base {
        parent: "top".into(),
        name: name.into(),
        kind: Kind::File,
        etag: Etag::from("\"0\""),
        sha256: Some(Sha256::of(content)),
        stamp: Stamp { size: 1, mtime_ns: inode as i64, inode },
    };
    // x was edited on both sides (here to what the copy holds); the copy was deleted on the server
    let bases = Bases::from([("1".into(), base("x", 4, b"old")), ("2".into(), base(copy, 6, b"mine"))]);
    let mirror = mirror(vec![item("1", Some("top"), "x", Kind::File, Some("theirs"))]);
    let plan = plan(&local, &mirror, &bases, LocalNames::default(), &HashSet::new());
    let kept = plan.actions.iter().any(|action| matches!(&action.deed, Deed::Download { keep_as: Some(_), .. }));
    assert!(kept, "{:?}", plan.steps());
}

#[test]
fn what_is_not_mounted_any_more_is_not_deleted() {
    let base = |parent: &str, name: &str, kind: Kind, stamp: Stamp| Base {
        parent: parent.into(),
        name: name.into(),
        kind,
        etag: Etag::from("\"1\""),
        sha256: (kind == Kind::File).then(|| Sha256::of(b"x")),
        stamp,
    };
    let file = Stamp { size: 1, mtime_ns: 9, inode: 9 };
    let folder = |size: u64| base("top", "disk", Kind::Folder, Stamp { size, mtime_ns: 0, inode: 2 });
    let mirror = mirror(vec![
        item("1", Some("top"), "disk", Kind::Folder, None),
        item("2", Some("1"), "x", Kind::File, Some("x")),
    ]);
    let mut local = LocalTree::default();
    local.entries.push(entry(0, "disk", LocalKind::Folder, 77, Content::Unread));
    local.entries[1].stamp = Stamp { size: 0, mtime_ns: 0, inode: 77 };
    let asked = |size| {
        let bases = Bases::from([("1".into(), folder(size)), ("2".into(), base("1", "x", Kind::File, file))]);
        plan(&local, &mirror, &bases, LocalNames::default(), &HashSet::new())
    };
    let unmounted = asked(1);
    assert!(unmounted.actions.is_empty() && unmounted.problems.len() == 1, "{:?}", unmounted.steps());
    assert_eq!(asked(0).steps().iter().map(|step| step.verb).collect::<Vec<_>>().len(), 1, "emptied: its file goes");
}
