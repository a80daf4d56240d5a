//! What peers tell about shares: of ours, that they were accepted or declined; of theirs, that they ended or changed.
//!
//! The id in a notification is always that of the sender of the share, so which share is meant follows from the kind of
//! notification; who may speak of it follows from a signature of the share's site or from the share's secret.

use super::journal::Noted;
use super::outbox::Message;
use super::recording::lives;
use super::{CallRefusal, Caller, Postbox, answer, reshare};
use crate::attest::AttestationRefused;
use crate::auth::secret_hash;
use crate::seal::Sealed;
use crate::shares::end_with_peer;
use crate::{Domain, Error};
use serde_json::{Value, json};
use stitchbox_federation::address::Host;
use stitchbox_federation::wire::{Notification, NotificationKind};
use stitchbox_schema::SpaceId;
use stitchbox_store::federated::{self, FederatedShare, FederatedState};
use stitchbox_store::outbox::OutboxKind;
use stitchbox_store::received_offers::{self, KnownShare};
use stitchbox_store::reshares::{self, AskedReshare, AskedState};
use stitchbox_store::{Connection, Tx, received};

/// What a notification may be about.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    /// A share of ours.
    Ours(Box<FederatedShare>),
    /// A share of a peer.
    Theirs(Box<KnownShare>),
    /// A share we asked the owner of one of theirs to make.
    Asked(Box<(AskedReshare, KnownShare)>),
}

impl Subject {
    /// The site that may say this of it: the one at the other end, or, to undo it, the one that asked for it.
    fn speaker(&self, kind: NotificationKind) -> Option<Host> {
        Host::parse(match self {
            Self::Ours(share) if kind == NotificationKind::ReshareUndo => share.sender.as_deref()?.rsplit_once('@')?.1,
            Self::Ours(share) => &share.peer,
            Self::Theirs(known) => &known.peer,
            Self::Asked(asked) => &asked.1.peer,
        })
        .ok()
    }
}

impl Domain {
    /// The sites that may have sent a notification: the other ends of the shares it may be about. Of an unsigned one only
    /// those whose secret it shows.
    pub async fn notifiers_of(&self, notification: &Notification, signed: bool) -> Result<Vec<Host>, CallRefusal> {
        let mut db = self.store.read().await?;
        let mut hosts = Vec::new();
        for subject in subjects(&mut db, notification).await? {
            if (signed || self.shows_secret(&subject, notification)?)
                && let Some(host) = subject.speaker(notification.kind)
                && !hosts.contains(&host)
            {
                hosts.push(host);
            }
        }
        if hosts.is_empty() { Err(CallRefusal::UnknownShare) } else { Ok(hosts) }
    }

    fn shows_secret(&self, subject: &Subject, notification: &Notification) -> Result<bool, Error> {
        // The family of oCIS shows it in the offer alone.
        let in_offer = notification.offer.as_ref().map(|offer| &offer.shared_secret);
        let Some(shown) = notification.shared_secret.as_ref().or(in_offer) else { return Ok(false) };
        let known = match subject {
            Subject::Ours(share) => share.secret_hash.clone(),
            Subject::Theirs(known) => known.secret_hash.clone(),
            Subject::Asked(asked) => match &asked.0.secret_sealed {
                Some(sealed) => secret_hash(&self.seal.open(Sealed::ReceivedSecret, asked.0.id, sealed)?),
                None => return Ok(false),
            },
        };
        // By MACs under a key of this process: how far they agree says nothing about the secret.
        let mac = |text: &str| self.auth.mac(text);
        Ok(mac(&known) == mac(&shown.sha256_hex()))
    }

