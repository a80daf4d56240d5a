//! Listings: the contract sync clients go by.

use crate::world::{ANNA, World, propfind};

#[tokio::test]
async fn a_listing_has_the_shape_clients_insist_on() {
    let world = World::new().await;
    world.mkcol(&format!("{ANNA}/d%20d")).await;
    world.put(&format!("{ANNA}/d%20d/f%23"), "abc").await;
    world.mkcol(&format!("{ANNA}/d%20d/sub")).await;
    let names = "<d:resourcetype/><d:getcontentlength/><oc:size/><oc:downloadURL/><n xmlns=\"urn:n\"/>";
    let listed = world.properties(&format!("{ANNA}/d%20d"), "1", names).await;
    assert_eq!(listed.status, 207);
    assert_eq!(listed.header("content-type"), "application/xml; charset=utf-8");
    let folder = format!("{ANNA}/d%20d/");
    assert_eq!(listed.hrefs(), [folder.clone(), format!("{folder}f%23"), format!("{folder}sub/")]);
    let text = listed.text();
    assert_eq!(text.matches("<d:status>HTTP/1.1 200 OK</d:status>").count(), 3, "{text}");
    assert_eq!(text.matches("<d:status>HTTP/1.1 404 Not Found</d:status>").count(), 3, "{text}");
    assert!(
        text.contains(
            "<d:resourcetype></d:resourcetype><d:getcontentlength>3</d:getcontentlength><oc:size>3</oc:size>"
        )
    );
    assert!(text.contains("<oc:downloadURL/><x:n xmlns:x=\"urn:n\"/>"), "{text}");
}

#[tokio::test]
async fn bodies_of_real_clients_are_understood() {
    let world = World::new().await;
    let ask = |body: String, depth: &'static str| world.request("PROPFIND", ANNA).header("depth", depth).send(body);
    let stray = propfind("<d:getetag/>").replace("</d:propfind>", "M</d:propfind>\n");
    assert_eq!(ask(stray, "0").await.status, 207);
    let all = ask(String::new(), "0").await;
    assert!(all.element("d:getlastmodified").is_some() && all.element("oc:id").is_none(), "{}", all.text());
    let names = ask("<propfind xmlns=\"DAV:\"><propname/></propfind>".to_owned(), "0").await;
    assert!(names.text().contains("<oc:permissions/>"), "{}", names.text());
    for broken in ["<not xml", "<propfind xmlns=\"DAV:\"/>", "<!DOCTYPE x [<!ENTITY e \"x\">]><x>&e;</x>"] {
        assert_eq!(ask(broken.to_owned(), "0").await.status, 400, "{broken}");
    }
    assert_eq!(ask(format!("<a>{}", " ".repeat(70_000)), "0").await.status, 413);
    let infinite = ask(String::new(), "infinity").await;
    assert_eq!(infinite.status, 403);
    assert!(infinite.text().contains("<d:propfind-finite-depth/>"));
}

#[tokio::test]
async fn a_long_listing_is_complete_and_in_order() {
    let world = World::new().await;
    world.mkcol(&format!("{ANNA}/many")).await;
    for index in 0..600 {
        world.put(&format!("{ANNA}/many/{index:04}"), "x").await;
    }
    let listed = world.properties(&format!("{ANNA}/many"), "1", "<d:getetag/><oc:checksums/>").await;
    let hrefs = listed.hrefs();
    assert_eq!(hrefs.len(), 601);
    assert!(hrefs.is_sorted());
    assert!(listed.text().ends_with("</d:multistatus>\n"));
    assert_eq!(listed.text().matches("<oc:checksum>SHA256:").count(), 600);
    let page = world.get(&format!("{ANNA}/many/")).await;
    assert_eq!(page.text().matches("<li>").count(), 600);
}

