//! Who used a link or a federated share, and for what: rows of the audit, written behind the answer.
//!
//! A read never waits for the database to take a row: uses are queued and written in groups by a task that lives as long
//! as there are any. What a client does again and again within a minute, listing and reading on in a file, is one row.

use crate::{Domain, Error, Location, Principal};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stitchbox_schema::{ItemId, Timestamp};
use stitchbox_store::audit::{self, AuditRow};

/// Within this time the same use by the same client is one row.
const SAME: Duration = Duration::from_secs(60);
/// Uses that wait to be written. More are not written, and that is said in the log.
const MOST_WAITING: usize = 10_000;
/// Rows written at once.
const GROUP: usize = 200;
/// Uses remembered, so that they are not written again.
const MOST_REMEMBERED: usize = 10_000;

/// What somebody does by a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    /// Looks at a folder.
    Listed,
    /// Reads a file.
    Read,
    /// Reads a part of a file: clients ask for hundreds of them.
    ReadPart,
    /// Brings or replaces a file.
    Wrote,
    /// Makes a folder.
    MadeFolder,
    /// Removes something.
    Removed,
    /// Moves or copies something.
    Moved,
    /// Changes properties or locks.
    Changed,
}

impl Use {
    /// The word in the audit.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Read | Self::ReadPart => "read",
            Self::Wrote => "wrote",
            Self::MadeFolder => "made_folder",
            Self::Removed => "removed",
            Self::Moved => "moved",
            Self::Changed => "changed",
        }
    }
}

/// A use, as far as it decides whether it is another one. The path of a listing does not.
type Key = (i64, IpAddr, Use, String);

#[derive(Debug, Default)]
struct State {
    waiting: Vec<AuditRow>,
    is_writing: bool,
    noted: HashMap<Key, Timestamp>,
}

/// The uses of shares that this process has still to write.
#[derive(Debug, Default)]
pub(crate) struct Uses(Mutex<State>);

impl Uses {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a use; true if somebody has to begin writing.
    fn queue(&self, key: Key, row: AuditRow, now: Timestamp) -> bool {
        let mut state = self.state();
        if matches!(key.2, Use::Listed | Use::ReadPart) {
            if state.noted.get(&key).is_some_and(|at| now < at.after(SAME)) {
                return false;
            }
            if state.noted.len() >= MOST_REMEMBERED {
                state.noted.retain(|_, at| now < at.after(SAME));
            }
            if state.noted.len() >= MOST_REMEMBERED {
                state.noted.clear();
            }
            state.noted.insert(key, now);
        }
        if state.waiting.len() >= MOST_WAITING {
            tracing::warn!(target: "audit", event = %row.event, share = ?row.share, "too many uses of shares at once: one is not written");
            return false;
        }
        state.waiting.push(row);
        !std::mem::replace(&mut state.is_writing, true)
    }

    /// The next rows to write; none ends the writing.
    fn take(&self) -> Vec<AuditRow> {
        let mut state = self.state();
        let count = state.waiting.len().min(GROUP);
        let group: Vec<AuditRow> = state.waiting.drain(..count).collect();
        state.is_writing = !group.is_empty();
        group
    }
}

impl Domain {
    /// Notes that a link or a federated share was used; nothing for anybody who has an account here.
    pub fn note_use(&self, principal: &Principal, at: &Location, item: Option<ItemId>, what: Use, client: IpAddr) {
        let Some(share) = principal.scope.share else { return };
        let now = self.now();
        let subject = at.path.to_string();
        let row = AuditRow {
            id: self.ids.next(now),
            at: now,
            event: what.as_str().to_owned(),
            actor: principal.name.clone(),
            user: None,
            share: Some(share),
            space: Some(at.space),
            item,
            subject: subject.clone(),
            client: client.to_string(),
            details: "{}".to_owned(),
        };
        let path = if what == Use::Listed { String::new() } else { subject };
        if self.uses.queue((share.0, client, what, path), row, now) {
            let domain = self.clone();
            tokio::spawn(async move { domain.write_uses().await });
        }
    }

    async fn write_uses(&self) {
        loop {
            let group = self.uses.take();
            if group.is_empty() {
                return;
            }
            let count = group.len();
            let written: Result<(), Error> = self
                .transact(move |tx| {
                    Box::pin(async move {
                        for row in &group {
                            audit::insert(tx, row).await?;
                        }
                        Ok(())
                    })
                })
                .await;
            if let Err(error) = written {
                tracing::error!(target: "audit", %error, count, "uses of shares could not be written to the audit");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use stitchbox_schema::{ShareId, SpaceId};

    fn row(id: i64) -> AuditRow {
        AuditRow {
            id,
            at: Timestamp(id),
            event: "read".to_owned(),
            actor: String::new(),
            user: None,
            share: Some(ShareId(1)),
            space: Some(SpaceId(1)),
            item: None,
            subject: String::new(),
            client: String::new(),
            details: "{}".to_owned(),
        }
    }

    fn key(what: Use, path: &str) -> Key {
        (1, IpAddr::V4(Ipv4Addr::LOCALHOST), what, path.to_owned())
    }

    #[test]
    fn looking_again_within_a_minute_is_one_row_and_changes_are_all_told() {
        let uses = Uses::default();
        let now = Timestamp::from_unix_seconds(1000);
        assert!(uses.queue(key(Use::Listed, ""), row(1), now), "somebody has to write");
        assert!(!uses.queue(key(Use::Listed, ""), row(2), now.after(Duration::from_secs(59))));
        assert!(!uses.queue(key(Use::ReadPart, "/a"), row(3), now), "somebody writes already");
        uses.queue(key(Use::ReadPart, "/a"), row(9), now);
        uses.queue(key(Use::Read, "/b"), row(4), now);
        uses.queue(key(Use::Wrote, "/a"), row(5), now);
        uses.queue(key(Use::Wrote, "/a"), row(6), now);
        uses.queue(key(Use::Listed, ""), row(7), now.after(SAME));
        let ids: Vec<i64> = uses.take().iter().map(|row| row.id).collect();
        assert_eq!(ids, [1, 3, 4, 5, 6, 7]);
        assert!(uses.take().is_empty());
        assert!(uses.queue(key(Use::Wrote, "/a"), row(8), now), "the writer has gone");
    }
}
