//! The mounts of links and peers, each with its own ways.

use crate::shared::{Door, Login, doors, give, give_peer, place, principal, tree};
use crate::world::{ANNA, World, propfind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stitchbox_domain::auth::secret_hash;
use stitchbox_domain::shares::{AuditQuery, Grantee, NewShare};
use stitchbox_schema::{Role, Timestamp};

#[tokio::test]
async fn who_shows_nothing_or_something_wrong_is_asked_for_both_kinds_of_login() {
    let w = World::new().await;
    tree(&w).await;
    let (id, secret) = give_peer(&w, "/a/top", Role::Viewer, false).await;
    let (other, _) = give_peer(&w, "/a", Role::Viewer, true).await;
    for (url, login) in [
        ("/public.php/webdav".to_owned(), Login::Nobody),
        ("/public.php/webdav".to_owned(), Login::Basic("nothing".to_owned(), String::new())),
        ("/public.php/webdav".to_owned(), Login::Basic("anna".to_owned(), crate::world::PASSWORD.to_owned())),
        ("/public.php/dav/files/nothing".to_owned(), Login::Nobody),
        (format!("/dav/ocm/{id}"), Login::Nobody),
        (format!("/dav/ocm/{id}"), Login::Bearer("nothing".to_owned())),
        (format!("/dav/ocm/{other}"), Login::Bearer(secret.clone())),
        (format!("/dav/ocm/{other}"), Login::Bearer(format!("secret-of-{other}"))),
        (format!("/dav/ocm/{id}"), Login::Bearer(secret_hash(&secret))),
    ] {
        let door = Door::new(url, login);
        let answer = door.request(&w, "PROPFIND", "").header("depth", "0").send("").await;
        assert_eq!(answer.status, 401, "{door:?}");
        let challenges: Vec<_> =
            answer.headers.get_all("www-authenticate").iter().map(|v| v.to_str().unwrap()).collect();
        assert_eq!(challenges.len(), 2, "{door:?}");
        assert!(challenges[0].starts_with("Basic ") && challenges[1].starts_with("Bearer "), "{challenges:?}");
    }
    let files = w.request("GET", ANNA).anonymous().send("").await;
    assert_eq!(files.headers.get_all("www-authenticate").iter().count(), 1, "desktop clients are asked as before");
}

#[tokio::test]
async fn what_opens_a_share_opens_nothing_else() {
    let w = World::new().await;
    tree(&w).await;
    for door in doors(&w, Role::Manager).await {
        if matches!(&door.login, Login::Basic(name, _) if name == "otto") {
            continue;
        }
        for url in [
            ANNA,
            "/remote.php/webdav",
            "/dav/spaces/anna",
            "/remote.php/dav/trashbin/anna/trash",
            "/remote.php/dav/versions/anna/versions",
            "/remote.php/dav/uploads/anna/x",
            "/remote.php/dav",
        ] {
            let elsewhere = Door::new(url, door.login.clone());
            assert_eq!(elsewhere.status(&w, "PROPFIND", "", "").await, 401, "{elsewhere:?}");
        }
    }
}

#[tokio::test]
async fn a_link_with_a_password_asks_for_it() {
    let w = World::new().await;
    tree(&w).await;
    let anna = principal(&w, "anna").await;
    let password = Some("open sesame".to_owned());
    let new = NewShare { password, ..NewShare::of(place(&w, "/a/top").await, Grantee::Link, Role::Viewer) };
    let token = w.domain.share(&anna, new).await.unwrap().token.unwrap();
    let basic = |name: &str, password: &str| Login::Basic(name.to_owned(), password.to_owned());
    let (old, new) = ("/public.php/webdav".to_owned(), format!("/public.php/dav/files/{token}"));
    for (url, login, status) in [
        (&old, basic(&token, "open sesame"), 200),
        (&old, basic(&token, ""), 401),
        (&old, basic(&token, "open barley"), 401),
        (&new, Login::Nobody, 401),
        (&new, basic("anonymous", "open sesame"), 200),
        (&new, basic("anonymous", "open barley"), 401),
    ] {
        let door = Door::new(url.as_str(), login);
        assert_eq!(door.status(&w, "GET", "/f.txt", "").await, status, "{door:?}");
    }
    // Guessing is slowed down, and the right one is still let in.
    let start = std::time::Instant::now();
    for _ in 0..8 {
        let guess = Door::new(old.as_str(), basic(&token, "guess"));
        assert!(matches!(guess.status(&w, "GET", "/f.txt", "").await, 401 | 429));
    }
    assert!(start.elapsed() > std::time::Duration::from_millis(300), "{:?}", start.elapsed());
    assert_eq!(Door::new(old.as_str(), basic(&token, "open sesame")).status(&w, "GET", "/f.txt", "").await, 200);
}

#[tokio::test]
async fn into_a_file_drop_everything_goes_and_nothing_is_seen() {
    let w = World::new().await;
    tree(&w).await;
    let anna = principal(&w, "anna").await;
    let top = place(&w, "/a/top").await;
    let new = NewShare { upload_only: true, ..NewShare::of(top, Grantee::Link, Role::Contributor) };
    let token = w.domain.share(&anna, new).await.unwrap().token.unwrap();
    let basic = Login::Basic(token.clone(), String::new());
    for door in
        [Door::new("/public.php/webdav", basic), Door::new(format!("/public.php/dav/files/{token}"), Login::Nobody)]
    {
        let listed = door.list(&w, "").await;
        assert_eq!((listed.status.as_u16(), listed.hrefs().len()), (207, 1), "{door:?}");
        assert_eq!(door.property(&w, "", "oc:permissions").await.as_deref(), Some("CK"));
        assert_eq!(door.property(&w, "", "oc:size").await.as_deref(), Some("0"), "not even how much there is");
        for (method, path) in
            [("GET", "/f.txt"), ("HEAD", "/f.txt"), ("PROPFIND", "/f.txt"), ("PROPFIND", "/sub"), ("GET", "/none")]
        {
            assert_eq!(door.status(&w, method, path, "").await, 404, "{door:?} {method} {path}");
        }
        for (method, path) in [("DELETE", "/f.txt"), ("DELETE", "/none"), ("PROPPATCH", "/f.txt"), ("LOCK", "/f.txt")] {
            let status = door.status(&w, method, path, "").await;
            assert!(matches!(status, 400 | 403 | 404), "{door:?} {method} {path}: {status}");
        }
        let to = format!("{}/stolen.txt", door.url);
        for method in ["MOVE", "COPY"] {
            let call = door.request(&w, method, "/f.txt").header("destination", &to);
            assert_eq!(call.send("").await.status, 403, "{door:?} {method}");
        }
        assert_eq!(door.request(&w, "COPY", "").header("destination", &to).send("").await.status, 403);
        assert_eq!(door.status(&w, "PUT", "/f.txt", "brought").await, 201, "{door:?}");
        assert_eq!(door.status(&w, "PUT", "/sub/deep.txt", "brought").await, 201, "{door:?}");
        assert_eq!(door.request(&w, "PUT", "/f.txt").header("if-match", "*").send("x").await.status, 412);
    }
    let names = w.request("PROPFIND", &format!("{ANNA}/a/top")).header("depth", "1").send("").await.hrefs();
    let names: Vec<&str> = names.iter().map(|href| href.rsplit('/').find(|name| !name.is_empty()).unwrap()).collect();
    assert_eq!(names, ["top", "f%20%282%29.txt", "f%20%283%29.txt", "f.txt", "sub"]);
    assert_eq!(w.get(&format!("{ANNA}/a/top/f.txt")).await.text(), "in f", "nothing was replaced");
}

#[tokio::test]
async fn a_single_file_is_the_root_of_its_mount() {
    let w = World::new().await;
    tree(&w).await;
    let link = give(&w, "/a/beside.txt", Grantee::Link, Role::Editor).await;
    give(&w, "/a/beside.txt", Grantee::User("otto".to_owned()), Role::Editor).await;
    let (id, secret) = give_peer(&w, "/a/beside.txt", Role::Editor, false).await;
    let token = link.token.unwrap();
    for door in [
        Door::new("/public.php/webdav", Login::Basic(token.clone(), String::new())),
        Door::new(format!("/public.php/dav/files/{token}"), Login::Nobody),
        Door::new("/public.php/webdav", Login::Basic(secret.clone(), String::new())),
        Door::new(format!("/dav/ocm/{id}"), Login::Bearer(secret)),
        Door::new(
            "/remote.php/dav/files/otto/Shares/beside.txt",
            Login::Basic("otto".to_owned(), crate::world::PASSWORD.to_owned()),
        ),
    ] {
        let listed = door.list(&w, "").await;
        assert_eq!(listed.hrefs(), [door.url.as_str()], "{door:?}");
        assert!(listed.text().contains("<d:resourcetype></d:resourcetype>"), "a file: {}", listed.text());
        assert_eq!(door.property(&w, "", "oc:permissions").await.unwrap().trim_start_matches('S'), "GDNVW");
        assert_eq!(door.request(&w, "PUT", "").send("secret").await.status, 204, "{door:?}");
        let etag = door.property(&w, "", "d:getetag").await.unwrap().replace("&quot;", "\"");
        let got = door.request(&w, "GET", "").send("").await;
        assert_eq!((got.text().as_str(), got.header("etag")), ("secret", etag.as_str()), "{door:?}");
        assert_eq!(door.status(&w, "HEAD", "", "").await, 200);
        assert_eq!(door.status(&w, "GET", "/f.txt", "").await, 404);
        assert!(matches!(door.status(&w, "PUT", "/f.txt", "x").await, 404 | 409));
        assert_eq!(door.status(&w, "MKCOL", "", "").await, 405, "{door:?}");
        if door.url.contains("Shares") {
            continue;
        }
        assert_eq!(door.status(&w, "DELETE", "", "").await, 403, "{door:?}");
    }
    // Nextcloud and gowebdav write the slash.
    let slash = Door::new("/public.php/webdav/", Login::Basic(token, String::new()));
    assert_eq!(slash.status(&w, "GET", "", "").await, 200);
    assert_eq!(slash.status(&w, "PROPFIND", "", "").await, 207);
}

#[tokio::test]
async fn peers_write_dots_and_ask_in_no_namespace() {
    let w = World::new().await;
    tree(&w).await;
    let (id, secret) = give_peer(&w, "/a/top", Role::Editor, false).await;
    let all = "<d:propfind xmlns:d='DAV:'><allprop/></d:propfind>";
    for base in [format!("/dav/ocm/{id}"), "/dav/ocm".to_owned(), format!("/remote.php/dav/ocm/{id}")] {
        let door = Door::new(base.as_str(), Login::Bearer(secret.clone()));
        for (path, count) in [("/.", 3), ("/", 3), ("", 3), ("/./sub", 2)] {
            let listed = door.request(&w, "PROPFIND", path).header("depth", "1").send(all).await;
            assert_eq!((listed.status.as_u16(), listed.hrefs().len()), (207, count), "{base}{path}");
        }
        let one = door.request(&w, "PROPFIND", "/./f.txt").header("depth", "0").send("<x/>").await;
        assert_eq!(one.hrefs(), [format!("{base}/f.txt")]);
        assert!(one.text().contains("getcontentlength"));
        assert_eq!(door.request(&w, "GET", "/./f.txt").send("").await.text(), "in f");
        assert_eq!(door.request(&w, "GET", "/sub/../f.txt").send("").await.text(), "in f");
        assert_eq!(door.status(&w, "MKCOL", "/./new/", "").await, 201);
        assert_eq!(door.status(&w, "MKCOL", "/new/", "").await, 405);
        assert_eq!(door.status(&w, "PUT", "/new/x", "x").await, 201);
        for to in [format!("http://localhost{base}/./new/y"), format!("{base}/./new/z")] {
            let call = door.request(&w, "COPY", "/./new/x").header("destination", &to);
            assert_eq!(call.send("").await.status, 201, "{to}");
        }
        assert_eq!(door.status(&w, "DELETE", "/./new", "").await, 204);
    }
}

#[tokio::test]
async fn a_secret_that_must_be_exchanged_opens_by_its_token_alone_until_that_ends() {
    let w = World::new().await;
    tree(&w).await;
    let (id, secret) = give_peer(&w, "/a/top", Role::Viewer, true).await;
    let give_token = |token: &'static str, expires: Timestamp| {
        w.store.write(move |tx| {
            Box::pin(async move {
                Ok::<_, stitchbox_domain::Error>(
                    stitchbox_store::federated::insert_token(tx, &secret_hash(token), id, "peer.example", expires)
                        .await?,
                )
            })
        })
    };
    let now = w.domain.now();
    give_token("fresh", now.after(std::time::Duration::from_secs(60))).await.unwrap();
    give_token("old", now).await.unwrap();
    let by = |token: &str| Door::new(format!("/dav/ocm/{id}"), Login::Bearer(token.to_owned()));
    assert_eq!(by(&secret).status(&w, "GET", "/f.txt", "").await, 401);
    assert_eq!(by("fresh").status(&w, "GET", "/f.txt", "").await, 200);
    assert_eq!(by("old").status(&w, "GET", "/f.txt", "").await, 401);
    let root = Door::new("/public.php/webdav", Login::Bearer("fresh".to_owned()));
    assert_eq!(root.status(&w, "GET", "/f.txt", "").await, 200, "Nextcloud 35 shows it at the root");
}

