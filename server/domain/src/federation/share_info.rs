//! What a Nextcloud asks before it gives a share up (facts, section 5.4): does it still exist? It deletes its own side for
//! good on a wrong answer, so a share is called gone only where it was taken back or has run out.

use crate::auth::{ShareCredential, secret_hash};
use crate::share_access::open;
use crate::{Domain, Error, Item, Scope};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::net::IpAddr;
use stitchbox_schema::sharing::ShareRights;
use stitchbox_store::shares::{self, Share};
use stitchbox_store::{Connection, federated, items, share_access};

/// Most items told at once.
const MOST: usize = 10_000;
/// Deepest level told.
const DEEPEST: u32 = 64;

/// What exists behind a token or secret.
#[derive(Debug, Clone)]
pub struct ShareInfo {
    /// The item.
    pub item: Item,
    /// Bits: 1 read, 2 update, 4 create, 8 delete, 16 share.
    pub permissions: u32,
    /// What lies in it, as far as was asked.
    pub children: Option<Vec<ShareInfo>>,
}

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum NoShareInfo {
    /// It was taken back, or has run out.
    #[error("the share was taken back or has ended")]
    Gone,
    /// The link has another password.
    #[error("the password is wrong")]
    Password,
    /// Nothing is known of it, which does not mean that it never was: a database may have been restored.
    #[error("nothing is known of this share here")]
    Unknown,
    /// We cannot tell.
    #[error("{0}")]
    Own(#[from] Error),
}

impl From<stitchbox_store::StoreError> for NoShareInfo {
    fn from(error: stitchbox_store::StoreError) -> Self {
        Self::Own(error.into())
    }
}

impl Domain {
    /// Tells what is shared by the token of a link or the secret of a federated share: the item with what lies `depth`
    /// levels below it, everything for `None`.
    pub async fn share_info(
        &self,
        token: &str,
        password: Option<&str>,
        depth: Option<u32>,
        client: IpAddr,
    ) -> Result<ShareInfo, NoShareInfo> {
        let hash = secret_hash(token);
        let token = token.replace('\0', "");
        let now = self.now();
        let mut db = self.store.read().await?;
        let share = match shares::by_token(&mut db, &token).await? {
            Some(share) => Some(share),
            None => {
                let row = match federated::by_secret_hash(&mut db, &hash).await? {
                    Some(row) => Some(row),
                    None => federated::by_token_hash(&mut db, &hash, now).await?,
                };
                match row {
                    Some(row) => shares::by_id(&mut db, row.share).await?,
                    None => None,
                }
            }
        };
        let Some(share) = share else {
            let ended = share_access::has_ended(&mut db, &hash).await?;
            drop(db);
            self.slow_down(client).await?;
            return Err(if ended { NoShareInfo::Gone } else { NoShareInfo::Unknown });
        };
        if share.expires_at.is_some_and(|end| end <= now) {
            return Err(NoShareInfo::Gone);
        }
        if share.password_hash.is_some() {
            drop(db);
            let credential = ShareCredential::Link { token, password: password.map(str::to_owned) };
            match self.login_share(credential, client).await {
                // Trashed for now, say: the share exists.
                Ok(_) | Err(Error::NotFound) => {}
                Err(Error::Unauthenticated) => return Err(NoShareInfo::Password),
                Err(error) => return Err(error.into()),
            }
            db = self.store.read().await?;
        }
        let item = items::by_id(&mut db, share.item).await?.ok_or(NoShareInfo::Unknown)?;
        // It exists, and may open nothing all the same: what lies in it is then told no more than by WebDAV.
        let opens = match share_access::by_id(&mut db, share.id).await? {
            Some(grant) => match open(&mut db, grant, Scope::default(), now).await {
                Ok(_) => true,
                Err(Error::NotFound) => false,
                Err(error) => return Err(error.into()),
            },
            None => false,
        };
        let mut left = if share.upload_only || !opens { 0 } else { MOST };
        Ok(tell(&mut db, &share, item, depth.unwrap_or(DEEPEST).min(DEEPEST), &mut left).await?)
    }
}

fn tell<'a>(
    db: &'a mut Connection,
    share: &'a Share,
    item: Item,
    depth: u32,
    left: &'a mut usize,
) -> BoxFuture<'a, Result<ShareInfo, Error>> {
    async move {
        let rights = ShareRights { role: share.role, may_reshare: share.may_reshare, upload_only: share.upload_only };
        let mut permissions = rights.bits(item.is_folder());
        if item.run.is_some() {
            permissions &= ShareRights::READ | ShareRights::DELETE | ShareRights::SHARE;
        }
        let mut children = None;
        if item.is_folder() && depth > 0 {
            let mut told = Vec::new();
            for child in items::children_page(db, item.id, None, i64::try_from(*left).unwrap_or(0)).await? {
                if *left == 0 {
                    break;
                }
                *left -= 1;
                told.push(tell(db, share, child, depth - 1, left).await?);
            }
            children = Some(told);
        }
        Ok(ShareInfo { item, permissions, children })
    }
    .boxed()
}
