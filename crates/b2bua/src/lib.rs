//! A call: two legs that begin and end together. `Calls` owns every call; a call is told of messages, media and time,
//! sends through the `Ua` it is lent, and leaves what others must do as `Act`s. It reads no SDP and knows no agents.

use ahash::AHashMap;
use bytes::Bytes;
use sip::ua::{ClientKey, DialogKey, ServerKey, Ua};
use sip::{Draft, Message};
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use terms::{
    CallId, CallRecord, Codecs, EndReason, Flow, Instant, Leg, MediaCommand, MediaEvent, Now, PortKind, Turn,
};

mod alone;
mod answer;
mod call;
mod digits;
mod early;
mod end;
mod lost;
mod modify;
mod order;
mod setup;
mod transfer;
mod up;

pub use alone::{ALONE_MAX, Alone};
pub use call::{Call, Stage};
pub use end::refusal;
pub use lost::{AWAY_MAX, Replacement};
pub use order::{Attempt, Order, Start};
pub use transfer::Referral;
pub use up::{ALLOW, BOTH_SILENT_MAX, PROBE_REST, PROBE_WAIT};

/// What a call wants done by others, in the order it was decided.
#[derive(Clone, Debug)]
pub enum Act {
    Media(MediaCommand),
    /// The call's row as it shall be from now on.
    Record(Box<CallRecord>),
    /// The call began to ring or was answered.
    Changed(CallId),
    /// A target gave no sign at all within `Order::attempt_max`; `uri` is its Request-URI.
    NoSign {
        call: CallId,
        uri: String,
    },
    /// One leg fell silent or speaks again.
    Audio {
        call: CallId,
        leg: Leg,
        silent: bool,
    },
    /// Somebody else is at this leg from now on, whom a transfer was to.
    Transferred {
        call: CallId,
        leg: Leg,
    },
    /// A transfer came to nothing; the call goes on as it was.
    TransferFailed {
        call: CallId,
    },
    /// The call is over, whatever is still being tidied up.
    Ended {
        call: CallId,
        reason: EndReason,
    },
}

/// What a call is lent while it handles one input.
pub struct Cx<'a> {
    pub now: Now,
    pub ua: &'a mut Ua,
    pub acts: &'a mut VecDeque<Act>,
    index: &'a mut Index,
}

impl Cx<'_> {
    fn media(&mut self, command: MediaCommand) {
        self.acts.push_back(Act::Media(command));
    }
    /// An offer the other leg is asked about, whatever is in it. `to` is what that leg is and may be offered.
    fn offer(
        &mut self,
        call: CallId,
        turn: Turn,
        from: Leg,
        sdp: Bytes,
        source: IpAddr,
        (to_kind, to_codecs): (PortKind, Codecs),
    ) {
        let may_settle = false;
        self.media(MediaCommand::Offer { call, turn, from, sdp, source, to_kind, to_codecs, may_settle });
    }
    /// A response whose loss nobody can mend: when the transaction is gone, so is the wish.
    fn respond(&mut self, key: ServerKey, draft: Draft) -> Option<DialogKey> {
        self.ua.respond(self.now, key, draft).ok().flatten()
    }
    /// BYE with its Reason (RFC 3326). The answer concerns nobody: the dialog is over when it is sent.
    fn bye(&mut self, dialog: DialogKey, reason: EndReason) {
        self.index.dialogs.remove(&dialog);
        let draft = Draft::request(sip::Method::Bye).header("Reason", reason.reason_header());
        let _ = self.ua.request_in_dialog(self.now, dialog, draft);
    }
}

/// Why a request of ours was sent, so that its response finds the right verb.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Fork,
    Transfer,
    Modify,
    Info(Leg),
    Probe(Leg),
}

/// Who owns what, by key. Every entry belongs to a call and goes with it.
#[derive(Default)]
struct Index {
    servers: AHashMap<ServerKey, CallId>,
    clients: AHashMap<ClientKey, (CallId, Role)>,
    dialogs: AHashMap<DialogKey, (CallId, Leg)>,
}

/// All calls of this process.
pub struct Calls {
    calls: AHashMap<CallId, Call>,
    index: Index,
    timers: BTreeSet<(Instant, CallId)>,
    incarnation: u32,
    count: u32,
    max: usize,
    /// Calls that are not yet ending.
    alive: usize,
}

