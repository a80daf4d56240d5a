//! Requests that no decent client sends: cut, malformed, with paths nobody would normalise.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::dav::{Credentials, Dav};

/// Whether everything announced is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The request is complete; the client waits for the answer.
    Whole,
    /// The client stops sending before the announced end.
    Cut,
}

/// Sends a head (without host and credentials) and a body as they are, and gives what came back.
pub fn raw_request(dav: &Dav, head: &str, body: &[u8], end: End) -> String {
    let address = dav.base().trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).expect("the server listens");
    let login = STANDARD.encode(login(dav));
    let head = format!("{head}Host: {address}\r\nAuthorization: Basic {login}\r\nConnection: close\r\n\r\n");
    // The server may answer and close before it has read everything.
    let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body));
    if end == End::Cut {
        let _ = socket.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn login(dav: &Dav) -> String {
    match dav.credentials() {
        Credentials::Basic(user, password) => format!("{user}:{password}"),
        Credentials::None | Credentials::Bearer(_) => panic!("a raw request needs a name and a password"),
    }
}