#[tokio::test]
async fn large_files_come_in_pieces_by_every_door() {
    let w = World::new().await;
    tree(&w).await;
    for (number, door) in doors(&w, Role::Contributor).await.into_iter().enumerate() {
        let name = format!("big{number}.bin");
        let begun = door
            .request(&w, "POST", "")
            .header("tus-resumable", "1.0.0")
            .header("upload-length", "6")
            .header("upload-metadata", &format!("filename {}", STANDARD.encode(&name)))
            .send("")
            .await;
        assert_eq!(begun.status, 201, "{door:?} {}", begun.text());
        let url = begun.header("location").strip_prefix("http://localhost").unwrap().to_owned();
        let upload = Door::new(url.as_str(), door.login.clone());
        for (offset, piece) in [("0", "abc"), ("3", "def")] {
            let patched = upload
                .request(&w, "PATCH", "")
                .header("tus-resumable", "1.0.0")
                .header("upload-offset", offset)
                .header("content-type", "application/offset+octet-stream")
                .send(piece)
                .await;
            assert_eq!(patched.status, 204, "{upload:?} {}", patched.text());
            let head = upload.request(&w, "HEAD", "").header("tus-resumable", "1.0.0").send("").await;
            assert_eq!(head.status, 200, "{upload:?}");
        }
        assert_eq!(door.request(&w, "GET", &format!("/{name}")).send("").await.text(), "abcdef", "{door:?}");
        // Nobody else finds it, the grantor in whose name it came included.
        if door.url.starts_with("/public.php") || door.url.contains("ocm") {
            let number = url.rsplit('/').next().unwrap();
            for (prefix, login) in [
                ("/dav/tus", Login::Basic("otto".to_owned(), crate::world::PASSWORD.to_owned())),
                ("/dav/tus", door.login.clone()),
            ] {
                let stranger = Door::new(format!("{prefix}/{number}"), login);
                let asked = stranger.request(&w, "HEAD", "").header("tus-resumable", "1.0.0").send("").await;
                assert!(matches!(asked.status.as_u16(), 401 | 404), "{stranger:?} {}", asked.status);
            }
        }
    }
}

