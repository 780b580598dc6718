//! Our responses (RFC 3261 §8.2.6): what the request said comes back, our tag and Contact are added, a dialog begins
//! or ends.

use super::answered::Answer;
use super::chance;
use super::echo::{Echo, Parts, stateless_tag};
use super::reliable::Say;
use super::state::ServerMachine;
use super::time::Due;
use super::{ALLOW, DialogKey, ServerKey, Ua, UaError};
use crate::dialog::Phase;
use crate::draft::Start;
use crate::{Draft, Message, Method, Name, Writer};
use std::ops::Range;
use terms::{Flow, Instant, Now};

/// Headers of a response that are the request's or the dialog's, never the draft's.
const OURS: &[Name] =
    &[Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq, Name::RecordRoute, Name::Route];

impl Ua {
    /// Responds to a request. Via, From, To with our tag, Call-ID, CSeq, Record-Route and Contact are filled in. A 101–199 or
    /// 2xx to an INVITE creates or confirms the dialog, whose key is returned. 2xx to INVITE is retransmitted until
    /// its ACK comes. Harmless when the transaction is gone.
    pub fn respond(
        &mut self,
        now: Now,
        key: ServerKey,
        response: Draft,
    ) -> Result<Option<DialogKey>, UaError> {
        let result = self.respond_now(now.instant, key.0, &response);
        self.settle();
        result
    }

    /// A response that leaves no transaction behind, for requests of strangers (401, 403, 503): same headers, no state.
    pub fn respond_stateless(&mut self, flow: Flow, request: &Message<'_>, response: Draft) {
        let begun = self.keys.server(request, request.method_text());
        if let Some(key) = begun.and_then(|key| self.by_match.get(&key).copied()) {
            if let Some(dialog) = self.servers.get(key).filter(|s| s.opening.is_some()).and_then(|s| s.dialog)
            {
                self.end_dialog(dialog);
            }
            self.end_server(key);
        }
        self.respond_without_state(flow, request, &response);
        self.settle();
    }

    /// Forgets a request without a word, for those who have had their share of answers.
    pub fn ignore(&mut self, key: ServerKey) {
        if let Some(dialog) = self.servers.get(key.0).filter(|s| s.opening.is_some()).and_then(|s| s.dialog) {
            self.end_dialog(dialog);
        }
        self.end_server(key.0);
        self.settle();
    }

    /// A refusal of our own, by the rules of the RFC, without state (RFC 3261 §8.2.7).
    pub(super) fn refuse(
        &mut self,
        flow: Flow,
        request: &Message<'_>,
        status: u16,
        phrase: Option<&str>,
        headers: &[(&str, &str)],
    ) {
        let mut draft = Draft::response(status);
        if let Some(phrase) = phrase {
            draft = draft.phrase(phrase);
        }
        for (name, value) in headers {
            draft = draft.header(name, *value);
        }
        let before = self.out.len();
        self.respond_without_state(flow, request, &draft);
        self.refusal = (self.out.len() > before).then_some(before);
    }

    fn respond_without_state(&mut self, flow: Flow, request: &Message<'_>, draft: &Draft) {
        // RFC 3261 §17.1.1.3: an ACK is never answered.
        if request.method_text() == "ACK" || !request.is_request() {
            return;
        }
        let (status, phrase) = status_of(draft);
        let echo = Echo::of(request, flow);
        let tag = stateless_tag(&self.chance, request);
        let mut out = Writer::response(status, phrase, echo.len() + draft.body.len() + 256);
        echo.write(&mut out, Some(&tag), Parts::default());
        self.rest_of_response(&mut out, draft, false);
        self.send(flow, out.finish_draft(draft));
    }

    /// 100 for an INVITE the owner is still thinking about (RFC 3261 §17.2.1). No tag: it makes no dialog.
    pub(super) fn say_trying(&mut self, now: Instant, key: u64) {
        let _ = self.respond_now(now, key, &Draft::response(100));
    }

