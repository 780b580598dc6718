//! The ICE-lite side of one browser leg (RFC 8445 §2.5): we have a known address, never check ourselves, and answer
//! the checks of a browser that knows our password. What has been checked may send to us; what was nominated last is
//! where we send.

use crate::chance::Chance;
use crate::machine::Via;
use crate::stun::{self, Class, Message};
use std::net::SocketAddr;
use std::time::Duration;
use terms::Instant;

/// RFC 8839 §5.4: at least 24 bits; 48 of ours keep strangers from guessing whom to ask.
pub const UFRAG_LEN: usize = 8;
/// RFC 8839 §5.4: at least 128 bits; 24 letters of six bits are 144.
const PWD_LEN: usize = 24;

/// RFC 7675 §5.1: consent lasts thirty seconds. A lite agent sends no checks of its own; that those of the browser
/// stop tells it the same.
pub const CONSENT: Duration = Duration::from_secs(30);

/// Addresses of one browser that may be checked at once: a laptop with two networks, both families and a VPN.
pub const PATHS_MAX: usize = 8;

pub type Ufrag = [u8; UFRAG_LEN];

/// Where packets come from and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Way {
    pub via: Via,
    pub address: SocketAddr,
}

/// What we told the browser to name us by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    ufrag: Ufrag,
    pwd: [u8; PWD_LEN],
}

impl Credentials {
    pub fn new(chance: &mut Chance) -> Credentials {
        Credentials { ufrag: letters(chance), pwd: letters(chance) }
    }

    pub fn key(&self) -> Ufrag {
        self.ufrag
    }

    pub fn ufrag(&self) -> &str {
        std::str::from_utf8(&self.ufrag).unwrap_or_default()
    }

    /// For the description, over signalling that is ours alone.
    pub fn pwd(&self) -> &str {
        std::str::from_utf8(&self.pwd).unwrap_or_default()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, …)", self.ufrag())
    }
}

/// ice-char of RFC 8839 §5.4, six bits each.
fn letters<const N: usize>(chance: &mut Chance) -> [u8; N] {
    const ICE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::array::from_fn(|_| ICE[(chance.next_u32() >> 26) as usize & 63])
}

/// What a check led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Answered. `moved`: media for the browser goes to another address from now on.
    Fine { moved: bool },
    /// Answered with an error.
    Refused,
    /// Not from anyone who knows our password; there is no answer.
    Stranger,
}

#[derive(Clone, Copy, Debug)]
struct Path {
    way: Way,
    checked_at: Instant,
    /// It knew the credentials of the latest restart.
    fresh: bool,
}

#[derive(Debug)]
pub struct Agent {
    ours: Credentials,
    /// Those of before a restart, until the new ones have been used to nominate (RFC 8445 §9).
    before: Option<Credentials>,
    /// What the browser names itself by; another one means a restart (RFC 8839 §4.4.1.1.1).
    theirs: Option<String>,
    paths: [Option<Path>; PATHS_MAX],
    nominated: Option<Way>,
    consent_at: Instant,
}

impl Agent {
    pub fn new(now: Instant, chance: &mut Chance) -> Agent {
        Agent {
            ours: Credentials::new(chance),
            before: None,
            theirs: None,
            paths: [None; PATHS_MAX],
            nominated: None,
            consent_at: now,
        }
    }

    pub fn ours(&self) -> &Credentials {
        &self.ours
    }

    /// The names under which checks may come.
    pub fn keys(&self) -> impl Iterator<Item = Ufrag> + use<> {
        [Some(self.ours.key()), self.before.map(|b| b.key())].into_iter().flatten()
    }

    /// The browser said who it is.
    pub fn heard(&mut self, theirs: &str) {
        self.theirs = Some(theirs.to_owned());
    }

    /// RFC 8445 §9: new names for both. Media goes on along the old path until a new one is nominated.
    pub fn restart(&mut self, now: Instant, chance: &mut Chance) {
        self.before = Some(std::mem::replace(&mut self.ours, Credentials::new(chance)));
        for path in self.paths.iter_mut().flatten() {
            path.fresh = false;
        }
        self.consent_at = now;
    }

    /// A Binding request whose USERNAME begins with one of [`Agent::keys`]. The answer is written to `answer`.
    pub fn check(&mut self, now: Instant, from: Way, request: &Message<'_>, answer: &mut Vec<u8>) -> Checked {
        let Some((name, _)) = request.fragments() else { return Checked::Stranger };
        let known = [Some(self.ours), self.before].into_iter().flatten().find(|c| c.ufrag == name);
        // RFC 8445 §7.3: the first half of the name is all that is compared; the password proves the rest.
        let Some(known) = known.filter(|c| request.is_signed_by(&c.pwd)) else { return Checked::Stranger };
        let refuse = || stun::Writer::new(Class::Error, request.method, request.transaction);
        if !request.unknown.is_empty() {
            // RFC 8489 §6.3.1.
            *answer = refuse().error(420, "Unknown Attribute").unknown(&request.unknown).finish(&known.pwd);
            return Checked::Refused;
        }
        if request.controlled.is_some() {
            // RFC 8445 §7.3.1.1: a lite agent is always the controlled one, so it is the other that changes.
            *answer = refuse().error(487, "Role Conflict").finish(&known.pwd);
            return Checked::Refused;
        }
        *answer = stun::Writer::new(Class::Success, request.method, request.transaction)
            .mapped(from.address)
            .finish(&known.pwd);
        let was = self.target();
        let fresh = known.ufrag == self.ours.ufrag;
        self.learn(Path { way: from, checked_at: now, fresh });
        self.consent_at = now;
        // RFC 8445 §7.3.1.5: the nominated pair is used at once; of several, the latest is where the browser is now.
        // A late nomination from before a restart does not undo one of after it.
        let overtaken = !fresh && self.is_fresh(self.nominated);
        if request.use_candidate && !overtaken {
            self.nominated = Some(from);
            if fresh {
                self.before = None;
                for place in &mut self.paths {
                    *place = place.filter(|p| p.fresh);
                }
            }
        }
        Checked::Fine { moved: self.target() != was }
    }

