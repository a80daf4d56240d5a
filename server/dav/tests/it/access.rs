//! Who may come in, and who may do what.

use crate::world::{ANNA, PASSWORD, World};

#[tokio::test]
async fn strangers_are_asked_for_a_login_and_told_nothing() {
    let world = World::new().await;
    let anonymous = world.request("PROPFIND", ANNA).anonymous().header("depth", "0").send("").await;
    assert_eq!(anonymous.status, 401);
    assert!(anonymous.header("www-authenticate").starts_with("Basic "));
    let wrong = world.request("GET", ANNA).login("anna", "wrong password").send("").await;
    assert_eq!(wrong.status, 401);
    let options = world.request("OPTIONS", ANNA).anonymous().send("").await;
    assert_eq!((options.status.as_u16(), options.header("dav")), (200, "1, 2, 3"));
    assert!(options.header("allow").contains("PROPFIND"));
    for path in ["/remote.php/dav/files/otto", "/dav/spaces/none", "/dav/spaces/otto", &format!("{ANNA}/Spaces/none")] {
        let other = world.request("PROPFIND", path).header("depth", "0").send("").await;
        assert_eq!(other.status, 404, "{path}");
    }
    let outsider = world.request("PROPFIND", "/dav/spaces/KB").login("otto", PASSWORD).header("depth", "0");
    assert_eq!(outsider.send("").await.status, 404);
}

#[tokio::test]
async fn a_viewer_reads_and_is_told_why_not_more() {
    let world = World::new().await;
    let path = "/dav/spaces/KB/f";
    world.put(path, "x").await;
    let as_vera = |method: &str, path: &str| world.request(method, path).login("vera", PASSWORD);
    assert_eq!(as_vera("GET", path).send("").await.text(), "x");
    let listed = as_vera("PROPFIND", path).header("depth", "0").send(crate::world::propfind("<oc:permissions/>")).await;
    assert_eq!(listed.element("oc:permissions").as_deref(), Some("G"));
    let refused = as_vera("PUT", path).send("y").await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("your role in this space is viewer"), "{}", refused.text());
    for (method, path) in [("MKCOL", "/dav/spaces/KB/d"), ("DELETE", path), ("LOCK", "/dav/spaces/KB/new")] {
        let body = match method {
            "LOCK" => {
                "<lockinfo xmlns=\"DAV:\"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>"
            }
            _ => "",
        };
        assert_eq!(as_vera(method, path).send(body).await.status, 403, "{method}");
    }
}

#[tokio::test]
async fn a_create_only_password_makes_files_and_sees_none() {
    let world = World::new().await;
    world.put("/dav/spaces/KB/old", "x").await;
    let (_, secret) = world.domain.add_app_password("anna", "interferometer", Some("KB"), true).await.unwrap();
    let call = |method: &str, path: &str| world.request(method, path).login("anna", &secret);
    let put = call("PUT", "/dav/spaces/KB/new").send("y").await;
    assert_eq!(put.status, 201);
    assert!(!put.header("etag").is_empty());
    assert_eq!(call("PUT", "/dav/spaces/KB/old").send("y").await.status, 403);
    assert_eq!(call("GET", "/dav/spaces/KB/old").send("").await.status, 404);
    assert_eq!(call("PROPFIND", "/dav/spaces/KB").header("depth", "1").send("").await.status, 404);
    assert_eq!(call("DELETE", "/dav/spaces/KB/new").send("").await.status, 403);
    let lock = "<lockinfo xmlns=\"DAV:\"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";
    for path in ["/dav/spaces/KB", "/dav/spaces/KB/old", "/dav/spaces/KB/third"] {
        assert_eq!(call("LOCK", path).send(lock).await.status, 403, "{path}");
    }
    assert_eq!(call("PUT", &format!("{ANNA}/x")).send("y").await.status, 404);
}

#[tokio::test]
async fn what_is_no_address_or_method_is_said() {
    let world = World::new().await;
    assert_eq!(world.get(&format!("{ANNA}/a%ffb")).await.status, 400);
    assert_eq!(world.get(&format!("{ANNA}/../otto")).await.status, 400);
    let unknown = world.request("FOO", ANNA).send("").await;
    assert_eq!(unknown.status, 501);
    assert!(unknown.text().contains("<s:exception>Sabre\\DAV\\Exception\\NotImplemented</s:exception>"));
    let post = world.request("POST", ANNA).send("").await;
    assert_eq!(post.status, 405);
    assert!(post.header("allow").contains("PROPFIND"));
    let again = world.mkcol(ANNA).await;
    assert_eq!(again.status, 405);
    assert!(again.header("allow").contains("PUT") && !again.header("allow").contains("MKCOL"));
}
