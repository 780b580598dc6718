//! Nonces that need no table, and the small table that remembers which counts of them were used.

use crate::digest::Hex;
use ahash::RandomState;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use subtle::ConstantTimeEq;
use terms::{Flow, WallTime};

/// Seconds and count, then half of an HMAC-SHA-256 over them, the realm and the flow: 16 + 16 bytes, in hex.
const NONCE_HEX: usize = 64;

/// A nonce of ours, proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Nonce {
    pub made_s: i64,
    /// Differs for any two nonces of one key.
    pub serial: u64,
}

#[derive(Clone)]
pub(crate) struct NonceMaker {
    /// Ready to go on from; to begin anew with the key would cost as much again.
    keyed: Hmac<Sha256>,
    made: u64,
    /// What hides the count, for nonces made in one moment.
    mask: (WallTime, u64),
}

impl std::fmt::Debug for NonceMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NonceMaker(…)")
    }
}

impl NonceMaker {
    pub(crate) fn new(key: [u8; 32]) -> NonceMaker {
        // HMAC takes a key of any length; this cannot fail.
        let keyed = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes any key");
        let mut maker = NonceMaker { keyed, made: 0, mask: Default::default() };
        maker.mask.1 = maker.mask_of(maker.mask.0);
        maker
    }

    pub(crate) fn make(&mut self, now: WallTime, realm: &str, flow: &Flow) -> String {
        self.made = self.made.wrapping_add(1);
        // The count is hidden behind the key, so that nobody reads our traffic from it.
        if self.mask.0 != now {
            self.mask = (now, self.mask_of(now));
        }
        let nonce = Nonce { made_s: now.unix_s(), serial: self.made ^ self.mask.1 };
        let mut bytes = [0u8; 32];
        bytes
            .iter_mut()
            .zip(nonce.bytes().into_iter().chain(self.seal(&nonce, realm, flow)))
            .for_each(|(a, b)| *a = b);
        Hex::of(&bytes).as_str().to_owned()
    }

    /// The nonce, if it is ours and was made for this realm and this flow.
    pub(crate) fn read(&self, text: &str, realm: &str, flow: &Flow) -> Option<Nonce> {
        if text.len() != NONCE_HEX {
            return None;
        }
        let part = |from: usize| u64::from_str_radix(text.get(from..from + 16)?, 16).ok();
        let nonce = Nonce { made_s: i64::from_be_bytes(part(0)?.to_be_bytes()), serial: part(16)? };
        let seal = Hex::of(&self.seal(&nonce, realm, flow));
        bool::from(seal.as_bytes().ct_eq(text.get(32..)?.as_bytes())).then_some(nonce)
    }

    fn seal(&self, nonce: &Nonce, realm: &str, flow: &Flow) -> [u8; 16] {
        let mut mac = self.mac(b"nonce");
        mac.update(&nonce.bytes());
        mac.update(&(realm.len() as u64).to_be_bytes());
        mac.update(realm.as_bytes());
        mac.update(&[flow.transport as u8]);
        mac.update(&flow.connection.0.to_be_bytes());
        for address in [flow.local, flow.peer] {
            match address.ip() {
                std::net::IpAddr::V4(ip) => mac.update(&ip.to_ipv6_mapped().octets()),
                std::net::IpAddr::V6(ip) => mac.update(&ip.octets()),
            }
            mac.update(&address.port().to_be_bytes());
        }
        first(&mac.finalize().into_bytes().into())
    }

    fn mask_of(&self, now: WallTime) -> u64 {
        u64::from_be_bytes(first(&self.derive(b"serial", &now.0.to_be_bytes())))
    }

    /// Something only this key makes of `text`.
    pub(crate) fn derive(&self, purpose: &[u8], text: &[u8]) -> [u8; 32] {
        let mut mac = self.mac(purpose);
        mac.update(text);
        mac.finalize().into_bytes().into()
    }

    fn mac(&self, purpose: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(purpose);
        mac.update(&[0]);
        mac
    }
}

impl Nonce {
    fn bytes(&self) -> [u8; 16] {
        let mut out = [0; 16];
        let parts = self.made_s.to_be_bytes().into_iter().chain(self.serial.to_be_bytes());
        out.iter_mut().zip(parts).for_each(|(a, b)| *a = b);
        out
    }
}

/// The first N bytes.
fn first<const N: usize>(bytes: &[u8; 32]) -> [u8; N] {
    let mut out = [0; N];
    out.iter_mut().zip(bytes).for_each(|(a, b)| *a = *b);
    out
}

