//! Sharing at home, as clients of Nextcloud and curl see it: given by OCS, there at once, gone at once.

use serde_json::Value;
use stitchbox_tests::{Credentials, Daemon, Dav, encode_path, wait_until};

const SHARES: &str = "/ocs/v2.php/apps/files_sharing/api/v1/shares";

/// Anna and ben, and anna's folder `/kb` with the file `f`.
fn house() -> (Daemon, Dav, Dav) {
    let daemon = Daemon::start();
    let (anna, ben) = (daemon.user("anna"), daemon.user("ben"));
    anna.mkcol("/kb").send().expect(201);
    anna.write("/kb/f", "one").expect(201);
    (daemon, anna, ben)
}

/// A call of OCS with a form; its data.
fn ocs(who: &Dav, method: &str, path: &str, form: &[(&str, &str)]) -> Value {
    let pairs: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encode_path(value))).collect();
    let call = who.call_url(method, &format!("{}{path}?format=json", who.base())).header("OCS-APIRequest", "true");
    let call = call.header("Content-Type", "application/x-www-form-urlencoded").body(pairs.join("&"));
    call.send().expect(200).json()["ocs"]["data"].clone()
}

fn share(who: &Dav, path: &str, kind: &str, with: &str, more: &[(&str, &str)]) -> Value {
    let mut form = vec![("path", path), ("shareType", kind)];
    if !with.is_empty() {
        form.push(("shareWith", with));
    }
    form.extend(more);
    ocs(who, "POST", SHARES, &form)
}

fn end(who: &Dav, share: &Value) {
    ocs(who, "DELETE", &format!("{SHARES}/{}", share["id"].as_str().unwrap()), &[]);
}

/// What a link shows over WebDAV.
fn link(daemon: &Daemon, share: &Value, password: &str) -> Dav {
    let token = share["token"].as_str().unwrap().to_owned();
    daemon.nobody().at("/public.php/webdav").by(Credentials::Basic(token, password.to_owned()))
}

#[test]
fn a_share_with_a_user_is_there_at_once_and_gone_at_once() {
    let (daemon, anna, ben) = house();
    let shows_shares = || ben.names("/").iter().any(|name| name == "Shares");
    assert!(!shows_shares(), "nothing is shared yet");
    let nothing = ben.entry("/").etag();
    let made = share(&anna, "/kb", "0", "ben", &[("permissions", "1")]);
    assert_eq!(ben.names("/Shares"), ["kb"]);
    assert_eq!(ben.read("/Shares/kb/f"), b"one");
    let given = ben.entry("/").etag();
    assert_ne!(nothing, given, "a client that looks at the top alone sees it");
    anna.write("/kb/f", "two").expect(204);
    let changed = ben.entry("/").etag();
    assert_ne!(given, changed, "and that something in it changed");
    assert_eq!(ben.read("/Shares/kb/f"), b"two");
    anna.write("/own", "x").expect(201);
    assert_eq!(ben.entry("/").etag(), changed, "what is not shared moves nothing");
    ben.put("/Shares/kb/f", "mine").send().expect(403);
    let id = format!("{SHARES}/{}", made["id"].as_str().unwrap());
    ocs(&anna, "PUT", &id, &[("permissions", "15")]);
    ben.put("/Shares/kb/f", "ben's").send().expect(204);
    assert_eq!(anna.read("/kb/f"), b"ben's");
    anna.rename("/kb", "/renamed").send().expect(201);
    assert_eq!(ben.read("/Shares/kb/f"), b"ben's", "a share follows its folder and keeps the grantee's name");
    end(&anna, &made);
    ben.get("/Shares/kb/f").send().expect(404);
    assert!(!shows_shares());
    assert_ne!(ben.entry("/").etag(), changed);
    daemon.verify_clean();
}

#[test]
fn groups_share_with_who_is_in_them_now() {
    let (daemon, anna, ben) = house();
    daemon.admin(&["group", "add", "optics"]).succeeded();
    share(&anna, "/kb", "1", "optics", &[("permissions", "5")]);
    assert!(!ben.exists("/Shares/kb"));
    daemon.admin(&["group", "member", "optics", "ben"]).succeeded();
    assert_eq!(ben.read("/Shares/kb/f"), b"one");
    ben.put("/Shares/kb/new", "x").send().expect(201);
    ben.put("/Shares/kb/new", "y").send().expect(403);
    daemon.admin(&["group", "leave", "optics", "ben"]).succeeded();
    ben.get("/Shares/kb/f").send().expect(404);
    let told = daemon.admin(&["audit"]).succeeded().stdout;
    for event in ["group_made", "granted", "group_joined", "group_left"] {
        assert!(told.contains(event), "{event}: {told}");
    }
}

