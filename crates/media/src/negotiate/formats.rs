//! Which codecs are offered on, which of them are agreed, and by which number each arrives and leaves.
//!
//! What both legs speak is relayed as it is. Only where they have nothing in common is one voice changed into another,
//! and digits cross between clocks (RFC 4733 §2.3.5: their clock is that of the voice beside them).

use super::{Said, Toward};
use crate::sdp::{CLOCK_8K, Codec, Draft, Format, OpusParams};
use terms::{CodecName, PortKind};

/// One end of a path: a payload type and what it means there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    pub pt: u8,
    pub codec: Codec,
    /// Ticks of the RTP timestamp in a second.
    pub clock: u32,
}

/// How packets of one payload type of a leg reach the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Path {
    pub arrives: End,
    pub leaves: End,
}

impl Path {
    /// Only the number changes. Otherwise the voice is transcoded, or the digit's duration counted by another clock.
    pub fn is_relay(&self) -> bool {
        self.arrives.codec == self.leaves.codec && self.arrives.clock == self.leaves.clock
    }
}

/// What comes of an answer.
pub struct Agreed {
    /// For our answer to the offerer, under its numbers.
    pub answer: Vec<Format>,
    pub to_answerer: Vec<Path>,
    pub to_offerer: Vec<Path>,
}

/// First what the offerer speaks, in its order, since that can be relayed; behind it what we could change it into.
pub fn offered(offer: &[Format], toward: &Toward<'_>) -> Vec<Format> {
    let mut wanted: Vec<Format> = offer.iter().filter(|f| f.codec.is_voice()).cloned().collect();
    if !toward.codecs.is_empty() {
        let rank = |f: &Format| toward.codecs.iter().position(|name| codec_of(name) == f.codec);
        wanted.retain(|f| rank(f).is_some());
        // The leg's own preference, among what can be relayed.
        wanted.sort_by_key(rank);
    }
    if toward.transcodes {
        let wide = offer.iter().any(|f| f.codec.is_wide());
        for codec in changed_into(toward, wide) {
            if !wanted.iter().any(|f| f.codec == codec) {
                wanted.push(Format { opus: OpusParams::OURS, ..Format::voice(usual_number(codec), codec) });
            }
        }
    }
    wanted.extend(digits_for(offer, &wanted, toward.transcodes));
    let mut formats: Vec<Format> = Vec::with_capacity(wanted.len());
    for f in wanted {
        let pt = number_for(&f, &formats, toward);
        formats.push(Format { pt, ..f });
    }
    formats
}

fn codec_of(name: CodecName) -> Codec {
    match name {
        CodecName::Pcmu => Codec::Pcmu,
        CodecName::Pcma => Codec::Pcma,
        CodecName::G722 => Codec::G722,
        CodecName::Opus => Codec::Opus,
    }
}

/// What a leg may be offered beyond what the offerer speaks, best first.
fn changed_into(toward: &Toward<'_>, wide: bool) -> Vec<Codec> {
    if !toward.codecs.is_empty() {
        return toward.codecs.iter().map(codec_of).collect();
    }
    match (toward.kind(), wide) {
        (PortKind::WebRtc, _) => vec![Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu],
        // Few phones speak Opus, and to change another codec into it gains nothing on a wire of our own.
        (_, true) => vec![Codec::G722, Codec::Pcma, Codec::Pcmu],
        (_, false) => vec![Codec::Pcma, Codec::Pcmu, Codec::G722],
    }
}

