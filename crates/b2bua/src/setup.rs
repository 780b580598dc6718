//! How a call begins: leg A's offer goes to the media side, then the first round of INVITEs leaves on leg B.

use crate::call::{Call, Expected, Fork, MEDIA_WAIT, Phase, Ringing, Setup, Side};
use crate::{Act, Cx, Role, Start};
use bytes::Bytes;
use sip::{Draft, Method};
use smallvec::SmallVec;
use terms::{Codecs, EndReason, Leg, PortKind};

impl Call {
    pub(crate) fn start(cx: &mut Cx<'_>, start: Start) -> Call {
        let Start { invite, source, a_kind, a_codecs, offer, order, record } = start;
        let a = Side { dialog: None, source, kind: a_kind, codecs: a_codecs };
        let media_until = cx.now.instant + MEDIA_WAIT;
        let mut call = Call::new(record, Phase::Setup(Setup { media_until, invite, a, order }));
        call.record.started = cx.now.wall;
        call.own_server(cx, invite);
        cx.acts.push_back(Act::Record(Box::new(call.record.clone())));
        match offer {
            Some(sdp) => {
                let turn = call.expect(Expected::FirstOffer);
                let to = call.first_port();
                call.media_held = true;
                cx.offer(call.id, turn, Leg::A, sdp, source, to);
            }
            None => call.ring(cx, None),
        }
        call
    }

    fn first_port(&self) -> (PortKind, Codecs) {
        let first = match &self.phase {
            Phase::Setup(setup) => setup.order.rounds.first().and_then(|round| round.first()),
            _ => None,
        };
        first.map_or((PortKind::Rtp, Codecs::default()), |attempt| (attempt.kind, attempt.codecs))
    }

    /// The media side made our offer for leg B.
    pub(crate) fn offer_ready(&mut self, cx: &mut Cx<'_>, sdp: Bytes) {
        if matches!(self.phase, Phase::Setup(_)) {
            self.ring(cx, Some(sdp));
        }
    }

    /// Begins to ring with the first round.
    fn ring(&mut self, cx: &mut Cx<'_>, offer: Option<Bytes>) {
        let Phase::Setup(setup) = &mut self.phase else { return };
        let rounds = std::mem::take(&mut setup.order.rounds).into_iter();
        self.phase = Phase::Ringing(Ringing {
            invite: setup.invite,
            a: setup.a,
            offer,
            rounds,
            forks: SmallVec::new(),
            ring_until: cx.now.instant + setup.order.ring_max,
            sign_until: None,
            progress_until: None,
            attempt_max: setup.order.attempt_max,
            progress_max: setup.order.progress_max,
            outside: setup.order.outside,
            best: None,
            told_ringing: false,
        });
        self.next_round(cx);
    }

    /// Sends the INVITEs of the next round; ends the call when there is none left.
    pub(crate) fn next_round(&mut self, cx: &mut Cx<'_>) {
        let mut sent: SmallVec<[Fork; 1]> = SmallVec::new();
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        while sent.is_empty() {
            let Some(round) = ringing.rounds.next() else {
                let reason = crate::early::reason_of(ringing.best.unwrap_or(503), ringing.outside);
                self.record.peer_status = ringing.best;
                return self.end(cx, reason);
            };
            for attempt in round {
                let mut draft = Draft::request(Method::Invite);
                draft.headers = attempt.headers;
                if let Some(sdp) = &ringing.offer {
                    // Without an offer a reliable response would bring one, to be answered before anybody picked up.
                    draft = draft.header("Supported", "100rel").sdp(sdp.clone());
                }
                let (source, uri) = (attempt.target.flow.peer.ip(), attempt.target.uri.clone());
                if let Ok(key) = cx.ua.request(cx.now, attempt.target, attempt.parties, draft) {
                    let (kind, codecs) = (attempt.kind, attempt.codecs);
                    sent.push(Fork {
                        key,
                        source,
                        kind,
                        codecs,
                        uri,
                        gave_sign: false,
                        early_sdp: None,
                        early: SmallVec::new(),
                    });
                }
            }
        }
        ringing.sign_until = Some(cx.now.instant + ringing.attempt_max);
        let another = ringing.rounds.len() > 0;
        ringing.progress_until = another.then(|| cx.now.instant + ringing.progress_max);
        let keys: SmallVec<[_; 4]> = sent.iter().map(|fork| fork.key).collect();
        ringing.forks = sent;
        for key in keys {
            self.own_client(cx, key, Role::Fork);
        }
    }

    /// The leg A transaction that still waits for its final answer, if any.
    pub(crate) fn cancelled(&mut self, cx: &mut Cx<'_>, invite: sip::ua::ServerKey) {
        match &self.phase {
            Phase::Setup(Setup { invite: ours, .. })
            | Phase::Ringing(Ringing { invite: ours, .. })
            | Phase::Answered(crate::call::Answered { invite: ours, .. })
                if *ours == invite =>
            {
                self.end(cx, EndReason::CallerGaveUp)
            }
            Phase::Up(_) => self.modify_cancelled(cx, invite),
            _ => {}
        }
    }
}
