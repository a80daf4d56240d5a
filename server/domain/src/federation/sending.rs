//! Saying what waits in the outbox: leased, said, recorded. Whoever dies between saying and recording says it again, with
//! the same id, which the peer knows: at least once, and never a second share.

use super::Postbox;
use super::journal::Noted;
use super::network::NoPeer;
use super::outbox::Message;
use super::trust::{check_invited, check_trust};
use crate::seal::Sealed;
use crate::{Domain, Error};
use serde_json::{Value, json};
use std::time::Duration;
use stitchbox_federation::address::{FederatedId, Host};
use stitchbox_federation::dialect::Form;
use stitchbox_federation::peer_error::PeerError;
use stitchbox_federation::secret::Secret;
use stitchbox_federation::wire::{
    InviteAccepted, InviteAnswer, Notification, NotificationKind, Offer, ResourceType, ShareMessage, ShareType,
};
use stitchbox_schema::{InviteId, Role, ShareId, SpaceId, Timestamp};
use stitchbox_store::federated::{self, FederatedShare, FederatedState};
use stitchbox_store::invites::{self, Contact, TakenState};
use stitchbox_store::outbox::{self, Ended, OutboxKind, Outgoing};
use stitchbox_store::reshares::{self, AskedState};
use stitchbox_store::shares::Share;
use stitchbox_store::{Connection, Tx, accounts, items, peers, received_offers, shares};

/// Longer than any call may take.
const LEASE: Duration = Duration::from_secs(240);

/// The pauses after failures.
#[derive(Debug, Clone)]
pub struct Backoff {
    /// After the first, second, … failure; the last one repeats.
    pub steps: Vec<Duration>,
    /// Part of a pause by which it varies at random, up and down: 0 to 1.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { steps: [1, 5, 30, 120, 600, 3600].map(Duration::from_secs).to_vec(), jitter: 0.2 }
    }
}

impl Backoff {
    /// The pause after so many failures.
    #[must_use]
    pub fn pause(&self, failures: i64) -> Duration {
        let at = usize::try_from(failures.saturating_sub(1)).unwrap_or(0).min(self.steps.len().saturating_sub(1));
        let step = self.steps.get(at).copied().unwrap_or(Duration::from_secs(3600));
        let mut random = [0u8; 4];
        // Without randomness all wait equally long.
        let _ = getrandom::fill(&mut random);
        let vary = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX) * 2.0 - 1.0;
        step.mul_f64((1.0 + vary * self.jitter.clamp(0.0, 1.0)).max(0.0))
    }
}

/// Something leased from the outbox.
#[derive(Debug, Clone)]
pub struct Leased {
    row: Outgoing,
    owner: String,
}

impl Leased {
    /// To whom it goes.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.row.peer
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> OutboxKind {
        self.row.kind
    }
}

/// How it went.
#[derive(Debug)]
pub enum Delivery {
    /// The peer took it.
    Said(Answered),
    /// There is nothing to be said any more.
    Obsolete,
    /// It did not go through.
    Failed(PeerError),
    /// It may not be said.
    Forbidden(String),
}

/// What the peer answered.
#[derive(Debug)]
pub enum Answered {
    /// To a share: the form it took, the name of the recipient, and whether it will exchange the secret.
    Share(Form, String, bool),
    /// To an acceptance of an invite.
    Invite(InviteAnswer),
    /// To a notification.
    Notification(NotificationKind, Value),
}

impl Domain {
    /// Leases what is due longest; none if nothing is.
    pub async fn lease_outgoing(&self, owner: &str) -> Result<Option<Leased>, Error> {
        let now = self.now();
        if self.federation.is_none() || !outbox::is_due(&mut *self.store.read().await?, now).await? {
            return Ok(None);
        }
        let name = owner.to_owned();
        let row = self
            .transact(move |tx| Box::pin(async move { Ok(outbox::lease(tx, &name, now, now.after(LEASE)).await?) }))
            .await?;
        Ok(row.map(|row| Leased { row, owner: owner.to_owned() }))
    }

