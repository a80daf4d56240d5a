//! What a transaction needs to put something into the outbox: ids, the time, and the seal.

use crate::seal::{Seal, Sealed};
use crate::{Domain, Error, Ids};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stitchbox_schema::{OutboxId, Timestamp};
use stitchbox_store::Tx;
use stitchbox_store::outbox::{self, OutboxKind, Outgoing};

use super::outbox::Message;

/// How long something is tried to be said.
const PATIENCE: Duration = Duration::from_secs(3 * 24 * 3600);

/// Cheap to clone into a transaction.
#[derive(Clone)]
pub(crate) struct Postbox {
    pub(crate) ids: Arc<Ids>,
    pub(crate) seal: Arc<Seal>,
    pub(crate) now: Timestamp,
}

impl fmt::Debug for Postbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postbox")
    }
}

impl Domain {
    /// For a transaction that begins now. Works without federation, too: what was shared before it was switched off can
    /// be taken back, and is said when it is switched on again.
    pub(crate) fn postbox(&self) -> Postbox {
        Postbox { ids: self.ids.clone(), seal: self.seal.clone(), now: self.now() }
    }
}

impl Postbox {
    /// Puts a message into the outbox; its secret, if it has one, is sealed for its row.
    pub(crate) async fn put(
        &self,
        tx: &mut Tx,
        peer: &str,
        kind: OutboxKind,
        subject: i64,
        mut message: Message,
    ) -> Result<OutboxId, Error> {
        let id = OutboxId(self.ids.next(self.now));
        if let Some(secret) = message.secret.take() {
            message.secret = Some(self.seal.seal(Sealed::Message, id.0, &secret)?);
        }
        let row = Outgoing {
            id,
            peer: peer.to_owned(),
            kind,
            subject,
            body: serde_json::to_string(&message).unwrap_or_default(),
            attempts: 0,
            gives_up_at: self.now.after(PATIENCE),
            last_error: None,
            created_at: self.now,
        };
        outbox::insert(tx, &row).await?;
        Ok(id)
    }
}
