//! Login: who is this, and with what limits. Passwords, app passwords and bearer tokens all end in a [`Principal`].
//!
//! A wrong name and a wrong password look the same and take the same time. Failures slow one client (address and name)
//! down, and many of one network all of it; they never lock anybody out. A password that was right is remembered for minutes by a MAC under a key of this
//! process, but the user's row is read again every time: a changed password or a disabled user is noticed at once.

mod app_passwords;
mod credential_cache;
mod credentials;
mod link_pass;
mod login_flow;
mod password;
mod secret;
mod share_login;
mod throttle;
mod token;
mod turns;

pub use credentials::Credentials;
pub use link_pass::LINK_PASS_LIFETIME;
pub use login_flow::{Collected, LoginTokens};
pub use share_login::{ShareCredential, secret_hash};
pub use token::IssuedToken;

pub(crate) use password::Passwords;
pub(crate) use secret::AppSecret;

use crate::{Domain, Error, Principal, Scope};
use app_passwords::NotedUses;
use credential_cache::{CredentialCache, Remembered};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use std::time::Instant;
use stitchbox_schema::UserName;
use stitchbox_store::accounts::{self, AppPassword, User};
use throttle::Throttle;
pub(crate) use throttle::network;
use token::TokenKeys;
use turns::Turns;

/// Longest piece of a login name that is logged, characters.
const LOGGED_NAME: usize = 64;

/// Attempts of one client with one name before the first delay: a person mistypes, a program has an old password in
/// three places.
const FREE_OF_CLIENT: u32 = 5;
/// Attempts of one network, whatever the names, before the first delay: an institute may be behind one address.
const FREE_OF_NETWORK: u32 = 50;

/// Where somebody logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// WebDAV, where an administrator can turn account passwords off.
    WebDav,
    /// The JSON interface.
    Api,
}

/// A MAC over parts of a request, under a key that only this process knows.
pub(crate) type Fingerprint = [u8; 32];

/// Everything login needs to remember; nothing of it outlives the process.
pub struct Auth {
    key: Fingerprint,
    tokens: TokenKeys,
    pub(crate) passwords: Passwords,
    remembered: CredentialCache,
    /// Passwords of links that were right a short while ago.
    link_passwords: CredentialCache<()>,
    throttle: Throttle,
    by_network: Throttle,
    begun_logins: Throttle,
    wrong_shares: Throttle,
    noted_uses: NotedUses,
    turns: Turns,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth")
    }
}

impl Auth {
    /// `token_key` signs bearer tokens; every process of an installation has the same.
    #[must_use]
    pub fn new(token_key: &[u8]) -> Self {
        let mut random = [0u8; 32];
        // Without randomness the key still depends on a secret; what it protects lives in this process's memory.
        let _ = getrandom::fill(&mut random);
        let key = Sha256::new().chain_update(random).chain_update(token_key).finalize().into();
        Self {
            key,
            tokens: TokenKeys::new(token_key),
            passwords: Passwords::default(),
            remembered: CredentialCache::default(),
            link_passwords: CredentialCache::default(),
            throttle: Throttle::new(FREE_OF_CLIENT),
            by_network: Throttle::new(FREE_OF_NETWORK),
            begun_logins: Throttle::new(FREE_OF_NETWORK),
            wrong_shares: Throttle::new(FREE_OF_NETWORK),
            noted_uses: NotedUses::default(),
            turns: Turns::default(),
        }
    }

    /// A MAC of a text: two are compared by it in a time that tells nothing.
    pub(crate) fn mac(&self, text: &str) -> Fingerprint {
        self.fingerprint(&[text.as_bytes()])
    }

