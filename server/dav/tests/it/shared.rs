//! What is shared, through every door: the roles, the folder `Shares`, links and peers.

use crate::world::{ANNA, Answer, Call, PASSWORD, World, propfind};
use stitchbox_domain::auth::secret_hash;
use stitchbox_domain::shares::{Grantee, NewShare, ShareChange};
use stitchbox_domain::{ItemPath, Location, Principal};
use stitchbox_schema::sharing::{ShareDocument, ShareKind};
use stitchbox_schema::{Role, ShareId, Timestamp};
use stitchbox_store::federated::{self, FederatedShare, FederatedState};
use stitchbox_store::shares::{self, Share};

/// How somebody comes to what is shared.
#[derive(Clone, Debug)]
pub enum Login {
    Basic(String, String),
    Bearer(String),
    Nobody,
}

/// A URL and the login that opens it.
#[derive(Clone, Debug)]
pub struct Door {
    pub url: String,
    pub login: Login,
}

impl Door {
    pub fn new(url: impl Into<String>, login: Login) -> Self {
        Self { url: url.into(), login }
    }

    /// A request to a path below, which begins with a slash or is empty.
    pub fn request<'w>(&self, w: &'w World, method: &str, path: &str) -> Call<'w> {
        let call = w.request(method, &format!("{}{path}", self.url));
        match &self.login {
            Login::Basic(name, password) => call.login(name, password),
            Login::Bearer(token) => call.anonymous().header("authorization", &format!("Bearer {token}")),
            Login::Nobody => call.anonymous(),
        }
    }

    pub async fn status(&self, w: &World, method: &str, path: &str, body: &'static str) -> u16 {
        self.request(w, method, path).send(body).await.status.as_u16()
    }

    pub async fn list(&self, w: &World, path: &str) -> Answer {
        self.request(w, "PROPFIND", path).header("depth", "1").send("").await
    }

    pub async fn property(&self, w: &World, path: &str, tag: &str) -> Option<String> {
        let answer = self.request(w, "PROPFIND", path).header("depth", "0").send(propfind(&format!("<{tag}/>"))).await;
        assert_eq!(answer.status, 207, "{path}: {}", answer.text());
        answer.element(tag)
    }
}

pub async fn principal(w: &World, name: &str) -> Principal {
    let client = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    w.domain.login_basic(name, PASSWORD, client, stitchbox_domain::auth::Entrance::Api).await.unwrap()
}

/// A place in Anna's own space.
pub async fn place(w: &World, path: &str) -> Location {
    let anna = principal(w, "anna").await;
    let space = w.domain.find_space(&anna, "anna").await.unwrap().space.id;
    Location::in_space(space, ItemPath::parse(path).unwrap())
}

/// Anna's files: `/a/beside.txt`, and `/a/top` with `f.txt` and `sub/g.txt`.
pub async fn tree(w: &World) {
    for folder in ["a", "a/top", "a/top/sub"] {
        assert_eq!(w.mkcol(&format!("{ANNA}/{folder}")).await.status, 201);
    }
    for (file, text) in [("a/beside.txt", "secret"), ("a/top/f.txt", "in f"), ("a/top/sub/g.txt", "in g")] {
        assert_eq!(w.put(&format!("{ANNA}/{file}"), text).await.status, 201);
    }
}

pub async fn give(w: &World, path: &str, to: Grantee, role: Role) -> ShareDocument {
    let anna = principal(w, "anna").await;
    w.domain.share(&anna, NewShare::of(place(w, path).await, to, role)).await.unwrap()
}

/// A federated share, as if a peer had taken it; gives id and secret.
pub async fn give_peer(w: &World, path: &str, role: Role, must_exchange: bool) -> (ShareId, String) {
    let anna = principal(w, "anna").await;
    let at = place(w, path).await;
    let (_, item) = w.domain.item(&anna, &at).await.unwrap();
    let id = ShareId(item.id.0 + 4_611_686_018_427_387_904 / 2 + i64::from(must_exchange));
    let secret = format!("secret-of-{id}");
    let share = Share {
        id,
        kind: ShareKind::Federated,
        space: at.space,
        item: item.id,
        grantor: anna.user,
        parent: None,
        user: None,
        group: None,
        role,
        upload_only: false,
        may_reshare: false,
        label: String::new(),
        note: String::new(),
        token: None,
        password_hash: None,
        expires_at: None,
        created_at: Timestamp(0),
    };
    let row = FederatedShare {
        share: id,
        provider_id: id.to_string(),
        recipient: "bob@peer.example".to_owned(),
        is_group: false,
        peer: "peer.example".to_owned(),
        sender: None,
        sender_id: None,
        secret_hash: secret_hash(&secret),
        secret_sealed: String::new(),
        must_exchange,
        state: FederatedState::Accepted,
        form: None,
        answer: None,
        changed_at: Timestamp(0),
    };
    let done: Result<(), stitchbox_domain::Error> = w
        .store
        .write(move |tx| {
            Box::pin(async move {
                shares::insert(tx, &share).await?;
                Ok(federated::insert(tx, &row).await?)
            })
        })
        .await;
    done.unwrap();
    (id, secret)
}

