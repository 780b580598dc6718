//! One direction of a call whose legs have no codec in common: packets of one codec in, packets of the other out.
//!
//! There is no jitter buffer: the listener has one. All that is kept back is one packet that came too early, until the
//! missing one comes or the next shows that it is lost. What is lost is made up for, what was never sent (silence
//! suppression, a digit in between) is a gap in our timestamps too, and the packet after it carries the marker.

use super::conceal::Conceal;
use super::half::Bridge;
use super::{Decoder, Encoder, Kind, NoCoder, PACKET_MS_MAX, Rubbish};
use crate::stream::{DROPOUT_MAX, MISORDER_MAX};

/// Losses up to this long are made up for; what is missing longer is a pause.
const CONCEAL_MS_MAX: u32 = 100;
/// A timestamp further ahead than a minute is a clock that was set anew.
const PAUSE_S_MAX: u32 = 60;
/// An Ethernet frame holds no more.
const PAYLOAD_MAX: usize = 1500;

/// A packet of the speaker. Its SSRC is the caller's affair: another one means [`Transcoder::restart`].
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    pub seq: u16,
    pub ts: u32,
    pub marker: bool,
    pub payload: &'a [u8],
}

/// A packet for the listener, in the order to be sent. Its sequence number is the next one.
#[derive(Clone, Copy)]
pub struct Coded<'a> {
    /// In ticks of the listener's codec, from zero.
    pub ts: u32,
    pub marker: bool,
    pub payload: &'a [u8],
}

pub struct Transcoder {
    from: Kind,
    to: Kind,
    decoder: Decoder,
    encoder: Encoder,
    bridge: Bridge,
    /// None for Opus, which makes up for losses by itself.
    conceal: Option<Conceal>,
    /// Samples a millisecond as decoded, and as encoded.
    per_ms_in: u32,
    per_ms: u32,
    /// Samples of one packet to the listener.
    frame: usize,
    decoded: Vec<i16>,
    /// Less than a frame between two packets.
    waiting: Vec<i16>,
    coded: Vec<u8>,
    /// Timestamp of the first sample that waits.
    ts: u32,
    marker: bool,
    /// What the next packet of the speaker should carry; nothing before the first.
    next: Option<Expected>,
    early: Early,
    /// Samples of silence we put before a pause to fill a packet; they count as part of the pause.
    padded: usize,
    sources: u32,
}

#[derive(Clone, Copy)]
struct Expected {
    seq: u16,
    ts: u32,
}

/// The packet that came before its time.
#[derive(Default)]
struct Early {
    full: bool,
    seq: u16,
    ts: u32,
    marker: bool,
    payload: Vec<u8>,
}

impl Transcoder {
    /// `packet_ms`: what the listener asked for (its `a=ptime`).
    pub fn new(from: Kind, to: Kind, packet_ms: Option<u16>) -> Result<Transcoder, NoCoder> {
        let (rate_in, rate) = (from.rate_beside(to), to.rate_beside(from));
        let packet_ms = to.packet_ms(packet_ms);
        Ok(Transcoder {
            from,
            to,
            decoder: Decoder::new(from, rate_in)?,
            encoder: Encoder::new(to, rate)?,
            bridge: Bridge::new(rate_in, rate),
            conceal: (from != Kind::Opus).then(|| Conceal::new(rate_in)),
            per_ms_in: rate_in / 1000,
            per_ms: rate / 1000,
            frame: (packet_ms * rate / 1000) as usize,
            decoded: Vec::new(),
            waiting: Vec::new(),
            coded: Vec::new(),
            ts: 0,
            marker: true,
            next: None,
            early: Early::default(),
            padded: 0,
            sources: 0,
        })
    }

    pub fn from(&self) -> Kind {
        self.from
    }

    pub fn to(&self) -> Kind {
        self.to
    }

    /// A number that changes whenever the speaker did: timestamps before and after have nothing to do with each other.
    pub fn source(&self) -> u32 {
        self.sources
    }

    /// Another speaker (SSRC), or the same after a hold.
    pub fn restart(&mut self) {
        self.decoder.reset();
        self.bridge.reset();
        if let Some(conceal) = &mut self.conceal {
            conceal.reset();
        }
        self.waiting.clear();
        self.next = None;
        self.early.full = false;
        self.padded = 0;
        self.marker = true;
        self.sources = self.sources.wrapping_add(1);
    }

