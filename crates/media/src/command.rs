//! The three verbs: an offer passes from one leg to the other, an answer passes back and puts both into force, a
//! release gives everything back.

use crate::code;
use crate::leg::{LegState, NO_ROUTE, Route};
use crate::machine::{Machine, Owner, Pending, Queued};
use crate::negotiate::{self, Accord, Agreement, Path, Said, Toward};
use crate::sdp::{Draft, Ours};
use bytes::Bytes;
use std::net::IpAddr;
use terms::{
    CallId, Codecs, Instant, Leg, LegFigures, MediaCommand, MediaEvent, MediaFailure, PortKind, Turn,
};

/// Whether a leg may be offered what the other does not speak.
pub(crate) const TRANSCODES: bool = true;

/// What an offer brings.
struct Offer {
    turn: Turn,
    from: Leg,
    sdp: Bytes,
    source: IpAddr,
    to_kind: PortKind,
    to_codecs: Codecs,
    may_settle: bool,
}

impl Machine {
    pub fn command(&mut self, now: Instant, command: MediaCommand) {
        match command {
            MediaCommand::Offer { call, turn, from, sdp, source, to_kind, to_codecs, may_settle } => {
                let offer = Offer { turn, from, sdp, source, to_kind, to_codecs, may_settle };
                if let Err(why) = self.offer(now, call, offer) {
                    self.event(MediaEvent::Failed { call, turn, why });
                }
            }
            MediaCommand::Answer { call, turn, from, sdp, source } => {
                if let Err(why) = self.answer(now, call, turn, from, &sdp, source) {
                    self.event(MediaEvent::Failed { call, turn, why });
                }
            }
            MediaCommand::Echo { call, turn, sdp, source } => {
                if let Err(why) = self.echo(now, call, turn, &sdp, source) {
                    self.event(MediaEvent::Failed { call, turn, why });
                }
            }
            MediaCommand::Dtmf { call, leg, digit, duration_ms } => {
                self.press(now, call, leg, digit, duration_ms)
            }
            MediaCommand::Away { call, leg } => self.away(now, call, leg, true),
            MediaCommand::Back { call, leg } => self.away(now, call, leg, false),
            MediaCommand::Release { call } => self.release(now, call),
        }
    }

