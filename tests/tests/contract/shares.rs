//! Sharing: who may give what, what others see of it, how it ends, and the record of it.

use crate::world::World;
use std::time::Duration;
use stitchbox_domain::{
    AuditQuery, Error, Grantee, Location, NewShare, NewUser, Principal, Refusal, Scope, ShareChange, ShareFault,
    ShareeKinds, ShareeQuery,
};
use stitchbox_schema::sharing::{ShareDocument, ShareKind};
use stitchbox_schema::{Role, ShareId};

async fn user(w: &World, name: &str) -> Principal {
    let new = NewUser { name: name.into(), ..NewUser::default() };
    let user = w.domain.add_user(new).await.expect("a user");
    Principal { user: user.id, name: user.name, is_admin: false, scope: Scope::default() }
}

fn with(name: &str) -> Grantee {
    Grantee::User(name.to_owned())
}

async fn give(w: &World, by: &Principal, at: Location, to: Grantee, role: Role) -> Result<ShareDocument, Error> {
    w.domain.share(by, NewShare::of(at, to, role)).await
}

/// A share that may be passed on.
async fn give_on(w: &World, by: &Principal, at: Location, to: Grantee, role: Role) -> Result<ShareDocument, Error> {
    w.domain.share(by, NewShare { may_reshare: true, ..NewShare::of(at, to, role) }).await
}

/// A place as it is seen by a share.
fn by(share: &ShareDocument, at: Location) -> Location {
    Location { via: Some(share.id), ..at }
}

/// Where somebody sees what is shared with them.
async fn sees(w: &World, who: &Principal) -> Vec<String> {
    let mut shown: Vec<String> =
        w.domain.shares_with(who).await.unwrap().into_iter().filter_map(|share| share.shown_at).collect();
    shown.sort();
    shown
}

async fn can_read(w: &World, who: &Principal, at: &Location) -> bool {
    match w.domain.item(who, at).await {
        Ok(_) => true,
        Err(Error::NotFound) => false,
        Err(other) => panic!("{other}"),
    }
}

async fn events(w: &World, share: ShareId) -> Vec<String> {
    let query = AuditQuery { share: Some(share), ..AuditQuery::default() };
    let mut rows: Vec<String> = w.domain.whole_audit(query).await.unwrap().into_iter().map(|row| row.event).collect();
    rows.reverse();
    rows
}

pub async fn a_share_opens_what_lies_below_it_and_ends_at_once(w: World) {
    w.mkcol("/kb").await;
    w.mkcol("/kb/raw").await;
    w.put("/kb/raw/a", b"a").await;
    w.put("/other", b"o").await;
    let files_before = w.domain.find_space(&w.bert, "bert").await.unwrap();
    let etag = |item: &stitchbox_domain::Item| item.etag().to_string();
    let root = |membership: &stitchbox_domain::Membership| Location::in_space(membership.space.id, Default::default());
    let before = etag(&w.domain.item(&w.bert, &root(&files_before)).await.unwrap().1);
    let share = give(&w, &w.anna, w.at("/kb"), with("bert"), Role::Viewer).await.unwrap();
    assert_eq!(
        (share.kind, share.role, share.shown_at.as_deref()),
        (ShareKind::User, Role::Viewer, Some("/Spaces/mirrors/kb"))
    );
    assert_eq!(share.grantee.as_ref().unwrap().name, "bert");
    assert_eq!(sees(&w, &w.bert).await, ["/Shares/kb"]);
    let after = etag(&w.domain.item(&w.bert, &root(&files_before)).await.unwrap().1);
    assert_ne!(before, after, "who looks at the top sees that something came");
    assert!(can_read(&w, &w.bert, &by(&share, w.at("/kb/raw/a"))).await);
    assert!(!can_read(&w, &w.bert, &by(&share, w.at("/other"))).await);
    assert!(!can_read(&w, &w.bert, &w.at("/kb")).await, "not as a member");
    let theirs = w.domain.shares_with(&w.bert).await.unwrap();
    assert_eq!(
        (theirs[0].path.as_deref(), theirs[0].may_change),
        (None, false),
        "the grantee is not told where it lies"
    );
    assert!(matches!(w.domain.revoke_share(&w.bert, share.id).await, Err(Error::NotFound)));
    w.domain.revoke_share(&w.anna, share.id).await.unwrap();
    assert!(!can_read(&w, &w.bert, &by(&share, w.at("/kb"))).await);
    assert!(sees(&w, &w.bert).await.is_empty());
    assert_ne!(etag(&w.domain.item(&w.bert, &root(&files_before)).await.unwrap().1), after);
    assert!(matches!(w.domain.share_by_id(&w.anna, share.id).await, Err(Error::NotFound)));
    assert_eq!(events(&w, share.id).await, ["granted", "revoked"]);
    w.assert_clean().await;
}

