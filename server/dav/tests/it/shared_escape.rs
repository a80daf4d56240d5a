//! Ways out of what is shared that must not lead anywhere.

use crate::shared::{Door, Login, doors, principal, tree};
use crate::world::{ANNA, PASSWORD, World};
use stitchbox_domain::Error;
use stitchbox_schema::Role;

#[tokio::test]
async fn no_path_leads_above_what_is_shared() {
    let w = World::new().await;
    tree(&w).await;
    for door in doors(&w, Role::Manager).await {
        for path in [
            "/../beside.txt",
            "/%2e%2e/beside.txt",
            "/sub/../../beside.txt",
            "/..%2fbeside.txt",
            "/sub/%2E%2E/%2e%2e/beside.txt",
            "/.%2e/beside.txt",
            "/..;/beside.txt",
            "//../beside.txt",
            "/a/beside.txt",
        ] {
            for (method, body) in [("GET", ""), ("PUT", "x"), ("DELETE", ""), ("PROPFIND", "")] {
                let answer = door.request(&w, method, path).header("depth", "0").send(body).await;
                assert!(answer.status.is_client_error(), "{door:?} {method} {path}: {}", answer.status);
                assert!(!answer.text().contains("secret"), "{door:?} {method} {path}");
            }
        }
    }
    assert_eq!(w.get(&format!("{ANNA}/a/beside.txt")).await.text(), "secret");
}

#[tokio::test]
async fn no_destination_leads_out_of_it_and_nothing_is_taken_from_above() {
    let w = World::new().await;
    tree(&w).await;
    for door in doors(&w, Role::Manager).await {
        let own = matches!(&door.login, Login::Basic(name, _) if name == "otto");
        for to in [
            format!("{}/../stolen", door.url),
            format!("{}/%2e%2e/stolen", door.url),
            format!("{ANNA}/stolen"),
            "/dav/spaces/anna/stolen".to_owned(),
            "/dav/spaces/KB/stolen".to_owned(),
            "http://elsewhere.example/stolen".to_owned(),
            door.url.clone(),
        ] {
            for method in ["COPY", "MOVE"] {
                let call = door.request(&w, method, "/f.txt").header("destination", &to).header("overwrite", "T");
                let status = call.send("").await.status;
                assert!(status.is_client_error() || status == 502, "{door:?} {method} to {to}: {status}");
            }
        }
        if !own {
            for to in
                ["/remote.php/webdav/stolen", "/remote.php/dav/files/otto/stolen", "/remote.php/dav/files/link/stolen"]
            {
                let call = door.request(&w, "COPY", "/f.txt").header("destination", to);
                assert_eq!(call.send("").await.status, 502, "{door:?} to {to}");
            }
        }
        // What is shared can be neither moved nor replaced nor removed by who sees only it.
        if !door.url.contains("Shares") {
            for method in ["DELETE", "MOVE"] {
                let call = door.request(&w, method, "").header("destination", &format!("{}/sub/x", door.url));
                assert!(call.send("").await.status.is_client_error(), "{door:?} {method}");
            }
        }
        assert_eq!(door.status(&w, "GET", "/f.txt", "").await, 200, "{door:?}");
    }
    let names = w.request("PROPFIND", ANNA).header("depth", "1").send("").await.hrefs();
    assert_eq!(names.len(), 3, "{names:?}");
    // The owner cannot be made to move her things into a link either: it has another login.
    let link = doors_of_link(&w).await;
    let call = w.request("MOVE", &format!("{ANNA}/a/beside.txt")).header("destination", &format!("{}/x", link.url));
    assert_eq!(call.send("").await.status, 502);
}

async fn doors_of_link(w: &World) -> Door {
    let link = crate::shared::give(w, "/a/top", stitchbox_domain::shares::Grantee::Link, Role::Editor).await;
    Door::new(format!("/public.php/dav/files/{}", link.token.unwrap()), Login::Nobody)
}

#[tokio::test]
async fn an_if_header_learns_nothing_of_what_lies_above() {
    let w = World::new().await;
    tree(&w).await;
    let etag = w.get(&format!("{ANNA}/a/beside.txt")).await.header("etag").to_owned();
    for door in doors(&w, Role::Editor).await {
        for resource in [
            format!("{ANNA}/a/beside.txt"),
            "/dav/spaces/anna/a/beside.txt".to_owned(),
            format!("{}/../beside.txt", door.url),
            "/remote.php/webdav/a/beside.txt".to_owned(),
        ] {
            let header = format!("<{resource}> ([{etag}])");
            let answer = door.request(&w, "PUT", "/f.txt").header("if", &header).send("in f").await;
            assert_eq!(answer.status, 412, "{door:?} {resource}");
        }
        let own = door.request(&w, "GET", "/f.txt").send("").await.header("etag").to_owned();
        let header = format!("<{}/f.txt> ([{own}])", door.url);
        assert_eq!(door.request(&w, "PUT", "/f.txt").header("if", &header).send("in f").await.status, 204, "{door:?}");
    }
}

