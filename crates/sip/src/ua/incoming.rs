//! Requests from the network: matched to their transaction, their dialog, or new (RFC 3261 §8.2, §12.2.2, §17.2.3).

use super::admit::{Refused, admit, only_in_dialog};
use super::chance;
use super::echo::Echo;
use super::state::{Opening, Server, ServerMachine};
use super::time::Due;
use super::{DialogKey, Received, ServerKey, Ua};
use crate::dialog::{Phase, one_line, record_routes, refreshes_target, target_of};
use crate::transaction::key::{MAGIC_COOKIE, MatchKey};
use crate::transaction::{ServerInvite, ServerOther};
use crate::{Draft, Message, Method};
use terms::{Flow, Instant};

/// Seconds a peer waits after a 503 for a full table (RFC 3261 §20.33). Short: the table empties in half a minute.
const FULL_RETRY_S: u64 = 10;

impl Ua {
    pub(super) fn incoming<'m>(&mut self, now: Instant, flow: Flow, request: Message<'m>) -> Received<'m> {
        let method_text = request.method_text();
        let is_ack = method_text == "ACK";
        // §17.2.3: an ACK matches the INVITE it acknowledges.
        let matching = if is_ack { "INVITE" } else { method_text };
        let Some(matched) = self.keys.server(&request, matching) else { return Received::Handled };
        if let Some(&key) = self.by_match.get(&matched) {
            return match is_ack {
                true => self.ack_of_branch(now, key, request),
                false => self.again(key),
            };
        }
        if is_ack {
            return self.ack_of_dialog(now, flow, request);
        }
        if let Some(answer) = self.answered.get(&matched) {
            if let Some((flow, bytes)) = answer.again(&request) {
                self.send(flow, bytes);
            }
            return Received::Handled;
        }
        let method = match admit(&request) {
            Ok(method) => method,
            Err(Refused { status, header }) => {
                let header = header.as_ref().map(|(name, value)| (*name, value.as_str()));
                self.refuse(flow, &request, status, None, header.as_slice());
                return Received::Handled;
            }
        };
        if method == Method::Cancel {
            return self.cancel_of_theirs(now, flow, request, matched);
        }
        match request.to_tag() {
            Some(_) => self.in_dialog(now, flow, request, method, matched),
            None => self.outside(now, flow, request, method, matched),
        }
    }

    /// A retransmission: answered from what was said before (§17.2.1, §17.2.2).
    fn again(&mut self, key: u64) -> Received<'static> {
        if let Some(server) = self.servers.get(key) {
            let acts = match &server.machine {
                ServerMachine::Invite(machine) => machine.request(),
                ServerMachine::Other(machine) => machine.request(),
            };
            if acts.resend {
                self.repeat(key);
            }
        }
        Received::Handled
    }

    /// Puts the last response on the wire once more.
    pub(super) fn repeat(&mut self, key: u64) {
        if let Some(server) = self.servers.get(key).filter(|s| s.flow_open && !s.last.is_empty()) {
            let (flow, bytes) = (server.flow, server.last.clone());
            self.send(flow, bytes);
        }
    }

    /// An ACK with the branch of its INVITE: it acknowledges a refusal. Some peers (SIPp scenarios, RFC 2543) reuse the
    /// branch for the ACK to a 2xx as well; RFC 6026 §7.1 hands that one up.
    fn ack_of_branch<'m>(&mut self, now: Instant, key: u64, request: Message<'m>) -> Received<'m> {
        let Some(server) = self.servers.get_mut(key) else { return Received::Handled };
        let pace = crate::transaction::Pace::new(self.config.timers, server.flow.transport.is_reliable());
        let ServerMachine::Invite(machine) = &mut server.machine else { return Received::Handled };
        let acts = machine.ack(now, pace);
        let dialog = server.dialog;
        if acts.over {
            self.end_server(key);
        } else {
            self.arm(Due::Server(key));
        }
        match dialog {
            Some(dialog) if acts.pass => {
                Received::Acked { dialog: DialogKey(dialog), invite: ServerKey(key), request }
            }
            _ => Received::Handled,
        }
    }

    /// An ACK to a 2xx is matched by its dialog and the CSeq of its INVITE (§13.2.2.4). Any other is a stray.
    fn ack_of_dialog<'m>(&mut self, now: Instant, flow: Flow, request: Message<'m>) -> Received<'m> {
        let Some(key) = self.dialog_of(&request) else { return Received::Handled };
        let Some(cseq) = request.cseq() else { return Received::Handled };
        let Some(dialog) = self.dialogs.get(key) else { return Received::Handled };
        let Some((invite, number)) = dialog.their_invite else { return Received::Handled };
        let waits = self.servers.get(invite).is_some_and(Server::waits_for_ack);
        if number != cseq.number || !waits {
            return Received::Handled;
        }
        self.moved(key, flow);
        self.ack_of_branch(now, invite, request)
    }

    /// The dialog a request names by its Call-ID and tags.
    fn dialog_of(&self, request: &Message<'_>) -> Option<u64> {
        let local = request.to_tag()?;
        let id = self.keys.dialog(request.call_id()?, local, request.from_tag().unwrap_or(""));
        self.by_dialog.get(&id).copied()
    }

    /// RFC 5626 §5.3, RFC 3581: the peer is where its last request came from.
    pub(super) fn moved(&mut self, key: u64, flow: Flow) {
        let Some(dialog) = self.dialogs.get_mut(key) else { return };
        dialog.flow_open = true;
        let old = dialog.flow;
        if old != flow {
            dialog.flow = flow;
            self.count_down(old);
            self.count_up(flow);
        }
    }

    /// §9.2. The CANCEL is a transaction of its own; the INVITE it means has the same branch.
    fn cancel_of_theirs<'m>(
        &mut self,
        now: Instant,
        flow: Flow,
        request: Message<'m>,
        matched: MatchKey,
    ) -> Received<'m> {
        let invite = self.keys.server(&request, "INVITE").and_then(|key| self.by_match.get(&key).copied());
        let Some(invite) = invite else {
            self.refuse(flow, &request, 481, None, &[]);
            return Received::Handled;
        };
        let Some((tag, open)) = self.servers.get(invite).map(|s| (s.tag, s.is_open_invite() && !s.cancelled))
        else {
            return Received::Handled;
        };
        if !self.has_room(true) {
            self.refuse_full(flow, &request);
            return Received::Handled;
        }
        let key = self.begin(now, flow, &request, Method::Cancel, matched);
        if let Some(server) = self.servers.get_mut(key) {
            // §9.2: the To tag of this 200 and of the INVITE's answer should be the same.
            server.tag = tag;
        }
        let _ = self.respond_now(now, key, &Draft::response(200));
        if !open {
            return Received::Handled;
        }
        if let Some(server) = self.servers.get_mut(invite) {
            server.cancelled = true;
        }
        Received::Cancelled { invite: ServerKey(invite), request }
    }

    /// §12.2.2.
    fn in_dialog<'m>(
        &mut self,
        now: Instant,
        flow: Flow,
        request: Message<'m>,
        method: Method,
        matched: MatchKey,
    ) -> Received<'m> {
        let (Some(key), Some(cseq)) = (self.dialog_of(&request), request.cseq()) else {
            self.refuse(flow, &request, 481, None, &[]);
            return Received::Handled;
        };
        let Some(dialog) = self.dialogs.get(key) else { return Received::Handled };
        let ending = dialog.is_ending();
        if ending && method != Method::Bye {
            self.refuse(flow, &request, 481, None, &[]);
            return Received::Handled;
        }
        if !self.has_room(true) {
            self.refuse_full(flow, &request);
            return Received::Handled;
        }
        let refusal = self.refusal_in_dialog(key, method, cseq.number);
        let server = self.begin(now, flow, &request, method, matched);
        let Some(dialog) = self.dialogs.get_mut(key) else { return Received::Handled };
        // §12.2.2: a number once seen is never new again, whatever the answer to its request.
        dialog.remote_cseq = Some(dialog.remote_cseq.map_or(cseq.number, |seen| seen.max(cseq.number)));
        if let Some(draft) = refusal {
            let _ = self.respond_now(now, server, &draft);
            return Received::Handled;
        }
        if ending {
            // The two BYEs crossed; ours ends the dialog when it is answered.
            let _ = self.respond_now(now, server, &Draft::response(200));
            return Received::Handled;
        }
        if method == Method::PRack {
            self.pracked(now, server, key, &request);
            return Received::Handled;
        }
        if refreshes_target(method) {
            dialog.refresh_target(&request);
        }
        if method == Method::Invite {
            dialog.their_invite = Some((server, cseq.number));
        }
        if let Some(server) = self.servers.get_mut(server) {
            server.dialog = Some(key);
        }
        self.moved(key, flow);
        Received::InDialog { key: ServerKey(server), dialog: DialogKey(key), request }
    }

    /// What a dialog answers by itself: an old CSeq, and an INVITE that meets another.
    fn refusal_in_dialog(&mut self, key: u64, method: Method, cseq: u32) -> Option<Draft> {
        let dialog = self.dialogs.get(key)?;
        // §12.2.2. The same number again is no retransmission, for that would have met its transaction.
        if dialog.remote_cseq.is_some_and(|seen| cseq <= seen) {
            return Some(Draft::response(500).phrase("CSeq Out Of Order"));
        }
        if method != Method::Invite {
            return None;
        }
        // §14.2: two INVITEs of theirs at once.
        let theirs = dialog.their_invite.and_then(|(invite, _)| self.servers.get(invite));
        let (open, unacknowledged) =
            (theirs.is_some_and(Server::is_open_invite), theirs.is_some_and(Server::waits_for_ack));
        let glare = dialog.our_invite.is_some();
        if open {
            let wait_s = self.chance.number() % 11;
            return Some(Draft::response(500).header("Retry-After", wait_s.to_string()));
        }
        // §14.2: theirs and ours crossed; and one that overtook the ACK to our last 2xx may try again, too.
        (glare || unacknowledged).then(|| Draft::response(491))
    }

    fn outside<'m>(
        &mut self,
        now: Instant,
        flow: Flow,
        request: Message<'m>,
        method: Method,
        matched: MatchKey,
    ) -> Received<'m> {
        if only_in_dialog(method) {
            self.refuse(flow, &request, 481, None, &[]);
            return Received::Handled;
        }
        // §8.2.2.2: the same request on another way.
        let from_tag = request.from_tag().unwrap_or("");
        let merged = if from_tag.is_empty() { None } else { self.keys.merged(&request, from_tag) };
        if merged.is_some_and(|key| self.by_merge.contains(&key)) {
            self.refuse(flow, &request, 482, Some("Merged Request"), &[]);
            return Received::Handled;
        }
        if self.is_our_own(&request) {
            self.refuse(flow, &request, 482, None, &[]);
            return Received::Handled;
        }
        let dialogs_full = method == Method::Invite && self.dialogs.len() >= self.config.dialogs_max;
        if dialogs_full || !self.has_room(false) {
            self.refuse_full(flow, &request);
            return Received::Handled;
        }
        let opening = match method {
            Method::Invite => match opening(&request) {
                Some(opening) => Some(Box::new(opening)),
                None => {
                    self.refuse(flow, &request, 400, Some("Too Many Record-Routes"), &[]);
                    return Received::Handled;
                }
            },
            _ => None,
        };
        let key = self.begin(now, flow, &request, method, matched);
        let reliable = if opening.is_some() { self.reliable_for(&request) } else { None };
        if let Some(server) = self.servers.get_mut(key) {
            server.opening = opening;
            server.reliable = reliable;
            server.merged = merged;
        }
        if let Some(merged) = merged {
            self.by_merge.insert(merged);
        }
        Received::Request { key: ServerKey(key), request }
    }

    /// §16.3 step 4: a request of ours came back unchanged. With another Request-URI it is a spiral and welcome.
    fn is_our_own(&self, request: &Message<'_>) -> bool {
        request.vias().any(|via| {
            let branch = via.branch().and_then(|b| b.strip_prefix(MAGIC_COOKIE)).and_then(chance::number_of);
            let client =
                branch.and_then(|b| self.by_branch.get(&(b, false))).and_then(|key| self.clients.get(*key));
            client.is_some_and(|c| Message::parse(&c.request).is_ok_and(|ours| ours.uri() == request.uri()))
        })
    }

    fn refuse_full(&mut self, flow: Flow, request: &Message<'_>) {
        self.refuse(flow, request, 503, None, &[("Retry-After", &FULL_RETRY_S.to_string())]);
    }

    /// A new server transaction.
    fn begin(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Message<'_>,
        method: Method,
        matched: MatchKey,
    ) -> u64 {
        let machine = match method {
            Method::Invite => ServerMachine::Invite(ServerInvite::start(now)),
            _ => ServerMachine::Other(ServerOther::Trying),
        };
        let key = self.servers.insert(Server {
            machine,
            flow,
            flow_open: true,
            method,
            matched,
            merged: None,
            echo: Echo::of(request, flow),
            last: Vec::new(),
            tag: self.chance.word(),
            dialog: None,
            opening: None,
            cancelled: false,
            reliable: None,
            queued_at: None,
        });
        self.by_match.insert(matched, key);
        self.count_up(flow);
        self.arm(Due::Server(key));
        key
    }
}

