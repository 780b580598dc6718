//! Whose message is this? The `Ua` owns every transaction and dialog, matches each message once and hands it to one
//! owner. It retransmits, absorbs retransmissions and keeps the timers; it decides nothing about calls.

use crate::{Draft, Message, ParseError};
use std::net::SocketAddr;
use terms::{Flow, Instant, Now, Transport};

/// A server transaction that waits for our response.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerKey(pub u64);
/// A client transaction that waits for theirs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientKey(pub u64);
/// A dialog, early or confirmed (RFC 3261 §12). Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialogKey(pub u64);

/// Timer values of RFC 3261 §17.1.1.1, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    pub t1_ms: u64,
    pub t2_ms: u64,
    pub t4_ms: u64,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers { t1_ms: 500, t2_ms: 4_000, t4_ms: 5_000 }
    }
}

/// An address we listen on and how peers see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Local {
    pub transport: Transport,
    pub bound: SocketAddr,
    pub advertised: SocketAddr,
}

#[derive(Clone, Debug)]
pub struct UaConfig {
    pub locals: Vec<Local>,
    /// The Server and User-Agent header.
    pub product: String,
    /// Keys tags and branches; drawn by the daemon at start, fixed in the simulated world.
    pub seed: [u8; 32],
    pub timers: Timers,
    /// Server plus client transactions; past it a new request gets 503 with Retry-After.
    pub transactions_max: usize,
    pub dialogs_max: usize,
}

/// Where an out-of-dialog request goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub flow: Flow,
    /// The Request-URI.
    pub uri: String,
    /// Route header values, in order (the Path of a binding).
    pub route: Vec<String>,
}

/// Who a new request is from and to: complete header values without tags, e.g. `"Ann" <sip:2001@hotseat.test>`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parties {
    pub from: String,
    pub to: String,
    /// A Call-ID to use (REGISTER refreshes, PATH probes); a fresh one where `None`.
    pub call_id: Option<String>,
    /// User part of our Contact.
    pub contact_user: String,
    pub max_forwards: u8,
}

/// What a received message turned out to be. Retransmissions, ACKs to non-2xx and strays are absorbed inside.
#[derive(Debug)]
pub enum Received<'m> {
    /// Nothing for the owner: absorbed, answered (400, 481, 482, 483, 405 …) or dropped.
    Handled,
    /// A new request outside any dialog. It needs a final response by `respond`.
    Request { key: ServerKey, request: Message<'m> },
    /// A request inside a dialog of ours (re-INVITE, BYE, UPDATE, INFO, PRACK, …), CSeq already checked.
    InDialog { key: ServerKey, dialog: DialogKey, request: Message<'m> },
    /// This INVITE was cancelled; CANCEL has its 200, the INVITE still needs its 487 by `respond`.
    Cancelled { invite: ServerKey, request: Message<'m> },
    /// The ACK to our 2xx arrived (once). Its body may be the answer to a late offer.
    Acked { dialog: DialogKey, invite: ServerKey, request: Message<'m> },
    /// A provisional (101–199) or final response to our request. For an INVITE, `dialog` is the early or confirmed
    /// dialog it created or belongs to; a 2xx must be answered by `ack`.
    Response { key: ClientKey, dialog: Option<DialogKey>, response: Message<'m> },
}

/// What time brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Expired {
    /// No final response came (timer B, F), or the flow failed. Counts as 408, or 503 if `flow_failed`.
    NoResponse { key: ClientKey, flow_failed: bool },
    /// Our 2xx was never acknowledged for 64·T1 (RFC 3261 §13.3.1.4); the dialog should be ended by BYE.
    NotAcked { dialog: DialogKey, invite: ServerKey },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UaError {
    #[error("the dialog is over")]
    DialogGone,
    #[error("the transaction is over")]
    TransactionGone,
    #[error("too many transactions at once")]
    Full,
}

/// A read-only look at a dialog.
#[derive(Clone, Debug, PartialEq)]
pub struct DialogInfo {
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: String,
    pub remote_target: String,
    pub flow: Flow,
    pub confirmed: bool,
}

pub struct Ua {
    _config: UaConfig,
}

impl Ua {
    pub fn new(_config: UaConfig) -> Ua {
        todo!()
    }

    /// Takes one whole message from a flow. Parses, validates (RFC 3261 §8.2, §16.3), matches. A message that cannot
    /// be read is answered where the RFC answers and reported as the error for the log's counters.
    pub fn receive<'m>(
        &mut self,
        _now: Now,
        _flow: Flow,
        _bytes: &'m [u8],
    ) -> Result<Received<'m>, ParseError> {
        todo!()
    }

    /// Responds to a request. Via, From, To with our tag, Call-ID, CSeq, Record-Route and Contact are filled in. A 101–199 or
    /// 2xx to an INVITE creates or confirms the dialog, whose key is returned. 2xx to INVITE is retransmitted until
    /// its ACK comes. Harmless when the transaction is gone.
    pub fn respond(
        &mut self,
        _now: Now,
        _key: ServerKey,
        _response: Draft,
    ) -> Result<Option<DialogKey>, UaError> {
        todo!()
    }

    /// A response that leaves no transaction behind, for requests of strangers (401, 403, 503): same headers, no state.
    pub fn respond_stateless(&mut self, _flow: Flow, _request: &Message<'_>, _response: Draft) {
        todo!()
    }

    /// Sends a request outside any dialog.
    pub fn request(
        &mut self,
        _now: Now,
        _target: Target,
        _parties: Parties,
        _draft: Draft,
    ) -> Result<ClientKey, UaError> {
        todo!()
    }

    /// Sends a request inside a dialog: target, route set, tags and CSeq are the dialog's. BYE ends the dialog.
    pub fn request_in_dialog(
        &mut self,
        _now: Now,
        _dialog: DialogKey,
        _draft: Draft,
    ) -> Result<ClientKey, UaError> {
        todo!()
    }

    /// Acknowledges a 2xx; sent again by itself for each retransmitted 2xx. `sdp` is the answer to a late offer.
    pub fn ack(&mut self, _now: Now, _dialog: DialogKey, _sdp: Option<bytes::Bytes>) -> Result<(), UaError> {
        todo!()
    }

    /// Cancels an INVITE (RFC 3261 §9.1): waits for the first provisional if none came yet. A 2xx may still arrive as
    /// `Response`; it must be acked and its dialog ended by BYE.
    pub fn cancel(&mut self, _now: Now, _invite: ClientKey, _reason: Option<String>) {
        todo!()
    }

    /// Forgets a dialog without sending anything (the peer's BYE was answered).
    pub fn forget_dialog(&mut self, _dialog: DialogKey) {
        todo!()
    }

    pub fn dialog(&self, _dialog: DialogKey) -> Option<DialogInfo> {
        todo!()
    }

    /// The flow is gone: client transactions on it fail, dialogs keep waiting for a new flow (RFC 5626).
    pub fn flow_closed(&mut self, _now: Now, _flow: Flow) {
        todo!()
    }

    /// Lets timers fire up to `now`.
    pub fn timeout(&mut self, _now: Now) {
        todo!()
    }
    pub fn poll_expired(&mut self) -> Option<Expired> {
        todo!()
    }
    /// Bytes to send, in order.
    pub fn poll_output(&mut self) -> Option<(Flow, Vec<u8>)> {
        todo!()
    }
    /// When `timeout` next has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }
}