#[tokio::test]
async fn maps_and_pictures_say_that_they_have_a_preview() {
    let world = World::new().await;
    world.mkcol(&format!("{ANNA}/p")).await;
    world.put(&format!("{ANNA}/p/a.xyz"), "Zygo XYZ Data File - Format 1\r\n1 9 0\r\n").await;
    world.put(&format!("{ANNA}/p/b.txt"), "words").await;
    let listed = world.properties(&format!("{ANNA}/p"), "1", "<nc:has-preview/>").await;
    let told: Vec<_> = listed.text().match_indices("<nc:has-preview>").map(|(at, tag)| at + tag.len()).collect();
    let words: Vec<_> = told.iter().map(|at| listed.text()[*at..].split('<').next().unwrap().to_owned()).collect();
    assert_eq!(words, ["false", "true", "false"], "the folder, the map, the text");
    let alone = world.properties(&format!("{ANNA}/p/a.xyz"), "0", "<nc:has-preview/>").await;
    assert_eq!(alone.element("nc:has-preview").unwrap(), "true");
}

#[tokio::test]
async fn a_change_deep_below_changes_the_etag_of_every_folder_above_and_of_no_other() {
    let world = World::new().await;
    for folder in ["a", "a/b", "side"] {
        world.mkcol(&format!("{ANNA}/{folder}")).await;
    }
    let etag = async |path: &str| world.properties(path, "0", "<d:getetag/>").await.element("d:getetag").unwrap();
    let places = [ANNA.to_owned(), format!("{ANNA}/a"), format!("{ANNA}/a/b"), format!("{ANNA}/side")];
    let mut before = vec![];
    for place in &places {
        before.push(etag(place).await);
    }
    world.put(&format!("{ANNA}/a/b/f"), "x").await;
    world.get(&format!("{ANNA}/a/b/f")).await;
    let mut changed = vec![];
    for (place, old) in places.iter().zip(&before) {
        changed.push(etag(place).await != *old);
    }
    assert_eq!(changed, [true, true, true, false]);
    let (top, spaces) = (etag(ANNA).await, etag(&format!("{ANNA}/Spaces")).await);
    world.put("/dav/spaces/KB/f", "x").await;
    assert_ne!(top, etag(ANNA).await);
    assert_ne!(spaces, etag(&format!("{ANNA}/Spaces")).await);
}

#[tokio::test]
async fn project_spaces_are_shown_in_the_files_of_their_members() {
    let world = World::new().await;
    let names = "<oc:permissions/><nc:is-mount-root/>";
    let top = world.properties(ANNA, "1", names).await;
    assert_eq!(top.hrefs(), [format!("{ANNA}/"), format!("{ANNA}/Spaces/")]);
    let spaces = world.properties(&format!("{ANNA}/Spaces"), "1", names).await;
    assert_eq!(spaces.hrefs(), [format!("{ANNA}/Spaces/"), format!("{ANNA}/Spaces/KB/")]);
    assert!(
        spaces.text().contains("<oc:permissions>RMGCK</oc:permissions><nc:is-mount-root>true"),
        "{}",
        spaces.text()
    );
    world.put(&format!("{ANNA}/Spaces/KB/f"), "x").await;
    let space = world.properties(&format!("{ANNA}/Spaces/KB"), "1", "<d:getetag/>").await;
    assert_eq!(space.hrefs(), [format!("{ANNA}/Spaces/KB/"), format!("{ANNA}/Spaces/KB/f")]);
    let own = world.properties("/remote.php/webdav/", "1", "<d:getetag/>").await;
    assert_eq!(own.hrefs(), ["/remote.php/webdav/", "/remote.php/webdav/Spaces/"]);
    let page = world.get(&format!("{ANNA}/Spaces")).await;
    assert!(page.text().contains(&format!("<a href=\"{ANNA}/Spaces/KB/\">KB/</a>")), "{}", page.text());
    let stranger = world.request("PROPFIND", "/remote.php/webdav/").header("depth", "1");
    let stranger = stranger.login("otto", crate::world::PASSWORD).send("").await;
    assert_eq!(stranger.hrefs(), ["/remote.php/webdav/"]);
}

