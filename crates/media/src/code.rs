//! A packet whose voice the other leg cannot decode: heard here, said again in that leg's codec. Digits beside it are
//! told anew in that leg's clock.

use crate::codec::{self, Coded, Incoming, Kind, Transcoder};
use crate::leg::{Heard, LegState, Route};
use crate::machine::{Forward, Transmit};
use crate::negotiate::Path;
use crate::packet::Rtp;
use crate::play;
use crate::press::{Carry, Clocks, Event};
use crate::sdp::Codec;
use crate::stream::Source;
use smallvec::SmallVec;
use terms::Instant;

/// What leaves besides the first packet: a longer packet cut into short ones, a digit whose end was lost.
pub type Rest = SmallVec<[Transmit; 2]>;

/// Whether a voice has to be decoded to reach the other leg. The two laws of G.711 need no more than a table.
pub fn needs_coder(path: &Path) -> bool {
    let (from, to) = (path.arrives.codec, path.leaves.codec);
    from.is_voice() && from != to && !(is_law(from) && is_law(to))
}

fn is_law(codec: Codec) -> bool {
    matches!(codec, Codec::Pcmu | Codec::Pcma)
}

/// What is not just relayed and yet needs no coder: the other law, a digit's duration in another clock.
#[inline]
pub fn change_in_place(route: Route, heard: Option<Heard>, payload: &mut [u8]) {
    match route.codec.kind().zip(heard.map(|h| h.kind)) {
        Some((from, to)) => drop(codec::swap_law(from, to, payload)),
        None => {
            // RFC 4733 §2.3.5. Longer than the other clock can say is as long as it can.
            if let Some([_, _, high, low]) = payload.first_chunk_mut::<4>() {
                let ticks = u32::from(u16::from_be_bytes([*high, *low])) * (route.to_clock / 1000);
                let ticks = u16::try_from(ticks / (route.clock / 1000).max(1)).unwrap_or(u16::MAX);
                [*high, *low] = ticks.to_be_bytes();
            }
        }
    }
}

/// What this leg says, on its way into the other's codec.
#[derive(Default)]
pub struct Coder {
    transcoder: Option<Transcoder>,
    carry: Carry,
    ssrc: Option<u32>,
    /// Distinguishes the timestamps of one transcoder from those of the next.
    base: u32,
    /// The payload while the buffer it came in is written over.
    payload: Vec<u8>,
}

impl Coder {
    /// The other leg reports this share of what it gets from here lost, in percent.
    pub fn loss_reported(&mut self, percent: u8) {
        if let Some(transcoder) = &mut self.transcoder {
            transcoder.loss_reported(percent);
        }
    }

    /// Nothing of it reaches the listener now; what comes later does not follow what was.
    pub fn pause(&mut self) {
        self.ssrc = None;
    }

    /// A transcoder for what is said now. Nothing if the library has no room for one.
    fn ready(&mut self, from: Kind, heard: &Heard, ssrc: u32) -> Option<()> {
        let fits = self.transcoder.as_ref().is_some_and(|t| t.from() == from && t.to() == heard.kind);
        if !fits {
            self.transcoder = Some(Transcoder::new(from, heard.kind, heard.ptime).ok()?);
            self.base = self.base.wrapping_add(1 << 16);
        } else if self.ssrc != Some(ssrc) {
            self.transcoder.as_mut()?.restart();
        }
        if self.ssrc.replace(ssrc) != Some(ssrc) {
            self.carry.restart();
        }
        Some(())
    }
}

/// The way out: the first packet into the buffer at hand, the rest into one of its own.
struct Out<'a> {
    now: Instant,
    to: &'a mut LegState,
    buf: &'a mut [u8],
    first: Option<Forward>,
    rest: &'a mut Rest,
}

impl Out<'_> {
    fn send(&mut self, source: Source, pt: u8, marker: bool, ts: u32, payload: &[u8]) {
        if self.first.is_none() {
            self.first = play::write(self.now, self.to, source, pt, marker, ts, payload, self.buf);
        } else if let Some(packet) = play::seal(self.now, self.to, source, pt, marker, ts, payload) {
            self.rest.push(packet);
        }
    }
}

/// A packet of `me` that the other leg is to have in its own codec. What leaves besides the first one is in `rest`.
pub fn pass_coded(
    now: Instant,
    me: &mut LegState,
    other: &mut LegState,
    rtp: &Rtp,
    route: Route,
    buf: &mut [u8],
    rest: &mut Rest,
) -> Option<Forward> {
    let heard = other.heard?;
    let from = route.codec.kind().or(me.voice_kind)?;
    me.voice_kind = Some(from);
    let coder = me.coder.get_or_insert_default();
    if other.target().is_none() {
        coder.pause();
        return None;
    }
    if coder.ready(from, &heard, rtp.ssrc).is_none() {
        me.inbound.rubbish += 1;
        return None;
    }
    let Coder { transcoder: Some(transcoder), carry, base, payload, .. } = &mut **coder else { return None };
    payload.clear();
    payload.extend_from_slice(buf.get(rtp.payload..rtp.payload + rtp.octets)?);
    let source = Source::Coded(base.wrapping_add(transcoder.source()));
    let mut out = Out { now, to: other, buf, first: None, rest };
    let clocks = |events: u32| Clocks { from: me.event_clock, to: events };
    if route.codec.is_voice() {
        if let Some((pt, clock)) = heard.events {
            carry.voice(now, clocks(clock / 1000), &mut |e| out.event(source, pt, e));
        }
        let packet = Incoming { seq: rtp.seq, ts: rtp.ts, marker: rtp.marker, payload };
        let read = transcoder.push(packet, &mut |c: Coded<'_>| {
            out.send(source, heard.pt, c.marker, c.ts, c.payload);
        });
        let first = out.first;
        if read.is_err() {
            me.inbound.rubbish += 1;
        }
        return first;
    }
    me.event_clock = route.clock / 1000;
    let voice = |out: &mut Out<'_>, c: Coded<'_>| out.send(source, heard.pt, c.marker, c.ts, c.payload);
    transcoder.close(&mut |c| voice(&mut out, c));
    transcoder.passed(rtp.seq, &mut |c| voice(&mut out, c));
    if let Some((pt, clock)) = heard.events {
        let clocks = Clocks { from: route.clock / 1000, to: clock / 1000 };
        let place = |ts| transcoder.timestamp_of(ts);
        carry.heard(now, clocks, rtp.ts, payload, place, &mut |e| out.event(source, pt, e));
    }
    out.first
}

impl Out<'_> {
    fn event(&mut self, source: Source, pt: u8, event: Event) {
        self.send(source, pt, event.marker, event.ts, &event.payload);
    }
}