    /// Forgets who was saying what. For the start of an installation's only server: who held a lease was killed, and what
    /// it was saying need not wait until the lease ends.
    pub async fn release_outgoing(&self) -> Result<(), Error> {
        self.transact(|tx| Box::pin(async move { Ok(outbox::release_all(tx).await?) })).await
    }

    /// Says it. Changes nothing here.
    pub async fn say(&self, leased: &Leased) -> Result<Delivery, Error> {
        // The outbox has pauses of its own.
        if let (Some(site), Ok(host)) = (&self.federation, Host::parse(leased.peer())) {
            site.silent.forget(&host);
        }
        let said = match leased.row.kind {
            OutboxKind::Share => self.say_share(&leased.row).await,
            OutboxKind::Notification | OutboxKind::Attestation => self.say_notification(&leased.row).await,
            OutboxKind::InviteAccepted => self.say_acceptance(&leased.row).await,
        };
        match said {
            Ok(delivery) => Ok(delivery),
            Err(NoPeer::Peer(error)) => Ok(Delivery::Failed(error)),
            Err(NoPeer::Own(Error::Federation(refusal))) => Ok(Delivery::Forbidden(refusal.to_string())),
            Err(NoPeer::Own(error)) => Err(error),
        }
    }

    async fn say_share(&self, row: &Outgoing) -> Result<Delivery, NoPeer> {
        let mut db = self.store.read().await?;
        let id = ShareId(row.subject);
        let (Some(share), Some(federated)) =
            (shares::by_id(&mut db, id).await?, federated::by_share(&mut db, id).await?)
        else {
            return Ok(Delivery::Obsolete);
        };
        check_trust(&mut db, self.site()?.settings.trust, &row.peer).await?;
        let Some(message) = self.share_message(&mut db, &share, &federated).await? else {
            return Ok(Delivery::Obsolete);
        };
        drop(db);
        let peer = self.peer(&host_of(&row.peer)?).await?;
        // Now that its document is known.
        check_invited(&mut *self.store.read().await?, share.grantor, &federated).await?;
        let sent = self.ocm_client().await?.send_share(&peer, &message).await?;
        let exchanges = sent.form == Form::Multi && peer.discovery().demands("must-exchange-token");
        Ok(Delivery::Said(Answered::Share(sent.form, sent.answer.recipient_display_name, exchanges)))
    }

    /// The share as it is said; none if what is shared is gone.
    pub(crate) async fn share_message(
        &self,
        db: &mut Connection,
        share: &Share,
        row: &FederatedShare,
    ) -> Result<Option<ShareMessage>, Error> {
        let site = self.site()?;
        let (Some(item), Some(grantor)) =
            (items::by_id(db, share.item).await?, accounts::by_id(db, share.grantor).await?)
        else {
            return Ok(None);
        };
        let name = match item.name.is_empty() {
            true => {
                let space = stitchbox_store::spaces::by_id(db, share.space).await?;
                space.map_or_else(|| "space".to_owned(), |space| space.name)
            }
            false => item.name.clone(),
        };
        let wrong = |_| Error::Federation(super::FederationRefusal::Address(row.recipient.clone()));
        let owner = FederatedId::new(&grantor.name, site.host.clone()).map_err(wrong)?;
        let sender = match &row.sender {
            Some(sender) => FederatedId::parse(sender).map_err(wrong)?,
            None => owner.clone(),
        };
        let is_own = sender == owner;
        let secret = self.seal.open(Sealed::ShareSecret, share.id.0, &row.secret_sealed)?;
        Ok(Some(ShareMessage {
            share_with: FederatedId::parse(&row.recipient).map_err(wrong)?,
            name,
            description: share.note.clone(),
            provider_id: row.provider_id.clone(),
            owner,
            owner_display_name: grantor.display_name.clone(),
            sender_display_name: if is_own { grantor.display_name } else { sender.user.clone() },
            sender,
            share_type: if row.is_group { ShareType::Group } else { ShareType::User },
            resource_type: if item.is_folder() { ResourceType::Folder } else { ResourceType::File },
            expiration: share.expires_at.map(Timestamp::unix_seconds),
            offer: Offer {
                form: Form::Multi,
                uri: Some(format!("{}/dav/ocm/{}", site.origin(), row.provider_id)),
                shared_secret: Secret::new(secret),
                permissions: permissions(share),
                must_exchange_token: row.must_exchange,
            },
        }))
    }