/// Nonce and user pairs remembered at once, about 6 MiB. Only whoever knows a secret gets in here.
pub const WINDOW_MAX: usize = 100_000;
/// How far a nonce count may lag behind the highest one: requests of one phone overtake each other on UDP.
const LAG: u32 = 64;

/// Which nonce counts were used (RFC 7616 §3.4.5), per nonce and user. Bounded: when it is full the oldest is forgotten, and
/// nonces as old as that count as stale from then on.
#[derive(Debug)]
pub struct NonceWindow {
    used: HashMap<(u64, u64), Used, RandomState>,
    order: VecDeque<((u64, u64), i64)>,
    hash: RandomState,
    max: usize,
    /// Nonces made at or before this second and not in `used` may have been forgotten.
    forgotten_s: i64,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    highest: u32,
    /// Bit n: count `highest - n` was used.
    seen: u64,
}

impl NonceWindow {
    /// `seed` keys the table against chosen collisions.
    pub fn new(max: usize, seed: [u64; 4]) -> NonceWindow {
        let hash = RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]);
        NonceWindow {
            used: HashMap::with_hasher(hash.clone()),
            order: VecDeque::new(),
            hash,
            max: max.max(1),
            forgotten_s: i64::MIN,
        }
    }
    pub fn len(&self) -> usize {
        self.used.len()
    }
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// Whether counts of this nonce may have been forgotten to make room.
    pub(crate) fn has_forgotten(&self, nonce: &Nonce) -> bool {
        nonce.made_s <= self.forgotten_s
    }

    /// Marks a count as used; false if it was used before or lies too far behind.
    pub(crate) fn accept(
        &mut self,
        now: WallTime,
        life: Duration,
        nonce: &Nonce,
        username: &str,
        nc: u32,
    ) -> bool {
        let key = (nonce.serial, self.hash.hash_one(username));
        if let Some(used) = self.used.get_mut(&key) {
            return used.mark(nc);
        }
        self.forget(now, life);
        self.order.push_back((key, nonce.made_s));
        self.used.insert(key, Used { highest: nc, seen: 1 });
        true
    }

    /// Drops what has expired by itself and, if it is full, the oldest.
    fn forget(&mut self, now: WallTime, life: Duration) {
        let life_s = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        while let Some((key, made_s)) = self.order.front().copied() {
            // One minute more than `Guard::usable` grants, for a clock that is set back.
            let expired = now.unix_s().saturating_sub(made_s) > life_s.saturating_add(60);
            if !expired && self.order.len() < self.max {
                return;
            }
            if !expired {
                self.forgotten_s = self.forgotten_s.max(made_s);
            }
            self.order.pop_front();
            self.used.remove(&key);
        }
    }
}

impl Used {
    fn mark(&mut self, nc: u32) -> bool {
        if nc > self.highest {
            self.seen = self.seen.checked_shl(nc - self.highest).unwrap_or(0) | 1;
            self.highest = nc;
            return true;
        }
        let lag = self.highest - nc;
        let bit = if lag < LAG { 1u64 << lag } else { return false };
        let fresh = self.seen & bit == 0;
        self.seen |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_good_once_and_may_come_late() {
        let mut used = Used { highest: 1, seen: 1 };
        assert!(!used.mark(1));
        assert!(used.mark(3) && used.mark(2) && !used.mark(2) && !used.mark(3));
        assert!(used.mark(200) && !used.mark(100) && used.mark(150) && !used.mark(150));
        assert!(used.mark(u32::MAX) && !used.mark(u32::MAX) && !used.mark(200));
    }

    #[test]
    fn a_full_window_forgets_the_oldest_and_says_so() {
        let mut window = NonceWindow::new(2, [1, 2, 3, 4]);
        let life = Duration::from_secs(300);
        let nonce = |n: u64| Nonce { made_s: n as i64, serial: n };
        for n in 1..=3 {
            assert!(window.accept(WallTime(3_000), life, &nonce(n), "ann", 1));
        }
        assert_eq!(window.len(), 2);
        assert!(window.has_forgotten(&nonce(1)) && !window.has_forgotten(&nonce(2)));
        // Long after, everything has expired by itself and nothing more counts as forgotten.
        assert!(window.accept(WallTime(1_000_000), life, &nonce(1_000), "ann", 1));
        assert_eq!(window.len(), 1);
        assert!(!window.has_forgotten(&nonce(2)));
    }
}
