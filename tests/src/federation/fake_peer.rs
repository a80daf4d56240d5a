//! A fake peer: a small site in this process that announces, refuses, signs and answers as one of the programs that other
//! sites run was measured to do. It remembers everything it was sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Value, json};

use super::authority::Authority;
use super::dialect::Dialect;
use super::fake_dav::{Tree, below};
use super::signature::{Keys, Signed, check, sign_cavage, sign_message};
use super::wire::{Answer, Fault, Listener, Request, exchange};
use crate::wait::wait_or_tell;

/// Something it was sent.
#[derive(Debug, Clone)]
pub struct Received {
    /// Below its origin.
    pub target: String,
    /// The document, or the form as an object.
    pub body: Value,
    /// How it was signed.
    pub signed: Signed,
    /// What it answered.
    pub status: u16,
}

/// A folder or file it shares.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) secret: String,
    pub(crate) tree: Tree,
    pub(crate) exchanged: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Inside {
    pub(crate) host: String,
    pub(crate) users: Vec<String>,
    pub(crate) keys: Option<Arc<Keys>>,
    pub(crate) received: Vec<Received>,
    pub(crate) requests: Vec<Request>,
    pub(crate) offers: BTreeMap<String, Offer>,
    pub(crate) tokens: BTreeMap<String, String>,
    pub(crate) invited: Vec<String>,
    pub(crate) invites: Vec<String>,
    pub(crate) script: Vec<(String, Answer)>,
    pub(crate) document: Option<Value>,
    pub(crate) clock: i64,
    pub(crate) made: u32,
}

/// A site that runs something else than Stitchbox.
#[derive(Debug)]
pub struct FakePeer {
    pub(crate) dialect: Dialect,
    pub(crate) host: String,
    pub(crate) origin: String,
    pub(crate) inside: Arc<Mutex<Inside>>,
    listener: Listener,
}

impl FakePeer {
    /// Starts one on a free port, with TLS by the test authority and the user `bob`.
    pub fn start(dialect: Dialect) -> FakePeer {
        let inside: Arc<Mutex<Inside>> = Arc::default();
        let shared = Arc::clone(&inside);
        let identity = Authority::of_the_tests().issue();
        let handler = move |request: &Request| answer(dialect, &shared, request);
        let listener = Listener::start(Some(&identity), Arc::new(handler));
        let host = format!("localhost:{}", listener.port());
        let peer = FakePeer { dialect, origin: format!("https://{host}"), host: host.clone(), inside, listener };
        let mut inside = peer.inside();
        inside.keys = Some(Arc::new(Keys::new(&host, 1)));
        inside.users = vec!["bob".to_owned()];
        inside.host = host;
        drop(inside);
        peer
    }

    pub(crate) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it plays.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// `localhost:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `https://localhost:PORT`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// `name@localhost:PORT`.
    pub fn id(&self, name: &str) -> String {
        format!("{name}@{}", self.host)
    }

    /// Everything OCM it was sent.
    pub fn received(&self) -> Vec<Received> {
        self.inside().received.clone()
    }

    /// Every request it was sent.
    pub fn requests(&self) -> Vec<Request> {
        self.inside().requests.clone()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.inside().requests.clear();
    }

    /// Waits for a share that it took.
    ///
    /// # Panics
    /// In vain.
    pub fn wait_share(&self, name: &str) -> Received {
        let look = || {
            let all = self.received();
            all.into_iter()
                .find(|sent| sent.target.ends_with("/shares") && sent.body["name"] == name && sent.status < 300)
        };
        wait_or_tell(look, || format!("a share {name} at {:?}; there is {:?}", self.dialect, self.received()))
    }

    /// Waits for a notification about a share.
    ///
    /// # Panics
    /// In vain.
    pub fn wait_notification(&self, kind: &str, provider_id: &str) -> Received {
        let look = || {
            self.received()
                .into_iter()
                .find(|sent| sent.body["notificationType"] == kind && text_of(&sent.body["providerId"]) == provider_id)
        };
        wait_or_tell(look, || format!("{kind} of {provider_id} at {:?}; there is {:?}", self.dialect, self.received()))
    }

    /// From now on requests whose path begins so are answered like this.
    pub fn answer_with(&self, path: &str, answer: Answer) {
        self.inside().script.push((path.to_owned(), answer));
    }

    /// From now on everything is answered as it should be.
    pub fn behave(&self) {
        self.inside().script.clear();
        self.listener.cut_uploads_after(0);
    }

    /// Bodies of uploads are cut after so many bytes.
    pub fn cut_uploads_after(&self, bytes: usize) {
        self.listener.cut_uploads_after(bytes);
    }

    /// Announces this instead of its own document.
    pub fn announce(&self, document: Value) {
        self.inside().document = Some(document);
    }

