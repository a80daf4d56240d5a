//! Password hashing with argon2id, a few at a time.

use crate::Error;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use std::sync::Arc;
use stitchbox_store::StoreError;
use tokio::sync::Semaphore;

/// Hashes computed at once. Each takes 19 MiB, so this bounds the memory of a storm of logins.
const SLOTS: usize = 2;
/// Fewest characters of an account password.
const SHORTEST: usize = 8;
/// What is verified for a user who does not exist, so that it takes as long as for one who does. No password fits.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3RpdGNoYm94ZGVjb3k1NQ$c3RpdGNoYm94L25vYm9keS9rbm93cy90aGlzL3NlY3I";

/// Hashes and verifies account passwords.
#[derive(Debug)]
pub(crate) struct Passwords {
    slots: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(SLOTS)) }
    }
}

impl Passwords {
    /// The PHC text of a new password; [`Error::WeakPassword`] if it is too short.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, Error> {
        if password.chars().count() < SHORTEST {
            return Err(Error::WeakPassword);
        }
        let password = password.to_owned();
        self.blocking(move || Argon2::default().hash_password(password.as_bytes()).ok().map(|hash| hash.to_string()))
            .await
            .flatten()
            .ok_or_else(|| StoreError::NotCommitted("the password could not be hashed; try again".to_owned()).into())
    }

    /// Whether the password fits the stored PHC text. Without one it takes the same time and does not fit.
    pub(crate) async fn verify(&self, password: &str, stored: Option<String>) -> bool {
        let password = password.to_owned();
        let stored = stored.unwrap_or_else(|| DECOY.to_owned());
        let fits = self.blocking(move || {
            let Ok(hash) = PasswordHash::new(&stored) else { return false };
            Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
        });
        fits.await.unwrap_or(false)
    }

    /// `None` only while the program ends. The slot goes with the work: a caller that leaves does not free it early.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        let work = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(slot);
            result
        });
        work.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_fits_its_password_and_no_other() {
        let passwords = Passwords::default();
        let hash = passwords.hash("stable horse").await.unwrap();
        assert!(passwords.verify("stable horse", Some(hash.clone())).await);
        assert!(!passwords.verify("stable house", Some(hash)).await);
        assert!(!passwords.verify("stable horse", None).await);
        assert!(!passwords.verify("stable horse", Some("garbage".to_owned())).await);
        assert!(matches!(passwords.hash("sieben7").await, Err(Error::WeakPassword)));
        assert!(passwords.hash("ünïcödé8").await.is_ok(), "characters count, not bytes");
    }

    #[tokio::test]
    async fn the_decoy_costs_what_a_real_hash_costs() {
        let decoy = PasswordHash::new(DECOY).unwrap();
        let real = Passwords::default().hash("stable horse").await.unwrap();
        let real = PasswordHash::new(&real).unwrap();
        assert_eq!(decoy.algorithm, real.algorithm);
        assert_eq!(decoy.params, real.params);
        let lengths = |hash: &PasswordHash| (hash.salt.map(|salt| salt.len()), hash.hash.map(|output| output.len()));
        assert_eq!(lengths(&decoy), lengths(&real));
    }
}
