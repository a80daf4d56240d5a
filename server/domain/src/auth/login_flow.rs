//! Logging a client in through a browser (Nextcloud's login flow, version 2): the client begins and polls, a person
//! grants, the client collects an app password once.
//!
//! Two secrets: the client's, which collects, and the one in the address the person opens, which cannot. Both are
//! stored as hashes. The app password is made in the transaction that ends the flow, so it is handed out once.

use super::{AppSecret, Credentials, Entrance, throttle};
use crate::{AppPassword, Domain, Error, Refusal, User};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use stitchbox_schema::{AppPasswordId, Timestamp};
use stitchbox_store::login_flows::{self, LoginFlow};
use stitchbox_store::{Tx, accounts};

/// Time to open the browser and find the password.
const LIFETIME: Duration = Duration::from_secs(20 * 60);
/// Most logins under way: nobody needs a password to begin one.
const MOST_FLOWS: i64 = 10_000;
/// Longest label, characters.
const LONGEST_LABEL: usize = 100;
/// What an app password is called whose client does not say what it is.
const UNNAMED: &str = "a client without a name";

/// The two secrets of a login that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginTokens {
    /// With this the client asks for the outcome.
    pub poll: String,
    /// This goes into the address the person opens.
    pub grant: String,
}

/// What the client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// Login name.
    pub user: String,
    /// The secret of a new app password, kept nowhere.
    pub app_password: String,
}

impl Domain {
    /// Begins a login; `program` names the app password. [`Error::Throttled`] if this network began too many.
    pub async fn begin_login(&self, program: &str, client: IpAddr) -> Result<LoginTokens, Error> {
        let network = self.auth.fingerprint(&[b"login flow", &throttle::network(client)]);
        match self.auth.begun_logins.take_turn(network, Instant::now()) {
            Ok(wait) => tokio::time::sleep(wait).await,
            Err(wait) => return Err(Error::Throttled { seconds: wait.as_secs() + 1 }),
        }
        let (poll, grant) = (AppSecret::random()?, AppSecret::random()?);
        let now = self.now();
        let flow = LoginFlow {
            id: self.ids.next(now),
            poll_hash: poll.hash(),
            grant_hash: grant.hash(),
            label: label(program),
            user: None,
            expires_at: now.after(LIFETIME),
        };
        let begun: Result<(), Error> = self
            .transact(move |tx| {
                Box::pin(async move {
                    if login_flows::tidy(tx, now).await? >= MOST_FLOWS {
                        return Err(Error::Throttled { seconds: 60 });
                    }
                    Ok(login_flows::insert(tx, &flow).await?)
                })
            })
            .await;
        begun?;
        Ok(LoginTokens { poll: plain(&poll), grant: plain(&grant) })
    }

    /// What the login is for, as long as it can be granted; else [`Error::NotFound`].
    pub async fn login_to_grant(&self, grant: &str) -> Result<String, Error> {
        let secret = AppSecret::parse(grant).ok_or(Error::NotFound)?;
        let found = login_flows::by_grant(&mut *self.store.read().await?, &secret.hash(), self.now()).await?;
        Ok(found.ok_or(Error::NotFound)?.label)
    }

    /// Grants a login, with the password of the account: an app password cannot make another one.
    /// Errors as [`Domain::login_basic`]; [`Error::NotFound`] if it ended or was granted already.
    pub async fn grant_login(&self, grant: &str, name: &str, password: &str, client: IpAddr) -> Result<(), Error> {
        let secret = AppSecret::parse(grant).ok_or(Error::NotFound)?;
        // Without a login to grant, a password is not even looked at.
        self.login_to_grant(grant).await?;
        let user = self.check_account(name, password, client).await?;
        let now = self.now();
        self.transact(move |tx| {
            Box::pin(async move {
                let flow = login_flows::by_grant(tx, &secret.hash(), now).await?.ok_or(Error::NotFound)?;
                let granted = login_flows::grant(tx, flow.id, user.id).await?;
                if granted { Ok(()) } else { Err(Error::NotFound) }
            })
        })
        .await
    }

    /// The outcome, once; [`Error::NotFound`] until it is granted, and afterwards.
    pub async fn collect_login(&self, poll: &str) -> Result<Collected, Error> {
        let secret = AppSecret::parse(poll).ok_or(Error::NotFound)?;
        let now = self.now();
        let found = login_flows::by_poll(&mut *self.store.read().await?, &secret.hash(), now).await?;
        // Nearly always it is not granted yet: that needs no transaction.
        if found.is_none_or(|flow| flow.user.is_none()) {
            return Err(Error::NotFound);
        }
        let made = AppSecret::random()?;
        let id = AppPasswordId(self.ids.next(now));
        let made_hash = made.hash();
        let user = self
            .transact(move |tx| {
                Box::pin(async move {
                    let flow = login_flows::by_poll(tx, &secret.hash(), now).await?.ok_or(Error::NotFound)?;
                    login_flows::remove(tx, flow.id).await?;
                    let user = accounts::by_id(tx, flow.user.ok_or(Error::NotFound)?).await?;
                    let user = user.filter(|user| !user.disabled).ok_or(Error::NotFound)?;
                    insert(tx, &user, id, flow.label, made_hash, now).await?;
                    Ok(user)
                })
            })
            .await?;
        Ok(Collected { user: user.name, app_password: made.reveal() })
    }

    /// An app password named after the program, for the password of an account: what `getapppassword` and the first
    /// version of the login flow do.
    pub async fn exchange_password(
        &self,
        name: &str,
        password: &str,
        program: &str,
        client: IpAddr,
    ) -> Result<Collected, Error> {
        let user = self.check_account(name, password, client).await?;
        let made = AppSecret::random()?;
        let now = self.now();
        let (id, hash, label) = (AppPasswordId(self.ids.next(now)), made.hash(), label(program));
        let login_name = user.name.clone();
        let inserted: Result<(), Error> =
            self.transact(move |tx| Box::pin(async move { insert(tx, &user, id, label, hash, now).await })).await;
        inserted?;
        Ok(Collected { user: login_name, app_password: made.reveal() })
    }

    async fn check_account(&self, name: &str, password: &str, client: IpAddr) -> Result<User, Error> {
        let login = self.check_password(name, password, client, Entrance::Api).await?;
        if login.app_password.is_some() {
            return Err(Refusal::AppPassword.into());
        }
        Ok(login.user)
    }
}

impl Credentials {
    /// Login name and password, if that is what they are.
    #[must_use]
    pub fn basic(&self) -> Option<(&str, &str)> {
        match self {
            Self::Basic { name, password } => Some((name, password)),
            Self::Bearer(_) => None,
        }
    }
}

async fn insert(
    tx: &mut Tx,
    user: &User,
    id: AppPasswordId,
    label: String,
    secret_hash: String,
    now: Timestamp,
) -> Result<(), Error> {
    let made = AppPassword {
        id,
        user: user.id,
        label,
        secret_hash,
        space: None,
        create_only: false,
        created_at: now,
        last_used_at: None,
        wipe_asked_at: None,
    };
    Ok(accounts::insert_app_password(tx, &made).await?)
}

/// A secret for programs only needs no dashes.
fn plain(secret: &AppSecret) -> String {
    secret.reveal().replace('-', "")
}

/// What a program says it is, as far as it can be shown and stored.
fn label(program: &str) -> String {
    let shown: String = program.chars().filter(|c| !c.is_control()).take(LONGEST_LABEL).collect();
    let shown = shown.trim();
    if shown.is_empty() { UNNAMED.to_owned() } else { shown.to_owned() }
}