    /// The document it announces by itself.
    pub fn own_document(&self) -> Value {
        let inside = self.inside();
        let keys = inside.keys.clone().expect("keys are made at the start");
        self.dialect.discovery(&self.origin, &keys)
    }

    /// New keys, published at once. Nextcloud's keep their name.
    pub fn rotate_keys(&self) {
        let mut inside = self.inside();
        inside.made += 1;
        inside.keys = Some(Arc::new(Keys::new(&self.host, inside.made + 1)));
    }

    /// Its clock is wrong by so many seconds when it signs.
    pub fn set_clock(&self, seconds: i64) {
        self.inside().clock = seconds;
    }

    /// Somebody from there is a contact of its users, as `user@host`.
    pub fn knows(&self, id: &str) {
        self.inside().invited.push(id.to_owned());
    }

    /// An invitation of its user: the token, and the string as it hands it out.
    pub fn invite(&self) -> (String, String) {
        let mut inside = self.inside();
        inside.made += 1;
        let token = format!("fake-token-{}", inside.made);
        inside.invites.push(token.clone());
        let text = format!("{token}@{}", self.host);
        let string = match self.dialect {
            Dialect::Strict => STANDARD_NO_PAD.encode(text),
            _ => STANDARD.encode(text),
        };
        (token, string)
    }

    /// Posts a document to a path of `origin`, signed as its dialect signs.
    ///
    /// # Panics
    /// When nobody answers.
    pub fn post(&self, origin: &str, target: &str, document: &Value) -> Answer {
        self.post_body(origin, target, "application/json", document.to_string().as_bytes(), true)
    }

    /// As [`FakePeer::post`], without a signature.
    pub fn post_unsigned(&self, origin: &str, target: &str, document: &Value) -> Answer {
        self.post_body(origin, target, "application/json", document.to_string().as_bytes(), false)
    }

    /// Posts any body.
    ///
    /// # Panics
    /// When nobody answers.
    pub fn post_body(&self, origin: &str, target: &str, kind: &str, body: &[u8], is_signed: bool) -> Answer {
        let (keys, clock) = {
            let inside = self.inside();
            (inside.keys.clone().expect("keys"), inside.clock)
        };
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        let mut headers = vec![("Content-Type".to_owned(), kind.to_owned())];
        if is_signed && self.dialect.signs_cavage() {
            headers.extend(sign_cavage(&keys, target, host, body, clock));
        } else if is_signed && self.dialect.signs_messages() {
            headers.extend(sign_message(&keys, &format!("{origin}{target}"), body, clock));
        }
        let lines: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        exchange(origin, "POST", target, &lines, body).unwrap_or_else(|error| panic!("POST {origin}{target}: {error}"))
    }

    /// Shares a tree under a name of its own and gives the id; nobody is told yet.
    pub fn offer(&self, tree: Tree) -> (String, String) {
        let mut inside = self.inside();
        inside.made += 1;
        let id = match self.dialect {
            Dialect::OpenCloud | Dialect::Strict => format!("52d7810e-0000-4000-8000-{:012}", inside.made),
            _ => inside.made.to_string(),
        };
        let secret = format!("secretOf{}x{}", inside.made, self.listener.port());
        inside.offers.insert(id.clone(), Offer { secret: secret.clone(), tree, exchanged: false });
        (id, secret)
    }

    /// The secret of a share of its own.
    ///
    /// # Panics
    /// When it shares no such thing.
    pub fn secret_of(&self, id: &str) -> String {
        self.inside().offers.get(id).expect("an offer").secret.clone()
    }

    /// Looks at or changes what it shares.
    ///
    /// # Panics
    /// When it shares no such thing.
    pub fn tree<T>(&self, id: &str, work: impl FnOnce(&mut Tree) -> T) -> T {
        work(&mut self.inside().offers.get_mut(id).expect("an offer").tree)
    }