pub async fn nobody_gives_more_than_they_have(w: World) {
    let carl = user(&w, "carl").await;
    let dora = user(&w, "dora").await;
    w.mkcol("/kb").await;
    w.put("/kb/f", b"1").await;
    w.join("bert", Role::Viewer).await;
    let refused = give(&w, &w.bert, w.at("/kb"), with("carl"), Role::Viewer).await;
    assert!(matches!(refused, Err(Error::Forbidden(Refusal::MayNotShare))));
    w.join("bert", Role::Contributor).await;
    assert!(give(&w, &w.bert, w.at("/kb"), with("carl"), Role::Viewer).await.is_err());
    w.join("bert", Role::Editor).await;
    let above = give(&w, &w.bert, w.at("/kb"), with("carl"), Role::Manager).await;
    assert!(matches!(above, Err(Error::Forbidden(Refusal::RoleAboveOwn { own: Role::Editor, .. }))));
    let edits = give(&w, &w.bert, w.at("/kb"), with("carl"), Role::Editor).await.unwrap();
    let on = give(&w, &carl, by(&edits, w.at("/kb")), with("dora"), Role::Viewer).await;
    assert!(matches!(on, Err(Error::Forbidden(Refusal::MayNotShare))), "an editor by a share is not let to pass on");
    let change = ShareChange { may_reshare: Some(true), role: Some(Role::Viewer), ..ShareChange::default() };
    w.domain.change_share(&w.bert, edits.id, change).await.unwrap();
    let above = give(&w, &carl, by(&edits, w.at("/kb")), with("dora"), Role::Editor).await;
    assert!(matches!(above, Err(Error::Forbidden(Refusal::RoleAboveOwn { own: Role::Viewer, .. }))));
    let passed = give(&w, &carl, by(&edits, w.at("/kb/f")), with("dora"), Role::Viewer).await.unwrap();
    assert_eq!(passed.parent, Some(edits.id));
    assert_eq!(passed.shown_at.as_deref(), Some("/Shares/kb/f"), "as who passes it on sees it");
    assert!(can_read(&w, &dora, &by(&passed, w.at("/kb/f"))).await);
    let more = ShareChange { role: Some(Role::Editor), ..ShareChange::default() };
    assert!(w.domain.change_share(&carl, passed.id, more).await.is_err(), "nor by changing it later");
    let limited = Principal { scope: Scope { create_only: true, ..Scope::default() }, ..w.anna.clone() };
    assert!(give(&w, &limited, w.at("/kb"), Grantee::Link, Role::Viewer).await.is_err());
    // The end of the membership is the end of what was given by it.
    w.domain.set_member("mirrors", "bert", None).await.unwrap();
    assert!(
        !can_read(&w, &carl, &by(&edits, w.at("/kb"))).await && !can_read(&w, &dora, &by(&passed, w.at("/kb/f"))).await
    );
    assert_eq!(events(&w, passed.id).await, ["granted", "ended_with_parent"]);
    assert_eq!(events(&w, edits.id).await, ["granted", "changed", "ended_with_membership"]);
}

