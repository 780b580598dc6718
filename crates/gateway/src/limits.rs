//! How much is too much: requests of strangers by source, guesses at passwords, and calls to the outside.

use ahash::AHashMap;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;
use terms::{AgentId, Instant, Now, TrunkId};

/// Unauthenticated requests a source may send in one go: a site of thousands of phones behind one address after a
/// power cut, or a scanner for a second.
const BURST: u32 = 8_192;
/// How many of them come back each second.
const PER_SECOND: u32 = 50;
/// What a right password gives back: its own challenge, and a little for the next one.
const REFUND: u32 = 2;
/// Sources remembered. When the table is full everybody begins anew, which favours the scanner for a moment and
/// costs nobody else anything.
const SOURCES_MAX: usize = 65_536;

/// An address as far as it identifies a site: IPv4 whole, IPv6 by its /64.
fn site(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        four => four,
    }
}

/// A token bucket per source.
#[derive(Default)]
pub(crate) struct Strangers {
    buckets: AHashMap<IpAddr, Bucket>,
}

struct Bucket {
    left: u32,
    filled: Instant,
}

impl Strangers {
    /// Takes one; false when the source has used up what it has.
    pub(crate) fn may(&mut self, now: Now, ip: IpAddr) -> bool {
        if self.buckets.len() >= SOURCES_MAX {
            self.buckets.clear();
        }
        let bucket = self.buckets.entry(site(ip)).or_insert(Bucket { left: BURST, filled: now.instant });
        bucket.fill(now);
        match bucket.left.checked_sub(1) {
            Some(left) => {
                bucket.left = left;
                true
            }
            None => false,
        }
    }
    /// Somebody there knew a password.
    pub(crate) fn welcome(&mut self, ip: IpAddr) {
        if let Some(bucket) = self.buckets.get_mut(&site(ip)) {
            bucket.left = (bucket.left + REFUND).min(BURST);
        }
    }
}

impl Bucket {
    fn fill(&mut self, now: Now) {
        let seconds = now.instant.since(self.filled).as_secs();
        if seconds > 0 {
            let more = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(PER_SECOND);
            self.left = self.left.saturating_add(more).min(BURST);
            self.filled = self.filled + Duration::from_secs(seconds);
        }
    }
}

/// Wrong passwords before a source is made to wait for this account.
const FREE_GUESSES: u32 = 5;
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);
/// A source that stops guessing is forgiven after this.
const FORGIVEN: Duration = Duration::from_secs(600);
const GUESSERS_MAX: usize = 65_536;

/// Wrong answers per account and source. The account itself is never locked: its own phone goes on from its own place.
#[derive(Default)]
pub(crate) struct Guesses {
    table: AHashMap<(String, IpAddr), Guess>,
}

struct Guess {
    wrong: u32,
    last: Instant,
    until: Instant,
}

impl Guesses {
    /// False while this source must wait for this account.
    pub(crate) fn may(&self, now: Now, account: &str, ip: IpAddr) -> bool {
        if self.table.is_empty() {
            return true;
        }
        self.table.get(&(account.to_owned(), site(ip))).is_none_or(|guess| now.instant >= guess.until)
    }
    pub(crate) fn wrong(&mut self, now: Now, account: &str, ip: IpAddr) {
        if self.table.len() >= GUESSERS_MAX {
            self.table.retain(|_, guess| now.instant.since(guess.last) < FORGIVEN);
            if self.table.len() >= GUESSERS_MAX {
                self.table.clear();
            }
        }
        // Names are the guesser's to choose; what is kept of them is short.
        let account: String = account.chars().take(64).collect();
        let guess = self.table.entry((account, site(ip))).or_insert(Guess {
            wrong: 0,
            last: now.instant,
            until: now.instant,
        });
        if now.instant.since(guess.last) >= FORGIVEN {
            guess.wrong = 0;
        }
        guess.wrong = guess.wrong.saturating_add(1);
        guess.last = now.instant;
        if let Some(over) = guess.wrong.checked_sub(FREE_GUESSES) {
            let wait =
                WAIT_FIRST.saturating_mul(1u32.checked_shl(over.min(16)).unwrap_or(u32::MAX)).min(WAIT_MAX);
            guess.until = now.instant + wait;
        }
    }
    pub(crate) fn right(&mut self, account: &str, ip: IpAddr) {
        if !self.table.is_empty() {
            self.table.remove(&(account.to_owned(), site(ip)));
        }
    }
}

