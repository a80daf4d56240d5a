//! Administration on a store of its own.

use super::*;
use crate::auth::Entrance;
use crate::{Settings, SystemClock};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use stitchbox_blob::BlobStore;
use stitchbox_store::Store;

async fn empty() -> (Domain, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}", folder.path().join("meta.db").display())).await.unwrap();
    let blobs = BlobStore::local(&folder.path().join("blobs")).unwrap();
    let domain = Domain::new(store, blobs, Arc::new(SystemClock), Settings::default(), &[7; 32]).await.unwrap();
    (domain, folder)
}

fn user(name: &str) -> NewUser {
    NewUser { name: name.to_owned(), password: Some(format!("stable horse {name}")), ..NewUser::default() }
}

#[tokio::test]
async fn the_first_start_makes_an_administrator_once() {
    let (domain, _folder) = empty().await;
    let password = domain.first_start().await.unwrap().expect("nobody is there");
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let admin = domain.login_basic("admin", &password, client, Entrance::Api).await.unwrap();
    assert!(admin.is_admin);
    assert_eq!(domain.first_start().await.unwrap(), None);
    let (other, _folder) = empty().await;
    other.add_user(user("ada")).await.unwrap();
    assert_eq!(other.first_start().await.unwrap(), None);
}

#[tokio::test]
async fn a_user_comes_with_a_personal_space_and_a_refused_one_leaves_nothing() {
    let (domain, _folder) = empty().await;
    let ada = domain.add_user(user("ada")).await.unwrap();
    assert_eq!(ada.display_name, "ada");
    let spaces = domain.spaces().await.unwrap();
    let [(space, quota)] = spaces.as_slice() else { panic!("one space: {spaces:?}") };
    assert_eq!((space.name.as_str(), space.kind, space.owner), ("ada", SpaceKind::Personal, Some(ada.id)));
    assert_eq!((quota.used, quota.limit), (0, None));
    assert!(matches!(domain.add_user(user("ada")).await, Err(Error::Exists)));
    assert!(matches!(domain.add_user(user("a/b")).await, Err(Error::Name(_))));
    let weak = NewUser { password: Some("seven77".to_owned()), ..user("eve") };
    assert!(matches!(domain.add_user(weak).await, Err(Error::WeakPassword)));
    assert_eq!(domain.users().await.unwrap().len(), 1);
    assert_eq!(domain.spaces().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_space_without_its_manager_is_not_made() {
    let (domain, _folder) = empty().await;
    domain.add_user(user("ada")).await.unwrap();
    let space = |name: &str, manager: Option<&str>| NewSpace {
        name: name.to_owned(),
        manager: manager.map(str::to_owned),
        quota: Some(1000),
    };
    assert!(matches!(domain.add_space(space("ring", Some("eve"))).await, Err(Error::NotFound)));
    assert_eq!(domain.spaces().await.unwrap().len(), 1, "undone");
    domain.add_space(space("ring", Some("ada"))).await.unwrap();
    assert!(matches!(domain.add_space(space("ring", None)).await, Err(Error::Exists)));
    domain.add_space(space("ada", None)).await.expect("a project may be called as somebody's personal space");
    domain.set_quota("ring", None).await.unwrap();
    let spaces = domain.spaces().await.unwrap();
    let ring = spaces.iter().find(|(space, _)| space.name == "ring").unwrap();
    assert_eq!(ring.1.limit, None);
    assert!(matches!(domain.set_quota("nowhere", None).await, Err(Error::NotFound)));
}

#[tokio::test]
async fn members_come_change_and_go() {
    let (domain, _folder) = empty().await;
    let ada = domain.add_user(user("ada")).await.unwrap();
    let ring = domain.add_space(NewSpace { name: "ring".to_owned(), ..NewSpace::default() }).await.unwrap();
    let role = async || spaces::role_of(&mut domain.store.read().await.unwrap(), ring.id, ada.id).await.unwrap();
    assert_eq!(role().await, None);
    for step in [Some(Role::Viewer), Some(Role::Manager), None, None] {
        domain.set_member("ring", "ada", step).await.unwrap();
        assert_eq!(role().await, step);
    }
    assert!(matches!(domain.set_member("ring", "eve", None).await, Err(Error::NotFound)));
    assert!(matches!(domain.set_member("ada", "ada", None).await, Err(Error::NotFound)), "no project space");
}

#[tokio::test]
async fn app_passwords_are_listed_and_revoked_by_their_user() {
    let (domain, _folder) = empty().await;
    domain.add_user(user("ada")).await.unwrap();
    domain.add_user(user("eve")).await.unwrap();
    let (made, secret) = domain.add_app_password("ada", "laptop", None, false).await.unwrap();
    let listed = domain.app_passwords("ada").await.unwrap();
    assert_eq!(listed.iter().map(|found| found.label.as_str()).collect::<Vec<_>>(), ["laptop"]);
    assert!(!listed[0].secret_hash.contains(&secret));
    assert!(matches!(domain.revoke_app_password("eve", made.id).await, Err(Error::NotFound)));
    domain.revoke_app_password("ada", made.id).await.unwrap();
    assert!(domain.app_passwords("ada").await.unwrap().is_empty());
    assert!(matches!(domain.add_app_password("ada", "x", Some("eve"), false).await, Err(Error::NotFound)));
    domain.add_app_password("ada", "x", Some("ada"), false).await.expect("her personal space");
}
