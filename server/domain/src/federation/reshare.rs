//! Passing on what lies elsewhere: the owner is asked to share it with a third person, and shares itself.
//!
//! Of ours, a peer asks: a share like the peer's own is made, which ends with it. Of theirs, we ask, and remember what came
//! of it.

use super::outbox::Message;
use super::{CallRefusal, FederationRefusal, Postbox, answer};
use crate::seal::Sealed;
use crate::shares::described_reshare;
use crate::{Domain, Error, Principal};
use serde_json::{Value, json};
use stitchbox_federation::address::FederatedId;
use stitchbox_federation::wire::Notification;
use stitchbox_schema::sharing::ShareKind;
use stitchbox_schema::{ShareId, SpaceId};
use stitchbox_store::Tx;
use stitchbox_store::federated::{self, FederatedShare};
use stitchbox_store::outbox::{self, OutboxKind};
use stitchbox_store::received::ReceivedState;
use stitchbox_store::reshares::{self, AskedReshare, AskedState};
use stitchbox_store::shares::{self, Share};

/// Shares made through one of ours: more is no honest use, and each is a call to a site that the peer names.
const MOST_PASSED_ON: usize = 200;

/// Makes the share that the recipient of `of` asks for, and says by which secret and id it is known.
pub(super) async fn make(
    domain: &Domain,
    tx: &mut Tx,
    of: &FederatedShare,
    said: &Notification,
) -> Result<Value, CallRefusal> {
    let with = said.share_with.as_ref().ok_or(CallRefusal::Field {
        name: "shareWith",
        word: "REQUIRED",
        text: "it does not say with whom to share",
    })?;
    let parent = shares::by_id(tx, of.share).await?.ok_or(CallRefusal::UnknownShare)?;
    if !parent.may_reshare {
        return Err(CallRefusal::NotAllowed("this share may not be passed on; ask its owner"));
    }
    if domain.federation.as_ref().is_some_and(|federation| federation.host == with.host) {
        return Err(CallRefusal::NotAllowed("the recipient is at the owner's site; ask the owner to share there"));
    }
    let id = said.sender_id.clone().unwrap_or_default();
    let recipient = with.to_string();
    // Who heard no answer asks again: the same wish is the same share.
    let earlier = shares::made_through(tx, parent.id).await?;
    for share in &earlier {
        let Some(row) = federated::by_share(tx, share.id).await? else { continue };
        let by_same = row.sender.as_deref() == Some(of.recipient.as_str());
        if by_same && row.recipient == recipient && row.sender_id.as_deref().unwrap_or_default() == id {
            let secret = domain.seal.open(Sealed::ShareSecret, share.id.0, &row.secret_sealed)?;
            return Ok(json!({"token": secret, "providerId": row.provider_id}));
        }
    }
    if earlier.len() >= MOST_PASSED_ON {
        return Err(CallRefusal::NotAllowed("this share was passed on as often as it may be"));
    }
    let acting = domain.acting_as(&of.recipient);
    let share = Share {
        id: ShareId(acting.ids.next(acting.now)),
        kind: ShareKind::Federated,
        parent: Some(parent.id),
        user: None,
        group: None,
        label: String::new(),
        note: String::new(),
        token: None,
        password_hash: None,
        created_at: acting.now,
        ..parent
    };
    shares::insert(tx, &share).await?;
    let offer = domain.prepare_offer(&share, &recipient, false)?.asked_for_by(&of.recipient, &id);
    super::offer(tx, &offer).await?;
    acting.note(tx, "granted", &share, described_reshare(&share, &recipient)).await?;
    let secret = domain.seal.open(Sealed::ShareSecret, share.id.0, offer.secret_sealed())?;
    Ok(json!({"token": secret, "providerId": share.id.to_string()}))
}

/// The owner answered a wish. One that was taken back before the answer came is undone now that the owner's id is known.
pub(super) async fn answered(
    tx: &mut Tx,
    postbox: &Postbox,
    peer: &str,
    id: i64,
    provider_id: Option<&str>,
    secret_sealed: Option<&str>,
) -> Result<(), Error> {
    let Some(before) = reshares::by_id(tx, id).await? else { return Ok(()) };
    reshares::set_made(tx, id, provider_id, secret_sealed).await?;
    // What the third site said, or the user took back, may have come before this answer.
    if before.state != AskedState::Pending {
        reshares::set_state(tx, id, before.state, before.answer.as_deref()).await?;
    }
    if before.state == AskedState::Ended { tell_undone(tx, postbox, peer, id).await } else { Ok(()) }
}

