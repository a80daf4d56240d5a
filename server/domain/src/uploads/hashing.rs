//! Digests of a body while it passes. Of a large one they are computed by a thread of their own: a digest alone takes
//! longer than the network or the disk, and this way the three do not add up.

use super::checksum::{Checksum, Digests};
use crate::Error;
use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes of a body after which it counts as large.
const LARGE_BYTES: u64 = 1024 * 1024;
/// Pieces that may wait: what the network brings at once is some hundred kilobytes.
const WAITING: usize = 4;
/// Bodies that may have a thread at the same time. Each holds it as long as its client sends, and those who write and
/// read files want threads of the same pool: if bodies could take all of them, none of them would ever end.
const APART: usize = 64;
static THREADS: Semaphore = Semaphore::const_new(APART);

/// Digests on their way.
#[derive(Debug)]
pub(super) enum Hashing {
    Here {
        digests: Digests,
        bytes: u64,
    },
    Apart {
        pieces: mpsc::Sender<Bytes>,
        digests: JoinHandle<Digests>,
    },
    /// Only while it changes from here to apart.
    Moving,
}

impl Hashing {
    pub(super) fn new(checksum: Option<&Checksum>) -> Self {
        Self::after(Digests::new(checksum))
    }

    /// Goes on where digests of earlier bytes end.
    pub(super) fn after(digests: Digests) -> Self {
        Self::Here { digests, bytes: 0 }
    }

    /// Takes the next piece.
    pub(super) async fn update(&mut self, piece: &Bytes) -> Result<(), Error> {
        if let Self::Here { digests, bytes } = self {
            *bytes += piece.len() as u64;
            let thread = if *bytes < LARGE_BYTES { None } else { THREADS.try_acquire().ok() };
            let Some(thread) = thread else {
                digests.update(piece);
                return Ok(());
            };
            if let Self::Here { digests, .. } = std::mem::replace(self, Self::Moving) {
                *self = Self::apart(digests, thread);
            }
        }
        match self {
            // The thread is gone only if it broke.
            Self::Apart { pieces, .. } => pieces.send(piece.clone()).await.map_err(|_| Error::BodyBroken),
            Self::Here { .. } | Self::Moving => Err(Error::BodyBroken),
        }
    }

    fn apart(mut digests: Digests, thread: SemaphorePermit<'static>) -> Self {
        let (pieces, mut waiting) = mpsc::channel::<Bytes>(WAITING);
        let digests = spawn_blocking(move || {
            let _thread = thread;
            while let Some(piece) = waiting.blocking_recv() {
                digests.update(&piece);
            }
            digests
        });
        Self::Apart { pieces, digests }
    }

    /// The digests of everything.
    pub(super) async fn end(self) -> Result<Digests, Error> {
        match self {
            Self::Here { digests, .. } => Ok(digests),
            Self::Apart { pieces, digests } => {
                drop(pieces);
                digests.await.map_err(|_| Error::BodyBroken)
            }
            Self::Moving => Err(Error::BodyBroken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest as _;

    #[tokio::test]
    async fn bodies_that_do_not_end_leave_threads_to_others() {
        let large = Bytes::from(vec![7; LARGE_BYTES as usize]);
        let mut waiting = Vec::new();
        for _ in 0..APART + 4 {
            let mut hashing = Hashing::new(None);
            hashing.update(&large).await.unwrap();
            waiting.push(hashing);
        }
        let apart = waiting.iter().filter(|hashing| matches!(hashing, Hashing::Apart { .. })).count();
        assert!(apart <= APART, "{apart} threads");
        let expected = super::super::hex(&sha2::Sha256::digest(&large));
        for hashing in waiting {
            assert_eq!(hashing.end().await.unwrap().finish(None).unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn small_and_large_bodies_give_the_digest_of_all_their_bytes() {
        for pieces in [0_usize, 1, 3, 40] {
            let mut hashing = Hashing::new(None);
            let mut whole = Vec::new();
            for number in 0..pieces {
                let piece = Bytes::from(vec![number as u8; 100_000]);
                whole.extend_from_slice(&piece);
                hashing.update(&piece).await.unwrap();
            }
            let expected = super::super::hex(&sha2::Sha256::digest(&whole));
            assert_eq!(hashing.end().await.unwrap().finish(None).unwrap(), expected);
        }
    }
}