    /// The listener reports this share of our packets lost, in percent.
    pub fn loss_reported(&mut self, percent: u8) {
        self.encoder.loss_reported(percent);
    }

    /// One packet of the speaker; `emit` gets what there is to send now.
    pub fn push(&mut self, packet: Incoming<'_>, emit: &mut impl FnMut(Coded<'_>)) -> Result<(), Rubbish> {
        if packet.payload.is_empty() || packet.payload.len() > PAYLOAD_MAX {
            return Err(Rubbish);
        }
        let Some(next) = self.next else { return self.take(packet, emit) };
        let ahead = packet.seq.wrapping_sub(next.seq);
        if ahead > u16::MAX - MISORDER_MAX {
            // Too late: what it said has been made up for.
            return Ok(());
        }
        if ahead >= DROPOUT_MAX {
            // RFC 3550 appendix A.1: the source counts anew.
            self.restart();
            return self.take(packet, emit);
        }
        if ahead == 0 {
            self.take(packet, emit)?;
            return self.take_early(false, emit);
        }
        if !self.early.full {
            self.early.put(packet);
            return Ok(());
        }
        if self.early.seq == packet.seq {
            return Ok(());
        }
        // A second one ahead: what is missing before them is lost.
        if self.early.seq.wrapping_sub(next.seq) < ahead {
            let broken = self.take_early(true, emit);
            let expected = self.next.map_or(packet.seq, |n| n.seq);
            if packet.seq == expected {
                self.take(packet, emit)?;
            } else {
                self.early.put(packet);
            }
            broken
        } else {
            self.take(packet, emit)?;
            self.take_early(false, emit)
        }
    }

    /// A packet of the speaker that is no voice (a digit) used this sequence number.
    pub fn passed(&mut self, seq: u16, emit: &mut impl FnMut(Coded<'_>)) {
        if let Some(next) = self.next.as_mut().filter(|n| n.seq == seq) {
            next.seq = seq.wrapping_add(1);
            // A broken one is counted when it is pushed, not here.
            let _ = self.take_early(false, emit);
        }
    }

    /// Sends what waits, filled up with silence, so that something else can follow in time (a digit).
    pub fn close(&mut self, emit: &mut impl FnMut(Coded<'_>)) {
        if !self.waiting.is_empty() {
            let missing = self.frame.saturating_sub(self.waiting.len());
            self.padded += missing;
            self.waiting.resize(self.frame, 0);
            self.send(emit);
        }
    }

    /// The speaker's timestamp in the terms of the listener's stream. Zero's neighbourhood before the first packet.
    pub fn timestamp_of(&self, ts: u32) -> u32 {
        let Some(next) = self.next else { return self.ts };
        let off = i64::from(ts.wrapping_sub(next.ts) as i32);
        let ticks = off * i64::from(self.to.clock()) / i64::from(self.from.clock());
        let here = self
            .ts
            .wrapping_add(self.ticks_out(self.waiting.len()))
            .wrapping_sub(self.ticks_out(self.padded));
        here.wrapping_add(ticks as u32)
    }

    fn take_early(&mut self, even_if_lost: bool, emit: &mut impl FnMut(Coded<'_>)) -> Result<(), Rubbish> {
        let due = self.next.is_none_or(|n| n.seq == self.early.seq);
        if !self.early.full || !(due || even_if_lost) {
            return Ok(());
        }
        self.early.full = false;
        let early = std::mem::take(&mut self.early);
        let packet = Incoming { seq: early.seq, ts: early.ts, marker: early.marker, payload: &early.payload };
        let done = self.take(packet, emit);
        // The buffer is kept for the next one.
        self.early.payload = early.payload;
        done
    }

    /// The next packet in order; what is missing before it will not come any more.
    fn take(&mut self, packet: Incoming<'_>, emit: &mut impl FnMut(Coded<'_>)) -> Result<(), Rubbish> {
        self.decoded.clear();
        if let Some(next) = self.next {
            let lost = packet.seq != next.seq;
            let missing = packet.ts.wrapping_sub(next.ts);
            if missing <= self.from.clock() * PAUSE_S_MAX && missing > 0 {
                if lost && missing <= self.ticks_in_ms(CONCEAL_MS_MAX) {
                    self.make_up(missing, packet.payload);
                } else {
                    self.pause(missing, emit);
                }
            }
        } else if packet.marker {
            self.marker = true;
        }
        let made_up = self.decoded.len();
        let read = self.decoder.decode(packet.payload, &mut self.decoded);
        let samples = self.decoded.len() - made_up;
        if let Some(conceal) = &mut self.conceal {
            conceal.heard(self.decoded.get_mut(made_up..).unwrap_or_default());
        }
        if read.is_ok() {
            let seq = packet.seq.wrapping_add(1);
            self.next = Some(Expected { seq, ts: packet.ts.wrapping_add(self.ticks_in(samples)) });
        } else if let Some(next) = &mut self.next {
            // As if it had been lost, and all before it made up for.
            *next = Expected { seq: packet.seq, ts: packet.ts };
        }
        self.bridge.pass(&self.decoded, &mut self.waiting);
        while self.waiting.len() >= self.frame {
            self.send(emit);
        }
        read
    }

    fn make_up(&mut self, missing: u32, following: &[u8]) {
        let samples = self.samples_in(missing);
        match (&mut self.conceal, self.decoder.opus()) {
            (Some(conceal), _) => conceal.fill(samples, &mut self.decoded),
            (None, Some(opus)) => {
                // 2.5 ms is the least Opus can make up for.
                let least = (self.per_ms_in as usize * 5 / 2).max(1);
                let samples = samples / least * least;
                // Only the packet just before the following one can be had from its redundancy.
                let last = opus.samples(following).filter(|n| *n <= samples).unwrap_or(0);
                if samples > last {
                    opus.conceal(samples - last, &mut self.decoded);
                }
                if last > 0 {
                    opus.recover(following, last, &mut self.decoded);
                }
            }
            (None, None) => {}
        }
    }

    /// Nothing was said for `missing` ticks of the speaker.
    fn pause(&mut self, missing: u32, emit: &mut impl FnMut(Coded<'_>)) {
        let samples =
            (u64::from(missing) * u64::from(self.per_ms) * 1000 / u64::from(self.from.clock())) as usize;
        let room = self.frame.saturating_sub(self.waiting.len());
        if self.waiting.is_empty() || samples >= room {
            self.close(emit);
            let left = samples.saturating_sub(self.padded);
            self.padded = self.padded.saturating_sub(samples);
            self.ts = self.ts.wrapping_add(self.ticks_out(left));
            self.marker = true;
        } else {
            self.waiting.resize(self.waiting.len() + samples, 0);
        }
    }

    /// The first frame that waits.
    fn send(&mut self, emit: &mut impl FnMut(Coded<'_>)) {
        let Some(frame) = self.waiting.get(..self.frame) else { return };
        if self.encoder.encode(frame, &mut self.coded) {
            emit(Coded { ts: self.ts, marker: std::mem::take(&mut self.marker), payload: &self.coded });
        }
        self.waiting.drain(..self.frame);
        self.ts = self.ts.wrapping_add(self.ticks_out(self.frame));
    }

    fn ticks_in(&self, samples: usize) -> u32 {
        samples as u32 * (self.from.clock() / 1000) / self.per_ms_in
    }

    fn ticks_in_ms(&self, ms: u32) -> u32 {
        ms * (self.from.clock() / 1000)
    }

    fn ticks_out(&self, samples: usize) -> u32 {
        (samples as u64 * u64::from(self.to.clock() / 1000) / u64::from(self.per_ms)) as u32
    }

    /// At most `PACKET_MS_MAX`, so it fits.
    fn samples_in(&self, ticks: u32) -> usize {
        (ticks.min(self.ticks_in_ms(PACKET_MS_MAX)) * self.per_ms_in / (self.from.clock() / 1000)) as usize
    }
}

impl Early {
    fn put(&mut self, packet: Incoming<'_>) {
        self.full = true;
        self.seq = packet.seq;
        self.ts = packet.ts;
        self.marker = packet.marker;
        self.payload.clear();
        self.payload.extend_from_slice(packet.payload);
    }
}