    pub(super) fn respond_now(
        &mut self,
        now: Instant,
        key: u64,
        draft: &Draft,
    ) -> Result<Option<DialogKey>, UaError> {
        let (status, _) = status_of(draft);
        let numbered;
        let (draft, reliable) = match self.reliably(key, status, draft) {
            Say::Now => (draft, false),
            Say::Later => return Ok(self.servers.get(key).and_then(|s| s.dialog).map(DialogKey)),
            Say::Reliably(draft) => {
                numbered = draft;
                (&numbered, true)
            }
        };
        let (status, phrase) = status_of(draft);
        let server = self.servers.get_mut(key).ok_or(UaError::TransactionGone)?;
        let pace = crate::transaction::Pace::new(self.config.timers, server.flow.transport.is_reliable());
        let over = match &mut server.machine {
            ServerMachine::Invite(machine) => match machine.respond(now, pace, status) {
                true => false,
                false => return Err(UaError::TransactionGone),
            },
            ServerMachine::Other(machine) => {
                machine.respond(now, pace, status).ok_or(UaError::TransactionGone)?.over
            }
        };
        let (flow, flow_open, method) = (server.flow, server.flow_open, server.method);
        let opens = server.opening.is_some();
        let dialog = match (method, status) {
            (Method::Invite, 101..=299) => self.open_dialog(key, status),
            (Method::Invite, 300..) if opens => {
                self.refuse_dialog(key);
                None
            }
            _ => self.servers.get(key).and_then(|s| s.dialog),
        };

        let (bytes, echo) = self.write_response(key, draft, status, phrase, dialog, opens);
        if method != Method::Invite && status >= 200 {
            self.keep_answer(key, over, &bytes, echo);
            if flow_open {
                self.send(flow, bytes);
            }
            // RFC 3261 §15.1.2: answered, their BYE has ended the dialog.
            if method == Method::Bye
                && let Some(dialog) = dialog
            {
                self.end_dialog(dialog);
            }
            return Ok(dialog.map(DialogKey));
        }
        if let Some(server) = self.servers.get_mut(key) {
            if status >= 200 {
                server.last = server.echo.take_room();
                server.opening = None;
            }
            server.last.clear();
            server.last.extend_from_slice(&bytes);
        }
        if reliable {
            self.said_reliably(now, key, &bytes, !draft.body.is_empty());
        }
        if flow_open {
            self.send(flow, bytes);
        }
        self.arm(Due::Server(key));
        Ok(dialog.map(DialogKey))
    }

    /// A request other than INVITE has its final response. Over UDP it may come again, as long as timer J runs.
    fn keep_answer(&mut self, key: u64, over: bool, response: &[u8], echo: Range<usize>) {
        let Some(server) = self.servers.get_mut(key).filter(|_| !over) else { return self.end_server(key) };
        let Some(until) = server.due() else { return self.end_server(key) };
        // The index of merged requests keeps it until then.
        let merged = server.merged.take();
        let matched = server.matched;
        let answer = Answer::new(server, merged, response, echo);
        self.end_server(key);
        self.answered.insert(until, matched, answer);
    }

    /// §12.1.1: a response with a tag to an INVITE makes a dialog, a 2xx confirms it.
    fn open_dialog(&mut self, key: u64, status: u16) -> Option<u64> {
        let server = self.servers.get_mut(key)?;
        let Some(opening) = &server.opening else {
            // A re-INVITE; if its dialog ended meanwhile nobody will acknowledge this 2xx.
            let known = server.dialog.filter(|d| self.dialogs.get(*d).is_some_and(|d| !d.is_ending()));
            if known.is_none() {
                server.forget_ack();
            }
            return known;
        };
        let phase = if status >= 200 { Phase::Confirmed } else { Phase::Early };
        if let Some(known) = server.dialog {
            if let Some(dialog) = self.dialogs.get_mut(known) {
                if !dialog.is_ending() {
                    dialog.phase = phase;
                }
                return Some(known);
            }
            // The owner forgot it before it was answered.
            server.forget_ack();
            return None;
        }
        let tag = chance::text(&server.tag);
        let id = self.keys.dialog(&opening.call_id, tag, &opening.remote_tag);
        let (flow, cseq) = (server.flow, opening.cseq);
        let mut dialog = opening.dialog(id, tag, flow, phase);
        dialog.flow_open = server.flow_open;
        dialog.their_invite = Some((key, cseq));
        let made = self.dialogs.insert(dialog);
        server.dialog = Some(made);
        self.by_dialog.insert(id, made);
        self.count_up(flow);
        Some(made)
    }

