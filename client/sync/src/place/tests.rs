use super::*;
use crate::scan::scan;

fn nobody() -> Selection {
    Selection::new(&[], &[], &[]).unwrap()
}

#[test]
fn a_download_replaces_only_what_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (temp, target) = (folder.path().join("temp"), folder.path().join("x"));
    fs::write(&temp, "server").unwrap();
    fs::write(&target, "seen").unwrap();
    let seen = stamp_at(&target).unwrap();
    fs::write(&target, "edited since").unwrap();
    let replaced = Replaced { stamp: seen, keep_as: None };
    assert!(matches!(put(&temp, &target, 5_000_000_123, Some(&replaced)), Err(PlaceError::Changed)));
    assert_eq!(fs::read_to_string(&target).unwrap(), "edited since");

    let replaced = Replaced { stamp: stamp_at(&target).unwrap(), keep_as: Some(folder.path().join("x (conflict)")) };
    let stamp = put(&temp, &target, 5_000_000_123, Some(&replaced)).unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "server");
    assert_eq!(fs::read_to_string(folder.path().join("x (conflict)")).unwrap(), "edited since");
    assert_eq!((stamp.mtime_ns, stamp_at(&target)), (5_000_000_123, Some(stamp)));
    assert!(!temp.exists());
}

#[test]
fn a_new_file_never_replaces_another() {
    let folder = tempfile::tempdir().unwrap();
    let (temp, target) = (folder.path().join("temp"), folder.path().join("x"));
    fs::write(&temp, "server").unwrap();
    fs::write(&target, "came in between").unwrap();
    assert!(matches!(put(&temp, &target, -7, None), Err(PlaceError::Changed)));
    assert_eq!(fs::read_to_string(&target).unwrap(), "came in between");
    fs::remove_file(&target).unwrap();
    assert_eq!(put(&temp, &target, -7, None).unwrap().mtime_ns, -7);
}

#[test]
fn a_folder_with_something_unseen_is_not_taken_away() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("a/b")).unwrap();
    fs::write(root.path().join("a/b/x"), "1").unwrap();
    let seen = scan(root.path(), &nobody()).unwrap();
    let entry = seen.tree.entries.iter().position(|entry| &*entry.name == "a").unwrap() as u32;
    let trash = Trash { root: root.path().to_owned(), bin: Some(root.path().join(".stitchbox/trash/now")) };
    fs::write(root.path().join("a/b/new"), "2").unwrap();
    assert!(matches!(trash.take("a", entry, &seen.tree, &nobody()), Err(PlaceError::Changed)));
    fs::remove_file(root.path().join("a/b/new")).unwrap();
    fs::write(root.path().join("a/b/.DS_Store"), "litter does not count").unwrap();
    trash.take("a", entry, &seen.tree, &nobody()).unwrap();
    assert!(!root.path().join("a").exists());
    assert_eq!(fs::read_to_string(root.path().join(".stitchbox/trash/now/a/b/x")).unwrap(), "1");
}

#[test]
fn without_a_trash_what_takes_no_part_stays() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("a/b/c")).unwrap();
    fs::write(root.path().join("a/b/x"), "on the server").unwrap();
    fs::write(root.path().join("a/b/raw.log"), "nowhere else").unwrap();
    std::os::unix::fs::symlink("x", root.path().join("a/link")).unwrap();
    let selection = Selection::new(&["*.log".to_owned()], &[], &[]).unwrap();
    let seen = scan(root.path(), &selection).unwrap();
    let entry = seen.tree.entries.iter().position(|entry| &*entry.name == "a").unwrap() as u32;
    let trash = Trash { root: root.path().to_owned(), bin: None };
    trash.take("a", entry, &seen.tree, &selection).unwrap();
    assert_eq!(fs::read_to_string(root.path().join("a/b/raw.log")).unwrap(), "nowhere else");
    assert!(root.path().join("a/link").symlink_metadata().is_ok());
    assert!(!root.path().join("a/b/x").exists() && !root.path().join("a/b/c").exists());
}

#[test]
fn where_names_cannot_be_exchanged_an_edit_during_the_copy_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (temp, target) = (folder.path().join("temp"), folder.path().join("x"));
    fs::write(&temp, "server").unwrap();
    fs::write(&target, "seen").unwrap();
    let replaced = Replaced { stamp: stamp_at(&target).unwrap(), keep_as: None };
    fs::write(&target, "edited since").unwrap();
    assert!(matches!(replace_unchanged(&temp, &target, &replaced), Err(PlaceError::Changed)));
    assert_eq!(fs::read_to_string(&target).unwrap(), "edited since");
    let replaced = Replaced { stamp: stamp_at(&target).unwrap(), keep_as: None };
    replace_unchanged(&temp, &target, &replaced).unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "server");
}

#[test]
fn a_part_that_is_a_conflict_copy_as_well_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let (part, copy) = (folder.path().join("part"), folder.path().join("x (conflict)"));
    fs::write(&copy, "of here").unwrap();
    fs::hard_link(&copy, &part).unwrap();
    vacate(&part);
    assert!(!part.exists());
    assert_eq!(fs::read_to_string(&copy).unwrap(), "of here");
    fs::write(&part, "the beginning of a download").unwrap();
    vacate(&part);
    assert!(part.exists(), "it goes on from there");
}
