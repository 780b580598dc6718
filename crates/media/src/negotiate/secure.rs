//! How each leg is protected: which keys of its offer are taken, who begins the DTLS handshake, and what is refused
//! because it is less than what was asked.

use super::{History, Said};
use crate::sdp::{Carriage, Crypto, Draft, Ours, Setup, WebRtcSide};
use crate::srtp::{Keys, Suite};
use terms::{MediaFailure, PortKind};

/// What protects a leg now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Secured {
    Plain,
    Srtp(Box<SrtpPair>),
    WebRtc(Box<WebRtcPair>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SrtpPair {
    /// For what we send.
    pub ours: Keys,
    /// For what the peer sends.
    pub theirs: Keys,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebRtcPair {
    pub peer: WebRtcSide,
    /// We begin the DTLS handshake, since the peer wants to wait.
    pub we_are_client: bool,
}

/// What an offer of ours says to a leg of this kind.
pub fn offered(kind: PortKind, ours: &Ours) -> Result<Ours, MediaFailure> {
    match (kind, ours) {
        (PortKind::Rtp, _) => Ok(Ours::Plain),
        (PortKind::OptionalSrtp | PortKind::Srtp, Ours::Sdes(lines)) => {
            // Four octets of tag are better than nothing only where nothing else is offered to us.
            let strong = |line: &&Crypto| line.keys.suite != Suite::AesCm128HmacSha1_32;
            Ok(Ours::Sdes(lines.iter().filter(strong).cloned().collect()))
        }
        (PortKind::WebRtc, Ours::WebRtc(side)) => {
            let mut side = side.clone();
            // RFC 8842 §5.2: whoever offers leaves the choice.
            (side.setup, side.bundle) = (Setup::ActPass, true);
            Ok(Ours::WebRtc(side))
        }
        _ => Err(MediaFailure::NothingInCommon),
    }
}

/// What an answer of ours says to the offerer, and what it settles. Its own order of preference decides.
pub fn accepted(offer: &Said, history: &History, ours: &Ours) -> Result<(Ours, Secured), MediaFailure> {
    match (&offer.carriage, ours) {
        (Carriage::Plain, _) => Ok((Ours::Plain, Secured::Plain)),
        (Carriage::Sdes(lines), Ours::Sdes(our_lines)) => {
            let both = lines.iter().find_map(|theirs| {
                Some((theirs, our_lines.iter().find(|line| line.keys.suite == theirs.keys.suite)?))
            });
            let (theirs, line) = both.ok_or(MediaFailure::NothingInCommon)?;
            // RFC 4568 §5.1.2: one line, under the tag of the offer.
            let said = Crypto { tag: theirs.tag, keys: line.keys.clone() };
            let pair = SrtpPair { ours: line.keys.clone(), theirs: theirs.keys.clone() };
            Ok((Ours::Sdes(vec![said]), Secured::Srtp(Box::new(pair))))
        }
        // RFC 8643 §3.1: an invitation may be left alone.
        (Carriage::Sdes(_), Ours::Plain) if offer.kind() == PortKind::OptionalSrtp => {
            Ok((Ours::Plain, Secured::Plain))
        }
        (Carriage::WebRtc(peer), Ours::WebRtc(side)) => {
            let we_are_client = match peer.setup {
                Some(Setup::Active) => false,
                Some(Setup::Passive) => true,
                // The roles of a living association stay. Without one we wait: whoever is lite answers checks, and the
                // first ClientHello must come from an address they have proved.
                Some(Setup::ActPass) | None => history.we_are_client,
            };
            let mut side = side.clone();
            side.setup = if we_are_client { Setup::Active } else { Setup::Passive };
            side.bundle = peer.bundle;
            let pair = WebRtcPair { peer: (**peer).clone(), we_are_client };
            Ok((Ours::WebRtc(side), Secured::WebRtc(Box::new(pair))))
        }
        _ => Err(MediaFailure::NothingInCommon),
    }
}

/// What the answer to an offer of ours settles.
pub fn answered(told: &Draft, answer: &Said) -> Result<Secured, MediaFailure> {
    let invited = told.lines.get(told.at).is_some_and(|line| line.proto.starts_with("RTP/AVP"));
    match (&told.ours, &answer.carriage) {
        (Ours::Plain, Carriage::Plain) => Ok(Secured::Plain),
        // Keys nobody asked for mean nothing (RFC 8643 §3.2: the answerer accepts, it does not invite).
        (Ours::Plain, Carriage::Sdes(_)) if answer.kind() == PortKind::OptionalSrtp => Ok(Secured::Plain),
        (Ours::Sdes(_), Carriage::Plain) if invited => Ok(Secured::Plain),
        (Ours::Sdes(lines), Carriage::Sdes(theirs)) => {
            let pair = theirs.iter().find_map(|theirs| {
                // By its tag; some phones number their answer anew, so by its suite where the tag is not ours.
                let same = |line: &&Crypto| line.keys.suite == theirs.keys.suite;
                let tagged = |line: &&Crypto| same(line) && line.tag == theirs.tag;
                let line = lines.iter().find(tagged).or_else(|| lines.iter().find(same))?;
                Some(SrtpPair { ours: line.keys.clone(), theirs: theirs.keys.clone() })
            });
            pair.map(|pair| Secured::Srtp(Box::new(pair))).ok_or(MediaFailure::NothingInCommon)
        }
        (Ours::WebRtc(_), Carriage::WebRtc(peer)) => {
            let we_are_client = peer.setup == Some(Setup::Passive);
            Ok(Secured::WebRtc(Box::new(WebRtcPair { peer: (**peer).clone(), we_are_client })))
        }
        _ => Err(MediaFailure::NothingInCommon),
    }
}