#[test]
fn a_link_asks_for_its_password_and_every_use_is_in_the_audit() {
    let (daemon, anna, _) = house();
    let made = share(&anna, "/kb", "3", "", &[("password", "stable horse"), ("expireDate", "2099-12-31")]);
    let url = made["url"].as_str().unwrap();
    let page = daemon.nobody().call_url("GET", url).send().expect(401);
    assert!(page.text().contains("password") && !page.text().contains(">f<"));
    let form = daemon.nobody().call_url("POST", url).header("Content-Type", "application/x-www-form-urlencoded");
    let opened = form.body("password=stable+horse").send().expect(303);
    let cookie = opened.header("Set-Cookie").split(';').next().unwrap().to_owned();
    let page = daemon.nobody().call_url("GET", url).header("Cookie", &cookie).send().expect(200);
    assert!(page.text().contains(">f</a>"));
    let file = daemon.nobody().call_url("GET", &format!("{url}/download?path=/f")).header("Cookie", &cookie).send();
    assert_eq!(file.expect(200).body, b"one");
    assert_eq!(link(&daemon, &made, "stable horse").read("/f"), b"one");
    link(&daemon, &made, "wrong").get("/f").send().expect(401);
    link(&daemon, &made, "stable horse").put("/f", "x").send().expect(403);
    link(&daemon, &made, "stable horse").get("/../f").send();
    let id = made["id"].as_str().unwrap();
    wait_until("the use is in the audit", || {
        daemon.admin(&["audit", "--share", id]).succeeded().stdout.contains("\tread\t")
    });
    end(&anna, &made);
    daemon.nobody().call_url("GET", url).header("Cookie", &cookie).send().expect(404);
    link(&daemon, &made, "stable horse").get("/f").send().expect(404);
    let told = daemon.admin(&["audit", "--share", id]).succeeded().stdout;
    assert!(told.contains("\tgranted\tanna\t") && told.contains("\trevoked\tanna\t"), "{told}");
    let log = daemon.log();
    assert!(!told.contains("horse") && !log.contains("stable horse\""), "no secrets");
}

#[test]
fn a_file_drop_takes_files_from_a_form_and_over_webdav_and_shows_none() {
    let (daemon, anna, _) = house();
    let made = share(&anna, "/kb", "3", "", &[("permissions", "4")]);
    let drop = link(&daemon, &made, "");
    drop.put("/brought", "1").send().expect(201);
    assert!(!drop.exists("/brought") && !drop.exists("/f"), "nothing is seen");
    drop.put("/f", "other").send().expect(201);
    assert_eq!(anna.read("/kb/f"), b"one", "nothing is replaced");
    let body =
        "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"by form.txt\"\r\n\r\nhello\r\n--XX--\r\n";
    let url = format!("{}/upload?path=/", made["url"].as_str().unwrap());
    let form = daemon.nobody().call_url("POST", &url).header("Content-Type", "multipart/form-data; boundary=XX");
    form.body(body).send().expect(303);
    assert_eq!(anna.names("/kb"), ["brought", "by form.txt", "f", "f (2)"]);
    assert_eq!(anna.read("/kb/by form.txt"), b"hello");
    let page = daemon.nobody().call_url("GET", made["url"].as_str().unwrap()).send().expect(200).text();
    assert!(page.contains("type=\"file\"") && !page.contains("brought"));
}

#[test]
fn what_is_passed_on_ends_with_what_it_was_passed_on_by() {
    let (daemon, anna, ben) = house();
    let carl = daemon.user("carl");
    let made = share(&anna, "/kb", "0", "ben", &[("permissions", "17")]);
    share(&ben, "/Shares/kb", "0", "carl", &[("permissions", "1")]);
    assert_eq!(carl.read("/Shares/kb/f"), b"one");
    let form = [("path", "/Shares/kb"), ("shareType", "0"), ("shareWith", "anna"), ("permissions", "1")];
    let pairs: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encode_path(value))).collect();
    let back = ben.call_url("POST", &format!("{}{SHARES}", ben.base()));
    back.header("Content-Type", "application/x-www-form-urlencoded").body(pairs.join("&")).send().expect(403);
    end(&anna, &made);
    carl.get("/Shares/kb/f").send().expect(404);
    let left = carl.call_url("GET", &format!("{}{SHARES}?shared_with_me=true&format=json", carl.base())).send();
    assert_eq!(left.expect(200).json()["ocs"]["data"], serde_json::json!([]));
}
