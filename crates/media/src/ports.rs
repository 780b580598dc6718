//! The ports of one machine: pairs of an even port for RTP and the odd one above it for RTCP (RFC 3550 §11), drawn at
//! random and given back exactly once.

use crate::chance::Chance;
use crate::machine::Share;
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;
use terms::Instant;

/// How long a port that somebody else on this machine had open is left alone before it is tried again.
const REST: Duration = Duration::from_secs(60);

pub struct Ports {
    free: Vec<u16>,
    /// One flag per port number of the range: handed out and not yet back.
    out: Vec<bool>,
    first: u16,
    resting: VecDeque<(Instant, u16)>,
}

impl Ports {
    pub fn new(range: &RangeInclusive<u16>, share: Share) -> Ports {
        let (first, last) = (*range.start(), *range.end());
        let free: Vec<u16> = (first..=last)
            .filter(|p| p % 2 == 0 && *p != 0 && *p < last)
            .filter(|p| (p / 2) % share.of.max(1) == share.index)
            .collect();
        Ports {
            free,
            out: vec![false; usize::from(last.saturating_sub(first)) + 1],
            first,
            resting: VecDeque::new(),
        }
    }

    /// Ports of the range that serve another purpose.
    pub fn leave_out(&mut self, others: RangeInclusive<u16>) {
        self.free.retain(|p| !others.contains(p) && !others.contains(&p.saturating_add(1)));
    }

    /// An even port; the odd one above it comes with it.
    pub fn take(&mut self, now: Instant, chance: &mut Chance) -> Option<u16> {
        while self.resting.front().is_some_and(|(until, _)| *until <= now) {
            let (_, port) = self.resting.pop_front()?;
            self.free.push(port);
        }
        if self.free.is_empty() {
            return None;
        }
        let port = self.free.swap_remove(chance.below(self.free.len()));
        if let Some(flag) = self.flag(port) {
            *flag = true;
        }
        Some(port)
    }

    /// Gives a pair back. A second return of the same port changes nothing; it would be our own mistake.
    pub fn give(&mut self, port: u16) {
        if self.returned(port) {
            self.free.push(port);
        }
    }

    /// Gives back a pair that could not be opened; it rests for a while.
    pub fn give_broken(&mut self, now: Instant, port: u16) {
        if self.returned(port) {
            self.resting.push_back((now + REST, port));
        }
    }

    fn returned(&mut self, port: u16) -> bool {
        let was_out = self.flag(port).is_some_and(std::mem::take);
        debug_assert!(was_out, "port {port} came back twice");
        was_out
    }

    fn flag(&mut self, port: u16) -> Option<&mut bool> {
        self.out.get_mut(usize::from(port.checked_sub(self.first)?))
    }

    pub fn out(&self) -> impl Iterator<Item = u16> + '_ {
        self.out.iter().enumerate().filter(|(_, out)| **out).map(|(i, _)| self.first.saturating_add(i as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const NOW: Instant = Instant(0);

    #[test]
    fn every_pair_comes_once_and_is_even() {
        let mut chance = Chance::new([1; 32]);
        let mut ports = Ports::new(&(10_001..=10_021), Share::ALL);
        let mut seen = BTreeSet::new();
        while let Some(p) = ports.take(NOW, &mut chance) {
            assert!(p % 2 == 0 && seen.insert(p) && (10_001..=10_020).contains(&p));
        }
        assert_eq!(seen.len(), 10);
        ports.give(10_004);
        assert_eq!(ports.take(NOW, &mut chance), Some(10_004));
    }

    #[test]
    fn workers_share_a_range_without_overlap() {
        let mut all = BTreeSet::new();
        for index in 0..3 {
            let mut chance = Chance::new([2; 32]);
            let mut ports = Ports::new(&(20_000..=20_099), Share { index, of: 3 });
            while let Some(p) = ports.take(NOW, &mut chance) {
                assert!(all.insert(p));
            }
        }
        assert_eq!(all.len(), 50);
    }

    #[test]
    fn a_port_somebody_else_has_rests_for_a_minute() {
        let mut chance = Chance::new([1; 32]);
        let mut ports = Ports::new(&(10_000..=10_001), Share::ALL);
        let p = ports.take(NOW, &mut chance).unwrap();
        ports.give_broken(NOW, p);
        assert_eq!(ports.take(NOW + Duration::from_secs(59), &mut chance), None);
        assert_eq!(ports.take(NOW + Duration::from_secs(60), &mut chance), Some(p));
    }

    #[test]
    fn odd_and_tiny_ranges_do_no_harm() {
        let mut chance = Chance::new([1; 32]);
        for range in [9..=9u16, 0..=0, 65_535..=65_535, 65_534..=65_534] {
            assert_eq!(Ports::new(&range, Share::ALL).take(NOW, &mut chance), None, "{range:?}");
        }
        assert_eq!(Ports::new(&(65_534..=65_535), Share::ALL).take(NOW, &mut chance), Some(65_534));
    }
}
