//! What may be deleted from the instrument: the server's word on each file.

use serde::Deserialize;
use stitchbox_sync::digest::Sha256;

use crate::address::child;
use crate::connection::{Connection, PATIENCE, bounded_text};
use crate::failure::WireError;
use crate::pulse::Pulse;

/// Longest answer, bytes: a million files.
const LIMIT: usize = 512 << 20;

/// The server's word on a folder and what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Safety {
    /// Everything in it is durable, verified, and nothing is still arriving.
    pub safe: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Each file.
    #[serde(default)]
    pub items: Vec<FileSafety>,
}

/// The server's word on one file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FileSafety {
    /// Path in the space, beginning with `/`.
    pub path: String,
    /// Durable and verified.
    pub safe: bool,
    /// The content the server has.
    pub sha256: Option<Sha256>,
    /// Bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// Why not.
    pub reason: Option<String>,
}

impl Connection {
    /// Asks about a folder (or file) of a space with everything below it; `path` begins with `/`. With `verify` the server
    /// reads and hashes every byte again.
    ///
    /// # Errors
    /// Network, refusals, and servers that make no such promise (404).
    pub async fn safety(&self, space: &str, path: &str, verify: bool) -> Result<Safety, WireError> {
        let mut url = child(self.server(), ["api", "v1", "safe"]);
        let verified = if verify { "true" } else { "false" };
        let pairs = [("space", space), ("path", path), ("recursive", "true"), ("verify", verified)];
        url.query_pairs_mut().extend_pairs(pairs);
        // reading everything again takes what it takes
        let patience = if verify { PATIENCE * 30 } else { PATIENCE };
        let asked = |_| async {
            let pulse = Pulse::default();
            self.answer_within(self.request("GET", &url), patience, &pulse).await
        };
        let answer = self.retrying(asked).await?;
        serde_json::from_str(&bounded_text(answer, LIMIT).await)
            .map_err(|_| WireError::Malformed("no word on what is safe to delete"))
    }
}
