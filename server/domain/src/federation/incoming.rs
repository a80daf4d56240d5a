//! A share that somebody at another site makes for somebody here.

use super::journal::Noted;
use super::recording::lives;
use super::{AutoAccept, CallRefusal, Caller, FederationSettings, Postbox, answer};
use crate::members::insert_space;
use crate::seal::Sealed;
use crate::{Domain, Error, Space};
use serde_json::json;
use stitchbox_federation::address::{FederatedId, Host};
use stitchbox_federation::dialect::Form;
use stitchbox_federation::wire::{ResourceType, ShareMessage, ShareType};
use stitchbox_schema::{GroupId, ItemId, SpaceId, SpaceKind, Timestamp, UserId};
use stitchbox_store::peers::{self, Trust};
use stitchbox_store::received::ReceivedState;
use stitchbox_store::received_offers::{self, KnownShare, NewReceived};
use stitchbox_store::{Connection, Tx, accounts, groups, invites};

/// Shares of one peer that may wait for a yes: more is no honest use.
const MOST_PENDING: i64 = 500;

/// A share was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Name of the recipient, for people.
    pub recipient_display_name: String,
    /// Login name, or that of the group.
    pub recipient: String,
    /// The space it is shown as.
    pub space: SpaceId,
}

/// Who at this site a share is for.
struct Recipient {
    user: Option<UserId>,
    group: Option<GroupId>,
    name: String,
    display_name: String,
}

/// The sites that may have sent the message: where the share lies first. The owner's and the sender's differ when a share
/// is passed on.
#[must_use]
pub fn senders_of(message: &ShareMessage) -> Vec<Host> {
    let (owner, sender) = (&message.owner.host, &message.sender.host);
    let lies_at = message.offer.uri.as_deref().and_then(host_of);
    let mut hosts = match lies_at {
        // Where there is a way of its own, who sends it must be who has it.
        Some(host) if host == *owner || host == *sender => vec![host],
        _ => vec![owner.clone()],
    };
    if !hosts.contains(sender) {
        hosts.push(sender.clone());
    }
    hosts
}

/// Host of an absolute URL.
fn host_of(uri: &str) -> Option<Host> {
    let (scheme, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let plain = matches!(scheme.to_ascii_lowercase().as_str(), "https" | "http") && !authority.contains('@');
    plain.then(|| Host::parse(&format!("{scheme}://{authority}")).ok()).flatten()
}

impl Domain {
    /// Takes a share that a peer made for a user or group here. The same again is the same share; another secret for it is
    /// believed only if it is signed and the share still waits.
    pub async fn receive_share(&self, caller: Caller, message: ShareMessage) -> Result<Taken, CallRefusal> {
        let federation = self.federation.as_ref().ok_or(CallRefusal::Off)?;
        if message.share_with.host != federation.host {
            return Err(field("shareWith", "NOT_HERE", "the recipient is not at this site"));
        }
        check_offer(&message, &caller.host, &federation.settings)?;
        let postbox = self.postbox();
        if message.expiration.is_some_and(|end| end <= postbox.now.unix_seconds()) {
            return Err(field("expiration", "PASSED", "the share has ended already"));
        }
        let settings = federation.settings.clone();
        let taken = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let recipient = recipient(tx, &message).await?;
                    let (space, is_new) = take(tx, &postbox, &caller, &message, &recipient).await?;
                    if is_new && accepts_itself(tx, &settings, &caller, &message, &recipient).await? {
                        answer::accept(tx, &postbox, space, recipient.user).await?;
                    }
                    let mut noted = Noted::new("ocm_received", caller.host.as_str(), "share");
                    (noted.client, noted.space, noted.user) = (Some(caller.client), Some(space), recipient.user);
                    noted.details = json!({"name": message.name, "provider_id": message.provider_id,
                        "sender": message.sender.to_string(), "signed": caller.has_signed, "again": !is_new});
                    postbox.note(tx, &noted).await?;
                    lives(tx, caller.host.as_str(), postbox.now).await?;
                    let Recipient { name, display_name, .. } = recipient;
                    Ok::<_, CallRefusal>(Taken { recipient_display_name: display_name, recipient: name, space })
                })
            })
            .await?;
        self.announce();
        self.wake_outbox();
        Ok(taken)
    }
}

fn field(name: &'static str, word: &'static str, text: &'static str) -> CallRefusal {
    CallRefusal::Field { name, word, text }
}

/// Whether the way to the share leads to who sends it, and nowhere else.
fn check_offer(message: &ShareMessage, sender: &Host, settings: &FederationSettings) -> Result<(), CallRefusal> {
    let Some(uri) = &message.offer.uri else { return Ok(()) };
    let Some((scheme, _)) = uri.split_once("://") else {
        // Relative to the peer's own WebDAV.
        let climbs = uri.split('/').any(|name| name == "..") || uri.starts_with("//") || uri.contains('\\');
        return if climbs {
            Err(field("protocol.webdav.uri", "INVALID", "the address leads elsewhere"))
        } else {
            Ok(())
        };
    };
    let is_plain = scheme.eq_ignore_ascii_case("http");
    if host_of(uri).as_ref() != Some(sender) || (is_plain && !settings.allow_http_peers) {
        return Err(field("protocol.webdav.uri", "INVALID", "the address is not one of the site that shares"));
    }
    Ok(())
}

