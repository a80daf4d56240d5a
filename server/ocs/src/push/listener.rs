//! One person who listens: changes of the spaces the person is in, as long as the login holds.

use super::pulse::{Batch, Pulse};
use crate::caller::Shown;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use stitchbox_domain::{Domain, Error, PlaceChanged, Principal};
use stitchbox_schema::{ItemId, SpaceId};
use tokio::sync::broadcast::{self, error::RecvError};

/// How often to ask whether the login still holds, and which spaces there are.
const CHECK_AGAIN: Duration = Duration::from_secs(30);

/// A change the person may know of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) place: PlaceChanged,
    /// The root of its space.
    pub(crate) root: ItemId,
}

/// What is heard at once.
#[derive(Debug)]
pub(crate) enum News {
    /// These, and nothing else.
    Changes(Vec<Heard>),
    /// Too many to be told one by one.
    Anything,
}

/// An open ear.
#[derive(Debug)]
pub(crate) struct Listener {
    domain: Domain,
    shown: Shown,
    batches: broadcast::Receiver<Batch>,
    spaces: HashMap<SpaceId, ItemId>,
    checked: Instant,
}

impl Listener {
    /// Logs in and begins to listen.
    pub(crate) async fn new(domain: &Domain, pulse: &Pulse, shown: Shown) -> Result<(Self, Principal), Error> {
        let principal = shown.check(domain).await?;
        let batches = pulse.listen().await?;
        let spaces = spaces(domain, &principal).await?;
        let listener = Self { domain: domain.clone(), shown, batches, spaces, checked: Instant::now() };
        Ok((listener, principal))
    }

    /// The next news; [`Error::Unauthenticated`] when the login ended. Dropping it half-way loses nothing.
    pub(crate) async fn news(&mut self) -> Result<News, Error> {
        loop {
            let until_check = CHECK_AGAIN.saturating_sub(self.checked.elapsed());
            let received = tokio::time::timeout(until_check, self.batches.recv()).await;
            match received {
                Err(_) => self.check().await?,
                Ok(Err(RecvError::Lagged(_))) => return Ok(News::Anything),
                // The sender lives as long as the server.
                Ok(Err(RecvError::Closed)) => return Err(Error::Unauthenticated),
                Ok(Ok(batch)) => {
                    let heard = |place: &PlaceChanged| {
                        self.spaces.get(&place.space).map(|root| Heard { place: *place, root: *root })
                    };
                    let heard: Vec<_> = batch.iter().filter_map(heard).collect();
                    if !heard.is_empty() {
                        return Ok(News::Changes(heard));
                    }
                }
            }
        }
    }

    async fn check(&mut self) -> Result<(), Error> {
        let principal = self.shown.check(&self.domain).await?;
        self.spaces = spaces(&self.domain, &principal).await?;
        self.checked = Instant::now();
        Ok(())
    }
}

async fn spaces(domain: &Domain, principal: &Principal) -> Result<HashMap<SpaceId, ItemId>, Error> {
    let entered = domain.spaces_of(principal).await?;
    Ok(entered.into_iter().map(|membership| (membership.space.id, membership.space.root)).collect())
}