/// As the sync clients send large files, into the folder of shares.
#[tokio::test]
async fn chunks_end_in_what_is_shared() {
    let w = World::new().await;
    tree(&w).await;
    let share = give(&w, "/a/top", Grantee::User("otto".to_owned()), Role::Editor).await;
    let otto = |method: &str, path: &str| w.request(method, path).login("otto", crate::world::PASSWORD);
    let to = "/remote.php/dav/files/otto/Shares/top/sub/big.bin";
    for (session, revoked) in [("1", false), ("2", true)] {
        let url = format!("/remote.php/dav/uploads/otto/{session}");
        assert_eq!(otto("MKCOL", &url).header("destination", to).send("").await.status, 201);
        for (chunk, bytes) in [("1", "abc"), ("2", "def")] {
            let put = otto("PUT", &format!("{url}/{chunk}")).header("destination", to).send(bytes).await;
            assert_eq!(put.status, 201, "{}", put.text());
        }
        if revoked {
            w.domain.revoke_share(&principal(&w, "anna").await, share.id).await.unwrap();
        }
        let ended = otto("MOVE", &format!("{url}/.file")).header("destination", to).send("").await;
        assert_eq!(ended.status, if revoked { 404 } else { 201 }, "{}", ended.text());
    }
    assert_eq!(w.get(&format!("{ANNA}/a/top/sub/big.bin")).await.text(), "abcdef");
}