/// Calls to the outside: at once per agent and trunk, and new ones a minute per agent.
#[derive(Default)]
pub(crate) struct CallLimits {
    trunk: AHashMap<TrunkId, u32>,
    agent: AHashMap<AgentId, u32>,
    recent: AHashMap<AgentId, VecDeque<Instant>>,
}

impl CallLimits {
    pub(crate) fn trunk_calls(&self, trunk: TrunkId) -> u32 {
        self.trunk.get(&trunk).copied().unwrap_or(0)
    }
    /// Whether the agent may place one more call to the outside.
    pub(crate) fn agent_may(&mut self, now: Now, agent: AgentId, at_once: u32, a_minute: u32) -> bool {
        if self.agent.get(&agent).copied().unwrap_or(0) >= at_once {
            return false;
        }
        let Some(recent) = self.recent.get_mut(&agent) else { return a_minute > 0 };
        while recent.front().is_some_and(|at| now.instant.since(*at) >= Duration::from_secs(60)) {
            recent.pop_front();
        }
        recent.len() < usize::try_from(a_minute).unwrap_or(usize::MAX)
    }
    pub(crate) fn begin(&mut self, now: Now, trunk: TrunkId, agent_out: Option<AgentId>) {
        *self.trunk.entry(trunk).or_default() += 1;
        if let Some(agent) = agent_out {
            *self.agent.entry(agent).or_default() += 1;
            let recent = self.recent.entry(agent).or_default();
            recent.push_back(now.instant);
            // More than any limit anybody would set; emergency calls count without being stopped.
            if recent.len() > 1_000 {
                recent.pop_front();
            }
        }
    }
    pub(crate) fn end(&mut self, trunk: TrunkId, agent_out: Option<AgentId>) {
        give_back(&mut self.trunk, trunk);
        if let Some(agent) = agent_out {
            give_back(&mut self.agent, agent);
        }
    }
    pub(crate) fn forget_agent(&mut self, agent: AgentId) {
        self.recent.remove(&agent);
    }
}

fn give_back<K: std::hash::Hash + Eq>(table: &mut AHashMap<K, u32>, key: K) {
    if let Some(count) = table.get_mut(&key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            table.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Now {
        Now { instant: Instant(s * 1_000_000_000), ..Now::default() }
    }
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_scanner_falls_silent_and_its_neighbour_does_not() {
        let mut strangers = Strangers::default();
        let answered = (0..20_000).filter(|_| strangers.may(at(0), HERE)).count();
        assert_eq!(answered, BURST as usize);
        assert!(strangers.may(at(0), THERE));
        assert!(strangers.may(at(1), HERE));
    }

    #[test]
    fn a_guesser_waits_longer_each_time_and_the_owner_never() {
        let mut guesses = Guesses::default();
        for _ in 0..4 {
            guesses.wrong(at(0), "desk-17", HERE);
            assert!(guesses.may(at(0), "desk-17", HERE));
        }
        guesses.wrong(at(0), "desk-17", HERE);
        assert!(!guesses.may(at(0), "desk-17", HERE));
        assert!(guesses.may(at(0), "desk-17", THERE));
        assert!(guesses.may(at(1), "desk-17", HERE));
        for _ in 0..30 {
            guesses.wrong(at(1), "desk-17", HERE);
        }
        assert!(!guesses.may(at(60), "desk-17", HERE));
        assert!(guesses.may(at(61), "desk-17", HERE));
        guesses.right("desk-17", HERE);
        guesses.wrong(at(62), "desk-17", HERE);
        assert!(guesses.may(at(62), "desk-17", HERE));
    }

    #[test]
    fn calls_are_counted_at_once_and_by_the_minute() {
        let (ann, trunk) = (AgentId(1), TrunkId(1));
        let mut limits = CallLimits::default();
        for n in 0..3 {
            assert!(limits.agent_may(at(n), ann, 2, 3));
            limits.begin(at(n), trunk, Some(ann));
            assert_eq!(limits.trunk_calls(trunk), 1);
            limits.end(trunk, Some(ann));
        }
        assert!(!limits.agent_may(at(3), ann, 2, 3));
        assert!(limits.agent_may(at(60), ann, 2, 3));
        limits.begin(at(60), trunk, Some(ann));
        limits.begin(at(60), trunk, Some(ann));
        assert!(!limits.agent_may(at(600), ann, 2, 3));
    }
}
