//! PROPPATCH: what clients attach to items.

use crate::world::{ANNA, Answer, World};

async fn patch(world: &World, path: &str, instructions: &str) -> Answer {
    let body = format!("<d:propertyupdate xmlns:d=\"DAV:\" xmlns:z=\"urn:z\">{instructions}</d:propertyupdate>");
    world.request("PROPPATCH", path).send(body).await
}

fn set(properties: &str) -> String {
    format!("<d:set><d:prop>{properties}</d:prop></d:set>")
}

#[tokio::test]
async fn dead_properties_are_kept_as_given_and_follow_the_file() {
    let world = World::new().await;
    let path = format!("{ANNA}/f");
    world.put(&path, "x").await;
    let value = "<z:colour a=\"1\">r\u{e9}d &amp; <z:b xmlns:y=\"urn:y\" y:c=\"2\"/></z:colour>";
    let patched = patch(&world, &path, &set(value)).await;
    assert_eq!(patched.status, 207);
    assert!(patched.text().contains("200 OK"), "{}", patched.text());
    let ask = "<colour xmlns=\"urn:z\"/>";
    let expected = value.replacen(" a=", " xmlns:z=\"urn:z\" a=", 1);
    let found = world.properties(&path, "0", ask).await;
    assert!(found.text().contains(&expected), "{}", found.text());
    let to = format!("{ANNA}/g");
    world.request("MOVE", &path).header("destination", &to).send("").await;
    let found = world.properties(ANNA, "1", ask).await;
    assert!(found.text().contains(&expected), "{}", found.text());
    let all = world.request("PROPFIND", &to).header("depth", "0").send("").await;
    assert!(all.text().contains(&expected), "{}", all.text());

    patch(&world, &to, "<d:remove><d:prop><z:colour/></d:prop></d:remove>").await;
    let gone = world.properties(&to, "0", ask).await;
    assert!(gone.text().contains("404 Not Found"), "{}", gone.text());
}

#[tokio::test]
async fn all_or_nothing() {
    let world = World::new().await;
    let path = format!("{ANNA}/f");
    world.put(&path, "x").await;
    let patched = patch(&world, &path, &set("<z:a>1</z:a><d:getetag>\"x\"</d:getetag>")).await;
    assert_eq!(patched.status, 207);
    let text = patched.text();
    assert!(text.contains("<d:getetag/></d:prop><d:status>HTTP/1.1 403"), "{text}");
    assert!(text.contains("<x:a xmlns:x=\"urn:z\"/></d:prop><d:status>HTTP/1.1 424"), "{text}");
    let found = world.properties(&path, "0", "<a xmlns=\"urn:z\"/>").await;
    assert!(!found.text().contains("200 OK"), "{}", found.text());
}

#[tokio::test]
async fn clients_set_the_time_by_three_names() {
    let world = World::new().await;
    let path = format!("{ANNA}/f");
    world.put(&path, "x").await;
    for (property, shown) in [
        ("<d:lastmodified>1600000000</d:lastmodified>", "Sun, 13 Sep 2020 12:26:40 GMT"),
        ("<d:getlastmodified>Wed, 01 Jan 2020 00:00:00 GMT</d:getlastmodified>", "Wed, 01 Jan 2020 00:00:00 GMT"),
        (
            "<Win32LastModifiedTime xmlns=\"urn:schemas-microsoft-com:\">Thu, 02 Jan 2020 00:00:00 GMT</Win32LastModifiedTime>\
             <Win32FileAttributes xmlns=\"urn:schemas-microsoft-com:\">00000020</Win32FileAttributes>",
            "Thu, 02 Jan 2020 00:00:00 GMT",
        ),
    ] {
        let patched = patch(&world, &path, &set(property)).await;
        assert!(patched.text().contains("200 OK"), "{}", patched.text());
        assert_eq!(world.get(&path).await.header("last-modified"), shown);
    }
    let unreadable = patch(&world, &path, &set("<d:lastmodified>yesterday</d:lastmodified>")).await;
    assert!(unreadable.text().contains("409 Conflict"), "{}", unreadable.text());
}

#[tokio::test]
async fn an_item_does_not_take_properties_without_end() {
    let world = World::new().await;
    let path = format!("{ANNA}/f");
    world.put(&path, "x").await;
    let some = |from: usize| (from..from + 60).map(|n| format!("<z:p{n}/>")).collect::<String>();
    assert_eq!(patch(&world, &path, &set(&some(0))).await.status, 207);
    let refused = patch(&world, &path, &set(&some(60))).await;
    assert_eq!(refused.status, 507);
    assert!(refused.text().contains("at most 100 properties"), "{}", refused.text());
    let none_of_them = world.properties(&path, "0", "<p60 xmlns=\"urn:z\"/>").await;
    assert!(none_of_them.text().contains("404 Not Found"), "all or nothing");
    let large = |n: usize| set(&format!("<z:p{n}>{}</z:p{n}>", "v".repeat(60_000)));
    for n in 0..4 {
        assert_eq!(patch(&world, &path, &large(n)).await.status, 207, "{n}");
    }
    assert_eq!(patch(&world, &path, &large(4)).await.status, 507);
    assert_eq!(patch(&world, &path, "<d:remove><d:prop><z:p0/></d:prop></d:remove>").await.status, 207);
}