    async fn say_notification(&self, row: &Outgoing) -> Result<Delivery, NoPeer> {
        let (message, secret) = self.read_message(row)?;
        let Some(kind) = NotificationKind::parse(&message.notification) else { return Ok(Delivery::Obsolete) };
        let peer = self.peer(&host_of(&row.peer)?).await?;
        if kind.is_ours_alone() && !peer.discovery().is_stitchbox() {
            return Ok(Delivery::Obsolete);
        }
        let mut notification = Notification::new(kind, message.provider_id);
        notification.shared_secret = secret.map(Secret::new);
        notification.grantee = match message.grantee {
            Some(grantee) => Some(grantee),
            None => self.recipient_of(SpaceId(row.subject)).await?,
        };
        notification.message = message.text;
        notification.share_with = message.share_with.and_then(|with| FederatedId::parse(&with).ok());
        notification.sender_id = message.sender_id;
        notification.jws = message.jws;
        let answer = self.ocm_client().await?.notify(&peer, &notification).await?;
        Ok(Delivery::Said(Answered::Notification(kind, answer)))
    }

    /// name@host of who a received space is for: peers of the family of oCIS want to read it.
    async fn recipient_of(&self, space: SpaceId) -> Result<Option<String>, Error> {
        let mut db = self.store.read().await?;
        let user = received_offers::by_space(&mut db, space).await?.and_then(|known| known.user);
        let Some(user) = user else { return Ok(None) };
        let user = accounts::by_id(&mut db, user).await?;
        Ok(user.map(|user| format!("{}@{}", user.name, self.site().map_or("", |site| site.host.as_str()))))
    }

    async fn say_acceptance(&self, row: &Outgoing) -> Result<Delivery, NoPeer> {
        let (_, secret) = self.read_message(row)?;
        let mut db = self.store.read().await?;
        let Some(taken) = invites::taken_by_id(&mut db, InviteId(row.subject)).await? else {
            return Ok(Delivery::Obsolete);
        };
        let Some(user) = accounts::by_id(&mut db, taken.user).await? else { return Ok(Delivery::Obsolete) };
        drop(db);
        let site = self.site()?.clone();
        let accepted = InviteAccepted {
            recipient_provider: site.host.clone(),
            token: Secret::new(secret.unwrap_or_default()),
            email: letters_to(&user.name, &site.host),
            user_id: user.name,
            name: user.display_name,
        };
        let peer = self.peer(&host_of(&row.peer)?).await?;
        let answer = self.ocm_client().await?.accept_invite(&peer, &accepted).await?;
        Ok(Delivery::Said(Answered::Invite(answer)))
    }

    fn read_message(&self, row: &Outgoing) -> Result<(Message, Option<String>), Error> {
        let message: Message = serde_json::from_str(&row.body).unwrap_or_default();
        let secret = match &message.secret {
            Some(sealed) => Some(self.seal.open(Sealed::Message, row.id.0, sealed)?),
            None => None,
        };
        Ok((message, secret))
    }

    /// Writes down how it went: what follows here, when it is tried again, and whether the peer is left alone for a while.
    pub async fn record_delivery(&self, leased: Leased, delivery: Delivery, backoff: &Backoff) -> Result<(), Error> {
        let (postbox, backoff) = (self.postbox(), backoff.clone());
        if let Delivery::Failed(error) = &delivery {
            tracing::info!(peer = leased.peer(), kind = leased.kind().as_str(), %error, "a peer could not be told");
        }
        self.transact(move |tx| Box::pin(async move { record(tx, &postbox, &leased, delivery, &backoff).await }))
            .await?;
        self.announce();
        Ok(())
    }
}

fn host_of(peer: &str) -> Result<Host, NoPeer> {
    Host::parse(peer).map_err(|_| PeerError::NotAPeer { host: peer.to_owned(), why: "its name is no host" }.into())
}

/// An address for letters, as some peers demand one: nobody here has told theirs.
pub(super) fn letters_to(user: &str, host: &Host) -> String {
    let name = host.as_str().rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    format!("{user}@{name}")
}

