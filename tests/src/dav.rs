//! A WebDAV client that shows everything: status, headers, body, nothing followed, nothing retried.

use std::sync::Once;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use reqwest::blocking::{Body, Client, RequestBuilder};
use reqwest::header::HeaderMap;

use crate::multistatus::{Entry, parse_multistatus};

/// What a path segment keeps as it is (RFC 3986 unreserved); the slash separates.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Who asks.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// No `Authorization` at all.
    None,
    /// User name and account password or app password.
    Basic(String, String),
    /// A bearer token.
    Bearer(String),
}

/// A client at one root of one server. Paths are given decoded, `/a b/ü.dat`, and start with a slash.
#[derive(Debug, Clone)]
pub struct Dav {
    client: Client,
    base: String,
    root: String,
    credentials: Credentials,
}

impl Dav {
    /// A client for `root` (such as `/remote.php/dav/files/ada`) on the server at `base` (`http://127.0.0.1:4711`).
    pub fn new(base: &str, root: &str, credentials: Credentials) -> Dav {
        Dav {
            client: new_client(base),
            base: base.to_owned(),
            root: root.trim_end_matches('/').to_owned(),
            credentials,
        }
    }

    /// The same person at another root.
    pub fn at(&self, root: &str) -> Dav {
        Dav { root: root.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// The same root, asked by somebody else.
    pub fn by(&self, credentials: Credentials) -> Dav {
        Dav { credentials, ..self.clone() }
    }

    /// The server's address without a trailing slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The root path without a trailing slash.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The credentials used.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The whole URL of `path` below the root.
    pub fn url(&self, path: &str) -> String {
        format!("{}{}", self.base, encode_path(&format!("{}{path}", self.root)))
    }

    /// Prepares any request below the root.
    pub fn call(&self, method: &str, path: &str) -> Call {
        self.call_url(method, &self.url(path))
    }

    /// Prepares a request to a URL that is already encoded.
    pub fn call_url(&self, method: &str, url: &str) -> Call {
        let verb = Method::from_bytes(method.as_bytes()).expect("a method is a token");
        let request = self.client.request(verb, url);
        let request = match &self.credentials {
            Credentials::None => request,
            Credentials::Basic(user, password) => request.basic_auth(user, Some(password)),
            Credentials::Bearer(token) => request.bearer_auth(token),
        };
        Call { what: format!("{method} {url}"), request }
    }

    /// PUT of `body`.
    pub fn put(&self, path: &str, body: impl Into<Body>) -> Call {
        self.call("PUT", path).body(body)
    }

    /// GET.
    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Call {
        self.call("DELETE", path)
    }

    /// MKCOL.
    pub fn mkcol(&self, path: &str) -> Call {
        self.call("MKCOL", path)
    }

    /// MOVE within the root.
    pub fn rename(&self, from: &str, to: &str) -> Call {
        self.call("MOVE", from).header("Destination", &self.url(to))
    }

    /// COPY within the root.
    pub fn copy(&self, from: &str, to: &str) -> Call {
        self.call("COPY", from).header("Destination", &self.url(to))
    }

    /// PROPFIND of the properties sync clients ask for, at `depth` (`0`, `1`, `infinity`).
    pub fn propfind(&self, path: &str, depth: &str) -> Call {
        let body = concat!(
            r#"<?xml version="1.0"?><d:propfind xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"><d:prop>"#,
            "<d:resourcetype/><d:getetag/><d:getcontentlength/><d:getlastmodified/><d:quota-available-bytes/>",
            "<d:quota-used-bytes/><oc:id/><oc:fileid/><oc:permissions/><oc:size/><oc:checksums/></d:prop></d:propfind>"
        );
        self.call("PROPFIND", path).header("Depth", depth).header("Content-Type", "application/xml").body(body)
    }

    /// The item itself, from PROPFIND Depth 0.
    ///
    /// # Panics
    /// When it cannot be listed.
    pub fn entry(&self, path: &str) -> Entry {
        self.propfind(path, "0").send().expect(207).entries().remove(0)
    }

    /// The children of a folder, from PROPFIND Depth 1, without the folder itself.
    ///
    /// # Panics
    /// When it cannot be listed.
    pub fn list(&self, path: &str) -> Vec<Entry> {
        let mut entries = self.propfind(path, "1").send().expect(207).entries();
        entries.remove(0);
        entries
    }

    /// The names of the children, sorted.
    ///
    /// # Panics
    /// When the folder cannot be listed.
    pub fn names(&self, path: &str) -> Vec<String> {
        let mut names: Vec<String> = self.list(path).iter().map(Entry::name).collect();
        names.sort();
        names
    }

    /// True when GET or PROPFIND would find something there.
    ///
    /// # Panics
    /// On any answer but 207 and 404.
    pub fn exists(&self, path: &str) -> bool {
        let reply = self.propfind(path, "0").send();
        assert!(matches!(reply.status, 207 | 404), "PROPFIND {path}: {reply:?}");
        reply.status == 207
    }

    /// The bytes of a file.
    ///
    /// # Panics
    /// When GET does not answer 200.
    pub fn read(&self, path: &str) -> Vec<u8> {
        self.get(path).send().expect(200).body
    }

    /// Stores a file, new or not.
    ///
    /// # Panics
    /// When PUT answers neither 201 nor 204.
    pub fn write(&self, path: &str, body: impl Into<Body>) -> Reply {
        let reply = self.put(path, body).send();
        assert!(matches!(reply.status, 201 | 204), "PUT {path}: {reply:?}");
        reply
    }
}

/// A request being prepared.
#[derive(Debug)]
pub struct Call {
    what: String,
    request: RequestBuilder,
}

impl Call {
    /// Adds a header.
    pub fn header(self, name: &str, value: &str) -> Call {
        Call { request: self.request.header(name, value), ..self }
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<Body>) -> Call {
        Call { request: self.request.body(body), ..self }
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Panics
    /// When the connection fails.
    pub fn send(self) -> Reply {
        let what = self.what.clone();
        self.attempt().unwrap_or_else(|error| panic!("{what}: {error:?}"))
    }

    /// Sends it and reads the whole answer; the connection may fail.
    ///
    /// # Errors
    /// What the HTTP client says: refused, reset, cut.
    pub fn attempt(self) -> Result<Reply, reqwest::Error> {
        let answer = self.request.send()?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Reply { what: self.what, status, headers, body: answer.bytes()?.to_vec() })
    }

    /// Sends it and gives the answer's body as a stream.
    ///
    /// # Panics
    /// When the connection fails or the status is not 200.
    pub fn stream(self) -> reqwest::blocking::Response {
        let answer = self.request.send().unwrap_or_else(|error| panic!("{}: {error:?}", self.what));
        assert_eq!(answer.status().as_u16(), 200, "{}", self.what);
        answer
    }
}

/// A whole answer.
#[derive(Clone)]
pub struct Reply {
    what: String,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// Insists on a status.
    ///
    /// # Panics
    /// On any other.
    #[track_caller]
    pub fn expect(self, status: u16) -> Reply {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// A header's text; empty when absent.
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
    }

    /// The `ETag` header.
    pub fn etag(&self) -> String {
        self.header("ETag")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{self:?} is not JSON: {error}"))
    }

    /// The body as a multistatus listing.
    ///
    /// # Panics
    /// When it is none, or empty.
    pub fn entries(&self) -> Vec<Entry> {
        let entries = parse_multistatus(&self.body).unwrap_or_else(|error| panic!("{self:?}: {error}"));
        assert!(!entries.is_empty(), "an empty multistatus: {self:?}");
        entries
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.text();
        let start: String = text.chars().take(600).collect();
        write!(f, "{} answered {} with {} bytes: {start}", self.what, self.status, self.body.len())
    }
}

/// Percent-encodes a path for a URL, slashes kept.
pub fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

fn new_client(base: &str) -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Somebody else in this process may have installed one already; either is good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let mut authorities = Vec::new();
    if base.starts_with("https") {
        let pem = crate::federation::Authority::of_the_tests().pem();
        authorities.push(reqwest::Certificate::from_pem(pem.as_bytes()).expect("a certificate"));
    }
    Client::builder()
        .tls_certs_only(authorities)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(300))
        .build()
        .expect("an HTTP client without options that could fail")
}
