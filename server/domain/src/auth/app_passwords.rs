//! What an app password, or the account password, may do about app passwords; when one was used; wiping a lost device.

use super::{AppSecret, Credentials, Entrance};
use crate::{AppPassword, Domain, Error, Principal, Refusal};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use stitchbox_schema::{AppPasswordId, Timestamp};
use stitchbox_store::accounts;

/// How exactly it is known when an app password was last used: one write an hour, not one a request.
const USE_STEP: Duration = Duration::from_secs(3600);
/// Most app passwords whose use is remembered by this process.
const MOST_NOTED: usize = 10_000;
/// Lifetime of a token that opens one connection for push messages.
const SOCKET_TOKEN: Duration = Duration::from_secs(15);

/// When this process last wrote that an app password was used.
#[derive(Debug, Default)]
pub(crate) struct NotedUses(Mutex<HashMap<AppPasswordId, Timestamp>>);

impl NotedUses {
    /// Whether it is to be written now: of many requests at once, one is told so.
    fn take(&self, found: &AppPassword, now: Timestamp) -> bool {
        let is_fresh = |at: Timestamp| now < at.after(USE_STEP);
        if found.last_used_at.is_some_and(is_fresh) {
            return false;
        }
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(&found.id).copied().is_some_and(is_fresh) {
            return false;
        }
        if noted.len() >= MOST_NOTED {
            noted.retain(|_, at| is_fresh(*at));
        }
        noted.len() < MOST_NOTED && noted.insert(found.id, now).is_none_or(|at| !is_fresh(at))
    }
}

impl Domain {
    /// Writes, at most once an hour, that an app password was used. Where that fails, reading must still work.
    pub(super) async fn note_app_password(&self, found: &AppPassword) {
        let now = self.now();
        if !self.auth.noted_uses.take(found, now) {
            return;
        }
        let id = found.id;
        let noted: Result<(), Error> =
            self.transact(move |tx| Box::pin(async move { Ok(accounts::note_use(tx, id, now).await?) })).await;
        if let Err(error) = noted {
            tracing::warn!(%error, "the use of an app password could not be noted");
        }
    }

    /// Logs somebody in who will make or end app passwords: [`Refusal::AppPassword`] for an app password or its token.
    pub async fn login_account(&self, shown: &Credentials, client: IpAddr) -> Result<Principal, Error> {
        let principal = self.login(shown, client, Entrance::Api).await?;
        match self.app_password_of(shown).await? {
            Some(_) => Err(Refusal::AppPassword.into()),
            None => Ok(principal),
        }
    }

    /// The app password that credentials, which were checked already, are or stand for.
    async fn app_password_of(&self, shown: &Credentials) -> Result<Option<AppPassword>, Error> {
        match shown {
            Credentials::Basic { name, password } => {
                Ok(self.check_app_password(name, password).await?.and_then(|login| login.app_password))
            }
            Credentials::Bearer(token) => {
                let Some(id) = self.auth.tokens.read(token, self.now()).and_then(|claims| claims.app_password) else {
                    return Ok(None);
                };
                Ok(accounts::app_password_by_id(&mut *self.store.read().await?, id).await?)
            }
        }
    }

    /// Ends the very app password that is shown: what a client does when it logs out. [`Error::NotFound`] if it is none.
    pub async fn revoke_own_app_password(&self, shown: &Credentials, client: IpAddr) -> Result<(), Error> {
        let principal = self.login(shown, client, Entrance::WebDav).await?;
        let found = self.app_password_of(shown).await?.ok_or(Error::NotFound)?;
        self.revoke_app_password(&principal.name, found.id).await
    }

    /// A token that opens a connection for push messages within 15 seconds, for clients that do not send a password
    /// there.
    pub async fn socket_token(&self, shown: &Credentials, client: IpAddr) -> Result<String, Error> {
        match shown {
            Credentials::Basic { name, password } => {
                let login = self.check_password(name, password, client, Entrance::WebDav).await?;
                let issued =
                    self.auth.tokens.issue(&login.user, login.app_password.as_ref(), self.now(), SOCKET_TOKEN)?;
                Ok(issued.token)
            }
            Credentials::Bearer(token) => {
                self.login_bearer(token, Entrance::WebDav).await?;
                Ok(token.clone())
            }
        }
    }

    /// Whether the holder of this secret is asked to remove everything it has.
    pub async fn is_to_be_wiped(&self, secret: &str) -> Result<bool, Error> {
        let Some(secret) = AppSecret::parse(secret) else { return Ok(false) };
        Ok(accounts::app_password_to_wipe(&mut *self.store.read().await?, &secret.hash()).await?.is_some())
    }

    /// The holder removed everything: the app password ends. [`Error::NotFound`] if it was not asked to.
    pub async fn wiped(&self, secret: &str) -> Result<(), Error> {
        let secret = AppSecret::parse(secret).ok_or(Error::NotFound)?;
        let now = self.now();
        self.transact(move |tx| {
            Box::pin(async move {
                let found = accounts::app_password_to_wipe(tx, &secret.hash()).await?.ok_or(Error::NotFound)?;
                accounts::revoke_app_password(tx, found.user, found.id, now).await?;
                tracing::info!(target: "auth", user = found.user.0, label = found.label, "a device was wiped");
                Ok(())
            })
        })
        .await
    }
}
