//! Logging in, end to end on a store of its own.

use super::*;
use crate::{Clock, NewSpace, NewUser, Refusal, Settings};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use stitchbox_blob::BlobStore;
use stitchbox_schema::Timestamp;
use stitchbox_store::Store;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PASSWORD: &str = "stable horse 8741";

/// A clock that goes when told.
#[derive(Debug)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

struct House {
    domain: Domain,
    clock: Arc<Hand>,
    _folder: tempfile::TempDir,
}

async fn house(settings: Settings) -> House {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}", folder.path().join("meta.db").display())).await.unwrap();
    let blobs = BlobStore::local(&folder.path().join("blobs")).unwrap();
    let clock = Arc::new(Hand(AtomicI64::new(1_800_000_000_000_000_000)));
    let domain = Domain::new(store, blobs, clock.clone(), settings, &[7; 32]).await.unwrap();
    let ada = NewUser { name: "ada".to_owned(), password: Some(PASSWORD.to_owned()), ..NewUser::default() };
    domain.add_user(ada).await.unwrap();
    House { domain, clock, _folder: folder }
}

impl House {
    async fn login(&self, password: &str) -> Result<Principal, Error> {
        self.domain.login_basic("ada", password, HERE, Entrance::WebDav).await
    }
}

#[tokio::test]
async fn the_right_password_opens_and_everything_else_looks_the_same() {
    let house = house(Settings::default()).await;
    let ada = house.login(PASSWORD).await.unwrap();
    assert_eq!((ada.name.as_str(), ada.scope, ada.is_admin), ("ada", Scope::default(), false));
    for (name, password) in
        [("ada", "wrong"), ("ada", ""), ("", ""), ("eve", PASSWORD), ("ADA", PASSWORD), ("a\0", PASSWORD)]
    {
        let refused = house.domain.login_basic(name, password, HERE, Entrance::Api).await;
        assert!(matches!(refused, Err(Error::Unauthenticated)), "{name} {password}");
    }
}

#[tokio::test]
async fn a_changed_password_and_a_disabled_user_are_noticed_although_the_login_is_remembered() {
    let house = house(Settings::default()).await;
    house.login(PASSWORD).await.unwrap();
    house.domain.set_password("ada", "another horse 1").await.unwrap();
    assert!(matches!(house.login(PASSWORD).await, Err(Error::Unauthenticated)));
    house.login("another horse 1").await.unwrap();
    house.domain.set_disabled("ada", true).await.unwrap();
    assert!(matches!(house.login("another horse 1").await, Err(Error::Unauthenticated)));
    house.domain.set_disabled("ada", false).await.unwrap();
    house.login("another horse 1").await.unwrap();
}

#[tokio::test]
async fn a_storm_of_first_requests_hashes_once_and_waits_for_nobody() {
    let house = house(Settings::default()).await;
    let started = Instant::now();
    house.login(PASSWORD).await.unwrap();
    let alone = started.elapsed();
    house.domain.set_password("ada", "another horse 1").await.unwrap();
    let started = Instant::now();
    let logins = (0..50).map(|_| house.login("another horse 1"));
    assert!(futures::future::join_all(logins).await.into_iter().all(|login| login.is_ok()));
    assert!(started.elapsed() < alone * 10 + Duration::from_millis(500), "{:?} against {alone:?}", started.elapsed());
}

#[tokio::test]
async fn guessing_is_slowed_down_and_the_owner_still_gets_in() {
    let house = house(Settings::default()).await;
    let guesses: Vec<String> = (0..40).map(|number| format!("guess {number}")).collect();
    let outcomes = futures::future::join_all(guesses.iter().map(|guess| house.login(guess))).await;
    let throttled = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Throttled { .. }))).count();
    assert!(throttled > 20, "{throttled}");
    let Err(Error::Throttled { seconds }) = &outcomes[39] else { panic!("the last one came too often") };
    assert!((1..10).contains(seconds));
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    house.domain.login_basic("ada", PASSWORD, elsewhere, Entrance::Api).await.unwrap();
    house.login(PASSWORD).await.expect("known by now, from wherever it came");
}

