//! Fetching one file: continued where it broke off, compared with what the server says it is.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE, ETAG};
use reqwest::{Response, StatusCode, Url};
use sha2::Digest as _;
use stitchbox_sync::chunks::{Cutter, LARGE};
use stitchbox_sync::digest::Sha256;
use stitchbox_sync::remote::Chunk;
use tokio::sync::mpsc;

use crate::connection::{Connection, Dialect, PATIENCE};
use crate::failure::WireError;
use crate::heard::Heard;
use crate::listing::sha256_in;
use crate::pulse::Pulse;
use crate::section::blocking;

/// Pieces that wait for the disk.
const WAITING: usize = 16;

/// What is known of a file before it is fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Its ETag: another one on the server is an error.
    pub etag: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// Its content.
    pub sha256: Option<Sha256>,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// ETag of the bytes.
    pub etag: Option<String>,
    /// Bytes in the file.
    pub size: u64,
    /// SHA-256 of the bytes in the file.
    pub sha256: Sha256,
    /// Whether the server named the SHA-256 and it is the same.
    pub verified: bool,
    /// Where the content would be cut, for files from 16 MiB on.
    pub chunks: Vec<Chunk>,
}

impl Connection {
    /// Fetches a file into `into`. Bytes already there are taken for its beginning; the whole is hashed and compared. The
    /// file is written, not flushed to disk.
    ///
    /// # Errors
    /// 412 if the file is not the known one any more; [`WireError::Damaged`] if it arrives different, then `into` is empty.
    pub async fn fetch(&self, url: &Url, into: &Path, known: &Known, heard: &Heard) -> Result<Fetched, WireError> {
        if known.size == Some(0) && known.sha256 == Some(Sha256::of(&[])) {
            return empty(into, known);
        }
        let dialect = self.dialect().await?;
        self.retrying(|_| async {
            let heard = heard.again();
            let fetched = self.fetch_once(url, into, known, dialect, &heard).await;
            if let Err(error) = &fetched {
                heard.take_back();
                if matches!(error, WireError::Damaged(_)) || error.status() == Some(416) {
                    // what is there is not the beginning of this file
                    let path = into.to_owned();
                    blocking(move || File::create(&path).map(drop).map_err(|error| WireError::local(&path, error)))
                        .await?;
                }
            }
            match fetched {
                Err(error) if error.status() == Some(416) => Err(WireError::Damaged("the part here was too long")),
                other => other,
            }
        })
        .await
    }

    async fn fetch_once(
        &self,
        url: &Url,
        into: &Path,
        known: &Known,
        dialect: Dialect,
        heard: &Heard,
    ) -> Result<Fetched, WireError> {
        let have = begun(into, known)?;
        if known.size == Some(have) && known.sha256.is_some() && have > 0 {
            let writer = Writer { path: into.to_owned(), keep: have, encoded: false, limit: known.size };
            let (_sender, receiver) = mpsc::channel(1);
            drop(_sender);
            heard.moved(have);
            let written = blocking(move || writer.run(receiver)).await?;
            return judged(written, known.etag.clone(), known, None);
        }
        let mut request = self.request("GET", url);
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        } else if self.compresses() {
            request = request.header("Accept-Encoding", "zstd").header("Stitchbox-Client", "1");
        }
        if let Some(etag) = known.etag.as_deref().filter(|_| dialect == Dialect::Stitchbox) {
            request = request.header("If-Match", etag);
        }
        let answer = self.answer(request).await?;
        let etag = text(&answer, ETAG.as_str()).or_else(|| text(&answer, "oc-etag"));
        if known.etag.is_some() && dialect == Dialect::Stitchbox && etag != known.etag {
            return Err(WireError::Damaged("the file is another than the one that was listed"));
        }
        let keep = match answer.status() {
            // without a digest only the validator says that both halves are of one file
            StatusCode::PARTIAL_CONTENT if known.sha256.is_none() && etag != known.etag => {
                return Err(WireError::Damaged("the rest is of another version than the part that is here"));
            }
            StatusCode::PARTIAL_CONTENT => match range_start(&answer) {
                Some(start) if start == have => have,
                _ => return Err(WireError::Damaged("another part than the one that was asked for")),
            },
            _ => 0,
        };
        let announced = text(&answer, "oc-checksum").and_then(|text| sha256_in(&text));
        let encoded = text(&answer, CONTENT_ENCODING.as_str()).is_some_and(|encoding| encoding == "zstd");
        let limit = match (known.size, encoded) {
            (Some(size), _) => Some(size),
            (None, false) => answer.content_length().map(|rest| keep + rest),
            (None, true) => None,
        };
        heard.moved(keep);
        let writer = Writer { path: into.to_owned(), keep, encoded, limit };
        let written = self.receive(answer, writer, heard).await?;
        judged(written, etag, known, announced)
    }

    async fn receive(&self, mut answer: Response, writer: Writer, heard: &Heard) -> Result<Written, WireError> {
        let (sender, receiver) = mpsc::channel::<Bytes>(WAITING);
        let writing = tokio::spawn(blocking(move || writer.run(receiver)));
        let pulse = Pulse::default();
        let mut broken = None;
        loop {
            match pulse.watch(PATIENCE, answer.chunk()).await {
                Ok(Ok(Some(piece))) => {
                    pulse.beat();
                    self.down().pass(piece.len()).await;
                    heard.moved(piece.len() as u64);
                    if sender.send(piece).await.is_err() {
                        break;
                    }
                }
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    broken = Some(error.into());
                    break;
                }
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        drop(sender);
        // what arrived is kept in the file whatever happened: the next attempt goes on from there
        let written = match writing.await {
            Ok(written) => written,
            Err(error) => Err(WireError::Local { path: "a thread".to_owned(), error: std::io::Error::other(error) }),
        };
        match broken {
            Some(error) => Err(error),
            None => written,
        }
    }
}

