//! Blind transfer (RFC 3515, RFC 5589 §6): one leg asks that its place in the call be taken by somebody else. The new leg is
//! rung without an offer, its 2xx brings one (RFC 3725 §4.1), and from there on it is a change of the session as any other.

use crate::call::{Call, Fork, Modify, ModifyStage, Phase, Up};
use crate::early::{better, forget, mendable};
use crate::modify::MODIFY_MAX;
use crate::{Act, Attempt, Cx, Order, Role, sdp_of};
use bytes::Bytes;
use sip::ua::{ClientKey, DialogKey, ServerKey};
use sip::{Draft, Message, Method};
use smallvec::SmallVec;
use std::net::IpAddr;
use std::time::Duration;
use terms::{Codecs, EndReason, Instant, Leg, PortKind};

/// RFC 3420.
const FRAGMENT: &str = "message/sipfrag;version=2.0";
/// Reason of the CANCEL to a phone that need not ring any more.
const GIVEN_UP: &str = "SIP;cause=487;text=\"Request Terminated\"";

/// A transfer under way. The dialog of leg `by` is told how it goes.
pub(crate) struct Transfer {
    pub by: Leg,
    /// CSeq of the REFER: names its subscription (RFC 3515 §2.4.6).
    id: u32,
    rounds: std::vec::IntoIter<Vec<Attempt>>,
    forks: SmallVec<[Fork; 1]>,
    ring_until: Instant,
    sign_until: Option<Instant>,
    attempt_max: Duration,
    best: Option<u16>,
    told_ringing: bool,
    winner: Option<Winner>,
}

/// The new leg, which answered and waits for its ACK.
struct Winner {
    dialog: DialogKey,
    source: IpAddr,
    kind: PortKind,
    codecs: Codecs,
    /// Its offer, until the media side has it.
    offer: Option<Bytes>,
    /// It hung up while the other leg was being asked.
    gone: bool,
}

/// A REFER that may be followed.
#[derive(Debug)]
pub struct Referral {
    pub refer: ServerKey,
    /// Its CSeq.
    pub id: u32,
    pub order: Order,
}

impl Call {
    /// Whether this leg may ask for a transfer now; else the status it is told (RFC 3261 §14.2 in spirit: try again).
    pub(crate) fn may_transfer(&self, leg: Leg) -> Result<(), u16> {
        if self.alone_until.is_some() {
            // There is nobody to hand over.
            return Err(403);
        }
        match &self.phase {
            Phase::Up(up) if up.transfer.is_some() || (leg == Leg::A && up.unacked.is_some()) => Err(491),
            Phase::Up(_) => Ok(()),
            Phase::Setup(_) | Phase::Ringing(_) | Phase::Answered(_) => Err(491),
            Phase::Ending(_) => Err(481),
        }
    }

    pub(crate) fn transfer(&mut self, cx: &mut Cx<'_>, by: Leg, referral: Referral) {
        let Referral { refer, id, order } = referral;
        if let Err(status) = self.may_transfer(by) {
            cx.respond(refer, Draft::response(status));
            return;
        }
        let Phase::Up(up) = &mut self.phase else { return };
        up.transfer = Some(Box::new(Transfer {
            by,
            id,
            rounds: order.rounds.into_iter(),
            forks: SmallVec::new(),
            ring_until: cx.now.instant + order.ring_max,
            sign_until: None,
            attempt_max: order.attempt_max,
            best: None,
            told_ringing: false,
            winner: None,
        }));
        cx.respond(refer, Draft::response(202));
        up.tell_transfer(cx, 100);
        self.transfer_round(cx);
    }

