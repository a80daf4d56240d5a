use crate::testing::{Answer, House};
use stitchbox_domain::{AuditQuery, Grantee, NewShare};
use stitchbox_schema::Role;

async fn link(house: &House, path: &str, role: Role, drop: bool, password: Option<&str>) -> String {
    let (ada, at) = house.at("ada", path).await;
    let new =
        NewShare { upload_only: drop, password: password.map(str::to_owned), ..NewShare::of(at, Grantee::Link, role) };
    house.domain.share(&ada, new).await.unwrap().token.unwrap()
}

async fn visit(house: &House, path: &str) -> Answer {
    house.send("GET", path, &[], "").await
}

/// A form with one file for each pair.
fn form(files: &[(&str, &str)]) -> String {
    let part = |(name, content): &(&str, &str)| {
        format!("--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{content}\r\n")
    };
    files.iter().map(part).collect::<String>() + "--XX--\r\n"
}

const MULTIPART: (&str, &str) = ("content-type", "multipart/form-data; boundary=XX");

#[tokio::test]
async fn a_folder_is_listed_and_its_files_come_down() {
    let house = House::new().await;
    house.folder("ada", "/kb").await;
    house.folder("ada", "/kb/in & out").await;
    house.write("ada", "/kb/in & out/<f>.png", b"picture").await;
    house.write("ada", "/secret", b"s").await;
    let token = link(&house, "/kb", Role::Viewer, false, None).await;
    for base in ["/s", "/index.php/s"] {
        let top = visit(&house, &format!("{base}/{token}")).await;
        assert_eq!(top.status, 200);
        let policy = top.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !top.text.contains("<script") && !top.text.contains("<form"));
        assert!(
            top.text.contains(&format!("href=\"{base}/{token}?path=/in%20%26%20out\">in &amp; out/</a>")),
            "{}",
            top.text
        );
    }
    let below = visit(&house, &format!("/s/{token}?path=/in%20%26%20out")).await;
    assert!(below.text.contains("&lt;f&gt;.png") && !below.text.contains("<f>"), "{}", below.text);
    assert!(below.text.contains("7 B") && below.text.contains("show=1"));
    let file = visit(&house, &format!("/s/{token}/download?path=/in%20%26%20out/%3Cf%3E.png")).await;
    assert_eq!((file.status, file.text.as_str()), (200, "picture"));
    assert!(file.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let shown = visit(&house, &format!("/s/{token}/download?path=/in%20%26%20out&files=%3Cf%3E.png&show=1")).await;
    assert_eq!((shown.text.as_str(), shown.headers["content-type"].to_str().unwrap()), ("picture", "image/png"));
    for (path, status) in
        [("?path=/nothing", 404), ("/download?path=/../secret", 400), ("/download?path=/in%20%26%20out", 409)]
    {
        assert_eq!(visit(&house, &format!("/s/{token}{path}")).await.status, status, "{path}");
    }
    let sent = house.send("POST", &format!("/s/{token}/upload?path=/"), &[MULTIPART], &form(&[("x", "1")])).await;
    assert_eq!(sent.status, 403, "{}", sent.text);
}

#[tokio::test]
async fn a_single_file_is_its_own_page() {
    let house = House::new().await;
    house.write("ada", "/f.txt", b"text").await;
    let token = link(&house, "/f.txt", Role::Viewer, false, None).await;
    let page = visit(&house, &format!("/s/{token}")).await;
    assert!(page.status == 200 && page.text.contains("Download f.txt"), "{}", page.text);
    assert_eq!(visit(&house, &format!("/s/{token}/download")).await.text, "text");
}

