//! What was deleted and what was replaced: trash and earlier versions, listed, read and brought back.

use crate::world::{ANNA, PASSWORD, World};

const TRASH: &str = "/remote.php/dav/trashbin/anna/trash";
const TOLD: &str = "<nc:trashbin-filename/><nc:trashbin-original-location/><nc:trashbin-deletion-time/><oc:size/>";

#[tokio::test]
async fn what_was_deleted_is_listed_with_its_old_place_and_comes_back_there() {
    let world = World::new().await;
    world.mkcol(&format!("{ANNA}/a%20b")).await;
    let written = world.put(&format!("{ANNA}/a%20b/x.txt"), "precious").await;
    world.request("DELETE", &format!("{ANNA}/a%20b/x.txt")).send("").await;
    let listed = world.properties(TRASH, "1", TOLD).await;
    assert_eq!(listed.status, 207);
    let hrefs = listed.hrefs();
    assert_eq!((hrefs.len(), hrefs[0].as_str()), (2, "/remote.php/dav/trashbin/anna/trash/"));
    assert!(hrefs[1].starts_with("/remote.php/dav/trashbin/anna/trash/x.txt.d"), "{hrefs:?}");
    assert_eq!(listed.element("nc:trashbin-original-location").unwrap(), "a b/x.txt");
    assert_eq!(listed.element("nc:trashbin-filename").unwrap(), "x.txt");
    assert_eq!(listed.element("oc:size").unwrap(), "8");
    assert_eq!(world.get(&hrefs[1]).await.text(), "precious");

    let restore = "/remote.php/dav/trashbin/anna/restore/x.txt";
    let moved = world.request("MOVE", &hrefs[1]).header("destination", restore).send("").await;
    assert_eq!(moved.status, 201);
    assert_eq!(moved.header("oc-fileid"), written.header("oc-fileid"), "it is the same file again");
    assert_eq!(world.get(&format!("{ANNA}/a%20b/x.txt")).await.text(), "precious");
    assert_eq!(world.properties(TRASH, "1", TOLD).await.hrefs().len(), 1);
    assert_eq!(world.request("MOVE", &hrefs[1]).header("destination", restore).send("").await.status, 404);
}

#[tokio::test]
async fn a_deleted_folder_can_be_looked_into_and_comes_back_whole_where_one_wants_it() {
    let world = World::new().await;
    for folder in ["f", "f/in", "other"] {
        world.mkcol(&format!("{ANNA}/{folder}")).await;
    }
    world.put(&format!("{ANNA}/f/in/x"), "deep").await;
    world.request("DELETE", &format!("{ANNA}/f")).send("").await;
    let bin = "/remote.php/dav/spaces/trash-bin/anna";
    let entry = world.properties(bin, "1", "<oc:trashbin-original-location/>").await.hrefs()[1].clone();
    assert_eq!(world.properties(&format!("{entry}in"), "1", "<d:getetag/>").await.hrefs().len(), 2);
    assert_eq!(world.get(&format!("{entry}in/x")).await.text(), "deep");
    let part = world.request("MOVE", &format!("{entry}in/x")).header("destination", "/remote.php/webdav/x").send("");
    assert_eq!(part.await.status, 405);
    let to = |path: &str| format!("/dav/spaces/anna/{path}");
    let taken = world.request("MOVE", &entry).header("destination", &to("other")).send("").await;
    assert_eq!(taken.status, 412, "what is there stays");
    let moved = world.request("MOVE", &entry).header("destination", &to("other/g")).send("").await;
    assert_eq!(moved.status, 201);
    assert_eq!(world.get(&format!("{ANNA}/other/g/in/x")).await.text(), "deep");
}

#[tokio::test]
async fn the_trash_of_a_space_is_for_its_members_and_names_the_space() {
    let world = World::new().await;
    world.put("/dav/spaces/KB/x", "shared").await;
    world.request("DELETE", "/dav/spaces/KB/x").send("").await;
    let listed = world.properties(TRASH, "1", TOLD).await;
    assert_eq!(listed.element("nc:trashbin-original-location").unwrap(), "Spaces/KB/x");
    let entry = listed.hrefs()[1].clone();
    let of_vera = "/remote.php/dav/trashbin/vera/trash";
    let listed = world.request("PROPFIND", of_vera).header("depth", "1").login("vera", PASSWORD).send("").await;
    assert_eq!(listed.hrefs().len(), 2);
    let entry_of_vera = entry.replace("anna", "vera");
    let restore = "/remote.php/dav/trashbin/vera/restore/x";
    let moved = world.request("MOVE", &entry_of_vera).header("destination", restore).login("vera", PASSWORD);
    assert_eq!(moved.send("").await.status, 403, "a viewer may look");
    for (path, user) in [(TRASH, "otto"), ("/dav/spaces/trash-bin/KB", "otto"), (&entry, "otto")] {
        let asked = world.request("PROPFIND", path).header("depth", "0").login(user, PASSWORD).send("").await;
        assert_eq!(asked.status, 404, "{path}");
    }
    let own = entry.replace("anna", "otto");
    assert_eq!(world.request("GET", &own).login("otto", PASSWORD).send("").await.status, 404);
}

