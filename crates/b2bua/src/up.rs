//! While the call is up: BYE, digits by INFO, and the question whether a silent phone is still there.

use crate::call::{Call, Phase, Probe, Ringing, Setup, Side, Up, Watch};
use crate::digits;
use crate::early::forget;
use crate::{Act, Cx, Role};
use bytes::Bytes;
use sip::ua::{DialogKey, ServerKey};
use sip::{Draft, Message, Method, Name};
use std::time::Duration;
use terms::{EndReason, Instant, Leg};

/// How long a silent phone may take to answer OPTIONS: five copies over UDP.
pub const PROBE_WAIT: Duration = Duration::from_secs(10);
/// A phone that answers but stays silent is asked again after this.
pub const PROBE_REST: Duration = Duration::from_secs(15);
/// Both directions silent for so long: nobody is talking and nobody hung up.
pub const BOTH_SILENT_MAX: Duration = Duration::from_secs(30);
/// What a dialog of ours answers to.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER";
/// Bodies of INFO that cross to the other leg; anything else is not ours to carry.
const INFO_TYPES: [&str; 3] = [digits::RELAY, digits::PLAIN, "application/media_control+xml"];
const INFO_BODY_MAX: usize = 1024;

impl Up {
    pub(crate) fn side(&self, leg: Leg) -> &Side {
        match leg {
            Leg::A => &self.a,
            Leg::B => &self.b,
        }
    }
    pub(crate) fn side_mut(&mut self, leg: Leg) -> &mut Side {
        match leg {
            Leg::A => &mut self.a,
            Leg::B => &mut self.b,
        }
    }
    pub(crate) fn watch(&mut self, leg: Leg) -> &mut Watch {
        match leg {
            Leg::A => &mut self.a_watch,
            Leg::B => &mut self.b_watch,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let probes = [&self.a_watch, &self.b_watch].into_iter().filter_map(|watch| match watch.probe? {
            Probe::Asked { until } | Probe::Rest { until } => Some(until),
        });
        let modify = self.modify.as_ref().map(|modify| modify.until);
        probes
            .chain(self.both_silent_until())
            .chain(modify)
            .chain(self.lost_until())
            .chain(self.transfer_until())
            .min()
    }

    fn both_silent_until(&self) -> Option<Instant> {
        let since = self.a_watch.silent_since?.max(self.b_watch.silent_since?);
        Some(since + BOTH_SILENT_MAX)
    }
}

impl Call {
    /// A request inside one of our dialogs.
    pub(crate) fn in_dialog(
        &mut self,
        cx: &mut Cx<'_>,
        key: ServerKey,
        dialog: DialogKey,
        leg: Leg,
        request: &Message<'_>,
    ) {
        if self.asked_by_new_leg(cx, key, dialog, request) {
            return;
        }
        match request.method() {
            Some(Method::Bye) => self.bye_from(cx, key, dialog, leg),
            Some(Method::Invite | Method::Update) if matches!(self.phase, Phase::Up(_)) => {
                self.modify_asked(cx, key, leg, request)
            }
            Some(Method::Info) => self.info_from(cx, key, leg, request),
            Some(Method::Options) => {
                cx.respond(
                    key,
                    Draft::response(200).header("Allow", ALLOW).header("Accept", "application/sdp"),
                );
            }
            Some(Method::Invite | Method::Update) if self.is_ending() => {
                cx.respond(key, Draft::response(481));
            }
            // Before the answer the session is not open to change (RFC 3311 §5.2: an offer is pending).
            Some(Method::Invite | Method::Update) => {
                cx.respond(key, Draft::response(491));
            }
            _ => {
                cx.respond(key, Draft::response(405).header("Allow", ALLOW));
            }
        }
    }

    /// BYE is answered at once (RFC 3261 §15.1.2), then the other leg ends too.
    fn bye_from(&mut self, cx: &mut Cx<'_>, key: ServerKey, dialog: DialogKey, leg: Leg) {
        cx.respond(key, Draft::response(200));
        forget(cx, dialog);
        let reason = match (&mut self.phase, leg) {
            (Phase::Up(up), Leg::A) => {
                up.a.dialog = None;
                up.unacked = None;
                EndReason::HungUpByCaller
            }
            (Phase::Up(up), Leg::B) => {
                up.b.dialog = None;
                EndReason::HungUpByCallee
            }
            (Phase::Answered(answered), Leg::B) if answered.b.dialog == Some(dialog) => {
                answered.b.dialog = None;
                EndReason::HungUpByCallee
            }
            // The caller may end an early dialog by BYE (RFC 3261 §15); the INVITE still gets its 487.
            (Phase::Setup(Setup { a, .. }) | Phase::Ringing(Ringing { a, .. }), Leg::A) => {
                a.dialog = None;
                EndReason::CallerGaveUp
            }
            (Phase::Answered(_), Leg::A) => EndReason::CallerGaveUp,
            // The called side may not; that early dialog is gone and its INVITE still answers by itself.
            (Phase::Setup(_) | Phase::Ringing(_) | Phase::Answered(_), _) => return,
            (Phase::Ending(ending), _) => {
                if ending.bye_on_ack.is_some_and(|(waiting, _)| waiting == dialog) {
                    ending.bye_on_ack = None;
                }
                return;
            }
        };
        self.end(cx, reason);
    }

