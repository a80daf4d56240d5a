//! A proxy that counts what a client sends: bytes and requests.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Passes everything on to one server.
pub struct Proxy {
    port: u16,
    sent: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
}

impl Proxy {
    pub fn to(server: &str) -> Proxy {
        let target = server.strip_prefix("http://").expect("a plain address").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (sent, requests) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let proxy = Proxy { port, sent: Arc::clone(&sent), requests: Arc::clone(&requests) };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&target) else { continue };
                let (Ok(client2), Ok(server2)) = (client.try_clone(), server.try_clone()) else { continue };
                let (sent, requests) = (Arc::clone(&sent), Arc::clone(&requests));
                std::thread::spawn(move || pass(client, server, &sent, &requests));
                let nobody = AtomicU64::new(0);
                std::thread::spawn(move || pass(server2, client2, &nobody, &AtomicU64::new(0)));
            }
        });
        proxy
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Bytes sent since the last question.
    pub fn take_sent(&self) -> u64 {
        self.sent.swap(0, Ordering::Relaxed)
    }

    /// Requests since the last question.
    pub fn take_requests(&self) -> u64 {
        self.requests.swap(0, Ordering::Relaxed)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, bytes: &AtomicU64, requests: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let piece = &buffer[..read];
        bytes.fetch_add(read as u64, Ordering::Relaxed);
        // every request of the client carries its name; a body of these tests never does
        let agents = piece.windows(11).filter(|window| window.eq_ignore_ascii_case(b"user-agent:")).count();
        requests.fetch_add(agents as u64, Ordering::Relaxed);
        if to.write_all(piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
