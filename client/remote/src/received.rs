//! What peers share with the user: `/api/v1/received`.

use serde::{Deserialize, Serialize};

use crate::address::child;
use crate::connection::{Connection, bounded_text};
use crate::failure::WireError;

/// Longest answer, bytes.
const LIMIT: usize = 4 << 20;

/// How a server stands with a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedPeer {
    /// The peer, host[:port].
    pub host: String,
    /// Whether it answered when it was last asked.
    pub reachable: bool,
    /// When it was last compared with.
    pub last_seen: Option<String>,
    /// What went wrong since.
    pub error: Option<String>,
}

/// A share of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedShare {
    /// Its id here.
    pub id: String,
    /// Its name.
    pub name: String,
    /// pending, accepted, declined, gone.
    pub state: String,
    /// Whose it is, name@host.
    pub owner: String,
    /// Who shared it, name@host.
    pub sender: String,
    /// How its server is reached.
    pub peer: ReceivedPeer,
}

/// What to say to a received share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceivedAnswer {
    /// Yes.
    Accept,
    /// No, or no more.
    Decline,
    /// Look whether it changed.
    Refresh,
}

impl ReceivedAnswer {
    fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Refresh => "refresh",
        }
    }

    /// What became of it, for people.
    #[must_use]
    pub fn done(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::Decline => "declined",
            Self::Refresh => "is compared with its server",
        }
    }
}

#[derive(Deserialize)]
struct Listed {
    received: Vec<ReceivedShare>,
}

impl Connection {
    /// What peers share with the user, latest first.
    ///
    /// # Errors
    /// [`WireError`].
    pub async fn received(&self) -> Result<Vec<ReceivedShare>, WireError> {
        let url = child(self.server(), ["api", "v1", "received"]);
        let text = bounded_text(self.answer(self.request("GET", &url)).await?, LIMIT).await;
        let listed: Listed =
            serde_json::from_str(&text).map_err(|_| WireError::Malformed("no list of received shares"))?;
        Ok(listed.received)
    }

    /// Says something to a received share.
    ///
    /// # Errors
    /// [`WireError`]; 404 if there is no such share.
    pub async fn answer_received(&self, id: &str, answer: ReceivedAnswer) -> Result<(), WireError> {
        let url = child(self.server(), ["api", "v1", "received", id, answer.word()]);
        self.answer(self.request("POST", &url)).await.map(drop)
    }
}
