//! Before the answer: phones ring, networks speak early, some refuse, and the next round is tried.

use crate::call::{Call, Expected, Phase, Ringing};
use crate::{Act, Cx, sdp_of};
use bytes::Bytes;
use sip::ua::{ClientKey, DialogKey};
use sip::{Draft, Message};
use terms::{EndReason, Leg, MediaCommand};

/// Early dialogs noted per INVITE: a network that forks further than this is heard, its extra dialogs are not kept.
const EARLY_DIALOGS_MAX: usize = 8;

impl Call {
    /// 101–199 from leg B.
    pub(crate) fn fork_rings(
        &mut self,
        cx: &mut Cx<'_>,
        key: ClientKey,
        dialog: Option<DialogKey>,
        response: &Message<'_>,
    ) {
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        let Some(fork) = ringing.forks.iter_mut().find(|fork| fork.key == key) else { return };
        fork.gave_sign = true;
        if response.has_token(sip::Name::Require, "100rel") {
            fork.early_sdp = sdp_of(response).or(fork.early_sdp.take());
        }
        ringing.progress_until = None;
        let source = fork.source;
        let mut new_dialog = None;
        if let Some(dialog) = dialog
            && !fork.early.contains(&dialog)
            && fork.early.len() < EARLY_DIALOGS_MAX
        {
            fork.early.push(dialog);
            new_dialog = Some(dialog);
        }
        if ringing.forks.iter().all(|fork| fork.gave_sign) || response.status() >= 180 {
            ringing.sign_until = None;
        }
        // A late offer is answered by the ACK only: an offer in an unreliable 18x is none (RFC 3261 §13.2.1).
        let early = if ringing.offer.is_some() { sdp_of(response) } else { None };
        let ring_now = response.status() == 180 && early.is_none() && !ringing.told_ringing;
        let invite = ringing.invite;
        if let Some(dialog) = new_dialog {
            self.own_dialog(cx, dialog, Leg::B);
            self.note_b_call_id(cx, dialog);
        }
        match early {
            Some(sdp) => {
                let status = if response.status() == 180 { 180 } else { 183 };
                let turn = self.expect(Expected::Early(status));
                cx.media(MediaCommand::Answer { call: self.id, turn, from: Leg::B, sdp, source });
                self.tell_ringing(cx, None);
            }
            None if ring_now => {
                let dialog = cx.respond(invite, Draft::response(180));
                self.tell_ringing(cx, dialog);
            }
            None => {}
        }
    }

    fn tell_ringing(&mut self, cx: &mut Cx<'_>, dialog: Option<DialogKey>) {
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        let first = !std::mem::replace(&mut ringing.told_ringing, true);
        ringing.a.dialog = dialog.or(ringing.a.dialog);
        if let Some(dialog) = dialog {
            self.own_dialog(cx, dialog, Leg::A);
        }
        if first {
            cx.acts.push_back(Act::Changed(self.id));
        }
    }

    pub(crate) fn note_b_call_id(&mut self, cx: &Cx<'_>, dialog: DialogKey) {
        if self.record.b_call_id.is_empty()
            && let Some(info) = cx.ua.dialog(dialog)
        {
            self.record.b_call_id = info.call_id;
        }
    }

    /// The media side made the early answer for leg A.
    pub(crate) fn early_ready(&mut self, cx: &mut Cx<'_>, status: u16, sdp: Bytes) {
        let Phase::Ringing(ringing) = &self.phase else { return };
        let dialog = cx.respond(ringing.invite, Draft::response(status).sdp(sdp));
        self.tell_ringing(cx, dialog);
    }

    /// A final refusal, a timeout (408) or a failed flow (503) of one INVITE.
    pub(crate) fn fork_refuses(&mut self, cx: &mut Cx<'_>, key: ClientKey, status: u16) {
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        let Some(at) = ringing.forks.iter().position(|fork| fork.key == key) else { return };
        let fork = ringing.forks.remove(at);
        if !fork.gave_sign && matches!(status, 408 | 503) {
            cx.acts.push_back(Act::NoSign { call: self.id, uri: fork.uri });
        }
        ringing.best = Some(better(ringing.best, status));
        for dialog in fork.early {
            cx.index.dialogs.remove(&dialog);
        }
        // RFC 3261 §16.7 step 5: a 6xx speaks for the person, so the other phones stop too.
        if status >= 600 {
            return self.give_up(cx, status);
        }
        if !ringing.forks.is_empty() {
            return;
        }
        match mendable(status) {
            true => self.next_round(cx),
            false => {
                let status = ringing.best.unwrap_or(status);
                self.give_up(cx, status)
            }
        }
    }

    fn give_up(&mut self, cx: &mut Cx<'_>, status: u16) {
        let Phase::Ringing(ringing) = &self.phase else { return };
        let reason = reason_of(status, ringing.outside);
        self.record.peer_status = Some(status);
        self.end(cx, reason);
    }