/// As the domain does, but for telling the peer.
pub async fn take_back_from_peer(w: &World, id: ShareId) {
    let now = w.domain.now();
    let done: Result<(), stitchbox_domain::Error> = w
        .store
        .write(move |tx| {
            Box::pin(async move {
                stitchbox_store::share_access::remember_ended(tx, id, None, now).await?;
                federated::remove(tx, id).await?;
                Ok(shares::remove(tx, id).await?)
            })
        })
        .await;
    done.unwrap();
}

/// Every door to `/a/top` with a role, each by a share of its own.
pub async fn doors(w: &World, role: Role) -> Vec<Door> {
    give(w, "/a/top", Grantee::User("otto".to_owned()), role).await;
    // Nobody outside becomes a manager.
    let outside = role.min(Role::Editor);
    let link = give(w, "/a/top", Grantee::Link, outside).await;
    let (token, by_space) = (link.token.unwrap(), w.domain.shares_with(&principal(w, "otto").await).await.unwrap());
    let (id, secret) = give_peer(w, "/a/top", outside, false).await;
    let otto = || Login::Basic("otto".to_owned(), PASSWORD.to_owned());
    vec![
        Door::new("/remote.php/dav/files/otto/Shares/top", otto()),
        Door::new("/remote.php/webdav/Shares/top", otto()),
        Door::new(format!("/dav/spaces/{}", by_space[0].id), otto()),
        Door::new("/public.php/webdav", Login::Basic(token.clone(), String::new())),
        Door::new(format!("/public.php/dav/files/{token}"), Login::Nobody),
        Door::new("/public.php/webdav", Login::Basic(secret.clone(), String::new())),
        Door::new(format!("/dav/ocm/{id}"), Login::Bearer(secret.clone())),
        Door::new(format!("/remote.php/dav/ocm/{id}"), Login::Basic(secret.clone(), String::new())),
        Door::new("/dav/ocm", Login::Bearer(secret)),
    ]
}

const LOCK: &str =
    "<lockinfo xmlns=\"DAV:\"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";
const PATCH: &str = "<d:propertyupdate xmlns:d=\"DAV:\" xmlns:z=\"urn:z\"><d:set><d:prop><z:a>1</z:a></d:prop></d:set></d:propertyupdate>";