/// What is empty need not be fetched.
fn empty(into: &Path, known: &Known) -> Result<Fetched, WireError> {
    File::create(into).map_err(|error| WireError::local(into, error))?;
    Ok(Fetched { etag: known.etag.clone(), size: 0, sha256: Sha256::of(&[]), verified: true, chunks: Vec::new() })
}

/// How much of the file is there already.
fn begun(into: &Path, known: &Known) -> Result<u64, WireError> {
    let have = match std::fs::metadata(into) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(WireError::local(into, error)),
    };
    // a part is only of use when the whole can be compared at the end
    let comparable = known.sha256.is_some() || known.etag.is_some();
    Ok(if comparable && known.size.is_none_or(|size| have <= size) { have } else { 0 })
}

fn judged(
    written: Written,
    etag: Option<String>,
    known: &Known,
    announced: Option<Sha256>,
) -> Result<Fetched, WireError> {
    let expected = known.sha256.or(announced);
    if expected.is_some_and(|expected| expected != written.sha256) {
        return Err(WireError::Damaged("its SHA-256 differs from the server's"));
    }
    if known.size.is_some_and(|size| size != written.size) {
        return Err(WireError::Damaged("its size differs from the server's"));
    }
    let Written { size, sha256, chunks } = written;
    Ok(Fetched { etag, size, sha256, verified: expected.is_some(), chunks })
}

fn text(answer: &Response, name: &str) -> Option<String> {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn range_start(answer: &Response) -> Option<u64> {
    text(answer, CONTENT_RANGE.as_str())?.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// What is in the file when everything arrived.
struct Written {
    size: u64,
    sha256: Sha256,
    chunks: Vec<Chunk>,
}

/// Writes what arrives, on a thread of its own.
struct Writer {
    path: PathBuf,
    /// Bytes at the beginning of the file that stay.
    keep: u64,
    encoded: bool,
    /// More than this is not written, whatever arrives.
    limit: Option<u64>,
}

impl Writer {
    fn run(self, mut pieces: mpsc::Receiver<Bytes>) -> Result<Written, WireError> {
        let mut sink = self.sink()?;
        if self.encoded {
            let failed = |error: std::io::Error| WireError::local(&self.path, error);
            let mut decoder = zstd::stream::write::Decoder::new(sink).map_err(failed)?;
            while let Some(piece) = pieces.blocking_recv() {
                decoder.write_all(&piece).map_err(|error| self.decoding_failed(error))?;
            }
            decoder.flush().map_err(|error| self.decoding_failed(error))?;
            sink = decoder.into_inner();
        } else {
            while let Some(piece) = pieces.blocking_recv() {
                sink.write_all(&piece).map_err(|error| self.decoding_failed(error))?;
            }
        }
        Ok(sink.finish())
    }

    fn decoding_failed(&self, error: std::io::Error) -> WireError {
        match error.kind() {
            std::io::ErrorKind::FileTooLarge if error.get_ref().is_some() => {
                WireError::Damaged("more arrived than the server announced")
            }
            // zstd says what it cannot read as `Other`
            std::io::ErrorKind::Other | std::io::ErrorKind::InvalidData => {
                WireError::Damaged("its compression is broken")
            }
            _ => WireError::local(&self.path, error),
        }
    }

    /// The file, with what stays of it hashed.
    fn sink(&self) -> Result<Sink, WireError> {
        let failed = |error| WireError::local(&self.path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(self.keep == 0);
        let mut file = options.open(&self.path).map_err(failed)?;
        let mut sink = Sink { size: 0, limit: self.limit, hash: sha2::Sha256::new(), cutter: None, file: None };
        if self.limit.is_none_or(|limit| limit >= LARGE) {
            sink.cutter = Some(Cutter::default());
        }
        let mut buffer = vec![0; 256 * 1024];
        while sink.size < self.keep {
            let read = file.read(&mut buffer).map_err(failed)?;
            if read == 0 {
                return Err(WireError::Damaged("the part here became shorter"));
            }
            sink.note(buffer.get(..read).unwrap_or_default());
        }
        sink.file = Some(file);
        Ok(sink)
    }
}

/// A file that knows the hash of what was written.
struct Sink {
    file: Option<File>,
    size: u64,
    limit: Option<u64>,
    hash: sha2::Sha256,
    cutter: Option<Cutter>,
}

impl Sink {
    fn note(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.hash.update(bytes);
        if let Some(cutter) = &mut self.cutter {
            cutter.push(bytes);
        }
    }

    fn finish(self) -> Written {
        let chunks = match self.cutter {
            Some(cutter) if self.size >= LARGE => cutter.finish(),
            _ => Vec::new(),
        };
        Written { size: self.size, sha256: Sha256(self.hash.finalize().into()), chunks }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.limit.is_some_and(|limit| self.size + bytes.len() as u64 > limit) {
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "longer than announced"));
        }
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
        }
        self.note(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