#[tokio::test]
async fn an_earlier_version_is_listed_read_and_made_the_present_one() {
    let world = World::new().await;
    let file = format!("{ANNA}/v.txt");
    let put =
        |body: &'static str, mtime: &'static str| world.request("PUT", &file).header("x-oc-mtime", mtime).send(body);
    put("one", "1600000000").await;
    put("second", "1600000100").await;
    let id = world.properties(&file, "0", "<oc:fileid/>").await.element("oc:fileid").unwrap();
    let history = format!("/remote.php/dav/versions/anna/versions/{id}");
    let listed = world.properties(&history, "1", "<d:getcontentlength/><d:getlastmodified/><d:getetag/>").await;
    assert_eq!(listed.hrefs().len(), 2, "the present one is the file itself");
    assert_eq!(listed.element("d:getcontentlength").unwrap(), "3");
    assert_eq!(listed.element("d:getlastmodified").unwrap(), "Sun, 13 Sep 2020 12:26:40 GMT");
    let version = listed.hrefs()[1].clone();
    assert_eq!(world.get(&version).await.text(), "one");

    let before = world.get(&file).await;
    let restore = "/remote.php/dav/versions/anna/restore/v.txt";
    let moved = world.request("MOVE", &version).header("destination", restore).send("").await;
    assert_eq!(moved.status, 201);
    let after = world.get(&file).await;
    assert_eq!((after.text().as_str(), after.header("last-modified")), ("one", "Sun, 13 Sep 2020 12:26:40 GMT"));
    assert!(after.header("etag") != before.header("etag") && after.header("etag") == moved.header("etag"));
    assert_eq!(world.properties(&history, "1", "<d:getetag/>").await.hrefs().len(), 3, "nothing is lost by it");
}

#[tokio::test]
async fn ocis_restores_a_version_by_a_copy_onto_the_file() {
    let world = World::new().await;
    world.put("/dav/spaces/KB/v", "one").await;
    world.put("/dav/spaces/KB/v", "two").await;
    world.put("/dav/spaces/KB/else", "else").await;
    let id = world.properties("/dav/spaces/KB/v", "0", "<oc:id/>").await.element("oc:id").unwrap();
    let meta = format!("/remote.php/dav/meta/{id}");
    let told = world.properties(&meta, "0", "<oc:meta-path-for-user/>").await;
    assert_eq!(told.element("oc:meta-path-for-user").unwrap(), "/Spaces/KB/v");
    let version = world.properties(&format!("{meta}/v"), "1", "<d:getetag/>").await.hrefs()[1].clone();
    let copy = |to: &'static str, user: &'static str| {
        world.request("COPY", &version).header("destination", to).login(user, PASSWORD).send("")
    };
    assert_eq!(copy("/dav/spaces/KB/else", "anna").await.status, 404, "it is no version of that file");
    assert_eq!(copy("/dav/spaces/KB/v", "vera").await.status, 403);
    assert_eq!(copy("/dav/spaces/KB/v", "otto").await.status, 404);
    assert_eq!(copy("/dav/spaces/KB/v", "anna").await.status, 204);
    assert_eq!(world.get("/dav/spaces/KB/v").await.text(), "one");
}

#[tokio::test]
async fn the_folders_above_show_the_parts_of_the_tree() {
    let world = World::new().await;
    let listed = world.properties("/remote.php/dav/", "1", "<d:resourcetype/>").await;
    assert_eq!(listed.hrefs(), ["/remote.php/dav/", "/remote.php/dav/files/", "/remote.php/dav/principals/"]);
    let listed = world.properties("/remote.php/dav/files", "1", "<d:current-user-principal/>").await;
    assert_eq!(listed.hrefs(), ["/remote.php/dav/files/", "/remote.php/dav/files/anna/"]);
    let principal = "<d:href>/remote.php/dav/principals/users/anna/</d:href>";
    assert_eq!(listed.element("d:current-user-principal").unwrap(), principal);
    let other = world.properties("/remote.php/dav/principals/users/vera", "0", "<d:displayname/>").await;
    assert_eq!(other.status, 404);
}
