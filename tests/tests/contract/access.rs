//! Access by shares: what they open, from which moment on they do not, and that nothing leads out of them.

use crate::replica::{Replica, truth_below};
use crate::world::{REPLACE, STAY, World};
use bytes::Bytes;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use stitchbox_domain::auth::ShareCredential;
use stitchbox_domain::uploads::{Intent, NewSession, Protocol, Words};
use stitchbox_domain::{
    Conditions, CopyDepth, Error, Grantee, ItemPath, Location, LockRequest, NewShare, NewUser, Part, Principal,
    PropertyChange, Refusal, Scope, WalkTop,
};
use stitchbox_schema::sharing::ShareDocument;
use stitchbox_schema::{Role, Timestamp};
use stitchbox_tests::Random;

const NAMES: [&str; 4] = ["a", "b", "ç d", "e"];
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn user(w: &World, name: &str) -> Principal {
    let new = NewUser { name: name.into(), ..NewUser::default() };
    let user = w.domain.add_user(new).await.expect("a user");
    Principal { user: user.id, name: user.name, is_admin: false, scope: Scope::default() }
}

async fn give(w: &World, path: &str, to: Grantee, role: Role) -> ShareDocument {
    w.domain.share(&w.anna, NewShare::of(w.at(path), to, role)).await.expect("a share")
}

fn bert() -> Grantee {
    Grantee::User("bert".to_owned())
}

fn by(share: &ShareDocument, at: Location) -> Location {
    Location { via: Some(share.id), ..at }
}

async fn is_closed(w: &World, who: &Principal, at: &Location) -> bool {
    match w.domain.item(who, at).await {
        Ok(_) => false,
        Err(Error::NotFound) => true,
        Err(other) => panic!("{other}"),
    }
}

async fn login(w: &World, token: &str) -> Result<(Principal, Location), Error> {
    let credential = ShareCredential::Link { token: token.to_owned(), password: None };
    w.domain.login_share(credential, CLIENT).await
}

/// A place in the shared folder or beside it.
fn place(w: &World, random: &mut Random) -> Location {
    let mut path = if random.below(2) == 0 { "/top".to_owned() } else { String::new() };
    for _ in 0..=random.below(3) {
        path += "/";
        path += NAMES[random.below(4)];
    }
    w.at(&path)
}

async fn anything(w: &World, random: &mut Random) {
    let none = Conditions::default();
    let (one, two) = (place(w, random), place(w, random));
    let outcome = match random.below(11) {
        0 | 1 => w.try_put(&w.anna, &one, &[random.below(256) as u8; 30], Intent::default()).await.map(drop),
        2..=4 => w.domain.make_folder(&w.anna, &one, &none).await.map(drop),
        5 => w.domain.remove(&w.anna, &one, &none).await,
        6..=8 => w.domain.relocate(&w.anna, &one, &two, REPLACE, &none).await.map(drop),
        9 => w.domain.copy(&w.anna, &one, &two, CopyDepth::Infinity, true, &none).await.map(drop),
        _ => match w.domain.trash(&w.anna, w.space).await.unwrap().first() {
            Some((entry, _)) => w.domain.restore(&w.anna, entry.item).await.map(drop),
            None => Ok(()),
        },
    };
    if let Err(error @ (Error::Store(_) | Error::Blob(_))) = outcome {
        panic!("{error}");
    }
}

