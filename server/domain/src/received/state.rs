//! How a received space stands with its peer, for people.

use crate::{Domain, Error, Space};
use stitchbox_schema::{SpaceKind, Timestamp};
use stitchbox_store::breaker;
use stitchbox_store::received::{self, ReceivedShare, ReceivedState};

/// How a received space stands with its peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerState {
    /// The peer, host[:port].
    pub host: String,
    /// Whether it answered when it was last asked.
    pub reachable: bool,
    /// When what is listed was last compared with the peer's.
    pub last_seen: Option<Timestamp>,
    /// What went wrong since, in words.
    pub last_error: Option<String>,
    /// The owner took the share back, or the peer says so again and again.
    pub maybe_gone: bool,
}

/// What [`PeerState::maybe_gone`] is known by; the words are kept with the share.
pub(super) const GONE_WORDS: &str = "the share may have been taken back";

impl std::fmt::Display for PeerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.host)?;
        if !self.reachable {
            match self.last_seen {
                Some(at) => write!(f, ": last seen {}, unreachable", at.rfc3339())?,
                None => f.write_str(": not reached yet")?,
            }
        }
        match &self.last_error {
            Some(words) => write!(f, " ({words})"),
            None => Ok(()),
        }
    }
}

impl Domain {
    /// How a space stands with its peer; none for a space of our own. Asks nobody but our database.
    pub async fn peer_state(&self, space: &Space) -> Result<Option<PeerState>, Error> {
        if space.kind != SpaceKind::Received {
            return Ok(None);
        }
        let share = received::by_space(&mut *self.store.read().await?, space.id).await?;
        match share {
            Some(share) => Ok(Some(self.state_of(&share).await?)),
            None => Ok(None),
        }
    }

    pub(super) async fn state_of(&self, share: &ReceivedShare) -> Result<PeerState, Error> {
        let breaker = breaker::of_peer(&mut *self.store.read().await?, &share.peer).await?;
        let down = breaker.failures > 0;
        let last_error = share.last_error.clone().or(breaker.last_error.filter(|_| down));
        let maybe_gone = share.state == ReceivedState::Gone
            || (share.failures >= 2 && share.last_error.as_deref().is_some_and(|words| words.contains(GONE_WORDS)));
        Ok(PeerState {
            host: share.peer.clone(),
            reachable: !down && share.failures == 0 && share.seen_at.is_some(),
            last_seen: share.seen_at,
            last_error,
            maybe_gone,
        })
    }
}
