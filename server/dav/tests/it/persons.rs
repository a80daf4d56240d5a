//! What a person does for herself: locks on files and marks.

use crate::world::{ANNA, Answer, PASSWORD, World};

const LOCK: &str = "<nc:lock/><nc:lock-owner/><nc:lock-owner-type/><nc:lock-time/><nc:lock-timeout/>";

async fn user_lock(world: &World, method: &str, path: &str, user: &str) -> Answer {
    world.request(method, path).header("x-user-lock", "1").login(user, PASSWORD).send("").await
}

#[tokio::test]
async fn a_persons_lock_stops_everybody_else() {
    let world = World::new().await;
    world.domain.set_member("KB", "otto", Some(stitchbox_schema::Role::Editor)).await.unwrap();
    let file = "/dav/spaces/KB/f";
    world.put(file, "one").await;
    let locked = user_lock(&world, "LOCK", file, "anna").await;
    assert_eq!(locked.status, 200);
    assert_eq!(
        (locked.element("nc:lock").unwrap(), locked.element("nc:lock-owner").unwrap()),
        ("1".into(), "anna".into())
    );
    assert_eq!(user_lock(&world, "LOCK", file, "anna").await.status, 200, "again is longer");

    let refused = world.request("PUT", file).login("otto", PASSWORD).send("other").await;
    assert_eq!(refused.status, 423);
    assert!(refused.text().contains("locked by anna"), "{}", refused.text());
    let refused = user_lock(&world, "LOCK", file, "otto").await;
    assert_eq!((refused.status.as_u16(), refused.element("nc:lock-owner").unwrap()), (423, "anna".into()));
    assert_eq!(user_lock(&world, "UNLOCK", file, "otto").await.status, 423);
    let told = world.properties(file, "0", LOCK).await;
    assert_eq!(told.element("nc:lock-owner-type").unwrap(), "0");

    assert_eq!(world.put(file, "two").await.status, 204, "her own programs show no token");
    let moved = world.request("MOVE", file).header("destination", "/dav/spaces/KB/g").send("").await;
    assert_eq!(moved.status, 201);
}

#[tokio::test]
async fn a_persons_lock_ends_when_she_ends_it() {
    let world = World::new().await;
    world.domain.set_member("KB", "otto", Some(stitchbox_schema::Role::Editor)).await.unwrap();
    let file = "/dav/spaces/KB/f";
    world.put(file, "one").await;
    assert_eq!(user_lock(&world, "UNLOCK", file, "anna").await.status, 412, "there is none");
    user_lock(&world, "LOCK", file, "otto").await;
    assert_eq!(user_lock(&world, "UNLOCK", file, "otto").await.status, 200);
    assert_eq!(world.put(file, "two").await.status, 204);
    user_lock(&world, "LOCK", file, "otto").await;
    assert_eq!(user_lock(&world, "UNLOCK", file, "anna").await.status, 200, "a manager ends anybody's");
    let told = world.properties(file, "0", LOCK).await;
    assert_eq!((told.element("nc:lock").unwrap().as_str(), told.element("nc:lock-owner")), ("", None));
    world.mkcol("/dav/spaces/KB/d").await;
    assert_eq!(user_lock(&world, "LOCK", "/dav/spaces/KB/d", "anna").await.status, 405, "folders are not locked so");
}

#[tokio::test]
async fn her_office_program_locks_what_she_locked() {
    let world = World::new().await;
    let file = format!("{ANNA}/f.odt");
    world.put(&file, "one").await;
    user_lock(&world, "LOCK", &file, "anna").await;
    let body = "<d:lockinfo xmlns:d=\"DAV:\"><d:lockscope><d:exclusive/></d:lockscope>\
                <d:locktype><d:write/></d:locktype></d:lockinfo>";
    let taken = world.request("LOCK", &file).send(body).await;
    assert_eq!(taken.status, 200);
    assert_eq!(world.put(&file, "two").await.status, 423, "a program's lock wants its token");
    let token = taken.header("lock-token").to_owned();
    let put = world.request("PUT", &file).header("if", &format!("({token})")).send("two").await;
    assert_eq!(put.status, 204);
}