    fn transfer_round(&mut self, cx: &mut Cx<'_>) {
        let Phase::Up(up) = &mut self.phase else { return };
        let Some(transfer) = &mut up.transfer else { return };
        let mut sent: SmallVec<[Fork; 1]> = SmallVec::new();
        while sent.is_empty() {
            let Some(round) = transfer.rounds.next() else {
                let status = transfer.best.unwrap_or(503);
                return self.transfer_failed(cx, status);
            };
            for attempt in round {
                let mut draft = Draft::request(Method::Invite);
                draft.headers = attempt.headers;
                let (source, uri) = (attempt.target.flow.peer.ip(), attempt.target.uri.clone());
                if let Ok(key) = cx.ua.request(cx.now, attempt.target, attempt.parties, draft) {
                    sent.push(Fork {
                        key,
                        source,
                        kind: attempt.kind,
                        codecs: attempt.codecs,
                        uri,
                        gave_sign: false,
                        early_sdp: None,
                        early: SmallVec::new(),
                    });
                }
            }
        }
        transfer.sign_until = Some(cx.now.instant + transfer.attempt_max);
        let keys: SmallVec<[ClientKey; 4]> = sent.iter().map(|fork| fork.key).collect();
        transfer.forks = sent;
        for key in keys {
            self.own_client(cx, key, Role::Transfer);
        }
    }

    pub(crate) fn transfer_response(
        &mut self,
        cx: &mut Cx<'_>,
        key: ClientKey,
        dialog: Option<DialogKey>,
        response: &Message<'_>,
    ) {
        match response.status() {
            ..200 => {
                let Phase::Up(up) = &mut self.phase else { return };
                let Some(transfer) = &mut up.transfer else { return };
                let Some(fork) = transfer.forks.iter_mut().find(|fork| fork.key == key) else { return };
                fork.gave_sign = true;
                transfer.sign_until = None;
                if response.status() == 180 && !std::mem::replace(&mut transfer.told_ringing, true) {
                    up.tell_transfer(cx, 180);
                }
            }
            200..300 => self.transfer_answered(cx, key, dialog, response),
            status => self.transfer_refused(cx, key, status),
        }
    }

    fn transfer_answered(
        &mut self,
        cx: &mut Cx<'_>,
        key: ClientKey,
        dialog: Option<DialogKey>,
        response: &Message<'_>,
    ) {
        let Some(dialog) = dialog else { return };
        let found = match &mut self.phase {
            Phase::Up(up) => up.transfer.as_mut().filter(|transfer| transfer.winner.is_none()),
            _ => None,
        };
        let fork = found.and_then(|transfer| {
            let at = transfer.forks.iter().position(|fork| fork.key == key)?;
            let fork = transfer.forks.remove(at);
            cancel(cx, std::mem::take(&mut transfer.forks), crate::answer::ELSEWHERE);
            transfer.winner = Some(Winner {
                dialog,
                source: fork.source,
                kind: fork.kind,
                codecs: fork.codecs,
                offer: sdp_of(response),
                gone: false,
            });
            Some(transfer.by)
        });
        let Some(by) = fork else {
            // RFC 3261 §13.2.2.4: nobody waits for it any more.
            let _ = cx.ua.ack(cx.now, dialog, None);
            return cx.bye(dialog, EndReason::CallerGaveUp);
        };
        self.own_dialog(cx, dialog, by);
        if sdp_of(response).is_none() {
            // RFC 3261 §13.2.1: the 2xx to an INVITE without an offer brings one.
            return self.transfer_failed(cx, 488);
        }
        self.transfer_step(cx);
    }

    pub(crate) fn transfer_refused(&mut self, cx: &mut Cx<'_>, key: ClientKey, status: u16) {
        let Phase::Up(up) = &mut self.phase else { return };
        let Some(transfer) = &mut up.transfer else { return };
        let Some(at) = transfer.forks.iter().position(|fork| fork.key == key) else { return };
        transfer.forks.remove(at);
        transfer.best = Some(better(transfer.best, status));
        let best = transfer.best.unwrap_or(status);
        if status >= 600 {
            self.transfer_failed(cx, status);
        } else if transfer.forks.is_empty() {
            if mendable(status) { self.transfer_round(cx) } else { self.transfer_failed(cx, best) }
        }
    }