    fn offer(&mut self, now: Instant, id: CallId, offer: Offer) -> Result<(), MediaFailure> {
        let Offer { turn, from, sdp, source, to_kind, to_codecs, may_settle } = offer;
        let slot = self.slot_of(id);
        let prefer = slot.and_then(|s| self.history_at(s, from));
        let offer = negotiate::hear(&sdp, prefer)?;
        if may_settle
            && let Some(slot) = slot
            && let Some(answer) = self.settle(now, Owner { slot, leg: from }, turn, &offer)?
        {
            self.queue(Queued::Say { call: id, turn, to: from, draft: Box::new(answer) });
            return Ok(());
        }
        let is_new = slot.is_none();
        let slot = slot.unwrap_or_else(|| self.begin(id));
        let told = match self.tell(now, slot, from, &offer, to_kind, to_codecs) {
            Ok(told) => told,
            Err(why) => {
                if is_new {
                    self.forget(slot);
                }
                return Err(why);
            }
        };
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return Err(MediaFailure::NoPorts) };
        let draft = Box::new(told.clone());
        // What was agreed stays in force until an answer replaces it (RFC 3264 §8); only the offer is remembered.
        call.remember(Box::new(Pending { turn, from, offer, source, told }));
        self.queue(Queued::Say { call: id, turn, to: from.other(), draft });
        Ok(())
    }

    /// Answers an ICE restart that leaves everything else as it is, and begins it. `None` where the offer wants more.
    fn settle(
        &mut self,
        now: Instant,
        owner: Owner,
        turn: Turn,
        offer: &Said,
    ) -> Result<Option<Draft>, MediaFailure> {
        let Some(leg) = self.leg(owner.slot, owner.leg).filter(|leg| leg.agreed) else { return Ok(None) };
        let same_lines = leg.history.at == offer.at && leg.history.lines.len() == offer.lines.len();
        let accord = leg.history.accord.clone().filter(|_| same_lines && leg.mux == offer.voice.mux);
        let Some(accord) = accord.filter(|_| offer.restarted(&leg.history)) else { return Ok(None) };
        if accord.answer(offer, Ours::Plain).is_none() {
            return Ok(None);
        }
        self.restart(now, owner);
        let ours = self.ours(owner, PortKind::WebRtc)?;
        let Some(Some(call)) = self.calls.get_mut(owner.slot as usize) else { return Ok(None) };
        let leg = call.leg(owner.leg);
        let (ours, secured) = negotiate::accepted(offer, &leg.history, &ours)?;
        let Some(answer) = accord.answer(offer, ours) else { return Ok(None) };
        leg.history.settle(&answer, &secured, leg.mux);
        call.pending.retain(|p| p.turn >= turn);
        self.handshake(now, owner, &secured);
        Ok(Some(answer))
    }

    /// What the other leg is told of an offer, once both legs have the ports their kinds need.
    fn tell(
        &mut self,
        now: Instant,
        slot: u32,
        from: Leg,
        offer: &Said,
        to_kind: PortKind,
        to_codecs: Codecs,
    ) -> Result<Draft, MediaFailure> {
        let to = from.other();
        let kind = self.leg(slot, to).and_then(|leg| leg.history.kind).unwrap_or(to_kind);
        // A stream that was given up says nothing of its kind, and its leg keeps what it has.
        if !offer.voice.off {
            self.provide(now, Owner { slot, leg: from }, offer.kind())?;
        }
        self.provide(now, Owner { slot, leg: to }, kind)?;
        let ours = self.ours(Owner { slot, leg: to }, kind)?;
        let leg = self.leg(slot, to).ok_or(MediaFailure::NoPorts)?;
        let (history, transcodes) = (&leg.history, TRANSCODES);
        negotiate::relay_offer(offer, &Toward { history, kind, codecs: to_codecs, transcodes, ours })
    }

    fn answer(
        &mut self,
        now: Instant,
        id: CallId,
        turn: Turn,
        from: Leg,
        sdp: &Bytes,
        source: IpAddr,
    ) -> Result<(), MediaFailure> {
        let slot = self.slot_of(id).ok_or(MediaFailure::NoOffer)?;
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return Err(MediaFailure::NoOffer) };
        let at = call
            .pending
            .iter()
            .position(|p| p.turn == turn && p.from == from.other())
            .ok_or(MediaFailure::NoOffer)?;
        let pending = call.pending.get(at).ok_or(MediaFailure::NoOffer)?;
        let answer = negotiate::hear(sdp, Some(pending.told.at))?;
        let offerer = Owner { slot, leg: from.other() };
        let (kind, is_off) = (pending.offer.kind(), pending.offer.voice.off);
        let restarts = pending.offer.restarted(match offerer.leg {
            Leg::A => &call.a.history,
            Leg::B => &call.b.history,
        });
        if restarts {
            self.restart(now, offerer);
        }
        let ours = if is_off { Ours::Plain } else { self.ours(offerer, kind)? };
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return Err(MediaFailure::NoOffer) };
        let history = match from.other() {
            Leg::A => &call.a.history,
            Leg::B => &call.b.history,
        };
        let pending = call.pending.get(at).ok_or(MediaFailure::NoOffer)?;
        let agreement = negotiate::relay_answer(&pending.offer, &pending.told, &answer, history, &ours)?;
        // Older offers were overtaken by this one. It stays itself, for the answers of other forks.
        call.pending.retain(|p| p.turn >= turn);
        let Some(place) = call.pending.iter().position(|p| p.turn == turn) else {
            return Err(MediaFailure::NoOffer);
        };
        let pending = call.pending.remove(place);
        let (offerer, answerer) = call.both(from.other());
        apply(now, &pending, &answer, source, &agreement, offerer, answerer);
        call.pending.push(pending);
        self.handshakes(now, slot, from.other(), &agreement);
        self.watch_legs(slot);
        self.rate_legs(now, slot);
        self.report_legs(now, slot);
        self.queue(Queued::Say { call: id, turn, to: from.other(), draft: Box::new(agreement.answer) });
        Ok(())
    }

    fn release(&mut self, now: Instant, id: CallId) {
        if let Some(slot) = self.slot_of(id) {
            self.say_goodbye(now, slot);
        }
        let Some(mut call) = self.slot_of(id).and_then(|slot| self.forget(slot)) else {
            // Whoever asks waits for the figures, even of a call that never had media.
            let (a, b) = (LegFigures::default(), LegFigures::default());
            return self.event(MediaEvent::Released { call: id, a, b });
        };
        for leg in [Leg::A, Leg::B] {
            if let Some((digit, duration_ms)) = call.leg(leg).dtmf.flush() {
                self.event(MediaEvent::Dtmf { call: id, leg, digit, duration_ms });
            }
        }
        self.event(MediaEvent::Released { call: id, a: call.a.figures(), b: call.b.figures() });
    }

    fn history_at(&self, slot: u32, leg: Leg) -> Option<usize> {
        let history = &self.leg(slot, leg)?.history;
        (!history.lines.is_empty()).then_some(history.at)
    }

    fn leg(&self, slot: u32, leg: Leg) -> Option<&LegState> {
        let call = self.calls.get(slot as usize)?.as_ref()?;
        Some(match leg {
            Leg::A => &call.a,
            Leg::B => &call.b,
        })
    }
}

