//! `stitchbox runs`: the runs of a server as a table, and as they go on.

use std::time::Duration;

use futures::StreamExt as _;
use reqwest::Url;
use serde::Deserialize;

use stitchbox_remote::{Connection, child};

use crate::account::AccountArgs;
use crate::exit::Failure;

/// Arguments of `runs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    account: AccountArgs,
    /// Go on and print every change
    #[arg(long)]
    watch: bool,
    /// Print the server's JSON
    #[arg(long)]
    json: bool,
}

/// A run as the server tells it; what it does not tell is left empty.
#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Run {
    id: String,
    space: String,
    folder: String,
    state: String,
    progress: f64,
    step: String,
    inputs: u64,
    message: Option<String>,
    created_at: Option<String>,
    attestations: Vec<Attestation>,
}

/// What a site said that repeated the run.
#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Attestation {
    peer: String,
    verdict: String,
}

/// A list comes bare or within an object.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RunList {
    Bare(Vec<Run>),
    Named { runs: Vec<Run> },
    Items { items: Vec<Run> },
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    // a server on this very machine is the one that is meant where none is known
    let here = || Url::parse(HERE).map_err(|error| Failure::failed(error.to_string()));
    let server = args.account.server().or_else(|_| here())?;
    let connection = args.account.connect(&server)?;
    let address = child(&server, ["api", "v1", "runs"]);
    // the stream first, then the list: so nothing is lost between the two
    let mut stream = None;
    if args.watch {
        stream = Some(Stream::open(&connection, &child(&address, ["events"])).await?);
    }
    let text = answer(&connection, &address, None).await?.text().await;
    let text = text.map_err(|error| Failure::failed(format!("{address}: the answer broke off: {error}")))?;
    if args.json {
        println!("{}", text.trim());
    } else {
        print_table(&parse_list(&text)?);
    }
    match stream {
        Some(stream) => stream.watch(args.json).await,
        None => Ok(()),
    }
}

fn parse_list(text: &str) -> Result<Vec<Run>, Failure> {
    match serde_json::from_str(text) {
        Ok(RunList::Bare(runs) | RunList::Named { runs } | RunList::Items { items: runs }) => Ok(runs),
        Err(error) => Err(Failure::failed(format!("the server's list of runs is not understood: {error}"))),
    }
}

async fn answer(
    connection: &Connection,
    address: &Url,
    last_event: Option<&str>,
) -> Result<reqwest::Response, Failure> {
    let headers: Vec<(&str, &str)> = last_event.iter().map(|id| ("Last-Event-ID", *id)).collect();
    connection.get(address, &headers).await.map_err(|error| Failure::request(address, &error))
}

/// The server that is meant where none is named and nobody logged in.
const HERE: &str = "http://127.0.0.1:8080/";

/// Pause before a broken stream is opened again.
const COME_BACK: Duration = Duration::from_secs(2);
/// Times a stream is opened again before it is given up.
const ATTEMPTS: u32 = 10;

/// The open stream of changes.
struct Stream<'a> {
    connection: &'a Connection,
    address: Url,
    response: reqwest::Response,
}

impl<'a> Stream<'a> {
    async fn open(connection: &'a Connection, address: &Url) -> Result<Self, Failure> {
        let response = answer(connection, address, None).await?;
        Ok(Self { connection, address: address.clone(), response })
    }

    /// Prints every change until the user ends it, or the server stays away.
    async fn watch(self, json: bool) -> Result<(), Failure> {
        let Self { connection, address, mut response } = self;
        let mut last_event = None;
        loop {
            let mut events = Events::default();
            let mut stream = response.bytes_stream();
            while let Some(Ok(piece)) = stream.next().await {
                for data in events.feed(&piece) {
                    match serde_json::from_str::<Run>(&data) {
                        Ok(_) if json => println!("{data}"),
                        Ok(run) => println!("{}", line(&run)),
                        Err(_) => {}
                    }
                }
            }
            last_event = events.id.or(last_event);
            let mut attempt = 1;
            response = loop {
                tokio::time::sleep(COME_BACK).await;
                match answer(connection, &address, last_event.as_deref()).await {
                    Ok(response) => break response,
                    Err(failure) if attempt >= ATTEMPTS => return Err(failure),
                    Err(_) => attempt += 1,
                }
            };
        }
    }
}

/// Largest event kept, bytes; a longer one is dropped.
const LARGEST_EVENT: usize = 1 << 20;

/// Server-sent events out of a stream of bytes (WHATWG HTML, 9.2.6; only `data` and `id` matter here).
#[derive(Debug, Default)]
struct Events {
    rest: Vec<u8>,
    data: String,
    /// Id of the last event, to go on from there.
    id: Option<String>,
}

impl Events {
    fn feed(&mut self, piece: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(piece);
        let mut complete = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                if !self.data.is_empty() {
                    complete.push(std::mem::take(&mut self.data));
                }
            } else if let Some(id) = line.strip_prefix("id:") {
                self.id = Some(id.trim().to_owned());
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        if self.rest.len() + self.data.len() > LARGEST_EVENT {
            self.rest.clear();
            self.data.clear();
        }
        complete
    }
}

fn print_table(runs: &[Run]) {
    if runs.is_empty() {
        println!("no runs yet");
    }
    for run in runs {
        println!("{}", line(run));
    }
}

fn line(run: &Run) -> String {
    let place = format!("{}{}", run.space, run.folder);
    let progress =
        if run.state == "running" { format!("{:>3.0} % {}", 100.0 * run.progress, run.step) } else { String::new() };
    let message = run.message.as_deref().and_then(|text| text.lines().next()).unwrap_or_default();
    let begun = run.created_at.as_deref().unwrap_or_default();
    let word = |said: &Attestation| match said.verdict.as_str() {
        "identical" => format!("  [reproduced at {}]", said.peer),
        "agrees" => format!("  [agrees at {}]", said.peer),
        other => format!("  [{other} at {}]", said.peer),
    };
    let attested: String = run.attestations.iter().map(word).collect();
    let text = format!("{begun:<21} {:<15} {:>4} files  {place}  {progress}{message}{attested}", run.state, run.inputs);
    text.trim_end().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_both_shapes_are_read() {
        let bare = parse_list(r#"[{"id":"1","state":"done","inputs":12,"message":null,"unknown":1}]"#).unwrap();
        let named = parse_list(r#"{"runs":[{"id":"1","state":"done","inputs":12}]}"#).unwrap();
        assert_eq!(bare, named);
        assert!(parse_list("<html>").is_err());
    }

    #[test]
    fn events_survive_being_cut_anywhere() {
        let text = ": hello\r\nevent: run\r\nid: 42\r\ndata: {\"a\":1}\r\n\r\ndata: x\ndata: y\n\n";
        for cut in 0..text.len() {
            let mut events = Events::default();
            let (first, second) = text.as_bytes().split_at(cut);
            let mut all = events.feed(first);
            all.extend(events.feed(second));
            assert_eq!(all, ["{\"a\":1}", "x\ny"], "cut at {cut}");
            assert_eq!(events.id.as_deref(), Some("42"));
        }
    }

    #[test]
    fn a_line_cannot_move_the_cursor() {
        let run = Run { folder: "/a\u{1b}[2J".to_owned(), state: "done".to_owned(), ..Run::default() };
        assert!(!line(&run).contains('\u{1b}'));
    }
}