#[tokio::test]
async fn what_visitors_do_is_in_the_audit() {
    let w = World::new().await;
    tree(&w).await;
    let link = give(&w, "/a/top", Grantee::Link, Role::Editor).await;
    let door = Door::new("/public.php/webdav", Login::Basic(link.token.unwrap(), String::new()));
    for _ in 0..3 {
        door.list(&w, "").await;
        door.list(&w, "/sub").await;
        door.status(&w, "GET", "/f.txt", "").await;
        door.request(&w, "GET", "/f.txt").header("range", "bytes=0-0").send("").await;
    }
    door.status(&w, "GET", "/none", "").await;
    door.status(&w, "PUT", "/n.txt", "1").await;
    door.status(&w, "PUT", "/n.txt", "2").await;
    door.status(&w, "DELETE", "/n.txt", "").await;
    let anna = principal(&w, "anna").await;
    let mut told = Vec::new();
    for _ in 0..100 {
        let query = AuditQuery { share: Some(link.id), ..AuditQuery::default() };
        let page = w.domain.audit(&anna, query).await.unwrap();
        told = page.iter().rev().map(|entry| (entry.event.clone(), entry.subject.clone())).collect();
        if told.len() >= 9 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let expected = [
        ("listed", "/a/top"),
        ("read", "/a/top/f.txt"),
        ("read", "/a/top/f.txt"),
        ("read", "/a/top/f.txt"),
        ("read", "/a/top/f.txt"),
        ("wrote", "/a/top/n.txt"),
        ("wrote", "/a/top/n.txt"),
        ("removed", "/a/top/n.txt"),
    ];
    let told: Vec<(&str, &str)> = told.iter().map(|(event, subject)| (event.as_str(), subject.as_str())).collect();
    assert_eq!(told[1..], expected);
}

#[tokio::test]
async fn owners_see_to_whom_things_are_given() {
    let w = World::new().await;
    tree(&w).await;
    doors(&w, Role::Viewer).await;
    let told = w.properties(&format!("{ANNA}/a"), "1", "<oc:share-types/>").await.text();
    let types = "<oc:share-types><oc:share-type>6</oc:share-type><oc:share-type>3</oc:share-type><oc:share-type>0</oc:share-type></oc:share-types>";
    assert!(told.contains(types), "{told}");
    assert_eq!(told.matches("<oc:share-type>").count(), 3, "what lies beside it is not shared");
    let otto = w.request("PROPFIND", "/remote.php/dav/files/otto/Shares/top").login("otto", crate::world::PASSWORD);
    let told = otto.header("depth", "0").send(propfind("<oc:share-types/><nc:mount-type/><nc:is-mount-root/>")).await;
    assert_eq!(told.element("oc:share-type"), None, "he made none of them");
    assert_eq!(told.element("nc:mount-type").as_deref(), Some("shared"));
    assert_eq!(told.element("nc:is-mount-root").as_deref(), Some("true"));
}
