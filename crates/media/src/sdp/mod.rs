//! Session descriptions (RFC 8866) as far as telephones use them: read generously, written strictly.
//!
//! Reading keeps only what we can act upon; unknown lines are skipped, never an error. Nothing read here is copied to
//! the other side as text: what is relayed is written anew from values, so no address or name of one leg can reach
//! the other.

mod read;
mod write;

pub use read::{SdpError, read};
pub use write::{Draft, Line, Voice, write};

use crate::codec::Kind;
use std::net::IpAddr;

/// What we can relay. All of them run on an 8 kHz RTP clock, G.722 too (RFC 3551 §4.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    Pcmu,
    Pcma,
    G722,
    /// RFC 4733, 8 kHz clock only.
    TelephoneEvent,
}

impl Codec {
    /// The name of the RTP payload format (RFC 3551 §6, RFC 4733 §7.1.1).
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
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

    /// `PCMU/8000`, `PCMU/8000/1`, `telephone-event/8000`; names compare without case (RFC 8866 §6.6).
    pub fn of_rtpmap(encoding: &str) -> Option<Codec> {
        let mut parts = encoding.split('/');
        let name = parts.next()?;
        let clock = parts.next()?.trim();
        if !matches!(parts.next().map(str::trim), None | Some("1")) {
            return None;
        }
        let codec = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::TelephoneEvent]
            .into_iter()
            .find(|c| c.name().eq_ignore_ascii_case(name))?;
        // Some phones write the true sampling rate of G.722; the clock on the wire is 8 kHz all the same.
        (clock == "8000" || codec == Codec::G722 && clock == "16000").then_some(codec)
    }

    /// As sound; nothing for events.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Codec::Pcmu => Some(Kind::Pcmu),
            Codec::Pcma => Some(Kind::Pcma),
            Codec::G722 => Some(Kind::G722),
            Codec::TelephoneEvent => None,
        }
    }

    pub fn is_voice(self) -> bool {
        self != Codec::TelephoneEvent
    }
}

/// One payload type of an m-line that we know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Format {
    pub pt: u8,
    pub codec: Codec,
    /// The events of a telephone-event format, such as `0-16` (RFC 4733 §2.4.1). Digits, commas and dashes only.
    pub events: Option<String>,
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
    /// A voice stream over plain RTP that is not refused. RTP/AVPF is taken as RTP/AVP: feedback is optional in it.
    pub fn is_plain_voice(&self) -> bool {
        self.media == "audio"
            && self.port != 0
            && matches!(self.proto.as_str(), "RTP/AVP" | "RTP/AVPF")
            && self.formats.iter().any(|f| f.codec.is_voice())
    }
}