    pub(crate) fn ringing_timeout(&mut self, cx: &mut Cx<'_>) {
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        if cx.now.instant >= ringing.ring_until {
            return self.end(cx, EndReason::NoAnswer);
        }
        if ringing.sign_until.is_none_or(|at| cx.now.instant < at) {
            return;
        }
        // Nobody at this round's addresses said a word: stop waiting for them and try the next.
        ringing.sign_until = None;
        for fork in &mut ringing.forks {
            // A bare 100 is kept by the `Ua`, and is a sign.
            fork.gave_sign |= cx.ua.was_heard(fork.key);
            if !fork.gave_sign {
                cx.acts.push_back(Act::NoSign { call: self.id, uri: fork.uri.clone() });
            }
        }
        if ringing.forks.iter().any(|fork| fork.gave_sign) {
            // RFC 3261 §16.6 step 11 gives a proxy three minutes (timer C); a caller with another way to go has less.
            match ringing.progress_until {
                Some(until) if cx.now.instant < until => {
                    ringing.sign_until = Some(until);
                    return;
                }
                Some(_) => {}
                None => return,
            }
        }
        let silent = std::mem::take(&mut ringing.forks);
        ringing.best = Some(better(ringing.best, 408));
        for fork in silent {
            cx.index.clients.remove(&fork.key);
            cx.ua.cancel(cx.now, fork.key, None);
        }
        self.next_round(cx);
    }
}

/// Lets go of a dialog that the other side ended.
pub(crate) fn forget(cx: &mut Cx<'_>, dialog: DialogKey) {
    cx.index.dialogs.remove(&dialog);
    cx.ua.forget_dialog(dialog);
}

/// Stops every INVITE still out. Their early dialogs stay with the `Ua` until the INVITE is over: a 2xx that crosses the
/// CANCEL is acknowledged and ended by BYE (RFC 3261 §9.1).
pub(crate) fn cancel_forks(cx: &mut Cx<'_>, ringing: &mut Ringing, but: Option<ClientKey>, reason: &str) {
    for fork in std::mem::take(&mut ringing.forks) {
        if Some(fork.key) == but {
            continue;
        }
        cx.index.clients.remove(&fork.key);
        cx.ua.cancel(cx.now, fork.key, Some(reason.to_owned()));
        for dialog in fork.early {
            cx.index.dialogs.remove(&dialog);
        }
    }
}

/// Another address of the same trunk may do better (RFC 3263 §4.3, and the everyday overload of carriers).
pub(crate) fn mendable(status: u16) -> bool {
    matches!(status, 408 | 500 | 502 | 503 | 504)
}

/// Of two refusals the one that says more (RFC 3261 §16.7 step 6): 6xx first, then the lower class, and among 4xx what a
/// person did (busy, declined) before what a machine found.
pub(crate) fn better(best: Option<u16>, status: u16) -> u16 {
    let rank = |status: u16| match status {
        600.. => 0,
        486 | 480 | 404 | 484 | 488 => 1,
        408 => 4,
        400..500 => 2,
        300..400 => 3,
        _ => 5,
    };
    match best {
        Some(best) if rank(best) <= rank(status) => best,
        _ => status,
    }
}

/// What a refusal of leg B means for the call. A challenge (401, 407) is for us alone and never crosses.
pub(crate) fn reason_of(status: u16, outside: bool) -> EndReason {
    match status {
        486 | 600 => EndReason::Busy,
        603 => EndReason::Declined,
        404 | 410 | 484 | 604 if outside => EndReason::UnknownNumber,
        404 | 410 => EndReason::PhoneUnreachable,
        480 if outside => EndReason::NoAnswer,
        // A phone of ours that says 480 was told to: do not disturb, or nobody picked up before its own timer.
        480 => EndReason::NoAnswer,
        415 | 488 | 606 => EndReason::NothingInCommon,
        482 => EndReason::LoopDetected,
        483 => EndReason::TooManyHops,
        408 | 500..600 if outside => EndReason::TrunkUnavailable,
        408 | 503 => EndReason::PhoneUnreachable,
        _ => EndReason::RejectedByPeer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_person_outweighs_the_word_of_a_machine() {
        for (first, second, best) in [
            (408, 486, 486),
            (486, 408, 486),
            (503, 404, 404),
            (486, 603, 603),
            (503, 503, 503),
            (403, 486, 486),
        ] {
            assert_eq!(better(Some(first), second), best, "{first} then {second}");
        }
    }

    #[test]
    fn a_challenge_from_the_called_side_is_a_plain_refusal() {
        for status in [401, 407] {
            assert_eq!(reason_of(status, true).sip_status(), 480);
            assert_eq!(reason_of(status, false).sip_status(), 480);
        }
    }
}
