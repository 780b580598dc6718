//! Session descriptions (RFC 8866) as far as telephones use them: read generously, written strictly.
//!
//! Reading keeps only what we can act upon; unknown lines are skipped, never an error. Nothing read here is copied to
//! the other side as text: what is relayed is written anew from values, so no address or name of one leg can reach
//! the other.
//!
//! Header extensions (RFC 8285) are neither offered nor accepted, not even `mid` and the audio level: the numbers of
//! extensions differ from leg to leg, a relay that passes them on untouched would give one leg's number the other's
//! meaning, and with one voice stream for each leg nothing is gained by them. A peer that was offered none sends none.

mod carriage;
mod read;
mod write;

pub use carriage::{
    Candidate, CandidateKind, Carriage, Credentials, Crypto, Fingerprint, Hash, Setup, Via, WebRtcSide,
};
pub use read::{SdpError, read};
pub use write::{Draft, Line, OurSide, Ours, Voice, write};

use crate::codec::Kind;
use std::net::IpAddr;

/// What we can relay and transcode, and the digits beside it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    Pcmu,
    Pcma,
    G722,
    /// RFC 7587.
    Opus,
    /// RFC 4733, at the clock of the voice it accompanies.
    TelephoneEvent,
}

/// RTP clock of G.711, and of G.722 too (RFC 3551 §4.5.2).
pub const CLOCK_8K: u32 = 8000;
/// RTP clock of Opus, whatever it carries (RFC 7587 §4.1).
pub const CLOCK_48K: u32 = 48_000;

impl Codec {
    pub const VOICES: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];

    /// The name of the RTP payload format (RFC 3551 §6, RFC 4733 §7.1.1, RFC 7587 §7).
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
            Codec::Opus => "opus",
            Codec::TelephoneEvent => "telephone-event",
        }
    }

    /// RFC 3551 §6: payload types that need no rtpmap.
    pub fn of_static(pt: u8) -> Option<Codec> {
        match pt {
            0 => Some(Codec::Pcmu),
            8 => Some(Codec::Pcma),
            9 => Some(Codec::G722),
            _ => None,
        }
    }

    /// `PCMU/8000`, `opus/48000/2`, `telephone-event/48000` with the clock it means; names compare without case
    /// (RFC 8866 §6.6).
    pub fn of_rtpmap(encoding: &str) -> Option<(Codec, u32)> {
        let mut parts = encoding.split('/').map(str::trim);
        let name = parts.next()?;
        let clock = parts.next()?;
        let channels = parts.next().unwrap_or("1");
        let [a, b, c, d] = Codec::VOICES;
        let codec =
            [a, b, c, d, Codec::TelephoneEvent].into_iter().find(|c| c.name().eq_ignore_ascii_case(name))?;
        match (codec, clock, channels) {
            // RFC 7587 §7: always two channels in the name, whatever is sent.
            (Codec::Opus, "48000", "2") => Some((codec, CLOCK_48K)),
            (Codec::Opus, ..) => None,
            (Codec::TelephoneEvent, "48000", "1") => Some((codec, CLOCK_48K)),
            // Some phones write the true sampling rate of G.722; the clock on the wire is 8 kHz all the same.
            (_, "8000", "1") | (Codec::G722, "16000", "1") => Some((codec, CLOCK_8K)),
            _ => None,
        }
    }

    /// As sound; nothing for events.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Codec::Pcmu => Some(Kind::Pcmu),
            Codec::Pcma => Some(Kind::Pcma),
            Codec::G722 => Some(Kind::G722),
            Codec::Opus => Some(Kind::Opus),
            Codec::TelephoneEvent => None,
        }
    }

    pub fn is_voice(self) -> bool {
        self != Codec::TelephoneEvent
    }

    /// More than telephone quality.
    pub fn is_wide(self) -> bool {
        matches!(self, Codec::G722 | Codec::Opus)
    }

    /// The RTP clock of a voice codec.
    pub fn clock(self) -> u32 {
        if self == Codec::Opus { CLOCK_48K } else { CLOCK_8K }
    }
}

