//! Passwords that were right a short while ago, kept as MACs: argon2 once per client, not once per request.

use super::Fingerprint;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use stitchbox_schema::UserId;
use stitchbox_store::accounts::User;

/// How long a verified password is remembered after its last use. Whoever works is not asked again, and so not slowed
/// down by somebody else's guesses; whether the password still holds is looked up at every use anyway.
const LIFETIME: Duration = Duration::from_secs(5 * 60);
/// Most passwords remembered.
const MOST_ENTRIES: usize = 10_000;

/// Whose password it was, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) user: UserId,
    password: [u8; 32],
}

impl Remembered {
    pub(crate) fn new(user: &User) -> Self {
        Self { user: user.id, password: digest(user) }
    }

    /// Whether the user still has the password this was remembered for.
    pub(crate) fn is_of(&self, user: &User) -> bool {
        self.user == user.id && self.password == digest(user)
    }
}

fn digest(user: &User) -> [u8; 32] {
    Sha256::digest(user.password_hash.as_deref().unwrap_or_default()).into()
}

/// Bounded; an entry ends when nobody used it for its time.
#[derive(Debug)]
pub(crate) struct CredentialCache<T = Remembered> {
    entries: Mutex<HashMap<Fingerprint, (T, Instant)>>,
}

impl<T> Default for CredentialCache<T> {
    fn default() -> Self {
        Self { entries: Mutex::default() }
    }
}

impl<T: Copy> CredentialCache<T> {
    pub(crate) fn get(&self, credentials: &Fingerprint, now: Instant) -> Option<T> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (remembered, until) = entries.get_mut(credentials).filter(|(_, until)| now < *until)?;
        *until = now + LIFETIME;
        Some(*remembered)
    }

    pub(crate) fn put(&self, credentials: Fingerprint, remembered: T, now: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST_ENTRIES {
            entries.retain(|_, (_, until)| now < *until);
        }
        if entries.len() >= MOST_ENTRIES {
            // All are fresh, and being forgotten costs one of them one hash: no need to find the oldest.
            let victim = entries.keys().next().copied();
            victim.and_then(|victim| entries.remove(&victim));
        }
        entries.insert(credentials, (remembered, now + LIFETIME));
    }

    pub(crate) fn forget(&self, credentials: &Fingerprint) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(credentials);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(user: i64) -> Remembered {
        Remembered { user: UserId(user), password: [0; 32] }
    }

    #[test]
    fn an_entry_ends_when_it_was_not_used_for_its_time() {
        let cache = CredentialCache::<Remembered>::default();
        let now = Instant::now();
        cache.put([1; 32], remembered(1), now);
        let used = now + LIFETIME - Duration::from_secs(1);
        assert_eq!(cache.get(&[1; 32], used), Some(remembered(1)));
        assert_eq!(cache.get(&[1; 32], used + LIFETIME), None);
        assert_eq!(cache.get(&[2; 32], now), None);
        cache.forget(&[1; 32]);
        assert_eq!(cache.get(&[1; 32], now), None);
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_the_newest() {
        let cache = CredentialCache::<Remembered>::default();
        let now = Instant::now();
        let mut key = [0; 32];
        for number in 0..MOST_ENTRIES as u64 + 100 {
            key[..8].copy_from_slice(&number.to_le_bytes());
            cache.put(key, remembered(1), now);
        }
        assert_eq!(cache.entries.lock().unwrap().len(), MOST_ENTRIES);
        assert!(cache.get(&key, now).is_some());
    }
}