/// Whatever happens in the space, in what is shared and beside it, who follows the share alone ends with what is shared,
/// and hears of nothing that never was in it.
pub async fn who_follows_a_share_ends_with_what_is_shared(w: World) {
    w.mkcol("/top").await;
    let share = give(&w, "/top", bert(), Role::Viewer).await;
    let part = Part::Share(share.id);
    let mut random = Random::new(20_261_122);
    let mut client = Replica::new(w.space);
    let mut most = 0;
    for step in 0..400 {
        anything(&w, &mut random).await;
        if random.below(5) > 0 {
            continue;
        }
        if random.below(10) == 0 {
            client = Replica::new(w.space);
        }
        if client.cursor.is_none() {
            let mut walk = w.domain.walk(&w.bert, part, WalkTop::Path(ItemPath::default())).await.unwrap();
            let (top, mut lines) = (walk.top(), Vec::new());
            while let Some(page) = walk.next().await.unwrap() {
                lines.extend(page);
            }
            client.list(top, lines);
            client.cursor = Some(walk.cursor());
        }
        let limit = 1 + random.below(6) as i64;
        loop {
            let feed = w.domain.feed(&w.bert, part, client.cursor, limit).await.unwrap();
            let more = feed.more;
            client.apply(feed);
            while let Some(folder) = client.to_list.pop() {
                let Ok(mut walk) = w.domain.walk(&w.bert, part, WalkTop::Item(folder)).await else { continue };
                let mut lines = Vec::new();
                while let Some(page) = walk.next().await.unwrap() {
                    lines.extend(page);
                }
                client.list(folder, lines);
            }
            if !more {
                break;
            }
        }
        let truth = truth_below(&w, w.item("/top").await).await;
        most = most.max(truth.len());
        assert_eq!(client.items, truth, "step {step}");
    }
    assert!(most > 5, "the sequence should fill what is shared: {most}");
    // What never was in it is not told at all, present or gone.
    let cursor = w.domain.feed(&w.bert, part, None, 1).await.unwrap().cursor;
    w.mkcol("/beside").await;
    w.put("/beside/x", b"secret").await;
    w.relocate("/beside/x", "/beside/y").await;
    w.remove("/beside/y").await;
    let feed = w.domain.feed(&w.bert, part, Some(cursor), 1).await.unwrap();
    assert!(feed.entries.is_empty(), "{:?}", feed.entries);
    let walk = w.domain.walk(&w.bert, part, WalkTop::Item(w.item("/beside").await.id)).await;
    assert!(matches!(walk, Err(Error::NotFound)));
    assert!(matches!(w.domain.feed(&w.bert, w.space, None, 1).await, Err(Error::NotFound)));
}

pub async fn what_ends_in_the_middle_of_an_upload_takes_nothing(w: World) {
    w.mkcol("/top").await;
    let large = vec![7u8; 200_000];
    for begin_in_pieces in [false, true] {
        let share = give(&w, "/top", bert(), Role::Editor).await;
        let at = by(&share, w.at("/top/new"));
        if begin_in_pieces {
            let intent = Intent { announced_size: Some(3), ..Intent::default() };
            let new = NewSession {
                protocol: Protocol::Tus,
                name: None,
                destination: Some(at.clone()),
                intent,
                partial: false,
                words: Words::default(),
            };
            let session = w.domain.begin_session(&w.bert, new).await.unwrap();
            let chunk = |place: u64| stitchbox_domain::uploads::NewChunk {
                place,
                name: place.to_string(),
                file_offset: Some(place),
                appends: true,
                ..Default::default()
            };
            let mut first = w.domain.begin_chunk(&w.bert, &session, chunk(0)).await.unwrap();
            first.write(Bytes::from_static(b"abc")).await.unwrap();
            first.commit().await.unwrap();
            w.domain.revoke_share(&w.anna, share.id).await.unwrap();
            let next = w.domain.begin_chunk(&w.bert, &session, chunk(3)).await;
            assert!(matches!(next, Err(Error::NotFound)), "{next:?}");
            let ended = w.domain.finish_as_begun(&w.bert, &session, &Conditions::default()).await;
            assert!(matches!(ended, Err(Error::NotFound)), "{ended:?}");
        } else {
            let mut upload = w.domain.begin_upload(&w.bert, &at, Intent::default()).await.unwrap();
            upload.write(Bytes::from(large.clone())).await.unwrap();
            w.domain.revoke_share(&w.anna, share.id).await.unwrap();
            assert!(matches!(upload.commit().await, Err(Error::NotFound)));
        }
        assert!(!w.exists("/top/new").await);
    }
}

