//! The JSON interface: runs, their event stream, tokens, trash and versions.

use std::io::{BufRead, BufReader};

use serde::Deserialize;
use serde_json::Value;

use crate::dav::{Credentials, Dav};
use crate::wait::wait_or_tell;

/// One run as the API shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct Run {
    /// Its id (text or number, opaque here).
    pub id: Value,
    /// The space it belongs to.
    #[serde(default)]
    pub space: Value,
    /// Path of the folder of the series.
    #[serde(default)]
    pub folder: String,
    /// `queued`, `running`, `done`, `failed`, `superseded`, `outputs_removed`.
    pub state: String,
    /// 0 to 1.
    #[serde(default)]
    pub progress: Option<f64>,
    /// What it is doing.
    #[serde(default)]
    pub step: Option<String>,
    /// How often it was started.
    #[serde(default)]
    pub attempts: i64,
    /// Why it failed, for a person.
    #[serde(default)]
    pub message: Option<String>,
    /// Digest of the result.
    #[serde(default)]
    pub digest: Option<String>,
    /// Names of what it wrote.
    #[serde(default)]
    pub outputs: Vec<Value>,
}

impl Run {
    /// The id as text.
    pub fn key(&self) -> String {
        self.id.as_str().map_or_else(|| self.id.to_string(), str::to_owned)
    }

    /// True when nothing more will happen to it by itself.
    pub fn is_over(&self) -> bool {
        !matches!(self.state.as_str(), "queued" | "running")
    }

    /// True when the folder's last path segment is `name`.
    pub fn is_of(&self, name: &str) -> bool {
        self.folder.trim_matches('/').rsplit('/').next() == Some(name)
    }
}

/// One thing in the trash.
#[derive(Debug, Clone, Deserialize)]
pub struct TrashItem {
    /// Id to restore it by.
    pub item: Value,
    /// Its name.
    pub name: String,
    /// Where it was.
    pub original_path: String,
}

/// One version of a file.
#[derive(Debug, Clone, Deserialize)]
pub struct VersionRow {
    /// Its id.
    pub version: Value,
    /// Bytes.
    pub size: u64,
    /// Hex digest of the content.
    pub sha256: String,
    /// True for the one the file shows.
    pub current: bool,
}

/// The JSON interface for one person.
#[derive(Debug, Clone)]
pub struct Api {
    dav: Dav,
}

impl Api {
    /// The interface on the same server with the same credentials as `dav`.
    pub fn new(dav: &Dav) -> Api {
        Api { dav: dav.at("") }
    }

    /// The client underneath, its root the server's root.
    pub fn dav(&self) -> &Dav {
        &self.dav
    }

    /// All runs this person may see.
    ///
    /// # Panics
    /// When the answer has another shape.
    pub fn runs(&self) -> Vec<Run> {
        let body = self.dav.get("/api/v1/runs").send().expect(200).json();
        serde_json::from_value(body["runs"].clone()).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// The runs of folders called `name`, in the order of the API.
    pub fn runs_of(&self, name: &str) -> Vec<Run> {
        self.runs().into_iter().filter(|run| run.is_of(name)).collect()
    }

    /// Waits for a run of folder `name` in `state`.
    ///
    /// # Panics
    /// In vain, or when *done* is awaited and the first failure of that folder comes instead.
    pub fn wait_run(&self, name: &str, state: &str) -> Run {
        let failed_before = self.runs_of(name).iter().any(|run| run.state == "failed");
        let look = || {
            let runs = self.runs_of(name);
            let failed = runs.iter().find(|run| run.state == "failed");
            if let Some(failed) = failed.filter(|_| state == "done" && !failed_before) {
                panic!("the run of {name} failed: {:?}", failed.message);
            }
            runs.into_iter().find(|run| run.state == state)
        };
        wait_or_tell(look, || format!("a run of {name} that is {state}; there is {:?}", self.runs()))
    }

    /// Waits until `count` runs of folder `name` are in `state`.
    ///
    /// # Panics
    /// In vain.
    pub fn wait_runs(&self, name: &str, state: &str, count: usize) -> Vec<Run> {
        let look = || {
            let found: Vec<Run> = self.runs_of(name).into_iter().filter(|run| run.state == state).collect();
            (found.len() >= count).then_some(found)
        };
        wait_or_tell(look, || format!("{count} runs of {name} that are {state}; there is {:?}", self.runs()))
    }

    /// A bearer token for this person.
    ///
    /// # Panics
    /// When none is given.
    pub fn token(&self) -> Credentials {
        let answer = self.dav.call("POST", "/api/v1/token").send().expect(200).json();
        assert!(answer["expires_in"].as_u64().is_some_and(|seconds| seconds > 0), "{answer}");
        Credentials::Bearer(answer["token"].as_str().expect("a token is text").to_owned())
    }

    /// What lies in the trash of a space.
    ///
    /// # Panics
    /// When the answer has another shape.
    pub fn trash(&self, space: &str) -> Vec<TrashItem> {
        let url = format!("{}/api/v1/trash?space={}", self.dav.base(), crate::encode_path(space));
        let body = self.dav.call_url("GET", &url).send().expect(200).json();
        serde_json::from_value(body["items"].clone()).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// Puts a thing back where it was.
    ///
    /// # Panics
    /// When the answer is no 2xx.
    pub fn restore(&self, item: &TrashItem) {
        let key = item.item.as_str().map_or_else(|| item.item.to_string(), str::to_owned);
        let reply = self.dav.call("POST", &format!("/api/v1/trash/{key}/restore")).send();
        assert!((200..300).contains(&reply.status), "{reply:?}");
    }

    /// The versions of a file.
    ///
    /// # Panics
    /// When the answer has another shape.
    pub fn versions(&self, space: &str, path: &str) -> Vec<VersionRow> {
        let (space, path) = (crate::encode_path(space), crate::encode_path(path));
        let url = format!("{}/api/v1/versions?space={space}&path={path}", self.dav.base());
        let body = self.dav.call_url("GET", &url).send().expect(200).json();
        serde_json::from_value(body["versions"].clone()).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// Opens the stream of run events.
    pub fn events(&self) -> Stream {
        let answer = self.dav.get("/api/v1/runs/events").header("Accept", "text/event-stream").stream();
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        Stream { lines: BufReader::new(answer) }
    }
}

/// A stream of server-sent events (WHATWG HTML section 9.2).
#[derive(Debug)]
pub struct Stream {
    lines: BufReader<reqwest::blocking::Response>,
}

impl Stream {
    /// The next event named `run`.
    ///
    /// # Panics
    /// When the stream ends or an event is no run.
    pub fn next_run(&mut self) -> Run {
        let (mut name, mut data) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            let count = self.lines.read_line(&mut line).expect("the event stream goes on");
            assert!(count > 0, "the event stream ended");
            let line = line.trim_end_matches(['\r', '\n']);
            if let Some(value) = line.strip_prefix("event:") {
                name = value.trim().to_owned();
            } else if let Some(value) = line.strip_prefix("data:") {
                data.push_str(value.trim_start());
            } else if line.is_empty() {
                if name == "run" {
                    return serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
                }
                name.clear();
                data.clear();
            }
        }
    }
}