/// Digits at the clock of each voice that is offered, if the offerer has digits at all: promised to a peer whose digits
/// could go nowhere, they would be lost where the tone in the voice would not.
fn digits_for(offer: &[Format], voices: &[Format], transcodes: bool) -> Vec<Format> {
    let theirs: Vec<&Format> = offer.iter().filter(|f| !f.codec.is_voice()).collect();
    let Some(first) = theirs.first() else { return Vec::new() };
    let beside = |clock: u32| voices.iter().any(|v| v.clock == clock);
    let mut digits: Vec<Format> = theirs.iter().filter(|f| beside(f.clock)).map(|f| (*f).clone()).collect();
    for voice in voices.iter().filter(|_| transcodes) {
        if !digits.iter().any(|f| f.clock == voice.clock) {
            let pt = if voice.clock == CLOCK_8K { DIGITS_8K } else { DIGITS_48K };
            digits.push(Format { events: first.events.clone(), ..Format::digits(pt, voice.clock) });
        }
    }
    if digits.is_empty() {
        // Firefox offers Opus with digits at 8 kHz only; then so it is.
        digits.push((*first).clone());
    }
    digits
}

/// Numbers that most of the world uses for digits.
const DIGITS_8K: u8 = 101;
const DIGITS_48K: u8 = 110;

fn usual_number(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::Opus => 111,
        Codec::TelephoneEvent => DIGITS_8K,
    }
}

/// The number the leg knows it by, else the offerer's own, else the usual or the first free one.
fn number_for(format: &Format, formats: &[Format], toward: &Toward<'_>) -> u8 {
    let taken = |pt: u8| {
        formats.iter().any(|g| g.pt == pt)
            || toward.history.formats.iter().any(|known| known.pt == pt && !known.is_like(format))
    };
    // A number below 96 means what RFC 3551 says, whatever somebody's rtpmap made of it.
    let fit = |pt: &u8| !taken(*pt) && (*pt >= 96 || Codec::of_static(*pt) == Some(format.codec));
    let own = [format.pt, usual_number(format.codec)].into_iter();
    toward
        .history
        .pt_of(format)
        .or_else(|| own.chain(96..128).find(fit))
        // Thirty-two numbers for nine formats: there is always one.
        .unwrap_or(format.pt)
}

/// What both legs will speak. `None` if that is no voice at all.
pub fn agree(offer: &Said, told: &Draft, answer: &Said) -> Option<Agreed> {
    // RFC 3264 §6.1: codecs the answerer adds were not offered and cannot be used.
    let far: Vec<Far<'_>> = answer
        .voice
        .formats
        .iter()
        .filter_map(|f| Some(Far { answered: f, told: told.voice.formats.iter().find(|t| t.is_like(f))? }))
        .collect();
    let far_first = far.iter().find(|f| f.answered.codec.is_voice())?;
    let near: Vec<&Format> = offer.voice.formats.iter().collect();
    let near_voices = near_voices(&near, &far, far_first.answered.codec)?;
    let near_digits = near_digits(&near, &near_voices, &far);
    let answer = near_voices
        .iter()
        .chain(&near_digits)
        .map(|f| {
            let like = far.iter().find(|far| far.answered.is_like(f)).map(|far| far.answered);
            let digits = far.iter().find(|far| !far.answered.codec.is_voice()).map(|far| far.answered);
            let events =
                if f.codec.is_voice() { None } else { like.or(digits).and_then(|d| d.events.clone()) };
            Format { events, opus: like.map_or(OpusParams::OURS, |l| l.opus), ..(*f).clone() }
        })
        .collect();
    Some(Agreed {
        answer,
        to_answerer: to_answerer(&near_voices, &near_digits, &far),
        to_offerer: to_offerer(&near_voices, &near_digits, &far, &told.voice.formats),
    })
}

/// A format of the answerer's side.
struct Far<'a> {
    /// As it answered: it receives by this number.
    answered: &'a Format,
    /// As we offered: it sends by this number.
    told: &'a Format,
}

fn end(format: &Format) -> End {
    End { pt: format.pt, codec: format.codec, clock: format.clock }
}

