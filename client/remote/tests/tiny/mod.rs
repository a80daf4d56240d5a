//! A tiny HTTP/1.1 server in this process: requests go to a function, answers may be cut short. Knows nothing of the client.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod shelf;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request that arrived whole.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path, not decoded, with the query.
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    /// The body as it came over the wire.
    pub wire: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The body, unfolded.
    pub fn body(&self) -> Vec<u8> {
        match self.header("content-encoding") {
            Some("zstd") => zstd::decode_all(self.wire.as_slice()).expect("the client compresses properly"),
            _ => self.wire.clone(),
        }
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection breaks after so many bytes of the body; 0 with `silent` before the status line.
    pub cut_after: Option<usize>,
    /// No answer at all: the connection breaks.
    pub silent: bool,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// A running server; it ends with the runtime of its test.
pub struct Server {
    pub address: reqwest::Url,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts it; `handler` is asked for every request.
    pub async fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let (handler, seen) = (Arc::new(handler), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&kept));
                tokio::spawn(async move {
                    // a client that goes away is the test's business
                    let _ = serve(stream, &*handler, &seen).await;
                });
            }
        });
        Self { address: reqwest::Url::parse(&address).unwrap(), seen }
    }

    /// The requests that came, in order.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// How many of a method came.
    pub fn count(&self, method: &str) -> usize {
        self.seen().iter().filter(|request| request.method == method).count()
    }

    /// Forgets what came.
    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }
}

async fn serve(
    stream: TcpStream,
    handler: &(dyn Fn(&Request) -> Answer + Send + Sync),
    seen: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        seen.lock().unwrap().push(request.clone());
        let answer = handler(&request);
        if answer.silent {
            return Ok(());
        }
        let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
        for (name, value) in &answer.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", answer.body.len()));
        stream.write_all(head.as_bytes()).await?;
        let sent = answer.cut_after.unwrap_or(answer.body.len()).min(answer.body.len());
        stream.write_all(&answer.body[..sent]).await?;
        stream.flush().await?;
        if answer.cut_after.is_some() {
            return Ok(());
        }
    }
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let mut wire = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).await?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let mut piece = vec![0; size + 2];
            stream.read_exact(&mut piece).await?;
            wire.extend_from_slice(&piece[..size]);
            if size == 0 {
                break;
            }
        }
    } else {
        wire.resize(headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0), 0);
        stream.read_exact(&mut wire).await?;
    }
    Ok(Some(Request { method, path, headers, wire }))
}
