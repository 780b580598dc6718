//! What a peer makes of a message: a new call, its end, a hold, an answer, a challenge.

use super::{Answer, Manner, Peer, PeerCall, PeerCallId, PeerEvent, Phase};
use crate::sdp::{self, Direction};
use bytes::Bytes;
use sip::ua::{ClientKey, DialogKey, Expired, Received, ServerKey};
use sip::{Draft, Message, Method, Name};
use terms::{Flow, Now};

impl Peer {
    pub(super) fn receive(&mut self, now: Now, flow: Flow, bytes: &[u8]) -> Option<Answer> {
        match self.ua.receive(now, flow, bytes).ok()? {
            Received::Handled => None,
            Received::Request { key, request } => {
                self.request(now, key, &request);
                None
            }
            Received::InDialog { key, dialog, request } => {
                self.in_dialog(now, key, dialog, &request);
                None
            }
            Received::Cancelled { invite, request } => {
                let reason = request.header(Name::Reason).map(str::to_owned);
                let _ = self.ua.respond(now, invite, Draft::response(487));
                if let Some(id) = self.calls.iter().find(|c| c.invite_got == Some(invite)).map(|c| c.id) {
                    self.ended(id, 487, reason);
                }
                None
            }
            Received::Acked { dialog, request, .. } => {
                // The answer to an offer that our 200 made (RFC 3261 §13.2.1).
                if let (Some(id), Some(remote)) = (self.of_dialog(dialog), sdp::read(request.body())) {
                    self.with_call(id, |c| c.remote = Some(remote));
                    self.start_stream(now, id);
                }
                None
            }
            Received::Response { key, dialog, response } => self.response(now, key, dialog, &response),
        }
    }

    fn request(&mut self, now: Now, key: ServerKey, request: &Message<'_>) {
        match request.method() {
            Some(Method::Invite) => self.called(now, key, request),
            Some(Method::Options | Method::Notify | Method::Info) => {
                let _ = self.ua.respond(now, key, Draft::response(200));
            }
            _ => {
                let _ = self.ua.respond(now, key, Draft::response(405));
            }
        }
    }

    fn called(&mut self, now: Now, key: ServerKey, request: &Message<'_>) {
        let to = user_of(request.uri());
        let caller = request.header(Name::From).unwrap_or_default();
        let manner = self.manner_for(&to).clone();
        let busy = self.live().count() >= self.config.calls_max;
        if let Some(status) = manner.refuse.or(busy.then_some(486)) {
            let _ = self.ua.respond(now, key, Draft::response(status));
            return;
        }
        let remote = sdp::read(request.body());
        if remote.as_ref().is_some_and(|r| !r.pcmu) || (remote.is_none() && !request.body().is_empty()) {
            let _ = self.ua.respond(now, key, Draft::response(488));
            return;
        }
        let asserted = request.header(Name::PAssertedIdentity).map(str::to_owned);
        let id = self.add_call(|id| PeerCall::incoming(id, key, &user_of(caller), &to, manner.clone()));
        self.with_call(id, |c| {
            c.caller = caller.to_owned();
            c.call_id = request.header(Name::CallId).unwrap_or_default().to_owned();
            c.asserted = asserted;
            c.remote = remote;
            c.answer_at = manner.answer_after.map(|after| now.instant + after);
        });
        let ringing = if manner.early_media {
            let way = self.call(id).and_then(|c| c.remote.as_ref()).map(|r| r.direction.answered());
            let body = sdp::write(self.config.rtp, 1, way.unwrap_or(Direction::SendRecv));
            self.with_call(id, |c| c.version = 0);
            self.start_stream(now, id);
            Draft::response(183).sdp(Bytes::from(body))
        } else {
            Draft::response(180)
        };
        if let Ok(dialog) = self.ua.respond(now, key, ringing) {
            self.with_call(id, |c| c.dialog = dialog);
        }
        self.events.push_back(PeerEvent::Rings(id));
        if manner.answer_after.is_some_and(|after| after.is_zero()) {
            self.answer(now, id);
        }
    }

