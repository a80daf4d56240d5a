//! The WebDAV side of a fake peer: a tree in memory, answered for as gowebdav's and sabre's servers answer.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::wire::{Answer, Request};
use crate::dav::encode_path;

/// A file or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The content of a file; a folder has none.
    pub content: Option<Vec<u8>>,
    /// Changes with the content and with everything below.
    pub version: u64,
}

/// What a fake peer shares. Paths have no slash at either end; the root is "".
#[derive(Debug, Clone)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
    version: u64,
    /// `oc:permissions` of everything; none: not told.
    pub letters: Option<String>,
    /// Whether changes are refused with 403.
    pub is_read_only: bool,
    /// Whether `Range` is answered with 206.
    pub knows_ranges: bool,
}

impl Tree {
    /// An empty folder.
    pub fn folder() -> Tree {
        Tree::of(None)
    }

    /// A single file.
    pub fn file(content: &[u8]) -> Tree {
        Tree::of(Some(content.to_vec()))
    }

    fn of(content: Option<Vec<u8>>) -> Tree {
        let letters = Some(if content.is_some() { "RGDNVW" } else { "RGDNVCK" }.to_owned());
        let nodes = BTreeMap::from([(String::new(), Node { content, version: 1 })]);
        Tree { nodes, version: 1, letters, is_read_only: false, knows_ranges: true }
    }

    /// With a file, and the folders above it.
    pub fn with(mut self, path: &str, content: &[u8]) -> Tree {
        self.write(path, content);
        self
    }

    /// Writes a file, and the folders above it.
    pub fn write(&mut self, path: &str, content: &[u8]) {
        let mut above = String::new();
        for name in path.split('/').rev().skip(1).collect::<Vec<_>>().into_iter().rev() {
            if !above.is_empty() {
                above.push('/');
            }
            above.push_str(name);
            self.nodes.entry(above.clone()).or_insert(Node { content: None, version: 0 });
        }
        self.nodes.insert(path.to_owned(), Node { content: Some(content.to_vec()), version: 0 });
        self.touch(path);
    }

    /// The content of a file.
    pub fn read(&self, path: &str) -> Option<&[u8]> {
        self.nodes.get(path)?.content.as_deref()
    }

    /// Whether there is anything at `path`.
    pub fn has(&self, path: &str) -> bool {
        self.nodes.contains_key(path)
    }

    /// Removes a thing with everything below it.
    pub fn remove(&mut self, path: &str) {
        let inside = format!("{path}/");
        self.nodes.retain(|known, _| known != path && !known.starts_with(&inside));
        self.touch(path);
    }

