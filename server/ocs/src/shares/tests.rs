use crate::testing::{Answer, House};
use serde_json::{Value, json};

const ADDRESS: &str = "/ocs/v2.php/apps/files_sharing/api/v1/shares";

fn data(answer: &Answer) -> &Value {
    &answer.body["ocs"]["data"]
}

impl House {
    async fn form(&self, name: &str, method: &str, path: &str, form: &str) -> Answer {
        let login = crate::testing::basic_with(name, &format!("stable horse {name}"));
        let separator = if path.contains('?') { '&' } else { '?' };
        let headers = [("authorization", login.as_str()), ("ocs-apirequest", "true")];
        self.send(method, &format!("{path}{separator}format=json"), &headers, form).await
    }
}

#[tokio::test]
async fn a_folder_is_shared_seen_changed_and_ended() {
    let house = House::new().await;
    house.user("eve").await;
    house.folder("ada", "/kb").await;
    house.folder("ada", "/kb/in").await;
    let form = "path=%2Fkb&shareType=0&shareWith=eve&permissions=15&expireDate=2099-12-31&note=look";
    let made = house.form("ada", "POST", ADDRESS, form).await;
    assert_eq!((made.status, made.code()), (200, 200), "{}", made.text);
    let share = data(&made);
    for (name, value) in [
        ("share_type", json!(0)),
        ("permissions", json!(15)),
        ("uid_owner", json!("ada")),
        ("uid_file_owner", json!("ada")),
        ("path", json!("/kb")),
        ("item_type", json!("folder")),
        ("expiration", json!("2099-12-31 00:00:00")),
        ("share_with", json!("eve")),
        ("note", json!("look")),
        ("token", json!(null)),
        ("item_source", json!(house.item_id("ada", "/kb").await)),
    ] {
        assert_eq!(share[name], value, "{name}");
    }
    let id = share["id"].as_str().unwrap();
    let one = format!("{ADDRESS}/{id}");
    let got = house.form("eve", "GET", &format!("{ADDRESS}?shared_with_me=true&include_tags=true"), "").await;
    assert_eq!(
        (data(&got)[0]["path"].as_str(), data(&got)[0]["file_target"].as_str()),
        (Some("/Shares/kb"), Some("/Shares/kb"))
    );
    assert_eq!(data(&got)[0]["can_edit"], false);
    let listed = house.form("ada", "GET", &format!("{ADDRESS}?path=/kb&reshares=true"), "").await;
    assert_eq!(data(&listed)[0]["id"].as_str(), Some(id));
    let sub = house.form("ada", "GET", &format!("{ADDRESS}?path=/&subfiles=true"), "").await;
    assert_eq!(data(&sub).as_array().unwrap().len(), 1);
    let inherited = house.form("ada", "GET", &format!("{ADDRESS}/inherited?path=/kb/in"), "").await;
    assert_eq!(data(&inherited)[0]["id"].as_str(), Some(id));
    assert_eq!(data(&house.form("ada", "GET", &one, "").await)[0]["id"].as_str(), Some(id));
    assert_eq!(data(&house.form("ada", "GET", &format!("{ADDRESS}/pending"), "").await), &json!([]));
    let changed = house.form("ada", "PUT", &one, "permissions=17&expireDate=").await;
    assert_eq!((&data(&changed)["permissions"], &data(&changed)["expiration"]), (&json!(17), &json!(null)));
    assert_eq!(house.form("eve", "PUT", &one, "permissions=31").await.status, 403);
    let on = house.form("eve", "POST", ADDRESS, "path=/Shares/kb/in&shareType=3&permissions=1").await;
    assert_eq!((on.status, data(&on)["path"].as_str()), (200, Some("/Shares/kb/in")), "{}", on.text);
    let by_others = house.form("ada", "GET", &format!("{ADDRESS}?path=/kb/in&reshares=true"), "").await;
    assert_eq!(data(&by_others)[0]["uid_owner"], "eve");
    assert_eq!(data(&house.form("ada", "GET", &format!("{ADDRESS}?path=/kb/in"), "").await), &json!([]));
    assert_eq!(house.form("eve", "DELETE", &one, "").await.status, 200);
    let got = house.form("eve", "GET", &format!("{ADDRESS}?shared_with_me=true"), "").await;
    assert_eq!(data(&got), &json!([]), "left");
    assert_eq!(data(&house.form("ada", "GET", ADDRESS, "").await).as_array().unwrap().len(), 1, "and still there");
    assert_eq!(house.form("eve", "POST", &format!("{ADDRESS}/pending/{id}"), "").await.status, 200);
    assert_eq!(house.form("ada", "DELETE", &one, "").await.code(), 200);
    let gone = house.form("ada", "GET", &one.replace("v2.php", "v1.php"), "").await;
    assert_eq!((gone.status, gone.code()), (404, 998));
    assert_eq!(data(&house.form("eve", "GET", ADDRESS, "").await), &json!([]), "what was passed on ended too");
}