pub async fn what_was_passed_on_ends_with_its_reason(w: World) {
    let (carl, dora, eve) = (user(&w, "carl").await, user(&w, "dora").await, user(&w, "eve").await);
    w.mkcol("/kb").await;
    w.put("/kb/f", b"1").await;
    let top = w.at("/kb");
    let first = give_on(&w, &w.anna, top.clone(), with("bert"), Role::Editor).await.unwrap();
    let second = give_on(&w, &w.bert, by(&first, top.clone()), with("carl"), Role::Editor).await.unwrap();
    let third = give(&w, &carl, by(&second, top.clone()), with("dora"), Role::Editor).await.unwrap();
    let link = give(&w, &carl, by(&second, w.at("/kb/f")), Grantee::Link, Role::Viewer).await.unwrap();
    assert!(can_read(&w, &dora, &by(&third, top.clone())).await);
    // Less above is less below.
    let less = ShareChange { role: Some(Role::Viewer), ..ShareChange::default() };
    w.domain.change_share(&w.anna, first.id, less).await.unwrap();
    assert_eq!(w.domain.share_by_id(&carl, third.id).await.unwrap().role, Role::Viewer);
    // An end above is an end below.
    let end = stitchbox_schema::Timestamp(w.domain.now().0 + 60_000_000_000);
    let until = ShareChange { expires_at: Some(Some(end)), ..ShareChange::default() };
    w.domain.change_share(&w.anna, first.id, until).await.unwrap();
    assert_eq!(w.domain.share_by_id(&carl, third.id).await.unwrap().expires_at, Some(end));
    let late = NewShare {
        expires_at: Some(end.after(Duration::from_secs(60))),
        ..NewShare::of(by(&second, top.clone()), with("eve"), Role::Viewer)
    };
    assert_eq!(w.domain.share(&carl, late).await.unwrap().expires_at, Some(end), "cut to that of its parent");
    assert_eq!(sees(&w, &eve).await, ["/Shares/kb"]);
    // Not to be passed on any more.
    let keep = ShareChange { may_reshare: Some(false), ..ShareChange::default() };
    w.domain.change_share(&w.anna, first.id, keep).await.unwrap();
    assert!(can_read(&w, &w.bert, &by(&first, top.clone())).await);
    for (who, share) in [(&carl, &second), (&dora, &third)] {
        assert!(!can_read(&w, who, &by(share, top.clone())).await);
        assert!(sees(&w, who).await.is_empty());
    }
    assert_eq!(events(&w, link.id).await.last().unwrap(), "ended_with_parent");
    w.advance(Duration::from_secs(61));
    assert!(!can_read(&w, &w.bert, &by(&first, top)).await, "its time is over");
    assert!(sees(&w, &w.bert).await.is_empty());
}

