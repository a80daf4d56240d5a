//! Whom we share with: the administrator's rule, and what peers demand.

use super::{FederationRefusal, TrustPolicy};
use crate::Error;
use stitchbox_federation::address::FederatedId;
use stitchbox_federation::wire::Discovery;
use stitchbox_schema::UserId;
use stitchbox_store::federated::FederatedShare;
use stitchbox_store::peers::{self, Peer, Trust};
use stitchbox_store::{Connection, invites};

/// Whether the rule, and the word about a peer, let us share with it.
pub(crate) fn is_trusted(rule: TrustPolicy, word: Trust) -> bool {
    match (rule, word) {
        (TrustPolicy::Deny, _) | (_, Trust::Denied) => false,
        (_, Trust::Allowed) => true,
        (TrustPolicy::Open, Trust::Default) => true,
        (TrustPolicy::Allow, Trust::Default) => false,
    }
}

/// [`FederationRefusal::Untrusted`] unless we share with this peer.
pub(crate) async fn check_trust(db: &mut Connection, rule: TrustPolicy, peer: &str) -> Result<(), Error> {
    let word = peers::by_host(db, peer).await?.map_or(Trust::Default, |peer| peer.trust);
    if is_trusted(rule, word) { Ok(()) } else { Err(FederationRefusal::Untrusted(peer.to_owned()).into()) }
}

/// [`FederationRefusal::MustInvite`] if the peer is known to take shares from contacts alone, and this recipient is none.
pub(crate) async fn check_invited(db: &mut Connection, grantor: UserId, row: &FederatedShare) -> Result<(), Error> {
    let Some(peer) = peers::by_host(db, &row.peer).await? else { return Ok(()) };
    if row.is_group || !discovery_of(&peer).is_some_and(|document| document.demands("must-invite")) {
        return Ok(());
    }
    let Ok(recipient) = FederatedId::parse(&row.recipient) else { return Ok(()) };
    match invites::contact_of(db, grantor, &recipient.user, recipient.host.as_str()).await? {
        Some(_) => Ok(()),
        None => Err(FederationRefusal::MustInvite(row.peer.clone()).into()),
    }
}

/// What a peer said about itself, as it was kept.
pub(crate) fn discovery_of(peer: &Peer) -> Option<Discovery> {
    serde_json::from_str(peer.discovery.as_deref()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_peer_is_never_trusted_and_an_allowed_one_unless_federation_rests() {
        let table = |rule| [Trust::Default, Trust::Allowed, Trust::Denied].map(|word| is_trusted(rule, word));
        assert_eq!(table(TrustPolicy::Open), [true, true, false]);
        assert_eq!(table(TrustPolicy::Allow), [false, true, false]);
        assert_eq!(table(TrustPolicy::Deny), [false, false, false]);
    }
}
