//! The answer: leg B's 2xx is acknowledged at once, every other INVITE is cancelled, and leg A gets its 200 as soon as
//! the media side has made it. With a late offer the order turns round: leg A's ACK brings the answer to leg B's.

use crate::call::{Answered, Call, Expected, MEDIA_WAIT, Modify, ModifyStage, Phase, Side, Up, Watch};
use crate::early::cancel_forks;
use crate::modify::MODIFY_MAX;
use crate::{Act, Cx, sdp_of};
use bytes::Bytes;
use sip::ua::{ClientKey, DialogKey, ServerKey};
use sip::{Draft, Message};
use terms::{EndReason, Leg, MediaCommand};

/// Reason of the CANCEL to those who were not quick enough (RFC 3326 §3.1): their phones show no missed call.
pub(crate) const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

impl Call {
    /// 2xx from leg B.
    pub(crate) fn fork_answers(
        &mut self,
        cx: &mut Cx<'_>,
        key: ClientKey,
        dialog: Option<DialogKey>,
        response: &Message<'_>,
    ) {
        let Some(dialog) = dialog else { return };
        let Phase::Ringing(ringing) = &mut self.phase else {
            // RFC 3261 §13.2.2.4: another one answered before, or the call is over.
            if cx.index.dialogs.get(&dialog).is_none() {
                let _ = cx.ua.ack(cx.now, dialog, None);
                cx.bye(dialog, EndReason::CallerGaveUp);
            }
            return;
        };
        let Some(at) = ringing.forks.iter().position(|fork| fork.key == key) else { return };
        let winner = ringing.forks.remove(at);
        cancel_forks(cx, ringing, Some(key), ELSEWHERE);
        for early in winner.early {
            if early != dialog {
                cx.index.dialogs.remove(&early);
            }
        }
        let late = ringing.offer.is_none();
        let (invite, a) = (ringing.invite, ringing.a);
        let b =
            Side { dialog: Some(dialog), source: winner.source, kind: winner.kind, codecs: winner.codecs };
        let media_until = cx.now.instant + MEDIA_WAIT;
        self.phase = Phase::Answered(Answered { media_until, invite, a, b, late });
        self.own_dialog(cx, dialog, Leg::B);
        self.note_b_call_id(cx, dialog);
        let Some(sdp) = sdp_of(response).or(winner.early_sdp.filter(|_| !late)) else {
            // A 2xx without the answer it owes (or, late, without the offer): there is nothing to talk over.
            return self.end(cx, EndReason::ProtocolError);
        };
        if late {
            let turn = self.expect(Expected::LateOffer);
            self.media_held = true;
            cx.offer(self.id, turn, Leg::B, sdp, b.source, (a.kind, a.codecs));
        } else {
            let _ = cx.ua.ack(cx.now, dialog, None);
            let turn = self.expect(Expected::FinalAnswer);
            cx.media(MediaCommand::Answer { call: self.id, turn, from: Leg::B, sdp, source: b.source });
        }
    }

    /// The media side made the answer for leg A.
    pub(crate) fn answer_ready(&mut self, cx: &mut Cx<'_>, sdp: Bytes) {
        self.accept(cx, sdp, None);
    }

    /// The media side made leg B's late offer into ours for leg A.
    pub(crate) fn late_offer_ready(&mut self, cx: &mut Cx<'_>, sdp: Bytes) {
        let Phase::Answered(answered) = &self.phase else { return };
        let waiting = Modify {
            by: Leg::A,
            server: Some(answered.invite),
            stage: ModifyStage::LateAcking,
            client: None,
            cancelled: false,
            until: cx.now.instant + MODIFY_MAX,
            replaces: None,
        };
        self.accept(cx, sdp, Some(waiting));
    }

    fn accept(&mut self, cx: &mut Cx<'_>, sdp: Bytes, modify: Option<Modify>) {
        let Phase::Answered(answered) = &self.phase else { return };
        let Answered { invite, a, b, .. } = *answered;
        let Some(dialog) = cx.respond(invite, Draft::response(200).sdp(sdp)) else {
            // Leg A's transaction is gone or the table of dialogs is full; nobody could be told.
            return self.end(cx, EndReason::ProtocolError);
        };
        if let Some(early) = a.dialog
            && early != dialog
        {
            cx.index.dialogs.remove(&early);
        }
        self.own_dialog(cx, dialog, Leg::A);
        self.record.answered = Some(cx.now.wall);
        self.phase = Phase::Up(Up {
            a: Side { dialog: Some(dialog), ..a },
            b,
            unacked: Some(invite),
            modify,
            a_watch: Watch::default(),
            b_watch: Watch::default(),
            transfer: None,
        });
        cx.acts.push_back(Act::Record(Box::new(self.record.clone())));
        cx.acts.push_back(Act::Changed(self.id));
    }

    /// The ACK to a 2xx of ours: to leg A's INVITE, or to somebody's re-INVITE.
    pub(crate) fn acked(&mut self, cx: &mut Cx<'_>, invite: ServerKey, request: &Message<'_>) {
        match &mut self.phase {
            Phase::Up(up) => {
                if up.unacked == Some(invite) {
                    up.unacked = None;
                }
                self.late_acked(cx, invite, request);
                self.disown_server(cx, invite);
            }
            Phase::Ending(ending) => {
                if let Some((dialog, waiting)) = ending.bye_on_ack
                    && waiting == invite
                {
                    let reason = ending.reason.unwrap_or(EndReason::HungUpByCallee);
                    ending.bye_on_ack = None;
                    cx.bye(dialog, reason);
                }
            }
            Phase::Setup(_) | Phase::Ringing(_) | Phase::Answered(_) => {}
        }
    }

    /// 64·T1 without an ACK (RFC 3261 §13.3.1.4).
    pub(crate) fn not_acked(&mut self, cx: &mut Cx<'_>, invite: ServerKey) {
        match &mut self.phase {
            Phase::Up(up) => {
                if up.unacked == Some(invite) {
                    up.unacked = None;
                }
                self.end(cx, EndReason::ProtocolError);
            }
            Phase::Ending(ending) => {
                if let Some((dialog, _)) = ending.bye_on_ack.take() {
                    cx.bye(dialog, EndReason::ProtocolError);
                }
            }
            Phase::Setup(_) | Phase::Ringing(_) | Phase::Answered(_) => {}
        }
    }
}