#[tokio::test]
async fn an_app_password_opens_what_it_says_until_it_is_revoked() {
    let house = house(Settings { account_passwords_on_webdav: false, ..Settings::default() }).await;
    assert!(matches!(house.login(PASSWORD).await, Err(Error::Unauthenticated)), "turned off");
    house.domain.login_basic("ada", PASSWORD, HERE, Entrance::Api).await.unwrap();
    let ring = NewSpace { name: "ring".to_owned(), manager: Some("ada".to_owned()), quota: None };
    let ring = house.domain.add_space(ring).await.unwrap();
    let (made, secret) = house.domain.add_app_password("ada", "rig", Some("ring"), true).await.unwrap();
    let rig = house.login(&secret).await.unwrap();
    assert_eq!(rig.scope, Scope { space: Some(ring.id), create_only: true, share: None });
    assert!(house.domain.login_basic("eve", &secret, HERE, Entrance::WebDav).await.is_err(), "somebody else's");
    let token = house.domain.issue_token("ada", &secret, HERE).await.unwrap().token;
    assert_eq!(house.domain.login_bearer(&token, Entrance::WebDav).await.unwrap(), rig);
    house.domain.revoke_app_password("ada", made.id).await.unwrap();
    assert!(matches!(house.login(&secret).await, Err(Error::Unauthenticated)));
    assert!(matches!(house.domain.login_bearer(&token, Entrance::WebDav).await, Err(Error::Unauthenticated)));
}

#[tokio::test]
async fn a_token_ends_with_its_time_its_password_and_its_user() {
    let house = house(Settings::default()).await;
    let issue = || async { house.domain.issue_token("ada", PASSWORD, HERE).await.unwrap().token };
    let token = issue().await;
    assert_eq!(house.domain.login_bearer(&token, Entrance::WebDav).await.unwrap().name, "ada");
    house.clock.0.fetch_add(16 * 60 * 1_000_000_000, Ordering::Relaxed);
    assert!(house.domain.login_bearer(&token, Entrance::WebDav).await.is_err(), "older than 15 minutes");
    let token = issue().await;
    house.domain.set_disabled("ada", true).await.unwrap();
    assert!(house.domain.login_bearer(&token, Entrance::WebDav).await.is_err(), "disabled");
    house.domain.set_disabled("ada", false).await.unwrap();
    assert!(house.domain.login_bearer(&token, Entrance::WebDav).await.is_ok());
    house.domain.set_password("ada", "another horse 1").await.unwrap();
    assert!(house.domain.login_bearer(&token, Entrance::WebDav).await.is_err(), "issued for another password");
    assert!(matches!(house.domain.issue_token("ada", PASSWORD, HERE).await, Err(Error::Unauthenticated)));
}

#[tokio::test]
async fn a_token_is_no_way_around_what_is_turned_off() {
    let house = house(Settings { account_passwords_on_webdav: false, ..Settings::default() }).await;
    let token = Credentials::Bearer(house.domain.issue_token("ada", PASSWORD, HERE).await.unwrap().token);
    house.domain.login(&token, HERE, Entrance::Api).await.unwrap();
    assert!(matches!(house.domain.login(&token, HERE, Entrance::WebDav).await, Err(Error::Unauthenticated)));
    let (_, secret) = house.domain.add_app_password("ada", "rig", None, false).await.unwrap();
    let token = Credentials::Bearer(house.domain.issue_token("ada", &secret, HERE).await.unwrap().token);
    house.domain.login(&token, HERE, Entrance::WebDav).await.unwrap();
}

#[tokio::test]
async fn one_network_cannot_go_through_all_names() {
    let house = house(Settings::default()).await;
    let names: Vec<String> = (0..80).map(|number| format!("user{number}")).collect();
    let guesses = names.iter().map(|name| house.domain.login_basic(name, "guess", HERE, Entrance::Api));
    let outcomes = futures::future::join_all(guesses).await;
    let throttled = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Throttled { .. }))).count();
    assert!((10..30).contains(&throttled), "{throttled}");
}

const PROGRAM: &str = "mirall/3.7.3 (Nextcloud)\n";

