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
    /// Who it is, where what was shown is valid for the opening alone.
    opened_by: Option<Principal>,
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
        let (domain, checked) = (domain.clone(), Instant::now());
        let listener = Self { domain, shown, opened_by: None, batches, spaces, checked };
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
        let principal = match &self.opened_by {
            None => self.shown.check(&self.domain).await?,
            Some(known) if self.domain.account(known).await?.disabled => return Err(Error::Unauthenticated),
            Some(known) => known.clone(),
        };
        self.spaces = spaces(&self.domain, &principal).await?;
        self.checked = Instant::now();
        Ok(())
    }
}

async fn spaces(domain: &Domain, principal: &Principal) -> Result<HashMap<SpaceId, ItemId>, Error> {
    let entered = domain.spaces_of(principal).await?;
    Ok(entered.into_iter().map(|membership| (membership.space.id, membership.space.root)).collect())
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