/// The voices of the answer to the offerer: those both speak, in the answerer's order; else the one that can best be
/// changed into the answerer's first.
fn near_voices<'a>(near: &[&'a Format], far: &[Far<'_>], far_first: Codec) -> Option<Vec<&'a Format>> {
    let common: Vec<&Format> = far
        .iter()
        .filter(|f| f.answered.codec.is_voice())
        .filter_map(|f| near.iter().find(|n| n.is_like(f.answered)).copied())
        .collect();
    if !common.is_empty() {
        return Some(common);
    }
    // Between telephone codecs a table does it; wide to wide keeps what there is to hear.
    let voices = || near.iter().copied().filter(|f| f.codec.is_voice());
    let best = voices().find(|f| f.codec.is_wide() == far_first.is_wide()).or_else(|| voices().next())?;
    Some(vec![best])
}

/// The digits of the answer to the offerer: if the answerer has any, those beside the agreed voices.
fn near_digits<'a>(near: &[&'a Format], voices: &[&Format], far: &[Far<'_>]) -> Vec<&'a Format> {
    if far.iter().all(|f| f.answered.codec.is_voice()) {
        return Vec::new();
    }
    let digits: Vec<&Format> = near.iter().copied().filter(|f| !f.codec.is_voice()).collect();
    let beside: Vec<&Format> =
        digits.iter().copied().filter(|f| voices.iter().any(|v| v.clock == f.clock)).collect();
    if beside.is_empty() { digits.into_iter().take(1).collect() } else { beside }
}

fn to_answerer(voices: &[&Format], digits: &[&Format], far: &[Far<'_>]) -> Vec<Path> {
    let far_voices: Vec<End> =
        far.iter().filter(|f| f.answered.codec.is_voice()).map(|f| end(f.answered)).collect();
    let far_digits: Vec<End> =
        far.iter().filter(|f| !f.answered.codec.is_voice()).map(|f| end(f.answered)).collect();
    let mut paths = Vec::new();
    paths.extend(voices.iter().filter_map(|f| voice_path(end(f), &far_voices)));
    let leaving: Vec<End> = paths.iter().map(|path: &Path| path.leaves).collect();
    paths.extend(digits.iter().filter_map(|f| digit_path(end(f), &far_digits, &leaving)));
    paths
}

fn to_offerer(voices: &[&Format], digits: &[&Format], far: &[Far<'_>], told: &[Format]) -> Vec<Path> {
    let near_voices: Vec<End> = voices.iter().map(|f| end(f)).collect();
    let near_digits: Vec<End> = digits.iter().map(|f| end(f)).collect();
    let path = |from: &Format| match from.codec.is_voice() {
        true => voice_path(end(from), &near_voices),
        false => digit_path(end(from), &near_digits, &near_voices),
    };
    // Chromium's answer lists what it wants to hear, and it sends what our offer named first although the answer leaves
    // that out (RFC 3264 §6.1 wants it in both). It is heard, whatever becomes of it on its way.
    let unsaid = told.iter().filter_map(path);
    // Phones that answer with numbers of their own also send with them.
    far.iter().map(|f| f.told).chain(far.iter().map(|f| f.answered)).filter_map(path).chain(unsaid).collect()
}

/// The same codec if it is there, else the leg's first.
fn voice_path(arrives: End, leg: &[End]) -> Option<Path> {
    let same = leg.iter().find(|l| l.codec == arrives.codec && l.clock == arrives.clock);
    same.or(leg.first()).map(|leaves| Path { arrives, leaves: *leaves })
}

/// Digits leave by the clock they came by if a voice of that clock leaves too, else by the clock of the voice that does.
fn digit_path(arrives: End, digits: &[End], voices: &[End]) -> Option<Path> {
    let beside = |clock: u32| voices.iter().any(|v| v.clock == clock);
    let same = digits.iter().find(|d| d.clock == arrives.clock && beside(d.clock));
    let fitting = || digits.iter().find(|d| beside(d.clock));
    same.or_else(fitting).or(digits.first()).map(|leaves| Path { arrives, leaves: *leaves })
}