#[tokio::test]
async fn a_mark_is_seen_by_who_set_it_and_changes_nothing_else() {
    let world = World::new().await;
    world.put("/dav/spaces/KB/f", "x").await;
    let before = world.properties("/dav/spaces/KB/", "0", "<d:getetag/>").await.element("d:getetag");
    let mark = |value: &str| {
        format!(
            "<d:propertyupdate xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\"><d:set><d:prop>\
             <oc:favorite>{value}</oc:favorite></d:prop></d:set></d:propertyupdate>"
        )
    };
    let set = world.request("PROPPATCH", "/dav/spaces/KB/f").login("vera", PASSWORD).send(mark("1")).await;
    assert!(set.status == 207 && set.text().contains("200 OK"), "a viewer may: {}", set.text());
    let body = crate::world::propfind("<oc:favorite/>");
    let ask = |user: &'static str| {
        world.request("PROPFIND", "/dav/spaces/KB/").header("depth", "1").login(user, PASSWORD).send(body.clone())
    };
    assert_eq!(ask("vera").await.text().matches("<oc:favorite>1<").count(), 1);
    assert_eq!(ask("anna").await.text().matches("<oc:favorite>1<").count(), 0);
    let after = world.properties("/dav/spaces/KB/", "0", "<d:getetag/>").await.element("d:getetag");
    assert_eq!(before, after);
    world.request("PROPPATCH", "/dav/spaces/KB/f").login("vera", PASSWORD).send(mark("0")).await;
    assert_eq!(ask("vera").await.text().matches("<oc:favorite>1<").count(), 0);
}

#[tokio::test]
async fn marked_files_are_found_wherever_they_lie() {
    let world = World::new().await;
    world.put("/dav/spaces/KB/f", "x").await;
    world.mkcol(&format!("{ANNA}/a")).await;
    world.put(&format!("{ANNA}/a/g"), "x").await;
    let own = format!("{ANNA}/a/g");
    for path in ["/dav/spaces/KB/f", &own] {
        let mark = "<d:propertyupdate xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\"><d:set><d:prop>\
                    <oc:favorite>1</oc:favorite></d:prop></d:set></d:propertyupdate>";
        assert_eq!(world.request("PROPPATCH", path).send(mark).await.status, 207);
    }
    let ask = |path: &'static str, rule: &str| {
        let body = format!(
            "<oc:filter-files xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\"><d:prop><d:getetag/>\
             <oc:favorite/></d:prop><oc:filter-rules>{rule}</oc:filter-rules></oc:filter-files>"
        );
        world.request("REPORT", path).send(body)
    };
    let mut found = ask(ANNA, "<oc:favorite>1</oc:favorite>").await.hrefs();
    found.sort();
    assert_eq!(found, [format!("{ANNA}/Spaces/KB/f"), own.clone()]);
    assert_eq!(ask("/dav/spaces/KB", "<oc:favorite>1</oc:favorite>").await.hrefs(), ["/dav/spaces/KB/f"]);
    let by_tag = ask(ANNA, "<oc:systemtag>7</oc:systemtag>").await;
    assert!(by_tag.status == 207 && by_tag.hrefs().is_empty());
    world.request("DELETE", &own).send("").await;
    assert_eq!(ask(ANNA, "<oc:favorite>1</oc:favorite>").await.hrefs().len(), 1);
}

#[tokio::test]
async fn files_are_found_by_a_part_of_their_name() {
    let world = World::new().await;
    world.put("/dav/spaces/KB/Mirror_1.dat", "x").await;
    world.mkcol(&format!("{ANNA}/mirrors")).await;
    world.put(&format!("{ANNA}/mirrors/b.dat"), "x").await;
    world.put(&format!("{ANNA}/mirrors/gone%20mirror"), "x").await;
    world.request("DELETE", &format!("{ANNA}/mirrors/gone%20mirror")).send("").await;
    let ask = |below: &str, text: &str| {
        let body = format!(
            "<d:searchrequest xmlns:d=\"DAV:\"><d:basicsearch><d:select><d:prop><d:getetag/></d:prop></d:select>\
             <d:from><d:scope><d:href>{below}</d:href><d:depth>infinity</d:depth></d:scope></d:from><d:where><d:like>\
             <d:prop><d:displayname/></d:prop><d:literal>{text}</d:literal></d:like></d:where></d:basicsearch></d:searchrequest>"
        );
        world.request("SEARCH", "/remote.php/dav/").send(body)
    };
    let mut found = ask("/files/anna", "%mirror%").await.hrefs();
    found.sort();
    assert_eq!(found, [format!("{ANNA}/Spaces/KB/Mirror_1.dat"), format!("{ANNA}/mirrors/")]);
    assert_eq!(ask("/files/anna/mirrors", "%.dat").await.hrefs(), [format!("{ANNA}/mirrors/b.dat")]);
    assert_eq!(ask("/files/vera", "%").await.status, 404);
}
