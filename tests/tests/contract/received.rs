//! Received spaces against a peer in memory: whatever it does, the tree here becomes the tree there, and whoever only
//! looks never waits for it.

use crate::peer::{FakePeer, Mood, Node};
use crate::world::World;
use bytes::Bytes;
use futures::TryStreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stitchbox_domain::received::{ReceivedSettings, ReceivedShare, ReceivedState, RemoteEntry};
use stitchbox_domain::uploads::Intent;
use stitchbox_domain::{
    Arrival, Conditions, CopyDepth, Domain, Error, Item, ItemKind, ItemPath, Location, Refusal, Space,
};
use stitchbox_schema::{Cursor, ItemId, Role, SpaceId, SpaceKind};
use stitchbox_store::{items, received, remote, spaces};
use stitchbox_tests::Random;

/// A received space with its peer.
struct Site {
    w: World,
    domain: Domain,
    peer: FakePeer,
    space: SpaceId,
}

const CACHE: u64 = 1_000_000;
type Tree = BTreeMap<String, Option<Vec<u8>>>;

impl Site {
    async fn new(w: World) -> Self {
        Self::with_role(w, Role::Editor).await
    }

    async fn with_role(w: World, role: Role) -> Self {
        let (space, peer) = (SpaceId(77), FakePeer::new());
        let settings = ReceivedSettings { cache_bytes: CACHE, refresh: Duration::from_secs(30) };
        let domain = w.domain.clone().with_peers(Arc::new(peer.clone()), settings);
        let (now, anna) = (domain.now(), w.anna.user);
        let share = ReceivedShare {
            space,
            user: Some(anna),
            group: None,
            peer: "nc.example".into(),
            provider_id: "9".into(),
            name: "maps".into(),
            description: String::new(),
            owner: "eve@nc.example".into(),
            owner_name: "Eve".into(),
            sender: "eve@nc.example".into(),
            is_file: false,
            form: "legacy".into(),
            uri: String::new(),
            permissions: String::new(),
            must_exchange: false,
            access: "basic".into(),
            state: ReceivedState::Accepted,
            expires_at: None,
            refresh_at: now,
            seen_at: None,
            last_error: None,
            failures: 0,
            created_at: now,
            epoch: 0,
            follows: true,
            walked_at: None,
            walk_ns: 0,
            skipped: String::new(),
        };
        let made: Result<(), stitchbox_store::StoreError> = w
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let root = ItemId(78);
                    let row = Space {
                        id: space,
                        name: "received-77".into(),
                        kind: SpaceKind::Received,
                        owner: None,
                        root,
                        quota: None,
                        default_recipe: None,
                        created_at: now,
                    };
                    spaces::insert(tx, &row).await?;
                    let top = Item {
                        id: root,
                        space,
                        parent: None,
                        name: String::new(),
                        kind: ItemKind::Folder,
                        version: None,
                        size: 0,
                        mtime: now,
                        last_change: Cursor(0),
                        run: None,
                        created_at: now,
                        rights: None,
                    };
                    items::insert(tx, &top).await?;
                    spaces::set_member(tx, space, anna, role).await?;
                    received::insert(tx, &share).await
                })
            })
            .await;
        made.expect("a received share");
        Self { w, domain, peer, space }
    }

    fn at(&self, path: &str) -> Location {
        Location::in_space(self.space, ItemPath::parse(path).expect("a path"))
    }

    async fn refresh(&self) -> stitchbox_domain::received::Refreshed {
        self.domain.refresh(self.space).await.expect("refreshed")
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        let content = self.domain.content(&self.w.anna, &self.at(path)).await?;
        let size = content.version.size as u64;
        let stream = self.domain.open(&content.version, 0..size).await?;
        let pieces = stream.try_collect::<Vec<Bytes>>().await;
        pieces.map(|pieces| pieces.concat()).map_err(|_| Error::BodyBroken)
    }

    /// Reads, and waits until the cache has it.
    async fn read_and_keep(&self, path: &str) -> Vec<u8> {
        let bytes = self.read(path).await.expect("bytes");
        let blob = self.domain.content(&self.w.anna, &self.at(path)).await.expect("a file").version.blob;
        for _ in 0..200 {
            let mut db = self.w.store.read().await.expect("a reader");
            let size = bytes.len() as u64;
            let place = stitchbox_store::segments::locate(&mut db, blob, &(0..size)).await.expect("a place");
            if place != stitchbox_store::segments::Bytes::AtPeer {
                return bytes;
            }
            drop(db);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{path} was not kept");
    }

    async fn put(&self, path: &str, bytes: &[u8]) -> Result<stitchbox_domain::uploads::Committed, Error> {
        let mut upload = self.domain.begin_upload(&self.w.anna, &self.at(path), Intent::default()).await?;
        for piece in bytes.chunks(50_000) {
            upload.write(Bytes::copy_from_slice(piece)).await?;
        }
        upload.commit().await
    }

    async fn item(&self, path: &str) -> Item {
        self.domain.item(&self.w.anna, &self.at(path)).await.unwrap_or_else(|error| panic!("{path}: {error}")).1
    }

    /// The tree as our users see it: sizes instead of contents.
    async fn shape(&self) -> BTreeMap<String, Option<u64>> {
        let mut found = BTreeMap::new();
        let (membership, root) = self.domain.item(&self.w.anna, &self.at("/")).await.expect("the root");
        let mut open = vec![(String::new(), root)];
        let mut sizes = 0;
        let total = open[0].1.size;
        while let Some((path, folder)) = open.pop() {
            for child in self.domain.children(&membership, &folder).await.expect("children") {
                let path = format!("{path}/{}", child.name);
                found.insert(path.clone(), (!child.is_folder()).then_some(child.size as u64));
                if child.is_folder() {
                    open.push((path, child));
                } else {
                    sizes += child.size;
                }
            }
        }
        assert_eq!(sizes, total, "the root's size is the sum of all files");
        found
    }

    /// Every content, through the peer where it must be.
    async fn tree(&self) -> Tree {
        let mut found = Tree::new();
        for (path, size) in self.shape().await {
            let content = match size {
                Some(_) => Some(self.read(&path).await.unwrap_or_else(|error| panic!("{path}: {error}"))),
                None => None,
            };
            found.insert(path, content);
        }
        found
    }

    fn truth(&self) -> Tree {
        self.peer.with(|state| state.tree())
    }

    async fn assert_equal(&self, why: &str) {
        assert_eq!(self.tree().await, self.truth(), "{why}");
    }

    async fn share(&self) -> ReceivedShare {
        let mut db = self.w.store.read().await.expect("a reader");
        received::by_space(&mut db, self.space).await.expect("rows").expect("a share")
    }
}

