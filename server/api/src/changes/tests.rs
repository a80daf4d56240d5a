//! The feed as its clients hear it.

use crate::testing::{Answer, EventReader, House};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn start(house: &House, space: &str) -> String {
    let answer = house.get(&format!("/api/v1/changes?space={space}")).await;
    assert_eq!(
        (answer.status, &answer.body["items"]),
        (200, &json!([])),
        "without a cursor none, and one to begin with"
    );
    answer.body["cursor"].as_str().unwrap().to_owned()
}

async fn since(house: &House, space: &str, cursor: &str) -> Answer {
    house.get(&format!("/api/v1/changes?space={space}&cursor={cursor}")).await
}

fn named<'a>(body: &'a Value, name: &str) -> &'a Value {
    body["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn what_changed_is_told_once_as_it_is_now() {
    let house = House::new().await;
    house.folder("ada", "/old").await;
    let cursor = start(&house, "ada").await;
    house.folder("ada", "/m").await;
    house.write("ada", "/m/a.dat", b"1").await;
    house.write("ada", "/m/a.dat", b"12345").await;
    house.write("ada", "/gone", b"x").await;
    house.remove("ada", "/gone").await;
    let answer = since(&house, "ada", &cursor).await;
    let items = answer.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "{items:?}");
    assert_eq!((answer.body["more"].as_bool(), &answer.body["role"]), (Some(false), &json!("manager")));
    let (folder, file) = (named(&answer.body, "m"), named(&answer.body, "a.dat"));
    assert_eq!((&folder["kind"], &folder["made"], &folder["deep"]), (&json!("folder"), &json!(true), &json!(false)));
    assert_eq!((&file["parent"], &file["size"], &file["state"]), (&folder["id"], &json!(5), &json!("present")));
    assert_eq!(file["sha256"], "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5");
    let gone = items.last().unwrap();
    assert_eq!((&gone["state"], gone.as_object().unwrap().len()), (&json!("gone"), 2), "{gone}");
    let next = answer.body["cursor"].as_str().unwrap();
    assert_eq!(since(&house, "ada", next).await.body["items"], json!([]));
}

#[tokio::test]
async fn a_limit_makes_pages_that_follow_each_other() {
    let house = House::new().await;
    let mut cursor = start(&house, "ada").await;
    for number in 0..7 {
        house.write("ada", &format!("/{number}"), b"x").await;
    }
    let (mut names, mut pages) = (Vec::new(), 0);
    loop {
        let page = house.get(&format!("/api/v1/changes?space=ada&cursor={cursor}&limit=3")).await.body;
        names.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        cursor = page["cursor"].as_str().unwrap().to_owned();
        pages += 1;
        if page["more"] == json!(false) {
            break;
        }
    }
    assert_eq!((names.join(""), pages), ("0123456".to_owned(), 3));
}

#[tokio::test]
async fn what_comes_whole_is_deep_and_what_moves_within_is_not() {
    let house = House::new().await;
    house.space("ring", Some("ada"), None).await;
    for folder in ["/a", "/a/b", "/t", "/n"] {
        house.folder("ada", folder).await;
    }
    house.remove("ada", "/t").await;
    let (mine, ring) = (start(&house, "ada").await, start(&house, "ring").await);
    house.copy(("ada", "/a"), ("ada", "/copy")).await;
    house.relocate(("ada", "/n"), ("ada", "/a/n")).await;
    house.relocate(("ada", "/a/b"), ("ring", "/b")).await;
    let trash = house.get("/api/v1/trash?space=ada").await.body["items"][0]["item"].clone();
    house.call("POST", &format!("/api/v1/trash/{}/restore", trash.as_str().unwrap())).await;
    let (mine, ring) = (since(&house, "ada", &mine).await.body, since(&house, "ring", &ring).await.body);
    let deep = |body: &Value, name: &str| named(body, name)["deep"].as_bool();
    assert_eq!((deep(&mine, "copy"), deep(&mine, "n"), deep(&mine, "t")), (Some(true), Some(false), Some(true)));
    let gone: Vec<_> = mine["items"].as_array().unwrap().iter().filter(|item| item["state"] == "gone").collect();
    assert_eq!((gone.len(), &gone[0]["id"]), (1, &named(&ring, "b")["id"]), "gone in the one, present in the other");
    assert_eq!(deep(&ring, "b"), Some(true));
}

