//! What holds between us and one leg, kept so that a browser whose network changed gets its answer from us: an ICE restart
//! (RFC 8839 §4.4.1.1) changes where packets go and nothing of what they are, and concerns nobody at the other leg.

use super::{Agreement, Said};
use crate::sdp::{Carriage, Direction, Draft, Fingerprint, Format, Ours, Voice};

/// The voice as it was agreed last, from the leg's own point of view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accord {
    /// Under the leg's numbers, in the order that holds.
    formats: Vec<Format>,
    /// What the leg wanted, and what came of it.
    wanted: Direction,
    holds: Direction,
    /// The milliseconds a packet (`ptime`, `maxptime`) it asked for, and those it was told.
    asked_times: Times,
    told_times: Times,
    /// Empty where there is no DTLS.
    fingerprints: Vec<Fingerprint>,
}

type Times = (Option<u16>, Option<u16>);

impl Accord {
    /// Of both legs, the offerer's first.
    pub fn of(offer: &Said, told: &Draft, answer: &Said, agreement: &Agreement) -> (Accord, Accord) {
        let settled = &agreement.answer.voice;
        let offerer = Accord {
            formats: settled.formats.clone(),
            wanted: offer.voice.direction,
            holds: settled.direction.reversed(),
            asked_times: times(&offer.voice),
            told_times: times(settled),
            fingerprints: fingerprints(offer),
        };
        let were_told = |f: &&Format| told.voice.formats.iter().any(|t| t.is_like(f));
        let answerer = Accord {
            formats: answer.voice.formats.iter().filter(were_told).cloned().collect(),
            wanted: answer.voice.direction,
            holds: settled.direction,
            asked_times: times(&answer.voice),
            told_times: times(&told.voice),
            fingerprints: fingerprints(answer),
        };
        (offerer, answerer)
    }

    /// The answer to an offer that asks for nothing but what holds already. `None` if the other leg has to be asked.
    pub fn answer(&self, offer: &Said, ours: Ours) -> Option<Draft> {
        let voice = &offer.voice;
        let offered = |f: &Format| voice.formats.iter().any(|o| o.is_like(f) && o.pt == f.pt);
        let same = !voice.off
            && !self.fingerprints.is_empty()
            && self.fingerprints == fingerprints(offer)
            && self.wanted == voice.direction
            && self.asked_times == times(voice)
            && self.formats.iter().any(|f| f.codec.is_voice())
            && self.formats.iter().all(offered);
        let (ptime, maxptime) = self.told_times;
        same.then(|| Draft {
            lines: offer.lines.clone(),
            at: offer.at,
            voice: Voice {
                formats: self.formats.clone(),
                direction: self.holds.reversed(),
                ptime,
                maxptime,
                mux: voice.mux,
                off: false,
            },
            ours,
        })
    }
}

fn times(voice: &Voice) -> Times {
    (voice.ptime, voice.maxptime)
}

fn fingerprints(said: &Said) -> Vec<Fingerprint> {
    match &said.carriage {
        Carriage::WebRtc(side) => side.fingerprints.clone(),
        Carriage::Plain | Carriage::Sdes(_) => Vec::new(),
    }
}
