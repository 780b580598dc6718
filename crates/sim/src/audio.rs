//! The voice and the ear of a simulated phone: RTP with a tone of its own every 20 ms, and a listener that says which tone
//! arrived. What was heard is judged by content, never by counting packets.

use crate::sdp::{Direction, Remote};
use std::collections::{BTreeSet, VecDeque};
use std::f32::consts::TAU;
use std::net::SocketAddr;
use std::time::Duration;
use terms::Instant;

/// Samples in 20 ms at 8 kHz.
const FRAME: usize = 160;
/// What the ear remembers: 100 ms.
const EAR_FRAMES: usize = 5;
/// Echoed packets waiting for their turn; half a second.
const ECHO_MAX: usize = 25;

/// A tone in hertz. Phones get different ones, so that each voice is known by its pitch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Voice(pub u16);

impl Voice {
    /// Sixteen pitches that 100 ms of PCMU tell apart.
    pub const COUNT: u16 = 16;
    pub fn nth(n: u64) -> Voice {
        Voice(400 + 100 * u16::try_from(n % u64::from(Voice::COUNT)).unwrap_or(0))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sound {
    Tone(Voice),
    /// Sends back what it hears.
    Echo,
    /// Sends nothing.
    Mute,
}

/// What has arrived.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub packets: u64,
    /// Packets whose sequence number did not follow.
    pub gaps: u64,
    pub ssrcs: BTreeSet<u32>,
    pub digits: String,
    pub last: Option<Instant>,
    recent: VecDeque<Vec<u8>>,
    next_seq: Option<u16>,
    last_event: Option<u32>,
}

impl Heard {
    /// The tone in the last 100 ms, if one clearly stands out.
    pub fn voice(&self) -> Option<Voice> {
        let samples: Vec<f32> =
            self.recent.iter().flatten().map(|b| f32::from(ulaw_decode(*b)) / 32768.0).collect();
        if samples.len() < FRAME * 2 {
            return None;
        }
        let total: f32 = samples.iter().map(|s| s * s).sum();
        let power = |voice: Voice| goertzel(&samples, f32::from(voice.0)) * 2.0 / samples.len() as f32;
        let best =
            (0..u64::from(Voice::COUNT)).map(Voice::nth).max_by(|a, b| power(*a).total_cmp(&power(*b)))?;
        // Nearly all energy must be in that one tone: two voices mixed up or noise are no voice.
        (total > 1.0 && power(best) > total * 0.8).then_some(best)
    }

    /// Whether something arrived within this time.
    pub fn within(&self, now: Instant, d: Duration) -> bool {
        self.last.is_some_and(|last| now.since(last) <= d)
    }
}

/// Energy at one frequency, in the units of the sum of squares times half the length.
fn goertzel(samples: &[f32], hz: f32) -> f32 {
    let w = TAU * hz / 8000.0;
    let (mut s1, mut s2) = (0.0_f32, 0.0_f32);
    for sample in samples {
        (s1, s2) = (sample + 2.0 * w.cos() * s1 - s2, s1);
    }
    s1 * s1 + s2 * s2 - 2.0 * w.cos() * s1 * s2
}

/// One RTP stream each way.
#[derive(Clone, Debug)]
pub struct Stream {
    pub remote: SocketAddr,
    pub direction: Direction,
    pub sound: Sound,
    pub heard: Heard,
    pub sent: u64,
    event_type: u8,
    ssrc: u32,
    seq: u16,
    timestamp: u32,
    phase: f32,
    /// Between packets; 20 ms in life, longer where a test saves time.
    pace: Duration,
    next_at: Instant,
    echo: VecDeque<Vec<u8>>,
    digits: VecDeque<char>,
    event: Option<Event>,
}

/// A digit being sent (RFC 4733): some updates and three ends, all with the timestamp of its begin.
#[derive(Clone, Debug)]
struct Event {
    code: u8,
    began: u32,
    step: u16,
}
const EVENT_UPDATES: u16 = 5;
const EVENT_ENDS: u16 = 3;

impl Stream {
    /// `remote.direction` is theirs; ours is the answer to it.
    pub fn new(now: Instant, remote: &Remote, sound: Sound, pace: Duration, ssrc: u32) -> Stream {
        Stream {
            remote: remote.rtp,
            direction: remote.direction.answered(),
            sound,
            heard: Heard::default(),
            sent: 0,
            event_type: remote.telephone_event.unwrap_or(101),
            ssrc,
            seq: (ssrc >> 8) as u16,
            timestamp: ssrc.rotate_left(7),
            phase: 0.0,
            pace,
            next_at: now,
            echo: VecDeque::new(),
            digits: VecDeque::new(),
            event: None,
        }
    }

