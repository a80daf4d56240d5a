//! Login of who has no account here: by the token of a link, or by the secret of a federated share.
//!
//! Tokens and secrets cannot be guessed; they are looked up, secrets by their hash. A wrong one slows down the network it
//! came from, and the password of a link is guarded as that of an account is. What once opened something is told from
//! what never did: a peer that hears "gone" does not take it for a fault of its own.

use super::{Domain, throttle};
use crate::share_access::open;
use crate::uploads::hex;
use crate::{Error, ItemPath, Location, Principal, Scope};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use std::time::Instant;
use stitchbox_schema::ShareId;
use stitchbox_store::share_access::{self, Grant, ShareKind};

/// Longest token or secret that is looked up, bytes.
const LONGEST: usize = 2048;

/// What somebody without an account shows, not checked yet.
#[derive(Clone, PartialEq, Eq)]
pub enum ShareCredential {
    /// The token of a link, with a password where one was typed.
    Link {
        /// Token.
        token: String,
        /// Password.
        password: Option<String>,
    },
    /// The token of a link, with what was given for its password ([`Domain::link_pass`]).
    Pass {
        /// Token.
        token: String,
        /// What was given.
        pass: String,
    },
    /// The secret of a federated share, or a token given for it.
    Federated {
        /// Secret or token.
        secret: String,
        /// The share it was shown for, where the address names one.
        provider_id: Option<String>,
    },
    /// The token of a link or the secret of a federated share: the address does not tell.
    Either {
        /// Token or secret.
        shown: String,
        /// Password of a link.
        password: Option<String>,
    },
}

impl fmt::Debug for ShareCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link { .. } => "Link",
            Self::Pass { .. } => "Pass",
            Self::Federated { .. } => "Federated",
            Self::Either { .. } => "Either",
        })
    }
}