    fn is_fresh(&self, way: Option<Way>) -> bool {
        self.paths.iter().flatten().any(|p| Some(p.way) == way && p.fresh)
    }

    /// Enters a path, in place of the one longest unchecked if there is no room. The nominated one stays.
    fn learn(&mut self, path: Path) {
        let same = self.paths.iter().position(|p| p.is_some_and(|p| p.way == path.way));
        let free = || self.paths.iter().position(Option::is_none);
        let oldest = || {
            let others = self.paths.iter().enumerate().filter_map(|(i, p)| Some((i, (*p)?)));
            others
                .filter(|(_, p)| Some(p.way) != self.nominated)
                .min_by_key(|(_, p)| p.checked_at)
                .map(|(i, _)| i)
        };
        let Some(place) = same.or_else(free).or_else(oldest).and_then(|i| self.paths.get_mut(i)) else {
            return;
        };
        *place = Some(path);
    }

    /// May packets come from here? Only from where a check that knew our password came from.
    pub fn is_checked(&self, way: Way) -> bool {
        self.paths.iter().flatten().any(|p| p.way == way)
    }

    pub fn paths(&self) -> impl Iterator<Item = Way> + '_ {
        self.paths.iter().flatten().map(|p| p.way)
    }

    /// Where to send: the nominated path; before there is one, the path checked last, since the browser may begin its
    /// handshake on any path that answered (RFC 8445 §12.1).
    pub fn target(&self) -> Option<Way> {
        let checked = || self.paths.iter().flatten().max_by_key(|p| p.checked_at).map(|p| p.way);
        self.nominated.or_else(checked)
    }

    /// When consent runs out, if nobody checks until then.
    pub fn consent_until(&self) -> Option<Instant> {
        self.paths.iter().flatten().next().map(|_| self.consent_at + CONSENT)
    }

    /// Forgets paths that nobody checked for too long. True if the last one went, and with it the right to send.
    pub fn expire(&mut self, now: Instant) -> bool {
        let had = self.paths.iter().any(Option::is_some);
        for place in &mut self.paths {
            *place = place.filter(|p| now.since(p.checked_at) < CONSENT);
        }
        self.nominated = self.nominated.filter(|n| self.paths.iter().flatten().any(|p| p.way == *n));
        had && self.paths.iter().all(Option::is_none)
    }

    /// A connection was closed or an address belongs to somebody else now.
    pub fn lose(&mut self, way: Way) {
        for place in &mut self.paths {
            *place = place.filter(|p| p.way != way);
        }
        self.nominated = self.nominated.filter(|n| *n != way);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::attribute::{ICE_CONTROLLED, ICE_CONTROLLING, USE_CANDIDATE, USERNAME};

    fn way(text: &str) -> Way {
        Way { via: Via::Udp, address: text.parse().unwrap() }
    }

    struct Desk {
        agent: Agent,
        chance: Chance,
        now: Instant,
    }

    impl Desk {
        fn new() -> Desk {
            let mut chance = Chance::new([9; 32]);
            Desk { agent: Agent::new(Instant(0), &mut chance), chance, now: Instant(0) }
        }

        fn check_with(&mut self, who: Credentials, from: &str, attributes: &[u16]) -> (Checked, Option<u16>) {
            let name = format!("{}:theirs", who.ufrag());
            let mut w =
                stun::Writer::new(Class::Request, stun::BINDING, [3; 12]).put(USERNAME, name.as_bytes());
            for kind in attributes {
                let value =
                    if matches!(*kind, ICE_CONTROLLED | ICE_CONTROLLING) { &[1u8; 8][..] } else { &[] };
                w = w.put(*kind, value);
            }
            let bytes = w.finish(who.pwd().as_bytes());
            let mut answer = Vec::new();
            let checked = self.agent.check(self.now, way(from), &stun::read(&bytes).unwrap(), &mut answer);
            let answer = (!answer.is_empty()).then(|| stun::read(&answer).unwrap());
            if let Some(a) = &answer {
                assert!(
                    a.is_signed_by(who.pwd().as_bytes()) && a.has_fingerprint && a.transaction == [3; 12]
                );
                assert_eq!(a.mapped, a.error.is_none().then(|| way(from).address), "peer-reflexive");
            }
            (checked, answer.and_then(|a| a.error))
        }

        fn check(&mut self, from: &str, attributes: &[u16]) -> Checked {
            self.check_with(*self.agent.ours(), from, attributes).0
        }
    }

    const A: &str = "192.0.2.9:1000";
    const B: &str = "198.51.100.7:2000";
    const NOMINATE: &[u16] = &[ICE_CONTROLLING, USE_CANDIDATE];

    #[test]
    fn a_check_opens_a_path_and_a_nomination_decides() {
        let mut d = Desk::new();
        assert_eq!(d.agent.target(), None);
        assert_eq!(d.check(A, &[ICE_CONTROLLING]), Checked::Fine { moved: true });
        d.now.0 += 1;
        assert_eq!(
            d.check(B, &[ICE_CONTROLLING]),
            Checked::Fine { moved: true },
            "not nominated: the latest"
        );
        assert_eq!(d.check(A, NOMINATE), Checked::Fine { moved: true });
        d.now.0 += 1;
        assert_eq!(
            d.check(B, &[ICE_CONTROLLING]),
            Checked::Fine { moved: false },
            "a mere check moves nothing"
        );
        assert_eq!(d.agent.target(), Some(way(A)));
        assert_eq!(d.check(B, NOMINATE), Checked::Fine { moved: true }, "another network");
        assert!(d.agent.is_checked(way(A)) && d.agent.target() == Some(way(B)));
    }

    #[test]
    fn who_does_not_know_the_password_gets_nothing() {
        let mut d = Desk::new();
        let ours = *d.agent.ours();
        let wrong = Credentials { pwd: [b'x'; PWD_LEN], ..ours };
        assert_eq!(d.check_with(wrong, A, NOMINATE), (Checked::Stranger, None));
        let other = Credentials { ufrag: *b"somebody", ..ours };
        assert_eq!(d.check_with(other, A, NOMINATE), (Checked::Stranger, None));
        assert!(!d.agent.is_checked(way(A)) && d.agent.target().is_none());
    }

    #[test]
    fn role_conflict_and_unknown_attributes_are_answered() {
        let mut d = Desk::new();
        let ours = *d.agent.ours();
        assert_eq!(d.check_with(ours, A, &[ICE_CONTROLLED]), (Checked::Refused, Some(487)));
        assert_eq!(d.check_with(ours, A, &[0x7f77]), (Checked::Refused, Some(420)));
        assert!(!d.agent.is_checked(way(A)));
    }

    #[test]
    fn a_restart_keeps_the_old_path_until_the_new_one_is_nominated() {
        let mut d = Desk::new();
        d.agent.heard("one");
        d.check(A, NOMINATE);
        let old = *d.agent.ours();
        d.agent.restart(d.now, &mut d.chance);
        assert!(old.ufrag() != d.agent.ours().ufrag() && old.pwd() != d.agent.ours().pwd());
        assert_eq!((d.agent.target(), d.agent.keys().count()), (Some(way(A)), 2));
        assert_eq!(d.check_with(old, A, NOMINATE).0, Checked::Fine { moved: false }, "still consent");
        assert_eq!(d.check(B, &[ICE_CONTROLLING]), Checked::Fine { moved: false });
        assert_eq!(d.check(B, NOMINATE), Checked::Fine { moved: true });
        assert!(!d.agent.is_checked(way(A)), "the old path is closed");
        assert_eq!(d.check_with(old, A, NOMINATE).0, Checked::Stranger, "and its names are over");
        assert_eq!(d.agent.keys().count(), 1);
    }

    #[test]
    fn consent_ends_thirty_seconds_after_the_last_check() {
        let mut d = Desk::new();
        assert_eq!(d.agent.consent_until(), None);
        d.check(A, NOMINATE);
        d.now = d.now + Duration::from_secs(20);
        d.check(A, &[ICE_CONTROLLING]);
        let until = d.agent.consent_until().unwrap();
        assert_eq!(until, d.now + CONSENT);
        assert!(!d.agent.expire(Instant(until.0 - 1)));
        assert_eq!(d.agent.target(), Some(way(A)));
        assert!(d.agent.expire(until));
        assert!(d.agent.target().is_none() && !d.agent.is_checked(way(A)) && !d.agent.expire(until));
        assert_eq!(d.check(A, NOMINATE), Checked::Fine { moved: true }, "it may come back");
    }

    #[test]
    fn paths_are_bounded_and_the_nominated_one_stays() {
        let mut d = Desk::new();
        d.check(A, NOMINATE);
        for port in 1..1000 {
            d.now.0 += 1;
            d.check(&format!("198.51.100.7:{port}"), &[ICE_CONTROLLING]);
        }
        assert_eq!((d.agent.paths().count(), d.agent.target()), (PATHS_MAX, Some(way(A))));
        assert!(d.agent.is_checked(way("198.51.100.7:999")) && !d.agent.is_checked(way("198.51.100.7:1")));
        d.agent.lose(way(A));
        assert_eq!(d.agent.target(), Some(way("198.51.100.7:999")));
    }
}