#[tokio::test]
async fn every_role_does_by_every_door_what_it_may() {
    for (role, new, change) in [
        (Role::Viewer, false, false),
        (Role::Contributor, true, false),
        (Role::Editor, true, true),
        (Role::Manager, true, true),
    ] {
        let w = World::new().await;
        tree(&w).await;
        let makes = |status: u16| if new { status } else { 403 };
        let changes = |status: u16| if change { status } else { 403 };
        for (number, door) in doors(&w, role).await.into_iter().enumerate() {
            let told = |what: &str| format!("{role} {door:?} {what}");
            let name = format!("/new{number}");
            assert_eq!(door.list(&w, "").await.status, 207, "{}", told("list"));
            assert_eq!(door.request(&w, "GET", "/sub/g.txt").send("").await.text(), "in g", "{}", told("get"));
            let ranged = door.request(&w, "GET", "/f.txt").header("range", "bytes=1-2").send("").await;
            assert_eq!((ranged.status.as_u16(), ranged.text().as_str()), (206, "n "), "{}", told("range"));
            assert_eq!(door.status(&w, "HEAD", "/f.txt", "").await, 200, "{}", told("head"));
            assert_eq!(door.status(&w, "PUT", &name, "x").await, makes(201), "{}", told("put"));
            assert_eq!(door.status(&w, "MKCOL", &format!("{name}d"), "").await, makes(201), "{}", told("mkcol"));
            assert_eq!(
                door.status(&w, "MKCOL", "/sub", "").await,
                if new { 405 } else { 403 },
                "{}",
                told("mkcol again")
            );
            assert_eq!(door.status(&w, "PUT", "/f.txt", "in f").await, changes(204), "{}", told("overwrite"));
            assert_eq!(door.status(&w, "PROPPATCH", "/f.txt", PATCH).await, changes(207), "{}", told("proppatch"));
            let locked = door.request(&w, "LOCK", "/f.txt").header("timeout", "Second-60").send(LOCK).await;
            assert_eq!(locked.status, changes(200), "{}", told("lock"));
            if change {
                let token = locked.header("lock-token").to_owned();
                let unlocked = door.request(&w, "UNLOCK", "/f.txt").header("lock-token", &token).send("").await;
                assert_eq!(unlocked.status, 204, "{}", told("unlock"));
                assert!(
                    locked.text().contains(&format!("{}/f.txt", door.url)),
                    "{} {}",
                    told("lockroot"),
                    locked.text()
                );
            }
            let to = |name: &str| format!("{}{name}", door.url);
            let moved = door.request(&w, "MOVE", "/f.txt").header("destination", &to("/moved.txt")).send("").await;
            assert_eq!(moved.status, changes(201), "{}", told("move"));
            if change {
                let back = door.request(&w, "MOVE", "/moved.txt").header("destination", &to("/f.txt")).send("").await;
                assert_eq!(back.status, 201, "{}", told("move back"));
                assert_eq!(door.status(&w, "DELETE", &name, "").await, 204, "{}", told("delete"));
                assert_eq!(door.status(&w, "DELETE", &format!("{name}d"), "").await, 204, "{}", told("delete folder"));
            } else {
                assert_eq!(door.status(&w, "DELETE", "/f.txt", "").await, 403, "{}", told("delete"));
            }
            let copy =
                door.request(&w, "COPY", "/f.txt").header("destination", &to(&format!("/copy{number}"))).send("").await;
            assert_eq!(copy.status, makes(201), "{}", told("copy"));
        }
    }
}

#[tokio::test]
async fn letters_and_numbers_say_what_may_be_done() {
    for (role, mine, others, bits, words) in [
        (Role::Viewer, ["SGDNV", "SG", "SG"], ["G", "G", "G"], "1", "[\"read\"]"),
        (Role::Contributor, ["SGDNVCK", "SGCK", "SG"], ["GCK", "GCK", "G"], "5", "[\"read\",\"write\"]"),
        (Role::Editor, ["SGDNVCK", "SGDNVCK", "SGDNVW"], ["GDNVCK", "GDNVCK", "GDNVW"], "15", "[\"read\",\"write\"]"),
    ] {
        let w = World::new().await;
        tree(&w).await;
        for door in doors(&w, role).await {
            let is_peers = !matches!(&door.login, Login::Basic(name, _) if name == "otto");
            for (path, letters) in ["", "/sub", "/f.txt"].into_iter().zip(if is_peers { others } else { mine }) {
                let told = door.property(&w, path, "oc:permissions").await;
                assert_eq!(told.as_deref(), Some(letters), "{role} {door:?} {path}");
            }
            let ask = "<d:propfind xmlns:d='DAV:' xmlns:o='http://open-collaboration-services.org/ns' \
                       xmlns:m='http://open-cloud-mesh.org/ns'><d:prop><o:share-permissions/><m:share-permissions/></d:prop></d:propfind>";
            let told = door.request(&w, "PROPFIND", "").header("depth", "0").send(ask).await;
            assert_eq!(told.element("ocs:share-permissions").as_deref(), Some(bits), "{role} {door:?}");
            let json = told.element("ocm:share-permissions").unwrap().replace("&quot;", "\"");
            assert_eq!(json, words, "{role} {door:?}");
        }
    }
}

