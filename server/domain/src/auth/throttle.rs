//! Slowing down who keeps failing, by whatever key the caller counts: exponentially, up to seconds, never a lock-out.
//!
//! Every attempt takes a turn; turns of one client lie further apart the more attempts came before. Who is right clears
//! the record. Attempts whose turn is too far away (many at once) are sent away instead of being kept waiting.

use super::Fingerprint;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Delay after the first attempt that is not free; doubles with each.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// Longest delay between two turns.
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// Longest time a request is kept waiting for its turn.
const PATIENCE: Duration = Duration::from_secs(3);
/// Attempts counted beyond the free ones; by then the delay is the longest.
const MOST_COUNTED: u32 = 6;
/// A client that was quiet this long starts afresh; in as long, as many attempts as are free are forgiven.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10 * 60);
/// Most clients remembered.
const MOST_CLIENTS: usize = 10_000;

#[derive(Debug)]
struct Record {
    attempts: u32,
    next_turn: Instant,
    forgiven: Instant,
    seen: Instant,
}

/// The clients that failed lately.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Attempts before the first delay, at least 1.
    free: u32,
    clients: Mutex<HashMap<Fingerprint, Record>>,
}

impl Throttle {
    pub(crate) fn new(free: u32) -> Self {
        Self { free: free.max(1), clients: Mutex::default() }
    }

    /// Takes the client's next turn: how long to wait for it, or, as an error, how far away it is if that is too long.
    pub(crate) fn take_turn(&self, client: Fingerprint, now: Instant) -> Result<Duration, Duration> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MOST_CLIENTS && !clients.contains_key(&client) {
            make_room(&mut clients, now);
        }
        let new = Record { attempts: 0, next_turn: now, forgiven: now, seen: now };
        let record = clients.entry(client).or_insert(new);
        if now.saturating_duration_since(record.seen) > FORGOTTEN_AFTER {
            record.attempts = 0;
        }
        let step = FORGOTTEN_AFTER / self.free;
        while now.saturating_duration_since(record.forgiven) >= step {
            if record.attempts == 0 {
                record.forgiven = now;
                break;
            }
            record.attempts -= 1;
            record.forgiven += step;
        }
        record.seen = now;
        let turn = record.next_turn.max(now);
        let wait = turn.saturating_duration_since(now);
        if wait > PATIENCE {
            return Err(wait);
        }
        record.attempts = record.attempts.saturating_add(1).min(self.free + MOST_COUNTED);
        record.next_turn = turn + delay_after(record.attempts, self.free);
        Ok(wait)
    }

    /// The client knew the password.
    pub(crate) fn succeeded(&self, client: &Fingerprint) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).remove(client);
    }

    /// The last attempt was no failure, which says nothing about those before.
    pub(crate) fn give_back(&self, client: &Fingerprint) {
        if let Some(record) = self.clients.lock().unwrap_or_else(PoisonError::into_inner).get_mut(client) {
            record.attempts = record.attempts.saturating_sub(1);
        }
    }
}

fn delay_after(attempts: u32, free: u32) -> Duration {
    match attempts.checked_sub(free) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_DELAY.saturating_mul(2u32.saturating_pow(doublings)).min(LONGEST_DELAY),
    }
}

fn make_room(clients: &mut HashMap<Fingerprint, Record>, now: Instant) {
    clients.retain(|_, record| now.saturating_duration_since(record.seen) <= FORGOTTEN_AFTER);
    if clients.len() >= MOST_CLIENTS
        && let Some(oldest) = clients.iter().min_by_key(|(_, record)| record.seen).map(|(client, _)| *client)
    {
        clients.remove(&oldest);
    }
}

/// The bytes of the network a client cannot easily leave: an IPv4 address, or the first half of an IPv6 address.
pub(crate) fn network(client: IpAddr) -> [u8; 8] {
    let mut network = [0; 8];
    match client.to_canonical() {
        IpAddr::V4(address) => network[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => network.copy_from_slice(&address.octets()[..8]),
    }
    network
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Fingerprint = [1; 32];

    #[test]
    fn turns_move_apart_up_to_the_longest_delay_and_success_clears() {
        let throttle = Throttle::new(5);
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..12 {
            let wait = throttle.take_turn(CLIENT, now).unwrap();
            now += wait;
            waits.push(wait.as_millis());
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(throttle.take_turn([2; 32], now), Ok(Duration::ZERO), "another client does not wait");
        throttle.succeeded(&CLIENT);
        assert_eq!(throttle.take_turn(CLIENT, now), Ok(Duration::ZERO));
    }

    #[test]
    fn many_at_once_are_sent_away_and_the_right_one_gets_in_after_seconds() {
        let throttle = Throttle::new(5);
        let now = Instant::now();
        let refused = (0..100).filter(|_| throttle.take_turn(CLIENT, now).is_err()).count();
        assert!(refused > 80, "{refused}");
        let Err(wait) = throttle.take_turn(CLIENT, now) else { panic!("its turn is too far away") };
        assert!(wait <= PATIENCE + LONGEST_DELAY, "{wait:?}");
        assert_eq!(throttle.take_turn(CLIENT, now + wait), Ok(Duration::ZERO));
    }

    #[test]
    fn a_quiet_client_is_forgotten_and_the_table_is_bounded() {
        let throttle = Throttle::new(5);
        let now = Instant::now();
        for _ in 0..9 {
            let _ = throttle.take_turn(CLIENT, now);
        }
        let later = now + FORGOTTEN_AFTER + Duration::from_secs(1);
        assert_eq!(throttle.take_turn(CLIENT, later), Ok(Duration::ZERO));
        assert_eq!(throttle.take_turn(CLIENT, later), Ok(Duration::ZERO), "the count began again");
        for number in 0..MOST_CLIENTS as u64 + 50 {
            let mut client = [0; 32];
            client[..8].copy_from_slice(&number.to_le_bytes());
            let _ = throttle.take_turn(client, later);
        }
        assert!(throttle.clients.lock().unwrap().len() <= MOST_CLIENTS);
    }

    #[test]
    fn an_ipv6_client_cannot_escape_inside_its_network() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
    }

    #[test]
    fn honest_logins_of_a_busy_network_do_not_add_up() {
        let throttle = Throttle::new(50);
        let mut now = Instant::now();
        for _ in 0..1000 {
            assert_eq!(throttle.take_turn(CLIENT, now), Ok(Duration::ZERO));
            throttle.give_back(&CLIENT);
        }
        // Somebody mistypes every half minute, all day.
        for _ in 0..2000 {
            now += Duration::from_secs(30);
            assert_eq!(throttle.take_turn(CLIENT, now), Ok(Duration::ZERO));
        }
    }

    #[test]
    fn a_network_recovers_soon_after_a_storm() {
        let throttle = Throttle::new(50);
        let now = Instant::now();
        assert!((0..10_000).filter(|_| throttle.take_turn(CLIENT, now).is_err()).count() > 9_900);
        let later = now + Duration::from_secs(3 * 60);
        for _ in 0..5 {
            assert_eq!(throttle.take_turn(CLIENT, later), Ok(Duration::ZERO));
        }
    }
}
