//! How a leg's packets arrive: how many, how many are missing, how evenly (RFC 3550 §6.4.1, appendices A.1, A.3, A.8).

use crate::latch::Heard;
use crate::stream::{DROPOUT_MAX, MISORDER_MAX, TICK_NS};
use terms::Instant;

/// A step of more than a second says nothing about the network (a phone restarted its timestamps). In ticks of 8 kHz.
const JITTER_SAMPLE_MAX: u32 = 8000;

#[derive(Default)]
pub struct Inbound {
    pub packets: u64,
    pub octets: u64,
    pub strangers: u64,
    pub rubbish: u64,
    /// The source that speaks now.
    pub ssrc: Option<u32>,
    last_at: Instant,
    first: u32,
    max: u32,
    since_first: u64,
    lost_before: u64,
    /// Multiple of 8 kHz the timestamps count in, less one.
    scale: u32,
    transit: Option<u32>,
    /// In ticks, scaled by 16 as in appendix A.8.
    jitter: u32,
    pub round_trip_us: Option<u32>,
    /// What the peer reported last about our stream: the share lost, in 256ths, and its jitter in ticks.
    pub reported: Option<(u8, u32)>,
    /// Where the last interval of reports, and of quality, began.
    pub report_from: Interval,
    pub quality_from: Interval,
}

/// A moment in the count of packets, to tell what was lost since.
#[derive(Clone, Copy, Default)]
pub struct Interval {
    expected: u64,
    received: u64,
}

impl Inbound {
    /// One packet that was accepted. `timed`: its timestamp is the moment it was made (voice, not a held digit).
    #[inline]
    pub fn heard(&mut self, now: Instant, ssrc: u32, seq: u16, ts: u32, octets: usize, timed: bool) {
        self.packets += 1;
        self.octets += octets as u64;
        self.last_at = now;
        let ahead = seq.wrapping_sub(self.max as u16);
        if self.ssrc == Some(ssrc) && ahead < DROPOUT_MAX {
            self.max = self.max.wrapping_add(u32::from(ahead));
        } else if self.ssrc != Some(ssrc) || ahead <= u16::MAX - MISORDER_MAX {
            self.begin(ssrc, seq);
        }
        self.since_first += 1;
        if timed {
            self.even(now, ts);
        }
    }

    /// Another source, or the same one counting anew.
    fn begin(&mut self, ssrc: u32, seq: u16) {
        self.lost_before = self.lost();
        self.ssrc = Some(ssrc);
        self.first = u32::from(seq);
        self.max = u32::from(seq);
        self.since_first = 0;
        self.transit = None;
    }

    /// The clock of what arrives from now on: 8000 or 48000.
    pub fn set_clock(&mut self, clock: u32) {
        let scale = (clock / 8000).saturating_sub(1);
        if scale != self.scale {
            self.scale = scale;
            self.transit = None;
            self.jitter = 0;
        }
    }

    fn even(&mut self, now: Instant, ts: u32) {
        let scale = self.scale + 1;
        let transit = ((now.0 / TICK_NS) as u32).wrapping_mul(scale).wrapping_sub(ts);
        if let Some(before) = self.transit.replace(transit) {
            let d = (transit.wrapping_sub(before) as i32).unsigned_abs();
            if d <= JITTER_SAMPLE_MAX * scale {
                // RFC 3550 A.8: J += |D| - ((J + 8) >> 4), J scaled by 16.
                self.jitter = self.jitter.saturating_add(d).saturating_sub((self.jitter + 8) >> 4);
            }
        }
    }

    /// RFC 3550 A.3: expected less received, never below zero; duplicates do not make up for losses elsewhere.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.expected_now().saturating_sub(self.since_first)
    }

    fn expected_now(&self) -> u64 {
        if self.since_first == 0 { 0 } else { u64::from(self.max.wrapping_sub(self.first)) + 1 }
    }

    /// RFC 3550 A.3: the share lost since `from`, in 256ths, and how many were expected; `from` moves on.
    pub fn lost_since(&self, from: Interval) -> (u8, u64, Interval) {
        let now = Interval { expected: self.packets + self.lost(), received: self.packets };
        let expected = now.expected.saturating_sub(from.expected);
        let lost = expected.saturating_sub(now.received.saturating_sub(from.received));
        let share = (lost << 8).checked_div(expected).unwrap_or(0).min(255);
        (share as u8, expected, now)
    }

    pub fn jitter_us(&self) -> u32 {
        (self.jitter >> 4).saturating_mul((TICK_NS / 1000) as u32) / (self.scale + 1)
    }

    /// In ticks of the stream, as reports carry it.
    pub fn jitter_ticks(&self) -> u32 {
        self.jitter >> 4
    }

    /// Extended highest sequence number received.
    pub fn max(&self) -> u32 {
        self.max
    }

    pub fn last(&self) -> Option<Heard> {
        self.ssrc.map(|ssrc| Heard { at: self.last_at, ssrc, seq: self.max as u16 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_counted_across_wraps_and_sources() {
        let mut i = Inbound::default();
        for (ssrc, seq) in [(1, 65_533u16), (1, 65_534), (1, 1), (1, 0), (1, 2), (2, 500), (2, 503)] {
            i.heard(Instant(0), ssrc, seq, 0, 160, true);
        }
        assert_eq!((i.packets, i.octets, i.lost()), (7, 7 * 160, 1 + 2));
    }

    #[test]
    fn even_arrival_has_no_jitter_and_uneven_has() {
        let mut even = Inbound::default();
        let mut uneven = Inbound::default();
        for n in 0..200u32 {
            let at = u64::from(n) * 20_000_000;
            even.heard(Instant(at), 1, n as u16, n * 160, 160, true);
            let late = if n % 2 == 0 { 0 } else { 4_000_000 };
            uneven.heard(Instant(at + late), 1, n as u16, n * 160, 160, true);
        }
        assert_eq!(even.jitter_us(), 0);
        assert!((3500..=4000).contains(&uneven.jitter_us()), "{}", uneven.jitter_us());
    }
}
