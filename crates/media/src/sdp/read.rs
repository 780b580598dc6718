//! Reading what phones and browsers send.

use super::carriage::{self, CANDIDATES_MAX, CRYPTOS_MAX, FINGERPRINTS_MAX};
use super::{
    CLOCK_8K, Candidate, Carriage, Codec, Credentials, Crypto, Description, Direction, Fingerprint, Format,
    OpusParams, Setup, Stream, WebRtcSide,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use terms::Secret;

/// A browser with video writes about 6 KiB; a phone a few hundred bytes.
const BODY_MAX: usize = 32 * 1024;
const LINES_MAX: usize = 1024;
const STREAMS_MAX: usize = 16;
const FORMATS_MAX: usize = 64;
const TOKEN_MAX: usize = 40;
const EVENTS_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    #[error("a description of {0} bytes is longer than any phone needs")]
    TooLong(usize),
    #[error("more than {LINES_MAX} lines")]
    TooManyLines,
    #[error("more than {STREAMS_MAX} m-lines")]
    TooManyStreams,
    #[error("it does not begin with v=0")]
    NoVersion,
    #[error("it has no m-line")]
    NoMedia,
    #[error("line {0}: this m-line cannot be read")]
    BadMedia(usize),
    #[error("line {0}: this connection address cannot be read")]
    BadConnection(usize),
}

/// Reads a description. Lines may end in CRLF, LF or CR; unknown lines and attributes are skipped.
pub fn read(body: &[u8]) -> Result<Description, SdpError> {
    if body.len() > BODY_MAX {
        return Err(SdpError::TooLong(body.len()));
    }
    let mut session = Level::default();
    let mut bundle = Vec::new();
    let mut streams: Vec<Open> = Vec::new();
    let mut begun = false;
    for (at, line) in body.split(|b| matches!(b, b'\r' | b'\n')).filter(|l| !l.is_empty()).enumerate() {
        if at >= LINES_MAX {
            return Err(SdpError::TooManyLines);
        }
        // Free text (s=, i=) may be in any character set (RFC 8866 §6.10); what we act upon is ASCII.
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let Some((kind, value)) = line.split_once('=') else { continue };
        let (kind, value) = (kind.trim(), value.trim());
        if !begun {
            // RFC 8866 §5.1: the version comes first and is 0.
            if kind != "v" || value != "0" {
                return Err(SdpError::NoVersion);
            }
            begun = true;
            continue;
        }
        match kind {
            "m" if streams.len() >= STREAMS_MAX => return Err(SdpError::TooManyStreams),
            "m" => streams.push(Open::begin(value).ok_or(SdpError::BadMedia(at + 1))?),
            "c" => {
                let address = connection(value).ok_or(SdpError::BadConnection(at + 1))?;
                streams.last_mut().map_or(&mut session, |s| &mut s.level).address = Some(address);
            }
            "a" => match streams.last_mut() {
                Some(stream) => stream.attribute(value),
                None => match value.strip_prefix("group:BUNDLE ") {
                    // RFC 9143 §7.2: the first group a stream is in counts; who writes two is not understood.
                    Some(mids) => bundle = mids.split_ascii_whitespace().take(STREAMS_MAX).collect(),
                    None => session.attribute(value),
                },
            },
            _ => {}
        }
    }
    if !begun {
        return Err(SdpError::NoVersion);
    }
    if streams.is_empty() {
        return Err(SdpError::NoMedia);
    }
    Ok(Description { streams: streams.into_iter().map(|s| s.close(&session, &bundle)).collect() })
}

/// What may stand at the session level and be overridden below an m-line.
#[derive(Default)]
struct Level {
    address: Option<IpAddr>,
    direction: Option<Direction>,
    ptime: Option<u16>,
    ufrag: Option<String>,
    pwd: Option<Secret>,
    fingerprints: Vec<Fingerprint>,
    setup: Option<Setup>,
    ice_lite: bool,
    trickle: bool,
    end_of_candidates: bool,
}

