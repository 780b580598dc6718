//! What we say to a leg ourselves: digits somebody asked for, the comfort tone while its peer is away, and its own voice
//! three seconds later (the self-test). Twenty milliseconds at a time, by the machine's clock.

use crate::agenda::Task;
use crate::codec::{Encoder, Kind};
use crate::leg::{Heard, LegState};
use crate::machine::{Forward, Machine, Transmit};
use crate::packet::HEADER;
use crate::press::{self, ENDS, Press};
use crate::stream::Source;
use crate::tone;
use std::collections::VecDeque;
use std::time::Duration;
use terms::{CallId, Instant, Leg, MediaEvent};

const STEP_MS: u32 = 20;
const STEP: Duration = Duration::from_millis(STEP_MS as u64);
/// Digits that wait for a leg; somebody who wants more is no person.
const DIGITS_MAX: usize = 32;
/// RFC 4733 §2.5.2.2 suggests 40 ms at least; nobody holds a key for longer than this.
const DIGIT_MS: (u32, u32) = (40, 10_000);
/// Between two digits (ITU-T Q.24).
const PAUSE_MS: u32 = 60;
/// A worker that was busy for longer leaves out what it did not play.
const LATE_MAX: Duration = Duration::from_millis(200);

/// What protects a packet is no longer than this.
pub const COVER_MAX: usize = 32;

/// How long the self-test keeps a voice.
const ECHO_AFTER: Duration = Duration::from_secs(3);
/// Three seconds of 10 ms packets.
const ECHO_PACKETS_MAX: usize = 320;

/// Our own voice towards one leg.
#[derive(Default)]
pub struct Player {
    /// Samples of the comfort tone played so far, while it is on.
    comfort: Option<u64>,
    digits: VecDeque<(u8, u32)>,
    doing: Doing,
    voice: Option<Voice>,
    /// Ticks of the leg's clock since we began.
    ts: u32,
    marker: bool,
    source: u32,
    pcm: Vec<i16>,
    coded: Vec<u8>,
}

#[derive(Default)]
enum Doing {
    #[default]
    Nothing,
    /// As an event.
    Event {
        press: Press,
        ticks: u32,
        length: u32,
        ends: u8,
    },
    /// As a tone in the voice; all in samples.
    Key {
        code: u8,
        at: u32,
        length: u32,
    },
    Pause {
        ms: u32,
    },
}

struct Voice {
    kind: Kind,
    rate: u32,
    encoder: Encoder,
}

/// A packet we made, for [`Machine::speak`].
struct Made {
    pt: u8,
    marker: bool,
    ts: u32,
    payload: Vec<u8>,
}

impl Player {
    fn is_idle(&self) -> bool {
        self.comfort.is_none() && self.digits.is_empty() && matches!(self.doing, Doing::Nothing)
    }

    /// The next twenty milliseconds for a leg that hears `heard`.
    fn step(&mut self, heard: &Heard, made: &mut Vec<Made>) {
        if matches!(self.doing, Doing::Nothing)
            && let Some((code, ms)) = self.digits.pop_front()
        {
            self.doing = match heard.events {
                Some((_, clock)) => {
                    let length = ms * (clock / 1000);
                    Doing::Event { press: Press::new(code, self.ts), ticks: 0, length, ends: 0 }
                }
                None => Doing::Key { code, at: 0, length: ms * (rate_of(heard) / 1000) },
            };
        }
        let step = STEP_MS * (heard.clock() / 1000);
        match &mut self.doing {
            Doing::Event { press, ticks, length, ends } => {
                let clock = heard.events.map_or(0, |(_, clock)| clock);
                *ticks = (*ticks + STEP_MS * (clock / 1000)).min(*length);
                let end = *ticks == *length;
                if let Some((pt, _)) = heard.events {
                    press.at(*ticks, end, &mut |e| {
                        made.push(Made { pt, marker: e.marker, ts: e.ts, payload: e.payload.to_vec() })
                    });
                }
                *ends += u8::from(end);
                if *ends >= ENDS || heard.events.is_none() {
                    self.doing = Doing::Pause { ms: PAUSE_MS };
                }
                self.marker = true;
            }
            Doing::Key { .. } => self.sound(heard, made),
            Doing::Pause { ms } => {
                *ms = ms.saturating_sub(STEP_MS);
                if *ms == 0 {
                    self.doing = Doing::Nothing;
                }
                self.marker = true;
            }
            Doing::Nothing if self.comfort.is_some() => self.sound(heard, made),
            Doing::Nothing => {}
        }
        self.ts = self.ts.wrapping_add(step);
    }

