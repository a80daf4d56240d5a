//! Single cases of reconcile, in memory: what must travel and what must not.

mod model;

use model::Server;
use model::replica::Replica;

fn verbs(replica: &mut Replica, server: &Server) -> Vec<(&'static str, String, Option<String>)> {
    let mut steps: Vec<_> =
        replica.plan(server).steps().into_iter().map(|step| (step.verb, step.path, step.to)).collect();
    steps.sort();
    steps
}

fn pair() -> (Server, Replica, Replica) {
    let mut server = Server::default();
    let (mut one, mut other) = (Replica::new("one"), Replica::new("other"));
    one.folder("a");
    one.folder("a/deep");
    one.write("a/x", "x1");
    one.write("a/deep/y", "y1");
    one.write("z", "z1");
    one.sync(&mut server);
    other.sync(&mut server);
    (server, one, other)
}

#[test]
fn a_renamed_folder_is_one_step_on_each_side() {
    let (mut server, mut one, mut other) = pair();
    one.rename("a", "b");
    one.rename("b/deep/y", "b/deep/y2");
    let expected = [
        ("move on the server", "a".to_owned(), Some("b".to_owned())),
        ("move on the server", "a/deep/y".to_owned(), Some("b/deep/y2".to_owned())),
    ];
    assert_eq!(verbs(&mut one, &server), expected);
    one.sync(&mut server);
    assert!(verbs(&mut other, &server).iter().all(|(verb, ..)| *verb == "move here"));
    other.sync(&mut server);
    assert_eq!(other.picture(), one.picture());
}

#[test]
fn a_folder_renamed_and_another_made_in_its_place_moves_once() {
    let (mut server, mut one, _) = pair();
    one.rename("a", "old");
    one.folder("a");
    one.write("a/x", "another");
    let verbs = verbs(&mut one, &server);
    assert_eq!(verbs.iter().filter(|(verb, ..)| *verb == "move on the server").count(), 1, "{verbs:?}");
    assert_eq!(verbs.iter().filter(|(verb, ..)| *verb == "upload").count(), 1, "{verbs:?}");
    one.sync(&mut server);
    assert_eq!(server.picture(), one.picture());
}

#[test]
fn exchanged_names_are_moved_not_sent() {
    let (mut server, mut one, mut other) = pair();
    one.folder("c");
    one.write("c/only here", "1");
    one.sync(&mut server);
    other.sync(&mut server);
    one.rename("a", "t");
    one.rename("c", "a");
    one.rename("t", "c");
    assert!(verbs(&mut one, &server).iter().all(|(verb, ..)| *verb == "move on the server"));
    one.sync(&mut server);
    other.sync(&mut server);
    assert_eq!((other.picture(), server.picture()), (one.picture(), one.picture()));
}

#[test]
fn a_file_may_become_a_folder_and_a_folder_a_file() {
    let (mut server, mut one, mut other) = pair();
    one.delete("z");
    one.folder("z");
    one.write("z/inside", "1");
    one.delete("a");
    one.write("a", "a file now");
    one.sync(&mut server);
    other.sync(&mut server);
    assert_eq!((other.picture(), server.picture()), (one.picture(), one.picture()));
}

#[test]
fn a_deletion_does_not_win_over_an_edit_below_it() {
    let (mut server, mut one, mut other) = pair();
    one.delete("a");
    other.write("a/deep/y", "y2, unseen by one");
    one.sync(&mut server);
    other.sync(&mut server);
    one.sync(&mut server);
    let paths: Vec<String> = one.picture().into_keys().collect();
    assert_eq!(paths, ["a", "a/deep", "a/deep/y", "z"]);
    assert_eq!((other.picture(), server.picture()), (one.picture(), one.picture()));
}

#[test]
fn folders_moved_into_each_other_end_as_the_server_has_it() {
    let (mut server, mut one, mut other) = pair();
    one.folder("b");
    one.sync(&mut server);
    other.sync(&mut server);
    one.rename("a", "b/a");
    other.rename("b", "a/b");
    one.sync(&mut server);
    other.sync(&mut server);
    one.sync(&mut server);
    assert!(server.find("b/a/x").is_some());
    assert_eq!((other.picture(), server.picture()), (one.picture(), one.picture()));
}

#[test]
fn what_is_no_longer_selected_is_not_deleted_and_comes_back_when_selected() {
    let (mut server, mut one, _) = pair();
    one.skipped = vec!["a".to_owned()];
    one.sync(&mut server);
    one.delete("a");
    one.sync(&mut server);
    assert!(server.find("a/deep/y").is_some());
    one.skipped.clear();
    one.sync(&mut server);
    assert_eq!(one.picture(), server.picture());
    assert!(one.find("a/deep/y").is_some());
}

#[test]
fn where_nothing_may_be_added_new_files_stay_here_and_are_named() {
    let (mut server, mut one, _) = pair();
    let id = server.find("a").unwrap();
    server.items.get_mut(&id).unwrap().permissions = "G".to_owned();
    let mut other = Replica::new("third");
    other.sync(&mut server);
    other.write("a/new", "1");
    other.sync(&mut server);
    assert!(server.find("a/new").is_none() && other.find("a/new").is_some());
    assert_eq!(other.problems.len(), 1, "{:?}", other.problems);
    one.sync(&mut server);
}

#[test]
fn a_file_deleted_and_made_again_on_the_server_replaces_the_untouched_one_here() {
    let (mut server, mut one, _) = pair();
    let etag = server.etag(server.find("z").unwrap());
    server.delete("z", &etag).unwrap();
    server.put("z", b"made again", None, 7).unwrap();
    assert_eq!(verbs(&mut one, &server), [("download", "z".to_owned(), None)]);
    one.sync(&mut server);
    assert_eq!(one.picture(), server.picture());
}
