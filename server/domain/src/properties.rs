//! Dead properties and times: what clients attach to items.

use crate::access::enter_at;
use crate::guard::{self, Guarded};
use crate::read::resolve;
use crate::tree::{Act, refuse_creators};
use crate::{Action, Conditions, Domain, Error, Excess, Item, Location, Membership, Principal};
use stitchbox_schema::{Cursor, ItemId, Timestamp};
use stitchbox_store::changes::ChangeKind;
use stitchbox_store::properties::{self, Property};
use stitchbox_store::{Tx, items};

/// Longest value of a property, bytes.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;
/// Most properties of an item.
pub const MAX_PROPERTIES: usize = 100;
/// Most bytes of all values of an item: listings hold those of a page in memory.
pub const MAX_VALUES_BYTES: usize = 256 * 1024;

/// One step of a change of properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyChange {
    /// Give it this value.
    Set(Property),
    /// Take it away, if it is there.
    Remove {
        /// XML namespace.
        namespace: String,
        /// Local name.
        name: String,
    },
    /// Give the item this modification time.
    Mtime(Timestamp),
}

impl Domain {
    /// The dead properties of an item.
    pub async fn properties(&self, item: &Item) -> Result<Vec<Property>, Error> {
        Ok(properties::of_item(&mut *self.store.read().await?, item.id).await?)
    }

    /// The dead properties of the items of a page of a listing: names after `after` up to `last`.
    pub async fn properties_of_page(
        &self,
        membership: &Membership,
        folder: &Item,
        after: Option<&str>,
        last: &str,
    ) -> Result<Vec<(ItemId, Property)>, Error> {
        membership.check(Action::Read, folder)?;
        Ok(properties::of_page(&mut *self.store.read().await?, folder.id, after, last).await?)
    }

    /// Applies all steps in order, or none.
    pub async fn change_properties(
        &self,
        principal: &Principal,
        at: &Location,
        steps: Vec<PropertyChange>,
        conditions: &Conditions,
    ) -> Result<(), Error> {
        let sets = |step: &PropertyChange| matches!(step, PropertyChange::Set(_));
        let too_long = |step: &PropertyChange| match step {
            PropertyChange::Set(property) => property.value.len() > MAX_VALUE_BYTES,
            PropertyChange::Remove { .. } | PropertyChange::Mtime(_) => false,
        };
        if steps.iter().any(too_long) {
            return Err(Excess::PropertyValue.into());
        }
        let grows = steps.iter().any(sets);
        let (principal, at, conditions, now) = (principal.clone(), at.clone(), conditions.clone(), self.now());
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let item = writable(tx, &principal, &at, &conditions, now).await?;
                // First: it gives the root of a space the time of the change, which a step may set otherwise.
                touched(tx, &principal, &item, now).await?;
                for step in &steps {
                    match step {
                        PropertyChange::Mtime(mtime) => items::set_mtime(tx, item.id, *mtime).await?,
                        PropertyChange::Set(property) => properties::set(tx, item.id, property).await?,
                        PropertyChange::Remove { namespace, name } => {
                            properties::remove(tx, item.id, namespace, name).await?;
                        }
                    }
                }
                if grows { refuse_excess(tx, item.id).await } else { Ok(()) }
            })
        });
        work.await?;
        self.announce();
        Ok(())
    }
}

async fn refuse_excess(tx: &mut Tx, item: ItemId) -> Result<(), Error> {
    let kept = properties::of_item(tx, item).await?;
    let bytes: usize = kept.iter().map(|property| property.value.len()).sum();
    if kept.len() > MAX_PROPERTIES || bytes > MAX_VALUES_BYTES { Err(Excess::Properties.into()) } else { Ok(()) }
}

async fn writable(
    tx: &mut Tx,
    principal: &Principal,
    at: &Location,
    conditions: &Conditions,
    now: Timestamp,
) -> Result<Item, Error> {
    refuse_creators(principal)?;
    let membership = enter_at(tx, principal, at, now).await?;
    let item = resolve(tx, membership.space.root, &at.path).await?;
    membership.check(Action::Write, &item)?;
    guard::check(tx, principal, now, conditions, &[Guarded::item_at(at, &item)]).await?;
    Ok(item)
}

/// The item's folder shows a change; the root of a space has none and changes itself.
pub(crate) async fn touched(tx: &mut Tx, principal: &Principal, item: &Item, at: Timestamp) -> Result<Cursor, Error> {
    let act = Act { actor: principal.actor(), run: None, at };
    let seen_in = item.parent.unwrap_or(item.id);
    let cursor = act.append(tx, ChangeKind::Touched, item, seen_in, 0).await?;
    if item.is_folder() {
        items::set_last_change(tx, item.id, cursor).await?;
    }
    Ok(cursor)
}