#[tokio::test]
async fn searches_reports_versions_and_the_trash_show_what_is_shared_and_no_more() {
    let w = World::new().await;
    tree(&w).await;
    w.put(&format!("{ANNA}/a/top/f.txt"), "newer").await;
    w.put(&format!("{ANNA}/a/f-beside.txt"), "secret").await;
    doors(&w, Role::Editor).await;
    let otto = |method: &str, path: &str| w.request(method, path).login("otto", PASSWORD);
    let search = |href: &str| {
        format!(
            "<d:searchrequest xmlns:d='DAV:'><d:basicsearch><d:select><d:prop><d:getetag/></d:prop></d:select>\
             <d:from><d:scope><d:href>{href}</d:href><d:depth>infinity</d:depth></d:scope></d:from>\
             <d:where><d:like><d:prop><d:displayname/></d:prop><d:literal>%f%</d:literal></d:like></d:where>\
             </d:basicsearch></d:searchrequest>"
        )
    };
    for href in ["/files/otto", "/files/otto/Shares", "/files/otto/Shares/top"] {
        let found = otto("SEARCH", "/remote.php/dav").send(search(href)).await;
        assert_eq!(found.hrefs(), ["/remote.php/dav/files/otto/Shares/top/f.txt"], "{href}");
    }
    let found = otto("SEARCH", "/remote.php/dav").send(search("/files/anna")).await;
    assert_eq!(found.status, 404);
    // Marks are one's own.
    let mark = "<d:propertyupdate xmlns:d='DAV:' xmlns:oc='http://owncloud.org/ns'><d:set><d:prop><oc:favorite>1</oc:favorite></d:prop></d:set></d:propertyupdate>";
    let marked = otto("PROPPATCH", "/remote.php/dav/files/otto/Shares/top/sub/g.txt").send(mark).await;
    assert_eq!(marked.status, 207);
    w.request("PROPPATCH", &format!("{ANNA}/a/beside.txt")).send(mark).await;
    let report = "<oc:filter-files xmlns:oc='http://owncloud.org/ns' xmlns:d='DAV:'><d:prop><d:getetag/></d:prop><oc:filter-rules><oc:favorite>1</oc:favorite></oc:filter-rules></oc:filter-files>";
    let told = otto("REPORT", "/remote.php/dav/files/otto").send(report).await;
    assert_eq!(told.hrefs(), ["/remote.php/dav/files/otto/Shares/top/sub/g.txt"]);
    let link = doors_of_link(&w).await;
    let told = link.request(&w, "REPORT", "").send(report).await;
    assert_eq!(told.hrefs().len(), 0, "a visitor has no marks, those of the grantor are hers");
    assert_eq!(link.request(&w, "PROPPATCH", "/f.txt").send(mark).await.status, 403);
    let shown = w.properties(&format!("{ANNA}/a/top"), "1", "<oc:favorite/>").await.text();
    assert!(!shown.contains("<oc:favorite>1"), "nobody marked anything in her name");
    // Versions by id.
    let id = async |path: &str| {
        let call = w.request("PROPFIND", &format!("{ANNA}{path}")).header("depth", "0");
        call.send(crate::world::propfind("<oc:fileid/>")).await
    };
    let inside = id("/a/top/f.txt").await.element("oc:fileid").unwrap();
    let beside = id("/a/beside.txt").await.element("oc:fileid").unwrap();
    let versions = |id: &str| format!("/remote.php/dav/versions/otto/versions/{id}");
    let told = otto("PROPFIND", &versions(&inside)).header("depth", "1").send("").await;
    assert_eq!((told.status.as_u16(), told.hrefs().len()), (207, 2));
    let told = otto("PROPFIND", &versions(&beside)).header("depth", "1").send("").await;
    assert_eq!(told.status, 404);
    let meta = otto("PROPFIND", &format!("/remote.php/dav/meta/{inside}")).header("depth", "0");
    let meta = meta.send(crate::world::propfind("<oc:meta-path-for-user/>")).await;
    assert_eq!(meta.element("oc:meta-path-for-user").as_deref(), Some("/Shares/top/f.txt"));
    // The trash is for members.
    assert_eq!(otto("DELETE", "/remote.php/dav/files/otto/Shares/top/f.txt").send("").await.status, 204);
    let trash = otto("PROPFIND", "/remote.php/dav/trashbin/otto/trash").header("depth", "1").send("").await;
    assert_eq!(trash.hrefs().len(), 1, "{}", trash.text());
    let trash = w.request("PROPFIND", "/remote.php/dav/trashbin/anna/trash").header("depth", "1").send("").await;
    assert_eq!(trash.hrefs().len(), 2, "the owner finds it");
    let share = w.domain.shares_with(&principal(&w, "otto").await).await.unwrap()[0].id;
    let by_share = otto("PROPFIND", &format!("/dav/spaces/trash-bin/{share}")).header("depth", "1").send("").await;
    assert_eq!(by_share.status, 404);
}

#[tokio::test]
async fn a_visitor_named_like_a_user_is_not_that_user() {
    let w = World::new().await;
    tree(&w).await;
    let anna = principal(&w, "anna").await;
    let new = stitchbox_domain::shares::NewShare {
        label: "otto".to_owned(),
        ..stitchbox_domain::shares::NewShare::of(
            crate::shared::place(&w, "/a/top").await,
            stitchbox_domain::shares::Grantee::Link,
            Role::Editor,
        )
    };
    let token = w.domain.share(&anna, new).await.unwrap().token.unwrap();
    let client = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    let credential = stitchbox_domain::auth::ShareCredential::Link { token, password: None };
    let (mut visitor, top) = w.domain.login_share(credential, client).await.unwrap();
    visitor.name = "otto".to_owned();
    assert_eq!(visitor.actor(), None);
    assert!(matches!(w.domain.files_view(&visitor, "otto", &[]).await, Err(Error::NotFound)));
    assert!(w.domain.spaces_of(&visitor).await.unwrap().is_empty());
    for space in ["otto", "anna", "KB", &top.space.to_string()] {
        assert!(matches!(w.domain.find_space(&visitor, space).await, Err(Error::NotFound)), "{space}");
    }
    assert!(w.domain.favorites(&visitor).await.unwrap().is_empty());
    assert!(matches!(w.domain.item_by_id(&visitor, stitchbox_schema::ItemId(1)).await, Err(Error::NotFound)));
    // And Anna's own view is still hers.
    assert_eq!(w.get(&format!("{ANNA}/a/beside.txt")).await.text(), "secret");
}