#[tokio::test]
async fn hrefs_are_those_of_the_door() {
    let w = World::new().await;
    tree(&w).await;
    for door in doors(&w, Role::Editor).await {
        let listed = door.list(&w, "").await;
        let expected = ["", "/f.txt", "/sub"].map(|path| format!("{}{path}", door.url));
        let shown: Vec<String> = listed.hrefs().iter().map(|href| href.trim_end_matches('/').to_owned()).collect();
        assert_eq!(shown, expected, "{door:?}");
        assert!(listed.hrefs()[0].ends_with('/') && listed.hrefs()[2].ends_with('/'), "{door:?}");
        assert!(!listed.text().contains("beside"), "{door:?}");
        // A lock of the owner on a folder above what is shared is told with a URL of the door, and not with its path.
        let lock = w.request("LOCK", &format!("{ANNA}/a")).header("depth", "infinity").send(LOCK).await;
        let held =
            door.request(&w, "PROPFIND", "/f.txt").header("depth", "0").send(propfind("<d:lockdiscovery/>")).await;
        assert!(
            held.text().contains(&format!("<d:lockroot><d:href>{}</d:href>", door.url)),
            "{door:?} {}",
            held.text()
        );
        let refused = door.request(&w, "PUT", "/f.txt").send("x").await;
        assert_eq!(refused.status, 423, "{door:?}");
        assert!(refused.text().contains(&format!("<d:href>{}</d:href>", door.url)), "{door:?} {}", refused.text());
        let token = lock.header("lock-token").to_owned();
        let shown = door.request(&w, "PUT", "/f.txt").header("if", &format!("({token})")).send("x").await;
        assert_eq!(shown.status, 423, "a token of the owner is no good by {door:?}");
        let unlocked = door.request(&w, "UNLOCK", "/f.txt").header("lock-token", &token).send("").await;
        assert_eq!(unlocked.status, 409, "{door:?}");
        w.request("UNLOCK", &format!("{ANNA}/a")).header("lock-token", &token).send("").await;
    }
}

#[tokio::test]
async fn a_lock_of_the_owner_as_a_person_stops_who_comes_in_her_name() {
    let w = World::new().await;
    tree(&w).await;
    let doors = doors(&w, Role::Manager).await;
    let file = format!("{ANNA}/a/top/f.txt");
    assert_eq!(w.request("LOCK", &file).header("x-user-lock", "1").send("").await.status, 200);
    assert_eq!(w.put(&file, "hers").await.status, 204, "her own programs go on");
    for door in &doors {
        assert_eq!(door.status(&w, "PUT", "/f.txt", "x").await, 423, "{door:?}");
        assert_eq!(door.status(&w, "DELETE", "/f.txt", "").await, 423, "{door:?}");
    }
}

#[tokio::test]
async fn the_folder_of_shares_is_there_when_something_is_in_it() {
    let w = World::new().await;
    tree(&w).await;
    let otto = |method: &str, path: &str| {
        w.request(method, &format!("/remote.php/dav/files/otto{path}")).login("otto", PASSWORD)
    };
    let root = async || {
        let told = otto("PROPFIND", "").header("depth", "1").send(propfind("<d:getetag/>")).await;
        (told.hrefs(), told.element("d:getetag").unwrap())
    };
    let (before, etag) = root().await;
    assert_eq!(before.len(), 1);
    assert_eq!(otto("MKCOL", "/Shares").send("").await.status, 403);
    let shared = give(&w, "/a/top", Grantee::User("otto".to_owned()), Role::Editor).await;
    let (hrefs, shown) = root().await;
    assert_eq!(hrefs, ["/remote.php/dav/files/otto/", "/remote.php/dav/files/otto/Shares/"]);
    assert_ne!(shown, etag);
    // Content moves the ETags up to the top.
    w.put(&format!("{ANNA}/a/top/sub/g.txt"), "more").await;
    let (_, changed) = root().await;
    assert_ne!(changed, shown);
    w.put(&format!("{ANNA}/a/beside.txt"), "more").await;
    assert_eq!(root().await.1, changed, "what is not shared is not seen to change");
    // It is renamed there, and nowhere else.
    let to = |path: &str| format!("/remote.php/dav/files/otto{path}");
    let moved = otto("MOVE", "/Shares/top").header("destination", &to("/elsewhere")).send("").await;
    assert_eq!(moved.status, 403);
    let moved = otto("MOVE", "/Shares/top").header("destination", &to("/Shares/my%20top")).send("").await;
    assert_eq!(moved.status, 201);
    assert_ne!(root().await.1, changed);
    assert_eq!(otto("GET", "/Shares/my%20top/f.txt").send("").await.text(), "in f");
    assert_eq!(otto("GET", "/Shares/top/f.txt").send("").await.status, 404);
    let listed = otto("PROPFIND", "/Shares").header("depth", "1").send(propfind("<d:displayname/><oc:id/>")).await;
    assert_eq!(listed.hrefs(), ["/remote.php/dav/files/otto/Shares/", "/remote.php/dav/files/otto/Shares/my%20top/"]);
    assert!(listed.text().contains("<d:displayname>my top</d:displayname>"));
    assert_eq!(w.request("GET", &format!("{ANNA}/a/top/f.txt")).send("").await.status, 200, "hers keeps its name");
    // A name that is taken stays taken.
    let second = give(&w, "/a/beside.txt", Grantee::User("otto".to_owned()), Role::Viewer).await;
    let onto = otto("MOVE", "/Shares/my%20top").header("destination", &to("/Shares/beside.txt")).send("").await;
    assert_eq!(onto.status, 412);
    assert_eq!(otto("GET", "/Shares/beside.txt").send("").await.text(), "more");
    assert_eq!(otto("PUT", "/Shares/beside.txt").send("x").await.status, 403);
    // Leaving it takes nothing away from anybody else.
    assert_eq!(otto("DELETE", "/Shares/my%20top").send("").await.status, 204);
    assert_eq!(otto("GET", "/Shares/my%20top/f.txt").send("").await.status, 404);
    assert_eq!(w.get(&format!("{ANNA}/a/top/f.txt")).await.status, 200);
    assert_eq!(otto("DELETE", "/Shares/beside.txt").send("").await.status, 204);
    assert_eq!(root().await.0.len(), 1);
    let otto = principal(&w, "otto").await;
    assert!(w.domain.shares_with(&otto).await.unwrap().iter().all(|share| share.hidden));
    let _ = (shared, second);
}