impl Calls {
    pub fn new(incarnation: u32, max: usize) -> Calls {
        Calls {
            calls: AHashMap::new(),
            index: Index::default(),
            timers: BTreeSet::new(),
            incarnation,
            count: 0,
            max,
            alive: 0,
        }
    }

    /// True when one more call would be one too many.
    pub fn is_full(&self) -> bool {
        self.calls.len() >= self.max
    }
    /// Calls that exist, those still being tidied up included.
    pub fn len(&self) -> usize {
        self.calls.len()
    }
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
    /// Calls that are set up, ringing or up.
    pub fn alive(&self) -> usize {
        self.alive
    }
    pub fn get(&self, call: CallId) -> Option<&Call> {
        self.calls.get(&call)
    }
    pub fn iter(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }
    pub fn owns_client(&self, key: ClientKey) -> bool {
        self.index.clients.contains_key(&key)
    }
    pub fn owns_dialog(&self, key: DialogKey) -> bool {
        self.index.dialogs.contains_key(&key)
    }
    /// The id the next call gets.
    pub fn next_id(&mut self) -> CallId {
        self.count = self.count.wrapping_add(1);
        CallId((u64::from(self.incarnation) << 32) | u64::from(self.count))
    }
    /// Sizes of the tables, for the checker that they return to nothing: calls, server keys, client keys, dialogs, timers.
    pub fn table_sizes(&self) -> [usize; 5] {
        [
            self.calls.len(),
            self.index.servers.len(),
            self.index.clients.len(),
            self.index.dialogs.len(),
            self.timers.len(),
        ]
    }

    /// A call begins: leg A's INVITE stands, the order says whom to ring. `start.record.call` is an id of `next_id`.
    pub fn start(&mut self, now: Now, ua: &mut Ua, acts: &mut VecDeque<Act>, start: Start) {
        let mut cx = Cx { now, ua, acts, index: &mut self.index };
        let call = Call::start(&mut cx, start);
        self.add(now, call);
    }

    fn add(&mut self, now: Now, call: Call) {
        let id = call.id();
        self.calls.insert(id, call);
        self.alive += 1;
        self.settle(now, id);
    }

    /// Ends a call from outside: an administrator, a login that is over, a shutdown. Harmless when it is unknown or over.
    pub fn end(&mut self, now: Now, ua: &mut Ua, acts: &mut VecDeque<Act>, call: CallId, reason: EndReason) {
        self.with(now, ua, acts, call, |call, cx| call.end(cx, reason));
    }

    /// The connection that one of the call's legs was reached over closed.
    pub fn flow_lost(
        &mut self,
        now: Now,
        ua: &mut Ua,
        acts: &mut VecDeque<Act>,
        call: CallId,
        leg: Leg,
        flow: Flow,
    ) {
        self.with(now, ua, acts, call, |call, cx| call.flow_lost(cx, leg, flow));
    }

    /// The same peer can be reached over another connection, at this contact.
    #[expect(clippy::too_many_arguments, reason = "what is lent to every verb comes with it")]
    pub fn reached_again(
        &mut self,
        now: Now,
        ua: &mut Ua,
        acts: &mut VecDeque<Act>,
        call: CallId,
        leg: Leg,
        flow: Flow,
        contact: &str,
    ) {
        self.with(now, ua, acts, call, |call, cx| call.reached_again(cx, leg, flow, contact));
    }

    /// An INVITE takes the place of the dialog of a leg (RFC 3891). Answered by the call; 491 where it is being changed.
    pub fn replaced(
        &mut self,
        now: Now,
        ua: &mut Ua,
        acts: &mut VecDeque<Act>,
        dialog: DialogKey,
        by: Replacement,
    ) {
        let Some(&(id, leg)) = self.index.dialogs.get(&dialog) else { return };
        self.with(now, ua, acts, id, |call, cx| call.replaced(cx, leg, by));
    }

    /// Whether this leg may ask for a transfer now; else the status it is told.
    pub fn may_transfer(&self, call: CallId, leg: Leg) -> Result<(), u16> {
        self.calls.get(&call).map_or(Err(481), |call| call.may_transfer(leg))
    }