pub async fn a_share_ends_with_its_time_and_so_does_what_was_made_through_it(w: World) {
    let cleo = user(&w, "cleo").await;
    w.mkcol("/top").await;
    w.put("/top/f", b"1").await;
    let end = Some(w.domain.now().after(Duration::from_secs(60)));
    let new = |to| NewShare { expires_at: end, may_reshare: true, ..NewShare::of(w.at("/top"), to, Role::Editor) };
    let first = w.domain.share(&w.anna, new(bert())).await.unwrap();
    let link = w.domain.share(&w.anna, new(Grantee::Link)).await.unwrap();
    let on = NewShare::of(by(&first, w.at("/top")), Grantee::User("cleo".to_owned()), Role::Viewer);
    let second = w.domain.share(&w.bert, on).await.unwrap();
    let token = link.token.clone().unwrap();
    let (visitor, top) = login(&w, &token).await.unwrap();
    assert_eq!(visitor.actor(), None);
    let at = |share: &ShareDocument| by(share, w.at("/top/f"));
    for (who, share) in [(&w.bert, &first), (&cleo, &second), (&visitor, &link)] {
        assert!(!is_closed(&w, who, &at(share)).await);
    }
    w.advance(Duration::from_secs(59));
    assert!(!is_closed(&w, &w.bert, &at(&first)).await);
    w.advance(Duration::from_secs(1));
    for (who, share) in [(&w.bert, &first), (&cleo, &second), (&visitor, &link)] {
        assert!(is_closed(&w, who, &at(share)).await, "{:?}", share.kind);
    }
    assert!(matches!(login(&w, &token).await, Err(Error::NotFound)), "gone, not wrong");
    assert!(matches!(login(&w, "never was").await, Err(Error::Unauthenticated)));
    let written = w
        .try_put(
            &visitor,
            &top.at(top.path.join(stitchbox_schema::ItemName::parse("n").unwrap())),
            b"x",
            Intent::default(),
        )
        .await;
    assert!(matches!(written, Err(Error::NotFound)));
}

pub async fn who_leaves_a_group_sees_nothing_of_it_any_more(w: World) {
    w.mkcol("/top").await;
    let file = w.put("/top/f", b"1").await.item.id;
    w.domain.add_group("optics", "Optics", "admin").await.unwrap();
    w.domain.set_group_member("optics", "bert", true, "admin").await.unwrap();
    let share = give(&w, "/top", Grantee::Group("optics".to_owned()), Role::Editor).await;
    let at = by(&share, w.at("/top/f"));
    assert!(!is_closed(&w, &w.bert, &at).await);
    assert_eq!(w.domain.item_by_id(&w.bert, file).await.unwrap().at, at);
    assert_eq!(w.domain.mounted(&w.bert).await.unwrap().len(), 1);
    assert!(is_closed(&w, &w.anna, &at).await, "she gave it, and it is not hers");
    w.domain.set_group_member("optics", "bert", false, "admin").await.unwrap();
    assert!(is_closed(&w, &w.bert, &at).await);
    assert!(matches!(w.domain.item_by_id(&w.bert, file).await, Err(Error::NotFound)));
    assert!(w.domain.mounted(&w.bert).await.unwrap().is_empty());
}

pub async fn a_disabled_owner_closes_links_and_not_what_colleagues_have(w: World) {
    let own = w.domain.find_space(&w.anna, "anna").await.unwrap().space.id;
    let at = Location::in_space(own, ItemPath::parse("/mine").unwrap());
    w.try_put(&w.anna, &at, b"1", Intent::default()).await.unwrap();
    w.mkcol("/ours").await;
    let link = w.domain.share(&w.anna, NewShare::of(at.clone(), Grantee::Link, Role::Viewer)).await.unwrap();
    let colleague = w.domain.share(&w.anna, NewShare::of(at.clone(), bert(), Role::Viewer)).await.unwrap();
    let project = give(&w, "/ours", Grantee::Link, Role::Viewer).await;
    let (mine, ours) = (link.token.clone().unwrap(), project.token.clone().unwrap());
    assert!(login(&w, &mine).await.is_ok() && login(&w, &ours).await.is_ok());
    w.domain.set_disabled("anna", true).await.unwrap();
    assert!(matches!(login(&w, &mine).await, Err(Error::NotFound)));
    assert!(login(&w, &ours).await.is_ok(), "the project goes on");
    assert!(!is_closed(&w, &w.bert, &by(&colleague, at)).await);
    w.domain.set_disabled("anna", false).await.unwrap();
    assert!(login(&w, &mine).await.is_ok());
}