/// Tells the owner that a share it made for us is to end, if it is known which.
async fn tell_undone(tx: &mut Tx, postbox: &Postbox, peer: &str, id: i64) -> Result<(), Error> {
    let Some(asked) = reshares::by_id(tx, id).await? else { return Ok(()) };
    let (Some(provider_id), Some(sealed)) = (&asked.provider_id, &asked.secret_sealed) else { return Ok(()) };
    let message = Message {
        secret: Some(postbox.seal.open(Sealed::ReceivedSecret, id, sealed)?),
        ..Message::notification("RESHARE_UNDO", provider_id, "The share was taken back.")
    };
    postbox.put(tx, peer, OutboxKind::Notification, id, message).await?;
    Ok(())
}

impl Domain {
    /// Asks the owner of a received space to share it with somebody else, too. Returns the id of the wish.
    ///
    /// [`Error::NotFound`] if the space is not the principal's; [`FederationRefusal::Address`] for no address.
    pub async fn ask_reshare(&self, principal: &Principal, space: SpaceId, recipient: &str) -> Result<i64, Error> {
        let site = self.site()?;
        let with =
            FederatedId::parse(recipient.trim()).map_err(|_| FederationRefusal::Address(recipient.to_owned()))?;
        let own = FederatedId::new(&principal.name, site.host.clone())
            .map_err(|_| FederationRefusal::Address(principal.name.clone()))?;
        let (postbox, principal) = (self.postbox(), principal.clone());
        let asked = self
            .transact(move |tx| {
                Box::pin(async move {
                    let known = answer::for_user(tx, &principal, space).await?;
                    if known.state != ReceivedState::Accepted {
                        return Err(Error::NotFound);
                    }
                    let row = AskedReshare {
                        id: postbox.ids.next(postbox.now),
                        space,
                        user: principal.user,
                        recipient: with.to_string(),
                        state: AskedState::Pending,
                        provider_id: None,
                        secret_sealed: None,
                        answer: None,
                        created_at: postbox.now,
                    };
                    reshares::insert(tx, &row).await?;
                    let mut message =
                        Message::notification("REQUEST_RESHARE", &known.provider_id, "Ask owner to reshare the file");
                    message.secret =
                        Some(postbox.seal.open(Sealed::ReceivedSecret, known.space.0, &known.secret_sealed)?);
                    message.grantee = Some(own.to_string());
                    message.share_with = Some(row.recipient.clone());
                    message.sender_id = Some(row.id.to_string());
                    postbox.put(tx, &known.peer, OutboxKind::Notification, row.id, message).await?;
                    Ok(row.id)
                })
            })
            .await?;
        self.wake_outbox();
        Ok(asked)
    }

    /// What the user asked the owner of a received space, latest first.
    pub async fn asked_reshares(&self, principal: &Principal, space: SpaceId) -> Result<Vec<AskedReshare>, Error> {
        let mut db = self.store.read().await?;
        answer::for_user(&mut db, principal, space).await?;
        let all = reshares::of_space(&mut db, space).await?;
        Ok(all.into_iter().filter(|asked| asked.user == principal.user).collect())
    }

    /// Takes a wish back: the owner is told to end the share it made. [`Error::NotFound`] if the user has no such one.
    pub async fn undo_reshare(&self, principal: &Principal, space: SpaceId, id: i64) -> Result<(), Error> {
        let (postbox, principal) = (self.postbox(), principal.clone());
        self.transact(move |tx| {
            Box::pin(async move {
                let known = answer::for_user(tx, &principal, space).await?;
                let asked = reshares::by_id(tx, id).await?.ok_or(Error::NotFound)?;
                if asked.space != space || asked.user != principal.user || asked.state == AskedState::Ended {
                    return Err(Error::NotFound);
                }
                reshares::set_state(tx, id, AskedState::Ended, None).await?;
                outbox::cancel_untried(tx, &known.peer, OutboxKind::Notification, id, postbox.now).await?;
                tell_undone(tx, &postbox, &known.peer, id).await
            })
        })
        .await?;
        self.wake_outbox();
        Ok(())
    }
}
