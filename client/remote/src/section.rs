//! Bytes of a local file as the body of a request: read, compressed and limited on the way, never whole in memory.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt as _;
use reqwest::RequestBuilder;
use tokio::sync::mpsc;

use crate::compress::{self, PROBE_BYTES};
use crate::connection::{Connection, PATIENCE};
use crate::failure::WireError;
use crate::heard::Heard;
use crate::pulse::Pulse;

/// One buffer; 4 KiB would be eight times slower.
const BUFFER_BYTES: usize = 256 * 1024;
/// Buffers that wait for the network.
const WAITING: usize = 4;
/// What is compressed at least; below it a request is answered before a compressor is set up.
const SMALLEST_COMPRESSED: u64 = 16 * 1024;

/// A range of a local file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// Which file.
    pub path: PathBuf,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

impl Section {
    /// A whole file of `size` bytes.
    pub(crate) fn whole(path: &Path, size: u64) -> Self {
        Self { path: path.to_owned(), offset: 0, length: size }
    }

    /// Sends a request with these bytes as its body and gives the answer. What fails on this side is said as such.
    pub(crate) async fn send(
        &self,
        connection: &Connection,
        request: RequestBuilder,
        heard: &Heard,
    ) -> Result<reqwest::Response, WireError> {
        let pulse = Pulse::default();
        let compressed = connection.compresses() && self.is_compressible().await?;
        let trouble: Trouble = Arc::default();
        let request = if compressed {
            request.header("Content-Encoding", "zstd").header("X-Expected-Entity-Length", self.length)
        } else {
            request.header("Content-Length", self.length)
        };
        let body = self.body(connection, compressed, heard, &pulse, &trouble);
        let result = connection.answer_within(request.body(body), PATIENCE, &pulse).await;
        let failed_here = trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        match (result, failed_here) {
            (Ok(answer), _) => Ok(answer),
            (Err(error), cause) => {
                heard.take_back();
                Err(cause.unwrap_or(error))
            }
        }
    }

    async fn is_compressible(&self) -> Result<bool, WireError> {
        if self.length < SMALLEST_COMPRESSED {
            return Ok(false);
        }
        let section = self.clone();
        blocking(move || {
            let mut probe = Vec::with_capacity(PROBE_BYTES);
            section
                .open()?
                .take(section.length.min(PROBE_BYTES as u64))
                .read_to_end(&mut probe)
                .map_err(section.failed())?;
            Ok(compress::pays(&probe))
        })
        .await
    }

    fn body(
        &self,
        connection: &Connection,
        compressed: bool,
        heard: &Heard,
        pulse: &Pulse,
        trouble: &Trouble,
    ) -> reqwest::Body {
        let (sender, receiver) = mpsc::channel::<std::io::Result<Piece>>(WAITING);
        let (section, noted) = (self.clone(), Arc::clone(trouble));
        tokio::task::spawn_blocking(move || {
            if let Err(error) = section.read(compressed, &sender) {
                *noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
                // the receiver may be gone: then nobody waits for the reason
                let _ = sender.blocking_send(Err(std::io::Error::other("the local file could not be read")));
            }
        });
        let (connection, heard, pulse) = (connection.clone(), heard.clone(), pulse.clone());
        let pieces = futures::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        reqwest::Body::wrap_stream(pieces.then(move |piece| {
            let (connection, heard, pulse) = (connection.clone(), heard.clone(), pulse.clone());
            async move {
                let piece = piece?;
                connection.up().pass(piece.wire.len()).await;
                pulse.beat();
                heard.moved(piece.plain);
                Ok::<Bytes, std::io::Error>(piece.wire)
            }
        }))
    }

    /// Reads on a thread of its own; ends quietly when nobody listens any more.
    fn read(&self, compressed: bool, sender: &mpsc::Sender<std::io::Result<Piece>>) -> Result<(), WireError> {
        let mut file = self.open()?;
        let mut left = self.length;
        let mut encoder = match compressed {
            true => Some(zstd::stream::write::Encoder::new(Vec::new(), compress::LEVEL).map_err(self.failed())?),
            false => None,
        };
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES);
            let mut buffer = vec![0; wanted];
            let read = file.read(&mut buffer).map_err(self.failed())?;
            if read == 0 {
                return Err(WireError::SourceChanged { path: self.path.display().to_string() });
            }
            buffer.truncate(read);
            left -= read as u64;
            let wire = match encoder.as_mut() {
                Some(encoder) => {
                    encoder.write_all(&buffer).map_err(self.failed())?;
                    std::mem::take(encoder.get_mut())
                }
                None => buffer,
            };
            if sender.blocking_send(Ok(Piece { wire: wire.into(), plain: read as u64 })).is_err() {
                return Ok(());
            }
        }
        if let Some(encoder) = encoder {
            let rest = encoder.finish().map_err(self.failed())?;
            // gone: the answer came before the end of the body
            let _ = sender.blocking_send(Ok(Piece { wire: rest.into(), plain: 0 }));
        }
        Ok(())
    }

    fn open(&self) -> Result<File, WireError> {
        let mut file = File::open(&self.path).map_err(self.failed())?;
        file.seek(SeekFrom::Start(self.offset)).map_err(self.failed())?;
        Ok(file)
    }

    fn failed(&self) -> impl Fn(std::io::Error) -> WireError + '_ {
        |error| WireError::local(&self.path, error)
    }
}

type Trouble = Arc<Mutex<Option<WireError>>>;

/// What goes out at once, and how many bytes of the file that is.
struct Piece {
    wire: Bytes,
    plain: u64,
}

/// Work for a thread that may wait for a disk.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WireError> + Send + 'static,
) -> Result<T, WireError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(WireError::Local { path: "a thread".to_owned(), error: std::io::Error::other(error) }),
    }
}