pub async fn groups_are_joined_and_left(w: World) {
    let carl = user(&w, "carl").await;
    w.mkcol("/kb").await;
    assert!(matches!(w.domain.add_group("", "", "x").await, Err(Error::Name(_))));
    w.domain.add_group("optics", "Optics group", "admin").await.unwrap();
    assert!(matches!(w.domain.add_group("optics", "", "admin").await, Err(Error::Exists)));
    w.domain.set_group_member("optics", "bert", true, "admin").await.unwrap();
    w.domain.set_group_member("optics", "bert", true, "admin").await.unwrap();
    let group = || Grantee::Group("optics".to_owned());
    let unknown = give(&w, &w.anna, w.at("/kb"), Grantee::Group("opera".to_owned()), Role::Viewer).await;
    assert!(matches!(unknown, Err(Error::Share(ShareFault::NoSuchGroup(name))) if name == "opera"));
    let share = give_on(&w, &w.anna, w.at("/kb"), group(), Role::Viewer).await.unwrap();
    assert_eq!((sees(&w, &w.bert).await, sees(&w, &carl).await), (vec!["/Shares/kb".to_owned()], vec![]));
    w.domain.set_group_member("optics", "carl", true, "admin").await.unwrap();
    assert_eq!(sees(&w, &carl).await, ["/Shares/kb"], "who joins sees it at once");
    let passed = give(&w, &carl, by(&share, w.at("/kb")), Grantee::Link, Role::Viewer).await.unwrap();
    w.domain.set_group_member("optics", "carl", false, "admin").await.unwrap();
    assert!(sees(&w, &carl).await.is_empty() && !can_read(&w, &carl, &by(&share, w.at("/kb"))).await);
    assert_eq!(events(&w, passed.id).await.last().unwrap(), "ended_with_parent", "and takes along what was passed on");
    assert_eq!(sees(&w, &w.bert).await, ["/Shares/kb"]);
    // Leaving the share is one's own affair, and can be undone.
    w.domain.leave_share(&w.bert, share.id).await.unwrap();
    assert!(sees(&w, &w.bert).await.is_empty());
    assert!(w.domain.shares_with(&w.bert).await.unwrap()[0].hidden);
    w.domain.take_up_share(&w.bert, share.id).await.unwrap();
    assert_eq!(sees(&w, &w.bert).await, ["/Shares/kb"]);
    w.domain.remove_group("optics", "admin").await.unwrap();
    assert!(sees(&w, &w.bert).await.is_empty());
    assert_eq!(events(&w, share.id).await, ["granted", "left", "taken_up", "ended_with_group"]);
    assert!(w.domain.groups().await.unwrap().is_empty());
}

pub async fn names_in_shares_are_taken_once(w: World) {
    let carl = user(&w, "carl").await;
    for path in ["/a", "/b", "/a/kb", "/b/kb"] {
        w.mkcol(path).await;
    }
    w.put("/a/x.h5", b"1").await;
    w.put("/b/x.h5", b"2").await;
    for path in ["/a/kb", "/b/kb", "/a/x.h5", "/b/x.h5"] {
        give(&w, &w.anna, w.at(path), with("bert"), Role::Viewer).await.unwrap();
    }
    assert_eq!(sees(&w, &w.bert).await, ["/Shares/kb", "/Shares/kb (2)", "/Shares/x (2).h5", "/Shares/x.h5"]);
    give(&w, &w.anna, w.at("/b/kb"), with("carl"), Role::Viewer).await.unwrap();
    assert_eq!(sees(&w, &carl).await, ["/Shares/kb"], "names are each person's own");
    let whole = give(&w, &w.anna, w.at("/"), with("carl"), Role::Viewer).await.unwrap();
    assert_eq!((whole.name.as_str(), sees(&w, &carl).await.contains(&"/Shares/mirrors".to_owned())), ("mirrors", true));
}

pub async fn a_share_follows_its_item_and_goes_with_it(w: World) {
    w.mkcol("/kb").await;
    w.mkcol("/kb/in").await;
    w.mkcol("/later").await;
    let share = give(&w, &w.anna, w.at("/kb"), with("bert"), Role::Viewer).await.unwrap();
    let inner = give(&w, &w.anna, w.at("/kb/in"), Grantee::Link, Role::Viewer).await.unwrap();
    w.relocate("/kb", "/later/renamed").await;
    assert!(can_read(&w, &w.bert, &by(&share, w.at("/later/renamed/in"))).await);
    assert_eq!(w.domain.share_by_id(&w.anna, share.id).await.unwrap().path.as_deref(), Some("/later/renamed"));
    let all = w.domain.shares_of_item(&w.anna, &w.at("/later"), false, true).await.unwrap();
    assert_eq!(all.iter().map(|share| share.id).collect::<Vec<_>>(), [share.id, inner.id]);
    let above = w.domain.access_to(&w.anna, &w.at("/later/renamed/in")).await.unwrap();
    assert_eq!(above.shares.iter().map(|share| share.id).collect::<Vec<_>>(), [share.id, inner.id]);
    assert_eq!(above.members.iter().map(|member| member.person.name.as_str()).collect::<Vec<_>>(), ["anna"]);
    w.remove("/later/renamed").await;
    assert!(sees(&w, &w.bert).await.is_empty(), "what is in the trash opens nothing");
    w.domain.empty_trash(&w.anna, w.space).await.unwrap();
    assert_eq!(w.domain.purge_trash(100).await.unwrap(), 2);
    assert_eq!(events(&w, share.id).await, ["granted", "ended_with_item"]);
    assert_eq!(events(&w, inner.id).await, ["granted", "ended_with_item"]);
    assert!(w.domain.shares_by(&w.anna).await.unwrap().is_empty());
    w.assert_clean().await;
}