    /// Digits as messages are pressed for the other leg, or cross to it as they are where nobody can read them;
    /// everything else in INFO stays here.
    fn info_from(&mut self, cx: &mut Cx<'_>, key: ServerKey, leg: Leg, request: &Message<'_>) {
        let Phase::Up(up) = &self.phase else {
            cx.respond(key, Draft::response(481));
            return;
        };
        let kind = request.header(Name::ContentType).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim();
        let Some(kind) = INFO_TYPES.iter().find(|known| known.eq_ignore_ascii_case(kind)) else {
            // RFC 6086 §4.2.2: an INFO without a body means nothing more than that the dialog lives.
            let status = if request.body().is_empty() { 200 } else { 415 };
            cx.respond(key, Draft::response(status));
            return;
        };
        if request.body().len() > INFO_BODY_MAX {
            cx.respond(key, Draft::response(413));
            return;
        }
        if let Some((digit, duration_ms)) = digits::read(kind, request.body()) {
            self.digit_from(cx, leg, digit, duration_ms);
            cx.respond(key, Draft::response(200));
            return;
        }
        let body = Bytes::copy_from_slice(request.body());
        let other = leg.other();
        if let Some(dialog) = up.side(other).dialog
            && let Ok(client) =
                cx.ua.request_in_dialog(cx.now, dialog, Draft::request(Method::Info).body(kind, body))
        {
            self.own_client(cx, client, Role::Info(other));
        }
        cx.respond(key, Draft::response(200));
    }

    pub(crate) fn info_response(&mut self, cx: &mut Cx<'_>, leg: Leg, status: u16) {
        // RFC 3261 §12.2.1.2: 481 and 408 say that the dialog is no more.
        if matches!(status, 408 | 481) && !self.is_given_time(cx, leg) {
            self.end(cx, EndReason::MediaLost);
        }
    }

    pub(crate) fn flowing(&mut self, cx: &mut Cx<'_>, leg: Leg) {
        let Phase::Up(up) = &mut self.phase else { return };
        let watch = up.watch(leg);
        let was_silent = watch.silent_since.take().is_some();
        if matches!(watch.probe, Some(Probe::Rest { .. })) {
            watch.probe = None;
        }
        if was_silent {
            cx.acts.push_back(Act::Audio { call: self.id, leg, silent: false });
        }
        self.heard_again(cx, leg);
    }

    /// Nothing is heard of a leg: ask its phone whether it is there. One that never spoke has just agreed to the call, and
    /// may wait to be spoken to; it is asked when it is silent for long.
    pub(crate) fn silent(&mut self, cx: &mut Cx<'_>, leg: Leg, from_start: bool) {
        let Phase::Up(up) = &mut self.phase else { return };
        let now = cx.now.instant;
        let watch = up.watch(leg);
        if watch.silent_since.is_none() {
            watch.silent_since = Some(now);
            cx.acts.push_back(Act::Audio { call: self.id, leg, silent: true });
        }
        let ask = watch.probe.is_none() && !watch.flow_lost;
        if ask && from_start {
            watch.probe = Some(Probe::Rest { until: now + PROBE_REST });
        }
        self.is_given_time(cx, leg);
        if ask && !from_start {
            self.ask_if_there(cx, leg);
        }
    }

    fn ask_if_there(&mut self, cx: &mut Cx<'_>, leg: Leg) {
        let Phase::Up(up) = &mut self.phase else { return };
        let Some(dialog) = up.side(leg).dialog else { return };
        if let Ok(key) = cx.ua.request_in_dialog(cx.now, dialog, Draft::request(Method::Options)) {
            up.watch(leg).probe = Some(Probe::Asked { until: cx.now.instant + PROBE_WAIT });
            self.own_client(cx, key, Role::Probe(leg));
        } else {
            up.watch(leg).probe = Some(Probe::Rest { until: cx.now.instant + PROBE_REST });
        }
    }

    pub(crate) fn probe_response(&mut self, cx: &mut Cx<'_>, leg: Leg, status: u16) {
        let Phase::Up(up) = &mut self.phase else { return };
        match status {
            ..200 => {}
            408 | 481 | 503 if !up.is_waited_for(leg) => self.end(cx, EndReason::MediaLost),
            // Any word at all, 501 too, says that somebody is there.
            _ => up.watch(leg).probe = Some(Probe::Rest { until: cx.now.instant + PROBE_REST }),
        }
    }

    pub(crate) fn up_timeout(&mut self, cx: &mut Cx<'_>) {
        if self.was_alone_enough(cx) {
            return;
        }
        let Phase::Up(up) = &mut self.phase else { return };
        let now = cx.now.instant;
        if up.both_silent_until().into_iter().chain(up.lost_until()).any(|at| now >= at) {
            return self.end(cx, EndReason::MediaLost);
        }
        if up.modify.as_ref().is_some_and(|modify| now >= modify.until) {
            self.modify_timeout(cx);
        }
        self.transfer_timeout(cx);
        for leg in [Leg::A, Leg::B] {
            let Phase::Up(up) = &mut self.phase else { return };
            let waits = up.is_waited_for(leg);
            let watch = up.watch(leg);
            match watch.probe {
                Some(Probe::Asked { until }) if now >= until && waits => {
                    watch.probe = Some(Probe::Rest { until: now + PROBE_REST });
                }
                Some(Probe::Asked { until }) if now >= until => return self.end(cx, EndReason::MediaLost),
                Some(Probe::Rest { until }) if now >= until => {
                    watch.probe = None;
                    if watch.silent_since.is_some() {
                        self.ask_if_there(cx, leg);
                    }
                }
                _ => {}
            }
        }
    }
}
