//! The secret in the address of a link.

use crate::Error;
use stitchbox_store::StoreError;

/// Letters and digits: they stand in addresses and in user names unchanged.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// As long as Nextcloud's, which clients read out of addresses: 89 random bits.
const LENGTH: usize = 15;
/// Bytes from here on would favour the first letters.
const FAIR: u8 = 248;

/// A new one.
pub(super) fn random() -> Result<String, Error> {
    let mut token = String::with_capacity(LENGTH);
    while token.len() < LENGTH {
        let mut bytes = [0u8; 2 * LENGTH];
        getrandom::fill(&mut bytes)
            .map_err(|_| StoreError::NotCommitted("the system gives no random numbers; try again".to_owned()))?;
        let fair = bytes.iter().filter(|byte| **byte < FAIR);
        let letters = fair.filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
        token.extend(letters.map(|letter| char::from(*letter)).take(LENGTH - token.len()));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn tokens_are_letters_and_digits_alone_and_all_as_often() {
        let mut counts: HashMap<char, u32> = HashMap::new();
        for _ in 0..4000 {
            let token = random().unwrap();
            assert_eq!(token.len(), LENGTH);
            token.chars().for_each(|letter| *counts.entry(letter).or_default() += 1);
        }
        assert_eq!(counts.len(), 62);
        // 60000 draws of 62: 968 each, standard deviation 31.
        assert!(counts.values().all(|count| (750..1200).contains(count)), "{counts:?}");
    }
}
