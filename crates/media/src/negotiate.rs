//! Offer and answer (RFC 3264) between two legs that never see each other: pure functions from what one peer said to
//! what the other is told, and to what both have then agreed.

use crate::sdp::{self, Codec, Direction, Draft, Format, Line, Voice};
use std::net::{IpAddr, SocketAddr};
use terms::MediaFailure;

/// What a peer said, reduced to what concerns the voice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    pub lines: Vec<Line>,
    pub at: usize,
    /// Where it wants its RTP; nothing if it names no usable address (the hold of RFC 2543).
    pub rtp: Option<SocketAddr>,
    pub rtcp: Option<SocketAddr>,
    pub family_is_v6: bool,
    pub voice: Voice,
}

/// What has been settled with one leg before and binds later offers to it (RFC 3264 §8).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    pub lines: Vec<Line>,
    pub at: usize,
    /// Codec and payload type as we told this leg; a number never changes its meaning within a session (§8.3.2).
    pub formats: Vec<(Codec, u8)>,
    pub mux: bool,
}

impl History {
    fn pt_of(&self, codec: Codec) -> Option<u8> {
        self.formats.iter().find(|(c, _)| *c == codec).map(|(_, pt)| *pt)
    }

    /// Remembers numbers newly settled; older ones stay.
    pub fn settle(&mut self, lines: &[Line], at: usize, formats: &[Format], mux: bool) {
        self.lines = lines.to_vec();
        self.at = at;
        self.mux = mux;
        for f in formats {
            self.formats.retain(|(c, pt)| *c != f.codec && *pt != f.pt);
            self.formats.push((f.codec, f.pt));
        }
    }
}

/// Both sides of an answered offer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreement {
    /// To be said to the offerer.
    pub answer: Draft,
    /// Codec by codec: the number the offerer uses and the numbers of the answerer (as we offered, as it answered).
    pub codecs: Vec<Common>,
    pub offerer_sends: bool,
    pub answerer_sends: bool,
    pub answerer_mux: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Common {
    pub codec: Codec,
    pub offerer: u8,
    /// The number we offered: the answerer sends with it.
    pub offered: u8,
    /// The number the answerer wrote: it receives with it.
    pub answered: u8,
}

/// Reads a description and picks its voice stream: the one at `prefer` if it will do, else the first that does.
pub fn hear(body: &[u8], prefer: Option<usize>) -> Result<Said, MediaFailure> {
    let description = sdp::read(body).map_err(|_| MediaFailure::BadSdp)?;
    let at = prefer
        .filter(|at| description.streams.get(*at).is_some_and(sdp::Stream::is_plain_voice))
        .or_else(|| description.streams.iter().position(sdp::Stream::is_plain_voice))
        .ok_or(MediaFailure::NothingInCommon)?;
    let stream = description.streams.get(at).ok_or(MediaFailure::NothingInCommon)?;
    // RFC 8866 §5.7: a connection at the session or at the media level is required.
    let address = stream.address.ok_or(MediaFailure::BadSdp)?;
    let mut direction = stream.direction;
    if address.is_unspecified() {
        // RFC 3264 §8.4: 0.0.0.0 asks that nothing be sent; RFC 2543 phones mean hold by it.
        direction.recv = false;
    }
    let usable = usable(address);
    let rtcp = match stream.rtcp {
        Some((port, ip)) => Some(SocketAddr::new(ip.unwrap_or(address), port)),
        None => stream.port.checked_add(1).map(|port| SocketAddr::new(address, port)),
    };
    Ok(Said {
        lines: description
            .streams
            .iter()
            .map(|s| Line { media: s.media.clone(), proto: s.proto.clone(), format: s.first_format.clone() })
            .collect(),
        at,
        rtp: usable.then(|| SocketAddr::new(address, stream.port)),
        rtcp: rtcp.filter(|r| usable && self::usable(r.ip())),
        family_is_v6: address.is_ipv6(),
        voice: Voice {
            formats: stream.formats.clone(),
            direction,
            ptime: stream.ptime,
            maxptime: stream.maxptime,
            mux: stream.mux,
        },
    })
}

/// An address media can be sent to: one host.
fn usable(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !broadcast
}

/// The offer as the other leg gets it: the offerer's codecs that we know, in its order, under numbers that leg knows.
pub fn relay_offer(offer: &Said, toward: &History) -> Draft {
    let mut formats: Vec<Format> = Vec::with_capacity(offer.voice.formats.len());
    for f in &offer.voice.formats {
        let taken = |pt: u8| {
            formats.iter().any(|g| g.pt == pt)
                || toward.formats.iter().any(|(c, p)| *p == pt && *c != f.codec)
        };
        let pt = toward
            .pt_of(f.codec)
            .or_else(|| Some(f.pt).filter(|pt| !taken(*pt)))
            .or_else(|| (96..128).find(|pt| !taken(*pt)))
            .unwrap_or(f.pt);
        formats.push(Format { pt, ..f.clone() });
    }
    let (lines, at) =
        if toward.lines.is_empty() { (vec![Line::voice()], 0) } else { (toward.lines.clone(), toward.at) };
    Draft {
        lines,
        at,
        voice: Voice {
            formats,
            direction: offer.voice.direction,
            ptime: offer.voice.ptime,
            maxptime: offer.voice.maxptime,
            // RFC 5761 §5.1.1: each leg has its own multiplexing; we do not ask for it, only keep it.
            mux: toward.mux,
        },
    }
}

/// What `answer` settles, given the offer and what the answerer was told of it.
pub fn relay_answer(offer: &Said, told: &Draft, answer: &Said) -> Result<Agreement, MediaFailure> {
    let mut codecs = Vec::new();
    let mut formats = Vec::new();
    for f in &answer.voice.formats {
        let offerer = offer.voice.formats.iter().find(|o| o.codec == f.codec);
        let offered = told.voice.formats.iter().find(|o| o.codec == f.codec);
        // RFC 3264 §6.1: codecs the answerer adds were not offered and cannot be used.
        if let (Some(offerer), Some(offered)) = (offerer, offered) {
            codecs.push(Common { codec: f.codec, offerer: offerer.pt, offered: offered.pt, answered: f.pt });
            formats.push(Format { pt: offerer.pt, codec: f.codec, events: f.events.clone() });
        }
    }
    if !codecs.iter().any(|c| c.codec.is_voice()) {
        return Err(MediaFailure::NothingInCommon);
    }
    // RFC 3264 §6.1: an answer may not send where the offer does not receive; phones that forget this are corrected.
    let direction: Direction = answer.voice.direction.and(offer.voice.direction.reversed());
    Ok(Agreement {
        answer: Draft {
            lines: offer.lines.clone(),
            at: offer.at,
            voice: Voice {
                formats,
                direction,
                ptime: answer.voice.ptime,
                maxptime: answer.voice.maxptime,
                mux: offer.voice.mux,
            },
        },
        codecs,
        offerer_sends: direction.recv,
        answerer_sends: direction.send,
        answerer_mux: told.voice.mux && answer.voice.mux,
    })
}
