//! Locks: LOCK, UNLOCK, and what they keep others from doing.

use crate::world::{ANNA, Answer, PASSWORD, World};
use stitchbox_schema::Role;

const INFO: &str = "<?xml version=\"1.0\"?><d:lockinfo xmlns:d=\"DAV:\"><d:lockscope><d:exclusive/></d:lockscope>\
    <d:locktype><d:write/></d:locktype><d:owner><d:href>me &amp; you</d:href></d:owner></d:lockinfo>";

async fn lock(world: &World, path: &str, depth: &str) -> (Answer, String) {
    let call = world.request("LOCK", path).header("depth", depth).header("timeout", "Infinite, Second-60");
    let answer = call.send(INFO).await;
    let token = answer.header("lock-token").trim_matches(['<', '>']).to_owned();
    (answer, token)
}

#[tokio::test]
async fn a_lock_keeps_everybody_out_who_does_not_show_its_token() {
    let world = World::new().await;
    let path = format!("{ANNA}/f");
    world.put(&path, "old").await;
    let (locked, token) = lock(&world, &path, "0").await;
    assert_eq!(locked.status, 200);
    assert!(locked.text().contains(&token) && token.starts_with("urn:uuid:"), "{}", locked.text());

    let refused = world.put(&path, "new").await;
    assert_eq!(refused.status, 423);
    assert!(refused.text().contains(&format!("<d:lock-token-submitted><d:href>{path}</d:href>")), "{}", refused.text());
    assert_eq!(world.request("DELETE", &path).send("").await.status, 423);
    assert_eq!(lock(&world, &path, "0").await.0.status, 423);
    let shown = world.request("PUT", &path).header("if", &format!("(<{token}>)")).send("new").await;
    assert_eq!(shown.status, 204);
    let tagged = format!("<http://localhost{path}> (<{token}>)");
    assert_eq!(world.request("PUT", &path).header("if", &tagged).send("newer").await.status, 204);
    let wrong = world.request("PUT", &path).header("if", "(<urn:uuid:none>)").send("x").await;
    assert_eq!(wrong.status, 412);

    let discovered = world.properties(&path, "0", "<d:lockdiscovery/>").await;
    assert!(discovered.element("d:lockroot").unwrap().contains(&path), "{}", discovered.text());
    assert!(discovered.text().contains("me &amp; you"), "{}", discovered.text());

    let unlock = async |token: &str| {
        world.request("UNLOCK", &path).header("lock-token", &format!("<{token}>")).send("").await.status
    };
    assert_eq!(unlock("urn:uuid:none").await, 409);
    assert_eq!(unlock(&token).await, 204);
    assert_eq!(world.put(&path, "free").await.status, 204);
    assert_eq!(world.request("UNLOCK", &path).send("").await.status, 400);
}

#[tokio::test]
async fn locking_nothing_makes_an_empty_file() {
    let world = World::new().await;
    let path = format!("{ANNA}/new.txt");
    let (locked, token) = lock(&world, &path, "0").await;
    assert_eq!(locked.status, 201);
    assert_eq!(world.get(&path).await.text(), "");
    assert_eq!(world.put(&path, "x").await.status, 423);
    assert_eq!(world.request("PUT", &path).header("if", &format!("(<{token}>)")).send("x").await.status, 204);
    assert_eq!(lock(&world, &format!("{ANNA}/none/new.txt"), "0").await.0.status, 409);
    assert_eq!(lock(&world, &format!("{ANNA}/Spaces"), "0").await.0.status, 403);
}

#[tokio::test]
async fn a_deep_lock_holds_below_and_is_refreshed_from_there() {
    let world = World::new().await;
    let folder = format!("{ANNA}/d%20d");
    world.mkcol(&folder).await;
    world.put(&format!("{folder}/f"), "x").await;
    let (_, token) = lock(&world, &folder, "infinity").await;
    assert_eq!(world.put(&format!("{folder}/f"), "y").await.status, 423);
    assert_eq!(world.put(&format!("{folder}/g"), "y").await.status, 423);
    let refresh = async |token: &str| {
        let call = world.request("LOCK", &format!("{folder}/f")).header("if", &format!("(<{token}>)"));
        call.header("timeout", "Second-120").send("").await
    };
    let refreshed = refresh(&token).await;
    assert_eq!(refreshed.status, 200);
    assert!(refreshed.text().contains("Second-120") && refreshed.text().contains(&folder), "{}", refreshed.text());
    assert!(refreshed.text().contains("me &amp; you"), "{}", refreshed.text());
    assert_eq!(refresh("urn:uuid:none").await.status, 412);
    assert_eq!(world.request("LOCK", &folder).send("").await.status, 400);
}

#[tokio::test]
async fn a_token_in_other_hands_opens_nothing() {
    let world = World::new().await;
    world.domain.set_member("KB", "vera", Some(Role::Editor)).await.unwrap();
    let path = "/dav/spaces/KB/f";
    world.put(path, "x").await;
    let (_, token) = lock(&world, path, "0").await;
    let stolen = world.request("PUT", path).login("vera", PASSWORD).header("if", &format!("(<{token}>)"));
    assert_eq!(stolen.send("y").await.status, 423);
    let broken = world.request("UNLOCK", path).login("vera", PASSWORD).header("lock-token", &format!("<{token}>"));
    assert_eq!(broken.send("").await.status, 409);
}

#[tokio::test]
async fn bodies_meant_to_hurt_are_refused() {
    let world = World::new().await;
    let path = format!("{ANNA}/f");
    for body in ["<a>".repeat(20_000), INFO.replace("lockinfo", "x"), "<not xml".to_owned()] {
        let answer = world.request("LOCK", &path).send(body).await;
        assert_eq!(answer.status, 400);
    }
    assert_eq!(world.get(&path).await.status, 404);
}

#[tokio::test]
async fn an_owner_is_a_name_and_not_a_book() {
    let world = World::new().await;
    let path = format!("{ANNA}/f");
    let owner = format!("<d:owner>{}</d:owner></d:lockinfo>", "o".repeat(5000));
    let answer = world.request("LOCK", &path).send(INFO.replace("</d:lockinfo>", &owner)).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("owner of the lock"), "{}", answer.text());
    assert_eq!(world.get(&path).await.status, 404);
}
