//! A peer of raw TCP that answers as it is told, badly too, and remembers what it heard.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use stitchbox_federation::{Host, Http, Policy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Heard {
    pub method: String,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Heard {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

/// What is done with a connection after a request.
#[derive(Debug, Clone)]
pub enum Step {
    Send(Vec<u8>),
    Wait(Duration),
}

/// An answer with a right length.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<Step> {
    let body = body.as_ref();
    let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    vec![Step::Send([head.as_bytes(), b"\r\n", body].concat())]
}

pub fn json(status: u16, body: &serde_json::Value) -> Vec<Step> {
    answer(status, &[("Content-Type", "application/json")], body.to_string())
}

pub struct FakePeer {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for FakePeer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakePeer {
    /// `reply` is asked for each request.
    pub async fn start(reply: impl Fn(&Heard) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::start_limited(reply, usize::MAX).await
    }

    /// A peer that reads at most `most` bytes of each body and then hangs up.
    pub async fn start_limited(reply: impl Fn(&Heard) -> Vec<Step> + Send + Sync + 'static, most: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (log, reply) = (Arc::clone(&heard), Arc::new(reply));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, reply) = (Arc::clone(&log), Arc::clone(&reply));
                tokio::spawn(async move { serve(stream, &log, reply.as_ref(), most).await });
            }
        });
        Self { address, heard, task }
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    pub fn host(&self) -> Host {
        Host::parse(&self.address.to_string()).unwrap()
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn url(&self, path: &str) -> reqwest::Url {
        reqwest::Url::parse(&format!("{}{path}", self.origin())).unwrap()
    }
}

async fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Heard>>,
    reply: &(impl Fn(&Heard) -> Vec<Step> + Send + Sync),
    most: usize,
) -> Option<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        stream.read_buf(&mut bytes).await.ok().filter(|count| *count > 0)?;
        // somebody speaks TLS
        if bytes.first() == Some(&0x16) {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut body = bytes.split_off(end + 4);
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.trim()).ok()?);
    }
    let length: usize = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    while body.len() < length.min(most) {
        stream.read_buf(&mut body).await.ok().filter(|count| *count > 0)?;
    }
    body.truncate(most);
    let is_cut = body.len() < length;
    let heard = Heard { method, target, headers, body };
    log.lock().unwrap().push(heard.clone());
    if is_cut {
        return None;
    }
    for step in reply(&heard) {
        match step {
            Step::Send(bytes) => stream.write_all(&bytes).await.ok()?,
            Step::Wait(time) => tokio::time::sleep(time).await,
        }
    }
    stream.shutdown().await.ok()
}

/// The limits of the tests: loopback and http allowed, short times.
pub fn policy() -> Policy {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Policy {
        allow_http: true,
        allow_private: true,
        connect_timeout: Duration::from_secs(2),
        document_timeout: Duration::from_secs(2),
        idle_timeout: Duration::from_millis(600),
        settle_timeout: Duration::from_secs(2),
        least_progress: 1000,
        max_document_bytes: 10_000,
        max_listing_bytes: 1 << 20,
        max_entries: 1000,
        ..Policy::default()
    }
}

pub fn http() -> Http {
    Http::new(policy()).unwrap()
}