/// What an INVITE says about the dialog it may become (§12.1.1). `None` where its route is longer than any.
fn opening(request: &Message<'_>) -> Option<Opening> {
    let from = request.from()?;
    let contact = request.contact().map(|c| c.uri);
    let user = crate::Uri::parse(request.uri()).ok().and_then(|uri| uri.user);
    Some(Opening {
        call_id: request.call_id()?.into(),
        remote: one_line(request.header(crate::Name::From)?),
        remote_tag: from.tag().unwrap_or("").into(),
        local: one_line(request.header(crate::Name::To)?),
        // §8.1.1.8 demands a Contact; where it lacks, their From is the best guess and the flow does the rest.
        remote_target: target_of(contact.unwrap_or(from.uri)),
        routes: record_routes(request)?,
        cseq: request.cseq()?.number,
        contact_user: user.unwrap_or("").into(),
    })
}

impl Opening {
    /// The dialog of a response with this tag (§12.1.1).
    pub(super) fn dialog(&self, id: u128, tag: &str, flow: Flow, phase: Phase) -> crate::dialog::Dialog {
        crate::dialog::Dialog {
            id,
            call_id: self.call_id.clone(),
            local: format!("{};tag={tag}", self.local).into(),
            remote: self.remote.clone(),
            local_tag: tag.into(),
            remote_tag: self.remote_tag.clone(),
            remote_target: self.remote_target.clone(),
            routes: self.routes.clone(),
            local_cseq: 0,
            remote_cseq: Some(self.cseq),
            flow,
            flow_open: true,
            contact_user: self.contact_user.clone(),
            phase,
            our_invite: None,
            their_invite: None,
            ack: crate::dialog::Ack::None,
            queued_at: None,
        }
    }
}