    fn in_dialog(&mut self, now: Now, key: ServerKey, dialog: DialogKey, request: &Message<'_>) {
        let Some(id) = self.of_dialog(dialog) else {
            let _ = self.ua.respond(now, key, Draft::response(481));
            return;
        };
        match request.method() {
            Some(Method::Bye) => {
                let reason = request.header(Name::Reason).map(str::to_owned);
                let _ = self.ua.respond(now, key, Draft::response(200));
                self.ua.forget_dialog(dialog);
                self.ended(id, 200, reason);
            }
            Some(Method::Invite | Method::Update) => {
                let rtp = self.config.rtp;
                let mut draft = Draft::response(200);
                let is_offer = !request.body().is_empty();
                let remote = sdp::read(request.body());
                if let Some(call) = self.call_mut(id)
                    && (is_offer || request.method() == Some(Method::Invite))
                {
                    call.version += 1;
                    if let Some(remote) = &remote {
                        call.held = !remote.direction.answered().sends() || remote.rtp.ip().is_unspecified();
                        call.remote = Some(remote.clone());
                    }
                    let way = remote.as_ref().map_or(Direction::SendRecv, |r| r.direction.answered());
                    draft = draft.sdp(Bytes::from(sdp::write(rtp, call.version, way)));
                }
                let _ = self.ua.respond(now, key, draft);
                if remote.is_some() {
                    self.start_stream(now, id);
                }
            }
            _ => {
                let _ = self.ua.respond(now, key, Draft::response(200));
            }
        }
    }

    fn response(
        &mut self,
        now: Now,
        key: ClientKey,
        dialog: Option<DialogKey>,
        response: &Message<'_>,
    ) -> Option<Answer> {
        if let Some(id) = self.calls.iter().find(|c| c.invite_sent == Some(key)).map(|c| c.id) {
            self.invite_answered(now, id, dialog, response);
            return None;
        }
        if let Some(id) = self.calls.iter().find(|c| c.reinvite == Some(key)).map(|c| c.id) {
            self.reinvite_answered(now, id, dialog, response);
            return None;
        }
        if response.status() < 200 {
            return None;
        }
        let number = |name| response.header(name).and_then(|v| v.trim().parse().ok());
        Some(Answer {
            key,
            status: response.status(),
            expires: number(Name::Expires),
            min_expires: number(Name::MinExpires),
            retry_after: number(Name::RetryAfter),
            challenged: self.answerer.challenged(response).is_ok(),
            contacts: response.headers(Name::Contact).map(str::to_owned).collect(),
        })
    }

    fn invite_answered(
        &mut self,
        now: Now,
        id: PeerCallId,
        dialog: Option<DialogKey>,
        response: &Message<'_>,
    ) {
        let status = response.status();
        let remote = sdp::read(response.body());
        let Some(call) = self.call_mut(id) else { return };
        match status {
            100..=199 => {
                call.dialog = dialog.or(call.dialog);
                if call.phase == Phase::Calling && status > 100 {
                    call.phase = Phase::Ringing;
                }
                if remote.is_some() && call.phase != Phase::Ended {
                    call.remote = remote;
                    self.start_stream(now, id);
                }
                self.events.push_back(PeerEvent::Progress(id, status));
            }
            200..=299 => {
                let Some(dialog) = dialog.or(call.dialog) else { return };
                let too_late = call.hung_up_here || call.phase == Phase::Ended;
                let again = call.phase == Phase::Up;
                if again && call.dialog == Some(dialog) {
                    return;
                }
                call.dialog = Some(dialog);
                let _ = self.ua.ack(now, dialog, None);
                if too_late {
                    // The 2xx crossed our CANCEL: acknowledged and ended (RFC 3261 §9.1).
                    let _ = self.ua.request_in_dialog(now, dialog, Draft::request(Method::Bye));
                    self.ended(id, 487, None);
                    return;
                }
                self.with_call(id, |c| {
                    c.phase = Phase::Up;
                    c.answered = Some(now.instant);
                    c.remote = remote.or(c.remote.take());
                });
                self.start_stream(now, id);
                self.events.push_back(PeerEvent::Answered(id));
            }
            401 | 407 if !call.tried_credentials && !call.hung_up_here => {
                call.tried_credentials = true;
                let with = call.with.clone();
                let uri = if with.starts_with("sip:") {
                    with
                } else {
                    format!("sip:{with}@{}", self.config.domain)
                };
                let challenged = self.answerer.challenged(response).is_ok();
                match self.credentials("INVITE", &uri).filter(|_| challenged) {
                    Some(header) => self.invite(now, id, Some(header)),
                    None => self.ended(id, status, None),
                }
            }
            _ => {
                let reason = response.header(Name::Reason).map(str::to_owned);
                self.ended(id, status, reason);
            }
        }
    }

