//! How a call ends. Whatever the cause, hang-up, silence, take-over, shutdown, it comes through `Call::end`.

use crate::call::{Answered, Call, Ending, Phase, Setup, Up};
use crate::early::cancel_forks;
use crate::{Act, Cx};
use sip::Draft;
use sip::ua::ServerKey;
use std::time::Duration;
use terms::{EndReason, LegFigures, MediaCommand};

/// The media side answers a release within a millisecond; a record does not wait longer than this for its figures.
const RELEASED_WAIT: Duration = Duration::from_secs(2);
/// What a refused caller is told when trying again may help.
const RETRY_AFTER_S: &str = "5";

impl Call {
    /// The only way out. Tells both legs, gives the media back, and finishes the record. Harmless to call again.
    pub fn end(&mut self, cx: &mut Cx<'_>, reason: EndReason) {
        if self.is_ending() {
            return;
        }
        let ending = Ending { reason: Some(reason), ..Ending::default() };
        let mut bye_on_ack = None;
        match std::mem::replace(&mut self.phase, Phase::Ending(ending)) {
            Phase::Setup(Setup { invite, .. }) => refuse(cx, invite, reason),
            Phase::Ringing(mut ringing) => {
                cancel_forks(cx, &mut ringing, None, &reason.reason_header());
                refuse(cx, ringing.invite, reason);
            }
            Phase::Answered(Answered { invite, b, late, .. }) => {
                if let Some(dialog) = b.dialog {
                    if late {
                        // Leg B's 2xx still wants its ACK before the BYE (RFC 3261 §13.2.2.4).
                        let _ = cx.ua.ack(cx.now, dialog, None);
                    }
                    cx.bye(dialog, reason);
                }
                refuse(cx, invite, reason);
            }
            Phase::Up(up) => bye_on_ack = end_both(cx, up, reason),
            Phase::Ending(_) => {}
        }
        let mut released_until = None;
        if self.media_held {
            self.media_held = false;
            cx.media(MediaCommand::Release { call: self.id });
            released_until = Some(cx.now.instant + RELEASED_WAIT);
        }
        self.expected.clear();
        self.record.ended = Some(cx.now.wall);
        self.record.end = Some(reason);
        self.phase = Phase::Ending(Ending { bye_on_ack, released_until, reason: Some(reason) });
        if released_until.is_none() {
            cx.acts.push_back(Act::Record(Box::new(self.record.clone())));
        }
        cx.acts.push_back(Act::Ended { call: self.id, reason });
    }

    /// The figures came: the record is whole.
    pub(crate) fn released(&mut self, cx: &mut Cx<'_>, a: LegFigures, b: LegFigures) {
        let Phase::Ending(ending) = &mut self.phase else { return };
        if ending.released_until.take().is_some() {
            self.record.a = a;
            self.record.b = b;
            cx.acts.push_back(Act::Record(Box::new(self.record.clone())));
        }
    }

    pub(crate) fn ending_timeout(&mut self, cx: &mut Cx<'_>) {
        let Phase::Ending(ending) = &mut self.phase else { return };
        if ending.released_until.is_some_and(|at| cx.now.instant >= at) {
            ending.released_until = None;
            cx.acts.push_back(Act::Record(Box::new(self.record.clone())));
        }
    }
}

/// BYE to whoever has not said it. Leg A's waits for its ACK (RFC 3261 §15: not on a confirmed dialog before the ACK).
fn end_both(cx: &mut Cx<'_>, mut up: Up, reason: EndReason) -> Option<(sip::ua::DialogKey, ServerKey)> {
    if let Some(modify) = &up.modify {
        if let Some(client) = modify.client {
            // Whoever was thinking about our re-INVITE need not; without this one that said 100 would be waited for forever.
            cx.index.clients.remove(&client);
            cx.ua.cancel(cx.now, client, None);
        }
        modify.leave(cx, &up, reason);
    }
    if up.transfer.is_some() {
        up.tell_transfer(cx, 487);
    }
    if let Some(transfer) = up.transfer.take() {
        transfer.leave(cx, reason);
    }
    if let Some(dialog) = up.b.dialog {
        cx.bye(dialog, reason);
    }
    match (up.a.dialog, up.unacked) {
        (Some(dialog), Some(invite)) => Some((dialog, invite)),
        (Some(dialog), None) => {
            cx.bye(dialog, reason);
            None
        }
        (None, _) => None,
    }
}

/// Leg A's INVITE gets its final refusal, with the reason in words (RFC 3326).
fn refuse(cx: &mut Cx<'_>, invite: ServerKey, reason: EndReason) {
    cx.respond(invite, refusal(reason));
    cx.index.servers.remove(&invite);
}

/// The response that refuses an INVITE for this reason.
pub fn refusal(reason: EndReason) -> Draft {
    // A hang-up on an INVITE not yet answered has no status of its own.
    let status = if reason.sip_status() < 300 { 480 } else { reason.sip_status() };
    let draft = Draft::response(status).header("Reason", reason.reason_header());
    if status == 503 { draft.header("Retry-After", RETRY_AFTER_S) } else { draft }
}