    /// Twenty milliseconds of a key or the comfort tone, in the leg's codec.
    fn sound(&mut self, heard: &Heard, made: &mut Vec<Made>) {
        let rate = rate_of(heard);
        if self.voice.as_ref().is_none_or(|v| v.kind != heard.kind || v.rate != rate) {
            // Without a coder there is silence; the call goes on.
            let Ok(encoder) = Encoder::new(heard.kind, rate) else { return };
            self.voice = Some(Voice { kind: heard.kind, rate, encoder });
            self.marker = true;
        }
        self.pcm.clear();
        self.pcm.resize((STEP_MS * rate / 1000) as usize, 0);
        match (&mut self.doing, &mut self.comfort) {
            (Doing::Key { code, at, length }, _) => {
                tone::key(*code, rate, *at, *length, &mut self.pcm);
                *at += self.pcm.len() as u32;
                if *at >= *length {
                    self.doing = Doing::Pause { ms: PAUSE_MS };
                }
            }
            (_, Some(at)) => tone::comfort(rate, at, &mut self.pcm),
            _ => {}
        }
        let Some(voice) = &mut self.voice else { return };
        if voice.encoder.encode(&self.pcm, &mut self.coded) {
            let marker = std::mem::take(&mut self.marker);
            made.push(Made { pt: heard.pt, marker, ts: self.ts, payload: self.coded.clone() });
        }
    }
}

/// Tones need no more than 4 kHz, except where the codec has no other rate.
fn rate_of(heard: &Heard) -> u32 {
    heard.kind.rate_beside(Kind::Pcmu)
}

/// A leg's own voice, kept for three seconds.
#[derive(Default)]
pub struct Echo {
    kept: VecDeque<Kept>,
    source: u32,
}

struct Kept {
    at: Instant,
    marker: bool,
    pt: u8,
    ts: u32,
    payload: Vec<u8>,
}

impl Echo {
    /// Keeps a packet. True if nothing else was kept, so that it has to be asked for.
    pub fn keep(&mut self, now: Instant, marker: bool, pt: u8, ts: u32, payload: &[u8]) -> bool {
        let first = self.kept.is_empty();
        if self.kept.len() < ECHO_PACKETS_MAX {
            self.kept.push_back(Kept { at: now + ECHO_AFTER, marker, pt, ts, payload: payload.to_vec() });
        }
        first
    }

    /// What is kept belongs to a source that is no more.
    pub fn restart(&mut self) {
        self.source = self.source.wrapping_add(1);
        self.kept.clear();
    }

    pub fn next(&self) -> Option<Instant> {
        self.kept.front().map(|k| k.at)
    }
}