    pub fn update(&mut self, remote: &Remote, direction: Direction) {
        self.remote = remote.rtp;
        self.direction = direction;
    }

    pub fn press(&mut self, digit: char) {
        self.digits.push_back(digit);
    }

    pub fn deadline(&self) -> Instant {
        self.next_at
    }

    /// The packet of this moment, if it is one.
    pub fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        if now < self.next_at {
            return None;
        }
        // A clock that stood still does not make a burst.
        self.next_at = (self.next_at + self.pace).max(now + self.pace / 2);
        let samples = u32::try_from(self.pace.as_millis() * 8).unwrap_or(160);
        self.timestamp = self.timestamp.wrapping_add(samples);
        if !self.direction.sends() {
            return None;
        }
        if self.event.is_none()
            && let Some(code) = self.digits.pop_front().and_then(event_code)
        {
            self.event = Some(Event { code, began: self.timestamp, step: 0 });
        }
        if let Some(event) = self.event.take() {
            return Some(self.event_packet(event));
        }
        let payload = match self.sound {
            Sound::Mute => return None,
            Sound::Echo => self.echo.pop_front()?,
            Sound::Tone(voice) => self.tone(voice),
        };
        Some(self.packet(0, self.timestamp, false, &payload))
    }

    fn tone(&mut self, voice: Voice) -> Vec<u8> {
        let step = TAU * f32::from(voice.0) / 8000.0;
        let frame =
            (0..FRAME).map(|i| ulaw_encode(((self.phase + step * i as f32).sin() * 8000.0) as i16)).collect();
        self.phase = (self.phase + step * FRAME as f32) % TAU;
        frame
    }

    fn event_packet(&mut self, mut event: Event) -> Vec<u8> {
        event.step += 1;
        let end = event.step > EVENT_UPDATES;
        let duration = event.step.min(EVENT_UPDATES) * FRAME as u16;
        let [high, low] = duration.to_be_bytes();
        let payload = [event.code, if end { 0x80 | 10 } else { 10 }, high, low];
        let (began, first) = (event.began, event.step == 1);
        if event.step < EVENT_UPDATES + EVENT_ENDS {
            self.event = Some(event);
        }
        self.packet(self.event_type, began, first, &payload)
    }

    fn packet(&mut self, kind: u8, timestamp: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, kind | if marker { 0x80 } else { 0 }];
        packet.extend(self.seq.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        self.seq = self.seq.wrapping_add(1);
        self.sent += 1;
        packet
    }

    /// A packet came from where the stream's remote is. What is no RTP is not heard.
    pub fn hear(&mut self, now: Instant, packet: &[u8]) {
        let Some((head, rest)) = packet.split_first_chunk::<12>() else { return };
        if head[0] >> 6 != 2 {
            return;
        }
        let csrcs = usize::from(head[0] & 0x0F) * 4;
        let Some(payload) = rest.get(csrcs..) else { return };
        let seq = u16::from_be_bytes([head[2], head[3]]);
        let timestamp = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let kind = head[1] & 0x7F;
        // RTCP on the same address is not speech (RFC 5761 §4).
        if (64..96).contains(&kind) {
            return;
        }
        let heard = &mut self.heard;
        heard.packets += 1;
        heard.last = Some(now);
        heard.gaps += u64::from(heard.next_seq.is_some_and(|next| next != seq));
        heard.next_seq = Some(seq.wrapping_add(1));
        heard.ssrcs.insert(u32::from_be_bytes([head[8], head[9], head[10], head[11]]));
        if kind == self.event_type {
            // RFC 4733 §2.5.1.3: all packets of one event carry one timestamp; the first seen counts.
            if heard.last_event != Some(timestamp) {
                heard.last_event = Some(timestamp);
                heard.digits.extend(payload.first().copied().and_then(event_digit));
            }
            return;
        }
        if kind == 0 {
            heard.recent.push_back(payload.to_vec());
            if heard.recent.len() > EAR_FRAMES {
                heard.recent.pop_front();
            }
            if self.sound == Sound::Echo && self.echo.len() < ECHO_MAX {
                self.echo.push_back(payload.to_vec());
            }
        }
    }
}

