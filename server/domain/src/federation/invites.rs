//! Invites: a user here gives one and somebody at another site accepts it, or the other way round. Then each is a contact
//! of the other, and may share.

use super::journal::Noted;
use super::outbox::Message;
use super::recording::lives;
use super::sending::letters_to;
use super::trust::check_trust;
use super::{CallRefusal, Caller, FederationRefusal, no_randomness};
use crate::{Domain, Error, Excess, Principal};
use serde_json::json;
use std::time::Duration;
use stitchbox_federation::address::FederatedId;
use stitchbox_federation::secret::{self, Secret};
use stitchbox_federation::wire::{self, InviteAccepted, InviteAnswer};
use stitchbox_schema::InviteId;
use stitchbox_store::accounts;
use stitchbox_store::invites::{self, Contact, Invite, TakenInvite, TakenState};
use stitchbox_store::outbox::OutboxKind;

/// How long an invite holds.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// Invites of one user that nobody accepted.
const MOST_OPEN: usize = 100;
/// Longest note, bytes.
const LONGEST_NOTE: usize = 1000;

/// An invite, with what to pass on.
#[derive(Debug, Clone)]
pub struct GivenInvite {
    /// The invite.
    pub invite: Invite,
    /// The string people paste; empty once it is accepted.
    pub text: String,
    /// The link people follow.
    pub link: String,
}

impl Domain {
    /// Makes an invite to exchange contacts with somebody at another site.
    pub async fn invite(&self, principal: &Principal, note: &str) -> Result<GivenInvite, Error> {
        may_invite(principal)?;
        self.site()?;
        let note: String = note.chars().filter(|c| !c.is_control()).collect();
        if note.len() > LONGEST_NOTE {
            return Err(Error::TooMuch(Excess::PropertyValue));
        }
        let now = self.now();
        let invite = Invite {
            id: InviteId(self.ids.next(now)),
            user: principal.user,
            token: secret::invite_token().map_err(no_randomness)?.expose().to_owned(),
            note,
            created_at: now,
            expires_at: now.after(LIFETIME),
            accepted_by: None,
            accepted_at: None,
        };
        let row = invite.clone();
        self.transact(move |tx| {
            Box::pin(async move {
                let open = invites::of_user(tx, row.user).await?;
                let open = open.iter().filter(|other| other.accepted_by.is_none() && other.expires_at > now).count();
                if open >= MOST_OPEN {
                    return Err(Error::TooMuch(Excess::Sessions));
                }
                Ok(invites::insert(tx, &row).await?)
            })
        })
        .await?;
        self.given(invite)
    }

    fn given(&self, invite: Invite) -> Result<GivenInvite, Error> {
        let site = self.site()?;
        let shown = wire::Invite { token: Secret::new(invite.token.clone()), host: site.host.clone() };
        let (text, link) = match invite.accepted_by {
            Some(_) => (String::new(), String::new()),
            None => (shown.to_text(), shown.to_link(&format!("{}/ocm/accept", site.origin())).unwrap_or_default()),
        };
        Ok(GivenInvite { invite, text, link })
    }

    /// The invites the user gave, latest first.
    pub async fn invites(&self, principal: &Principal) -> Result<Vec<GivenInvite>, Error> {
        may_invite(principal)?;
        let given = invites::of_user(&mut *self.store.read().await?, principal.user).await?;
        given.into_iter().map(|invite| self.given(invite)).collect()
    }

    /// Takes an invite back that nobody accepted. [`Error::NotFound`] if the user has no such one.
    pub async fn revoke_invite(&self, principal: &Principal, id: InviteId) -> Result<(), Error> {
        may_invite(principal)?;
        let user = principal.user;
        self.transact(move |tx| {
            Box::pin(async move { if invites::remove(tx, user, id).await? { Ok(()) } else { Err(Error::NotFound) } })
        })
        .await
    }

