//! HTTP/1.1 with TLS by hand, both ends: what goes over the wire is exactly what is written here, dot segments, faults
//! and all.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::{ClientConnection, ServerConnection, StreamOwned};

use super::authority::{Identity, client_config};

/// Longest pause on a connection. A server that hangs is told by it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query, untouched.
    pub target: String,
    /// Header lines in order; names as sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's text; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        find(&self.headers, name)
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// An answer, given or got.
#[derive(Clone, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header lines.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What goes wrong when it is sent.
    pub fault: Option<Fault>,
}

/// What goes wrong when an answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends after so many bytes of the body.
    CutAfter(usize),
    /// One byte of the body a second.
    ByteASecond,
    /// `Content-Length` says something else.
    Claims(usize),
    /// No answer; the connection stays open.
    Hang,
}

impl Answer {
    /// A status and nothing else.
    pub fn status(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    /// A document.
    pub fn json(status: u16, document: &serde_json::Value) -> Answer {
        Answer::status(status).with("Content-Type", "application/json").text(&document.to_string())
    }

    /// Adds a header.
    pub fn with(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub fn text(mut self, body: &str) -> Answer {
        self.body = body.as_bytes().to_vec();
        self
    }

    /// A header's text; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        find(&self.headers, name)
    }

    /// The body as JSON; null when it is none.
    pub fn document(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Insists on a status.
    ///
    /// # Panics
    /// On any other.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = String::from_utf8_lossy(&self.body).chars().take(500).collect();
        write!(f, "answer {} with {} bytes: {text}", self.status, self.body.len())
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

/// Says what to answer.
pub type Handler = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// A server on a free loopback port. Dropping it ends the listening.
pub struct Listener {
    port: u16,
    ends: Arc<AtomicBool>,
    /// Uploads with more bytes than this are cut after so many; 0: none are.
    cut_uploads: Arc<AtomicUsize>,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listener at port {}", self.port)
    }
}

impl Listener {
    /// Serves over TLS with this certificate, or without any.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(identity: Option<&Identity>, handler: Handler) -> Listener {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().expect("an address").port();
        let (ends, cut_uploads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let tls = identity.map(Identity::server_config);
        let (ending, cut) = (Arc::clone(&ends), Arc::clone(&cut_uploads));
        std::thread::spawn(move || {
            for stream in socket.incoming().map_while(Result::ok) {
                if ending.load(Ordering::Relaxed) {
                    return;
                }
                let (tls, handler, cut, ending) = (tls.clone(), handler.clone(), cut.clone(), ending.clone());
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(PATIENCE));
                    let _ = stream.set_nodelay(true);
                    // The other end may go whenever it likes.
                    let _ = match tls {
                        Some(tls) => ServerConnection::new(tls).map_err(io::Error::other).and_then(|connection| {
                            serve(StreamOwned::new(connection, stream), &handler, &cut, &ending)
                        }),
                        None => serve(stream, &handler, &cut, &ending),
                    };
                });
            }
        });
        Listener { port, ends, cut_uploads }
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on bodies of requests are read only so far, then the connection ends. 0: no longer.
    pub fn cut_uploads_after(&self, bytes: usize) {
        self.cut_uploads.store(bytes, Ordering::Relaxed);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(stream: impl Read + Write, handler: &Handler, cut: &AtomicUsize, ends: &AtomicBool) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream, cut)? {
        if ends.load(Ordering::Relaxed) {
            return Ok(());
        }
        let answer = handler(&request);
        let goes_on = write_answer(stream.get_mut(), &request, &answer)?;
        if !goes_on || request.header("Connection").eq_ignore_ascii_case("close") {
            return Ok(());
        }
    }
    Ok(())
}