    /// Ends a share on its side; nobody is told.
    pub fn forget(&self, id: &str) {
        self.inside().offers.remove(id);
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn answer(dialect: Dialect, inside: &Mutex<Inside>, request: &Request) -> Answer {
    let mut here = inside.lock().unwrap_or_else(PoisonError::into_inner);
    here.requests.push(request.clone());
    let scripted = here.script.iter().rev().find(|(path, _)| request.path().starts_with(path.as_str()));
    if let Some((_, answer)) = scripted {
        let mut answer = answer.clone();
        if matches!(answer.fault, Some(Fault::CutAfter(_) | Fault::ByteASecond | Fault::Claims(_)))
            && answer.body.is_empty()
        {
            let fault = answer.fault;
            answer = dav(dialect, &mut here, request);
            answer.fault = fault.filter(|_| request.method == "GET");
        }
        return answer;
    }
    let origin = format!("https://{}", here.host);
    let keys = here.keys.clone().expect("keys are made before anybody calls");
    let path = request.path();
    if dialect.serves_discovery_at(path) && request.method == "GET" {
        let document = here.document.clone().unwrap_or_else(|| dialect.discovery(&origin, &keys));
        return Answer::json(200, &document);
    }
    if dialect == Dialect::Reva && path == "/ocm-provider" {
        return Answer::status(301).with("Location", "/.well-known/ocm");
    }
    if matches!(path, "/ocm/jwks" | "/.well-known/jwks.json") && dialect.signs_messages() {
        return Answer::json(200, &keys.jwks());
    }
    if request.method != "POST" || path.starts_with(dialect.dav_root()) {
        return dav(dialect, &mut here, request);
    }
    drop(here);
    // The keys of the sender are fetched now, and the sender may ask us something meanwhile.
    let signed = signature_of(request, &origin);
    let mut here = inside.lock().unwrap_or_else(PoisonError::into_inner);
    let body =
        if path.ends_with("/token") || path.ends_with("/access-token") { form(&request.body) } else { request.json() };
    let answer = match path.strip_prefix(dialect.end_point()) {
        _ if matches!(signed, Signed::Wrong(_)) => Answer::json(401, &json!({"message": format!("{signed:?}")})),
        _ if path.ends_with("/token") || path.ends_with("/access-token") => token(dialect, &mut here, &body, &signed),
        _ if dialect == Dialect::Strict && signed == Signed::Not => Answer::json(401, &json!({"message": "unsigned"})),
        Some("/shares") => {
            let sender = body["sender"].as_str().unwrap_or_default();
            let invited = here.invited.iter().any(|known| known == sender);
            dialect.judges_share(&body, &here.users, invited)
        }
        Some("/notifications") => notification(dialect, &here, &body),
        Some("/invite-accepted") if dialect.has_invites() => invite_accepted(dialect, &mut here, &body),
        _ => Answer::json(404, &json!({"message": "no such endpoint"})),
    };
    here.received.push(Received { target: request.target.clone(), body, signed, status: answer.status });
    answer
}

/// Fetches the keys of whoever the key's name says, as that peer publishes them, and checks.
fn signature_of(request: &Request, origin: &str) -> Signed {
    if request.header("Signature").is_empty() {
        return Signed::Not;
    }
    let input = request.header("Signature-Input");
    let text = if input.is_empty() { request.header("Signature") } else { input };
    let key = text.split("key").find_map(|rest| rest.strip_prefix("Id=\"").or(rest.strip_prefix("id=\"")));
    let key = key.and_then(|rest| rest.split('"').next()).unwrap_or_default();
    let host = key.strip_prefix("https://").unwrap_or(key);
    let host = host.split(['/', '#']).next().unwrap_or_default();
    let fetch = |url: &str| -> Value {
        let Some((scheme, rest)) = url.split_once("://") else { return Value::Null };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let answer = exchange(&format!("{scheme}://{host}"), "GET", &format!("/{path}"), &[], b"");
        answer.map(|answer| answer.document()).unwrap_or_default()
    };
    let document = fetch(&format!("https://{host}/.well-known/ocm"));
    let keys = document["jwksUri"].as_str().map(fetch).unwrap_or_default();
    check(request, origin, &document, &keys)
}

fn form(body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body);
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), Value::String(decoded(value))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn token(dialect: Dialect, here: &mut Inside, form: &Value, signed: &Signed) -> Answer {
    let refused = |words: &str| Answer::json(400, &json!({"error": words}));
    if dialect.signs_messages() && *signed == Signed::Not {
        return Answer::json(401, &json!({"error": "invalid_client"}));
    }
    if form["grant_type"] != "authorization_code" {
        return refused("unsupported_grant_type");
    }
    if !matches!(dialect, Dialect::Nextcloud35 | Dialect::Reva | Dialect::Strict) {
        return Answer::status(404);
    }
    let code = form["code"].as_str().unwrap_or_default();
    here.made += 1;
    let token = format!("exchanged-{}", here.made);
    let Some((id, offer)) = here.offers.iter_mut().find(|(_, offer)| offer.secret == code) else {
        return refused("invalid_grant");
    };
    offer.exchanged = true;
    let id = id.clone();
    if dialect == Dialect::Nextcloud35 {
        // A new exchange ends the token before.
        here.tokens.retain(|_, known| *known != id);
    }
    here.tokens.insert(token.clone(), id);
    Answer::json(200, &json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600}))
}