    /// Joins the new leg as soon as no other change of the session is under way.
    pub(crate) fn transfer_step(&mut self, cx: &mut Cx<'_>) {
        let id = self.id;
        let Phase::Up(up) = &mut self.phase else { return };
        if up.modify.is_some() || up.unacked.is_some() {
            return;
        }
        let Some(Transfer { by, winner: Some(winner), .. }) = up.transfer.as_deref_mut() else { return };
        let (from, Some(sdp)) = (*by, winner.offer.take()) else { return };
        let (source, kind, codecs) = (winner.source, winner.kind, winner.codecs);
        let other = *up.side(from.other());
        up.modify = Some(Modify {
            by: from,
            server: None,
            stage: ModifyStage::Offering,
            client: None,
            cancelled: false,
            until: cx.now.instant + MODIFY_MAX,
            replaces: Some((source, kind, codecs)),
        });
        let turn = self.expect_change();
        cx.offer(id, turn, from, sdp, source, (other.kind, other.codecs));
    }

    /// The other leg has answered: the new leg gets its ACK, the old one is told and let go.
    pub(crate) fn transfer_joined(&mut self, cx: &mut Cx<'_>, sdp: Bytes) {
        let id = self.id;
        let Phase::Up(up) = &mut self.phase else { return };
        let Some(by) = up.transfer.as_ref().map(|transfer| transfer.by) else { return };
        up.tell_transfer(cx, 200);
        let Some(Winner { dialog, source, kind, codecs, gone, .. }) =
            up.transfer.take().and_then(|transfer| transfer.winner)
        else {
            return;
        };
        if !gone {
            let _ = cx.ua.ack(cx.now, dialog, Some(sdp));
        }
        let side = up.side_mut(by);
        let old = side.dialog.replace(dialog);
        (side.source, side.kind, side.codecs) = (source, kind, codecs);
        if gone {
            side.dialog = None;
        }
        let watch = up.watch(by);
        (watch.flow_lost, watch.silent_since, watch.lost_until, watch.probe) = (false, None, None, None);
        if let Some(old) = old {
            cx.bye(old, EndReason::HungUpByCallee);
        }
        cx.acts.push_back(Act::Transferred { call: id, leg: by });
        self.heard_again(cx, by);
        if gone {
            // The other leg agreed to a session with somebody who has hung up by now.
            let reason = if by == Leg::A { EndReason::HungUpByCaller } else { EndReason::HungUpByCallee };
            self.end(cx, reason);
        }
    }

    /// It came to nothing: whoever asked is told, and the call goes on as it was.
    pub(crate) fn transfer_failed(&mut self, cx: &mut Cx<'_>, status: u16) {
        let id = self.id;
        let Phase::Up(up) = &mut self.phase else { return };
        if up.transfer.is_none() {
            return;
        }
        up.tell_transfer(cx, status.max(300));
        if let Some(transfer) = up.transfer.take() {
            transfer.leave(cx, EndReason::CallerGaveUp);
        }
        cx.acts.push_back(Act::TransferFailed { call: id });
    }

    /// Whoever should take the place may not any more.
    pub(crate) fn transfer_dropped(&mut self, cx: &mut Cx<'_>, reason: EndReason) {
        let joins = matches!(&self.phase, Phase::Up(up) if up.is_joining());
        match joins {
            // The other leg may have agreed already; there is no way back to what was.
            true => self.end(cx, reason),
            false => self.transfer_failed(cx, 480),
        }
    }

