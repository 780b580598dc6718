//! The one stream a leg hears from us: one SSRC, sequence numbers and timestamps without a break, whoever speaks at
//! the other side and however often that changes.

use crate::chance::Chance;
use terms::Instant;

/// RFC 3550 appendix A.1: a sequence may jump ahead this far and still be the same stream.
pub const DROPOUT_MAX: u16 = 3000;
/// RFC 3550 appendix A.1: and come this late.
pub const MISORDER_MAX: u16 = 100;

/// Nanoseconds of one tick of the 8 kHz clock.
pub const TICK_NS: u64 = 125_000;

/// Twenty milliseconds: the least a timestamp advances when the source changes.
const PACKET_TICKS: u32 = 160;

pub struct Out {
    /// Ours for the whole call.
    pub ssrc: u32,
    /// The source it speaks for now; none before the first packet and after a pause we made.
    source: Option<u32>,
    seq_offset: u16,
    ts_offset: u32,
    /// Highest sequence number in, highest out with its cycles, and what went with it.
    in_max: u16,
    out_max: u32,
    last_ts: u32,
    last_at: Instant,
    begun: bool,
}

/// A packet's place in the outgoing stream.
pub struct Place {
    pub seq: u16,
    pub ts: u32,
    /// The first packet of another source, to be marked so that the listener's buffer starts anew (RFC 3551 §4.1).
    pub fresh: bool,
}

impl Out {
    /// RFC 3550 §5.1: SSRC, first sequence number and first timestamp are drawn at random.
    pub fn new(chance: &mut Chance) -> Out {
        Out {
            ssrc: chance.next_u32(),
            source: None,
            seq_offset: 0,
            ts_offset: 0,
            in_max: 0,
            out_max: u32::from(chance.next_u16()),
            last_ts: chance.next_u32(),
            last_at: Instant::default(),
            begun: false,
        }
    }

    /// Packets are being held back; the next one that leaves follows the last that did.
    pub fn pause(&mut self) {
        self.source = None;
    }

    #[inline]
    pub fn place(&mut self, now: Instant, ssrc: u32, seq: u16, ts: u32) -> Place {
        let ahead = seq.wrapping_sub(self.in_max);
        let follows = self.source == Some(ssrc) && (ahead < DROPOUT_MAX || ahead > u16::MAX - MISORDER_MAX);
        if !follows {
            self.rebase(now, ssrc, seq, ts);
        }
        let out_seq = seq.wrapping_add(self.seq_offset);
        let out_ts = ts.wrapping_add(self.ts_offset);
        let step = out_seq.wrapping_sub(self.out_max as u16);
        if step < DROPOUT_MAX {
            self.out_max = self.out_max.wrapping_add(u32::from(step));
            self.in_max = seq;
            self.last_ts = out_ts;
            self.last_at = now;
        }
        Place { seq: out_seq, ts: out_ts, fresh: !follows }
    }

    fn rebase(&mut self, now: Instant, ssrc: u32, seq: u16, ts: u32) {
        let ticks = if self.begun {
            let passed =
                u32::try_from(now.since(self.last_at).as_nanos() / u128::from(TICK_NS)).unwrap_or(u32::MAX);
            passed.max(PACKET_TICKS)
        } else {
            0
        };
        self.source = Some(ssrc);
        self.seq_offset = (self.out_max as u16).wrapping_add(u16::from(self.begun)).wrapping_sub(seq);
        self.ts_offset = self.last_ts.wrapping_add(ticks).wrapping_sub(ts);
        self.in_max = seq;
        self.begun = true;
    }

    /// A source's RTP timestamp as the listener knows it, for sender reports.
    pub fn timestamp_of(&self, ts: u32) -> u32 {
        ts.wrapping_add(self.ts_offset)
    }

    /// The listener's highest sequence number in the source's own counting, for receiver reports. `source_max` is the
    /// source's highest extended sequence number.
    pub fn source_sequence(&self, reported: u32, source_max: u32) -> u32 {
        let behind = self.out_max.wrapping_sub(reported);
        if behind <= 0xffff {
            source_max.wrapping_sub(behind)
        } else {
            u32::from((reported as u16).wrapping_sub(self.seq_offset))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_new_source_goes_on_where_the_old_one_stopped() {
        let mut out = Out::new(&mut Chance::new([5; 32]));
        let mut now = Instant(0);
        let first = out.place(now, 1, 65_534, 4_294_967_200);
        let mut last = (first.seq, first.ts);
        for i in 1..10u16 {
            now = now + Duration::from_millis(20);
            let p = out.place(
                now,
                1,
                65_534u16.wrapping_add(i),
                4_294_967_200u32.wrapping_add(160 * u32::from(i)),
            );
            assert_eq!((p.seq, p.ts), (last.0.wrapping_add(1), last.1.wrapping_add(160)));
            assert!(!p.fresh);
            last = (p.seq, p.ts);
        }
        now = now + Duration::from_millis(60);
        let p = out.place(now, 2, 17, 99);
        assert!(p.fresh);
        assert_eq!((p.seq, p.ts), (last.0.wrapping_add(1), last.1.wrapping_add(480)));
        let p = out.place(now, 2, 40_000, 99);
        assert_eq!(p.seq, last.0.wrapping_add(2), "a restarted sequence is another source too");
    }

    #[test]
    fn loss_and_disorder_pass_as_they_are() {
        let mut out = Out::new(&mut Chance::new([6; 32]));
        let base = out.place(Instant(0), 1, 100, 0).seq;
        for seq in [103u16, 101, 102, 104] {
            assert_eq!(out.place(Instant(0), 1, seq, 0).seq, base.wrapping_add(seq - 100));
        }
    }

    #[test]
    fn a_pause_leaves_no_gap() {
        let mut out = Out::new(&mut Chance::new([7; 32]));
        let a = out.place(Instant(0), 1, 100, 0);
        out.pause();
        let b = out.place(Instant(1_000_000_000), 1, 150, 8000);
        assert_eq!(b.seq, a.seq.wrapping_add(1));
        assert_eq!(b.ts, a.ts.wrapping_add(8000));
    }
}