    /// Accepts an invite of somebody at another site, given as string or link. The other site is told by the outbox; its
    /// user is a contact once it has answered. Returns the id of the acceptance.
    ///
    /// [`FederationRefusal::Invite`] for what is none, [`FederationRefusal::Ourselves`], [`FederationRefusal::Untrusted`].
    pub async fn accept_invite(&self, principal: &Principal, text: &str) -> Result<InviteId, Error> {
        may_invite(principal)?;
        let site = self.site()?;
        let invite = wire::Invite::parse(text).map_err(|_| FederationRefusal::Invite)?;
        if invite.host == site.host {
            return Err(FederationRefusal::Ourselves(invite.host.to_string()).into());
        }
        let (postbox, rule) = (self.postbox(), site.settings.trust);
        let row = TakenInvite {
            id: InviteId(postbox.ids.next(postbox.now)),
            user: principal.user,
            peer: invite.host.to_string(),
            token_hash: invite.token.sha256_hex(),
            state: TakenState::Pending,
            answer: None,
            created_at: postbox.now,
        };
        let id = row.id;
        let id = self
            .transact(move |tx| {
                Box::pin(async move {
                    check_trust(tx, rule, &row.peer).await?;
                    let earlier = invites::taken_by(tx, row.user).await?;
                    let same = earlier.iter().find(|other| {
                        other.token_hash == row.token_hash
                            && other.peer == row.peer
                            && other.state != TakenState::Refused
                    });
                    if let Some(same) = same {
                        return Ok(same.id);
                    }
                    invites::insert_taken(tx, &row).await?;
                    let message = Message { secret: Some(invite.token.expose().to_owned()), ..Message::default() };
                    postbox.put(tx, &row.peer, OutboxKind::InviteAccepted, id.0, message).await?;
                    Ok(id)
                })
            })
            .await?;
        self.wake_outbox();
        Ok(id)
    }

    /// The invites of others the user accepted, latest first.
    pub async fn taken_invites(&self, principal: &Principal) -> Result<Vec<TakenInvite>, Error> {
        may_invite(principal)?;
        Ok(invites::taken_by(&mut *self.store.read().await?, principal.user).await?)
    }

    /// People at other sites the user exchanged an invite with, by name.
    pub async fn contacts(&self, principal: &Principal) -> Result<Vec<Contact>, Error> {
        may_invite(principal)?;
        Ok(invites::contacts_of(&mut *self.store.read().await?, principal.user).await?)
    }

    /// Forgets a contact. [`Error::NotFound`] if there is none.
    pub async fn forget_contact(&self, principal: &Principal, address: &str) -> Result<(), Error> {
        may_invite(principal)?;
        let id = FederatedId::parse(address).map_err(|_| FederationRefusal::Address(address.to_owned()))?;
        let user = principal.user;
        self.transact(move |tx| {
            Box::pin(async move {
                let was = invites::remove_contact(tx, user, &id.user, id.host.as_str()).await?;
                if was { Ok(()) } else { Err(Error::NotFound) }
            })
        })
        .await
    }

    /// Somebody at a peer accepts an invite of a user here: the answer is who that user is. The same again is answered the
    /// same; somebody else is [`CallRefusal::InviteTaken`].
    pub async fn receive_acceptance(&self, caller: Caller, said: InviteAccepted) -> Result<InviteAnswer, CallRefusal> {
        let host = self.federation.as_ref().ok_or(CallRefusal::Off)?.host.clone();
        let who = FederatedId::of_peer(&said.user_id, &caller.host).map_err(|_| CallRefusal::Field {
            name: "userID",
            word: "INVALID",
            text: "this is no id of a user",
        })?;
        let postbox = self.postbox();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let now = postbox.now;
                    let token = said.token.expose().replace('\0', "");
                    let invite = invites::by_token(tx, &token).await?.filter(|invite| invite.expires_at > now);
                    let invite = invite.ok_or(CallRefusal::InviteEnded)?;
                    let inviter = accounts::by_id(tx, invite.user).await?.filter(|user| !user.disabled);
                    let inviter = inviter.ok_or(CallRefusal::InviteEnded)?;
                    let who_text = who.to_string();
                    if !invites::accept(tx, invite.id, &who_text, now).await?
                        && invite.accepted_by.as_deref() != Some(who_text.as_str())
                    {
                        return Err(CallRefusal::InviteTaken);
                    }
                    let contact = Contact {
                        user: invite.user,
                        remote_user: who.user.clone(),
                        peer: who.host.to_string(),
                        name: said.name.clone(),
                        email: said.email.clone(),
                        created_at: now,
                    };
                    invites::keep_contact(tx, &contact).await?;
                    lives(tx, caller.host.as_str(), now).await?;
                    let mut noted = Noted::new("ocm_received", caller.host.as_str(), "invite-accepted");
                    (noted.client, noted.user) = (Some(caller.client), Some(invite.user));
                    noted.details = json!({"by": who_text, "signed": caller.has_signed});
                    postbox.note(tx, &noted).await?;
                    Ok(InviteAnswer {
                        // A Nextcloud takes no answer without an address for letters.
                        email: letters_to(&inviter.name, &host),
                        user_id: inviter.name,
                        name: inviter.display_name,
                    })
                })
            })
            .await
    }
}

/// A credential with limits makes no contacts.
fn may_invite(principal: &Principal) -> Result<(), Error> {
    if principal.scope == crate::Scope::default() { Ok(()) } else { Err(Error::NotFound) }
}