/// The words of reva: what may be done with a share.
fn permissions(share: &Share) -> Vec<String> {
    let mut words = vec!["read"];
    if share.role >= Role::Contributor {
        words.push("write");
    }
    if share.may_reshare {
        words.push("share");
    }
    words.into_iter().map(str::to_owned).collect()
}

async fn record(
    tx: &mut Tx,
    postbox: &Postbox,
    leased: &Leased,
    delivery: Delivery,
    backoff: &Backoff,
) -> Result<(), Error> {
    let (row, now) = (&leased.row, postbox.now);
    let what = match serde_json::from_str::<Message>(&row.body) {
        Ok(message) if !message.notification.is_empty() => message.notification,
        _ => row.kind.as_str().to_owned(),
    };
    let (event, details) = match &delivery {
        Delivery::Said(_) => ("ocm_sent", json!({"attempts": row.attempts})),
        Delivery::Obsolete => ("ocm_not_sent", json!({"why": "nothing to be said any more"})),
        Delivery::Failed(error) => ("ocm_not_sent", json!({"attempts": row.attempts, "why": error.to_string()})),
        Delivery::Forbidden(why) => ("ocm_not_sent", json!({"why": why})),
    };
    let mut noted = Noted::new(event, &row.peer, &what);
    (noted.share, noted.details) = ((row.kind == OutboxKind::Share).then_some(ShareId(row.subject)), details);
    postbox.note(tx, &noted).await?;
    match delivery {
        Delivery::Said(answered) => {
            lives(tx, &row.peer, now).await?;
            if outbox::finish(tx, row.id, &leased.owner, Ended::Done, None, now).await? {
                follow_up(tx, postbox, row, answered).await?;
            }
        }
        Delivery::Obsolete => {
            outbox::finish(tx, row.id, &leased.owner, Ended::Done, Some("nothing to be said any more"), now).await?;
        }
        Delivery::Forbidden(why) => {
            outbox::finish(tx, row.id, &leased.owner, Ended::Failed, Some(&why), now).await?;
            give_up(tx, postbox, row, &why).await?;
        }
        Delivery::Failed(error) => fail(tx, postbox, leased, &error, backoff).await?,
    }
    Ok(())
}

/// The peer answered: whatever waits for it is due.
pub(super) async fn lives(tx: &mut Tx, peer: &str, now: Timestamp) -> Result<(), Error> {
    let was_silent = peers::by_host(tx, peer).await?.is_some_and(|peer| peer.failures > 0);
    peers::note_contact(tx, peer, now).await?;
    if was_silent {
        outbox::hurry(tx, peer, now).await?;
    }
    Ok(())
}

async fn fail(
    tx: &mut Tx,
    postbox: &Postbox,
    leased: &Leased,
    error: &PeerError,
    backoff: &Backoff,
) -> Result<(), Error> {
    let (row, now) = (&leased.row, postbox.now);
    let words = error.to_string();
    if error.is_outage() {
        let failures = peers::by_host(tx, &row.peer).await?.map_or(0, |peer| peer.failures) + 1;
        let retry_at = now.after(backoff.pause(failures));
        peers::note_silence(tx, &row.peer, &words, now, failures, retry_at).await?;
    } else if error.status().is_some() {
        peers::note_refusal(tx, &row.peer, &words, now).await?;
    } else {
        peers::note_silence(tx, &row.peer, &words, now, 0, Timestamp(0)).await?;
    }
    let asked_for = Duration::from_secs(error.retry_after().unwrap_or(0).min(3600));
    let due_at = now.after(backoff.pause(row.attempts).max(asked_for));
    if error.retryable() && due_at < row.gives_up_at {
        if row.kind == OutboxKind::Share {
            federated::set_answer(tx, ShareId(row.subject), &words).await?;
        }
        outbox::retry(tx, row.id, &leased.owner, due_at, &words).await?;
        return Ok(());
    }
    if outbox::finish(tx, row.id, &leased.owner, Ended::Failed, Some(&words), now).await? {
        give_up(tx, postbox, row, &words).await?;
    }
    Ok(())
}

