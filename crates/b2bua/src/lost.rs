//! A browser that is gone for a moment: its page was reloaded, its WebSocket broke, its network changed (SPEC F5). The call
//! is held open, the other side hears a soft tone, and the page ties itself on again or the call ends.

use crate::Cx;
use crate::call::{Call, Modify, ModifyStage, Phase, Up};
use crate::modify::MODIFY_MAX;
use bytes::Bytes;
use sip::Draft;
use sip::ua::ServerKey;
use std::net::IpAddr;
use std::time::Duration;
use terms::{Codecs, EndReason, Flow, Instant, Leg, MediaCommand, PortKind};

/// How long a call waits for a page that is gone. Long enough for a reload on a slow machine, short enough for the one who
/// hears the tone.
pub const AWAY_MAX: Duration = Duration::from_secs(30);

impl Up {
    /// Whether the peer of this leg may be gone for a moment and come back: browsers do, phones do not.
    pub(crate) fn is_waited_for(&self, leg: Leg) -> bool {
        self.side(leg).kind == PortKind::WebRtc
    }

    pub(crate) fn lost_until(&self) -> Option<Instant> {
        [self.a_watch.lost_until, self.b_watch.lost_until].into_iter().flatten().min()
    }
}

impl Call {
    /// The connection this leg was reached over closed.
    pub(crate) fn flow_lost(&mut self, cx: &mut Cx<'_>, leg: Leg, flow: Flow) {
        let early = match &mut self.phase {
            Phase::Up(up) => {
                let side = up.side(leg).dialog;
                let over_it = side.and_then(|dialog| cx.ua.dialog(dialog)).is_some_and(|d| d.flow == flow);
                if over_it && up.is_waited_for(leg) {
                    up.watch(leg).flow_lost = true;
                    self.wait_for_leg(cx, leg);
                }
                return;
            }
            Phase::Setup(setup) if leg == Leg::A => setup.invite,
            Phase::Ringing(ringing) if leg == Leg::A => ringing.invite,
            Phase::Answered(answered) if leg == Leg::A => answered.invite,
            // Leg B's INVITE failed with its connection and says so itself.
            Phase::Setup(_) | Phase::Ringing(_) | Phase::Answered(_) | Phase::Ending(_) => return,
        };
        // A caller whose connection is gone cannot be told the answer any more (RFC 7118 §5.2.1: there is no other way back).
        if cx.ua.flow_of(early) == Some(flow) {
            self.end(cx, EndReason::CallerGaveUp);
        }
    }

    /// From now on so long and no longer; whoever is at the other leg hears the tone once nothing is heard here.
    pub(crate) fn wait_for_leg(&mut self, cx: &mut Cx<'_>, leg: Leg) {
        let id = self.id;
        let Phase::Up(up) = &mut self.phase else { return };
        let watch = up.watch(leg);
        watch.lost_until.get_or_insert(cx.now.instant + AWAY_MAX);
        if watch.silent_since.is_some() && !watch.away {
            watch.away = true;
            cx.media(MediaCommand::Away { call: id, leg });
        }
    }

    /// The leg can be heard again.
    pub(crate) fn heard_again(&mut self, cx: &mut Cx<'_>, leg: Leg) {
        let id = self.id;
        let Phase::Up(up) = &mut self.phase else { return };
        let watch = up.watch(leg);
        if !watch.flow_lost {
            watch.lost_until = None;
        }
        if std::mem::take(&mut watch.away) {
            cx.media(MediaCommand::Back { call: id, leg });
        }
    }

    /// The same page is registered over another connection: what we have to say to it goes there (RFC 5626 §5.3).
    pub(crate) fn reached_again(&mut self, cx: &mut Cx<'_>, leg: Leg, flow: Flow, contact: &str) {
        let Phase::Up(up) = &mut self.phase else { return };
        let Some(dialog) = up.side(leg).dialog else { return };
        cx.ua.retarget(dialog, flow, contact);
        let watch = up.watch(leg);
        watch.flow_lost = false;
        if watch.silent_since.is_none() {
            watch.lost_until = None;
        }
    }

    /// RFC 3891: the page that was at this leg comes anew. For the other side it is a change of the session like any other.
    pub(crate) fn replaced(&mut self, cx: &mut Cx<'_>, leg: Leg, by: Replacement) {
        let id = self.id;
        let Phase::Up(up) = &mut self.phase else {
            cx.respond(by.invite, Draft::response(481));
            return;
        };
        if up.modify.is_some() || up.unacked.is_some() {
            // RFC 3261 §14.2: another change is under way; the page tries again.
            cx.respond(by.invite, Draft::response(491));
            return;
        }
        if self.alone_until.is_some() {
            let peer = (by.source, by.kind, by.codecs);
            return self.changes_alone(cx, by.invite, Some(by.offer), by.source, Some(peer));
        }
        let other = up.side(leg.other());
        let to = (other.kind, other.codecs);
        up.modify = Some(Modify {
            by: leg,
            server: Some(by.invite),
            stage: ModifyStage::Offering,
            client: None,
            cancelled: false,
            until: cx.now.instant + MODIFY_MAX,
            replaces: Some((by.source, by.kind, by.codecs)),
        });
        self.own_server(cx, by.invite);
        let turn = self.expect_change();
        cx.offer(id, turn, leg, by.offer, by.source, to);
    }

    /// The answer for the page that came anew is ready: its dialog takes the place of the old one.
    pub(crate) fn replacement_ready(
        &mut self,
        cx: &mut Cx<'_>,
        leg: Leg,
        invite: ServerKey,
        sdp: Bytes,
        (source, kind, codecs): (IpAddr, PortKind, Codecs),
    ) {
        let draft = Draft::response(200).header("Allow", crate::up::ALLOW).sdp(sdp);
        let Some(dialog) = cx.respond(invite, draft) else {
            // Nobody is left to be told; the media speaks to nobody either.
            return self.end(cx, EndReason::MediaLost);
        };
        self.own_dialog(cx, dialog, leg);
        let Phase::Up(up) = &mut self.phase else { return };
        if leg == Leg::A {
            up.unacked = Some(invite);
        }
        let side = up.side_mut(leg);
        let old = side.dialog.replace(dialog);
        (side.source, side.kind, side.codecs) = (source, kind, codecs);
        let watch = up.watch(leg);
        (watch.flow_lost, watch.silent_since, watch.lost_until, watch.probe) = (false, None, None, None);
        if let Some(old) = old {
            // RFC 3891 §3: the replaced dialog is ended; its page most likely knows nothing of it any more.
            cx.bye(old, EndReason::HungUpByCaller);
        }
        self.heard_again(cx, leg);
    }

    /// A leg that was asked something says that it knows nothing of the call, or nothing at all. True where it is given time.
    pub(crate) fn is_given_time(&mut self, cx: &mut Cx<'_>, leg: Leg) -> bool {
        let waits = matches!(&self.phase, Phase::Up(up) if up.is_waited_for(leg));
        if waits {
            self.wait_for_leg(cx, leg);
        }
        waits
    }
}

/// An INVITE that takes a leg's place.
#[derive(Debug)]
pub struct Replacement {
    pub invite: ServerKey,
    pub offer: Bytes,
    pub source: IpAddr,
    pub kind: PortKind,
    pub codecs: Codecs,
}