impl Machine {
    /// A digit for `leg` to hear.
    pub(crate) fn press(&mut self, now: Instant, id: CallId, leg: Leg, digit: char, duration_ms: u32) {
        let Some(slot) = self.slot_of(id) else { return };
        let Some(code) = press::code_of(digit) else { return };
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return };
        let (me, other) = call.both(leg);
        let coded = other.coded;
        match &me.heard {
            Some(heard) if heard.events.is_some() || coded => {
                let player = me.player.get_or_insert_default();
                if player.digits.len() < DIGITS_MAX {
                    player.digits.push_back((code, duration_ms.clamp(DIGIT_MS.0, DIGIT_MS.1)));
                }
                self.begin_playing(now, slot, leg);
            }
            _ => self.event(MediaEvent::DtmfByInfo { call: id, leg, digit, duration_ms }),
        }
    }

    /// `leg` has gone or is back; the other one hears that.
    pub(crate) fn away(&mut self, now: Instant, id: CallId, leg: Leg, away: bool) {
        let Some(slot) = self.slot_of(id) else { return };
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return };
        let (me, other) = call.both(leg);
        me.away = away;
        if away {
            let player = other.player.get_or_insert_default();
            player.comfort.get_or_insert(0);
            player.marker = true;
            self.begin_playing(now, slot, leg.other());
        } else if let Some(player) = &mut other.player {
            player.comfort = None;
        }
    }

    fn begin_playing(&mut self, now: Instant, slot: u32, leg: Leg) {
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return };
        let id = call.id;
        let state = call.leg(leg);
        if !state.playing {
            state.playing = true;
            state.played = state.played.wrapping_add(1);
            if let Some(player) = &mut state.player {
                player.source = state.played;
            }
            self.agenda.set(now, id, leg, Task::Play);
        }
    }

    /// The next packet of the echo will be wanted then.
    pub(crate) fn begin_echo(&mut self, id: CallId, leg: Leg, at: Instant) {
        self.agenda.set(at, id, leg, Task::Play);
    }

    /// An entry for `leg` is due since `at`.
    pub(crate) fn play(&mut self, now: Instant, at: Instant, slot: u32, leg: Leg) {
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return };
        let id = call.id;
        let state = call.leg(leg);
        let mut made = Vec::new();
        let (source, next) = match (&mut state.player, &mut state.echo) {
            (Some(player), _) => {
                // Nothing is played before an answer tells how.
                if let Some(heard) = state.heard.as_ref().filter(|_| state.agreed) {
                    player.step(heard, &mut made);
                }
                let next = at + STEP;
                let source = player.source;
                let idle = player.is_idle();
                if idle {
                    state.player = None;
                    state.playing = false;
                }
                let next = if now.since(next) > LATE_MAX { now } else { next };
                (source, (!idle).then_some(next))
            }
            (None, Some(echo)) => {
                while let Some(kept) = echo.kept.pop_front_if(|k| k.at <= now) {
                    made.push(Made { pt: kept.pt, marker: kept.marker, ts: kept.ts, payload: kept.payload });
                }
                (echo.source, echo.next())
            }
            (None, None) => return,
        };
        for packet in made {
            self.speak(now, slot, leg, Source::Ours(source), packet);
        }
        if let Some(next) = next {
            self.agenda.set(next, id, leg, Task::Play);
        }
    }

    /// One packet of our own to a leg.
    fn speak(&mut self, now: Instant, slot: u32, leg: Leg, source: Source, made: Made) {
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return };
        if let Some(packet) = seal(now, call.leg(leg), source, made.pt, made.marker, made.ts, &made.payload) {
            self.transmit(packet);
        }
    }
}

/// Writes a packet of ours in the leg's stream. None while the leg cannot be reached.
pub fn seal(
    now: Instant,
    to: &mut LegState,
    source: Source,
    pt: u8,
    marker: bool,
    ts: u32,
    payload: &[u8],
) -> Option<Transmit> {
    let mut bytes = vec![0; HEADER + payload.len() + COVER_MAX];
    let Forward { port, to, len, via } = write(now, to, source, pt, marker, ts, payload, &mut bytes)?;
    bytes.truncate(len);
    Some(Transmit { port, to, via, bytes })
}

/// The same into a buffer at hand.
#[allow(clippy::too_many_arguments)]
pub fn write(
    now: Instant,
    to: &mut LegState,
    source: Source,
    pt: u8,
    marker: bool,
    ts: u32,
    payload: &[u8],
    buf: &mut [u8],
) -> Option<Forward> {
    let target = to.target()?;
    let len = HEADER + payload.len();
    let (head, body) = buf.get_mut(..len)?.split_first_chunk_mut::<HEADER>()?;
    let place = to.out.append(now, source, ts);
    head[0] = 0x80;
    head[1] = u8::from(marker || place.fresh) << 7 | pt & 0x7f;
    head[2..4].copy_from_slice(&place.seq.to_be_bytes());
    head[4..8].copy_from_slice(&place.ts.to_be_bytes());
    head[8..12].copy_from_slice(&to.out.ssrc.to_be_bytes());
    body.copy_from_slice(payload);
    to.out.sent(payload.len());
    let len = to.cover.seal_rtp(buf, len)?;
    Some(Forward { port: to.port, to: target, len, via: to.via() })
}
