//! Every message that came from a peer or went to one leaves a row in the audit. Secrets are never in it.

use super::Postbox;
use crate::Error;
use serde_json::Value;
use std::net::IpAddr;
use stitchbox_schema::{ShareId, SpaceId, UserId};
use stitchbox_store::Tx;
use stitchbox_store::audit::{self, AuditRow};

/// A message, as it is remembered.
#[derive(Debug, Clone)]
pub(crate) struct Noted<'a> {
    /// `ocm_received`, `ocm_refused`, `ocm_sent`, `ocm_not_sent`.
    pub(crate) event: &'static str,
    /// The site.
    pub(crate) peer: &'a str,
    /// What it is: `share`, `SHARE_ACCEPTED`, …
    pub(crate) what: &'a str,
    /// The address it came from.
    pub(crate) client: Option<IpAddr>,
    /// Our share it is about.
    pub(crate) share: Option<ShareId>,
    /// Our space it is about.
    pub(crate) space: Option<SpaceId>,
    /// The person it is about.
    pub(crate) user: Option<UserId>,
    /// More.
    pub(crate) details: Value,
}

impl<'a> Noted<'a> {
    pub(crate) fn new(event: &'static str, peer: &'a str, what: &'a str) -> Self {
        Self { event, peer, what, client: None, share: None, space: None, user: None, details: Value::Null }
    }
}

impl Postbox {
    /// Writes the row.
    pub(crate) async fn note(&self, tx: &mut Tx, noted: &Noted<'_>) -> Result<(), Error> {
        let row = AuditRow {
            id: self.ids.next(self.now),
            at: self.now,
            event: noted.event.to_owned(),
            actor: noted.peer.to_owned(),
            user: noted.user,
            share: noted.share,
            space: noted.space,
            item: None,
            subject: noted.what.to_owned(),
            client: noted.client.map(|client| client.to_string()).unwrap_or_default(),
            details: noted.details.to_string(),
        };
        Ok(audit::insert(tx, &row).await?)
    }
}