    fn reinvite_answered(
        &mut self,
        now: Now,
        id: PeerCallId,
        dialog: Option<DialogKey>,
        response: &Message<'_>,
    ) {
        let status = response.status();
        if status < 200 {
            return;
        }
        let remote = sdp::read(response.body());
        let Some(call) = self.call_mut(id) else { return };
        if status < 300 {
            let dialog = dialog.or(call.dialog);
            if let Some(remote) = remote {
                // Ours is what we asked for, cut to what they allow.
                let way =
                    if remote.direction.answered().sends() { call.way_asked } else { Direction::Inactive };
                call.remote = Some(remote.clone());
                if let Some(stream) = call.stream.as_mut().filter(|_| call.phase == Phase::Up) {
                    stream.update(&remote, way);
                }
            }
            call.reinvite_status = status;
            if let Some(dialog) = dialog {
                let _ = self.ua.ack(now, dialog, None);
            }
        } else {
            call.reinvite = None;
            call.reinvite_status = status;
            // RFC 3261 §14.1: 481 and 408 to a re-INVITE end the call.
            if status == 481 || status == 408 {
                self.hang_up(now, id);
            }
        }
    }

    /// What the `Ua` gave up on. Requests that are not a call's own are handed back.
    pub(super) fn expired(&mut self, now: Now) -> Vec<ClientKey> {
        let mut strange = Vec::new();
        while let Some(expired) = self.ua.poll_expired() {
            match expired {
                Expired::NoResponse { key, .. } => {
                    let of = |c: &&PeerCall| c.invite_sent == Some(key) || c.reinvite == Some(key);
                    match self.calls.iter().find(of).map(|c| (c.id, c.reinvite == Some(key))) {
                        Some((id, true)) => self.hang_up(now, id),
                        Some((id, false)) => self.ended(id, 408, None),
                        None => strange.push(key),
                    }
                }
                Expired::NotAcked { dialog, .. } => {
                    if let Some(id) = self.of_dialog(dialog) {
                        self.hang_up(now, id);
                    }
                }
            }
        }
        strange
    }

    fn manner_for(&self, number: &str) -> &Manner {
        let by_end = || {
            let mut ends = self.manners.iter().filter_map(|(key, m)| Some((key.strip_prefix('*')?, m)));
            ends.find(|(end, _)| number.ends_with(end)).map(|(_, m)| m)
        };
        self.manners.get(number).or_else(by_end).unwrap_or(&self.manner)
    }

    /// A silent peer swallows the INVITE whole: no 100, nothing, its transaction is left to time out at the caller.
    pub(super) fn swallows(&self, bytes: &[u8]) -> bool {
        if !self.manner.silent && !self.manners.values().any(|m| m.silent) {
            return false;
        }
        Message::parse(bytes).is_ok_and(|m| {
            m.method() == Some(Method::Invite)
                && m.to_tag().is_none()
                && self.manner_for(&user_of(m.uri())).silent
        })
    }

    /// Name and value of the header that answers the challenge in force, if one is (RFC 7616 §3.4).
    pub(crate) fn credentials(&mut self, method: &str, uri: &str) -> Option<(&'static str, String)> {
        let cnonce = format!("{:016x}", self.chance.next_u64());
        self.answerer.authorization(method, uri, b"", &cnonce)
    }

    /// The default manner, or that of one number; `*100` is every number that ends so.
    pub fn behaves(&mut self, number: Option<&str>, manner: Manner) {
        match number {
            Some(number) => {
                self.manners.insert(number.to_owned(), manner);
            }
            None => self.manner = manner,
        }
    }
}

/// The user part of a URI or of a header value with one; empty where there is none.
pub fn user_of(text: &str) -> String {
    let after = text.split_once("sip:").or_else(|| text.split_once("sips:")).map_or("", |(_, rest)| rest);
    after.split_once('@').map_or(String::new(), |(user, _)| user.split(';').next().unwrap_or("").to_owned())
}