pub async fn shares_that_make_no_sense_are_refused(w: World) {
    w.mkcol("/kb").await;
    w.put("/f", b"1").await;
    let fault = |refused: Result<ShareDocument, Error>| match refused {
        Err(Error::Share(fault)) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        fault(give(&w, &w.anna, w.at("/kb"), with("nobody"), Role::Viewer).await),
        ShareFault::NoSuchUser("nobody".into())
    );
    assert_eq!(
        fault(give(&w, &w.anna, w.at("/kb"), with("a\0b"), Role::Viewer).await),
        ShareFault::NoSuchUser("a\0b".into())
    );
    assert_eq!(fault(give(&w, &w.anna, w.at("/kb"), with("anna"), Role::Viewer).await), ShareFault::Oneself);
    assert_eq!(fault(give(&w, &w.anna, w.at("/kb"), Grantee::Link, Role::Manager).await), ShareFault::NoManager);
    let drop = |at, to| NewShare { upload_only: true, ..NewShare::of(at, to, Role::Contributor) };
    assert_eq!(fault(w.domain.share(&w.anna, drop(w.at("/f"), Grantee::Link)).await), ShareFault::UploadOnly);
    assert_eq!(fault(w.domain.share(&w.anna, drop(w.at("/kb"), with("bert"))).await), ShareFault::UploadOnly);
    let secret =
        NewShare { password: Some("stable horse".into()), ..NewShare::of(w.at("/kb"), with("bert"), Role::Viewer) };
    assert_eq!(fault(w.domain.share(&w.anna, secret).await), ShareFault::PasswordWithoutLink);
    let over = NewShare { expires_at: Some(w.domain.now()), ..NewShare::of(w.at("/kb"), Grantee::Link, Role::Viewer) };
    assert_eq!(fault(w.domain.share(&w.anna, over).await), ShareFault::Expired);
    let personal = w.domain.find_space(&w.anna, "anna").await.unwrap().space.id;
    let root = Location::in_space(personal, Default::default());
    assert_eq!(fault(give(&w, &w.anna, root, with("bert"), Role::Viewer).await), ShareFault::PersonalRoot);
    for wrong in ["bert", "@host", "bert@", "a b@host"] {
        let to = Grantee::Federated { recipient: wrong.into(), group: false };
        assert_eq!(
            fault(give(&w, &w.anna, w.at("/kb"), to, Role::Viewer).await),
            ShareFault::BadRecipient(wrong.into())
        );
    }
    give(&w, &w.anna, w.at("/kb"), with("bert"), Role::Viewer).await.unwrap();
    let twice = give(&w, &w.anna, w.at("/kb"), with("bert"), Role::Editor).await;
    assert_eq!(fault(twice), ShareFault::AlreadyShared("bert".into()));
    let weak = NewShare { password: Some("1234567".into()), ..NewShare::of(w.at("/kb"), Grantee::Link, Role::Viewer) };
    assert!(matches!(w.domain.share(&w.anna, weak).await, Err(Error::WeakPassword)));
    assert!(matches!(give(&w, &w.anna, w.at("/nothing"), Grantee::Link, Role::Viewer).await, Err(Error::NotFound)));
    assert!(matches!(give(&w, &w.bert, w.at("/kb"), Grantee::Link, Role::Viewer).await, Err(Error::NotFound)));
    // A file knows no making of new ones.
    let file = give(&w, &w.anna, w.at("/f"), with("bert"), Role::Contributor).await.unwrap();
    assert_eq!((file.role, file.bits()), (Role::Viewer, 1));
}