    /// §12.3: a refusal ends the early dialog it had.
    fn refuse_dialog(&mut self, key: u64) {
        if let Some(dialog) = self.servers.get_mut(key).and_then(|s| s.dialog.take()) {
            self.end_dialog(dialog);
        }
    }

    /// The response, and where in it stands what it repeats of the request.
    fn write_response(
        &self,
        key: u64,
        draft: &Draft,
        status: u16,
        phrase: Option<&str>,
        dialog: Option<u64>,
        opens: bool,
    ) -> (Vec<u8>, Range<usize>) {
        let Some(server) = self.servers.get(key) else { return (Vec::new(), 0..0) };
        let mut out = Writer::response(status, phrase, server.echo.len() + draft.body.len() + 384);
        // §8.2.6.2: a 100 may go without a tag, everything else has one.
        let tag: Option<&[u8]> = (status > 100).then_some(&server.tag);
        let makes_dialog = server.method == Method::Invite && (101..300).contains(&status);
        let parts = Parts { timestamp: status == 100, record_route: makes_dialog && opens };
        let begin = out.len();
        server.echo.write(&mut out, tag, parts);
        let echo = begin..out.len();
        let target = makes_dialog || (server.method == Method::Update && (200..300).contains(&status));
        if target && !has(draft, Name::Contact) {
            let user = dialog.and_then(|d| self.dialogs.get(d)).map_or("", |d| &d.contact_user);
            out.named(Name::Contact, self.contact(server.flow, user));
        }
        let tells = matches!(server.method, Method::Invite | Method::Options) && (200..300).contains(&status);
        self.rest_of_response(&mut out, draft, tells);
        (out.finish_draft(draft), echo)
    }

    /// The draft's own headers, and what every response of ours says besides.
    fn rest_of_response(&self, out: &mut Writer, draft: &Draft, tells: bool) {
        out.draft(draft, OURS);
        // §13.3.1.4, §11.2: a 2xx to INVITE or OPTIONS says what we can.
        if tells && !has(draft, Name::Allow) {
            out.named(Name::Allow, ALLOW);
        }
        if !self.config.product.is_empty() && !has(draft, Name::Server) {
            out.named(Name::Server, &self.config.product);
        }
    }

    /// Our Contact for a flow: the address peers see, with the transport where it is not UDP.
    pub(super) fn contact(&self, flow: Flow, user: &str) -> String {
        let address = self.advertised(flow);
        let user: String =
            user.chars().filter(|c| !matches!(c, '<' | '>' | '"' | '@' | ' ') && !c.is_control()).collect();
        let at = if user.is_empty() { "" } else { "@" };
        match flow.transport.is_reliable() {
            true => format!("<sip:{user}{at}{address};transport={}>", flow.transport.uri_param()),
            false => format!("<sip:{user}{at}{address}>"),
        }
    }
}

/// Whether a draft has this header itself.
pub(super) fn has(draft: &Draft, name: Name) -> bool {
    draft.headers.iter().any(|(n, _)| Name::of(n.as_bytes()) == name)
}

/// The status of a response draft; a request in its place is our own mistake and goes out as one.
fn status_of(draft: &Draft) -> (u16, Option<&str>) {
    match &draft.start {
        Start::Response { status, phrase } if (100..700).contains(status) => (*status, phrase.as_deref()),
        Start::Response { .. } | Start::Request { .. } => (500, None),
    }
}
