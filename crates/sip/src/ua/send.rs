//! Our requests (RFC 3261 §8.1, §12.2.1, §9.1, §13.2.2.4): in and outside dialogs, CANCEL, and the two kinds of ACK.

use super::chance::{text, word};
use super::respond::has;
use super::state::{Cancel, Client, ClientMachine};
use super::time::Due;
use super::{ALLOW, ClientKey, DialogKey, Parties, Target, Ua, UaError};
use crate::dialog::{Ack, Phase, path};
use crate::draft::Start;
use crate::transaction::key::MAGIC_COOKIE;
use crate::transaction::{ClientInvite, ClientOther};
use crate::{Draft, Message, Method, Name, NameAddr, Writer, method_text};
use smallvec::SmallVec;
use terms::{Flow, Instant, Now};

/// RFC 3261 §8.1.1.6.
const MAX_FORWARDS: &str = "70";
/// Headers of a request that are the transaction's or the dialog's, never the draft's.
const OURS: &[Name] = &[
    Name::Via,
    Name::From,
    Name::To,
    Name::CallId,
    Name::CSeq,
    Name::Route,
    Name::RecordRoute,
    Name::MaxForwards,
];

/// What a new client transaction needs to know besides its bytes.
struct Begin {
    flow: Flow,
    method: Method,
    cseq: u32,
    branch: u64,
    dialog: Option<u64>,
    contact_user: Box<str>,
}

impl Ua {
    /// Sends a request outside any dialog. ACK and CANCEL have their own verbs and are refused here.
    pub fn request(
        &mut self,
        now: Now,
        target: Target,
        parties: Parties,
        draft: Draft,
    ) -> Result<ClientKey, UaError> {
        let method = sendable(&draft)?;
        let dialogs_full = method == Method::Invite && self.dialogs.len() >= self.config.dialogs_max;
        if dialogs_full || !self.has_room(false) {
            return Err(UaError::Full);
        }
        self.cseq = (self.cseq + 1) & 0x7fff_ffff;
        let (cseq, branch) = (self.cseq, self.chance.number());
        let (uri, routes) = path(&target.uri, target.route.iter().map(String::as_str));
        let mut out = Writer::request(method_text(method), uri, 640 + draft.body.len());
        out.named(Name::Via, self.via(target.flow, branch));
        for route in routes {
            out.named(Name::Route, bracketed(route));
        }
        out.number("Max-Forwards", u64::from(parties.max_forwards));
        let tagged = NameAddr::parse(&parties.from).is_ok_and(|from| from.tag().is_some());
        match tagged {
            true => out.named(Name::From, &parties.from),
            false => out.named(Name::From, format!("{};tag={}", parties.from, text(&self.chance.word()))),
        };
        out.named(Name::To, &parties.to);
        match &parties.call_id {
            Some(call_id) => out.named(Name::CallId, call_id),
            None => out.named(Name::CallId, text(&self.chance.word())),
        };
        out.named(Name::CSeq, format!("{cseq} {}", method_text(method)));
        // RFC 3428 §4: a MESSAGE must not carry one; elsewhere it says where to find us.
        let wants_contact = !matches!(method, Method::Message | Method::Publish);
        self.rest_of_request(&mut out, &draft, method, target.flow, &parties.contact_user, wants_contact);
        let begin = Begin {
            flow: target.flow,
            method,
            cseq,
            branch,
            dialog: None,
            contact_user: parties.contact_user.into(),
        };
        let key = self.begin_client(now.instant, begin, out.finish_draft(&draft));
        self.settle();
        Ok(ClientKey(key))
    }

    /// Sends a request inside a dialog: target, route set, tags and CSeq are the dialog's. BYE ends the dialog, but for
    /// another BYE with credentials where the first was answered 401 or 407. Where the flow is closed and the peer
    /// has not come back on another, nothing is sent and `NoResponse` follows at once.
    pub fn request_in_dialog(
        &mut self,
        now: Now,
        dialog: DialogKey,
        draft: Draft,
    ) -> Result<ClientKey, UaError> {
        let sent = self.send_in_dialog(now.instant, dialog, draft);
        self.settle();
        sent
    }