#[tokio::test]
async fn links_have_an_address_and_a_password_and_may_be_file_drops() {
    let house = House::new().await;
    house.folder("ada", "/kb").await;
    house.write("ada", "/kb/f", b"1").await;
    let made = house.form("ada", "POST", ADDRESS, "path=/kb&shareType=3&password=stable+horse&label=x").await;
    let share = data(&made).clone();
    let token = share["token"].as_str().unwrap();
    assert_eq!(share["url"], format!("http://box.example/index.php/s/{token}"));
    assert_eq!((&share["permissions"], &share["label"], &share["share_with"]), (&json!(1), &json!("x"), &json!("***")));
    let one = format!("{ADDRESS}/{}", share["id"].as_str().unwrap());
    let permissions = async |form: &str| data(&house.form("ada", "PUT", &one, form).await)["permissions"].clone();
    assert_eq!(permissions("publicUpload=true").await, 15);
    assert_eq!(permissions("permissions=4").await, 4);
    assert_eq!(permissions("publicUpload=false").await, 1);
    assert_eq!(permissions("permissions=31").await, 15, "a link is not passed on, it is copied");
    assert_eq!(permissions("note=n").await, 15);
    let open = house.form("ada", "PUT", &one, "password=").await;
    assert_eq!(data(&open)["password"], json!(null));
    let json_body = r#"{"path": "/kb/f", "shareType": 3, "permissions": 19, "expireDate": "2099-01-01T00:00:00.000Z"}"#;
    let file = house.form("ada", "POST", ADDRESS, json_body).await;
    assert_eq!((&data(&file)["permissions"], &data(&file)["item_type"]), (&json!(3), &json!("file")));
    assert_eq!(data(&file)["expiration"], "2099-01-01 00:00:00");
    let second = house.form("ada", "POST", ADDRESS, "path=/kb&shareType=3").await;
    assert_ne!(data(&second)["token"], share["token"], "many links");
}

#[tokio::test]
async fn nobody_asked_for_more_than_there_is_and_wrong_calls_say_why() {
    let house = House::new().await;
    house.user("eve").await;
    house.space("ring", Some("ada"), None).await;
    house.folder("ring", "/kb").await;
    let usual = house.form("ada", "POST", ADDRESS, "path=/Spaces/ring/kb&shareType=0&shareWith=eve").await;
    assert_eq!((&data(&usual)["permissions"], &data(&usual)["path"]), (&json!(15), &json!("/Spaces/ring/kb")));
    for (form, status, words) in [
        ("shareType=0&shareWith=eve", 400, "path"),
        ("path=/nothing&shareType=0&shareWith=eve", 404, "nothing here"),
        ("path=/Shares&shareType=3", 404, ""),
        ("path=/Spaces/ring/kb&shareType=0&shareWith=nobody", 404, "nobody"),
        ("path=/Spaces/ring/kb&shareType=0", 400, "shareWith"),
        ("path=/Spaces/ring/kb&shareType=0&shareWith=eve", 403, "already"),
        ("path=/Spaces/ring/kb&shareType=4&shareWith=a@b", 403, "mail"),
        ("path=/Spaces/ring/kb&shareType=7", 400, "shareType"),
        ("path=/Spaces/ring/kb&shareType=x", 400, "shareType"),
        ("path=/Spaces/ring/kb&shareType=3&permissions=x", 400, "permissions"),
        ("path=/Spaces/ring/kb&shareType=3&permissions=2", 400, "nothing"),
        ("path=/Spaces/ring/kb&shareType=3&expireDate=soon", 400, "expireDate"),
        ("path=/Spaces/ring/kb&shareType=3&password=short", 400, "8 characters"),
        ("path=/&shareType=3", 403, "top folder"),
    ] {
        let answer = house.form("ada", "POST", ADDRESS, form).await;
        assert_eq!(answer.status, status, "{form}: {}", answer.text);
        assert!(answer.body["ocs"]["meta"]["message"].as_str().unwrap().contains(words), "{form}: {}", answer.text);
    }
    let xml = house.get(ADDRESS).await;
    assert!(xml.text.contains("<element>") && xml.text.contains("<path>/Spaces/ring/kb</path>"), "{}", xml.text);
    assert_eq!(house.form("ada", "GET", &format!("{ADDRESS}/x"), "").await.status, 404);
    let old = house.form("ada", "POST", &ADDRESS.replace("v2.php", "v1.php"), "path=/Spaces/ring/kb&shareType=3").await;
    assert_eq!((old.status, old.code()), (200, 100));
}