pub async fn what_a_peer_has_is_listed_and_read_through(w: World) {
    let site = Site::new(w).await;
    site.peer.with(|state| {
        state.mkcol("/deep");
        state.mkcol("/deep/er");
        state.put("/deep/er/map.dat", &[7; 200_000]);
        state.put("/empty", b"");
        state.put("/note.txt", b"hello");
    });
    let done = site.refresh().await;
    assert_eq!((done.requests, done.changed, done.walked), (4, 5, true));
    site.assert_equal("after the first comparison").await;
    let done = site.refresh().await;
    assert_eq!((done.requests, done.changed), (1, 0), "nothing moved");
    // A piece is asked for as a piece, and not kept.
    let content = site.domain.content(&site.w.anna, &site.at("/deep/er/map.dat")).await.unwrap();
    site.read_and_keep("/deep/er/map.dat").await;
    let (asked, sent) = site.peer.with(|state| (state.contents, state.bytes_sent));
    site.read_and_keep("/deep/er/map.dat").await;
    assert_eq!(site.peer.with(|state| state.contents), asked, "the second time it is here");
    assert!(sent >= 200_000);
    let kept = site.domain.version_of(&content.item).await.unwrap().unwrap();
    assert_eq!(kept.sha256, sha256_of(&[7; 200_000]), "known now");
    site.w.assert_clean().await;
}

