//! A person at a site: shares, invites and accepts through the JSON interface. What the documents call their fields is
//! known here alone.

use serde_json::{Value, json};

use crate::dav::{Call, Dav, Reply, encode_path};
use crate::wait::wait_or_tell;

/// A user of a site.
#[derive(Debug, Clone)]
pub struct Person {
    dav: Dav,
    name: String,
    id: String,
}

impl Person {
    pub(crate) fn new(dav: Dav, name: &str, id: &str) -> Person {
        Person { dav, name: name.to_owned(), id: id.to_owned() }
    }

    /// The files of the person.
    pub fn dav(&self) -> &Dav {
        &self.dav
    }

    /// The login name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `name@host`.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn call(&self, method: &str, path: &str) -> Call {
        self.dav.call_url(method, &format!("{}/api/v1/{path}", self.dav.base()))
    }

    /// Asks the JSON interface.
    pub fn get(&self, path: &str) -> Reply {
        self.call("GET", path).send()
    }

    /// Sends a document to the JSON interface.
    pub fn send(&self, method: &str, path: &str, document: &Value) -> Reply {
        self.call(method, path).header("Content-Type", "application/json").body(document.to_string()).send()
    }

    fn list(&self, path: &str, name: &str) -> Vec<Value> {
        let body = self.get(path).expect(200).json();
        body[name].as_array().cloned().unwrap_or_else(|| panic!("no {name} in {body}"))
    }

    /// Tries to share an item of the own space (`/path`) with somebody; `more` are further fields.
    pub fn try_share(&self, path: &str, with: &str, role: &str, more: &Value) -> Reply {
        let mut document = json!({"space": self.name, "path": path, "kind": kind_of(with), "with": with, "role": role});
        let object = document.as_object_mut().expect("an object");
        object.extend(more.as_object().cloned().unwrap_or_default());
        self.send("POST", "shares", &document)
    }

    /// Shares and gives the document.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn share(&self, path: &str, with: &str, role: &str) -> Value {
        self.try_share(path, with, role, &json!({})).expect(201).json()
    }

    /// The shares the person made.
    pub fn shares(&self) -> Vec<Value> {
        self.list("shares", "shares")
    }

    /// One share.
    ///
    /// # Panics
    /// When it is not there.
    pub fn share_document(&self, id: &Value) -> Value {
        self.get(&format!("shares/{}", text(id))).expect(200).json()
    }

    /// Takes a share back.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn revoke(&self, share: &Value) {
        let reply = self.call("DELETE", &format!("shares/{}", text(&share["id"]))).send();
        assert!((200..300).contains(&reply.status), "{reply:?}");
    }

    /// Waits until a federated share is in a state.
    ///
    /// # Panics
    /// In vain.
    pub fn wait_delivery(&self, share: &Value, state: &str) -> Value {
        let now = || self.share_document(&share["id"]);
        wait_or_tell(|| Some(now()).filter(|now| now["delivery"]["state"] == state), || format!("{state}: {}", now()))
    }

    /// What was received from other sites, pending ones too.
    pub fn received(&self) -> Vec<Value> {
        self.list("received", "received")
    }

    /// Waits for something received under a name.
    ///
    /// # Panics
    /// In vain.
    pub fn wait_received(&self, name: &str, state: &str) -> Value {
        let look = || self.received().into_iter().find(|share| share["name"] == name && share["state"] == state);
        wait_or_tell(look, || format!("{name} received and {state}; there is {:?}", self.received()))
    }

    /// Accepts what was received under a name.
    ///
    /// # Panics
    /// When it is not pending or cannot be accepted.
    pub fn accept(&self, name: &str) -> Value {
        let share = self.wait_received(name, "pending");
        self.answer(&share, "accept");
        self.wait_received(name, "accepted")
    }

    /// Declines what was received.
    pub fn decline(&self, share: &Value) {
        self.answer(share, "decline");
    }

    fn answer(&self, share: &Value, word: &str) {
        let reply = self.call("POST", &format!("received/{}/{word}", text(&share["id"]))).send();
        assert!((200..300).contains(&reply.status), "{reply:?}");
    }

    /// Waits until a received share says that its peer is not as it should be; gives its document.
    ///
    /// # Panics
    /// In vain.
    pub fn wait_trouble(&self, name: &str) -> Value {
        let look =
            || self.received().into_iter().find(|share| share["name"] == name && !share["peer"]["error"].is_null());
        wait_or_tell(look, || format!("trouble with {name}; there is {:?}", self.received()))
    }

    /// Waits until a path of the person's files exists.
    ///
    /// # Panics
    /// In vain.
    pub fn wait_path(&self, path: &str) {
        let look = || self.dav.exists(path).then_some(());
        wait_or_tell(look, || format!("{path} of {}", self.id));
    }

    /// Waits until a path of the person's files is gone.
    ///
    /// # Panics
    /// In vain.
    pub fn wait_gone(&self, path: &str) {
        let look = || (!self.dav.exists(path)).then_some(());
        wait_or_tell(look, || format!("{path} of {} to go", self.id));
    }

    /// Waits until a file has this content.
    ///
    /// # Panics
    /// In vain.
    pub fn wait_content(&self, path: &str, content: &[u8]) {
        let read = || {
            let reply = self.dav.get(path).send();
            (reply.status == 200 && reply.body == content).then_some(())
        };
        wait_or_tell(read, || format!("the new content of {path}; it is {:?}", self.dav.get(path).send()));
    }

    /// Makes an invitation.
    ///
    /// # Panics
    /// When it is refused.
    pub fn invite(&self) -> Value {
        self.send("POST", "invites", &json!({"note": ""})).expect(201).json()
    }

    /// Accepts an invitation, string or link.
    pub fn try_accept_invite(&self, invite: &str) -> Reply {
        self.send("POST", "invites/accept", &json!({"invite": invite}))
    }

    /// People at other sites.
    pub fn contacts(&self) -> Vec<Value> {
        self.list("contacts", "contacts")
    }

    /// Everybody who has access to an item of the own space.
    pub fn access(&self, path: &str) -> Value {
        self.get(&format!("access?space={}&path={}", encode_path(&self.name), encode_path(path))).expect(200).json()
    }
}

fn kind_of(with: &str) -> &'static str {
    if with.is_empty() {
        "link"
    } else if with.contains('@') {
        "federated"
    } else {
        "user"
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