#[tokio::test]
async fn a_login_through_a_browser_ends_after_twenty_minutes_granted_or_not() {
    let house = house(Settings::default()).await;
    let minutes = |count: i64| house.clock.0.fetch_add(count * 60 * 1_000_000_000, Ordering::Relaxed);
    let late = house.domain.begin_login(PROGRAM, HERE).await.unwrap();
    let granted = house.domain.begin_login(PROGRAM, HERE).await.unwrap();
    house.domain.grant_login(&granted.grant, "ada", PASSWORD, HERE).await.unwrap();
    minutes(19);
    assert_eq!(house.domain.login_to_grant(&late.grant).await.unwrap(), "mirall/3.7.3 (Nextcloud)");
    minutes(2);
    let refused = house.domain.grant_login(&late.grant, "ada", PASSWORD, HERE).await;
    assert!(matches!(refused, Err(Error::NotFound)), "{refused:?}");
    assert!(matches!(house.domain.collect_login(&granted.poll).await, Err(Error::NotFound)));
    assert!(house.domain.app_passwords("ada").await.unwrap().is_empty(), "none was made");
}

#[tokio::test]
async fn a_login_is_collected_by_one_of_many_and_not_for_a_disabled_user() {
    let house = house(Settings::default()).await;
    let begun = house.domain.begin_login(PROGRAM, HERE).await.unwrap();
    house.domain.grant_login(&begun.grant, "ada", PASSWORD, HERE).await.unwrap();
    let polls = futures::future::join_all((0..8).map(|_| house.domain.collect_login(&begun.poll))).await;
    assert_eq!(polls.iter().filter(|poll| poll.is_ok()).count(), 1);
    assert_eq!(house.domain.app_passwords("ada").await.unwrap().len(), 1);
    let begun = house.domain.begin_login(PROGRAM, HERE).await.unwrap();
    house.domain.grant_login(&begun.grant, "ada", PASSWORD, HERE).await.unwrap();
    house.domain.set_disabled("ada", true).await.unwrap();
    assert!(house.domain.collect_login(&begun.poll).await.is_err());
}

#[tokio::test]
async fn the_use_of_an_app_password_is_written_once_an_hour() {
    let house = house(Settings::default()).await;
    let (_, secret) = house.domain.add_app_password("ada", "rig", None, false).await.unwrap();
    let used = || async { house.domain.app_passwords("ada").await.unwrap()[0].last_used_at };
    assert_eq!(used().await, None);
    house.login(&secret).await.unwrap();
    let first = used().await.unwrap();
    house.clock.0.fetch_add(59 * 60 * 1_000_000_000, Ordering::Relaxed);
    house.login(&secret).await.unwrap();
    assert_eq!(used().await, Some(first));
    house.clock.0.fetch_add(2 * 60 * 1_000_000_000, Ordering::Relaxed);
    house.login(&secret).await.unwrap();
    assert_eq!(used().await, Some(first.after(Duration::from_secs(61 * 60))));
}

#[tokio::test]
async fn only_the_password_of_the_account_makes_app_passwords() {
    let house = house(Settings::default()).await;
    let (made, secret) = house.domain.add_app_password("ada", "rig", None, false).await.unwrap();
    let basic = |password: &str| Credentials::Basic { name: "ada".to_owned(), password: password.to_owned() };
    let token = Credentials::Bearer(house.domain.issue_token("ada", &secret, HERE).await.unwrap().token);
    for shown in [basic(&secret), token] {
        let refused = house.domain.login_account(&shown, HERE).await;
        assert!(matches!(refused, Err(Error::Forbidden(Refusal::AppPassword))), "{refused:?}");
    }
    house.domain.login_account(&basic(PASSWORD), HERE).await.unwrap();
    assert!(house.domain.exchange_password("ada", &secret, PROGRAM, HERE).await.is_err());
    house.domain.wipe_app_password("ada", made.id).await.unwrap();
    assert!(house.domain.is_to_be_wiped(&secret).await.unwrap() && house.login(&secret).await.is_err());
    house.domain.wiped(&secret).await.unwrap();
    assert!(!house.domain.is_to_be_wiped(&secret).await.unwrap());
}
