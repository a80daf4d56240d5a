//! Two sites that talk over HTTP: offers, answers, invites, tokens, passing on, ends.

use crate::site::Site;
use http::HeaderMap;
use serde_json::json;
use stitchbox_domain::Grantee;
use stitchbox_domain::auth::ShareCredential;
use stitchbox_federation::secret::Secret;
use stitchbox_schema::Role;
use stitchbox_store::federated::FederatedState;
use stitchbox_store::peers;
use stitchbox_store::received::ReceivedState;

fn at(user: &str, site: &Site) -> Grantee {
    Grantee::Federated { recipient: format!("{user}@{}", site.host), group: false }
}

async fn has_signed(at: &Site, peer: &Site) -> bool {
    let mut db = at.store.read().await.unwrap();
    peers::by_host(&mut db, &peer.host).await.unwrap().is_some_and(|peer| peer.has_signed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_is_offered_accepted_and_taken_back() {
    let (ours, theirs) = (Site::listening().await, Site::listening().await);
    ours.folder("anna", "/mirror").await;
    let share = ours.share("anna", "/mirror", at("bob", &theirs), Role::Editor).await;
    assert_eq!(ours.federated(&share).await.state, FederatedState::Pending);
    assert_eq!(ours.say().await, 1);
    let sent = ours.federated(&share).await;
    assert_eq!(
        (sent.state, sent.form.as_deref(), sent.answer.as_deref()),
        (FederatedState::Sent, Some("multi"), Some("BOB"))
    );

    let received = theirs.received("bob").await;
    assert_eq!(received.state, ReceivedState::Pending);
    assert_eq!(received.owner, format!("anna@{}", ours.host));
    assert_eq!(received.uri, format!("http://{}/dav/ocm/{}", ours.host, share.id));
    assert_eq!(received.permissions, "read write share");
    assert!(has_signed(&theirs, &ours).await, "what we send is signed, and was verified");

    let bob = theirs.user("bob").await;
    let of_another = theirs.user("eve").await;
    assert!(theirs.domain.accept_received(&of_another, received.space).await.is_err());
    theirs.domain.accept_received(&bob, received.space).await.unwrap();
    assert_eq!(theirs.shown("bob").await, ["mirror"]);
    assert_eq!(theirs.say().await, 1);
    assert_eq!(ours.federated(&share).await.state, FederatedState::Accepted);

    ours.domain.revoke_share(&ours.user("anna").await, share.id).await.unwrap();
    assert_eq!(ours.say().await, 1);
    assert_eq!(theirs.received("bob").await.state, ReceivedState::Gone);
    assert!(theirs.shown("bob").await.is_empty());

    let (sent, taken) = (ours.events().await, theirs.events().await);
    for event in ["ocm_sent share", "ocm_received SHARE_ACCEPTED", "ocm_sent SHARE_UNSHARED"] {
        assert!(sent.iter().any(|found| found == event), "{event}: {sent:?}");
    }
    for event in ["ocm_received share", "ocm_sent SHARE_ACCEPTED", "ocm_received SHARE_UNSHARED"] {
        assert!(taken.iter().any(|found| found == event), "{event}: {taken:?}");
    }
    let audit = format!("{:?}", theirs.domain.whole_audit(Default::default()).await.unwrap());
    let secret = theirs.secret_of("bob").await;
    assert!(secret.len() >= 22 && !audit.contains(&secret), "no secret in the audit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_share_is_told_and_a_left_one_too() {
    let (ours, theirs) = (Site::listening().await, Site::listening().await);
    ours.folder("anna", "/mirror").await;
    let share = ours.share("anna", "/mirror", at("bob", &theirs), Role::Viewer).await;
    ours.say().await;
    let (bob, space) = (theirs.user("bob").await, theirs.received("bob").await.space);
    theirs.domain.accept_received(&bob, space).await.unwrap();
    theirs.domain.decline_received(&bob, space).await.unwrap();
    // In the order in which it was said, whatever is due first.
    assert_eq!(theirs.say().await, 2);
    assert_eq!(ours.federated(&share).await.state, FederatedState::Declined);
    assert!(theirs.shown("bob").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signed_once_is_not_believed_unsigned() {
    let (ours, theirs) = (Site::listening().await, Site::listening().await);
    let forged = json!({"shareWith": format!("bob@{}", theirs.host), "name": "x", "providerId": "1",
        "owner": format!("anna@{}", ours.host), "sender": format!("anna@{}", ours.host), "shareType": "user",
        "resourceType": "file", "protocol": {"name": "webdav", "options": {"sharedSecret": "s"}}});
    // We publish keys, so the first call has to be signed, too.
    assert_eq!(theirs.post("/ocm/shares", &HeaderMap::new(), &forged.to_string()).await.status, 401);
    // The administrator can say who is welcome.
    ours.domain.site_keys().await.unwrap();
    theirs.domain.trust_peer(None, &ours.host, stitchbox_domain::federation::Trust::Denied).await.unwrap();
    ours.folder("anna", "/mirror").await;
    let share = ours.share("anna", "/mirror", at("bob", &theirs), Role::Viewer).await;
    ours.say().await;
    let refused = ours.federated(&share).await;
    assert_eq!(refused.state, FederatedState::Refused);
    assert!(refused.answer.as_deref().unwrap().contains("not among the sites"), "{:?}", refused.answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_is_found_by_the_next_signature() {
    let (ours, theirs) = (Site::listening().await, Site::listening().await);
    for name in ["/one", "/two"] {
        ours.folder("anna", name).await;
    }
    let one = ours.share("anna", "/one", at("bob", &theirs), Role::Viewer).await;
    ours.say().await;
    assert_eq!(ours.federated(&one).await.state, FederatedState::Sent);
    ours.domain.rotate_site_keys().await.unwrap();
    // What was just fetched is not fetched again: an attacker could make us ask all day.
    theirs.advance(std::time::Duration::from_secs(30));
    let two = ours.share("anna", "/two", at("bob", &theirs), Role::Viewer).await;
    ours.say().await;
    assert_eq!(ours.federated(&two).await.state, FederatedState::Sent, "{:?}", ours.federated(&two).await.answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_makes_contacts_of_both_and_their_shares_need_no_question() {
    let (ours, theirs) = (Site::listening().await, Site::listening().await);
    let (anna, bob) = (ours.user("anna").await, theirs.user("bob").await);
    let invite = ours.domain.invite(&anna, "for bob").await.unwrap();
    assert!(invite.link.starts_with(&format!("http://{}/ocm/accept?token=", ours.host)), "{}", invite.link);
    theirs.domain.accept_invite(&bob, &invite.text).await.unwrap();
    theirs.domain.accept_invite(&bob, &invite.link).await.unwrap();
    assert_eq!(theirs.say().await, 1, "once, however often it is pasted");
    let of_bob = theirs.domain.contacts(&bob).await.unwrap();
    assert_eq!((of_bob[0].remote_user.as_str(), of_bob[0].name.as_str()), ("anna", "ANNA"));
    let of_anna = ours.domain.contacts(&anna).await.unwrap();
    assert_eq!((of_anna[0].remote_user.as_str(), of_anna[0].peer.as_str()), ("bob", theirs.host.as_str()));
    assert!(ours.domain.invites(&anna).await.unwrap()[0].invite.accepted_by.is_some());
    // Somebody else with the same string is too late.
    theirs.domain.accept_invite(&theirs.user("eve").await, &invite.text).await.unwrap();
    theirs.say().await;
    let late = &theirs.domain.taken_invites(&theirs.user("eve").await).await.unwrap()[0];
    assert_eq!(late.state.as_str(), "refused");
    assert!(late.answer.as_deref().unwrap().contains("accepted already"), "{:?}", late.answer);

    ours.folder("anna", "/mirror").await;
    ours.share("anna", "/mirror", at("bob", &theirs), Role::Viewer).await;
    ours.say().await;
    assert_eq!(theirs.received("bob").await.state, ReceivedState::Accepted);
    assert_eq!(theirs.shown("bob").await, ["mirror"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_exchanged_for_tokens_of_the_site_it_is_for() {
    let (ours, theirs, third) = (Site::listening().await, Site::listening().await, Site::listening().await);
    ours.folder("anna", "/mirror").await;
    let share = ours.share("anna", "/mirror", at("bob", &theirs), Role::Viewer).await;
    ours.say().await;
    let secret = Secret::new(theirs.secret_of("bob").await);
    let us = stitchbox_federation::address::Host::parse(&ours.host).unwrap();
    let exchange = |site: &Site| {
        let (domain, us, secret) = (site.domain.clone(), us.clone(), secret.clone());
        async move {
            let peer = domain.peer(&us).await.unwrap();
            domain.ocm_client().await.unwrap().exchange_token(&peer, &secret).await
        }
    };
    let (one, two) = (exchange(&theirs).await.unwrap(), exchange(&theirs).await.unwrap());
    assert_ne!(one.access_token, two.access_token);
    assert_eq!(one.expires_in, 3600);
    let client = [127, 0, 0, 1].into();
    let login = |secret: &Secret| {
        let credential =
            ShareCredential::Federated { secret: secret.expose().to_owned(), provider_id: Some(share.id.to_string()) };
        ours.domain.login_share(credential, client)
    };
    for token in [&one.access_token, &two.access_token] {
        assert_eq!(login(token).await.unwrap().0.scope.share, Some(share.id));
    }
    let stolen = exchange(&third).await.unwrap_err();
    assert!(stolen.to_string().contains("unauthorized_client") || stolen.status() == Some(400), "{stolen}");
    let hour = std::time::Duration::from_secs(3601);
    ours.advance(hour);
    assert!(login(&one.access_token).await.is_err(), "it ends");
    ours.go_back(hour);
    ours.domain.revoke_share(&ours.user("anna").await, share.id).await.unwrap();
    assert_eq!(exchange(&theirs).await.unwrap_err().status(), Some(400));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_elsewhere_is_passed_on_by_its_owner() {
    let (ours, theirs, third) = (Site::listening().await, Site::listening().await, Site::listening().await);
    ours.folder("anna", "/mirror").await;
    let first = ours.share("anna", "/mirror", at("bob", &theirs), Role::Viewer).await;
    ours.say().await;
    let (bob, space) = (theirs.user("bob").await, theirs.received("bob").await.space);
    theirs.domain.accept_received(&bob, space).await.unwrap();
    theirs.domain.ask_reshare(&bob, space, &format!("eve@{}", third.host)).await.unwrap();
    assert_eq!(theirs.say().await, 2);
    let asked = theirs.domain.asked_reshares(&bob, space).await.unwrap().remove(0);
    assert_eq!(asked.state.as_str(), "made");
    assert_eq!(ours.say().await, 1, "the owner shares");
    let received = third.received("eve").await;
    assert_eq!(received.owner, format!("anna@{}", ours.host));
    assert_eq!(received.sender, format!("bob@{}", theirs.host));
    assert_eq!(received.peer, ours.host, "it lies at its owner's");
    assert_eq!(Some(received.provider_id), asked.provider_id);
    // Its recipient accepts; who asked is told by the owner.
    third.domain.accept_received(&third.user("eve").await, received.space).await.unwrap();
    assert_eq!((third.say().await, ours.say().await), (1, 1));
    assert_eq!(theirs.domain.asked_reshares(&bob, space).await.unwrap()[0].state.as_str(), "accepted");
    // What was passed on ends with what it was passed on of.
    ours.domain.revoke_share(&ours.user("anna").await, first.id).await.unwrap();
    assert_eq!(ours.say().await, 2);
    assert_eq!(third.received("eve").await.state, ReceivedState::Gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_passed_on_can_undo_it_and_who_may_not_pass_on_is_refused() {
    let (ours, theirs, third) = (Site::listening().await, Site::listening().await, Site::listening().await);
    ours.folder("anna", "/mirror").await;
    let first = ours.share("anna", "/mirror", at("bob", &theirs), Role::Viewer).await;
    ours.say().await;
    let (bob, space) = (theirs.user("bob").await, theirs.received("bob").await.space);
    theirs.domain.accept_received(&bob, space).await.unwrap();
    let id = theirs.domain.ask_reshare(&bob, space, &format!("eve@{}", third.host)).await.unwrap();
    theirs.say().await;
    ours.say().await;
    theirs.domain.undo_reshare(&bob, space, id).await.unwrap();
    assert_eq!(theirs.say().await, 1);
    assert_eq!(ours.say().await, 1);
    assert_eq!(third.received("eve").await.state, ReceivedState::Gone);
    let change = stitchbox_domain::ShareChange { may_reshare: Some(false), ..Default::default() };
    ours.domain.change_share(&ours.user("anna").await, first.id, change).await.unwrap();
    theirs.domain.ask_reshare(&bob, space, &format!("eve2@{}", third.host)).await.unwrap();
    theirs.say().await;
    let asked = theirs.domain.asked_reshares(&bob, space).await.unwrap().remove(0);
    assert_eq!(asked.state.as_str(), "refused");
    assert!(asked.answer.unwrap().contains("may not be passed on"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_whose_answer_was_lost_or_that_was_taken_back_meanwhile_leaves_one_share_or_none() {
    let (ours, theirs, third) = (Site::listening().await, Site::listening().await, Site::listening().await);
    ours.folder("anna", "/mirror").await;
    let first = ours.share("anna", "/mirror", at("bob", &theirs), Role::Viewer).await;
    ours.say().await;
    let (bob, space) = (theirs.user("bob").await, theirs.received("bob").await.space);
    theirs.domain.accept_received(&bob, space).await.unwrap();
    assert_eq!(theirs.say().await, 1);
    let made = async || {
        let mut db = ours.store.read().await.unwrap();
        stitchbox_store::shares::made_through(&mut db, first.id).await.unwrap().len()
    };
    let id = theirs.domain.ask_reshare(&bob, space, &format!("eve@{}", third.host)).await.unwrap();
    // Killed between the answer and writing it down.
    let leased = theirs.domain.lease_outgoing("killed").await.unwrap().unwrap();
    theirs.domain.say(&leased).await.unwrap();
    assert_eq!(made().await, 1);
    theirs.domain.release_outgoing().await.unwrap();
    let leased = theirs.domain.lease_outgoing("next").await.unwrap().unwrap();
    let delivery = theirs.domain.say(&leased).await.unwrap();
    assert_eq!(made().await, 1, "asked twice, made once");
    // Taken back before the answer is written down.
    theirs.domain.undo_reshare(&bob, space, id).await.unwrap();
    theirs.domain.record_delivery(leased, delivery, &Default::default()).await.unwrap();
    assert_eq!(theirs.domain.asked_reshares(&bob, space).await.unwrap()[0].state.as_str(), "ended");
    assert_eq!(theirs.say().await, 1, "the owner hears that it is not wanted any more");
    assert_eq!(made().await, 0);
    // Taken back before it was said: nothing is said at all.
    let id = theirs.domain.ask_reshare(&bob, space, &format!("eve@{}", third.host)).await.unwrap();
    theirs.domain.undo_reshare(&bob, space, id).await.unwrap();
    assert_eq!((theirs.say().await, made().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stitchbox_is_told_once_that_something_moved() {
    let (ours, theirs) = (Site::listening().await, Site::listening().await);
    ours.folder("anna", "/mirror").await;
    ours.folder("anna", "/other").await;
    ours.domain.moved_shares().await.unwrap();
    ours.share("anna", "/mirror", at("bob", &theirs), Role::Viewer).await;
    ours.say().await;
    let space = theirs.received("bob").await.space;
    theirs.domain.accept_received(&theirs.user("bob").await, space).await.unwrap();
    ours.domain.moved_shares().await.unwrap();
    ours.folder("anna", "/other/unshared").await;
    assert_eq!(ours.domain.moved_shares().await.unwrap().len(), 0);
    for name in ["/mirror/a", "/mirror/b"] {
        ours.folder("anna", name).await;
    }
    let moved = ours.domain.moved_shares().await.unwrap();
    assert_eq!(moved.len(), 1, "two changes, one word");
    // As if it had been looked at just now.
    let later = theirs.domain.now().after(std::time::Duration::from_secs(3600));
    theirs
        .store
        .write::<_, stitchbox_store::StoreError, _>(move |tx| {
            Box::pin(async move { stitchbox_store::received::set_refresh_at(tx, space, later).await })
        })
        .await
        .unwrap();
    ours.domain.tell_moved(&moved[0]).await.unwrap();
    assert!(theirs.received("bob").await.refresh_at < later, "it is looked at again now");
    assert!(ours.domain.moved_shares().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_self_test_sees_what_a_peer_sees() {
    let (site, other) = (Site::listening().await, Site::listening().await);
    let steps = site.domain.federation_self_test(None).await.unwrap();
    for step in &steps {
        // This router has no status.php: another front-end has it.
        assert_eq!(step.is_good, step.what != "status.php", "{step:?}");
    }
    assert!(steps.iter().any(|step| step.what == "signature, RFC 9421"));
    let seen = site.domain.test_peer(None, &other.host).await.unwrap();
    assert!(seen.iter().all(|step| step.is_good), "{seen:?}");
    let nobody = site.domain.test_peer(None, "127.0.0.1:9").await.unwrap();
    assert!(!nobody[0].is_good && nobody.len() == 1, "{nobody:?}");
    // Nobody else learns anything by it.
    assert_eq!(site.post("/ocm/self-test", &HeaderMap::new(), "{}").await.status, 401);
}