    pub(super) fn send_in_dialog(
        &mut self,
        now: Instant,
        dialog: DialogKey,
        draft: Draft,
    ) -> Result<ClientKey, UaError> {
        let method = sendable(&draft)?;
        let key = dialog.0;
        let dialog = self.dialogs.get(key).ok_or(UaError::DialogGone)?;
        if dialog.is_ending() && method != Method::Bye {
            return Err(UaError::DialogGone);
        }
        if method == Method::Invite {
            let theirs = dialog.their_invite.and_then(|(invite, _)| self.servers.get(invite));
            if dialog.our_invite.is_some() || theirs.is_some_and(|s| s.is_open_invite()) {
                return Err(UaError::InviteUnderWay);
            }
        }
        if !self.has_room(true) {
            return Err(UaError::Full);
        }
        let cseq = (dialog.local_cseq + 1) & 0x7fff_ffff;
        let (flow, open, user) = (dialog.flow, dialog.flow_open, dialog.contact_user.clone());
        let branch = self.chance.number();
        let Some(mut out) = self.dialog_head(key, method, cseq, branch) else {
            return Err(UaError::DialogGone);
        };
        // RFC 3261 §12.2.1.1: requests that move the target, and those that open dialogs, carry our Contact.
        let contact = matches!(
            method,
            Method::Invite | Method::Update | Method::Refer | Method::Subscribe | Method::Notify
        );
        self.rest_of_request(&mut out, &draft, method, flow, &user, contact);
        let begin = Begin { flow, method, cseq, branch, dialog: Some(key), contact_user: user };
        let bytes = out.finish_draft(&draft);
        let client = self.insert_client(now, begin, bytes);
        let patience = self.pace(flow).patience();
        if let Some(dialog) = self.dialogs.get_mut(key) {
            dialog.local_cseq = cseq;
            match method {
                Method::Invite => dialog.our_invite = Some(client),
                // Twice the patience: this only sweeps up after a 401 to BYE that nobody follows.
                Method::Bye => dialog.phase = Phase::Ending { until: now + patience + patience },
                _ => {}
            }
        }
        if open {
            self.launch(client);
            self.arm(Due::Dialog(key));
        } else {
            self.client_failed(client, true);
        }
        Ok(ClientKey(client))
    }

    /// Acknowledges a 2xx; sent again by itself for each retransmitted 2xx. `sdp` is the answer to a late offer. Harmless
    /// where nothing is to be acknowledged.
    pub fn ack(&mut self, _now: Now, dialog: DialogKey, sdp: Option<bytes::Bytes>) -> Result<(), UaError> {
        let key = dialog.0;
        let dialog = self.dialogs.get(key).ok_or(UaError::DialogGone)?;
        let Ack::Owed { cseq, credentials } = &dialog.ack else { return Ok(()) };
        let (cseq, credentials) = (*cseq, credentials.clone());
        let (flow, open) = (dialog.flow, dialog.flow_open);
        // §13.2.2.4: a transaction of its own, so a branch of its own.
        let branch = self.chance.number();
        let Some(mut out) = self.dialog_head(key, Method::Ack, cseq, branch) else {
            return Err(UaError::DialogGone);
        };
        out.lines(&credentials);
        self.user_agent(&mut out);
        let bytes = out.finish(Some("application/sdp"), sdp.as_deref().unwrap_or_default());
        if open {
            self.send(flow, bytes.clone());
        }
        if let Some(dialog) = self.dialogs.get_mut(key) {
            dialog.ack = Ack::Sent { cseq, bytes };
        }
        Ok(())
    }

    /// Whether anything at all, 100 included, came in answer to this request of ours.
    pub fn was_heard(&self, request: ClientKey) -> bool {
        match self.clients.get(request.0).map(|client| &client.machine) {
            Some(ClientMachine::Invite(machine)) => machine.is_proceeding() || machine.is_final(),
            Some(ClientMachine::Other(_)) => false,
            None => true,
        }
    }

    /// Cancels an INVITE (RFC 3261 §9.1): waits for the first provisional if none came yet. A 2xx may still arrive as
    /// `Response`; it must be acked and its dialog ended by BYE. Harmless where a final response came before.
    pub fn cancel(&mut self, now: Now, invite: ClientKey, reason: Option<String>) {
        let Some(client) = self.clients.get_mut(invite.0) else { return };
        let ClientMachine::Invite(machine) = &client.machine else { return };
        if machine.is_final() || client.cancel != Cancel::No {
            return;
        }
        if machine.is_proceeding() {
            self.send_cancel(now.instant, invite.0, reason);
        } else {
            client.cancel = Cancel::Wanted(reason);
        }
        self.settle();
    }

