//! Guessing is slow: buckets per account and source, and per source. The account itself is never locked by strangers.

use dashmap::DashMap;
// Keys come from strangers: the standard library's keyed hashing.
use std::collections::hash_map::RandomState;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// A bucket is full again after this.
const WINDOW: Duration = Duration::from_secs(60);
/// Buckets kept. Beyond, sources nobody heard of share one bucket.
const BUCKETS_MAX: usize = 50_000;

/// How many failures a minute are let through before the answer is 429.
#[derive(Clone, Copy, Debug)]
pub struct AttemptLimits {
    /// For one account from one source. A right password gives its attempt back.
    pub account_and_source: u32,
    /// From one source, whatever the accounts. Only failures count: a whole office may sit behind one address.
    pub source: u32,
    /// From all sources together that came when the table was full.
    pub overflow: u32,
}

impl Default for AttemptLimits {
    fn default() -> AttemptLimits {
        AttemptLimits { account_and_source: 10, source: 60, overflow: 600 }
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Source(IpAddr),
    Account(String, IpAddr),
    Page(IpAddr),
    Overflow,
}

struct Bucket {
    left: f64,
    at: Instant,
    /// Whether the refusal of this dry spell was told (to the audit log) already.
    told: bool,
}

/// The wait until there is a next attempt, and whether this refusal is the first of its dry spell.
#[derive(Debug, PartialEq)]
pub(crate) struct Limited {
    pub(crate) retry_after_s: u64,
    pub(crate) first: bool,
}

pub(crate) struct Limits {
    buckets: DashMap<Key, Bucket, RandomState>,
    rates: AttemptLimits,
}

impl Limits {
    pub(crate) fn new(rates: AttemptLimits) -> Limits {
        Limits { buckets: DashMap::with_hasher(RandomState::new()), rates }
    }

    /// Before the password is looked at: takes an attempt from the account's bucket.
    pub(crate) fn attempt(&self, now: Instant, account: &str, source: IpAddr) -> Result<(), Limited> {
        let source = network(source);
        self.take(now, Key::Source(source), self.rates.source, 0.0)?;
        self.take(now, Key::Account(account.to_owned(), source), self.rates.account_and_source, 1.0)
    }

    /// The password was right: the attempt does not count.
    pub(crate) fn right(&self, account: &str, source: IpAddr) {
        let most = f64::from(self.rates.account_and_source);
        if let Some(mut bucket) = self.buckets.get_mut(&Key::Account(account.to_owned(), network(source))) {
            bucket.left = (bucket.left + 1.0).min(most);
        }
    }

    /// The password was wrong: the source pays as well. It may go into debt by what was under way at once.
    pub(crate) fn wrong(&self, now: Instant, source: IpAddr) {
        let key = Key::Source(network(source));
        if self.take(now, key.clone(), self.rates.source, 1.0).is_err()
            && let Some(mut bucket) = self.buckets.get_mut(&key)
        {
            bucket.left -= 1.0;
        }
    }

    /// Whether one more refusal of a page from there is written down: a hostile page must not fill the audit log.
    pub(crate) fn tells(&self, now: Instant, source: IpAddr) -> bool {
        self.take(now, Key::Page(network(source)), self.rates.source, 1.0).is_ok()
    }

    fn take(&self, now: Instant, key: Key, rate: u32, cost: f64) -> Result<(), Limited> {
        let (key, rate) = match self.buckets.len() >= BUCKETS_MAX && !self.buckets.contains_key(&key) {
            true if self.sweep(now) < BUCKETS_MAX => (key, rate),
            true => (Key::Overflow, self.rates.overflow),
            false => (key, rate),
        };
        let most = f64::from(rate);
        let per_second = most / WINDOW.as_secs_f64();
        let mut bucket = self.buckets.entry(key).or_insert(Bucket { left: most, at: now, told: false });
        bucket.left =
            (bucket.left + now.saturating_duration_since(bucket.at).as_secs_f64() * per_second).min(most);
        bucket.at = now;
        if bucket.left >= 1.0 {
            bucket.left -= cost;
            bucket.told = false;
            return Ok(());
        }
        let wait = (1.0 - bucket.left) / per_second.max(f64::MIN_POSITIVE);
        let first = !std::mem::replace(&mut bucket.told, true);
        Err(Limited { retry_after_s: wait.ceil().clamp(1.0, WINDOW.as_secs_f64()) as u64, first })
    }

    /// Forgets buckets that are full again; how many remain.
    fn sweep(&self, now: Instant) -> usize {
        self.buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at) < WINDOW);
        self.buckets.len()
    }
}

/// One customer has a /64 of IPv6 at least; counting single addresses would count nothing.
pub(crate) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "192.0.2.1";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ten_guesses_a_minute_for_one_account_from_one_place_and_the_owner_elsewhere_is_not_bothered() {
        let limits = Limits::new(AttemptLimits::default());
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(limits.attempt(now, "ann", ip(HERE)), Ok(()));
        }
        assert_eq!(limits.attempt(now, "ann", ip(HERE)), Err(Limited { retry_after_s: 6, first: true }));
        assert_eq!(limits.attempt(now, "ann", ip(HERE)), Err(Limited { retry_after_s: 6, first: false }));
        assert_eq!(limits.attempt(now, "ann", ip("192.0.2.2")), Ok(()));
        assert_eq!(limits.attempt(now, "bob", ip(HERE)), Ok(()));
        assert_eq!(limits.attempt(now + Duration::from_secs(6), "ann", ip(HERE)), Ok(()));
        assert!(limits.attempt(now + Duration::from_secs(6), "ann", ip(HERE)).is_err());
    }

    #[test]
    fn an_office_that_logs_in_rightly_is_never_limited_and_a_guesser_of_many_names_is() {
        let limits = Limits::new(AttemptLimits::default());
        let now = Instant::now();
        for n in 0..500 {
            let name = format!("agent-{n}");
            assert_eq!(limits.attempt(now, &name, ip(HERE)), Ok(()));
            limits.right(&name, ip(HERE));
        }
        let source = "2001:db8::";
        let mut let_through = 0;
        for n in 0..500 {
            // Addresses of one /64 are one source.
            let address = ip(&format!("{source}{:x}", n + 1));
            if limits.attempt(now, &format!("agent-{n}"), address).is_ok() {
                limits.wrong(now, address);
                let_through += 1;
            }
        }
        assert_eq!(let_through, 60);
    }

    #[test]
    fn the_table_of_buckets_is_bounded() {
        let limits = Limits::new(AttemptLimits { overflow: 5, ..AttemptLimits::default() });
        let now = Instant::now();
        for n in 0..BUCKETS_MAX - 1 {
            let _ = limits.attempt(now, &format!("name-{n}"), ip(HERE));
        }
        assert_eq!(limits.buckets.len(), BUCKETS_MAX, "with the one of the source");
        let answers: Vec<_> =
            (0..10).map(|n| limits.attempt(now, &format!("other-{n}"), ip(HERE)).is_ok()).collect();
        assert_eq!(answers.iter().filter(|ok| **ok).count(), 5);
        assert!(limits.attempt(now + WINDOW, "other", ip(HERE)).is_ok());
        assert!(limits.buckets.len() < 10, "a quiet minute empties the table");
    }
}