    /// A new version of `path` and of all folders above it.
    fn touch(&mut self, path: &str) {
        self.version += 1;
        let version = self.version;
        let mut at = path;
        loop {
            if let Some(node) = self.nodes.get_mut(at) {
                node.version = version;
            }
            if at.is_empty() {
                return;
            }
            at = at.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }

    /// Answers a request for `path` (decoded, dot segments resolved) below `root` (encoded, a slash at its end).
    pub fn answer(&mut self, request: &Request, root: &str, path: &str) -> Answer {
        let node = self.nodes.get(path).cloned();
        let changes = matches!(request.method.as_str(), "PUT" | "MKCOL" | "DELETE" | "MOVE" | "COPY");
        if changes && self.is_read_only {
            return Answer::status(403).with("Content-Type", "text/plain").text("the share is read-only");
        }
        match (request.method.as_str(), node) {
            ("OPTIONS", _) => {
                Answer::status(200).with("DAV", "1, 2").with("Allow", "OPTIONS, GET, HEAD, PUT, PROPFIND")
            }
            ("PUT", Some(Node { content: None, .. })) => Answer::status(405),
            ("PUT", before) => self.put(request, path, before),
            ("MKCOL", Some(_)) => Answer::status(405),
            ("MKCOL", None) if !self.has_parent(path) => Answer::status(409),
            ("MKCOL", None) => {
                self.nodes.insert(path.to_owned(), Node { content: None, version: 0 });
                self.touch(path);
                Answer::status(201)
            }
            (_, None) => Answer::status(404).with("Content-Type", "text/plain").text("there is nothing here"),
            ("PROPFIND", Some(_)) => self.list(request, root, path),
            ("GET" | "HEAD", Some(node)) => self.get(request, &node),
            ("DELETE", Some(_)) => {
                self.remove(path);
                Answer::status(204)
            }
            ("MOVE", Some(_)) => self.relocate(request, root, path),
            _ => Answer::status(405),
        }
    }

    fn has_parent(&self, path: &str) -> bool {
        self.nodes.contains_key(path.rsplit_once('/').map_or("", |(above, _)| above))
    }

    fn put(&mut self, request: &Request, path: &str, before: Option<Node>) -> Answer {
        let tag = before.as_ref().map(tag);
        let wanted = request.header("If-Match");
        if !wanted.is_empty() && tag.as_deref() != Some(wanted) && !(wanted == "*" && tag.is_some()) {
            return Answer::status(412);
        }
        if request.header("If-None-Match") == "*" && tag.is_some() {
            return Answer::status(412);
        }
        if !self.has_parent(path) {
            return Answer::status(409);
        }
        self.nodes.insert(path.to_owned(), Node { content: Some(request.body.clone()), version: 0 });
        self.touch(path);
        Answer::status(if before.is_some() { 204 } else { 201 }).with("ETag", &tag_of(self.version))
    }

    fn get(&self, request: &Request, node: &Node) -> Answer {
        let Some(content) = &node.content else { return Answer::status(405) };
        let tag = tag(node);
        let wanted = request.header("If-Match");
        if !wanted.is_empty() && wanted != tag {
            return Answer::status(412);
        }
        let mut answer = Answer::status(200).with("ETag", &tag).with("Content-Type", "application/octet-stream");
        if self.knows_ranges {
            answer = answer.with("Accept-Ranges", "bytes");
            if let Some((start, end)) = range(request.header("Range"), content.len()) {
                answer.status = 206;
                answer.body = content[start..end].to_vec();
                let last = end.saturating_sub(1);
                return answer.with("Content-Range", &format!("bytes {start}-{last}/{}", content.len()));
            }
        }
        answer.body = content.clone();
        if request.method == "HEAD" { answer.with("Content-Length", &content.len().to_string()) } else { answer }
    }

    fn relocate(&mut self, request: &Request, root: &str, path: &str) -> Answer {
        let target = request.header("Destination");
        let target = target.split_once("://").map_or(target, |(_, rest)| &rest[rest.find('/').unwrap_or(rest.len())..]);
        let Some(target) = below(root, target) else { return Answer::status(502) };
        let is_taken = self.nodes.contains_key(&target);
        if is_taken && request.header("Overwrite") == "F" {
            return Answer::status(412);
        }
        self.remove_quietly(&target);
        let inside = format!("{path}/");
        let moved: Vec<String> =
            self.nodes.keys().filter(|known| *known == path || known.starts_with(&inside)).cloned().collect();
        for name in moved {
            if let Some(node) = self.nodes.remove(&name) {
                self.nodes.insert(format!("{target}{}", &name[path.len()..]), node);
            }
        }
        self.touch(path);
        self.touch(&target);
        Answer::status(if is_taken { 204 } else { 201 })
    }

    fn remove_quietly(&mut self, path: &str) {
        let inside = format!("{path}/");
        self.nodes.retain(|known, _| known != path && !known.starts_with(&inside));
    }

    fn list(&self, request: &Request, root: &str, path: &str) -> Answer {
        let mut body =
            String::from(r#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns">"#);
        let inside = if path.is_empty() { String::new() } else { format!("{path}/") };
        let is_child = |known: &str| {
            known != path && known.strip_prefix(&inside).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
        };
        let deep = request.header("Depth") != "0";
        for (known, node) in self.nodes.iter().filter(|(known, _)| *known == path || deep && is_child(known)) {
            let href = if known.is_empty() && node.content.is_some() {
                root.to_owned()
            } else {
                let slash = if node.content.is_none() && !known.is_empty() { "/" } else { "" };
                format!("{root}{}{slash}", encode_path(known))
            };
            let kind = if node.content.is_none() { "<d:collection/>" } else { "" };
            let length = node
                .content
                .as_ref()
                .map_or(String::new(), |content| format!("<d:getcontentlength>{}</d:getcontentlength>", content.len()));
            let letters = self.letters.as_ref().map_or(String::new(), |letters| {
                let letters = if node.content.is_some() { letters.replace(['C', 'K'], "") } else { letters.clone() };
                let letters =
                    if node.content.is_some() && self.letters.as_deref() != Some("G") && !letters.contains('W') {
                        format!("{letters}W")
                    } else {
                        letters
                    };
                format!("<oc:permissions>{letters}</oc:permissions>")
            });
            body.push_str(&format!(
                "<d:response><d:href>{href}</d:href><d:propstat><d:prop><d:resourcetype>{kind}</d:resourcetype>{length}\
                 <d:getetag>{}</d:getetag><d:getlastmodified>Fri, 20 Nov 2026 07:34:59 GMT</d:getlastmodified>{letters}\
                 </d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>",
                tag(node).replace('"', "&quot;")
            ));
        }
        body.push_str("</d:multistatus>");
        Answer::status(207).with("Content-Type", "application/xml; charset=utf-8").text(&body)
    }
}

fn tag(node: &Node) -> String {
    tag_of(node.version)
}

fn tag_of(version: u64) -> String {
    format!("\"v{version:x}\"")
}

fn range(header: &str, length: usize) -> Option<(usize, usize)> {
    let (start, end) = header.strip_prefix("bytes=")?.split_once('-')?;
    let start: usize = match start.is_empty() {
        true => length.saturating_sub(end.parse().ok()?),
        false => start.parse().ok()?,
    };
    let end = if end.is_empty() || header.starts_with("bytes=-") { length } else { end.parse::<usize>().ok()? + 1 };
    (start < length).then_some((start, end.min(length)))
}

/// The path below `root`, decoded, dot segments resolved; nothing where it is not below.
pub(crate) fn below(root: &str, path: &str) -> Option<String> {
    let rest = match path.strip_prefix(root) {
        Some(rest) => rest,
        None if format!("{path}/") == root => "",
        None => return None,
    };
    let mut names: Vec<String> = Vec::new();
    for name in rest.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(percent_decode_str(name).decode_utf8().ok()?.into_owned()),
        }
    }
    Some(names.join("/"))
}