    /// §9.1: Request-URI, topmost Via, Route, From, To, Call-ID and CSeq number are the INVITE's.
    pub(super) fn send_cancel(&mut self, now: Instant, key: u64, reason: Option<String>) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let pace = crate::transaction::Pace::new(self.config.timers, client.flow.transport.is_reliable());
        client.cancel = Cancel::Sent;
        if let ClientMachine::Invite(machine) = &mut client.machine {
            machine.cancelled(now, pace);
        }
        let Some(client) = self.clients.get(key) else { return };
        let Ok(invite) = Message::parse(&client.request) else { return };
        let mut out = echo_of_own(&invite, Method::Cancel, client.cseq);
        out.copy(&invite, Name::To);
        if let Some(reason) = reason {
            out.named(Name::Reason, reason);
        }
        self.user_agent(&mut out);
        let begin = Begin {
            flow: client.flow,
            method: Method::Cancel,
            cseq: client.cseq,
            branch: client.branch,
            dialog: None,
            contact_user: Box::default(),
        };
        self.begin_client(now, begin, out.finish(None, b""));
        self.arm(Due::Client(key));
    }

    /// §17.1.1.3: the ACK to a refusal belongs to the INVITE's transaction: same branch, To as in the refusal.
    pub(super) fn ack_refusal(&mut self, key: u64, response: &Message<'_>) {
        let Some(client) = self.clients.get(key) else { return };
        let Ok(invite) = Message::parse(&client.request) else { return };
        let mut out = echo_of_own(&invite, Method::Ack, client.cseq);
        out.copy(response, Name::To);
        let flow = client.flow;
        self.send(flow, out.finish(None, b""));
    }

    /// Request line, Via, Route, Max-Forwards, From, To, Call-ID and CSeq of a request in a dialog (§12.2.1.1).
    fn dialog_head(&self, key: u64, method: Method, cseq: u32, branch: u64) -> Option<Writer> {
        let dialog = self.dialogs.get(key)?;
        let (uri, routes) = dialog.path();
        let mut out = Writer::request(method_text(method), uri, 768);
        out.named(Name::Via, self.via(dialog.flow, branch));
        for route in routes {
            out.named(Name::Route, bracketed(route));
        }
        out.named(Name::MaxForwards, MAX_FORWARDS);
        out.named(Name::From, &dialog.local).named(Name::To, &dialog.remote);
        out.named(Name::CallId, &dialog.call_id);
        out.named(Name::CSeq, format!("{cseq} {}", method_text(method)));
        Some(out)
    }

    fn rest_of_request(
        &self,
        out: &mut Writer,
        draft: &Draft,
        method: Method,
        flow: Flow,
        user: &str,
        wants_contact: bool,
    ) {
        if wants_contact && !has(draft, Name::Contact) {
            out.named(Name::Contact, self.contact(flow, user));
        }
        out.draft(draft, OURS);
        // §13.2.1: an INVITE says what may be sent back.
        if method == Method::Invite && !has(draft, Name::Allow) {
            out.named(Name::Allow, ALLOW);
        }
        if !has(draft, Name::UserAgent) {
            self.user_agent(out);
        }
    }

    fn user_agent(&self, out: &mut Writer) {
        if !self.config.product.is_empty() {
            out.named(Name::UserAgent, &self.config.product);
        }
    }

    /// §18.1.1 with RFC 3581: where responses should come, and the wish to have them where we really are.
    fn via(&self, flow: Flow, branch: u64) -> String {
        let branch = word(branch);
        let branch = text(&branch);
        let sent_by = self.advertised(flow);
        format!("SIP/2.0/{} {sent_by};branch={MAGIC_COOKIE}{branch};rport", flow.transport.via_token())
    }

    fn begin_client(&mut self, now: Instant, begin: Begin, bytes: Vec<u8>) -> u64 {
        let key = self.insert_client(now, begin, bytes);
        self.launch(key);
        key
    }

    fn insert_client(&mut self, now: Instant, begin: Begin, request: Vec<u8>) -> u64 {
        let Begin { flow, method, cseq, branch, dialog, contact_user } = begin;
        let pace = self.pace(flow);
        let machine = match method {
            Method::Invite => ClientMachine::Invite(ClientInvite::start(now, pace)),
            _ => ClientMachine::Other(ClientOther::start(now, pace)),
        };
        let key = self.clients.insert(Client {
            machine,
            flow,
            method,
            cseq,
            branch,
            request,
            dialog,
            forks: SmallVec::new(),
            cancel: Cancel::No,
            contact_user,
            queued_at: None,
        });
        self.by_branch.insert((branch, method == Method::Cancel), key);
        self.count_up(flow);
        key
    }

    /// Puts a new request on the wire and its first timer into the queue.
    fn launch(&mut self, key: u64) {
        let Some(client) = self.clients.get(key) else { return };
        let (flow, bytes) = (client.flow, client.request.clone());
        self.send(flow, bytes);
        self.arm(Due::Client(key));
    }
}

/// What ACK and CANCEL repeat of an INVITE of ours, To excepted.
fn echo_of_own(invite: &Message<'_>, method: Method, cseq: u32) -> Writer {
    let mut out = Writer::request(method_text(method), invite.uri(), 512);
    out.copy(invite, Name::Via).copy(invite, Name::Route);
    out.named(Name::MaxForwards, MAX_FORWARDS);
    out.copy(invite, Name::From).copy(invite, Name::CallId);
    out.named(Name::CSeq, format!("{cseq} {}", method_text(method)));
    out
}

/// The method of a request draft; ACK, CANCEL and responses are nothing to be sent so.
fn sendable(draft: &Draft) -> Result<Method, UaError> {
    match &draft.start {
        Start::Request { method: Method::Ack | Method::Cancel } | Start::Response { .. } => {
            Err(UaError::TransactionGone)
        }
        Start::Request { method } => Ok(*method),
    }
}

/// A Route value has angle brackets (RFC 3261 §20.34); a bare target that moved there gets them.
fn bracketed(value: &str) -> String {
    if value.contains('<') { value.to_owned() } else { format!("<{value}>") }
}
