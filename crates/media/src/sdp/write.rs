//! Writing our own descriptions: few lines, the order of RFC 8866 §5, nothing of the other leg but its codecs.

use super::{Direction, Format};
use bytes::Bytes;
use std::fmt::Write as _;
use std::net::IpAddr;

/// An m-line's place in a session; its number and order never change (RFC 3264 §8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub media: String,
    pub proto: String,
    /// A format to name when the stream is refused with port 0.
    pub format: String,
}

impl Line {
    /// The line of a session that has nothing but voice.
    pub fn voice() -> Line {
        Line { media: "audio".into(), proto: "RTP/AVP".into(), format: "0".into() }
    }
}

/// The one stream we take part in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voice {
    pub formats: Vec<Format>,
    pub direction: Direction,
    pub ptime: Option<u16>,
    pub maxptime: Option<u16>,
    pub mux: bool,
}

/// A description of ours without its address, port and version, which are only known when it leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    pub lines: Vec<Line>,
    /// Which of `lines` is the voice; all others are refused.
    pub at: usize,
    pub voice: Voice,
}

/// The description as bytes, with our address and port and nothing else that names a host.
pub fn write(draft: &Draft, session: u32, version: u32, address: IpAddr, port: u16) -> Bytes {
    let mut out = String::with_capacity(400);
    let kind = if address.is_ipv4() { "IP4" } else { "IP6" };
    // Writing into a String cannot fail.
    let _ = write!(
        out,
        "v=0\r\no=- {session} {version} IN {kind} {address}\r\ns=-\r\nc=IN {kind} {address}\r\nt=0 0\r\n"
    );
    for (at, line) in draft.lines.iter().enumerate() {
        if at == draft.at {
            voice(&mut out, line, &draft.voice, port);
        } else {
            // RFC 3264 §6: a refused stream keeps its place with port 0.
            let _ = write!(out, "m={} 0 {} {}\r\n", line.media, line.proto, line.format);
        }
    }
    Bytes::from(out)
}

fn voice(out: &mut String, line: &Line, voice: &Voice, port: u16) {
    let _ = write!(out, "m=audio {port} {}", line.proto);
    for f in &voice.formats {
        let _ = write!(out, " {}", f.pt);
    }
    out.push_str("\r\n");
    for f in &voice.formats {
        let _ = write!(out, "a=rtpmap:{} {}/8000\r\n", f.pt, f.codec.name());
        if !f.codec.is_voice() {
            // RFC 4733 §2.4.1: without a list, the sixteen DTMF digits.
            let _ = write!(out, "a=fmtp:{} {}\r\n", f.pt, f.events.as_deref().unwrap_or("0-15"));
        }
    }
    if let Some(ms) = voice.ptime {
        let _ = write!(out, "a=ptime:{ms}\r\n");
    }
    if let Some(ms) = voice.maxptime {
        let _ = write!(out, "a=maxptime:{ms}\r\n");
    }
    if voice.mux {
        out.push_str("a=rtcp-mux\r\n");
    }
    let _ = write!(out, "a={}\r\n", voice.direction.name());
}