/// Every call that takes a place, with places that the share does not reach.
pub async fn a_place_above_or_beside_the_top_is_none_by_the_share(w: World) {
    for folder in ["/a", "/a/top", "/a/beside"] {
        w.mkcol(folder).await;
    }
    w.put("/a/beside/f", b"secret").await;
    w.put("/a/top/f", b"1").await;
    w.put("/a/top/g", b"1").await;
    let share = give(&w, "/a/top", bert(), Role::Manager).await;
    let link = give(&w, "/a/top", Grantee::Link, Role::Editor).await;
    let (visitor, _) = login(&w, &link.token.clone().unwrap()).await.unwrap();
    let none = Conditions::default();
    for (who, share) in [(&w.bert, &share), (&visitor, &link)] {
        let own = by(share, w.at("/a/top/f"));
        let elsewhere = ["/", "/a", "/a/beside", "/a/beside/f", "/a/topper", "/none"].map(|path| by(share, w.at(path)));
        let not_by_share = [w.at("/a/top/f"), w.at("/a/beside/f")];
        let other_space = Location { space: stitchbox_schema::SpaceId(share.id.0), ..own.clone() };
        for at in elsewhere.iter().chain(&not_by_share).chain([&other_space]) {
            let told = format!("{} {at:?}", who.name);
            let closed =
                |result: Result<(), Error>| matches!(result, Err(Error::NotFound | Error::Forbidden(Refusal::Root)));
            assert!(closed(w.domain.item(who, at).await.map(drop)), "{told}");
            assert!(closed(w.domain.content(who, at).await.map(drop)), "{told}");
            assert!(closed(w.domain.versions(who, at).await.map(drop)), "{told}");
            assert!(closed(w.try_put(who, at, b"x", Intent::default()).await.map(drop)), "{told}");
            assert!(closed(w.domain.make_folder(who, at, &none).await.map(drop)), "{told}");
            assert!(closed(w.domain.remove(who, at, &none).await), "{told}");
            assert!(closed(w.domain.relocate(who, &own, at, REPLACE, &none).await.map(drop)), "{told}");
            assert!(closed(w.domain.relocate(who, at, &own, STAY, &none).await.map(drop)), "{told}");
            assert!(closed(w.domain.copy(who, &own, at, CopyDepth::Zero, true, &none).await.map(drop)), "{told}");
            assert!(closed(w.domain.copy(who, at, &own, CopyDepth::Zero, true, &none).await.map(drop)), "{told}");
            assert!(closed(w.domain.set_favorite(who, at, true).await), "{told}");
            let change = vec![PropertyChange::Mtime(Timestamp(1))];
            assert!(closed(w.domain.change_properties(who, at, change, &none).await.map(drop)), "{told}");
            let request = LockRequest {
                deep: true,
                exclusive: true,
                owner_xml: String::new(),
                timeout: None,
                token: format!("urn:{}", at.path),
            };
            assert!(closed(w.domain.lock(who, at, request, &none).await.map(drop)), "{told}");
            assert!(closed(w.domain.lock_for_person(who, at, "urn:x".to_owned()).await.map(drop)), "{told}");
            assert!(closed(w.domain.find_by_name(who, at, "%", 10).await.map(drop)), "{told}");
            assert!(closed(w.domain.check_safety(who, at, false).await.map(drop)), "{told}");
        }
        assert!(!is_closed(&w, who, &own).await);
    }
    let beside = w.item("/a/beside/f").await.id;
    for who in [&w.bert, &visitor] {
        assert!(matches!(w.domain.item_by_id(who, beside).await, Err(Error::NotFound)));
        assert!(matches!(w.domain.trash(who, w.space).await, Err(Error::NotFound)));
        assert!(matches!(w.domain.membership(who, w.space).await, Err(Error::NotFound)));
    }
    // A share is for whom it was given, and a link for who came by it.
    assert!(is_closed(&w, &w.bert, &by(&link, w.at("/a/top/f"))).await);
    assert!(is_closed(&w, &visitor, &by(&share, w.at("/a/top/f"))).await);
    assert!(is_closed(&w, &w.anna, &by(&link, w.at("/a/top/f"))).await);
}