impl Level {
    fn attribute(&mut self, value: &str) {
        let (name, rest) = value.split_once(':').unwrap_or((value, ""));
        match name {
            "ptime" => self.ptime = milliseconds(rest),
            "ice-ufrag" => self.ufrag = carriage::ufrag(rest.trim()).map(str::to_owned),
            "ice-pwd" => self.pwd = carriage::pwd(rest.trim()).map(Secret::new),
            "fingerprint" if self.fingerprints.len() < FINGERPRINTS_MAX => {
                self.fingerprints.extend(Fingerprint::read(rest));
            }
            "setup" => self.setup = Setup::of_name(rest.trim()),
            "ice-lite" => self.ice_lite = true,
            "ice-options" => self.trickle |= rest.split_ascii_whitespace().any(|option| option == "trickle"),
            "end-of-candidates" => self.end_of_candidates = true,
            _ => self.direction = Direction::of_name(value).or(self.direction),
        }
    }
}

/// An m-line whose attributes are still coming.
struct Open {
    media: String,
    port: u16,
    proto: String,
    first_format: String,
    payloads: Vec<u8>,
    maps: Vec<(u8, Option<(Codec, u32)>)>,
    events: Vec<(u8, String)>,
    opus: Vec<(u8, OpusParams)>,
    cryptos: Vec<Crypto>,
    candidates: Vec<Candidate>,
    mid: Option<String>,
    rtcp: Option<(u16, Option<IpAddr>)>,
    mux: bool,
    maxptime: Option<u16>,
    level: Level,
}

impl Open {
    /// RFC 8866 §5.14: `audio 49170/2 RTP/AVP 0 8 101`.
    fn begin(value: &str) -> Option<Open> {
        let mut words = value.split_ascii_whitespace();
        let media = token(words.next()?)?.to_ascii_lowercase();
        let port = words.next()?.split('/').next()?.parse().ok()?;
        let proto = token(words.next()?)?.to_ascii_uppercase();
        let mut formats = words.take(FORMATS_MAX).peekable();
        let first_format = formats.peek().and_then(|f| token(f)).unwrap_or("0").to_owned();
        let mut payloads = Vec::new();
        for pt in formats.filter_map(payload_type) {
            if !payloads.contains(&pt) {
                payloads.push(pt);
            }
        }
        Some(Open {
            media,
            port,
            proto,
            first_format,
            payloads,
            maps: Vec::new(),
            events: Vec::new(),
            opus: Vec::new(),
            cryptos: Vec::new(),
            candidates: Vec::new(),
            mid: None,
            rtcp: None,
            mux: false,
            maxptime: None,
            level: Level::default(),
        })
    }

    fn attribute(&mut self, value: &str) {
        let (name, rest) = value.split_once(':').unwrap_or((value, ""));
        match name {
            "rtpmap" if self.maps.len() < FORMATS_MAX => {
                if let Some((pt, encoding)) = numbered(rest) {
                    self.maps.push((pt, Codec::of_rtpmap(encoding)));
                }
            }
            "fmtp" if self.events.len() + self.opus.len() < FORMATS_MAX => {
                let Some((pt, text)) = numbered(rest) else { return };
                if let Some(events) = events(text) {
                    self.events.push((pt, events.to_owned()));
                } else {
                    self.opus.push((pt, opus(text)));
                }
            }
            "crypto" if self.cryptos.len() < CRYPTOS_MAX => self.cryptos.extend(Crypto::read(rest)),
            "candidate" if self.candidates.len() < CANDIDATES_MAX => {
                self.candidates.extend(Candidate::read(rest));
            }
            "mid" => self.mid = token(rest.trim()).map(str::to_owned),
            "rtcp" => self.rtcp = rtcp(rest),
            "rtcp-mux" => self.mux = true,
            "maxptime" => self.maxptime = milliseconds(rest),
            _ => self.level.attribute(value),
        }
    }