const KEYS: &str = "0123456789*#ABCD";

fn event_code(digit: char) -> Option<u8> {
    KEYS.find(digit.to_ascii_uppercase()).and_then(|n| u8::try_from(n).ok())
}
fn event_digit(code: u8) -> Option<char> {
    KEYS.chars().nth(usize::from(code))
}

/// G.711 µ-law (ITU-T G.711 §3): sign, exponent of the biased magnitude, four bits of mantissa, all inverted.
pub fn ulaw_encode(sample: i16) -> u8 {
    const BIAS: i32 = 0x84;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(sample).abs().min(32_635) + BIAS) as u32;
    let exponent = 24 - magnitude.leading_zeros().min(24);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

pub fn ulaw_decode(byte: u8) -> i16 {
    let byte = !byte;
    let (exponent, mantissa) = (i32::from(byte >> 4 & 7), i32::from(byte & 0x0F));
    let magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84;
    (if byte & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(sound: Sound) -> Stream {
        let rtp = "192.0.2.1:4000".parse().unwrap();
        let remote = Remote { rtp, direction: Direction::SendRecv, pcmu: true, telephone_event: Some(101) };
        Stream::new(Instant(0), &remote, sound, Duration::from_millis(20), 0xFFFF_0042)
    }
    fn talk(from: &mut Stream, to: &mut Stream, ms: std::ops::Range<u64>) {
        for t in ms.step_by(20) {
            if let Some(packet) = from.poll(Instant(t * 1_000_000)) {
                to.hear(Instant(t * 1_000_000), &packet);
            }
        }
    }

    #[test]
    fn ulaw_is_g711() {
        for (sample, byte) in [(0, 0xFF), (-1, 0x7F), (32_635, 0x80), (-32_635, 0x00), (1_000, 0xCE)] {
            assert_eq!(ulaw_encode(sample), byte, "{sample}");
        }
        for byte in 0..=255u8 {
            let again = ulaw_encode(ulaw_decode(byte));
            assert!(again == byte || (byte == 0x7F && again == 0xFF), "{byte}");
        }
    }

    #[test]
    fn every_voice_is_known_by_its_pitch_also_over_an_echo() {
        for n in 0..16 {
            let (mut a, mut echo) = (stream(Sound::Tone(Voice::nth(n))), stream(Sound::Echo));
            talk(&mut a, &mut echo, 0..200);
            assert_eq!(echo.heard.voice(), Some(Voice::nth(n)));
            assert_eq!((echo.heard.gaps, echo.heard.ssrcs.len()), (0, 1));
            talk(&mut echo, &mut a, 200..400);
            assert_eq!(a.heard.voice(), Some(Voice::nth(n)));
        }
    }

    #[test]
    fn two_voices_at_once_and_silence_are_nobody() {
        let mut ear = stream(Sound::Mute);
        let (mut a, mut b) = (stream(Sound::Tone(Voice(400))), stream(Sound::Tone(Voice(900))));
        for t in (0..200).step_by(40) {
            talk(&mut a, &mut ear, t..t + 20);
            talk(&mut b, &mut ear, t + 20..t + 40);
        }
        assert_eq!(ear.heard.voice(), None);
        assert_eq!(stream(Sound::Mute).heard.voice(), None);
    }

    #[test]
    fn digits_arrive_once_each_even_when_the_ends_are_lost() {
        let (mut a, mut b) = (stream(Sound::Tone(Voice(400))), stream(Sound::Mute));
        for digit in "1#A0".chars() {
            a.press(digit);
        }
        for (n, t) in (0..1_000).step_by(20).enumerate() {
            let packet = a.poll(Instant(t * 1_000_000)).expect("sends");
            if n % 3 != 2 {
                b.hear(Instant(t * 1_000_000), &packet);
            }
        }
        assert_eq!(b.heard.digits, "1#A0");
        b.hear(Instant(0), b"\x80");
        b.hear(Instant(0), &[0x8F; 14]);
    }
}