/// One payload type of an m-line that we know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Format {
    pub pt: u8,
    pub codec: Codec,
    /// Ticks of the RTP timestamp in a second.
    pub clock: u32,
    /// The events of a telephone-event format, such as `0-16` (RFC 4733 §2.4.1). Digits, commas and dashes only.
    pub events: Option<String>,
    /// What the receiver of an Opus stream asks for.
    pub opus: OpusParams,
}

impl Format {
    pub fn voice(pt: u8, codec: Codec) -> Format {
        Format { pt, codec, clock: codec.clock(), events: None, opus: OpusParams::default() }
    }

    pub fn digits(pt: u8, clock: u32) -> Format {
        Format { pt, codec: Codec::TelephoneEvent, clock, events: None, opus: OpusParams::default() }
    }

    /// The same thing on the wire but for its number.
    pub fn is_like(&self, other: &Format) -> bool {
        self.codec == other.codec && self.clock == other.clock
    }
}

/// RFC 7587 §6.1, as far as a telephone call needs it. The rest (rates, stereo) are wishes that may go unheard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpusParams {
    /// Milliseconds.
    pub minptime: Option<u8>,
    /// `useinbandfec=1`: the decoder can use redundancy.
    pub fec: bool,
}

impl OpusParams {
    /// What our own decoder likes.
    pub const OURS: OpusParams = OpusParams { minptime: Some(10), fec: true };
}

/// Who sends, from the point of view of the one who wrote the description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Direction {
    pub send: bool,
    pub recv: bool,
}

impl Direction {
    pub const BOTH: Direction = Direction { send: true, recv: true };
    pub const SEND: Direction = Direction { send: true, recv: false };
    pub const RECV: Direction = Direction { send: false, recv: true };
    pub const NONE: Direction = Direction { send: false, recv: false };

    /// The same streams seen from the other side.
    pub fn reversed(self) -> Direction {
        Direction { send: self.recv, recv: self.send }
    }

    /// What both allow.
    pub fn and(self, other: Direction) -> Direction {
        Direction { send: self.send && other.send, recv: self.recv && other.recv }
    }

    pub fn name(self) -> &'static str {
        match (self.send, self.recv) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        }
    }

    fn of_name(name: &str) -> Option<Direction> {
        match name {
            "sendrecv" => Some(Direction::BOTH),
            "sendonly" => Some(Direction::SEND),
            "recvonly" => Some(Direction::RECV),
            "inactive" => Some(Direction::NONE),
            _ => None,
        }
    }
}

/// A description as its peer meant it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// At least one.
    pub streams: Vec<Stream>,
}

/// One m-line with everything that belongs to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stream {
    pub media: String,
    pub port: u16,
    pub proto: String,
    /// How its packets travel; `None` is a way we do not know or cannot go.
    pub carriage: Option<Carriage>,
    /// RFC 5888.
    pub mid: Option<String>,
    /// The first format as it was written, to echo it when the stream is refused (RFC 3264 §6).
    pub first_format: String,
    /// From the media level, else from the session level.
    pub address: Option<IpAddr>,
    /// RFC 3605; the address is that of the stream when none was written.
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    /// RFC 5761.
    pub mux: bool,
    pub direction: Direction,
    /// Milliseconds per packet the peer would like to receive.
    pub ptime: Option<u16>,
    pub maxptime: Option<u16>,
    /// The formats we know, in the peer's order.
    pub formats: Vec<Format>,
}

impl Stream {
    /// A voice stream that is not refused, over a carriage and with a codec that we speak. The profiles with feedback
    /// (AVPF, SAVPF) are taken as those without: feedback is optional in them.
    pub fn is_voice(&self) -> bool {
        self.media == "audio"
            && self.port != 0
            && self.carriage.is_some()
            && self.formats.iter().any(|f| f.codec.is_voice())
    }
}