async fn recipient(db: &mut Connection, message: &ShareMessage) -> Result<Recipient, CallRefusal> {
    let name = message.share_with.user.replace('\0', "");
    let found =
        match message.share_type {
            ShareType::User => accounts::by_name(db, &name).await?.filter(|user| !user.disabled).map(|user| {
                Recipient { user: Some(user.id), group: None, name: user.name, display_name: user.display_name }
            }),
            ShareType::Group => groups::by_name(db, &name).await?.map(|group| Recipient {
                user: None,
                group: Some(group.id),
                name: group.name,
                display_name: group.display_name,
            }),
        };
    found.ok_or(field("shareWith", "NOT_FOUND", "there is nobody by this name"))
}

/// The space of the share, and whether it is new.
async fn take(
    tx: &mut Tx,
    postbox: &Postbox,
    caller: &Caller,
    message: &ShareMessage,
    recipient: &Recipient,
) -> Result<(SpaceId, bool), CallRefusal> {
    let peer = caller.host.as_str();
    if let Some(known) = received_offers::by_provider(tx, peer, &message.provider_id).await? {
        return again(tx, postbox, caller, message, recipient, &known).await;
    }
    if received_offers::count_pending(tx, peer).await? >= MOST_PENDING {
        return Err(CallRefusal::TooMany { seconds: 3600 });
    }
    let space = Space {
        id: SpaceId(postbox.ids.next(postbox.now)),
        name: String::new(),
        kind: SpaceKind::Received,
        owner: None,
        root: ItemId(postbox.ids.next(postbox.now)),
        quota: None,
        default_recipe: None,
        created_at: postbox.now,
    };
    let space = Space { name: format!("received-{}", space.id), ..space };
    insert_space(tx, &space).await?;
    received_offers::insert(tx, &offer_row(postbox, space.id, peer, message, recipient)?).await?;
    Ok((space.id, true))
}

async fn again(
    tx: &mut Tx,
    postbox: &Postbox,
    caller: &Caller,
    message: &ShareMessage,
    recipient: &Recipient,
    known: &KnownShare,
) -> Result<(SpaceId, bool), CallRefusal> {
    if (known.user, known.group) != (recipient.user, recipient.group) {
        return Err(field("providerId", "TAKEN", "this id is that of a share with somebody else"));
    }
    if message.offer.shared_secret.sha256_hex() == known.secret_hash {
        return Ok((known.space, false));
    }
    let waits = matches!(known.state, ReceivedState::Pending | ReceivedState::Gone);
    if !caller.has_signed || !waits {
        return Err(field(
            "providerId",
            "TAKEN",
            "this id is that of another share; only a signed message replaces it",
        ));
    }
    let row = offer_row(postbox, known.space, caller.host.as_str(), message, recipient)?;
    received_offers::replace_offer(tx, &row).await?;
    Ok((known.space, true))
}

fn offer_row(
    postbox: &Postbox,
    space: SpaceId,
    peer: &str,
    message: &ShareMessage,
    recipient: &Recipient,
) -> Result<NewReceived, Error> {
    let offer = &message.offer;
    let (form, access) = match (offer.form, offer.must_exchange_token) {
        (Form::Legacy, _) => ("legacy", "basic-at-root"),
        (Form::Multi, true) => ("multi", "exchanged"),
        (Form::Multi, false) => ("multi", "bearer"),
    };
    Ok(NewReceived {
        space,
        user: recipient.user,
        group: recipient.group,
        peer: peer.to_owned(),
        provider_id: message.provider_id.clone(),
        name: message.name.clone(),
        description: message.description.clone(),
        owner: message.owner.to_string(),
        owner_name: message.owner_display_name.clone(),
        sender: message.sender.to_string(),
        sender_name: message.sender_display_name.clone(),
        // Nextcloud up to 31 says file of a folder, too: there, only its WebDAV tells.
        is_file: offer.form == Form::Multi && message.resource_type == ResourceType::File,
        form: form.to_owned(),
        uri: offer.uri.clone().unwrap_or_default(),
        permissions: offer.permissions.join(" "),
        must_exchange: offer.must_exchange_token,
        secret_sealed: postbox.seal.seal(Sealed::ReceivedSecret, space.0, offer.shared_secret.expose())?,
        secret_hash: offer.shared_secret.sha256_hex(),
        access: access.to_owned(),
        expires_at: message.expiration.map(Timestamp::from_unix_seconds),
        created_at: postbox.now,
    })
}

/// Whether the share appears without a question.
async fn accepts_itself(
    db: &mut Connection,
    settings: &FederationSettings,
    caller: &Caller,
    message: &ShareMessage,
    recipient: &Recipient,
) -> Result<bool, Error> {
    match settings.auto_accept {
        AutoAccept::All => return Ok(true),
        AutoAccept::None => return Ok(false),
        AutoAccept::Contacts => {}
    }
    let peer = peers::by_host(db, caller.host.as_str()).await?;
    if peer.is_some_and(|peer| peer.trust == Trust::Allowed) {
        return Ok(true);
    }
    let Some(user) = recipient.user else { return Ok(false) };
    let FederatedId { user: sender, host } = &message.sender;
    Ok(*host == caller.host && invites::contact_of(db, user, sender, host.as_str()).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address_is_not_fooled() {
        for (uri, host) in [
            ("https://h.example/dav/ocm/7", Some("h.example")),
            ("https://H.example:443", Some("h.example")),
            ("https://h.example:8443?x", Some("h.example:8443")),
            ("https://h.example@evil.example/", None),
            ("https://h.example:x@evil.example/", None),
            ("ftp://h.example/", None),
            ("dav/7", None),
        ] {
            assert_eq!(host_of(uri).map(|host| host.to_string()).as_deref(), host, "{uri}");
        }
    }
}
