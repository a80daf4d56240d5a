//! How often one network may call: enough for the busiest honest site, too little to fill a database.

use super::CallRefusal;
use crate::Domain;
use crate::auth::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Calls at once.
const BURST: f64 = 300.0;
/// Calls a second, for as long as one likes.
const RATE: f64 = 10.0;
/// Networks remembered.
const MOST: usize = 20_000;

/// What is left to each network, and when that was counted.
#[derive(Debug, Default)]
pub(crate) struct CallLimits(Mutex<HashMap<[u8; 8], (f64, Instant)>>);

impl CallLimits {
    /// Counts a call; seconds to wait if it is one too many.
    fn take(&self, client: IpAddr, now: Instant) -> Result<(), u64> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= MOST {
            counted.retain(|_, (left, at)| *left + now.saturating_duration_since(*at).as_secs_f64() * RATE < BURST);
        }
        let (left, at) = counted.entry(network(client)).or_insert((BURST, now));
        *left = (*left + now.saturating_duration_since(*at).as_secs_f64() * RATE).min(BURST);
        *at = now;
        if *left < 1.0 {
            return Err(((1.0 - *left) / RATE).ceil() as u64);
        }
        *left -= 1.0;
        Ok(())
    }
}

impl Domain {
    /// Counts a call of a peer. [`CallRefusal::TooMany`] if it is one too many, [`CallRefusal::Off`] without federation.
    pub fn admit_call(&self, client: IpAddr) -> Result<(), CallRefusal> {
        let site = self.federation.as_ref().ok_or(CallRefusal::Off)?;
        site.limits.take(client, Instant::now()).map_err(|seconds| CallRefusal::TooMany { seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_address_that_calls_too_often_waits_and_others_do_not() {
        let limits = CallLimits::default();
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let now = Instant::now();
        assert_eq!((0..400).filter(|_| limits.take(one, now).is_ok()).count(), 300);
        assert_eq!(limits.take(one, now), Err(1));
        assert!(limits.take(other, now).is_ok());
        let later = now + Duration::from_secs(2);
        assert_eq!((0..400).filter(|_| limits.take(one, later).is_ok()).count(), 20);
    }

    #[test]
    fn who_has_a_network_of_addresses_calls_no_more_often_with_them() {
        let (limits, now) = (CallLimits::default(), Instant::now());
        let of_one = |number: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, number]);
        assert_eq!((0..400).filter(|number| limits.take(of_one(*number), now).is_ok()).count(), 300);
        assert!(limits.take([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1].into(), now).is_ok());
    }
}
