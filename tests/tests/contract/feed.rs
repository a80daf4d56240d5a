//! The feed and the walk, followed by a client that knows nothing else: whatever happens, it ends with the tree.

use crate::replica::{Replica, truth};
use crate::runs;
use crate::world::{QUIET, REPLACE, World, sub_aperture};
use std::time::Duration;
use stitchbox_domain::uploads::Intent;
use stitchbox_domain::{Conditions, CopyDepth, Error, ItemPath, Location, PropertyChange, Shown, WalkTop};
use stitchbox_schema::{Cursor, SpaceId, SpaceKind, Timestamp};
use stitchbox_tests::Random;

const NAMES: [&str; 4] = ["a", "b", "ç d", "e"];
const STEPS: usize = 300;

/// Anna's personal space: the second one of these tests.
pub(crate) async fn personal(w: &World) -> SpaceId {
    let spaces = w.domain.spaces_of(&w.anna).await.unwrap();
    spaces.into_iter().find(|found| found.space.kind == SpaceKind::Personal).unwrap().space.id
}

fn place(random: &mut Random, spaces: [SpaceId; 2]) -> Location {
    let path: String = (0..=random.below(4)).map(|_| format!("/{}", NAMES[random.below(4)])).collect();
    Location::in_space(spaces[random.below(2)], ItemPath::parse(&path).unwrap())
}

/// Does something, or tries to; what is refused changes nothing.
pub(crate) async fn anything(w: &World, random: &mut Random, spaces: [SpaceId; 2]) {
    let none = Conditions::default();
    let (one, two) = (place(random, spaces), place(random, spaces));
    let outcome = match random.below(12) {
        0 | 1 => w.try_put(&w.anna, &one, &[random.below(256) as u8; 30], Intent::default()).await.map(drop),
        2..=4 => w.domain.make_folder(&w.anna, &one, &none).await.map(drop),
        5 => w.domain.remove(&w.anna, &one, &none).await,
        6 | 7 => w.domain.relocate(&w.anna, &one, &two, REPLACE, &none).await.map(drop),
        8 => w.domain.copy(&w.anna, &one, &two, CopyDepth::Infinity, true, &none).await.map(drop),
        9 => restore(w, spaces[random.below(2)]).await,
        10 => {
            let mtime = PropertyChange::Mtime(Timestamp(random.below(1000) as i64));
            w.domain.change_properties(&w.anna, &one, vec![mtime], &none).await
        }
        _ => stitch(w, &one).await,
    };
    // Most of it is refused now and then; trouble with a database never is a refusal.
    if let Err(error @ (Error::Store(_) | Error::Blob(_))) = outcome {
        panic!("{error}");
    }
}

async fn restore(w: &World, space: SpaceId) -> Result<(), Error> {
    match w.domain.trash(&w.anna, space).await?.first() {
        Some((entry, _)) => w.domain.restore(&w.anna, entry.item).await.map(drop),
        None => Ok(()),
    }
}

/// Lets a run write its results into a folder, if the place is one.
async fn stitch(w: &World, folder: &Location) -> Result<(), Error> {
    let inside = format!("{}/sub.dat", folder.path);
    let at = Location::in_space(folder.space, ItemPath::parse(&inside).unwrap());
    w.try_put(&w.anna, &at, &sub_aperture(1), Intent::default()).await?;
    w.advance(QUIET * 2);
    w.trigger().await;
    while let Some(leased) = w.domain.lease_run("w").await? {
        runs::finish(w, &leased, "result").await;
    }
    Ok(())
}

/// Reads pages and lists trees until nothing is new; things go on happening meanwhile, `busy` times.
async fn follow(w: &World, replica: &mut Replica, random: &mut Random, spaces: [SpaceId; 2], mut busy: usize) {
    loop {
        if replica.cursor.is_none() {
            begin(w, replica, random, spaces, &mut busy).await;
        }
        let limit = 1 + random.below(6) as i64;
        let feed = w.domain.feed(&w.anna, replica.space, replica.cursor, limit).await.unwrap();
        let more = feed.more;
        replica.apply(feed);
        while let Some(folder) = replica.to_list.pop() {
            let Ok(mut walk) = w.domain.walk(&w.anna, replica.space, WalkTop::Item(folder)).await else { continue };
            let mut lines: Vec<Shown> = Vec::new();
            while let Some(page) = walk.next().await.unwrap() {
                lines.extend(page);
                disturb(w, random, spaces, &mut busy).await;
            }
            replica.list(folder, lines);
        }
        disturb(w, random, spaces, &mut busy).await;
        if !more && busy == 0 {
            // One look more: the last disturbance came after the page was read.
            let feed = w.domain.feed(&w.anna, replica.space, replica.cursor, 1000).await.unwrap();
            if feed.entries.is_empty() {
                return;
            }
        }
    }
}