fn sha256_of(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub async fn a_piece_of_a_remote_file_costs_a_piece(w: World) {
    let site = Site::new(w).await;
    let bytes: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
    site.peer.with(|state| state.put("/big", &bytes));
    site.refresh().await;
    let version = site.domain.content(&site.w.anna, &site.at("/big")).await.unwrap().version;
    let piece =
        site.domain.open(&version, 1000..1010).await.unwrap().try_collect::<Vec<Bytes>>().await.unwrap().concat();
    assert_eq!(piece, bytes[1000..1010]);
    assert_eq!(site.peer.with(|state| state.bytes_sent), 10);
}

/// The number the issue asks for.
pub async fn one_changed_file_in_ten_thousand_costs_few_requests(w: World) {
    let site = Site::new(w).await;
    site.peer.with(|state| {
        for folder in 0..100 {
            state.mkcol(&format!("/f{folder}"));
            for file in 0..100 {
                state.put(&format!("/f{folder}/{file}"), b"x");
            }
        }
    });
    let begun = Instant::now();
    let first = site.refresh().await;
    eprintln!("first comparison of 10,000 files: {} requests, {:?}", first.requests, begun.elapsed());
    assert_eq!((first.changed, first.requests), (10_100, 102));
    site.peer.with(|state| state.put("/f42/17", b"yy"));
    let begun = Instant::now();
    let next = site.refresh().await;
    eprintln!("one changed file of 10,000: {} requests, {:?}", next.requests, begun.elapsed());
    assert_eq!(next.changed, 1);
    assert!(next.requests <= 8, "{next:?}");
    assert_eq!(site.read("/f42/17").await.unwrap(), b"yy");
}

pub async fn any_edits_on_both_sides_end_in_equal_trees(w: World) {
    let site = Site::new(w).await;
    let mut random = Random::new(20_261_121);
    for round in 0..60 {
        if round == 25 {
            // From now on nobody can go by the ETags of folders.
            site.peer.with(|state| state.flat = true);
        }
        for _ in 0..random.below(6) {
            edit(&site, &mut random);
        }
        if random.below(3) == 0 {
            ours(&site, &mut random).await;
        }
        // The connection breaks after a while, at any request, any number of times.
        let broken = random.below(3);
        for _ in 0..broken {
            let patience = random.below(6);
            site.peer.with(|state| state.patience = Some(patience));
            let _ = site.domain.refresh(site.space).await;
            site.peer.with(|state| state.patience = None);
            site.w.advance(Duration::from_secs(700));
        }
        if round >= 25 {
            site.w.advance(Duration::from_secs(25 * 3600));
        }
        site.refresh().await;
        let shape: BTreeMap<String, Option<u64>> =
            site.truth().into_iter().map(|(path, bytes)| (path, bytes.map(|bytes| bytes.len() as u64))).collect();
        assert_eq!(site.shape().await, shape, "round {round}");
        if round % 6 == 5 {
            site.assert_equal(&format!("round {round}")).await;
            site.domain.purge_trash(1000).await.unwrap();
        }
    }
    assert!(!site.share().await.follows, "that the ETags do not move with what is below was noticed");
    site.w.assert_clean().await;
}

const NAMES: [&str; 4] = ["a", "b", "ç d", "e.dat"];

fn some_path(random: &mut Random) -> String {
    (0..=random.below(3)).map(|_| format!("/{}", NAMES[random.below(NAMES.len())])).collect()
}

/// Somebody at the peer changes something.
fn edit(site: &Site, random: &mut Random) {
    let (one, two) = (some_path(random), some_path(random));
    let size = random.below(300);
    let what = random.below(5);
    site.peer.with(|state| {
        let folder_of = |path: &str| match path.rsplit_once('/') {
            Some(("", _)) | None => "/".to_owned(),
            Some((folder, _)) => folder.to_owned(),
        };
        let is_folder = |path: &str| matches!(state.nodes.get(path), Some((Node::Folder, _)));
        let holds = is_folder(&folder_of(&one));
        match what {
            0 | 1 if holds && !is_folder(&one) => state.put(&one, &vec![size as u8; size]),
            2 if holds && !state.nodes.contains_key(&one) => state.mkcol(&one),
            3 if state.nodes.contains_key(&one) => state.remove(&one),
            4 if state.nodes.contains_key(&one)
                && !state.nodes.contains_key(&two)
                && is_folder(&folder_of(&two))
                && !format!("{two}/").starts_with(&format!("{one}/")) =>
            {
                state.relocate(&one, &two);
            }
            _ => {}
        }
    });
}

/// One of us does. What we see may be old, so much is refused; what is not refused must be there.
async fn ours(site: &Site, random: &mut Random) {
    let (one, two) = (some_path(random), some_path(random));
    let none = Conditions::default();
    let anna = &site.w.anna;
    match random.below(4) {
        0 => {
            let bytes = vec![9; random.below(200)];
            if site.put(&one, &bytes).await.is_ok() {
                assert_eq!(site.truth().get(&one), Some(&Some(bytes)), "{one}");
            }
        }
        1 => {
            if site.domain.make_folder(anna, &site.at(&one), &none).await.is_ok() {
                assert!(site.truth().contains_key(&one));
            }
        }
        2 => {
            if site.domain.remove(anna, &site.at(&one), &none).await.is_ok() {
                assert!(!site.truth().contains_key(&one));
            }
        }
        _ => {
            let arrival = Arrival { overwrite: random.below(2) == 0, mtime: None };
            if site.domain.relocate(anna, &site.at(&one), &site.at(&two), arrival, &none).await.is_ok() {
                assert!(site.truth().contains_key(&two) && !site.truth().contains_key(&one));
            }
        }
    }
}

pub async fn our_changes_are_made_there_first(w: World) {
    let site = Site::new(w).await;
    site.peer.with(|state| state.put("/old", b"one"));
    site.refresh().await;
    let anna = &site.w.anna;
    let none = Conditions::default();
    site.domain.make_folder(anna, &site.at("/made"), &none).await.unwrap();
    site.put("/made/new", &[3; 100_000]).await.unwrap();
    let old = site.put("/old", b"two").await.unwrap();
    assert!(!old.created);
    site.assert_equal("after writing").await;
    let etag = site.item("/made/new").await.etag();
    site.refresh().await;
    assert_eq!(site.item("/made/new").await.etag(), etag, "what we wrote is not taken for a change of theirs");
    let id = site.item("/old").await.id;
    let arrival = Arrival { overwrite: false, mtime: None };
    site.domain.relocate(anna, &site.at("/old"), &site.at("/made/older"), arrival, &none).await.unwrap();
    assert_eq!(site.item("/made/older").await.id, id, "the id survives a move of ours");
    site.domain.remove(anna, &site.at("/made/new"), &none).await.unwrap();
    site.refresh().await;
    site.assert_equal("after moving and removing").await;
    assert!(site.domain.trash(anna, site.space).await.unwrap().is_empty(), "nothing here to restore");
    assert!(site.domain.versions(anna, &site.at("/made/older")).await.unwrap().len() == 1);
    // An upload in memory, with folders to be made.
    let intent = Intent { make_folders: true, ..Intent::default() };
    site.domain.put_whole(anna, &site.at("/x/y/z"), intent, Bytes::from_static(b"deep")).await.unwrap();
    site.refresh().await;
    site.assert_equal("after making folders on the way").await;
    site.w.assert_clean().await;
}

pub async fn who_is_late_changes_nothing_there(w: World) {
    let site = Site::new(w).await;
    site.peer.with(|state| state.put("/f", b"one"));
    site.refresh().await;
    site.peer.with(|state| state.put("/f", b"theirs"));
    assert!(matches!(site.put("/f", b"mine").await, Err(Error::PreconditionFailed)));
    assert!(matches!(site.read("/f").await, Err(Error::StaleAtPeer)), "the bytes of what is listed are gone");
    site.peer.with(|state| state.put("/g", b"theirs"));
    assert!(matches!(site.put("/g", b"mine").await, Err(Error::PreconditionFailed)));
    let remove = site.domain.remove(&site.w.anna, &site.at("/f"), &Conditions::default()).await;
    assert!(matches!(remove, Err(Error::PreconditionFailed)));
    let (due, _) = site.domain.take_due_refreshes(10).await.unwrap();
    assert_eq!(due, [(site.space, "nc.example".to_owned())], "and it is looked at soon");
    site.refresh().await;
    site.assert_equal("theirs").await;
    site.put("/f", b"mine").await.unwrap();
    site.assert_equal("mine").await;
}

pub async fn a_lost_answer_is_understood(w: World) {
    let site = Site::new(w).await;
    site.refresh().await;
    for (path, secret) in [("/a", false), ("/b", true)] {
        site.peer.with(|state| {
            state.mood = Mood::LosesAnswers;
            state.keeps_etag_secret = secret;
        });
        let peer = site.peer.clone();
        let mend = tokio::spawn(async move {
            while !peer.with(|state| state.nodes.contains_key(path)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            peer.with(|state| state.mood = Mood::Good);
        });
        site.put(path, b"once").await.unwrap();
        mend.await.unwrap();
        site.w.advance(Duration::from_secs(3));
        let etag = site.item(path).await.etag();
        site.refresh().await;
        assert_eq!(site.item(path).await.etag(), etag, "{path} is not new to us");
    }
    site.assert_equal("both are there once").await;
}

pub async fn the_letters_of_the_peer_and_our_role_both_count(w: World) {
    let site = Site::new(w).await;
    site.peer.with(|state| {
        state.put("/read", b"r");
        state.put("/write", b"w");
        state.mkcol("/closed");
        for (path, letters) in [("/", "GDNVCK"), ("/read", "SG"), ("/write", "GDNVW"), ("/closed", "G")] {
            state.letters.insert(path.to_owned(), letters.to_owned());
        }
    });
    site.refresh().await;
    let asked = site.peer.with(|state| state.requests);
    let by_peer = |error: Result<_, Error>| matches!(error, Err(Error::Forbidden(Refusal::ByPeer)));
    assert!(by_peer(site.put("/read", b"x").await));
    assert!(by_peer(site.put("/closed/x", b"x").await));
    assert!(matches!(
        site.domain.remove(&site.w.anna, &site.at("/read"), &Conditions::default()).await,
        Err(Error::Forbidden(Refusal::ByPeer))
    ));
    assert_eq!(site.peer.with(|state| state.requests), asked, "the peer was not even asked");
    site.put("/write", b"x").await.unwrap();
    site.put("/new", b"x").await.unwrap();
    let membership = site.domain.membership(&site.w.anna, site.space).await.unwrap();
    assert_eq!(membership.letters(&site.item("/read").await), "G");
    // They change their mind; the item's folder shows it.
    let before = site.item("/").await.etag();
    site.peer.with(|state| {
        state.letters.insert("/read".to_owned(), "GW".to_owned());
        state.put("/zzz", b"");
    });
    site.refresh().await;
    assert_ne!(site.item("/").await.etag(), before);
    site.put("/read", b"now").await.unwrap();
}

pub async fn a_viewer_of_a_received_space_changes_nothing(w: World) {
    let site = Site::with_role(w, Role::Viewer).await;
    site.peer.with(|state| state.put("/f", b"one"));
    site.refresh().await;
    assert_eq!(site.read("/f").await.unwrap(), b"one");
    assert!(matches!(site.put("/f", b"x").await, Err(Error::Forbidden(Refusal::Role(Role::Viewer)))));
    assert!(matches!(site.domain.content(&site.w.bert, &site.at("/f")).await, Err(Error::NotFound)));
}

pub async fn a_dead_peer_costs_its_readers_nothing_but_uncached_bytes(w: World) {
    let site = Site::new(w).await;
    site.peer.with(|state| {
        state.put("/kept", &[1; 70_000]);
        state.put("/not-kept", &[2; 70_000]);
    });
    site.refresh().await;
    site.read_and_keep("/kept").await;
    site.peer.with(|state| state.mood = Mood::Down);
    site.w.advance(Duration::from_secs(100));
    assert!(matches!(site.domain.refresh(site.space).await, Err(Error::PeerUnavailable { .. })));
    let asked = site.peer.with(|state| state.requests);
    // Everything listed is still listed, what was read before is still read, and nobody is asked for it.
    assert_eq!(site.shape().await.len(), 2);
    assert_eq!(site.read("/kept").await.unwrap(), [1; 70_000]);
    let begun = Instant::now();
    for _ in 0..20 {
        let refused = site.read("/not-kept").await;
        let Err(Error::PeerUnavailable { peer, last_seen, reason }) = refused else { panic!("{refused:?}") };
        assert_eq!((peer.as_str(), reason.as_str()), ("nc.example", "connection refused"));
        assert!(last_seen.is_some());
    }
    assert!(matches!(site.put("/new", b"x").await, Err(Error::PeerUnavailable { .. })));
    assert!(begun.elapsed() < Duration::from_secs(2), "fails fast");
    assert_eq!(site.peer.with(|state| state.requests), asked, "the breaker is open");
    let membership = site.domain.membership(&site.w.anna, site.space).await.unwrap();
    let state = site.domain.peer_state(&membership.space).await.unwrap().unwrap();
    assert!(!state.reachable && !state.maybe_gone && state.last_seen.is_some(), "{state:?}");
    assert!(state.to_string().contains("unreachable"), "{state}");
    // It comes back.
    site.peer.with(|state| state.mood = Mood::Good);
    site.w.advance(Duration::from_secs(2));
    assert_eq!(site.read("/not-kept").await.unwrap(), [2; 70_000]);
    site.refresh().await;
    assert!(site.domain.peer_state(&membership.space).await.unwrap().unwrap().reachable);
}

pub async fn lies_of_a_peer_are_never_kept(w: World) {
    let site = Site::new(w).await;
    let bytes = vec![5; 200_000];
    site.peer.with(|state| {
        state.tells_sha256 = true;
        state.put("/f", &bytes);
    });
    site.refresh().await;
    for mood in [Mood::Short, Mood::Long, Mood::Breaks] {
        site.peer.with(|state| state.mood = mood);
        assert!(site.read("/f").await.is_err(), "{mood:?} ends in an error, not in a shorter file");
        site.w.advance(Duration::from_secs(700));
    }
    site.peer.with(|state| state.mood = Mood::Damaged);
    let version = site.domain.content(&site.w.anna, &site.at("/f")).await.unwrap().version;
    assert!(matches!(site.domain.fetch(&version).await, Err(Error::ChecksumMismatch { .. })));
    assert!(site.read("/f").await.is_err(), "a whole file of other bytes is not given out to its end");
    site.peer.with(|state| state.mood = Mood::Good);
    site.w.advance(Duration::from_secs(700));
    assert_eq!(site.read_and_keep("/f").await, bytes);
    // Fetching goes on where it broke off.
    site.peer.with(|state| {
        state.put("/g", &bytes);
        state.mood = Mood::Good;
    });
    site.refresh().await;
    site.peer.with(|state| {
        state.mood = Mood::Breaks;
        state.bytes_sent = 0;
    });
    let version = site.domain.content(&site.w.anna, &site.at("/g")).await.unwrap().version;
    let fetched = site.domain.fetch_inputs(std::slice::from_ref(&version)).await.unwrap();
    assert_eq!(fetched[0].sha256, sha256_of(&bytes));
    assert!(site.peer.with(|state| state.bytes_sent) <= 200_001, "no byte is asked for twice");
    site.peer.with(|state| state.mood = Mood::Down);
    assert_eq!(site.read("/g").await.unwrap(), bytes, "it is here");
    site.w.assert_clean().await;
}

pub async fn strange_trees_are_taken_as_far_as_they_can_be(w: World) {
    let site = Site::new(w).await;
    let file = |name: &str| RemoteEntry {
        name: name.to_owned(),
        is_folder: false,
        etag: Some("\"s\"".into()),
        size: 3,
        mtime: None,
        letters: None,
        sha256: None,
    };
    site.peer.with(|state| {
        state.put("/good", b"abc");
        state.extra = vec![file(".."), file("a/b"), file("nul\0"), file(""), file(&"x".repeat(300)), file("good")];
    });
    let done = site.refresh().await;
    assert_eq!(done.skipped.len(), 6, "{:?}", done.skipped);
    assert_eq!(site.shape().await.into_keys().collect::<Vec<_>>(), ["/good"]);
    assert!(site.share().await.skipped.contains("a/b"));
    // A folder in itself ends somewhere.
    site.peer.with(|state| {
        state.extra.clear();
        state.looped = true;
        state.put("/good", b"abcd");
    });
    let done = site.refresh().await;
    assert!(done.requests < 100, "{}", done.requests);
    assert!(done.skipped.iter().any(|skipped| skipped.contains("nested too deeply")), "{:?}", done.skipped);
    site.peer.with(|state| {
        state.looped = false;
        state.put("/good", b"abcde");
    });
    site.refresh().await;
    site.assert_equal("the loop is gone").await;
    // A file becomes a folder and back.
    site.peer.with(|state| {
        state.remove("/good");
        state.mkcol("/good");
        state.put("/good/in", b"1");
    });
    site.refresh().await;
    site.assert_equal("a folder").await;
    site.peer.with(|state| {
        state.remove("/good");
        state.put("/good", b"2");
    });
    site.refresh().await;
    site.assert_equal("a file again").await;
    // What the peer cannot speak of now stays as it was known, with all that is in it, and is asked for again.
    site.peer.with(|state| {
        state.mkcol("/d");
        state.put("/d/in", b"1");
    });
    site.refresh().await;
    site.peer.with(|state| {
        state.unclear = vec!["d".to_owned(), "unknown".to_owned()];
        state.put("/good", b"22");
    });
    let done = site.refresh().await;
    assert_eq!(done.skipped.len(), 2, "{:?}", done.skipped);
    site.assert_equal("nothing is lost").await;
    site.peer.with(|state| {
        state.unclear.clear();
        state.put("/d/in", b"333");
    });
    site.refresh().await;
    site.assert_equal("it speaks again").await;
}

pub async fn without_etags_of_folders_everything_is_listed(w: World) {
    let site = Site::new(w).await;
    site.peer.with(|state| {
        state.untagged = true;
        state.mkcol("/d");
        state.put("/d/f", b"one");
    });
    site.refresh().await;
    site.peer.with(|state| state.put("/d/f", b"three"));
    let done = site.refresh().await;
    assert!(done.walked);
    site.assert_equal("seen without an ETag").await;
    assert!(!site.share().await.follows);
}

pub async fn a_share_that_seems_gone_keeps_what_was_seen(w: World) {
    let site = Site::new(w).await;
    site.peer.with(|state| state.put("/f", b"one"));
    site.refresh().await;
    let membership = site.domain.membership(&site.w.anna, site.space).await.unwrap();
    for mood in [Mood::Says403, Mood::Says404, Mood::Html, Mood::Says404, Mood::Says403] {
        site.peer.with(|state| state.mood = mood);
        assert!(site.domain.refresh(site.space).await.is_err(), "{mood:?}");
        assert_eq!(site.shape().await.len(), 1, "{mood:?}: nothing is removed because of that");
    }
    let state = site.domain.peer_state(&membership.space).await.unwrap().unwrap();
    assert!(state.maybe_gone && !state.reachable, "{state:?}");
    site.peer.with(|state| state.mood = Mood::Good);
    site.refresh().await;
    let state = site.domain.peer_state(&membership.space).await.unwrap().unwrap();
    assert!(!state.maybe_gone && state.reachable, "{state:?}");
}

pub async fn the_cache_is_bounded_and_copies_are_no_cache(w: World) {
    let site = Site::new(w).await;
    let file = |number: u8| vec![number; 300_000];
    site.peer.with(|state| {
        for number in 0..5 {
            state.put(&format!("/{number}"), &file(number));
        }
    });
    site.refresh().await;
    for number in 0..5_u8 {
        assert_eq!(site.read_and_keep_or_evict(&format!("/{number}")).await, file(number));
        site.w.advance(Duration::from_secs(100));
    }
    site.domain.evict().await.unwrap();
    let kept = remote::cached_bytes(&mut site.w.store.read().await.unwrap()).await.unwrap();
    assert!(kept <= CACHE as i64, "{kept}");
    let asked = site.peer.with(|state| state.contents);
    assert_eq!(site.read("/4").await.unwrap(), file(4));
    assert_eq!(site.peer.with(|state| state.contents), asked, "the last one stayed");
    assert_eq!(site.read("/0").await.unwrap(), file(0), "the first one comes again");
    assert!(site.peer.with(|state| state.contents) > asked);
    // A copy into our own space is ours: it stays whatever happens to the cache and to the peer.
    let to = site.w.at("/mine");
    let none = Conditions::default();
    site.domain.copy(&site.w.anna, &site.at("/1"), &to, CopyDepth::Infinity, false, &none).await.unwrap();
    site.peer.with(|state| state.mood = Mood::Down);
    let small = ReceivedSettings { cache_bytes: 0, ..ReceivedSettings::default() };
    let strict = site.domain.clone().with_peers(Arc::new(site.peer.clone()), small);
    strict.evict().await.unwrap();
    assert_eq!(site.w.read("/mine").await, file(1));
    assert!(matches!(site.read("/4").await, Err(Error::PeerUnavailable { .. })), "let go");
    assert_eq!(site.read("/1").await.unwrap(), file(1), "shared with the copy");
    // Neither can the tree be moved out, nor anything moved in.
    site.peer.with(|state| state.mood = Mood::Good);
    let arrival = Arrival { overwrite: false, mtime: None };
    let (from, to) = (site.at("/1"), site.w.at("/moved"));
    let moved = site.domain.relocate(&site.w.anna, &from, &to, arrival, &none).await;
    assert!(matches!(moved, Err(Error::Forbidden(Refusal::AcrossPeers))));
    site.w.assert_clean().await;
}

impl Site {
    async fn read_and_keep_or_evict(&self, path: &str) -> Vec<u8> {
        let bytes = self.read(path).await.expect("bytes");
        tokio::time::sleep(Duration::from_millis(400)).await;
        bytes
    }
}

pub async fn a_peer_without_room_says_so(w: World) {
    let site = Site::new(w).await;
    site.refresh().await;
    site.peer.with(|state| state.mood = Mood::Full);
    let refused = site.put("/f", &[1; 100_000]).await;
    let Err(Error::PeerFull { words, .. }) = refused else { panic!("{refused:?}") };
    assert!(words.contains("507"));
    assert!(site.shape().await.is_empty());
}

pub async fn a_listing_older_than_our_change_is_not_believed(w: World) {
    let site = Site::new(w).await;
    site.peer.with(|state| state.put("/a", b"1"));
    site.refresh().await;
    // Many writers and comparisons at once: nothing of ours may vanish, not even for a moment, and nothing twice.
    let mut writers = Vec::new();
    for writer in 0..4 {
        let (domain, anna, space) = (site.domain.clone(), site.w.anna.clone(), site.space);
        writers.push(tokio::spawn(async move {
            for number in 0..10 {
                let path = format!("/w{writer}-{number}");
                let at = Location::in_space(space, ItemPath::parse(&path).unwrap());
                domain.put_whole(&anna, &at, Intent::default(), Bytes::from(path)).await.unwrap();
                domain.item(&anna, &at).await.expect("what was acknowledged is listed");
                tokio::time::sleep(Duration::from_millis(2)).await;
                let id = domain.item(&anna, &at).await.expect("and stays listed").1.id;
                tokio::time::sleep(Duration::from_millis(2)).await;
                assert_eq!(domain.item(&anna, &at).await.expect("and stays listed").1.id, id);
            }
        }));
    }
    for _ in 0..30 {
        let _ = site.domain.refresh(site.space).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    site.refresh().await;
    site.assert_equal("all are there").await;
    assert_eq!(site.shape().await.len(), 41);
}
