//! The keys of this site: made when they are first needed, sealed, rotated by an order. What has retired is still
//! published, so that what it signed can be verified.

use crate::seal::Sealed;
use crate::{Domain, Error};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::{Arc, PoisonError, RwLock};
use stitchbox_federation::keys::{self, KeyError, SigningKey, SiteKeys};
use stitchbox_store::site_keys::{self, KeyKind, SiteKey};
use stitchbox_store::{StoreError, Tx};

/// The rows that keys were read from: ids, and whether they had retired.
type Rows = Vec<(i64, bool)>;

/// The keys as they were read last.
#[derive(Debug, Default)]
pub(crate) struct KeyShelf(RwLock<Option<(Rows, Arc<SiteKeys>)>>);

/// A key of this site, without its private half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedSiteKey {
    /// Its id, as peers see it.
    pub kid: String,
    /// rsa or ed25519.
    pub kind: &'static str,
    /// Whether it signs.
    pub is_active: bool,
    /// When it was made.
    pub created_at: stitchbox_schema::Timestamp,
    /// Since when it does not sign any more.
    pub retired_at: Option<stitchbox_schema::Timestamp>,
}

/// A key that was made and is in no row yet.
struct Made {
    kind: KeyKind,
    pkcs8: String,
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::Store(StoreError::NotCommitted(format!("a key of this site: {error}")))
    }
}

impl Domain {
    /// `https://host[:port]` of this site; empty if none is configured.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.federation.as_ref().map_or("", |federation| federation.origin())
    }

    /// The keys this site signs with, made if there are none yet. Without an origin their ids begin with the name of the
    /// installation.
    pub async fn site_keys(&self) -> Result<Arc<SiteKeys>, Error> {
        let rows = site_keys::all(&mut *self.store.read().await?).await?;
        let both = [KeyKind::Rsa, KeyKind::Ed25519];
        if both.iter().all(|kind| rows.iter().any(|row| row.kind == *kind && row.retired_at.is_none())) {
            return self.read_keys(&rows);
        }
        self.make_keys(false).await?;
        let rows = site_keys::all(&mut *self.store.read().await?).await?;
        self.read_keys(&rows)
    }

    /// Makes new keys; the ones until now retire.
    pub async fn rotate_site_keys(&self) -> Result<Arc<SiteKeys>, Error> {
        self.make_keys(true).await?;
        self.site_keys().await
    }

    /// Every key there was, latest first.
    pub async fn published_keys(&self) -> Result<Vec<PublishedSiteKey>, Error> {
        self.site_keys().await?;
        let rows = site_keys::all(&mut *self.store.read().await?).await?;
        let published = |row: &SiteKey| PublishedSiteKey {
            kid: self.kid(row),
            kind: row.kind.as_str(),
            is_active: row.retired_at.is_none(),
            created_at: row.created_at,
            retired_at: row.retired_at,
        };
        Ok(rows.iter().map(published).collect())
    }

    fn kid(&self, row: &SiteKey) -> String {
        let number = row.name.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(1);
        match (&self.federation, row.kind) {
            // The same for every key: Nextcloud knows one, and reads the key anew when a signature does not fit.
            (Some(federation), KeyKind::Rsa) => keys::rsa_kid(federation.origin(), 1),
            (Some(federation), KeyKind::Ed25519) => keys::ed25519_kid(&federation.host, number),
            (None, KeyKind::Rsa) => format!("{}#signature", self.instance),
            (None, KeyKind::Ed25519) => format!("{}#key{number}", self.instance),
        }
    }

    fn read_keys(&self, rows: &[SiteKey]) -> Result<Arc<SiteKeys>, Error> {
        let ids: Vec<_> = rows.iter().map(|row| (row.id, row.retired_at.is_some())).collect();
        let shelf = self.site_keys.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, keys)) = &*shelf
            && *known == ids
        {
            return Ok(keys.clone());
        }
        drop(shelf);
        let mut active = (None, None);
        let mut others = Vec::new();
        for row in rows {
            match (row.kind, row.retired_at) {
                (KeyKind::Rsa, None) => active.0 = active.0.or(Some(self.open_key(row)?)),
                (KeyKind::Ed25519, None) => active.1 = active.1.or(Some(self.open_key(row)?)),
                (KeyKind::Ed25519, Some(_)) => others.push(self.open_key(row)?.jwk()),
                (KeyKind::Rsa, Some(_)) => {}
            }
        }
        let (Some(rsa), Some(ed25519)) = active else { return Err(KeyError::Unreadable.into()) };
        let keys = Arc::new(SiteKeys { rsa, ed25519, others });
        *self.site_keys.0.write().unwrap_or_else(PoisonError::into_inner) = Some((ids, keys.clone()));
        Ok(keys)
    }

    fn open_key(&self, row: &SiteKey) -> Result<SigningKey, Error> {
        let pkcs8 = self.seal.open(Sealed::SiteKey, row.id, &row.sealed)?;
        let pkcs8 = STANDARD.decode(pkcs8).map_err(|_| KeyError::Unreadable)?;
        let kind = match row.kind {
            KeyKind::Rsa => keys::KeyKind::Rsa,
            KeyKind::Ed25519 => keys::KeyKind::Ed25519,
        };
        Ok(SigningKey::from_pkcs8(kind, self.kid(row), &pkcs8)?)
    }

    /// Both kinds. Without `anew`, a server that was faster wins.
    async fn make_keys(&self, anew: bool) -> Result<(), Error> {
        let make = || {
            [(KeyKind::Rsa, keys::KeyKind::Rsa), (KeyKind::Ed25519, keys::KeyKind::Ed25519)]
                .into_iter()
                .map(|(kind, made)| {
                    let pkcs8 = STANDARD.encode(SigningKey::generate(made, "")?.pkcs8());
                    Ok(Made { kind, pkcs8 })
                })
                .collect::<Result<Vec<_>, KeyError>>()
        };
        // A second of computing.
        let made = tokio::task::spawn_blocking(make).await.map_err(|_| KeyError::NotMade)??;
        let postbox = self.postbox();
        self.transact(move |tx| {
            Box::pin(async move {
                if anew {
                    site_keys::retire_all(tx, postbox.now).await?;
                }
                for made in made {
                    keep(tx, &postbox, &made).await?;
                }
                Ok(())
            })
        })
        .await
    }
}

async fn keep(tx: &mut Tx, postbox: &super::Postbox, made: &Made) -> Result<(), Error> {
    let rows = site_keys::all(tx).await?;
    let same: Vec<_> = rows.iter().filter(|row| row.kind == made.kind).collect();
    if same.iter().any(|row| row.retired_at.is_none()) {
        return Ok(());
    }
    let id = postbox.ids.next(postbox.now);
    let row = SiteKey {
        id,
        name: format!("{}-{}", made.kind.as_str(), same.len() + 1),
        kind: made.kind,
        sealed: postbox.seal.seal(Sealed::SiteKey, id, &made.pkcs8)?,
        created_at: postbox.now,
        retired_at: None,
    };
    Ok(site_keys::insert(tx, &row).await?)
}