#[tokio::test]
async fn quota_is_told_for_folders() {
    let world = World::new().await;
    world.domain.set_quota("KB", Some(100)).await.unwrap();
    world.put("/dav/spaces/KB/f", "12345").await;
    let names = "<d:quota-used-bytes/><d:quota-available-bytes/>";
    let told = world.properties("/dav/spaces/KB", "0", names).await;
    assert_eq!(told.element("d:quota-used-bytes").as_deref(), Some("5"));
    assert_eq!(told.element("d:quota-available-bytes").as_deref(), Some("95"));
}

#[tokio::test]
async fn whether_a_source_may_be_deleted_is_told_by_name_alone() {
    let world = World::new().await;
    world.put("/dav/spaces/KB/f", "12345").await;
    let name = "<safe-to-delete xmlns=\"urn:stitchbox\"/>";
    for depth in ["0", "1"] {
        let told = world.properties("/dav/spaces/KB", depth, name).await.text();
        assert_eq!(
            told.matches("<sb:safe-to-delete>true</sb:safe-to-delete>").count(),
            if depth == "0" { 1 } else { 2 }
        );
    }
    let all = world.request("PROPFIND", "/dav/spaces/KB").header("depth", "0").send("").await;
    assert!(!all.text().contains("safe-to-delete"), "it costs a look at everything below");
}

#[tokio::test]
async fn the_data_fingerprint_changes_when_a_backup_was_restored() {
    let world = World::new().await;
    world.put("/dav/spaces/KB/f", "12345").await;
    let told = async || world.properties("/dav/spaces/KB", "0", "<oc:data-fingerprint/>").await;
    assert_eq!(told().await.element("oc:data-fingerprint").as_deref(), Some(""));
    let fingerprint = world.domain.mark_restored().await.unwrap();
    assert_eq!(told().await.element("oc:data-fingerprint"), Some(fingerprint));
}

#[tokio::test]
async fn a_file_has_nothing_below_it_whatever_the_depth() {
    let world = World::new().await;
    let path = format!("{ANNA}/f");
    world.put(&path, "x").await;
    let absent = world.request("PROPFIND", &path).send("").await;
    let infinite = world.request("PROPFIND", &path).header("depth", "infinity").send("").await;
    assert_eq!((absent.status.as_u16(), infinite.status.as_u16()), (207, 207));
    for folder in [ANNA, "/dav/spaces/KB", &format!("{ANNA}/Spaces")] {
        assert_eq!(world.request("PROPFIND", folder).send("").await.status, 403, "{folder}");
    }
}

/// What is asked of every child is much: pages end early, and no child is lost between them.
#[tokio::test]
async fn short_pages_lose_nobody() {
    let world = World::new().await;
    for number in 0..40 {
        world.put(&format!("{ANNA}/f{number:02}"), "x").await;
    }
    let namespace = "n".repeat(200);
    let small = world.properties(ANNA, "1", "").await;
    let names: String = (0..100).map(|number| format!("<x{number} xmlns=\"{namespace}\"/>")).collect();
    let large = world.properties(ANNA, "1", &names).await;
    assert!(large.body.len() > 600_000, "{}", large.body.len());
    assert_eq!(large.hrefs(), small.hrefs());
    assert!(large.hrefs().len() > 40);
}

#[tokio::test]
async fn a_project_is_nobodys() {
    let world = World::new().await;
    let project = world.properties("/dav/spaces/KB", "0", "<oc:owner-id/><oc:owner-display-name/>").await;
    assert_eq!(
        (project.element("oc:owner-id"), project.element("oc:owner-display-name").as_deref()),
        (None, Some("KB"))
    );
    let own = world.properties(ANNA, "0", "<oc:owner-id/>").await;
    assert_eq!(own.element("oc:owner-id").as_deref(), Some("anna"));
}
