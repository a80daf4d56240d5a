//! A client of the WebSocket, as small as RFC 6455 allows: texts below 126 bytes, masked with zeros.

use super::House;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TEXT: u8 = 0x81;
const MASKED: u8 = 0x80;

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    /// Serves the house, connects, and sends texts.
    pub(crate) async fn open(house: &House, texts: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = house.router.clone();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "GET /push/ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                       sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        for text in texts {
            let mut frame = vec![TEXT];
            match u8::try_from(text.len()).ok().filter(|length| *length < 126) {
                Some(length) => frame.push(MASKED | length),
                None => {
                    frame.push(MASKED | 126);
                    frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
                }
            }
            frame.extend([0; 4]);
            frame.extend(text.as_bytes());
            stream.write_all(&frame).await.unwrap();
        }
        Self { stream }
    }

    /// The next text, waited for five seconds.
    pub(crate) async fn text(&mut self) -> String {
        self.text_within(5000).await.expect("nothing was said")
    }

    /// The next text, if one comes in time.
    pub(crate) async fn text_within(&mut self, milliseconds: u64) -> Option<String> {
        tokio::time::timeout(Duration::from_millis(milliseconds), self.frame()).await.ok()?
    }

    async fn frame(&mut self) -> Option<String> {
        loop {
            let kind = self.stream.read_u8().await.ok()?;
            let mut length = u64::from(self.stream.read_u8().await.ok()?);
            if length == 126 {
                length = u64::from(self.stream.read_u16().await.ok()?);
            }
            let mut body = vec![0; usize::try_from(length).ok()?];
            self.stream.read_exact(&mut body).await.ok()?;
            match kind {
                TEXT => return String::from_utf8(body).ok(),
                // The end.
                0x88 => return None,
                _ => {}
            }
        }
    }
}
