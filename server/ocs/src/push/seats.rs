//! How many may listen at once, together and each person.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stitchbox_schema::UserId;

/// Most open connections.
const MOST: usize = 4000;
/// Most of one person: many devices, and browsers with many tabs.
const MOST_OF_ONE: usize = 64;

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of: HashMap<UserId, usize>,
}

/// The seats. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seats(Arc<Mutex<Taken>>);

/// One seat, free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    user: Option<UserId>,
}

impl Seats {
    /// A seat for somebody not known yet; `None` if all are taken.
    pub(crate) fn take(&self) -> Option<Seat> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= MOST {
            return None;
        }
        taken.all += 1;
        Some(Seat { seats: self.clone(), user: None })
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Seat {
    /// Now it is known who sits here; `None` if this person has too many.
    pub(crate) fn belongs_to(mut self, user: UserId) -> Option<Self> {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.of.entry(user).or_default();
        if *count >= MOST_OF_ONE {
            drop(taken);
            return None;
        }
        *count += 1;
        drop(taken);
        self.user = Some(user);
        Some(self)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(user) = self.user
            && let Some(count) = taken.of.get_mut(&user)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.of.remove(&user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_counted_and_given_back() {
        let seats = Seats::default();
        let mut of_one: Vec<Seat> =
            (0..MOST_OF_ONE).map(|_| seats.take().unwrap().belongs_to(UserId(1)).unwrap()).collect();
        assert!(seats.take().unwrap().belongs_to(UserId(1)).is_none());
        assert_eq!(seats.taken(), MOST_OF_ONE, "the refused one is free again");
        assert!(seats.take().unwrap().belongs_to(UserId(2)).is_some());
        of_one.pop();
        assert!(seats.take().unwrap().belongs_to(UserId(1)).is_some());
        drop(of_one);
        let all: Vec<_> = (0..MOST).map(|_| seats.take().unwrap()).collect();
        assert!(seats.take().is_none());
        drop(all);
        assert_eq!((seats.taken(), seats.0.lock().unwrap().of.len()), (0, 0));
    }
}