fn read_request(stream: &mut (impl BufRead + WriteThrough), cut: &AtomicUsize) -> io::Result<Option<Request>> {
    let first = read_line(stream)?;
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let headers = read_headers(stream)?;
    if find(&headers, "Expect").eq_ignore_ascii_case("100-continue") {
        stream.write_through(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let limit = cut.load(Ordering::Relaxed);
    let announced = find(&headers, "Content-Length").parse::<usize>().unwrap_or(usize::MAX);
    let has_body = find(&headers, "Transfer-Encoding").contains("chunked") || announced < usize::MAX;
    let body = match has_body {
        true if limit > 0 && announced > limit => {
            stream.take(limit as u64).read_to_end(&mut Vec::new())?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        true => read_body(stream, &headers, false)?,
        false => Vec::new(),
    };
    Ok(Some(Request { method: method.to_owned(), target: target.to_owned(), headers, body }))
}

/// Writing to what is being read through a buffer.
trait WriteThrough {
    fn write_through(&mut self, bytes: &[u8]) -> io::Result<()>;
}

impl<S: Read + Write> WriteThrough for BufReader<S> {
    fn write_through(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.get_mut().write_all(bytes)?;
        self.get_mut().flush()
    }
}

fn write_answer(stream: &mut impl Write, request: &Request, answer: &Answer) -> io::Result<bool> {
    if answer.fault == Some(Fault::Hang) {
        std::thread::sleep(PATIENCE);
        return Ok(false);
    }
    let length = match answer.fault {
        Some(Fault::Claims(length)) => length,
        _ => answer.body.len(),
    };
    let mut head = format!("HTTP/1.1 {} \r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !matches!(answer.status, 204 | 304) && answer.header("Content-Length").is_empty() {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if request.method == "HEAD" {
        return stream.flush().map(|()| true);
    }
    match answer.fault {
        Some(Fault::CutAfter(bytes)) => stream.write_all(&answer.body[..bytes.min(answer.body.len())])?,
        Some(Fault::ByteASecond) => {
            for byte in &answer.body {
                stream.write_all(&[*byte])?;
                stream.flush()?;
                std::thread::sleep(Duration::from_secs(1));
            }
        }
        _ => stream.write_all(&answer.body)?,
    }
    stream.flush()?;
    Ok(answer.fault.is_none())
}

/// Sends one request over a connection of its own, its target as it stands, and reads the whole answer.
///
/// # Errors
/// When there is nobody, or what comes is no whole answer.
pub fn exchange(origin: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
    let (scheme, host) = origin.split_once("://").ok_or(io::ErrorKind::InvalidInput)?;
    let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(443);
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    let mut request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    if find_in(headers, "Host").is_none() {
        request.push_str(&format!("Host: {host}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if find_in(headers, "Content-Length").is_none() && (!body.is_empty() || matches!(method, "PUT" | "POST")) {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    let mut bytes = request.into_bytes();
    bytes.extend_from_slice(body);
    if scheme == "http" {
        return converse(socket, &bytes, method);
    }
    static CONFIG: OnceLock<Arc<rustls::ClientConfig>> = OnceLock::new();
    let config = Arc::clone(CONFIG.get_or_init(client_config));
    let name = "localhost".try_into().map_err(io::Error::other)?;
    let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    converse(StreamOwned::new(connection, socket), &bytes, method)
}

fn find_in<'a>(headers: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

fn converse(mut stream: impl Read + Write, request: &[u8], method: &str) -> io::Result<Answer> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut stream = BufReader::new(stream);
    loop {
        let first = read_line(&mut stream)?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status: u16 = status.ok_or_else(|| io::Error::other(format!("no answer but {first:?}")))?;
        let headers = read_headers(&mut stream)?;
        if status == 100 {
            continue;
        }
        let is_bare = method == "HEAD" || matches!(status, 204 | 304);
        let body = if is_bare { Vec::new() } else { read_body(&mut stream, &headers, true)? };
        return Ok(Answer { status, headers, body, fault: None });
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn read_headers(stream: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream)?;
        let Some((name, value)) = line.split_once(':') else { return Ok(headers) };
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
}

fn read_body(stream: &mut impl BufRead, headers: &[(String, String)], to_the_end: bool) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if find(headers, "Transfer-Encoding").contains("chunked") {
        loop {
            let length = read_line(stream)?;
            let length = u64::from_str_radix(length.split(';').next().unwrap_or_default().trim(), 16);
            let length = length.map_err(io::Error::other)?;
            if length == 0 {
                read_headers(stream)?;
                return Ok(body);
            }
            let before = body.len();
            stream.take(length).read_to_end(&mut body)?;
            if (body.len() - before) as u64 != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            read_line(stream)?;
        }
    }
    match find(headers, "Content-Length").parse::<u64>() {
        Ok(length) => {
            stream.take(length).read_to_end(&mut body)?;
            if body.len() as u64 != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Err(_) if to_the_end => {
            stream.read_to_end(&mut body)?;
        }
        Err(_) => {}
    }
    Ok(body)
}
