//! A session changes while the call is up: hold, resume, another codec. One leg asks by re-INVITE or UPDATE, the other is
//! asked by our re-INVITE, and its answer travels back. One change at a time; two at once is 491 (RFC 3261 §14.2).

use crate::call::{Call, Expected, Modify, ModifyStage, Phase, Up};
use crate::up::ALLOW;
use crate::{Cx, Role, sdp_of};
use bytes::Bytes;
use sip::ua::{DialogKey, ServerKey};
use sip::{Draft, Message, Method};
use std::time::Duration;
use terms::{EndReason, Leg, MediaCommand};

/// How long a change of the session may take; 64·T1 as for any transaction, and a little for both legs' ACKs.
pub(crate) const MODIFY_MAX: Duration = Duration::from_secs(40);

impl Call {
    /// A change that came to no end: the asker is told, and what was agreed before stays in force.
    pub(crate) fn modify_timeout(&mut self, cx: &mut Cx<'_>) {
        let Some(modify) = self.modify() else { return };
        let (client, stage) = (modify.client.take(), modify.stage);
        if let Some(client) = client {
            cx.index.clients.remove(&client);
            cx.ua.cancel(cx.now, client, None);
        }
        match stage {
            // One leg holds an offer that nobody will answer any more.
            ModifyStage::LateAcking | ModifyStage::LateAnswering => self.end(cx, EndReason::ProtocolError),
            _ => self.modify_refused(cx, 500),
        }
    }

    pub(crate) fn modify_asked(&mut self, cx: &mut Cx<'_>, key: ServerKey, by: Leg, request: &Message<'_>) {
        let Phase::Up(up) = &mut self.phase else { return };
        let offer = sdp_of(request);
        let is_update = request.method() == Some(Method::Update);
        if is_update && offer.is_none() {
            // RFC 3311 §5.2: a refresh; target and timers are the dialog's business.
            cx.respond(key, Draft::response(200).header("Allow", ALLOW));
            return;
        }
        if up.modify.is_some() || (up.unacked.is_some() && by == Leg::B) {
            cx.respond(key, Draft::response(491));
            return;
        }
        let (source, other) = (up.side(by).source, up.side(by.other()));
        if self.alone_until.is_some() {
            return self.changes_alone(cx, key, offer, source, None);
        }
        let (to_kind, to_codecs) = (other.kind, other.codecs);
        let late = offer.is_none();
        let stage = if late { ModifyStage::Asking { late } } else { ModifyStage::Offering };
        let until = cx.now.instant + MODIFY_MAX;
        up.modify = Some(Modify {
            by,
            server: Some(key),
            stage,
            client: None,
            cancelled: false,
            until,
            replaces: None,
        });
        self.own_server(cx, key);
        match offer {
            Some(sdp) => {
                let turn = self.expect_change();
                cx.media(MediaCommand::Offer {
                    call: self.id,
                    turn,
                    from: by,
                    sdp,
                    source,
                    to_kind,
                    to_codecs,
                    may_settle: true,
                });
            }
            None => self.ask_other(cx, None),
        }
    }

    /// The asker's offer is ready for the other leg, or settled without it.
    pub(crate) fn modify_offer_ready(&mut self, cx: &mut Cx<'_>, to: Leg, sdp: Bytes) {
        let Some(modify) = self.modify() else { return };
        if modify.stage != ModifyStage::Offering {
            return;
        }
        if modify.by == to {
            modify.stage = ModifyStage::Answering;
            return self.modify_answer_ready(cx, sdp);
        }
        modify.stage = ModifyStage::Asking { late: false };
        self.ask_other(cx, Some(sdp));
    }