/// Puts an answered offer into force on both legs.
pub(crate) fn apply(
    now: Instant,
    pending: &Pending,
    answer: &Said,
    answer_source: IpAddr,
    agreement: &Agreement,
    offerer: &mut LegState,
    answerer: &mut LegState,
) {
    let offerer_anew = offerer.expect(&pending.offer, pending.source);
    let answerer_anew = answerer.expect(answer, answer_source);
    offerer.routes.fill(Route::NONE);
    answerer.routes.fill(Route::NONE);
    put(offerer, &agreement.to_answerer);
    put(answerer, &agreement.to_offerer);
    // Each is sent what leaves to it.
    offerer.hear(agreement.to_offerer.iter().map(|path| path.leaves), pending.offer.voice.ptime);
    answerer.hear(agreement.to_answerer.iter().map(|path| path.leaves), answer.voice.ptime);
    offerer.mux = pending.offer.voice.mux;
    answerer.mux = agreement.answerer_mux;
    if !agreement.answer.voice.off {
        offerer.protect(&agreement.offerer);
    }
    answerer.protect(&agreement.answerer);
    let first = |paths: &[Path]| paths.iter().map(|p| p.arrives.codec).find(|c| c.is_voice());
    offerer.codec = first(&agreement.to_answerer);
    answerer.codec = first(&agreement.to_offerer);
    offerer.allow(now, agreement.offerer_sends, offerer_anew);
    answerer.allow(now, agreement.answerer_sends, answerer_anew);
    offerer.history.settle(&agreement.answer, &agreement.offerer, offerer.mux);
    answerer.history.settle(&pending.told, &agreement.answerer, answerer.mux);
    let (of_offerer, of_answerer) = Accord::of(&pending.offer, &pending.told, answer, agreement);
    let holds = !agreement.answer.voice.off;
    offerer.history.accord = holds.then_some(of_offerer);
    answerer.history.accord = holds.then_some(of_answerer);
}

/// The first meaning of a number stays.
fn put(leg: &mut LegState, paths: &[Path]) {
    leg.coded = paths.iter().find(|p| p.arrives.codec.is_voice()).is_some_and(code::needs_coder);
    for path in paths {
        if let Some(place) = leg.routes.get_mut(usize::from(path.arrives.pt))
            && place.pt == NO_ROUTE
        {
            *place = Route {
                pt: path.leaves.pt,
                codec: path.arrives.codec,
                clock: path.arrives.clock,
                to_clock: path.leaves.clock,
                changed: !path.is_relay(),
                coded: code::needs_coder(path),
            };
        }
    }
}
