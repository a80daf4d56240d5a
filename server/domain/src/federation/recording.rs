//! Writing down how a call of the outbox went: what follows here, when it is tried again, and how long a silent peer is left
//! alone.

use super::journal::Noted;
use super::outbox::Message;
use super::{Answered, Backoff, Delivery, Leased, Postbox, reshare};
use crate::seal::Sealed;
use crate::{Domain, Error};
use serde_json::{Value, json};
use std::time::Duration;
use stitchbox_federation::address::{FederatedId, Host};
use stitchbox_federation::dialect::Form;
use stitchbox_federation::peer_error::PeerError;
use stitchbox_federation::wire::NotificationKind;
use stitchbox_schema::{InviteId, ShareId, Timestamp};
use stitchbox_store::federated::{self, FederatedState};
use stitchbox_store::invites::{self, Contact, TakenState};
use stitchbox_store::outbox::{self, Ended, OutboxKind, Outgoing};
use stitchbox_store::reshares::{self, AskedState};
use stitchbox_store::{Tx, peers};

/// How long a peer that did not believe who we are is left before it is asked again.
const UNPROVEN: Duration = Duration::from_secs(120);

impl Domain {
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
            if outbox::finish(tx, row.id, &leased.owner, Ended::Failed, Some(&why), now).await? {
                give_up(tx, postbox, row, &why).await?;
            }
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
    // It did not believe who we are: a clock, a key or a certificate may be on its way to being right, and nobody here
    // would ever know when. So it is tried again, seldom, with its words shown meanwhile.
    let unproven = error.status() == Some(401);
    let asked_for = if unproven { asked_for.max(UNPROVEN) } else { asked_for };
    let due_at = now.after(backoff.pause(row.attempts).max(asked_for));
    if (error.retryable() || unproven) && due_at < row.gives_up_at {
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
            let provider_id = text("providerId");
            reshare::answered(tx, postbox, &row.peer, row.subject, provider_id.as_deref(), sealed.as_deref()).await?;
        }
        Answered::Notification(..) => {}
    }
    Ok(())
}
