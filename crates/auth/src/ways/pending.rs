//! Logins on their way to a provider and back: a bounded table, each entry good once, in the browser that began.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;
use terms::Secret;

/// Somebody may look for a second factor of theirs; longer they do not.
pub(super) const LIFE: Duration = Duration::from_secs(10 * 60);
/// All together. The oldest makes room: it is the one that is most likely abandoned.
const PENDING_MAX: usize = 8_192;
/// From one source, an office behind one address included. A stranger makes room for a stranger.
const PER_SOURCE_MAX: usize = 512;

/// What was said to the provider, to be compared with what comes back.
#[derive(Clone)]
pub(super) struct Begun {
    /// SHA-256 of the browser's cookie.
    pub(super) browser: [u8; 32],
    pub(super) nonce: Secret,
    /// RFC 7636 §4.1.
    pub(super) verifier: Secret,
    /// Where the person wanted to go: a path of ours.
    pub(super) next: Option<String>,
    pub(super) source: IpAddr,
    pub(super) at: Instant,
}

#[derive(Default)]
pub(super) struct Pending(HashMap<[u8; 32], Begun>);

impl Pending {
    /// `state` is the SHA-256 of the word that travels.
    pub(super) fn put(&mut self, state: [u8; 32], begun: Begun) {
        self.0.retain(|_, other| begun.at.saturating_duration_since(other.at) < LIFE);
        let of_source = self.0.values().filter(|other| other.source == begun.source).count();
        let only = (of_source >= PER_SOURCE_MAX).then_some(begun.source);
        if (only.is_some() || self.0.len() >= PENDING_MAX)
            && let Some(oldest) = self.oldest(only)
        {
            self.0.remove(&oldest);
        }
        self.0.insert(state, begun);
    }

    fn oldest(&self, only: Option<IpAddr>) -> Option<[u8; 32]> {
        let those = self.0.iter().filter(|(_, begun)| only.is_none_or(|source| source == begun.source));
        those.min_by_key(|(_, begun)| begun.at).map(|(state, _)| *state)
    }

    /// Takes it out, whoever asks: a state that was shown once is used up, also by the wrong browser.
    pub(super) fn take(&mut self, state: [u8; 32], browser: Option<[u8; 32]>, now: Instant) -> Option<Begun> {
        let begun = self.0.remove(&state)?;
        let young = now.saturating_duration_since(begun.at) < LIFE;
        let same = browser.is_some_and(|browser| bool::from(browser.ct_eq(&begun.browser)));
        (young && same).then_some(begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn begun(at: Instant, last: u8) -> Begun {
        Begun {
            browser: [7; 32],
            nonce: Secret::new("n"),
            verifier: Secret::new("v"),
            next: None,
            source: Ipv4Addr::new(192, 0, 2, last).into(),
            at,
        }
    }

    fn state(n: usize) -> [u8; 32] {
        let mut state = [0; 32];
        state[..8].copy_from_slice(&n.to_be_bytes());
        state
    }

    #[test]
    fn a_state_is_good_once_for_ten_minutes_and_in_its_browser() {
        let mut pending = Pending::default();
        let now = Instant::now();
        for n in 0..4 {
            pending.put(state(n), begun(now, 1));
        }
        assert!(pending.take(state(0), Some([7; 32]), now + LIFE - Duration::from_secs(1)).is_some());
        assert!(pending.take(state(0), Some([7; 32]), now).is_none(), "used up");
        assert!(pending.take(state(1), Some([8; 32]), now).is_none());
        assert!(pending.take(state(1), Some([7; 32]), now).is_none(), "the wrong browser used it up");
        assert!(pending.take(state(2), None, now).is_none());
        assert!(pending.take(state(3), Some([7; 32]), now + LIFE).is_none());
        assert!(pending.take(state(9), Some([7; 32]), now).is_none());
    }

    #[test]
    fn the_table_is_bounded_and_a_stranger_makes_room_for_a_stranger() {
        let mut pending = Pending::default();
        let now = Instant::now();
        pending.put(state(0), begun(now, 1));
        for n in 1..=2 * PER_SOURCE_MAX {
            pending.put(state(n), begun(now + Duration::from_millis(n as u64), 2));
        }
        assert_eq!(pending.0.len(), PER_SOURCE_MAX + 1);
        assert!(pending.take(state(0), Some([7; 32]), now).is_some(), "another source keeps its own");
        assert!(pending.take(state(1), Some([7; 32]), now).is_none(), "the oldest went");
        assert!(pending.take(state(2 * PER_SOURCE_MAX), Some([7; 32]), now).is_some());
        pending.put(state(1), begun(now + LIFE + LIFE, 3));
        assert_eq!(pending.0.len(), 1, "what ran out goes by itself");
    }
}
