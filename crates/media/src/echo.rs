//! The self-test: leg A is answered by ourselves, in the codecs it offered, and hears its own voice three seconds later.

use crate::command::apply;
use crate::machine::{Machine, Owner, Pending, Queued};
use crate::negotiate::{self, Said, Toward};
use crate::sdp::{Carriage, Ours};
use bytes::Bytes;
use std::net::IpAddr;
use terms::{CallId, Codecs, Instant, Leg, MediaFailure, PortKind, Turn};

impl Machine {
    pub(crate) fn echo(
        &mut self,
        now: Instant,
        id: CallId,
        turn: Turn,
        sdp: &Bytes,
        source: IpAddr,
    ) -> Result<(), MediaFailure> {
        let offer = negotiate::hear(sdp, None)?;
        let slot = self.slot_of(id).unwrap_or_else(|| self.begin(id));
        let caller = Owner { slot, leg: Leg::A };
        self.provide(now, caller, offer.kind())?;
        if self
            .calls
            .get_mut(slot as usize)
            .and_then(Option::as_mut)
            .is_some_and(|c| offer.restarted(&c.a.history))
        {
            self.restart(now, caller);
        }
        let ours = self.ours(caller, offer.kind())?;
        let Some(Some(call)) = self.calls.get_mut(slot as usize) else { return Err(MediaFailure::NoPorts) };
        // Whoever answers takes what it is told and names no address.
        let toward = Toward {
            history: &call.b.history,
            kind: PortKind::Rtp,
            codecs: Codecs::default(),
            transcodes: false,
            ours: Ours::Plain,
        };
        let told = negotiate::relay_offer(&offer, &toward)?;
        let mut voice = told.voice.clone();
        voice.direction = voice.direction.reversed();
        let answer = Said {
            lines: told.lines.clone(),
            at: told.at,
            rtp: None,
            rtcp: None,
            family_is_v6: offer.family_is_v6,
            voice,
            carriage: Carriage::Plain,
        };
        let agreement = negotiate::relay_answer(&offer, &told, &answer, &call.a.history, &ours)?;
        let pending = Pending { turn, from: Leg::A, offer, source, told };
        let (a, b) = call.both(Leg::A);
        apply(now, &pending, &answer, source, &agreement, a, b);
        a.echo.get_or_insert_default();
        // Nobody stands there, so nobody is missed.
        b.sends = false;
        self.handshakes(now, slot, Leg::A, &agreement);
        self.watch_legs(slot);
        self.rate_legs(now, slot);
        self.report_legs(now, slot);
        self.queue(Queued::Say { call: id, turn, to: Leg::A, draft: Box::new(agreement.answer) });
        Ok(())
    }
}