    /// A leg has asked that somebody else take its place, and may. Answered by the call.
    pub fn transfer(
        &mut self,
        now: Now,
        ua: &mut Ua,
        acts: &mut VecDeque<Act>,
        call: CallId,
        leg: Leg,
        referral: Referral,
    ) {
        self.with(now, ua, acts, call, |call, cx| call.transfer(cx, leg, referral));
    }

    /// Whoever should take a leg's place may not any more. The call goes on where it still can.
    pub fn drop_transfer(
        &mut self,
        now: Now,
        ua: &mut Ua,
        acts: &mut VecDeque<Act>,
        call: CallId,
        reason: EndReason,
    ) {
        self.with(now, ua, acts, call, |call, cx| call.transfer_dropped(cx, reason));
    }

    /// The call and the leg of it that a dialog is.
    pub fn leg_of(&self, dialog: DialogKey) -> Option<(CallId, Leg)> {
        self.index.dialogs.get(&dialog).copied()
    }

    /// A request inside a dialog. False when the dialog is no call's: the caller answers 481.
    pub fn in_dialog(
        &mut self,
        now: Now,
        ua: &mut Ua,
        acts: &mut VecDeque<Act>,
        key: ServerKey,
        dialog: DialogKey,
        request: &Message<'_>,
    ) -> bool {
        let Some(&(id, leg)) = self.index.dialogs.get(&dialog) else { return false };
        self.with(now, ua, acts, id, |call, cx| call.in_dialog(cx, key, dialog, leg, request));
        true
    }

    /// CANCEL for an INVITE of ours to answer (RFC 3261 §9.2). False when nobody knows the INVITE.
    pub fn cancelled(&mut self, now: Now, ua: &mut Ua, acts: &mut VecDeque<Act>, invite: ServerKey) -> bool {
        let Some(&id) = self.index.servers.get(&invite) else { return false };
        self.with(now, ua, acts, id, |call, cx| call.cancelled(cx, invite));
        true
    }

    pub fn acked(
        &mut self,
        now: Now,
        ua: &mut Ua,
        acts: &mut VecDeque<Act>,
        dialog: DialogKey,
        invite: ServerKey,
        request: &Message<'_>,
    ) {
        let Some(id) = self.owner_of_invite(dialog, invite) else { return };
        self.with(now, ua, acts, id, |call, cx| call.acked(cx, invite, request));
    }

    pub fn not_acked(
        &mut self,
        now: Now,
        ua: &mut Ua,
        acts: &mut VecDeque<Act>,
        dialog: DialogKey,
        invite: ServerKey,
    ) {
        match self.owner_of_invite(dialog, invite) {
            Some(id) => self.with(now, ua, acts, id, |call, cx| call.not_acked(cx, invite)),
            // RFC 3261 §13.3.1.4: a dialog whose 2xx was never acknowledged is ended by BYE, whoever remembers it.
            None => Cx { now, ua, acts, index: &mut self.index }.bye(dialog, EndReason::ProtocolError),
        }
    }

    fn owner_of_invite(&self, dialog: DialogKey, invite: ServerKey) -> Option<CallId> {
        let by_invite = self.index.servers.get(&invite).copied();
        by_invite.or_else(|| self.index.dialogs.get(&dialog).map(|(id, _)| *id))
    }

    /// A response to a request of ours. False when it is no call's.
    pub fn response(
        &mut self,
        now: Now,
        ua: &mut Ua,
        acts: &mut VecDeque<Act>,
        key: ClientKey,
        dialog: Option<DialogKey>,
        response: &Message<'_>,
    ) -> bool {
        if let Some(&(id, role)) = self.index.clients.get(&key) {
            if response.status() >= 200 {
                self.index.clients.remove(&key);
            }
            self.with(now, ua, acts, id, |call, cx| match role {
                Role::Fork if response.status() < 200 => call.fork_rings(cx, key, dialog, response),
                Role::Fork if response.status() < 300 => call.fork_answers(cx, key, dialog, response),
                Role::Fork => call.fork_refuses(cx, key, response.status()),
                Role::Transfer => call.transfer_response(cx, key, dialog, response),
                Role::Modify => call.modify_response(cx, dialog, response),
                Role::Info(leg) => call.info_response(cx, leg, response.status()),
                Role::Probe(leg) => call.probe_response(cx, leg, response.status()),
            });
            return true;
        }
        // RFC 3261 §13.2.2.4: a 2xx nobody waits for any more (CANCEL crossed it, another fork won) is acknowledged and
        // its dialog ended at once.
        if let Some(dialog) = dialog
            && (200..300).contains(&response.status())
            && answers_invite(response)
            && !self.index.dialogs.contains_key(&dialog)
        {
            let _ = ua.ack(now, dialog, None);
            Cx { now, ua, acts, index: &mut self.index }.bye(dialog, EndReason::CallerGaveUp);
            return true;
        }
        false
    }