    fn close(mut self, session: &Level, bundle: &[&str]) -> Stream {
        let mut formats: Vec<Format> = Vec::new();
        for pt in std::mem::take(&mut self.payloads) {
            let known = match self.maps.iter().find(|(p, _)| *p == pt) {
                Some((_, known)) => *known,
                None => Codec::of_static(pt).map(|codec| (codec, CLOCK_8K)),
            };
            let Some((codec, clock)) = known else { continue };
            let events =
                self.events.iter().find(|(p, _)| *p == pt && !codec.is_voice()).map(|(_, e)| e.clone());
            let opus = self.opus.iter().find(|(p, _)| *p == pt && codec == Codec::Opus).map(|(_, o)| *o);
            let format = Format { pt, codec, clock, events, opus: opus.unwrap_or_default() };
            // A codec listed twice is relayed under its first number.
            if !formats.iter().any(|f| f.is_like(&format)) {
                formats.push(format);
            }
        }
        Stream {
            carriage: self.carriage(session, bundle),
            mid: self.mid,
            media: self.media,
            port: self.port,
            proto: self.proto,
            first_format: self.first_format,
            address: self.level.address.or(session.address),
            rtcp: self.rtcp,
            mux: self.mux,
            // RFC 8866 §6.7: sendrecv where nothing is said.
            direction: self.level.direction.or(session.direction).unwrap_or(Direction::BOTH),
            ptime: self.level.ptime.or(session.ptime),
            maxptime: self.maxptime,
            formats,
        }
    }

    /// What the profile and the attributes together mean.
    fn carriage(&mut self, session: &Level, bundle: &[&str]) -> Option<Carriage> {
        let cryptos = std::mem::take(&mut self.cryptos);
        let sdes = (!cryptos.is_empty()).then_some(Carriage::Sdes(cryptos));
        match self.proto.as_str() {
            // RFC 8643: keys beside a plain profile are an invitation, not a demand.
            "RTP/AVP" | "RTP/AVPF" => sdes.or(Some(Carriage::Plain)),
            // Browsers of ten years ago wrote their DTLS under this profile, and some libraries still do.
            "RTP/SAVP" | "RTP/SAVPF" => self.web_rtc(session, bundle).or(sdes),
            // RFC 8829 §5.1.2: all four mean the same.
            "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP" | "TCP/DTLS/RTP/SAVPF" | "TCP/DTLS/RTP/SAVP" => {
                self.web_rtc(session, bundle)
            }
            _ => None,
        }
    }

    fn web_rtc(&mut self, session: &Level, bundle: &[&str]) -> Option<Carriage> {
        let level = &mut self.level;
        // RFC 8839 §5.4: below the m-line, else above all of them.
        let (ufrag, pwd) = match (level.ufrag.take(), level.pwd.take()) {
            (None, None) => (session.ufrag.clone()?, session.pwd.clone()?),
            (ufrag, pwd) => (ufrag?, pwd?),
        };
        let mut fingerprints = std::mem::take(&mut level.fingerprints);
        if fingerprints.is_empty() {
            fingerprints.clone_from(&session.fingerprints);
        }
        // RFC 8834 §4.5 obliges browsers to multiplex, and we have one port for everything of theirs. Of two sides that
        // are lite nobody would ever check anything (RFC 8445 §6.1.1).
        if fingerprints.is_empty() || !self.mux || session.ice_lite {
            return None;
        }
        Some(Carriage::WebRtc(Box::new(WebRtcSide {
            ice: Credentials { ufrag, pwd },
            fingerprints,
            setup: level.setup.or(session.setup),
            candidates: std::mem::take(&mut self.candidates),
            bundle: self.mid.as_deref().is_some_and(|mid| bundle.contains(&mid)),
            mid: self.mid.clone(),
            trickle: level.trickle || session.trickle,
            end_of_candidates: level.end_of_candidates || session.end_of_candidates,
        })))
    }
}

