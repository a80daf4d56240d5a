//! Peers that are away, and senders that die: nothing is lost, nothing happens twice.

use crate::site::Site;
use std::time::Duration;
use stitchbox_domain::Grantee;
use stitchbox_domain::federation::{Backoff, Delivery};
use stitchbox_schema::Role;
use stitchbox_store::federated::FederatedState;
use stitchbox_store::received::ReceivedState;

fn bob_at(site: &Site) -> Grantee {
    Grantee::Federated { recipient: format!("bob@{}", site.host), group: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_with_a_peer_that_is_away_waits_and_arrives_once() {
    let (ours, mut theirs) = (Site::listening().await, Site::listening().await);
    theirs.go_away().await;
    ours.folder("anna", "/mirror").await;
    let share = ours.share("anna", "/mirror", bob_at(&theirs), Role::Viewer).await;
    assert_eq!(ours.say().await, 1);
    let waiting = ours.federated(&share).await;
    assert_eq!(waiting.state, FederatedState::Pending);
    assert!(waiting.answer.as_deref().unwrap().contains("cannot be reached"), "{:?}", waiting.answer);
    let (peer, queue) = ours.domain.peer_details(None, &theirs.host).await.unwrap();
    assert_eq!((peer.peer.failures, queue.len()), (1, 1));
    assert!(peer.peer.last_error.is_some());
    assert_eq!(ours.say().await, 0, "it is left alone for a while");

    theirs.come_back().await;
    assert_eq!(ours.say().await, 0);
    ours.advance(Duration::from_secs(61));
    theirs.advance(Duration::from_secs(61));
    assert_eq!(ours.say().await, 1);
    assert_eq!(ours.federated(&share).await.state, FederatedState::Sent);
    assert_eq!(theirs.received("bob").await.state, ReceivedState::Pending);
    assert_eq!(ours.domain.peer_details(None, &theirs.host).await.unwrap().0.peer.failures, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_peer_is_tried_at_once() {
    let (ours, mut theirs) = (Site::listening().await, Site::listening().await);
    theirs.go_away().await;
    ours.folder("anna", "/mirror").await;
    let share = ours.share("anna", "/mirror", bob_at(&theirs), Role::Viewer).await;
    ours.say().await;
    theirs.come_back().await;
    ours.domain.reset_peer(None, &theirs.host).await.unwrap();
    assert_eq!(ours.say().await, 1);
    assert_eq!(ours.federated(&share).await.state, FederatedState::Sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_was_not_believed_because_of_a_clock_arrives_when_the_clock_is_right() {
    let (ours, theirs) = (Site::listening().await, Site::listening().await);
    ours.folder("anna", "/mirror").await;
    let share = ours.share("anna", "/mirror", bob_at(&theirs), Role::Viewer).await;
    ours.advance(Duration::from_secs(600));
    assert_eq!(ours.say().await, 1);
    let waiting = ours.federated(&share).await;
    assert_eq!(waiting.state, FederatedState::Pending, "{:?}", waiting.answer);
    assert!(waiting.answer.as_deref().unwrap().contains("401"), "{:?}", waiting.answer);
    ours.advance(Duration::from_secs(60));
    assert_eq!(ours.say().await, 0, "it is not asked all the time");
    ours.advance(Duration::from_secs(61));
    theirs.advance(Duration::from_secs(721));
    assert_eq!(ours.say().await, 1);
    assert_eq!(ours.federated(&share).await.state, FederatedState::Sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_peer_delays_nobody_else() {
    let (ours, theirs, mut dead) = (Site::listening().await, Site::listening().await, Site::listening().await);
    dead.go_away().await;
    for number in 0..4 {
        ours.folder("anna", &format!("/{number}")).await;
        let to = if number == 3 { bob_at(&theirs) } else { bob_at(&dead) };
        ours.share("anna", &format!("/{number}"), to, Role::Viewer).await;
    }
    assert_eq!(ours.say().await, 2, "one attempt at the dead one, then its breaker holds the others");
    assert_eq!(theirs.received("bob").await.name, "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dies_between_saying_and_recording_makes_no_second_share() {
    let (ours, theirs) = (Site::listening().await, Site::listening().await);
    ours.folder("anna", "/mirror").await;
    let share = ours.share("anna", "/mirror", bob_at(&theirs), Role::Viewer).await;
    let leased = ours.domain.lease_outgoing("first").await.unwrap().expect("something to say");
    assert!(matches!(ours.domain.say(&leased).await.unwrap(), Delivery::Said(_)));
    let space = theirs.received("bob").await.space;
    // The first is dead; nobody says it before the lease ends.
    assert!(ours.domain.lease_outgoing("second").await.unwrap().is_none());
    ours.advance(Duration::from_secs(241));
    theirs.advance(Duration::from_secs(241));
    assert_eq!(ours.say().await, 1);
    assert_eq!(ours.federated(&share).await.state, FederatedState::Sent);
    assert_eq!(theirs.received("bob").await.space, space, "the same share");
    // The dead one comes to life and records late: the lease is another's, and nothing changes.
    let late = Delivery::Forbidden("too late".to_owned());
    ours.domain.record_delivery(leased, late, &Backoff::default()).await.unwrap();
    theirs.domain.accept_received(&theirs.user("bob").await, space).await.unwrap();
    theirs.say().await;
    assert_eq!(ours.federated(&share).await.state, FederatedState::Accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_taken_back_before_it_was_said_is_never_said() {
    let (ours, theirs) = (Site::listening().await, Site::listening().await);
    ours.folder("anna", "/mirror").await;
    let share = ours.share("anna", "/mirror", bob_at(&theirs), Role::Viewer).await;
    ours.domain.revoke_share(&ours.user("anna").await, share.id).await.unwrap();
    assert_eq!(ours.say().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_say_everything_once() {
    let (ours, theirs) = (Site::listening().await, Site::listening().await);
    for number in 0..6 {
        ours.folder("anna", &format!("/{number}")).await;
        ours.share("anna", &format!("/{number}"), bob_at(&theirs), Role::Viewer).await;
    }
    let said = tokio::join!(ours.say_until_quiet("one"), ours.say_until_quiet("two"));
    assert_eq!(said.0 + said.1, 6, "{said:?}");
    let received = ours.events().await.iter().filter(|event| *event == "ocm_sent share").count();
    assert_eq!(received, 6);
}
