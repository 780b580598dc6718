//! The one stream a leg hears from us: one SSRC, sequence numbers and timestamps without a break, whoever speaks at
//! the other side and however often that changes.

use crate::chance::Chance;
use terms::Instant;

/// RFC 3550 appendix A.1: a sequence may jump ahead this far and still be the same stream.
pub const DROPOUT_MAX: u16 = 3000;
/// RFC 3550 appendix A.1: and come this late.
pub const MISORDER_MAX: u16 = 100;

/// Nanoseconds of one tick of the 8 kHz clock, the slowest there is; all others are multiples of it.
pub const TICK_NS: u64 = 125_000;

/// The least a timestamp advances when the source changes: twenty milliseconds, in ticks of the 8 kHz clock.
const PACKET_TICKS: u32 = 160;

/// Whose packets leave in this stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The other leg's, relayed, by SSRC.
    Peer(u32),
    /// The other leg's, in another codec; the number changes with its SSRC.
    Coded(u32),
    /// Our own: a tone, a digit, an echo; the number changes with each.
    Ours(u32),
}

pub struct Out {
    /// Ours for the whole call.
    pub ssrc: u32,
    /// Multiple of 8 kHz its timestamps count in.
    scale: u32,
    /// The source it speaks for now; none before the first packet and after a pause we made.
    source: Option<Source>,
    seq_offset: u16,
    ts_offset: u32,
    /// Highest sequence number in, highest out with its cycles, and what went with it.
    in_max: u16,
    out_max: u32,
    last_ts: u32,
    last_at: Instant,
    begun: bool,
    /// What has left, for our own sender reports.
    pub packets: u32,
    pub octets: u32,
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
            scale: 1,
            source: None,
            seq_offset: 0,
            ts_offset: 0,
            in_max: 0,
            // In the lower half: a loss right after a beginning near the end would hide a rollover from SRTP for good.
            out_max: u32::from(chance.next_u16() >> 1),
            last_ts: chance.next_u32(),
            last_at: Instant::default(),
            begun: false,
            packets: 0,
            octets: 0,
        }
    }

    /// The clock of the codec agreed for it: 8000 or 48000.
    pub fn set_clock(&mut self, clock: u32) {
        self.scale = (clock / 8000).max(1);
    }

    /// Packets are being held back; the next one that leaves follows the last that did.
    pub fn pause(&mut self) {
        self.source = None;
    }

    #[inline]
    pub fn place(&mut self, now: Instant, ssrc: u32, seq: u16, ts: u32) -> Place {
        let ahead = seq.wrapping_sub(self.in_max);
        let follows = self.source == Some(Source::Peer(ssrc))
            && !(DROPOUT_MAX..=u16::MAX - MISORDER_MAX).contains(&ahead);
        if !follows {
            self.rebase(now, Source::Peer(ssrc), seq, ts);
        }
        let out_seq = seq.wrapping_add(self.seq_offset);
        let out_ts = ts.wrapping_add(self.ts_offset);
        let step = out_seq.wrapping_sub(self.out_max as u16);
        if step < DROPOUT_MAX {
            self.out_max = self.out_max.wrapping_add(u32::from(step));
            self.in_max = seq;
            self.told(now, out_ts);
        }
        Place { seq: out_seq, ts: out_ts, fresh: !follows }
    }

    /// A packet that was made here and follows whatever left last; only its timestamp is its own.
    pub fn append(&mut self, now: Instant, source: Source, ts: u32) -> Place {
        let follows = self.source == Some(source);
        // The very first packet has the number that was drawn.
        self.out_max = self.out_max.wrapping_add(u32::from(self.begun));
        if !follows {
            self.rebase(now, source, 0, ts);
        }
        let out_ts = ts.wrapping_add(self.ts_offset);
        self.told(now, out_ts);
        Place { seq: self.out_max as u16, ts: out_ts, fresh: !follows }
    }

    /// A packet with a payload of `octets` has left.
    #[inline]
    pub fn sent(&mut self, octets: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
    }

    /// A digit's timestamp stands still while it is held; time is counted from when it began.
    #[inline]
    fn told(&mut self, now: Instant, ts: u32) {
        if ts != self.last_ts {
            self.last_ts = ts;
            self.last_at = now;
        }
    }

    fn ticks_since(&self, at: Instant, now: Instant) -> u32 {
        let ticks = now.since(at).as_nanos() / u128::from(TICK_NS) * u128::from(self.scale);
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    /// The stream's timestamp at this moment, for our own sender reports; nothing before the first packet.
    pub fn timestamp_at(&self, now: Instant) -> Option<u32> {
        self.begun.then(|| self.last_ts.wrapping_add(self.ticks_since(self.last_at, now)))
    }

    fn rebase(&mut self, now: Instant, source: Source, seq: u16, ts: u32) {
        let ticks = if self.begun {
            self.ticks_since(self.last_at, now).max(PACKET_TICKS * self.scale)
        } else {
            self.last_at = now;
            0
        };
        self.source = Some(source);
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
    fn our_own_packets_fall_in_with_the_relayed_ones() {
        let mut out = Out::new(&mut Chance::new([8; 32]));
        let mut now = Instant(0);
        let mut step = |ms: u64| {
            now = now + Duration::from_millis(ms);
            now
        };
        let a = out.append(step(20), Source::Ours(1), 7);
        let b = out.append(step(20), Source::Ours(1), 167);
        assert_eq!((b.seq, b.ts), (a.seq.wrapping_add(1), a.ts.wrapping_add(160)));
        let c = out.place(step(20), 9, 50_000, 1000);
        assert_eq!((c.seq, c.ts, c.fresh), (a.seq.wrapping_add(2), a.ts.wrapping_add(320), true));
        // A digit of 100 ms: its timestamp stands still, and what follows knows how long that was.
        for n in 0..5u16 {
            let d = out.append(step(20), Source::Ours(2), 0);
            assert_eq!((d.seq, d.ts), (a.seq.wrapping_add(3 + n), a.ts.wrapping_add(480)));
        }
        let e = out.place(step(20), 9, 50_006, 1000 + 6 * 160);
        assert_eq!((e.seq, e.ts), (a.seq.wrapping_add(8), a.ts.wrapping_add(480 + 5 * 160)));
        assert_eq!(out.timestamp_at(step(10)), Some(e.ts.wrapping_add(80)));
    }

    #[test]
    fn a_stream_of_opus_counts_in_its_own_clock() {
        let mut out = Out::new(&mut Chance::new([8; 32]));
        out.set_clock(48_000);
        let a = out.append(Instant(0), Source::Coded(1), 0);
        let b = out.append(Instant(40_000_000), Source::Ours(1), 5);
        assert_eq!(b.ts, a.ts.wrapping_add(1920));
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