    fn ask_other(&mut self, cx: &mut Cx<'_>, sdp: Option<Bytes>) {
        let Phase::Up(up) = &mut self.phase else { return };
        let Some(by) = up.modify.as_ref().map(|modify| modify.by) else { return };
        let draft = Draft::request(Method::Invite).header("Allow", ALLOW);
        let draft = match sdp {
            Some(sdp) => draft.sdp(sdp),
            None => draft,
        };
        let sent = up.side(by.other()).dialog.map(|dialog| cx.ua.request_in_dialog(cx.now, dialog, draft));
        match sent {
            Some(Ok(key)) => {
                if let Some(modify) = &mut up.modify {
                    modify.client = Some(key);
                }
                self.own_client(cx, key, Role::Modify);
            }
            // The other leg is in a transaction of its own right now.
            Some(Err(_)) | None => self.modify_refused(cx, 491),
        }
    }

    /// The other leg's word on our re-INVITE.
    pub(crate) fn modify_response(
        &mut self,
        cx: &mut Cx<'_>,
        dialog: Option<DialogKey>,
        response: &Message<'_>,
    ) {
        let status = response.status();
        if status < 200 {
            return;
        }
        if status >= 300 {
            return match status {
                // RFC 3261 §12.2.1.2: the other leg knows nothing of this dialog any more.
                408 | 481 => self.modify_unanswered(cx),
                // A challenge is for us alone.
                401 | 407 => self.modify_refused(cx, 488),
                _ => self.modify_refused(cx, status),
            };
        }
        let Phase::Up(up) = &mut self.phase else { return };
        let Some((by, stage, cancelled)) =
            up.modify.as_ref().map(|modify| (modify.by, modify.stage, modify.cancelled))
        else {
            if let Some(dialog) = dialog {
                let _ = cx.ua.ack(cx.now, dialog, None);
            }
            return;
        };
        let (other, asker) = (*up.side(by.other()), *up.side(by));
        let Some(modify) = &mut up.modify else { return };
        modify.client = None;
        let Some(dialog) = dialog.or(other.dialog) else { return };
        match (stage, sdp_of(response)) {
            (ModifyStage::Asking { late: false }, Some(sdp)) => {
                let _ = cx.ua.ack(cx.now, dialog, None);
                modify.stage = ModifyStage::Answering;
                let turn = self.expect(Expected::ModifyAnswer);
                let (call, from, source) = (self.id, by.other(), other.source);
                cx.media(MediaCommand::Answer { call, turn, from, sdp, source });
            }
            (ModifyStage::Asking { late: true }, Some(sdp)) if !cancelled => {
                modify.stage = ModifyStage::LateOffering;
                self.next_turn();
                let turn = self.expect(Expected::ModifyLateOffer);
                cx.offer(self.id, turn, by.other(), sdp, other.source, (asker.kind, asker.codecs));
            }
            _ => {
                // A 2xx without the session it owes, or one whose asker is gone (RFC 3261 §14.1): this dialog can be
                // acknowledged but not understood.
                let _ = cx.ua.ack(cx.now, dialog, None);
                match cancelled {
                    true => up.modify = None,
                    false => self.modify_refused(cx, 488),
                }
            }
        }
    }

    pub(crate) fn modify_answer_ready(&mut self, cx: &mut Cx<'_>, sdp: Bytes) {
        let Phase::Up(up) = &mut self.phase else { return };
        let Some(modify) = up.modify.take_if(|modify| modify.stage == ModifyStage::Answering) else { return };
        match (modify.server, modify.replaces) {
            _ if modify.cancelled => {}
            (None, _) => self.transfer_joined(cx, sdp),
            (Some(server), Some(peer)) => self.replacement_ready(cx, modify.by, server, sdp, peer),
            (Some(server), None) => {
                cx.respond(server, Draft::response(200).header("Allow", ALLOW).sdp(sdp));
            }
        }
    }

    pub(crate) fn modify_late_offer_ready(&mut self, cx: &mut Cx<'_>, sdp: Bytes) {
        let Some(modify) = self.modify() else { return };
        if modify.stage == ModifyStage::LateOffering {
            modify.stage = ModifyStage::LateAcking;
            let Some(server) = modify.server else { return };
            cx.respond(server, Draft::response(200).header("Allow", ALLOW).sdp(sdp));
        }
    }

