//! The part of a store that transfers need, in memory: conditions, checksums, ranges, sessions and batches as the server's
//! contract says.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use super::{Answer, Request, Server};

/// What is on the shelf, by path.
#[derive(Default)]
pub struct Shelf {
    pub files: HashMap<String, (Vec<u8>, u64)>,
    pub sessions: HashMap<String, BTreeMap<u64, Vec<u8>>>,
    next: u64,
    /// Method, part of the path, and the answer that comes instead; each once. `true`: after the work was done.
    pub faults: Vec<(&'static str, &'static str, Answer, bool)>,
}

pub type Shared = Arc<Mutex<Shelf>>;

/// Starts a server over an empty shelf.
pub async fn shelf() -> (Server, Shared) {
    let shelf = Shared::default();
    let own = Arc::clone(&shelf);
    let server = Server::start(move |request| {
        let mut shelf = own.lock().unwrap();
        let found = shelf.faults.iter().position(|(m, part, _, _)| *m == request.method && request.path.contains(part));
        match found.map(|at| shelf.faults.remove(at)) {
            Some((.., answer, false)) => answer,
            Some((.., answer, true)) => {
                shelf.answer(request);
                answer
            }
            None => shelf.answer(request),
        }
    });
    (server.await, shelf)
}

pub fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn etag(version: u64) -> String {
    format!("\"v{version}\"")
}

impl Shelf {
    pub fn put(&mut self, path: &str, content: &[u8]) -> String {
        self.next += 1;
        self.files.insert(path.to_owned(), (content.to_vec(), self.next));
        etag(self.next)
    }

    pub fn content(&self, path: &str) -> &[u8] {
        &self.files[path].0
    }