/// The list of events of a telephone-event format.
fn events(text: &str) -> Option<&str> {
    let fine = |b: u8| matches!(b, b'0'..=b'9' | b',' | b'-');
    (!text.is_empty() && text.len() <= EVENTS_MAX && text.bytes().all(fine)).then_some(text)
}

/// `minptime=10;useinbandfec=1` (RFC 7587 §6.1).
fn opus(text: &str) -> OpusParams {
    let mut params = OpusParams::default();
    for one in text.split(';') {
        match one.trim().split_once('=') {
            // RFC 7587 §6.1: from 3 to 120.
            Some(("minptime", ms)) => params.minptime = ms.parse().ok().filter(|ms| (3..=120).contains(ms)),
            Some(("useinbandfec", on)) => params.fec = on == "1",
            _ => {}
        }
    }
    params
}

/// RFC 8866 §5.7: `IN IP4 192.0.2.1/127`. Names are not resolved: an address that changes under us is no address.
fn connection(value: &str) -> Option<IpAddr> {
    let mut words = value.split_ascii_whitespace();
    if !words.next()?.eq_ignore_ascii_case("IN") {
        return None;
    }
    let kind = words.next()?;
    address(kind, words.next()?.split('/').next()?)
}

fn address(kind: &str, text: &str) -> Option<IpAddr> {
    if kind.eq_ignore_ascii_case("IP4") {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    } else if kind.eq_ignore_ascii_case("IP6") {
        // A mapped address is the IPv4 host behind it; what arrives from it will say so.
        text.parse::<Ipv6Addr>().ok().map(|a| IpAddr::V6(a).to_canonical())
    } else {
        None
    }
}

/// RFC 3605 §2.1: `53020` or `53020 IN IP4 126.16.64.4`.
fn rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut words = value.split_ascii_whitespace();
    let port = words.next()?.parse().ok().filter(|p| *p != 0)?;
    let Some(net) = words.next() else { return Some((port, None)) };
    if !net.eq_ignore_ascii_case("IN") {
        return None;
    }
    let kind = words.next()?;
    Some((port, Some(address(kind, words.next()?)?)))
}

/// `101 telephone-event/8000` into its number and the rest.
fn numbered(value: &str) -> Option<(u8, &str)> {
    let (pt, rest) = value.trim().split_once(|c: char| c.is_ascii_whitespace())?;
    Some((payload_type(pt)?, rest.trim()))
}

fn payload_type(text: &str) -> Option<u8> {
    // RFC 5761 §4: 64 to 95 look like RTCP once the marker bit is set and are never used for RTP by anyone sane.
    text.parse().ok().filter(|pt| *pt < 128 && !(64..96).contains(pt))
}

fn milliseconds(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|ms| (1..=1000).contains(ms))
}

