//! One person who listens: changes of the spaces the person is in and of what is shared with them, as long as the login
//! holds.

use super::pulse::{Batch, Pulse};
use crate::caller::Shown;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use stitchbox_domain::{Domain, Error, PlaceChanged, Principal};
use stitchbox_schema::{ItemId, SpaceId};
use tokio::sync::broadcast::{self, error::RecvError};

/// How often to ask whether the login still holds, and which spaces there are.
const CHECK_AGAIN: Duration = Duration::from_secs(30);

/// Most changes of one look that are asked whether they lie in something shared; more are told as anything.
const MOST_ASKED: usize = 64;

/// A change the person may know of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) place: PlaceChanged,
    /// The root of its space, or what is shared.
    pub(crate) root: ItemId,
}

/// What a person hears of.
#[derive(Debug, Default)]
struct Heeded {
    /// Spaces with their roots.
    spaces: HashMap<SpaceId, ItemId>,
    /// What is shared with the person, by the space it lies in.
    shared: HashMap<SpaceId, Vec<ItemId>>,
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
    /// Who it is, where what was shown is valid for the opening alone.
    opened_by: Option<Principal>,
    batches: broadcast::Receiver<Batch>,
    heeded: Heeded,
    checked: Instant,
}

impl Listener {
    /// Logs in and begins to listen.
    pub(crate) async fn new(domain: &Domain, pulse: &Pulse, shown: Shown) -> Result<(Self, Principal), Error> {
        let principal = shown.check(domain).await?;
        let batches = pulse.listen().await?;
        let heeded = heeded(domain, &principal).await?;
        let (domain, checked) = (domain.clone(), Instant::now());
        let listener = Self { domain, shown, opened_by: None, batches, heeded, checked };
        Ok((listener, principal))
    }

    /// As [`Listener::new`] with a token that ends long before the connection, which whoever holds it must end: it is
    /// not asked for again, but the account and its spaces are.
    pub(crate) async fn opened_by_token(
        domain: &Domain,
        pulse: &Pulse,
        shown: Shown,
    ) -> Result<(Self, Principal), Error> {
        let (listener, principal) = Self::new(domain, pulse, shown).await?;
        Ok((Self { opened_by: Some(principal.clone()), ..listener }, principal))
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
                    let heard = self.heard(&batch).await?;
                    let Some(heard) = heard else { return Ok(News::Anything) };
                    // What the top of somebody's files shows changed: something was shared, or is no more.
                    if heard.iter().any(|heard| heard.place.item == heard.root) {
                        self.check().await?;
                    }
                    if !heard.is_empty() {
                        return Ok(News::Changes(heard));
                    }
                }
            }
        }
    }

    /// What of a batch the person may know of; `None` if that is too much to find out.
    async fn heard(&self, batch: &Batch) -> Result<Option<Vec<Heard>>, Error> {
        let mut heard = Vec::new();
        let mut asked = 0;
        for place in batch.iter() {
            if let Some(root) = self.heeded.spaces.get(&place.space) {
                heard.push(Heard { place: *place, root: *root });
                continue;
            }
            for top in self.heeded.shared.get(&place.space).into_iter().flatten() {
                asked += 1;
                if asked > MOST_ASKED {
                    return Ok(None);
                }
                if self.domain.is_within(place, *top).await? {
                    // Folders outside of what is shared are nobody's business.
                    let place = PlaceChanged { folder: None, old_folder: None, ..*place };
                    heard.push(Heard { place, root: *top });
                }
            }
        }
        Ok(Some(heard))
    }

    async fn check(&mut self) -> Result<(), Error> {
        let principal = match &self.opened_by {
            None => self.shown.check(&self.domain).await?,
            Some(known) if self.domain.account(known).await?.disabled => return Err(Error::Unauthenticated),
            Some(known) => known.clone(),
        };
        self.heeded = heeded(&self.domain, &principal).await?;
        self.checked = Instant::now();
        Ok(())
    }
}

async fn heeded(domain: &Domain, principal: &Principal) -> Result<Heeded, Error> {
    let mut heeded = Heeded::default();
    for membership in domain.spaces_of(principal).await? {
        heeded.spaces.insert(membership.space.id, membership.space.root);
    }
    for mounted in domain.mounted(principal).await? {
        // Of a file drop nothing is seen.
        if mounted.membership.via.as_ref().is_none_or(|via| !via.upload_only) {
            heeded.shared.entry(mounted.membership.space.id).or_default().push(mounted.item.id);
        }
    }
    Ok(heeded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;
    use stitchbox_domain::auth::Credentials;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn a_token_opens_for_longer_than_it_lives_but_not_for_who_is_locked_out() {
        let house = House::new().await;
        let token = house.call("POST", "/index.php/apps/notify_push/pre_auth").await.text;
        let client = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let shown = |token: &str| Shown { credentials: Credentials::Bearer(token.to_owned()), client };
        let pulse = Pulse::new(house.domain.clone(), CancellationToken::new());
        let (mut once, _) = Listener::opened_by_token(&house.domain, &pulse, shown(&token)).await.unwrap();
        let (mut always, _) = Listener::new(&house.domain, &pulse, shown(&token)).await.unwrap();
        // What the token is after its 15 seconds: refused.
        once.shown = shown("over");
        always.shown = shown("over");
        assert!(always.check().await.is_err());
        assert!(once.check().await.is_ok());
        house.domain.set_disabled("ada", true).await.unwrap();
        assert!(once.check().await.is_err());
    }
}