    /// Takes a notification of a peer. The answer is what it is to be told.
    pub async fn receive_notification(&self, caller: Caller, said: Notification) -> Result<Value, CallRefusal> {
        self.federation.as_ref().ok_or(CallRefusal::Off)?;
        let mut meant = None;
        let mut db = self.store.read().await?;
        for subject in subjects(&mut db, &said).await? {
            let is_of_caller = subject.speaker(said.kind).as_ref() == Some(&caller.host);
            if is_of_caller && (caller.has_signed || self.shows_secret(&subject, &said)?) {
                meant = Some(subject);
                break;
            }
        }
        drop(db);
        let subject = meant.ok_or(CallRefusal::UnknownShare)?;
        if said.kind == NotificationKind::StitchboxAttestation {
            return self.take_attestation(&caller, &said).await;
        }
        let (domain, postbox) = (self.clone(), self.postbox());
        let answer = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let answer = domain.act_on(tx, &postbox, &caller, &said, &subject).await?;
                    let mut noted = Noted::new("ocm_received", caller.host.as_str(), said.kind.as_str());
                    noted.client = Some(caller.client);
                    match &subject {
                        Subject::Ours(share) => noted.share = Some(share.share),
                        Subject::Theirs(known) => noted.space = Some(known.space),
                        Subject::Asked(asked) => noted.space = Some(asked.1.space),
                    }
                    noted.details = json!({"provider_id": said.provider_id, "signed": caller.has_signed});
                    postbox.note(tx, &noted).await?;
                    lives(tx, caller.host.as_str(), postbox.now).await?;
                    Ok::<_, CallRefusal>(answer)
                })
            })
            .await?;
        self.announce();
        self.wake_outbox();
        Ok(answer)
    }

    async fn act_on(
        &self,
        tx: &mut Tx,
        postbox: &Postbox,
        caller: &Caller,
        said: &Notification,
        subject: &Subject,
    ) -> Result<Value, CallRefusal> {
        let done = json!({});
        match (said.kind, subject) {
            (NotificationKind::ShareAccepted, Subject::Ours(share)) => {
                change(tx, postbox, share, FederatedState::Accepted, said).await?;
            }
            (NotificationKind::ShareDeclined, Subject::Ours(share)) => {
                change(tx, postbox, share, FederatedState::Declined, said).await?;
            }
            (NotificationKind::ShareAccepted, Subject::Asked(asked)) => {
                reshares::set_state(tx, asked.0.id, AskedState::Accepted, None).await?;
            }
            (NotificationKind::ShareDeclined, Subject::Asked(asked)) => {
                reshares::set_state(tx, asked.0.id, AskedState::Refused, Some(&said.message)).await?;
            }
            (NotificationKind::ReshareUndo, Subject::Asked(asked)) => {
                reshares::set_state(tx, asked.0.id, AskedState::Ended, None).await?;
            }
            (NotificationKind::ShareUnshared | NotificationKind::ReshareUndo, Subject::Theirs(known)) => {
                answer::end(tx, postbox, known).await?;
            }
            (NotificationKind::ReshareUndo, Subject::Ours(share)) => {
                let acting = self.acting_as(caller.host.as_str());
                end_with_peer(tx, &acting, share.share).await?;
            }
            (NotificationKind::RequestReshare, Subject::Ours(share)) => {
                return reshare::make(self, tx, share, said).await;
            }
            (
                NotificationKind::ShareChangePermission | NotificationKind::ReshareChangePermission,
                Subject::Theirs(known),
            ) => {
                if let Some(offer) = &said.offer {
                    answer::set_role(tx, known, &offer.permissions.join(" ")).await?;
                }
                received::hasten(tx, known.space, postbox.now).await?;
            }
            (NotificationKind::StitchboxChanged, Subject::Theirs(known)) => {
                received::hasten(tx, known.space, postbox.now).await?;
            }
            _ => return Err(CallRefusal::UnknownShare),
        }
        Ok(done)
    }

    /// A peer's signed word about one of our runs.
    async fn take_attestation(&self, caller: &Caller, said: &Notification) -> Result<Value, CallRefusal> {
        let jws = said.jws.as_deref().ok_or(CallRefusal::NotAllowed("there is no statement in the attestation"))?;
        match self.receive_attestation(caller.host.as_str(), jws).await {
            Ok(run) => Ok(json!({"run": run})),
            Err(AttestationRefused::Domain(error)) => Err(error.into()),
            Err(refused) => {
                tracing::warn!(peer = %caller.host, %refused, "an attestation was not taken");
                Err(CallRefusal::NotAllowed(refused.word()))
            }
        }
    }
}

/// The shares a notification may be about, by its kind and the id in it.
async fn subjects(db: &mut Connection, said: &Notification) -> Result<Vec<Subject>, CallRefusal> {
    use NotificationKind as Kind;
    let mut found = Vec::new();
    let of_ours = matches!(
        said.kind,
        Kind::ShareAccepted
            | Kind::ShareDeclined
            | Kind::RequestReshare
            | Kind::ReshareUndo
            | Kind::StitchboxAttestation
    );
    if of_ours {
        if let Some(share) = federated::by_provider_id(db, &said.provider_id).await? {
            found.push(Subject::Ours(Box::new(share)));
        }
        let asked = match said.provider_id.parse() {
            Ok(id) => reshares::by_id(db, id).await?,
            Err(_) => None,
        };
        if let Some(asked) = asked
            && let Some(known) = received_offers::by_space(db, asked.space).await?
        {
            found.push(Subject::Asked(Box::new((asked, known))));
        }
    }
    let of_theirs = matches!(
        said.kind,
        Kind::ShareUnshared
            | Kind::ReshareUndo
            | Kind::ShareChangePermission
            | Kind::ReshareChangePermission
            | Kind::StitchboxChanged
    );
    if of_theirs {
        let known = received_offers::by_provider_id(db, &said.provider_id).await?;
        found.extend(known.into_iter().map(|known| Subject::Theirs(Box::new(known))));
    }
    Ok(found)
}

/// A share of ours was accepted or declined. Who asked us to make it is told, too.
async fn change(
    tx: &mut Tx,
    postbox: &Postbox,
    share: &FederatedShare,
    state: FederatedState,
    said: &Notification,
) -> Result<(), Error> {
    // The row as it is now: an answer that comes twice is told on once.
    let Some(now) = federated::by_share(tx, share.share).await? else { return Ok(()) };
    if now.state == state {
        return Ok(());
    }
    let answer = (!said.message.is_empty()).then_some(said.message.as_str());
    federated::set_state(tx, share.share, state, answer, postbox.now).await?;
    let (Some(sender), Some(id)) = (&share.sender, &share.sender_id) else { return Ok(()) };
    let Some((_, host)) = sender.rsplit_once('@') else { return Ok(()) };
    let message = Message {
        secret: Some(postbox.seal.open(Sealed::ShareSecret, share.share.0, &share.secret_sealed)?),
        grantee: Some(share.recipient.clone()),
        ..Message::notification(said.kind.as_str(), id, &said.message)
    };
    postbox.put(tx, host, OutboxKind::Notification, share.share.0, message).await?;
    Ok(())
}

/// For the sweeper.
impl Domain {
    /// Ends received shares whose time is over; how many.
    pub async fn end_expired_received(&self) -> Result<usize, Error> {
        let ended: Vec<SpaceId> = received_offers::ended(&mut *self.store.read().await?, self.now()).await?;
        let count = ended.len();
        if count == 0 {
            return Ok(0);
        }
        let postbox = self.postbox();
        self.transact(move |tx| {
            Box::pin(async move {
                for space in ended {
                    if let Some(known) = received_offers::by_space(tx, space).await? {
                        answer::end(tx, &postbox, &known).await?;
                    }
                }
                Ok(())
            })
        })
        .await?;
        self.announce();
        Ok(count)
    }
}