/// A word we may have to say again to the peer who said it.
fn token(text: &str) -> Option<&str> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"/-_.+*!#$%&'`{|}~^".contains(&b);
    (!text.is_empty() && text.len() <= TOKEN_MAX && text.bytes().all(fine)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Stream {
        let mut streams = read(text.as_bytes()).unwrap().streams;
        assert_eq!(streams.len(), 1);
        streams.remove(0)
    }

    #[test]
    fn a_desk_phone_is_understood() {
        let s = one("v=0\r\no=desk 1 1 IN IP4 10.0.0.5\r\ns=call\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\n\
             m=audio 11780 RTP/AVP 9 8 0 18 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=fmtp:101 0-15\r\na=ptime:20\r\na=rtcp:11781\r\na=sendrecv\r\n");
        assert!(s.is_voice());
        let codecs: Vec<_> = s.formats.iter().map(|f| (f.pt, f.codec)).collect();
        use Codec::*;
        assert_eq!(codecs, [(9, G722), (8, Pcma), (0, Pcmu), (101, TelephoneEvent)]);
        assert_eq!(s.formats[3].events.as_deref(), Some("0-15"));
        assert_eq!((s.ptime, s.rtcp, s.mux), (Some(20), Some((11_781, None)), false));
        assert_eq!(s.address, Some("10.0.0.5".parse().unwrap()));
    }

    #[test]
    fn line_ends_case_and_odd_spacing_do_not_matter() {
        for end in ["\n", "\r\n", "\r"] {
            let text = [
                "v=0",
                "c=in ip4 192.0.2.1/127",
                "m=Audio 4000/2 rtp/avp 0  97",
                "a=rtpmap:97  Telephone-Event/8000",
            ]
            .join(end);
            let s = one(&text);
            assert!(s.is_voice(), "{end:?}");
            assert_eq!(s.formats.len(), 2);
        }
    }

    #[test]
    fn the_level_below_the_m_line_wins() {
        let s = one(
            "v=0\nc=IN IP4 192.0.2.1\na=sendonly\na=ptime:30\nm=audio 4 RTP/AVP 0\nc=IN IP6 2001:db8::1\na=recvonly\n",
        );
        assert_eq!(s.address, Some("2001:db8::1".parse().unwrap()));
        assert_eq!((s.direction, s.ptime), (Direction::RECV, Some(30)));
    }

    #[test]
    fn rtpmap_overrides_the_static_table_and_foreign_channels_are_unknown() {
        let s = one(
            "v=0\nm=audio 4 RTP/AVP 0 8 96 97\na=rtpmap:0 opus/48000/2\na=rtpmap:96 telephone-event/48000\na=rtpmap:97 PCMU/8000/2\n",
        );
        let codecs: Vec<_> = s.formats.iter().map(|f| (f.pt, f.codec, f.clock)).collect();
        assert_eq!(
            codecs,
            [(0, Codec::Opus, 48_000), (8, Codec::Pcma, 8000), (96, Codec::TelephoneEvent, 48_000)]
        );
    }

    #[test]
    fn what_is_no_description_is_refused() {
        use SdpError::*;
        for (text, why) in [
            ("", NoVersion),
            ("hello", NoVersion),
            ("v=1\nm=audio 4 RTP/AVP 0", NoVersion),
            ("o=x\nv=0", NoVersion),
            ("v=0\ns=-\n", NoMedia),
            ("v=0\nm=audio\n", BadMedia(2)),
            ("v=0\nm=audio 99999 RTP/AVP 0\n", BadMedia(2)),
            ("v=0\nm=audio -1 RTP/AVP 0\n", BadMedia(2)),
            ("v=0\nm=a\u{e9} 1 RTP/AVP 0\n", BadMedia(2)),
            ("v=0\nc=IN IP4 host.example\nm=audio 4 RTP/AVP 0", BadConnection(2)),
            ("v=0\nc=IN IP4 1.2.3\nm=audio 4 RTP/AVP 0", BadConnection(2)),
        ] {
            assert_eq!(read(text.as_bytes()), Err(why), "{text:?}");
        }
        assert_eq!(read(&vec![b'a'; BODY_MAX + 1]), Err(TooLong(BODY_MAX + 1)));
        assert_eq!(
            read(format!("v=0\n{}", "m=audio 4 RTP/AVP 0\n".repeat(17)).as_bytes()),
            Err(TooManyStreams)
        );
        assert_eq!(read(format!("v=0\n{}", "a=x\n".repeat(2000)).as_bytes()), Err(TooManyLines));
    }

    #[test]
    fn rtcp_in_both_forms() {
        assert_eq!(rtcp("53020"), Some((53_020, None)));
        assert_eq!(rtcp("53020 IN IP4 126.16.64.4"), Some((53_020, Some("126.16.64.4".parse().unwrap()))));
        assert_eq!(rtcp("0"), None);
        assert_eq!(rtcp("53020 IN IP4"), None);
    }
}