    /// No final response came, or the flow failed. False when the request was no call's.
    pub fn no_response(
        &mut self,
        now: Now,
        ua: &mut Ua,
        acts: &mut VecDeque<Act>,
        key: ClientKey,
        flow_failed: bool,
    ) -> bool {
        let Some((id, role)) = self.index.clients.remove(&key) else { return false };
        // RFC 3261 §8.1.3.1: a timeout counts as 408, a transport error as 503.
        let status = if flow_failed { 503 } else { 408 };
        self.with(now, ua, acts, id, |call, cx| match role {
            Role::Fork => call.fork_refuses(cx, key, status),
            Role::Transfer => call.transfer_refused(cx, key, status),
            Role::Modify => call.modify_unanswered(cx),
            Role::Info(leg) => call.info_response(cx, leg, 408),
            Role::Probe(leg) => call.probe_response(cx, leg, 408),
        });
        true
    }

    pub fn media(&mut self, now: Now, ua: &mut Ua, acts: &mut VecDeque<Act>, event: MediaEvent) {
        let id = match &event {
            MediaEvent::Sdp { call, .. }
            | MediaEvent::Flowing { call, .. }
            | MediaEvent::Silent { call, .. }
            | MediaEvent::Dtmf { call, .. }
            | MediaEvent::DtmfByInfo { call, .. }
            | MediaEvent::Quality { call, .. }
            | MediaEvent::Failed { call, .. }
            | MediaEvent::Released { call, .. } => *call,
        };
        self.with(now, ua, acts, id, |call, cx| call.media(cx, event));
    }

    /// Lets every timer fire that is due.
    pub fn timeout(&mut self, now: Now, ua: &mut Ua, acts: &mut VecDeque<Act>) {
        while let Some(&(at, id)) = self.timers.first() {
            if at > now.instant {
                return;
            }
            self.timers.pop_first();
            if let Some(call) = self.calls.get_mut(&id) {
                call.timer = None;
            }
            self.with(now, ua, acts, id, |call, cx| call.timeout(cx));
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn with(
        &mut self,
        now: Now,
        ua: &mut Ua,
        acts: &mut VecDeque<Act>,
        id: CallId,
        what: impl FnOnce(&mut Call, &mut Cx<'_>),
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let was_alive = !call.is_ending();
        let mut cx = Cx { now, ua, acts, index: &mut self.index };
        what(call, &mut cx);
        call.transfer_step(&mut cx);
        if was_alive && call.is_ending() {
            self.alive -= 1;
        }
        self.settle(now, id);
    }

    /// Keeps the timer table in step with the call, and lets it go when it is done.
    fn settle(&mut self, now: Now, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let wanted = if call.is_done() { None } else { call.deadline() };
        // A deadline in the past fires in the next turn, never in a loop within this one.
        let wanted = wanted.map(|at| at.max(Instant(now.instant.0.saturating_add(1))));
        if call.timer != wanted {
            if let Some(old) = call.timer.take() {
                self.timers.remove(&(old, id));
            }
            if let Some(at) = wanted {
                self.timers.insert((at, id));
            }
            call.timer = wanted;
        }
        if call.is_done()
            && let Some(call) = self.calls.remove(&id)
        {
            call.leave(&mut self.index);
        }
    }
}

/// Whether this response belongs to an INVITE.
fn answers_invite(response: &Message<'_>) -> bool {
    response.header(sip::Name::CSeq).is_some_and(|cseq| cseq.trim_end().ends_with("INVITE"))
}

/// The session description of a message, if it carries one.
fn sdp_of(message: &Message<'_>) -> Option<bytes::Bytes> {
    let body = message.body();
    (!body.is_empty()).then(|| bytes::Bytes::copy_from_slice(body))
}