async fn disturb(w: &World, random: &mut Random, spaces: [SpaceId; 2], busy: &mut usize) {
    if *busy > 0 && random.below(2) == 0 {
        *busy -= 1;
        anything(w, random, spaces).await;
    }
}

async fn begin(w: &World, replica: &mut Replica, random: &mut Random, spaces: [SpaceId; 2], busy: &mut usize) {
    let top = WalkTop::Path(ItemPath::default());
    let mut walk = w.domain.walk(&w.anna, replica.space, top).await.unwrap();
    let (root, mut lines) = (walk.top(), Vec::new());
    while let Some(page) = walk.next().await.unwrap() {
        lines.extend(page);
        disturb(w, random, spaces, busy).await;
    }
    replica.list(root, lines);
    replica.cursor = Some(walk.cursor());
}

pub async fn a_client_that_follows_the_feed_ends_with_the_tree(w: World) {
    let spaces = [w.space, personal(&w).await];
    let mut random = Random::new(20_261_121);
    let mut clients: Vec<Replica> = spaces.into_iter().map(Replica::new).collect();
    for step in 0..STEPS {
        anything(&w, &mut random, spaces).await;
        if random.below(6) > 0 {
            continue;
        }
        let busy = random.below(6);
        let which = random.below(2);
        // Now and then somebody begins anew.
        if random.below(8) == 0 {
            clients[which] = Replica::new(spaces[which]);
        }
        follow(&w, &mut clients[which], &mut random, spaces, busy).await;
        assert_eq!(clients[which].items, truth(&w, spaces[which]).await, "step {step}, space {which}");
    }
    for client in &mut clients {
        follow(&w, client, &mut random, spaces, 0).await;
        let truth = truth(&w, client.space).await;
        assert!(truth.len() > 3, "the sequence should not end in an empty tree");
        assert_eq!(client.items, truth);
    }
    w.assert_clean().await;
}

async fn names_since(w: &World, space: SpaceId, cursor: Cursor) -> Vec<(String, bool, bool)> {
    let feed = w.domain.feed(&w.anna, space, Some(cursor), 1000).await.unwrap();
    let told = feed.entries.into_iter();
    told.map(|entry| (entry.now.map_or("gone".into(), |now| now.item.name), entry.deep, entry.made)).collect()
}

async fn cursor(w: &World, space: SpaceId) -> Cursor {
    w.domain.feed(&w.anna, space, None, 1).await.unwrap().cursor
}

pub async fn each_way_to_change_a_tree_is_told_in_its_own_way(w: World) {
    let plain = |name: &str| (name.to_owned(), false, false);
    let deep = |name: &str| (name.to_owned(), true, false);
    let gone = || plain("gone");
    for folder in ["/a", "/a/b", "/x"] {
        w.mkcol(folder).await;
    }
    w.put("/a/f", b"1").await;
    let at = cursor(&w, w.space).await;
    w.mkcol("/n").await;
    w.put("/n/g", b"1").await;
    let made = ("n".to_owned(), false, true);
    assert_eq!(names_since(&w, w.space, at).await, [made, plain("g")], "folders first");
    let at = cursor(&w, w.space).await;
    w.relocate("/a", "/x/a").await;
    assert_eq!(names_since(&w, w.space, at).await, [plain("a")], "one entry, whatever lies below");
    let at = cursor(&w, w.space).await;
    w.copy("/x/a", "/copy").await;
    w.copy("/n/g", "/g2").await;
    let mut told = names_since(&w, w.space, at).await;
    told.sort();
    assert_eq!(told, [deep("copy"), plain("g2")]);
    let at = cursor(&w, w.space).await;
    w.put("/x/a/f", b"22").await;
    w.remove("/x").await;
    assert_eq!(names_since(&w, w.space, at).await, [gone(), gone()], "what lies in the trash with its folder is gone");
    let at = cursor(&w, w.space).await;
    let trash = w.domain.trash(&w.anna, w.space).await.unwrap();
    w.domain.restore(&w.anna, trash[0].0.item).await.unwrap();
    assert_eq!(names_since(&w, w.space, at).await, [deep("x")]);
    let at = cursor(&w, w.space).await;
    w.domain.relocate(&w.anna, &w.at("/n/g"), &w.at("/g2"), REPLACE, &Conditions::default()).await.unwrap();
    assert_eq!(names_since(&w, w.space, at).await, [plain("g2"), gone()], "what was replaced is gone");
    let own = personal(&w).await;
    let (at, there) = (cursor(&w, w.space).await, cursor(&w, own).await);
    let to = Location::in_space(own, ItemPath::parse("/mine").unwrap());
    w.domain.relocate(&w.anna, &w.at("/x"), &to, REPLACE, &Conditions::default()).await.unwrap();
    assert_eq!(names_since(&w, w.space, at).await, [gone()]);
    assert_eq!(names_since(&w, own, there).await, [deep("mine")]);
    w.domain.relocate(&w.anna, &to, &w.at("/back"), REPLACE, &Conditions::default()).await.unwrap();
    assert_eq!(names_since(&w, w.space, at).await, [deep("back")], "away and back is one entry, to be listed");
    assert_eq!(names_since(&w, own, there).await, [gone()]);
}