#[tokio::test]
async fn a_password_is_asked_for_once_and_stands_for_one_link() {
    let house = House::new().await;
    house.folder("ada", "/kb").await;
    house.write("ada", "/kb/f", b"text").await;
    let token = link(&house, "/kb", Role::Viewer, false, Some("stable horse")).await;
    let other = link(&house, "/kb", Role::Viewer, false, Some("stable horse")).await;
    let address = format!("/s/{token}");
    let closed = visit(&house, &address).await;
    assert!(closed.status == 401 && closed.text.contains("type=\"password\"") && !closed.text.contains(">f<"));
    assert!(closed.headers.get("www-authenticate").is_none(), "no window of the browser's own");
    assert_eq!(visit(&house, &format!("{address}/download?path=/f")).await.status, 401);
    let wrong = house.send("POST", &address, &[], "password=wrong").await;
    assert!(wrong.status == 401 && wrong.text.contains("not the password"));
    let foreign = house.send("POST", &address, &[("sec-fetch-site", "cross-site")], "password=stable+horse").await;
    assert_eq!(foreign.status, 401);
    let open = house.send("POST", &address, &[], "password=stable+horse").await;
    assert_eq!((open.status, open.headers["location"].to_str().unwrap()), (303, format!("{address}?path=").as_str()));
    let cookie = open.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("horse"));
    let kept = cookie.split(';').next().unwrap();
    let with = [("cookie", kept)];
    assert!(house.send("GET", &address, &with, "").await.text.contains(">f</a>"));
    assert_eq!(house.send("GET", &format!("{address}/download?path=/f"), &with, "").await.text, "text");
    let moved = kept.replace(&token, &other);
    assert_eq!(house.send("GET", &format!("/s/{other}"), &[("cookie", moved.as_str())], "").await.status, 401);
    let (ada, _) = house.at("ada", "/").await;
    let share = house.domain.shares_by(&ada).await.unwrap().remove(0);
    let change = stitchbox_domain::ShareChange { password: Some(Some("another horse".into())), ..Default::default() };
    house.domain.change_share(&ada, share.id, change).await.unwrap();
    assert_eq!(house.send("GET", &address, &with, "").await.status, 401, "it stands for that password alone");
    house.domain.revoke_share(&ada, share.id).await.unwrap();
    assert_eq!(house.send("GET", &address, &with, "").await.status, 404);
    let never = visit(&house, "/s/neverwasthere123").await;
    assert_eq!(never.status, 401, "nobody learns which links there are");
}

#[tokio::test]
async fn a_file_drop_takes_files_and_shows_nothing() {
    let house = House::new().await;
    house.folder("ada", "/in").await;
    house.write("ada", "/in/there", b"x").await;
    let token = link(&house, "/in", Role::Contributor, true, None).await;
    let page = visit(&house, &format!("/s/{token}")).await;
    assert!(
        page.status == 200 && page.text.contains("type=\"file\"") && !page.text.contains("there<"),
        "{}",
        page.text
    );
    let body = form(&[("C:\\a.txt", "one"), ("there", "two"), ("", "")]);
    let sent = house.send("POST", &format!("/s/{token}/upload?path=/"), &[MULTIPART], &body).await;
    assert_eq!(
        (sent.status, sent.headers["location"].to_str().unwrap()),
        (303, format!("/s/{token}?path=/&done=2").as_str()),
        "{}",
        sent.text
    );
    let thanks = visit(&house, &format!("/s/{token}?done=2")).await;
    assert!(thanks.text.contains("2 files have arrived"));
    let (ada, at) = house.at("ada", "/in").await;
    let (membership, folder) = house.domain.item(&ada, &at).await.unwrap();
    let names: Vec<_> =
        house.domain.children(&membership, &folder).await.unwrap().into_iter().map(|item| item.name).collect();
    assert_eq!(names, ["a.txt", "there", "there (2)"], "nothing is replaced");
    assert_eq!(visit(&house, &format!("/s/{token}/download?path=/there")).await.status, 404);
    let foreign = [MULTIPART, ("origin", "https://evil.example")];
    assert_eq!(house.send("POST", &format!("/s/{token}/upload"), &foreign, &body).await.status, 401);
    assert_eq!(house.send("POST", &format!("/s/{token}/upload"), &[], "x").await.status, 400);
    let cut = &body[..body.len() / 3];
    assert_eq!(house.send("POST", &format!("/s/{token}/upload?path=/"), &[MULTIPART], cut).await.status, 400);
    let query = AuditQuery { item: None, ..AuditQuery::default() };
    for _ in 0..50 {
        let told = house.domain.whole_audit(query).await.unwrap();
        if told.iter().filter(|row| row.event == "wrote").count() == 2 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("both files are in the audit");
}

#[tokio::test]
async fn a_writable_link_lists_and_takes() {
    let house = House::new().await;
    house.folder("ada", "/kb").await;
    let token = link(&house, "/kb", Role::Editor, false, None).await;
    let page = visit(&house, &format!("/s/{token}")).await;
    assert!(page.text.contains("This folder is empty") && page.text.contains("multipart/form-data"));
    let sent = house.send("POST", &format!("/s/{token}/upload?path=/"), &[MULTIPART], &form(&[("new", "1")])).await;
    assert_eq!(sent.status, 303);
    assert!(visit(&house, &format!("/s/{token}")).await.text.contains(">new</a>"));
}
