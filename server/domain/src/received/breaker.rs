//! Asking a peer: not at all while it is known not to answer, and never for longer than one has patience.

use super::peer::{PeerFiles, PeerTrouble};
use super::single::SingleFile;
use crate::{Domain, Error};
use std::sync::Arc;
use std::time::Duration;
use stitchbox_schema::{SpaceId, Timestamp};
use stitchbox_store::breaker;
use stitchbox_store::received::{self, ReceivedShare, ReceivedState};

/// How long a peer is left alone after so many failures in a row.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];
/// That a peer answers is written down this often.
const SEEN_AGAIN: Duration = Duration::from_secs(60);
/// For everything that is a question and a short answer.
pub(super) const SHORT: Duration = Duration::from_secs(20);
/// For a listing, or a change that takes the peer time.
pub(super) const LONG: Duration = Duration::from_secs(120);

/// A share with the way to its files.
#[derive(Debug, Clone)]
pub(crate) struct AtPeer {
    pub share: ReceivedShare,
    pub files: Arc<dyn PeerFiles>,
}

impl Domain {
    /// The way to the files of a received space, if it is accepted and its peer is not known to be down.
    pub(super) async fn reach(&self, space: SpaceId) -> Result<AtPeer, Error> {
        let share = received::by_space(&mut *self.store.read().await?, space).await?.ok_or(Error::NotFound)?;
        let over = share.expires_at.is_some_and(|end| end <= self.now());
        if share.state != ReceivedState::Accepted || over {
            let words = match share.state {
                ReceivedState::Gone => "its owner took the share back",
                _ if over => "the share has ended",
                _ => "the share was not accepted yet",
            };
            return Err(Error::PeerRefused { peer: share.peer, words: words.to_owned() });
        }
        self.refuse_if_down(&share).await?;
        let raw = self.raw_files(&share).await?;
        let files = if share.is_file { Arc::new(SingleFile::new(raw, &share.name)) } else { raw };
        Ok(AtPeer { share, files })
    }

    /// The files as the peer has them, a single file as the top.
    pub(super) async fn raw_files(&self, share: &ReceivedShare) -> Result<Arc<dyn PeerFiles>, Error> {
        let found = match (self.received.peers.clone(), self.federation()) {
            (Some((peers, _)), _) => within(SHORT, peers.files(share)).await,
            (None, Some(_)) => within(SHORT, self.files_by_dav(share)).await,
            (None, None) => {
                let reason = "this server is not set up to speak with other sites".to_owned();
                return Err(Error::PeerUnavailable { peer: share.peer.clone(), last_seen: share.seen_at, reason });
            }
        };
        // A way that is known needs no answer, so only its lack says something about the peer.
        if let Err(PeerTrouble::Unreachable(words)) = &found {
            self.note_failure(&share.peer, words).await?;
        }
        found.map_err(|trouble| refusal(share, trouble))
    }

    /// Refuses at once what would only wait for a peer that does not answer.
    pub(super) async fn refuse_if_down(&self, share: &ReceivedShare) -> Result<(), Error> {
        let state = breaker::of_peer(&mut *self.store.read().await?, &share.peer).await?;
        if state.failures > 0 && state.retry_at.is_some_and(|at| at > self.now()) {
            let reason = state.last_error.unwrap_or_else(|| "it did not answer".to_owned());
            let last_seen = share.seen_at.max(state.last_contact);
            return Err(Error::PeerUnavailable { peer: share.peer.clone(), last_seen, reason });
        }
        Ok(())
    }

    /// Asks a peer, and takes note of whether it answers.
    pub(super) async fn ask<T>(
        &self,
        share: &ReceivedShare,
        patience: Duration,
        call: impl Future<Output = Result<T, PeerTrouble>> + Send,
    ) -> Result<T, PeerTrouble> {
        let answer = within(patience, call).await;
        let noted = match &answer {
            Err(PeerTrouble::Unreachable(words)) => self.note_failure(&share.peer, words).await,
            Ok(_) | Err(_) => self.note_answer(&share.peer).await,
        };
        if let Err(error) = noted {
            tracing::warn!(%error, peer = %share.peer, "whether a peer answers could not be written down");
        }
        answer
    }

    async fn note_failure(&self, peer: &str, words: &str) -> Result<(), Error> {
        let (peer, words, now) = (peer.to_owned(), words.to_owned(), self.now());
        self.transact(move |tx| {
            Box::pin(async move {
                let before = breaker::of_peer(tx, &peer).await?;
                // Many calls fail together when a peer goes down; that is one failure.
                if before.failures > 0 && before.retry_at.is_some_and(|at| at > now) {
                    return Ok(());
                }
                let step = usize::try_from(before.failures).unwrap_or(0).min(PAUSES.len() - 1);
                let pause = PAUSES.get(step).copied().unwrap_or(SEEN_AGAIN);
                Ok(breaker::failed(tx, &peer, &words, now, now.after(pause)).await?)
            })
        })
        .await
    }

    async fn note_answer(&self, peer: &str) -> Result<(), Error> {
        let now = self.now();
        let state = breaker::of_peer(&mut *self.store.read().await?, peer).await?;
        let fresh = state.last_contact.is_some_and(|at| at.after(SEEN_AGAIN) > now);
        if state.failures == 0 && fresh {
            return Ok(());
        }
        let peer = peer.to_owned();
        self.transact(move |tx| Box::pin(async move { Ok(breaker::answered(tx, &peer, now).await?) })).await
    }
}

async fn within<T>(
    patience: Duration,
    call: impl Future<Output = Result<T, PeerTrouble>> + Send,
) -> Result<T, PeerTrouble> {
    tokio::time::timeout(patience, call)
        .await
        .unwrap_or_else(|_| Err(PeerTrouble::Unreachable(format!("it did not answer within {} s", patience.as_secs()))))
}

/// What a person is told of a peer's trouble.
pub(super) fn refusal(share: &ReceivedShare, trouble: PeerTrouble) -> Error {
    let peer = share.peer.clone();
    match trouble {
        PeerTrouble::Unreachable(reason) | PeerTrouble::Nonsense(reason) => {
            Error::PeerUnavailable { peer, last_seen: share.seen_at, reason }
        }
        PeerTrouble::Denied(words) | PeerTrouble::Refused(words) => Error::PeerRefused { peer, words },
        PeerTrouble::Locked(words) => Error::PeerRefused { peer, words: format!("it is locked there: {words}") },
        PeerTrouble::Full(words) => Error::PeerFull { peer, words },
        PeerTrouble::Missing | PeerTrouble::Changed => Error::StaleAtPeer,
        PeerTrouble::Exists => Error::Exists,
    }
}

/// A time between `interval` and a quarter more: many shares of one peer are not looked at in one moment.
pub(super) fn jittered(now: Timestamp, interval: Duration, seed: i64) -> Timestamp {
    let share = u32::try_from(seed.wrapping_mul(0x9E37_79B9).wrapping_add(now.0 >> 20).rem_euclid(256)).unwrap_or(0);
    now.after(interval + interval / 4 * share / 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_spread_and_never_early() {
        let (now, interval) = (Timestamp(1_700_000_000_000_000_000), Duration::from_secs(40));
        let times: std::collections::HashSet<Timestamp> = (0..50).map(|seed| jittered(now, interval, seed)).collect();
        assert!(times.len() > 25, "{}", times.len());
        assert!(times.iter().all(|at| *at >= now.after(interval) && *at <= now.after(Duration::from_secs(50))));
    }
}
