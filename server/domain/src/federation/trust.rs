//! Whom we share with: the administrator's rule, and what peers demand.

use super::{FederationRefusal, TrustRule, address};
use crate::Error;
use serde_json::Value;
use stitchbox_store::federated::FederatedShare;
use stitchbox_store::peers::{self, Trust};
use stitchbox_store::{Connection, invites};

/// Whether the rule, and the word about a peer, let us share with it.
pub(crate) fn is_trusted(rule: TrustRule, word: Trust) -> bool {
    match (rule, word) {
        (TrustRule::Closed, _) | (_, Trust::Denied) => false,
        (_, Trust::Allowed) => true,
        (TrustRule::Open, Trust::Default) => true,
        (TrustRule::AllowListed, Trust::Default) => false,
    }
}

/// [`FederationRefusal::Untrusted`] unless we share with this peer.
pub(crate) async fn check_trust(db: &mut Connection, rule: TrustRule, peer: &str) -> Result<(), Error> {
    let word = peers::by_host(db, peer).await?.map_or(Trust::Default, |peer| peer.trust);
    if is_trusted(rule, word) { Ok(()) } else { Err(FederationRefusal::Untrusted(peer.to_owned()).into()) }
}

/// [`FederationRefusal::MustInvite`] if the peer is known to take shares from contacts alone, and this recipient is none.
pub(crate) async fn check_invited(
    db: &mut Connection,
    grantor: stitchbox_schema::UserId,
    row: &FederatedShare,
) -> Result<(), Error> {
    let Some(discovery) = peers::by_host(db, &row.peer).await?.and_then(|peer| peer.discovery) else { return Ok(()) };
    if row.is_group || !demands(&discovery, "must-invite") {
        return Ok(());
    }
    let (user, peer) = address::split(&row.recipient).unwrap_or_default();
    match invites::contact_of(db, grantor, &user, &peer).await? {
        Some(_) => Ok(()),
        None => Err(FederationRefusal::MustInvite(row.peer.clone()).into()),
    }
}

/// Whether a discovery document names this criterion.
fn demands(discovery: &str, criterion: &str) -> bool {
    let document: Value = serde_json::from_str(discovery).unwrap_or_default();
    let criteria = document.get("criteria").and_then(Value::as_array);
    criteria.is_some_and(|criteria| {
        criteria
            .iter()
            .filter_map(Value::as_str)
            .any(|word| word.trim_start_matches('/').eq_ignore_ascii_case(criterion))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_peer_is_never_trusted_and_an_allowed_one_unless_federation_rests() {
        let table = |rule| [Trust::Default, Trust::Allowed, Trust::Denied].map(|word| is_trusted(rule, word));
        assert_eq!(table(TrustRule::Open), [true, true, false]);
        assert_eq!(table(TrustRule::AllowListed), [false, true, false]);
        assert_eq!(table(TrustRule::Closed), [false, false, false]);
    }

    #[test]
    fn criteria_are_read_however_they_are_written() {
        assert!(demands(r#"{"criteria":["/Must-Invite"]}"#, "must-invite"));
        for other in [r#"{"criteria":[]}"#, "{}", "", r#"{"criteria":"must-invite"}"#] {
            assert!(!demands(other, "must-invite"), "{other}");
        }
    }
}
