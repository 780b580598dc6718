//! Offer and answer (RFC 3264) between two legs that never see each other: pure functions from what one peer said to
//! what the other is told, and to what both have then agreed.

mod accord;
mod formats;
mod secure;

pub use accord::Accord;
pub use formats::{End, Path};
pub use secure::{Secured, SrtpPair, WebRtcPair, accepted};

use crate::sdp::{self, Carriage, Credentials, Direction, Draft, Format, Line, Ours, Voice};
use std::net::{IpAddr, SocketAddr};
use terms::{Codecs, MediaFailure, PortKind};

/// What a peer said, reduced to what concerns the voice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    pub lines: Vec<Line>,
    pub at: usize,
    /// Where it wants its RTP; nothing if it names no usable address (the hold of RFC 2543), or if ICE will find it.
    pub rtp: Option<SocketAddr>,
    pub rtcp: Option<SocketAddr>,
    pub family_is_v6: bool,
    pub voice: Voice,
    pub carriage: Carriage,
}

impl Said {
    /// The port its leg needs.
    pub fn kind(&self) -> PortKind {
        let plain = self.lines.get(self.at).is_none_or(|line| line.proto.starts_with("RTP/AVP"));
        match &self.carriage {
            Carriage::Plain => PortKind::Rtp,
            Carriage::Sdes(_) if plain => PortKind::OptionalSrtp,
            Carriage::Sdes(_) => PortKind::Srtp,
            Carriage::WebRtc(_) => PortKind::WebRtc,
        }
    }

    /// It speaks ICE under other credentials than before: checks begin anew, and ours change too (RFC 8839 §4.4).
    pub fn restarted(&self, before: &History) -> bool {
        match (&self.carriage, &before.ice) {
            (Carriage::WebRtc(side), Some(known)) => side.ice != *known,
            _ => false,
        }
    }
}

/// What has been settled with one leg before and binds later offers to it (RFC 3264 §8).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    pub lines: Vec<Line>,
    pub at: usize,
    /// As we told this leg; a number never changes its meaning within a session (§8.3.2).
    pub formats: Vec<Format>,
    pub mux: bool,
    /// How it speaks with us; an offer to it is of the same kind.
    pub kind: Option<PortKind>,
    /// The peer's last ICE credentials.
    pub ice: Option<Credentials>,
    /// Who began the DTLS handshake with this leg; who did stays it while the association lives (RFC 8842 §5.3).
    pub we_are_client: bool,
    /// What holds since the last answer; nothing where the voice was given up.
    pub accord: Option<Accord>,
}

impl History {
    fn pt_of(&self, format: &Format) -> Option<u8> {
        self.formats.iter().find(|f| f.is_like(format)).map(|f| f.pt)
    }

    /// Remembers what was newly settled; older numbers stay.
    pub fn settle(&mut self, ours: &Draft, secured: &Secured, mux: bool) {
        self.lines.clone_from(&ours.lines);
        self.at = ours.at;
        if ours.voice.off {
            return;
        }
        self.mux = mux;
        self.kind = Some(match (&ours.ours, ours.lines.get(ours.at)) {
            (Ours::WebRtc(_), _) => PortKind::WebRtc,
            (Ours::Sdes(_), Some(line)) if !line.proto.starts_with("RTP/AVP") => PortKind::Srtp,
            (Ours::Sdes(_), _) => PortKind::OptionalSrtp,
            (Ours::Plain, _) => PortKind::Rtp,
        });
        if let Secured::WebRtc(pair) = secured {
            self.ice = Some(pair.peer.ice.clone());
            self.we_are_client = pair.we_are_client;
        }
        for f in &ours.voice.formats {
            self.formats.retain(|known| !known.is_like(f) && known.pt != f.pt);
            self.formats.push(f.clone());
        }
    }
}

/// The leg that an offer is passed on to.
pub struct Toward<'a> {
    pub history: &'a History,
    /// What the leg is, as long as its history does not know better.
    pub kind: PortKind,
    /// What may be offered, preferred first; empty: whatever legs of the kind usually speak.
    pub codecs: Codecs,
    /// Whether codecs the offerer does not speak can be offered too.
    pub transcodes: bool,
    /// What we are to it; must fit [`Toward::kind`].
    pub ours: Ours,
}

impl Toward<'_> {
    fn kind(&self) -> PortKind {
        self.history.kind.unwrap_or(self.kind)
    }
}

/// Both sides of an answered offer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreement {
    /// To be said to the offerer.
    pub answer: Draft,
    /// By number, what arrives from the offerer and how it leaves to the answerer. The first entry of a number counts.
    pub to_answerer: Vec<Path>,
    /// And back.
    pub to_offerer: Vec<Path>,
    pub offerer_sends: bool,
    pub answerer_sends: bool,
    pub answerer_mux: bool,
    pub offerer: Secured,
    pub answerer: Secured,
}