#[tokio::test]
async fn what_is_taken_back_in_the_middle_of_a_session_is_gone_with_its_next_request() {
    let w = World::new().await;
    tree(&w).await;
    let doors = doors(&w, Role::Editor).await;
    for door in &doors {
        assert_eq!(door.status(&w, "GET", "/f.txt", "").await, 200);
    }
    let anna = principal(&w, "anna").await;
    for share in w.domain.shares_by(&anna).await.unwrap() {
        match share.kind {
            ShareKind::Federated => take_back_from_peer(&w, share.id).await,
            _ => w.domain.revoke_share(&anna, share.id).await.unwrap(),
        }
    }
    for door in &doors {
        for (method, path) in [("GET", "/f.txt"), ("PUT", "/n"), ("PROPFIND", "")] {
            assert_eq!(door.status(&w, method, path, "").await, 404, "{door:?} {method}: gone, not wrong");
        }
    }
}

#[tokio::test]
async fn a_role_that_changes_counts_at_once() {
    let w = World::new().await;
    tree(&w).await;
    let doors = doors(&w, Role::Editor).await;
    let anna = principal(&w, "anna").await;
    for share in w.domain.shares_by(&anna).await.unwrap() {
        let less = ShareChange { role: Some(Role::Viewer), ..ShareChange::default() };
        w.domain.change_share(&anna, share.id, less).await.unwrap();
    }
    for door in &doors {
        assert_eq!(door.status(&w, "PUT", "/f.txt", "x").await, 403, "{door:?}");
        assert_eq!(door.status(&w, "GET", "/f.txt", "").await, 200, "{door:?}");
    }
}

#[tokio::test]
async fn what_was_trashed_or_moved_to_another_space_is_not_shared_there() {
    for to_space in [false, true] {
        let w = World::new().await;
        tree(&w).await;
        let doors = doors(&w, Role::Editor).await;
        // Inside the space it may go where it likes.
        let moved =
            w.request("MOVE", &format!("{ANNA}/a/top")).header("destination", &format!("{ANNA}/deep")).send("").await;
        assert_eq!(moved.status, 201);
        for door in &doors {
            assert_eq!(door.status(&w, "GET", "/f.txt", "").await, 200, "{door:?}");
        }
        let gone = match to_space {
            true => {
                w.request("MOVE", &format!("{ANNA}/deep")).header("destination", "/dav/spaces/KB/deep").send("").await
            }
            false => w.request("DELETE", &format!("{ANNA}/deep")).send("").await,
        };
        assert!(gone.status.is_success());
        for door in &doors {
            assert_eq!(door.status(&w, "GET", "/f.txt", "").await, 404, "{door:?}");
            assert_eq!(door.status(&w, "PROPFIND", "", "").await, 404, "{door:?}");
            assert_eq!(door.status(&w, "PUT", "/n", "x").await, 404, "{door:?}");
        }
    }
}