    /// The asker's ACK brings the answer to the other leg's offer, at the first answer of the call as later.
    pub(crate) fn late_acked(&mut self, cx: &mut Cx<'_>, invite: ServerKey, request: &Message<'_>) {
        let Phase::Up(up) = &mut self.phase else { return };
        let Some(modify) = &mut up.modify else { return };
        if modify.server != Some(invite) || modify.stage != ModifyStage::LateAcking {
            return;
        }
        let by = modify.by;
        let Some(sdp) = sdp_of(request) else {
            // RFC 3261 §13.2.2.4: the answer was owed in the ACK.
            return self.end(cx, EndReason::ProtocolError);
        };
        modify.stage = ModifyStage::LateAnswering;
        let source = up.side(by).source;
        let turn = self.expect(Expected::LateAnswer);
        cx.media(MediaCommand::Answer { call: self.id, turn, from: by, sdp, source });
    }

    pub(crate) fn late_answer_ready(&mut self, cx: &mut Cx<'_>, sdp: Bytes) {
        let Phase::Up(up) = &mut self.phase else { return };
        let Some(modify) = up.modify.take_if(|modify| modify.stage == ModifyStage::LateAnswering) else {
            return;
        };
        if let Some(dialog) = up.side(modify.by.other()).dialog {
            let _ = cx.ua.ack(cx.now, dialog, Some(sdp));
        }
    }

    /// The change is off; what was agreed before stays in force (RFC 3264 §8).
    pub(crate) fn modify_refused(&mut self, cx: &mut Cx<'_>, status: u16) {
        let Phase::Up(up) = &mut self.phase else { return };
        let Some(modify) = up.modify.take() else { return };
        // A 2xx of the other leg that offered still wants its ACK.
        if modify.stage == ModifyStage::LateOffering
            && let Some(dialog) = up.side(modify.by.other()).dialog
        {
            let _ = cx.ua.ack(cx.now, dialog, None);
        }
        let Some(server) = modify.server else {
            return self.transfer_failed(cx, status);
        };
        if !modify.cancelled {
            let draft = Draft::response(status);
            let draft = if status == 503 { draft.header("Retry-After", "5") } else { draft };
            cx.respond(server, draft);
        }
        self.disown_server(cx, server);
    }

    /// No final response to our re-INVITE.
    pub(crate) fn modify_unanswered(&mut self, cx: &mut Cx<'_>) {
        let asked = self.modify().map(|modify| modify.by.other());
        match asked {
            Some(leg) if self.is_given_time(cx, leg) => self.modify_refused(cx, 480),
            _ => self.end(cx, EndReason::MediaLost),
        }
    }

    /// The asker's CANCEL of its re-INVITE.
    pub(crate) fn modify_cancelled(&mut self, cx: &mut Cx<'_>, invite: ServerKey) {
        let Some(modify) = self.modify() else { return };
        if modify.server != Some(invite) || modify.cancelled || modify.stage == ModifyStage::LateAcking {
            return;
        }
        modify.cancelled = true;
        let (client, stage) = (modify.client, modify.stage);
        cx.respond(invite, Draft::response(487));
        match client {
            Some(client) => cx.ua.cancel(cx.now, client, None),
            None if stage == ModifyStage::Offering => self.modify_refused(cx, 487),
            None => {}
        }
    }

    fn modify(&mut self) -> Option<&mut Modify> {
        match &mut self.phase {
            Phase::Up(up) => up.modify.as_mut(),
            _ => None,
        }
    }
}

impl Modify {
    /// The call ends in the middle of a change: nobody is left waiting.
    pub(crate) fn leave(&self, cx: &mut Cx<'_>, up: &Up, reason: EndReason) {
        let answered = matches!(self.stage, ModifyStage::LateAcking | ModifyStage::LateAnswering);
        if let Some(server) = self.server.filter(|_| !answered && !self.cancelled) {
            cx.respond(server, crate::end::refusal(reason));
        }
        if matches!(
            self.stage,
            ModifyStage::LateOffering | ModifyStage::LateAcking | ModifyStage::LateAnswering
        ) && let Some(dialog) = up.side(self.by.other()).dialog
        {
            let _ = cx.ua.ack(cx.now, dialog, None);
        }
    }
}