    fn answer(&mut self, request: &Request) -> Answer {
        if request.path == "/status.php" {
            return Answer::new(200).body(r#"{"productname":"Stitchbox","version":"30.0.0.0"}"#);
        }
        let session = request.path.strip_prefix("/remote.php/dav/uploads/ada/").map(str::to_owned);
        match (request.method.as_str(), session) {
            (_, Some(rest)) => self.session(request, &rest),
            ("PUT", None) => {
                let given = |name: &str| request.header(name).map(str::to_owned);
                let (checksum, conditions) = (given("oc-checksum"), (given("if-match"), given("if-none-match")));
                self.store(&request.path, &request.body(), checksum, conditions)
            }
            ("GET", None) => self.get(request),
            ("PROPFIND", None) => self.propfind(&request.path),
            ("POST", None) => self.batch(request),
            _ => Answer::new(405),
        }
    }

    fn store(
        &mut self,
        path: &str,
        content: &[u8],
        checksum: Option<String>,
        (if_match, if_none_match): (Option<String>, Option<String>),
    ) -> Answer {
        let there = self.files.get(path).map(|(_, version)| etag(*version));
        if if_none_match.is_some() && there.is_some() || if_match.is_some() && if_match != there {
            return Answer::new(412);
        }
        if checksum.is_some_and(|told| told != format!("SHA256:{}", hex(content))) {
            return Answer::new(400).body("<s:message>the SHA256 checksum is not as announced</s:message>");
        }
        let tag = self.put(path, content);
        let status = if there.is_some() { 204 } else { 201 };
        Answer::new(status).with("ETag", &tag).with("OC-FileId", "00000042sbx").with("X-OC-MTime", "accepted")
    }

    fn get(&self, request: &Request) -> Answer {
        let Some((content, version)) = self.files.get(&request.path) else { return Answer::new(404) };
        if request.header("if-match").is_some_and(|tag| tag != etag(*version)) {
            return Answer::new(412);
        }
        let answer =
            Answer::new(200).with("ETag", etag(*version)).with("OC-Checksum", format!("SHA256:{}", hex(content)));
        match request.header("range").and_then(|text| text.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()) {
            Some(from) => {
                let from: usize = from;
                let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
                Answer { status: 206, ..answer }.with("Content-Range", range).body(&content[from..])
            }
            None if request.header("accept-encoding") == Some("zstd")
                && request.header("stitchbox-client").is_some() =>
            {
                answer.with("Content-Encoding", "zstd").body(zstd::encode_all(content.as_slice(), 1).unwrap())
            }
            None => answer.body(content.as_slice()),
        }
    }

    fn propfind(&self, path: &str) -> Answer {
        let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
        let Some((content, version)) = self.files.get(&decoded) else { return Answer::new(404) };
        let sum = format!("SHA256:{}", hex(content));
        Answer::new(207).body(format!(
            "<d:multistatus xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\"><d:response><d:href>{path}</d:href><d:propstat><d:prop>\
             <d:resourcetype/><d:getcontentlength>{}</d:getcontentlength><d:getetag>{}</d:getetag><oc:id>00000042sbx</oc:id>\
             <oc:checksums><oc:checksum>{sum}</oc:checksum></oc:checksums></d:prop></d:propstat></d:response></d:multistatus>",
            content.len(),
            etag(*version)
        ))
    }

    fn session(&mut self, request: &Request, rest: &str) -> Answer {
        let (id, chunk) = rest.split_once('/').unwrap_or((rest, ""));
        match request.method.as_str() {
            "MKCOL" if self.sessions.contains_key(id) => Answer::new(405),
            "MKCOL" => {
                self.sessions.insert(id.to_owned(), BTreeMap::new());
                Answer::new(201)
            }
            "DELETE" => {
                self.sessions.remove(id);
                Answer::new(204)
            }
            "PROPFIND" => {
                let Some(chunks) = self.sessions.get(id) else { return Answer::new(404) };
                let one = |(offset, bytes): (&u64, &Vec<u8>)| {
                    format!(
                        "<d:response><d:href>{}/{offset:016}</d:href><d:propstat><d:prop><d:getcontentlength>{}</d:getcontentlength>\
                         </d:prop></d:propstat></d:response>",
                        request.path,
                        bytes.len()
                    )
                };
                let own = format!("<d:response><d:href>{}</d:href></d:response>", request.path);
                let all: String = chunks.iter().map(one).collect();
                Answer::new(207).body(format!("<d:multistatus xmlns:d=\"DAV:\">{own}{all}</d:multistatus>"))
            }
            "PUT" => {
                let bytes = match request.header("stitchbox-source-range") {
                    Some(range) => {
                        let wanted = request.header("stitchbox-source-version").unwrap_or_default();
                        let old = self.files.values().find(|(_, version)| etag(*version) == wanted);
                        let Some((old, _)) = old else { return Answer::new(412) };
                        let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
                        old[first.parse().unwrap()..=last.parse::<usize>().unwrap()].to_vec()
                    }
                    None => request.body(),
                };
                let Some(chunks) = self.sessions.get_mut(id) else { return Answer::new(404) };
                assert_eq!(
                    request.header("oc-chunk-offset"),
                    Some(chunk.trim_start_matches('0')).map(|t| if t.is_empty() { "0" } else { t })
                );
                chunks.insert(chunk.parse().unwrap(), bytes);
                Answer::new(201)
            }
            "MOVE" => {
                let Some(chunks) = self.sessions.get(id) else { return Answer::new(404) };
                let whole: Vec<u8> = chunks.values().flatten().copied().collect();
                let target = reqwest::Url::parse(request.header("destination").unwrap()).unwrap().path().to_owned();
                assert_eq!(request.header("oc-total-length"), Some(whole.len().to_string().as_str()));
                let given = |name: &str| request.header(name).map(str::to_owned);
                let answer =
                    self.store(&target, &whole, given("oc-checksum"), (given("if-match"), given("if-none-match")));
                if answer.status < 300 {
                    self.sessions.remove(id);
                }
                answer
            }
            _ => Answer::new(405),
        }
    }

    fn batch(&mut self, request: &Request) -> Answer {
        let body = request.body();
        let boundary = request.header("content-type").unwrap().split_once("boundary=").unwrap().1;
        let (open, mut rest) = (format!("--{boundary}\r\n"), body.as_slice());
        let mut answers = serde_json::Map::new();
        while let Some(part) = rest.strip_prefix(open.as_bytes()) {
            let end = part.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
            let head = String::from_utf8(part[..end].to_vec()).unwrap();
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            let headers: HashMap<String, String> = lines.map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
            let size: usize = headers["content-length"].parse().unwrap();
            let (content, after) = part[end + 4..].split_at(size);
            rest = after.strip_prefix(b"\r\n").expect("an end of the part");
            let name = &headers["x-file-path"];
            let path = format!("{}/{name}", request.path.trim_end_matches('/'));
            let conditions = (headers.get("if-match").cloned(), headers.get("if-none-match").cloned());
            let answer = self.store(&path, content, headers.get("oc-checksum").cloned(), conditions);
            let ok = answer.status < 300;
            let tag = answer.headers.iter().find(|(name, _)| name == "ETag").map(|(_, tag)| tag.clone());
            let document = serde_json::json!({
                "error": !ok, "status": answer.status, "etag": tag, "OC-FileID": "00000042sbx", "X-OC-MTime": "accepted",
                "message": if ok { None } else { Some("no") },
            });
            answers.insert(name.clone(), document);
        }
        assert_eq!(rest, format!("--{boundary}--\r\n").as_bytes());
        Answer::new(200).body(serde_json::Value::Object(answers).to_string())
    }
}
