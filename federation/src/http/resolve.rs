//! Names to addresses: resolved once, refused when inside, pinned so that a name cannot point elsewhere a moment later.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::reach::{Reach, reach_of};

/// Most names that are pinned at once.
const MOST_PINS: usize = 4096;

/// Why a name or address is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Forbidden(pub(super) &'static str);

/// Whether an address may be called.
pub(super) fn check(address: IpAddr, allow_inside: bool) -> Result<(), Forbidden> {
    match reach_of(address) {
        Reach::Public => Ok(()),
        Reach::Inside(_) if allow_inside => Ok(()),
        Reach::Inside(why) | Reach::Nowhere(why) => Err(Forbidden(why)),
    }
}

/// The resolver of one client.
#[derive(Debug, Clone)]
pub(super) struct Pinned {
    allow_inside: bool,
    pin_for: Duration,
    pins: std::sync::Arc<Mutex<HashMap<String, Pin>>>,
}

#[derive(Debug, Clone)]
struct Pin {
    addresses: Vec<SocketAddr>,
    until: Instant,
}

impl Pinned {
    pub(super) fn new(allow_inside: bool, pin_for: Duration) -> Self {
        Self { allow_inside, pin_for, pins: std::sync::Arc::default() }
    }

    /// The name is resolved anew at its next call.
    pub(super) fn forget(&self, name: &str) {
        self.pins().remove(&name.to_ascii_lowercase());
    }

    fn pins(&self) -> MutexGuard<'_, HashMap<String, Pin>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pinned(&self, name: &str) -> Option<Vec<SocketAddr>> {
        let pins = self.pins();
        let pin = pins.get(name)?;
        (pin.until > Instant::now()).then(|| pin.addresses.clone())
    }

    fn pin(&self, name: String, addresses: &[SocketAddr]) {
        let mut pins = self.pins();
        let now = Instant::now();
        if pins.len() >= MOST_PINS {
            pins.retain(|_, pin| pin.until > now);
        }
        if pins.len() >= MOST_PINS {
            pins.clear();
        }
        pins.insert(name, Pin { addresses: addresses.to_vec(), until: now + self.pin_for });
    }

    async fn addresses(self, name: String) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
        let name = name.to_ascii_lowercase();
        if let Some(addresses) = self.pinned(&name) {
            return Ok(Box::new(addresses.into_iter()));
        }
        let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.take(16).collect();
        let mut refused = Forbidden("its name has no address");
        let mut good = Vec::new();
        for address in found {
            match check(address.ip(), self.allow_inside) {
                Ok(()) => good.push(address),
                Err(why) => refused = why,
            }
        }
        if good.is_empty() {
            return Err(Box::new(refused));
        }
        self.pin(name, &good);
        Ok(Box::new(good.into_iter()))
    }
}

impl Resolve for Pinned {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(self.clone().addresses(name.as_str().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_is_inside_is_refused_and_one_allowed_is_pinned() {
        let strict = Pinned::new(false, Duration::from_secs(60));
        assert!(strict.clone().addresses("localhost".into()).await.is_err());
        assert!(strict.pins().is_empty());
        let open = Pinned::new(true, Duration::from_secs(60));
        assert!(open.clone().addresses("LocalHost".into()).await.unwrap().all(|a| a.ip().is_loopback()));
        assert!(open.pinned("localhost").is_some());
        // a pinned name is not asked for again: another address stands in for what DNS would say now
        let other: SocketAddr = "192.0.2.7:0".parse().unwrap();
        open.pin("localhost".into(), &[other]);
        assert_eq!(open.clone().addresses("localhost".into()).await.unwrap().collect::<Vec<_>>(), [other]);
        open.forget("LOCALHOST");
        assert!(open.pinned("localhost").is_none());
    }
}
