//! One at a time per key: of many requests with the same password, the first checks it and the others find its result.

use super::Fingerprint;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Mutex as Queue, OwnedMutexGuard};

/// The keys in use now; an entry lives as long as somebody holds or waits for its turn.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    queues: Mutex<HashMap<Fingerprint, Arc<Queue<()>>>>,
}

/// The turn of one key; ends when dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    key: Fingerprint,
    queue: Option<Arc<Queue<()>>>,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until nobody else has the turn of this key.
    pub(crate) async fn take(&self, key: Fingerprint) -> Turn<'_> {
        let queue = Arc::clone(self.queues.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
        // Made before waiting, so that a caller who gives up leaves nothing behind.
        let mut turn = Turn { turns: self, key, queue: Some(Arc::clone(&queue)), held: None };
        turn.held = Some(queue.lock_owned().await);
        turn
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.held = None;
        self.queue = None;
        let mut queues = self.turns.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.get(&self.key).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            queues.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn turns_of_one_key_exclude_each_other_and_leave_nothing_behind() {
        let turns = Turns::default();
        let first = turns.take([1; 32]).await;
        let _other = turns.take([2; 32]).await;
        let second = tokio::time::timeout(Duration::from_millis(20), turns.take([1; 32])).await;
        assert!(second.is_err(), "the first still has it");
        drop(first);
        drop(turns.take([1; 32]).await);
        drop(_other);
        assert!(turns.queues.lock().unwrap().is_empty());
    }
}
