//! Writing our own descriptions: few lines, the order of RFC 8866 §5, nothing of the other leg but its codecs.

use super::{CLOCK_48K, Candidate, Carriage, Codec, Credentials, Crypto, Direction, Format, Setup};
use bytes::Bytes;
use std::fmt::Write as _;
use std::net::IpAddr;
use terms::PortKind;

/// An m-line's place in a session; its number and order never change (RFC 3264 §8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub media: String,
    pub proto: String,
    /// A format to name when the stream is refused with port 0.
    pub format: String,
    /// RFC 5888; said again when the stream is refused, for browsers compare it.
    pub mid: Option<String>,
}

impl Line {
    /// The line of a session of ours that has nothing but voice.
    pub fn voice(kind: PortKind) -> Line {
        let proto = match kind {
            PortKind::Rtp | PortKind::OptionalSrtp => "RTP/AVP",
            PortKind::Srtp => "RTP/SAVP",
            PortKind::WebRtc => "UDP/TLS/RTP/SAVPF",
        };
        let mid = (kind == PortKind::WebRtc).then(|| "0".to_owned());
        Line { media: "audio".into(), proto: proto.into(), format: "0".into(), mid }
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
    /// The stream was given up with port 0 and may come back (RFC 3264 §8.2).
    pub off: bool,
}

/// How packets travel between a leg and us, as we say it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ours {
    Plain,
    /// In an offer all suites we like, in an answer the one that was chosen, under the offer's tag.
    Sdes(Vec<Crypto>),
    WebRtc(Box<OurSide>),
}

impl Ours {
    /// The same kind of carriage.
    pub fn fits(&self, carriage: &Carriage) -> bool {
        matches!(
            (self, carriage),
            (Ours::Plain, Carriage::Plain)
                | (Ours::Sdes(_), Carriage::Sdes(_))
                | (Ours::WebRtc(_), Carriage::WebRtc(_))
        )
    }
}

/// What we are to a browser: ICE-lite with candidates that do not change, and a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OurSide {
    pub ice: Credentials,
    /// SHA-256 of our certificate.
    pub fingerprint: [u8; 32],
    /// Filled in when the offer or answer is made: `actpass` in offers.
    pub setup: Setup,
    pub candidates: Vec<Candidate>,
    /// Filled in too: the stream is in the peer's BUNDLE group, or in the one of our own offer.
    pub bundle: bool,
}

/// A description of ours without its address, port and version, which are only known when it leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    pub lines: Vec<Line>,
    /// Which of `lines` is the voice; all others are refused.
    pub at: usize,
    pub voice: Voice,
    pub ours: Ours,
}

/// The description as bytes, with our address and port and nothing else that names a host.
pub fn write(draft: &Draft, session: u32, version: u32, address: IpAddr, port: u16) -> Bytes {
    let mut out = String::with_capacity(800);
    let kind = if address.is_ipv4() { "IP4" } else { "IP6" };
    // Writing into a String cannot fail.
    let _ = write!(
        out,
        "v=0\r\no=- {session} {version} IN {kind} {address}\r\ns=-\r\nc=IN {kind} {address}\r\nt=0 0\r\n"
    );
    let web_rtc = matches!(draft.ours, Ours::WebRtc(_));
    if let Ours::WebRtc(side) = &draft.ours {
        out.push_str("a=ice-lite\r\n");
        let mid = draft.lines.get(draft.at).and_then(|line| line.mid.as_deref());
        // RFC 9143 §7.3.3: a refused stream is in no group, so ours is alone in it.
        if let Some(mid) = mid.filter(|_| side.bundle && !draft.voice.off) {
            let _ = write!(out, "a=group:BUNDLE {mid}\r\n");
        }
    }
    for (at, line) in draft.lines.iter().enumerate() {
        if at == draft.at && !draft.voice.off {
            voice(&mut out, line, draft, port);
        } else {
            // RFC 3264 §6: a refused stream keeps its place with port 0.
            let _ = write!(out, "m={} 0 {} {}\r\n", line.media, line.proto, line.format);
            if let Some(mid) = line.mid.as_deref().filter(|_| web_rtc) {
                let _ = write!(out, "a=mid:{mid}\r\na=inactive\r\n");
            }
        }
    }
    Bytes::from(out)
}

fn voice(out: &mut String, line: &Line, draft: &Draft, port: u16) {
    let voice = &draft.voice;
    let _ = write!(out, "m=audio {port} {}", line.proto);
    for f in &voice.formats {
        let _ = write!(out, " {}", f.pt);
    }
    out.push_str("\r\n");
    for f in &voice.formats {
        format(out, f);
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
    match &draft.ours {
        Ours::Plain => {}
        Ours::Sdes(lines) => lines.iter().for_each(|line| line.write(out)),
        Ours::WebRtc(side) => self::side(out, line, side, voice.direction),
    }
}

fn format(out: &mut String, f: &Format) {
    let channels = if f.codec == Codec::Opus { "/2" } else { "" };
    let _ = write!(out, "a=rtpmap:{} {}/{}{channels}\r\n", f.pt, f.codec.name(), f.clock);
    if !f.codec.is_voice() {
        // RFC 4733 §2.4.1: without a list, the sixteen DTMF digits.
        let _ = write!(out, "a=fmtp:{} {}\r\n", f.pt, f.events.as_deref().unwrap_or("0-15"));
    }
    if f.codec == Codec::Opus {
        debug_assert_eq!(f.clock, CLOCK_48K);
        let min = f.opus.minptime.map(|ms| format!("minptime={ms}"));
        let fec = f.opus.fec.then(|| "useinbandfec=1".to_owned());
        let list: Vec<String> = min.into_iter().chain(fec).collect();
        if !list.is_empty() {
            let _ = write!(out, "a=fmtp:{} {}\r\n", f.pt, list.join(";"));
        }
    }
}

fn side(out: &mut String, line: &Line, side: &OurSide, direction: Direction) {
    if let Some(mid) = &line.mid {
        let _ = write!(out, "a=mid:{mid}\r\n");
    }
    if direction.send {
        // RFC 8830: without it Chromium and Safari hand the page a track that is in no stream.
        out.push_str("a=msid:hotseat voice\r\n");
    }
    let _ = write!(out, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", side.ice.ufrag, side.ice.pwd.expose());
    out.push_str("a=fingerprint:sha-256 ");
    for (i, byte) in side.fingerprint.iter().enumerate() {
        let _ = write!(out, "{}{byte:02X}", if i == 0 { "" } else { ":" });
    }
    let _ = write!(out, "\r\na=setup:{}\r\n", side.setup.name());
    for (i, candidate) in side.candidates.iter().enumerate() {
        candidate.write(i + 1, out);
    }
    // RFC 8840 §8.2: these are all; nobody need wait for more.
    out.push_str("a=end-of-candidates\r\n");
}