/// Reads a description and picks its voice stream: the one at `prefer` if it will do, else the first that does. A
/// stream at `prefer` that was given up with port 0 is one too, and off.
pub fn hear(body: &[u8], prefer: Option<usize>) -> Result<Said, MediaFailure> {
    let description = sdp::read(body).map_err(|_| MediaFailure::BadSdp)?;
    let streams = &description.streams;
    let given_up = |at: &usize| streams.get(*at).is_some_and(|s| s.media == "audio" && s.port == 0);
    let at = prefer
        .filter(|at| streams.get(*at).is_some_and(sdp::Stream::is_voice))
        .or_else(|| streams.iter().position(sdp::Stream::is_voice))
        .or_else(|| prefer.filter(given_up))
        .ok_or(MediaFailure::NothingInCommon)?;
    let stream = streams.get(at).ok_or(MediaFailure::NothingInCommon)?;
    let lines = streams
        .iter()
        .map(|s| Line {
            media: s.media.clone(),
            proto: s.proto.clone(),
            format: s.first_format.clone(),
            mid: s.mid.clone(),
        })
        .collect();
    if !stream.is_voice() {
        return Ok(off(lines, at));
    }
    let carriage = stream.carriage.clone().ok_or(MediaFailure::NothingInCommon)?;
    // RFC 8866 §5.7: a connection at the session or at the media level is required.
    let address = stream.address.ok_or(MediaFailure::BadSdp)?;
    let mut direction = stream.direction;
    let by_ice = matches!(carriage, Carriage::WebRtc(_));
    if address.is_unspecified() && !by_ice {
        // RFC 3264 §8.4: 0.0.0.0 asks that nothing be sent; RFC 2543 phones mean hold by it. Browsers write it before
        // they know any address (RFC 8840 §4.1.1).
        direction.recv = false;
    }
    let usable = usable(address) && !by_ice;
    let rtcp = match stream.rtcp {
        Some((port, ip)) => Some(SocketAddr::new(ip.unwrap_or(address), port)),
        None => stream.port.checked_add(1).map(|port| SocketAddr::new(address, port)),
    };
    Ok(Said {
        lines,
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
            off: false,
        },
        carriage,
    })
}

/// A session whose voice was given up.
fn off(lines: Vec<Line>, at: usize) -> Said {
    Said {
        lines,
        at,
        rtp: None,
        rtcp: None,
        family_is_v6: false,
        voice: Voice {
            formats: Vec::new(),
            direction: Direction::NONE,
            ptime: None,
            maxptime: None,
            mux: false,
            off: true,
        },
        carriage: Carriage::Plain,
    }
}

/// An address media can be sent to: one host.
fn usable(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !broadcast
}

/// The offer as the other leg gets it. Fails where we cannot be what the leg needs, or where no codec of the offer may
/// go there.
pub fn relay_offer(offer: &Said, toward: &Toward<'_>) -> Result<Draft, MediaFailure> {
    let (kind, history) = (toward.kind(), toward.history);
    let (lines, at) = match history.lines.get(history.at) {
        Some(_) => (history.lines.clone(), history.at),
        None => (vec![Line::voice(kind)], 0),
    };
    // A voice given up at one side is on hold at the other: it may come back.
    let formats = if offer.voice.off {
        history.formats.clone()
    } else {
        formats::offered(&offer.voice.formats, toward)
    };
    if !formats.iter().any(|f| f.codec.is_voice()) {
        return Err(MediaFailure::NothingInCommon);
    }
    Ok(Draft {
        lines,
        at,
        voice: Voice {
            formats,
            direction: offer.voice.direction,
            ptime: offer.voice.ptime,
            maxptime: offer.voice.maxptime,
            // RFC 5761 §5.1.1: each leg has its own multiplexing; we ask for it of browsers only, else we keep it.
            mux: history.mux || kind == PortKind::WebRtc,
            off: false,
        },
        ours: secure::offered(kind, &toward.ours)?,
    })
}

/// What `answer` settles, given the offer and what the answerer was told of it. `history` and `ours` are the offerer's.
pub fn relay_answer(
    offer: &Said,
    told: &Draft,
    answer: &Said,
    history: &History,
    ours: &Ours,
) -> Result<Agreement, MediaFailure> {
    if answer.voice.off {
        return Err(MediaFailure::NothingInCommon);
    }
    let answerer = secure::answered(told, answer)?;
    if offer.voice.off {
        return Ok(given_up(offer, told, answer, answerer));
    }
    let (dress, offerer) = secure::accepted(offer, history, ours)?;
    let pairs = formats::agree(offer, told, answer).ok_or(MediaFailure::NothingInCommon)?;
    // RFC 3264 §6.1: an answer may not send where the offer does not receive; phones that forget this are corrected.
    let direction: Direction = answer.voice.direction.and(offer.voice.direction.reversed());
    Ok(Agreement {
        answer: Draft {
            lines: offer.lines.clone(),
            at: offer.at,
            voice: Voice {
                formats: pairs.answer,
                direction,
                ptime: answer.voice.ptime,
                maxptime: answer.voice.maxptime,
                mux: offer.voice.mux,
                off: false,
            },
            ours: dress,
        },
        to_answerer: pairs.to_answerer,
        to_offerer: pairs.to_offerer,
        offerer_sends: direction.recv,
        answerer_sends: direction.send,
        answerer_mux: told.voice.mux && answer.voice.mux,
        offerer,
        answerer,
    })
}

/// RFC 3264 §8.2: a stream offered with port 0 is answered with port 0. Nothing flows until it is offered again.
fn given_up(offer: &Said, told: &Draft, answer: &Said, answerer: Secured) -> Agreement {
    Agreement {
        answer: Draft {
            lines: offer.lines.clone(),
            at: offer.at,
            voice: offer.voice.clone(),
            ours: Ours::Plain,
        },
        to_answerer: Vec::new(),
        to_offerer: Vec::new(),
        offerer_sends: false,
        answerer_sends: false,
        answerer_mux: told.voice.mux && answer.voice.mux,
        offerer: Secured::Plain,
        answerer,
    }
}

#[cfg(test)]
mod tests;