pub async fn managers_decide_and_others_do_not(w: World) {
    let (carl, dora) = (user(&w, "carl").await, user(&w, "dora").await);
    w.mkcol("/kb").await;
    w.mkcol("/kb/in").await;
    let manages = give(&w, &w.anna, w.at("/kb"), with("bert"), Role::Manager).await.unwrap();
    let below = give(&w, &w.anna, w.at("/kb/in"), with("carl"), Role::Viewer).await.unwrap();
    let seen = w.domain.access_to(&w.bert, &by(&manages, w.at("/kb"))).await.unwrap();
    assert_eq!(
        (seen.members.len(), seen.shares.len(), seen.below.len()),
        (0, 1, 1),
        "who comes by a share knows shares alone"
    );
    let carls = w.domain.access_to(&carl, &by(&below, w.at("/kb/in"))).await.unwrap();
    assert_eq!(carls.shares.len(), 1, "others see their own");
    let edit = ShareChange { role: Some(Role::Editor), ..ShareChange::default() };
    assert!(matches!(w.domain.change_share(&carl, below.id, edit.clone()).await, Err(Error::NotFound)));
    assert!(matches!(w.domain.change_share(&dora, below.id, edit.clone()).await, Err(Error::NotFound)));
    assert_eq!(w.domain.change_share(&w.bert, below.id, edit).await.unwrap().role, Role::Editor);
    w.domain.revoke_share(&w.bert, below.id).await.unwrap();
    let rows = w.domain.audit(&w.anna, AuditQuery { share: Some(below.id), ..AuditQuery::default() }).await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.event.as_str(), row.actor.as_str(), row.subject.as_str())).collect();
    assert_eq!(told, [("revoked", "bert", "/kb/in"), ("changed", "bert", "/kb/in"), ("granted", "anna", "/kb/in")]);
    assert!(w.domain.audit(&dora, AuditQuery::default()).await.unwrap().is_empty(), "strangers are told nothing");
    let page = AuditQuery { before: rows[0].id.parse().ok(), limit: Some(1), ..AuditQuery::default() };
    assert_eq!(w.domain.audit(&w.anna, page).await.unwrap()[0].id, rows[1].id);
}

pub async fn people_and_groups_are_found(w: World) {
    let new = NewUser { name: "zoe_q".into(), display_name: "Zoé 100% Quartz".into(), ..NewUser::default() };
    w.domain.add_user(new).await.unwrap();
    w.domain.add_group("quartz", "", "admin").await.unwrap();
    let search = async |text: &str| -> Vec<(ShareKind, String, bool)> {
        let query = ShareeQuery { text: text.into(), kinds: ShareeKinds::ALL, limit: 10, offset: 0 };
        let found = w.domain.sharees(&w.anna, query).await.unwrap();
        found.into_iter().map(|sharee| (sharee.kind, sharee.person.name, sharee.exact)).collect()
    };
    assert_eq!(
        search("QUARTZ").await,
        [(ShareKind::User, "zoe_q".into(), false), (ShareKind::Group, "quartz".into(), true)]
    );
    assert_eq!(search("100%").await, [(ShareKind::User, "zoe_q".into(), false)], "a percent sign is a percent sign");
    assert_eq!(search("e_q").await.len(), 1);
    assert_eq!(search("a%").await, []);
    assert_eq!(search("anna").await, [], "not oneself");
    assert_eq!(search("bob@nc.example:8443").await, [(ShareKind::Federated, "bob@nc.example:8443".into(), true)]);
    assert_eq!(search("").await.len(), 3);
    assert_eq!(search("a\0b").await, []);
}