fn notification(dialect: Dialect, here: &Inside, body: &Value) -> Answer {
    let kind = body["notificationType"].as_str().unwrap_or_default();
    let id = text_of(&body["providerId"]);
    let known = ["SHARE_ACCEPTED", "SHARE_DECLINED", "SHARE_UNSHARED", "REQUEST_RESHARE", "RESHARE_UNDO"];
    if matches!(dialect, Dialect::OpenCloud | Dialect::Reva) {
        return Answer::json(201, &json!({}));
    }
    if !known.contains(&kind) || body["resourceType"].as_str().is_none_or(str::is_empty) || id.is_empty() {
        return Answer::json(400, &json!({"message": "unknown notification"}));
    }
    if !dialect.is_nextcloud() {
        return Answer::json(201, &json!({}));
    }
    let secret = body["notification"]["sharedSecret"].as_str().unwrap_or_default();
    let ours = here.offers.get(&id).is_some_and(|offer| offer.secret == secret);
    let theirs = here.received.iter().any(|sent| {
        text_of(&sent.body["providerId"]) == id
            && [&sent.body["protocol"]["options"]["sharedSecret"], &sent.body["protocol"]["webdav"]["sharedSecret"]]
                .into_iter()
                .any(|known| !secret.is_empty() && known == secret)
    });
    if ours || theirs {
        Answer::json(201, &json!([]))
    } else {
        Answer::json(400, &json!({"message": "entry  does not contain @"}))
    }
}

fn invite_accepted(dialect: Dialect, here: &mut Inside, body: &Value) -> Answer {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (token, provider, user) = (text("token"), text("recipientProvider"), text("userID"));
    let refused = |status: u16, words: &str| Answer::json(status, &json!({"message": words, "error": true}));
    if provider.is_empty() || user.is_empty() || text("name").is_empty() {
        return refused(400, "missing arguments");
    }
    if !here.invites.contains(&token) {
        return refused(if dialect == Dialect::OpenCloud { 404 } else { 400 }, "invalid or expired token");
    }
    here.invited.push(format!("{user}@{provider}"));
    let user = match dialect {
        Dialect::OpenCloud => {
            base64::engine::general_purpose::URL_SAFE.encode(format!("4c510ada@https://{}", here.host))
        }
        _ => "bob".to_owned(),
    };
    here.users.push(user.clone());
    Answer::json(200, &json!({"userID": user, "email": "bob@example.org", "name": "Bob"}))
}

fn dav(dialect: Dialect, here: &mut Inside, request: &Request) -> Answer {
    let challenge = |status: u16| Answer::status(status).with("WWW-Authenticate", "Basic realm=\"fake\"");
    let path = request.path();
    let Some(rest) = path.strip_prefix(dialect.dav_root()).or((format!("{path}/") == dialect.dav_root()).then_some(""))
    else {
        return Answer::status(404).with("Content-Type", "text/html").text("<html>Not Found</html>");
    };
    let authorization = request.header("Authorization");
    let basic = authorization.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text).ok());
    let basic = basic.and_then(|bytes| String::from_utf8(bytes).ok());
    let basic = basic.and_then(|text| text.strip_suffix(':').map(str::to_owned));
    let bearer = authorization.strip_prefix("Bearer ").map(str::to_owned);
    let of_token = bearer.as_ref().and_then(|token| here.tokens.get(token)).cloned();
    let by_secret = |secret: &Option<String>| {
        let secret = secret.as_ref()?;
        here.offers.iter().find(|(_, offer)| offer.secret == *secret).map(|(id, offer)| (id.clone(), offer.exchanged))
    };
    let opened = match dialect {
        Dialect::Nextcloud29 | Dialect::Nextcloud31 | Dialect::Nextcloud34 => by_secret(&basic).map(|(id, _)| id),
        Dialect::Nextcloud35 => of_token.or(by_secret(&basic).filter(|(_, exchanged)| !exchanged).map(|(id, _)| id)),
        Dialect::OpenCloud => {
            if bearer.is_none() {
                return challenge(401);
            }
            match by_secret(&bearer) {
                Some((id, _)) => Some(id),
                None => return Answer::status(500),
            }
        }
        Dialect::Reva => of_token.or(by_secret(&bearer).map(|(id, _)| id)).or(by_secret(&basic).map(|(id, _)| id)),
        Dialect::Strict => of_token,
    };
    let Some(id) = opened else { return challenge(401) };
    let has_id_in_path = matches!(dialect, Dialect::OpenCloud | Dialect::Reva | Dialect::Strict);
    let root = if has_id_in_path { format!("{}{id}/", dialect.dav_root()) } else { dialect.dav_root().to_owned() };
    if has_id_in_path && rest.split('/').next() != Some(id.as_str()) {
        return Answer::status(404);
    }
    if dialect == Dialect::Strict && !matches!(request.method.as_str(), "GET" | "HEAD" | "PROPFIND") {
        return Answer::status(405);
    }
    let Some(path) = below(&root, path) else { return Answer::status(404) };
    match here.offers.get_mut(&id) {
        Some(offer) => offer.tree.answer(request, &root, &path),
        None => Answer::status(404),
    }
}
