//! The tree: MKCOL, DELETE, MOVE, COPY.

use crate::world::{ANNA, Answer, World};

async fn relocate(world: &World, method: &str, from: &str, to: &str, headers: &[(&str, &str)]) -> Answer {
    let call = world.request(method, &format!("{ANNA}/{from}")).header("destination", to);
    headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send("").await
}

#[tokio::test]
async fn folders_are_made_once() {
    let world = World::new().await;
    let made = world.mkcol(&format!("{ANNA}/a/")).await;
    assert_eq!(made.status, 201);
    assert!(!made.header("oc-fileid").is_empty());
    for (path, status) in [("a", 405), ("none/b", 409), ("Spaces", 405), ("Shares", 403), ("", 405)] {
        assert_eq!(world.mkcol(&format!("{ANNA}/{path}")).await.status, status, "{path}");
    }
    let with_body = world.request("MKCOL", &format!("{ANNA}/b")).send("<x/>").await;
    assert_eq!(with_body.status, 415);
}

#[tokio::test]
async fn deleting_takes_everything_below_and_never_the_root() {
    let world = World::new().await;
    world.mkcol(&format!("{ANNA}/a")).await;
    world.put(&format!("{ANNA}/a/f"), "x").await;
    let shallow = world.request("DELETE", &format!("{ANNA}/a")).header("depth", "0").send("").await;
    assert_eq!(shallow.status, 400);
    assert_eq!(world.request("DELETE", &format!("{ANNA}/a")).send("").await.status, 204);
    assert_eq!(world.get(&format!("{ANNA}/a/f")).await.status, 404);
    assert_eq!(world.request("DELETE", &format!("{ANNA}/a")).send("").await.status, 404);
    for root in [ANNA, "/remote.php/webdav/", "/dav/spaces/KB", &format!("{ANNA}/Spaces"), &format!("{ANNA}/Spaces/KB")]
    {
        assert_eq!(world.request("DELETE", root).send("").await.status, 403, "{root}");
    }
}

#[tokio::test]
async fn a_rename_answers_201_and_keeps_id_etag_and_time() {
    let world = World::new().await;
    world.put(&format!("{ANNA}/a%20b"), "x").await;
    let before = world.properties(&format!("{ANNA}/a%20b"), "0", "<oc:id/><d:getetag/><d:getlastmodified/>").await;
    let moved = relocate(&world, "MOVE", "a%20b", &format!("{ANNA}/%C3%BC"), &[]).await;
    assert_eq!(moved.status, 201);
    let after = world.properties(&format!("{ANNA}/%C3%BC"), "0", "<oc:id/><d:getetag/><d:getlastmodified/>").await;
    for tag in ["oc:id", "d:getetag", "d:getlastmodified"] {
        assert_eq!(before.element(tag), after.element(tag), "{tag}");
    }
    assert_eq!(moved.header("oc-fileid"), after.element("oc:id").unwrap());
    assert_eq!(world.get(&format!("{ANNA}/a%20b")).await.status, 404);
}

#[tokio::test]
async fn destinations_are_paths_or_urls_of_this_server() {
    let world = World::new().await;
    world.put(&format!("{ANNA}/f"), "x").await;
    for (destination, status) in [
        ("http://localhost/remote.php/webdav/g", 201),
        ("HTTP://LOCALHOST:80/remote.php/webdav/g", 204),
        ("http://elsewhere/remote.php/webdav/g", 502),
        ("http://localhost:81/remote.php/webdav/g", 502),
        ("/etc/passwd", 502),
        ("remote.php/webdav/g", 400),
        ("/remote.php/webdav/g#f", 400),
        ("/remote.php/webdav/..%2fg", 400),
        ("/remote.php/webdav/../g", 400),
        ("/remote.php/webdav/none/g", 409),
        ("/remote.php/dav/files/otto/g", 404),
        ("/remote.php/webdav/Spaces", 403),
        ("/remote.php/webdav/f", 403),
        ("/dav/spaces/KB/g", 201),
    ] {
        let copied = relocate(&world, "COPY", "f", destination, &[]).await;
        assert_eq!(copied.status, status, "{destination}");
    }
    assert_eq!(world.request("MOVE", &format!("{ANNA}/f")).send("").await.status, 400);
    assert_eq!(world.get(&format!("{ANNA}/Spaces/KB/g")).await.text(), "x");
}

#[tokio::test]
async fn overwrite_and_depth_are_honoured() {
    let world = World::new().await;
    world.mkcol(&format!("{ANNA}/a")).await;
    world.put(&format!("{ANNA}/a/f"), "new").await;
    world.put(&format!("{ANNA}/b"), "old").await;
    let to_b = format!("{ANNA}/b");
    assert_eq!(relocate(&world, "COPY", "a/f", &to_b, &[("overwrite", "F")]).await.status, 412);
    assert_eq!(world.get(&to_b).await.text(), "old");
    assert_eq!(relocate(&world, "COPY", "a/f", &to_b, &[("overwrite", "T")]).await.status, 204);
    assert_eq!(world.get(&to_b).await.text(), "new");
    assert_eq!(relocate(&world, "COPY", "a", &format!("{ANNA}/c"), &[("depth", "0")]).await.status, 201);
    assert_eq!(world.get(&format!("{ANNA}/c/f")).await.status, 404);
    assert_eq!(relocate(&world, "COPY", "a", &format!("{ANNA}/d"), &[]).await.status, 201);
    assert_eq!(world.get(&format!("{ANNA}/d/f")).await.text(), "new");
    assert_eq!(relocate(&world, "COPY", "a", &format!("{ANNA}/e"), &[("depth", "1")]).await.status, 400);
    assert_eq!(relocate(&world, "MOVE", "a", &format!("{ANNA}/e"), &[("depth", "0")]).await.status, 400);
    assert_eq!(relocate(&world, "MOVE", "a", &format!("{ANNA}/a/below"), &[]).await.status, 403);
    assert_eq!(world.get(&format!("{ANNA}/a/f")).await.text(), "new");
}

#[tokio::test]
async fn a_move_may_bring_its_time_along() {
    let world = World::new().await;
    world.put(&format!("{ANNA}/a"), "x").await;
    let moved = relocate(&world, "MOVE", "a", &format!("{ANNA}/b"), &[("x-oc-mtime", "1600000000")]).await;
    assert_eq!((moved.status.as_u16(), moved.header("x-oc-mtime")), (201, "accepted"));
    assert_eq!(world.get(&format!("{ANNA}/b")).await.header("last-modified"), "Sun, 13 Sep 2020 12:26:40 GMT");
    world.mkcol(&format!("{ANNA}/c")).await;
    let moved = relocate(&world, "MOVE", "c", &format!("{ANNA}/d"), &[("x-oc-mtime", "1600000000")]).await;
    let shown = world.properties(&format!("{ANNA}/d"), "0", "<d:getetag/><d:getlastmodified/>").await;
    assert_eq!(shown.element("d:getetag").unwrap(), moved.header("etag"));
    assert_eq!(shown.element("d:getlastmodified").unwrap(), "Sun, 13 Sep 2020 12:26:40 GMT");
}
