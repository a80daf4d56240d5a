//! What a browser keeps instead of the password of a link: sealed, bound to the link and its password, and short-lived.

use super::{ShareCredential, secret_hash};
use crate::seal::Sealed;
use crate::{Domain, Error};
use std::net::IpAddr;
use std::time::Duration;
use stitchbox_schema::ShareId;
use stitchbox_store::share_access;

/// How long it holds.
pub const LINK_PASS_LIFETIME: Duration = Duration::from_secs(60 * 60);

impl Domain {
    /// Checks the password of a link, and gives what stands for it for an hour in [`ShareCredential::Pass`]; nothing for a
    /// link without a password. Errors as [`Domain::login_share`].
    pub async fn link_pass(&self, token: &str, password: &str, client: IpAddr) -> Result<Option<String>, Error> {
        let shown = ShareCredential::Link { token: token.to_owned(), password: Some(password.to_owned()) };
        self.login_share(shown, client).await?;
        let grant = share_access::by_token(&mut *self.store.read().await?, token).await?.ok_or(Error::NotFound)?;
        let Some(stored) = &grant.password_hash else { return Ok(None) };
        let until = self.now().after(LINK_PASS_LIFETIME).unix_seconds();
        let text = format!("{until} {}", secret_hash(stored));
        Ok(Some(self.seal.seal(Sealed::LinkPass, grant.id.0, &text)?))
    }

    /// Whether it was given for this password of this link, and holds.
    pub(super) fn pass_fits(&self, pass: &str, share: ShareId, stored: &str) -> bool {
        let Ok(text) = self.seal.open(Sealed::LinkPass, share.0, pass) else { return false };
        let Some((until, hash)) = text.split_once(' ') else { return false };
        let holds = until.parse::<i64>().is_ok_and(|until| until > self.now().unix_seconds());
        holds && hash == secret_hash(stored)
    }
}