    fn fingerprint(&self, parts: &[&[u8]]) -> Fingerprint {
        // A key of 32 bytes is never refused; if it were, everything would share one fingerprint of zeros, which
        // `login_basic` does not look up before a password was right.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return [0; 32] };
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// A login that was found right.
struct Login {
    user: User,
    app_password: Option<AppPassword>,
}

impl Login {
    fn principal(&self) -> Principal {
        let scope = self.app_password.as_ref().map_or_else(Scope::default, scope_of);
        principal(&self.user, scope)
    }
}

fn scope_of(app_password: &AppPassword) -> Scope {
    Scope { space: app_password.space, create_only: app_password.create_only, share: None }
}

fn principal(user: &User, scope: Scope) -> Principal {
    // A credential with limits is not for administration, whoever holds it.
    let is_admin = user.is_admin && scope == Scope::default();
    Principal { user: user.id, name: user.name.clone(), is_admin, scope }
}

impl Domain {
    /// Checks a login name with an account password or an app password.
    ///
    /// [`Error::Unauthenticated`] for anything that is wrong; [`Error::Throttled`] if this client failed so often that
    /// its turn is seconds away.
    pub async fn login_basic(
        &self,
        name: &str,
        password: &str,
        client: IpAddr,
        at: Entrance,
    ) -> Result<Principal, Error> {
        let login = self.check_password(name, password, client, at).await?;
        Ok(login.principal())
    }

    /// Checks a bearer token. It ends with its time, its user, the account password it was asked for with, or its app
    /// password, whichever ends first. Where account passwords are turned off, so are the tokens they gave.
    pub async fn login_bearer(&self, token: &str, at: Entrance) -> Result<Principal, Error> {
        let claims = self.auth.tokens.read(token, self.now()).ok_or_else(|| {
            tracing::info!(target: "auth", "a bearer token was refused: it is forged, garbled or too old");
            Error::Unauthenticated
        })?;
        if claims.app_password.is_none() && self.is_closed_to_account_passwords(at) {
            tracing::warn!(target: "auth", user = claims.sub.0, "refused: account passwords, and their tokens, are off on WebDAV");
            return Err(Error::Unauthenticated);
        }
        let mut db = self.store.read().await?;
        let user = accounts::by_id(&mut db, claims.sub).await?.filter(|user| !user.disabled);
        let user = user.ok_or_else(|| {
            tracing::info!(target: "auth", user = claims.sub.0, "a bearer token was refused: its user is disabled or gone");
            Error::Unauthenticated
        })?;
        let alive = match claims.app_password {
            Some(id) => accounts::app_password_by_id(&mut db, id).await?.is_some_and(|found| found.user == user.id),
            None => claims.password == token::mark(user.password_hash.as_deref()),
        };
        if !alive {
            tracing::info!(target: "auth", user = %user.name, "a bearer token was refused: its password is no longer valid");
            return Err(Error::Unauthenticated);
        }
        Ok(principal(&user, Scope { space: claims.space, create_only: claims.create_only, share: None }))
    }

    /// Gives a bearer token for a password, with the same rights; errors as [`Domain::login_basic`].
    pub async fn issue_token(&self, name: &str, password: &str, client: IpAddr) -> Result<IssuedToken, Error> {
        let login = self.check_password(name, password, client, Entrance::Api).await?;
        self.auth.tokens.issue(&login.user, login.app_password.as_ref(), self.now(), self.settings.token_lifetime)
    }

    /// The account of whoever asks.
    pub async fn account(&self, principal: &Principal) -> Result<User, Error> {
        let user = accounts::by_id(&mut *self.store.read().await?, principal.user).await?;
        user.ok_or(Error::Unauthenticated)
    }

    async fn check_password(&self, name: &str, password: &str, client: IpAddr, at: Entrance) -> Result<Login, Error> {
        if let Some(login) = self.check_app_password(name, password).await? {
            return Ok(login);
        }
        if self.is_closed_to_account_passwords(at) {
            tracing::warn!(target: "auth", user = ?shown(name), %client, "refused: account passwords are off on WebDAV");
            return Err(Error::Unauthenticated);
        }
        let credentials = self.auth.fingerprint(&[name.as_bytes(), password.as_bytes()]);
        if let Some(login) = self.recall(&credentials).await? {
            return Ok(login);
        }
        // Many requests of one client start at once: the first checks, the others find its result.
        let _turn = self.auth.turns.take(credentials).await;
        if let Some(login) = self.recall(&credentials).await? {
            return Ok(login);
        }
        self.check_account_password(name, password, client, &credentials).await
    }

    fn is_closed_to_account_passwords(&self, at: Entrance) -> bool {
        at == Entrance::WebDav && !self.settings.account_passwords_on_webdav
    }

    /// An app password cannot be guessed (160 bits), so it is looked up by its hash and never slowed down.
    async fn check_app_password(&self, name: &str, password: &str) -> Result<Option<Login>, Error> {
        let Some(secret) = AppSecret::parse(password) else { return Ok(None) };
        let mut db = self.store.read().await?;
        let Some(found) = accounts::app_password_by_hash(&mut db, &secret.hash()).await? else { return Ok(None) };
        let user = accounts::by_id(&mut db, found.user).await?;
        drop(db);
        let Some(user) = user.filter(|user| user.name == name && !user.disabled) else { return Ok(None) };
        self.note_app_password(&found).await;
        Ok(Some(Login { user, app_password: Some(found) }))
    }

    /// A password that was right a short while ago, if it still is.
    async fn recall(&self, credentials: &Fingerprint) -> Result<Option<Login>, Error> {
        let Some(remembered) = self.auth.remembered.get(credentials, Instant::now()) else { return Ok(None) };
        let user = accounts::by_id(&mut *self.store.read().await?, remembered.user).await?;
        match user {
            Some(user) if !user.disabled && remembered.is_of(&user) => Ok(Some(Login { user, app_password: None })),
            _ => {
                self.auth.remembered.forget(credentials);
                Ok(None)
            }
        }
    }

    async fn check_account_password(
        &self,
        name: &str,
        password: &str,
        client: IpAddr,
        credentials: &Fingerprint,
    ) -> Result<Login, Error> {
        let network = throttle::network(client);
        let slowed = self.auth.fingerprint(&[&network, name.as_bytes()]);
        let network = self.auth.fingerprint(&[&network]);
        let now = Instant::now();
        let turn = self.auth.throttle.take_turn(slowed, now);
        let turn = turn.and_then(|wait| Ok(wait.max(self.auth.by_network.take_turn(network, now)?)));
        match turn {
            Ok(wait) => tokio::time::sleep(wait).await,
            Err(wait) => {
                let seconds = wait.as_secs() + 1;
                tracing::warn!(target: "auth", user = ?shown(name), %client, seconds, "too many failed logins at once");
                return Err(Error::Throttled { seconds });
            }
        }
        // What nobody can be called is not looked up: a NUL would be an error of one database and not of the other.
        let found = match UserName::parse(name) {
            Ok(_) => accounts::by_name(&mut *self.store.read().await?, name).await?.filter(|user| !user.disabled),
            Err(_) => None,
        };
        let stored = found.as_ref().and_then(|user| user.password_hash.clone());
        let right = self.auth.passwords.verify(password, stored).await;
        match found {
            Some(user) if right => {
                self.auth.throttle.succeeded(&slowed);
                // Not forgiven what it did before: who guesses may know one password.
                self.auth.by_network.give_back(&network);
                self.auth.remembered.put(*credentials, Remembered::new(&user), Instant::now());
                Ok(Login { user, app_password: None })
            }
            _ => {
                tracing::warn!(target: "auth", user = ?shown(name), %client, "wrong name or password");
                Err(Error::Unauthenticated)
            }
        }
    }
}

/// As much of a name as is logged.
fn shown(name: &str) -> &str {
    name.char_indices().nth(LOGGED_NAME).map_or(name, |(end, _)| &name[..end])
}

#[cfg(test)]
mod tests;
