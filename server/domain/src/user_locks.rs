//! Locks a person takes on a file, not a program: they show no token and never stop their holder's own clients.

use crate::access::enter_at;
use crate::guard;
use crate::locks::refuse_conflict;
use crate::tree::{refuse_creators, spot};
use crate::{Action, Domain, Error, Location, Principal};
use std::time::Duration;
use stitchbox_schema::{Role, Timestamp};
use stitchbox_store::Tx;
use stitchbox_store::locks::{self, Lock};

/// How long a person's lock holds unless she takes it again: somebody on holiday does not stop the others for ever.
const USER_LOCK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Domain {
    /// Locks a file for the person herself; again is longer. `token` is fresh and becomes the lock's name.
    pub async fn lock_for_person(&self, principal: &Principal, at: &Location, token: String) -> Result<Lock, Error> {
        let (principal, at, now) = (principal.clone(), at.clone(), self.now());
        self.transact(move |tx| {
            Box::pin(async move {
                refuse_creators(&principal)?;
                let spot = spot(tx, &principal, &at, now).await?;
                let item = spot.existing()?;
                if item.is_folder() {
                    return Err(Error::IsFolder);
                }
                spot.membership.check(Action::Write, item)?;
                let (timeout_seconds, expires_at) = (i64::try_from(USER_LOCK.as_secs()).ok(), now.after(USER_LOCK));
                locks::remove_expired(tx, now).await?;
                if let Some(own) = of_person_at(tx, &at, now).await?.filter(|lock| principal.holds(lock)) {
                    locks::refresh(tx, &own.token, timeout_seconds, expires_at).await?;
                    return Ok(Lock { timeout_seconds, expires_at, ..own });
                }
                let lock = Lock {
                    token,
                    space: at.space,
                    path: at.path.to_string(),
                    deep: false,
                    exclusive: true,
                    user: principal.user,
                    share: principal.scope.share,
                    owner_xml: String::new(),
                    timeout_seconds,
                    expires_at,
                    of_person: true,
                    taken_at: now,
                };
                refuse_conflict(tx, &lock, now).await?;
                locks::insert(tx, &lock).await?;
                Ok(lock)
            })
        })
        .await
    }

    /// Ends a person's lock on a file: one's own, or, as a manager of the space, anybody's. [`Error::NoSuchLock`] if
    /// there is none.
    pub async fn unlock_for_person(&self, principal: &Principal, at: &Location) -> Result<(), Error> {
        let (principal, at, now) = (principal.clone(), at.clone(), self.now());
        self.transact(move |tx| {
            Box::pin(async move {
                refuse_creators(&principal)?;
                let membership = enter_at(tx, &principal, &at, now).await?;
                let lock = of_person_at(tx, &at, now).await?.ok_or(Error::NoSuchLock)?;
                if !principal.holds(&lock) && membership.role < Role::Manager {
                    return Err(guard::locked(tx, &lock).await?);
                }
                locks::remove(tx, &lock.token).await?;
                Ok(())
            })
        })
        .await
    }
}

async fn of_person_at(tx: &mut Tx, at: &Location, now: Timestamp) -> Result<Option<Lock>, Error> {
    let path = at.path.to_string();
    let held = locks::of_space(tx, at.space, now).await?;
    Ok(held.into_iter().find(|lock| lock.of_person && lock.path == path))
}