pub async fn results_of_a_run_are_told_as_derived(w: World) {
    w.mkcol("/s").await;
    let at = cursor(&w, w.space).await;
    stitch(&w, &w.at("/s")).await.unwrap();
    let feed = w.domain.feed(&w.anna, w.space, Some(at), 1000).await.unwrap();
    let mut derived: Vec<_> = feed.entries.iter().filter_map(|entry| entry.now.as_ref()).collect();
    derived.retain(|shown| shown.item.run.is_some());
    let names: Vec<_> = derived.iter().map(|shown| shown.item.name.as_str()).collect();
    assert_eq!((names.first(), names.len()), (Some(&"Stitched"), 3), "{names:?}");
    assert!(derived.iter().all(|shown| feed.membership.letters(&shown.item) == "RGD"));
    assert!(derived.iter().skip(1).all(|shown| shown.sha256.as_ref().is_some_and(|digest| digest.len() == 64)));
}

pub async fn a_folder_that_moves_during_a_walk_is_not_lost(w: World) {
    for folder in ["/a", "/b", "/b/c", "/b/c/x"] {
        w.mkcol(folder).await;
    }
    let inside = w.put("/b/c/x/f", b"1").await.item.id;
    let mut walk = w.domain.walk(&w.anna, w.space, WalkTop::Path(ItemPath::default())).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..3 {
        // The top; a and b; what lies in them.
        told.extend(walk.next().await.unwrap().unwrap());
    }
    let names: Vec<_> = told.iter().map(|shown| shown.item.name.as_str()).collect();
    assert_eq!(names, ["", "a", "b", "c"]);
    // From where the walk has not been to where it has been.
    w.relocate("/b/c/x", "/a/x").await;
    while let Some(page) = walk.next().await.unwrap() {
        told.extend(page);
    }
    assert!(told.iter().any(|shown| shown.item.id == inside), "what lies in the moved folder was told");
    let feed = w.domain.feed(&w.anna, w.space, Some(walk.cursor()), 10).await.unwrap();
    assert_eq!(feed.entries.len(), 1, "and the feed goes on from before the move");
}

pub async fn followers_wake_for_their_space_alone(w: World) {
    let own = personal(&w).await;
    let mut here: Vec<_> = (0..20).map(|_| w.domain.follow(w.space)).collect();
    let mut there = w.domain.follow(own);
    // Whoever looks first wakes everybody once.
    tokio::time::timeout(Duration::from_secs(10), there.news()).await.unwrap().unwrap();
    for follower in &mut here {
        tokio::time::timeout(Duration::from_secs(10), follower.news()).await.unwrap().unwrap();
    }
    let waiting: Vec<_> = here
        .into_iter()
        .map(|mut follower| tokio::spawn(async move { follower.news().await.map(|()| follower) }))
        .collect();
    let quiet = tokio::spawn(async move { there.news().await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(waiting.iter().all(|task| !task.is_finished()), "nothing happened yet");
    w.put("/f", b"x").await;
    for task in waiting {
        tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap().unwrap();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!quiet.is_finished(), "nothing happened there");
    // What another process writes is seen too, by somebody who has only just begun to wait.
    let other = w.another_process().await;
    let at = Location::in_space(own, ItemPath::parse("/g").unwrap());
    other.make_folder(&w.anna, &at, &Conditions::default()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), quiet).await.unwrap().unwrap().unwrap();
}