/// What follows when a peer will never take something.
async fn give_up(tx: &mut Tx, postbox: &Postbox, row: &Outgoing, words: &str) -> Result<(), Error> {
    match row.kind {
        OutboxKind::Share => {
            let share = ShareId(row.subject);
            federated::set_state(tx, share, FederatedState::Refused, Some(words), postbox.now).await?;
        }
        OutboxKind::InviteAccepted => {
            invites::set_taken(tx, InviteId(row.subject), TakenState::Refused, Some(words)).await?;
        }
        // The id is that of a wish only if the notification was one.
        OutboxKind::Notification => {
            if reshares::by_id(tx, row.subject).await?.is_some_and(|asked| asked.state == AskedState::Pending) {
                reshares::set_state(tx, row.subject, AskedState::Refused, Some(words)).await?;
            }
        }
        OutboxKind::Attestation => {}
    }
    Ok(())
}

/// What follows from an answer.
async fn follow_up(tx: &mut Tx, postbox: &Postbox, row: &Outgoing, answered: Answered) -> Result<(), Error> {
    match answered {
        Answered::Share(form, recipient, exchanges) => {
            let share = ShareId(row.subject);
            let Some(now) = federated::by_share(tx, share).await? else { return Ok(()) };
            let form = if form == Form::Legacy { "legacy" } else { "multi" };
            federated::set_form(tx, share, form).await?;
            if exchanges {
                federated::set_must_exchange(tx, share, true).await?;
            }
            // The recipient may have accepted before the answer to the share was here.
            if now.state == FederatedState::Pending {
                let answer = (!recipient.is_empty()).then_some(recipient.as_str());
                federated::set_state(tx, share, FederatedState::Sent, answer, postbox.now).await?;
            }
        }
        Answered::Invite(answer) => {
            let id = InviteId(row.subject);
            let Some(taken) = invites::taken_by_id(tx, id).await? else { return Ok(()) };
            let host = Host::parse(&row.peer).ok();
            let Some(who) = host.and_then(|host| FederatedId::of_peer(&answer.user_id, &host).ok()) else {
                return Ok(invites::set_taken(tx, id, TakenState::Refused, Some("it named no user")).await?);
            };
            let contact = Contact {
                user: taken.user,
                remote_user: who.user.clone(),
                peer: who.host.to_string(),
                name: if answer.name.is_empty() { who.user.clone() } else { answer.name },
                email: answer.email,
                created_at: postbox.now,
            };
            invites::keep_contact(tx, &contact).await?;
            invites::set_taken(tx, id, TakenState::Accepted, Some(&who.to_string())).await?;
        }
        Answered::Notification(NotificationKind::RequestReshare, answer) => {
            let text = |name: &str| match answer.get(name) {
                Some(Value::String(text)) => Some(text.clone()),
                Some(Value::Number(number)) => Some(number.to_string()),
                _ => None,
            };
            let sealed = match text("token") {
                Some(token) => Some(postbox.seal.seal(Sealed::ReceivedSecret, row.subject, &token)?),
                None => None,
            };
            reshares::set_made(tx, row.subject, text("providerId").as_deref(), sealed.as_deref()).await?;
        }
        Answered::Notification(..) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_last_one_and_vary_within_their_part() {
        let backoff = Backoff { steps: vec![Duration::from_secs(1), Duration::from_secs(10)], jitter: 0.2 };
        for (failures, seconds) in [(1, 1.0), (2, 10.0), (3, 10.0), (100, 10.0), (0, 1.0)] {
            for _ in 0..50 {
                let pause = backoff.pause(failures).as_secs_f64();
                assert!((pause / seconds - 1.0).abs() <= 0.2001, "{failures}: {pause}");
            }
        }
        let drawn: Vec<_> = (0..20).map(|_| backoff.pause(1)).collect();
        assert!(drawn.iter().any(|pause| *pause != drawn[0]));
    }

    #[test]
    fn nobody_gets_a_port_in_an_address_for_letters() {
        assert_eq!(letters_to("anna", &Host::parse("box.example:8443").unwrap()), "anna@box.example");
    }
}