/// SHA-256 of a token or secret, hexadecimal: what is stored to know it by.
#[must_use]
pub fn secret_hash(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

impl Domain {
    /// Logs in who comes by a share, and says where its top is.
    ///
    /// [`Error::Unauthenticated`] for what never opened anything or lacks the password, [`Error::NotFound`] for what has
    /// ended, [`Error::Throttled`] as for accounts.
    pub async fn login_share(
        &self,
        credential: ShareCredential,
        client: IpAddr,
    ) -> Result<(Principal, Location), Error> {
        let mut pass = None;
        let (grant, password) = match credential {
            ShareCredential::Pass { token, pass: shown } => {
                pass = Some(shown);
                (self.link(&token).await?, None)
            }
            ShareCredential::Link { token, password } => (self.link(&token).await?, password),
            ShareCredential::Federated { secret, provider_id } => {
                (self.grant_of_secret(&secret, provider_id.as_deref()).await?, None)
            }
            ShareCredential::Either { shown, password } => match self.link(&shown).await? {
                None => (self.grant_of_secret(&shown, None).await?, None),
                found => (found, password),
            },
        };
        let Some(grant) = grant else {
            self.slow_down(client).await?;
            tracing::info!(target: "auth", %client, "a link or a secret that opens nothing was shown");
            return Err(Error::Unauthenticated);
        };
        let scope = Scope { space: None, create_only: grant.upload_only, share: Some(grant.id) };
        let name = match (&grant.recipient, grant.label.as_str()) {
            (Some(recipient), _) => recipient.clone(),
            (None, "") => format!("link {}", grant.id),
            (None, label) => format!("link {label}"),
        };
        let principal = Principal { user: grant.grantor, name, is_admin: false, scope };
        let stored = grant.password_hash.clone();
        let id = grant.id;
        // What has ended asks for no password any more.
        let membership = open(&mut *self.store.read().await?, grant, scope, self.now()).await?;
        if let Some(stored) = stored
            && !pass.is_some_and(|pass| self.pass_fits(&pass, id, &stored))
        {
            self.check_link_password(id, stored, password.as_deref(), client).await?;
        }
        Ok((principal, membership.place(ItemPath::default())))
    }

    async fn link(&self, token: &str) -> Result<Option<Grant>, Error> {
        if !is_text(token) {
            return Ok(None);
        }
        let mut db = self.store.read().await?;
        match share_access::by_token(&mut db, token).await? {
            Some(grant) => Ok(Some(grant)),
            None if share_access::has_ended(&mut db, &secret_hash(token)).await? => Err(Error::NotFound),
            None => Ok(None),
        }
    }

    async fn grant_of_secret(&self, secret: &str, provider_id: Option<&str>) -> Result<Option<Grant>, Error> {
        if !is_text(secret) {
            return Ok(None);
        }
        let hash = secret_hash(secret);
        let mut db = self.store.read().await?;
        let shown = match share_access::by_secret(&mut db, &hash).await? {
            Some(shown) if shown.must_exchange => None,
            Some(shown) => Some(shown),
            None => share_access::by_exchanged_token(&mut db, &hash, self.now()).await?,
        };
        let Some(shown) = shown else {
            return if share_access::has_ended(&mut db, &hash).await? { Err(Error::NotFound) } else { Ok(None) };
        };
        // By MACs under a key of this process: how far they agree says nothing about the secret.
        let mac = |text: &str| self.auth.fingerprint(&[text.as_bytes()]);
        if mac(&shown.hash) != mac(&hash) || provider_id.is_some_and(|asked| asked != shown.provider_id) {
            return Ok(None);
        }
        let grant = share_access::by_id(&mut db, shown.share).await?;
        grant.filter(|grant| grant.kind == ShareKind::Federated).map(Some).ok_or(Error::NotFound)
    }

    /// Makes who shows what opens nothing wait, the longer the oftener.
    pub(crate) async fn slow_down(&self, client: IpAddr) -> Result<(), Error> {
        let network = self.auth.fingerprint(&[&throttle::network(client)]);
        match self.auth.wrong_shares.take_turn(network, Instant::now()) {
            Ok(wait) => tokio::time::sleep(wait).await,
            Err(wait) => return Err(Error::Throttled { seconds: wait.as_secs() + 1 }),
        }
        Ok(())
    }

    async fn check_link_password(
        &self,
        share: ShareId,
        stored: String,
        password: Option<&str>,
        client: IpAddr,
    ) -> Result<(), Error> {
        // Without a password nothing is guessed: a client that asks before it sends one is not slowed down.
        let Some(password) = password.filter(|password| !password.is_empty()) else {
            return Err(Error::Unauthenticated);
        };
        // The stored hash is part of the key: a password that was changed is not remembered.
        let share = share.0.to_le_bytes();
        let credentials = self.auth.fingerprint(&[b"link", &share, stored.as_bytes(), password.as_bytes()]);
        if self.auth.link_passwords.get(&credentials, Instant::now()).is_some() {
            return Ok(());
        }
        let _turn = self.auth.turns.take(credentials).await;
        if self.auth.link_passwords.get(&credentials, Instant::now()).is_some() {
            return Ok(());
        }
        let client_network = throttle::network(client);
        let slowed = self.auth.fingerprint(&[&client_network, b"link", &share]);
        match self.auth.throttle.take_turn(slowed, Instant::now()) {
            Ok(wait) => tokio::time::sleep(wait).await,
            Err(wait) => return Err(Error::Throttled { seconds: wait.as_secs() + 1 }),
        }
        if !self.auth.passwords.verify(password, Some(stored)).await {
            tracing::warn!(target: "auth", %client, "wrong password of a link");
            return Err(Error::Unauthenticated);
        }
        self.auth.throttle.succeeded(&slowed);
        self.auth.link_passwords.put(credentials, (), Instant::now());
        Ok(())
    }
}

/// Whether it can be a token at all: a NUL would be an error of one database and not of the other.
fn is_text(shown: &str) -> bool {
    !shown.is_empty() && shown.len() <= LONGEST && !shown.contains('\0')
}