    /// A request of the new leg before it is one. True where it was.
    pub(crate) fn asked_by_new_leg(
        &mut self,
        cx: &mut Cx<'_>,
        key: ServerKey,
        dialog: DialogKey,
        request: &Message<'_>,
    ) -> bool {
        let Phase::Up(up) = &mut self.phase else { return false };
        let Some(winner) = up.transfer.as_mut().and_then(|transfer| transfer.winner.as_mut()) else {
            return false;
        };
        if winner.dialog != dialog {
            return false;
        }
        match request.method() {
            Some(Method::Bye) => {
                cx.respond(key, Draft::response(200));
                forget(cx, dialog);
                winner.gone = true;
                match (up.is_joining(), up.modify.as_ref().and_then(|modify| modify.client)) {
                    (true, Some(client)) => cx.ua.cancel(cx.now, client, None),
                    (true, None) => {}
                    (false, _) => self.transfer_failed(cx, 487),
                }
            }
            Some(Method::Options) => {
                cx.respond(key, Draft::response(200).header("Accept", "application/sdp"));
            }
            // RFC 3261 §14.2: its first offer is not answered yet.
            _ => {
                cx.respond(key, Draft::response(491));
            }
        }
        true
    }

    pub(crate) fn transfer_timeout(&mut self, cx: &mut Cx<'_>) {
        let Phase::Up(up) = &mut self.phase else { return };
        let Some(transfer) = &mut up.transfer else { return };
        if transfer.winner.is_some() {
            return;
        }
        if cx.now.instant >= transfer.ring_until {
            return self.transfer_failed(cx, 480);
        }
        if transfer.sign_until.is_some_and(|at| cx.now.instant >= at) {
            transfer.sign_until = None;
            if transfer.forks.iter().any(|fork| cx.ua.was_heard(fork.key)) {
                return;
            }
            cancel(cx, std::mem::take(&mut transfer.forks), GIVEN_UP);
            transfer.best = Some(better(transfer.best, 408));
            self.transfer_round(cx);
        }
    }
}

impl Up {
    /// The change under way is the joining of the new leg.
    fn is_joining(&self) -> bool {
        self.modify.as_ref().is_some_and(|modify| modify.server.is_none())
    }

    /// NOTIFY with how it goes (RFC 3515 §2.4.5). A final status ends the subscription.
    pub(crate) fn tell_transfer(&self, cx: &mut Cx<'_>, status: u16) {
        let Some(transfer) = &self.transfer else { return };
        let Some(dialog) = self.side(transfer.by).dialog else { return };
        let left = transfer.ring_until.since(cx.now.instant) + MODIFY_MAX;
        let state = match status {
            ..200 => format!("active;expires={}", left.as_secs()),
            _ => "terminated;reason=noresource".to_owned(),
        };
        let draft = Draft::request(Method::Notify)
            .header("Event", format!("refer;id={}", transfer.id))
            .header("Subscription-State", state)
            .body(FRAGMENT, Bytes::from(format!("SIP/2.0 {status} {}\r\n", sip::phrase(status))));
        // RFC 6665 §4.2.2: its answer changes nothing here.
        let _ = cx.ua.request_in_dialog(cx.now, dialog, draft);
    }

    pub(crate) fn transfer_until(&self) -> Option<Instant> {
        let transfer = self.transfer.as_ref().filter(|transfer| transfer.winner.is_none())?;
        Some(transfer.sign_until.map_or(transfer.ring_until, |at| at.min(transfer.ring_until)))
    }
}

impl Transfer {
    /// Nobody rings on, and a new leg that answered is let go.
    pub(crate) fn leave(self, cx: &mut Cx<'_>, reason: EndReason) {
        cancel(cx, self.forks, GIVEN_UP);
        if let Some(winner) = self.winner.filter(|winner| !winner.gone) {
            let _ = cx.ua.ack(cx.now, winner.dialog, None);
            cx.bye(winner.dialog, reason);
        }
    }
}

fn cancel(cx: &mut Cx<'_>, forks: SmallVec<[Fork; 1]>, reason: &str) {
    for fork in forks {
        cx.index.clients.remove(&fork.key);
        cx.ua.cancel(cx.now, fork.key, Some(reason.to_owned()));
    }
}