#[tokio::test]
async fn waiting_ends_with_the_change_or_with_the_time() {
    let house = House::new().await;
    house.space("ring", Some("ada"), None).await;
    let (mine, ring) = (start(&house, "ada").await, start(&house, "ring").await);
    let begun = Instant::now();
    let mine = format!("/api/v1/changes?space=ada&cursor={mine}&wait=20");
    let ring = format!("/api/v1/changes?space=ring&cursor={ring}&wait=1");
    let (one, another, quiet, ()) = tokio::join!(house.get(&mine), house.get(&mine), house.get(&ring), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        house.write("ada", "/f", b"x").await;
    });
    assert_eq!(
        (named(&one.body, "f")["size"].as_i64(), named(&another.body, "f")["size"].as_i64()),
        (Some(1), Some(1))
    );
    assert_eq!((quiet.status, &quiet.body["items"]), (200, &json!([])), "other spaces wake nobody");
    assert!(quiet.body["cursor"].as_str() > Some("0"), "its cursor goes on with the journal");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn other_processes_changes_end_the_waiting_too() {
    let house = House::new().await;
    let other = house.another_process().await;
    let cursor = start(&house, "ada").await;
    let address = format!("/api/v1/changes?space=ada&cursor={cursor}&wait=20");
    let begun = Instant::now();
    let (heard, ()) = tokio::join!(house.get(&address), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        house.write_through(&other, "ada", "/f", b"x").await;
    });
    assert_eq!(named(&heard.body, "f")["size"], 1);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_stream_tells_the_same_documents_and_is_resumed() {
    let house = House::new().await;
    let mut events = EventReader::open(&house, "/api/v1/changes?space=ada", None).await;
    let (begin, first) = events.next_data().await;
    assert_eq!((&first["items"], &first["cursor"]), (&json!([]), &json!(begin)));
    house.write("ada", "/one", b"x").await;
    let (_, told) = events.next_data().await;
    assert_eq!(named(&told, "one")["size"], 1);
    drop(events);
    house.write("ada", "/two", b"xx").await;
    let mut resumed = EventReader::open(&house, "/api/v1/changes?space=ada&cursor=1", Some(&begin)).await;
    let (_, told) = resumed.next_data().await;
    assert_eq!((named(&told, "one")["size"].as_i64(), named(&told, "two")["size"].as_i64()), (Some(1), Some(2)));
    house.stop.cancel();
    assert!(tokio::time::timeout(Duration::from_secs(5), resumed.end()).await.is_ok(), "it goes on");
}

#[tokio::test]
async fn who_may_not_read_hears_nothing() {
    let house = House::new().await;
    house.space("ring", Some("ada"), None).await;
    house.user("eve").await;
    assert_eq!(house.by("eve", "GET", "/api/v1/changes?space=ring").await.status, 404);
    house.domain.set_member("ring", "eve", Some(stitchbox_schema::Role::Viewer)).await.unwrap();
    let answer = house.by("eve", "GET", "/api/v1/changes?space=ring").await;
    assert_eq!((answer.status, &answer.body["role"]), (200, &json!("viewer")));
    let cursor = answer.body["cursor"].as_str().unwrap().to_owned();
    let mut events = EventReader::open_as(&house, "eve", "/api/v1/changes?space=ring", None).await;
    events.next_data().await;
    let address = format!("/api/v1/changes?space=ring&cursor={cursor}&wait=3");
    let (waiting, ()) = tokio::join!(house.by("eve", "GET", &address), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        house.domain.set_member("ring", "eve", None).await.unwrap();
    });
    assert_eq!(waiting.status, 404, "a member no more");
    house.write("ring", "/secret", b"x").await;
    assert!(tokio::time::timeout(Duration::from_secs(5), events.end()).await.is_ok(), "her stream ends");
    let (_, limited) = house.domain.add_app_password("ada", "one space", Some("ring"), false).await.unwrap();
    let (_, create_only) = house.domain.add_app_password("ada", "rig", Some("ring"), true).await.unwrap();
    for (secret, space, status) in [(&limited, "ring", 200), (&limited, "ada", 404), (&create_only, "ring", 403)] {
        let answer = house.with_secret("ada", secret, &format!("/api/v1/changes?space={space}")).await;
        assert_eq!(answer.status, status, "{space}");
        let answer = house.with_secret("ada", secret, &format!("/api/v1/tree?space={space}")).await;
        assert_eq!(answer.status, status, "{space}");
    }
}

#[tokio::test]
async fn a_cursor_this_journal_does_not_know_is_refused() {
    let house = House::new().await;
    let beyond = since(&house, "ada", "1000000").await;
    assert_eq!((beyond.status, beyond.code()), (410, "cursor_too_old"));
    assert!(beyond.body["error"]["message"].as_str().unwrap().contains("list the tree again"));
    for garbled in ["x", "-1", "1.5", ""] {
        assert_eq!(since(&house, "ada", garbled).await.status, 400, "{garbled}");
    }
    assert_eq!(house.get("/api/v1/changes").await.status, 400);
}
