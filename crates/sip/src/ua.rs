//! Whose message is this? The `Ua` owns every transaction and dialog, matches each message once and hands it to one
//! owner. It retransmits, absorbs retransmissions and keeps the timers; it decides nothing about calls.

mod admit;
mod answered;
mod answers;
mod chance;
mod echo;
mod incoming;
mod reliable;
mod respond;
mod send;
mod state;
mod table;
mod time;

pub use admit::{ALLOW, EXTENSIONS};

use crate::dialog::{Dialog, Phase};
use crate::transaction::Pace;
use crate::transaction::key::{Keyring, MatchKey};
use crate::{Message, ParseError};
use answered::Answers;
use chance::Chance;
use state::{Client, Server};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use table::Table;
use terms::{ConnectionId, Flow, Instant, Now, Transport};
use time::Due;

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
    /// Server plus client transactions; past it a new request gets 503 with Retry-After. Requests in dialogs and CANCEL
    /// may use a quarter more, for they end things.
    pub transactions_max: usize,
    /// Past it a new INVITE gets 503 with Retry-After, and `request` refuses to send one.
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

/// Who a new request is from and to: complete header values without tags, e.g. `"Ann" <sip:2001@hotseat.test>`. A tag
/// in `from` is kept, for a request that comes again with credentials (RFC 3261 §22.2).
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
    /// No final response came (timer B, F; 64·T1 after CANCEL), or the flow failed. Counts as 408, or 503 if
    /// `flow_failed`. Also for an INVITE whose 2xx came when its dialog was over already.
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
    #[error("too many transactions or dialogs at once")]
    Full,
    /// RFC 3261 §14.1: no INVITE in a dialog while another is under way in either direction.
    #[error("another INVITE is under way in this dialog")]
    InviteUnderWay,
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

/// How much the `Ua` holds right now, for metrics and for tests that end at rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Holds {
    pub servers: usize,
    pub clients: usize,
    pub dialogs: usize,
    /// Entries in the timer queue, stale ones included.
    pub timers: usize,
}

pub struct Ua {
    config: UaConfig,
    keys: Keyring,
    chance: Chance,
    servers: Table<Server>,
    by_match: HashMap<MatchKey, u64, ahash::RandomState>,
    /// Requests outside dialogs by what a merged copy would share with them (RFC 3261 §8.2.2.2).
    by_merge: HashSet<u128, ahash::RandomState>,
    /// What is left of requests that were answered.
    answered: Answers,
    clients: Table<Client>,
    /// By the number in our branch and whether it is the CANCEL of that branch.
    by_branch: HashMap<(u64, bool), u64, ahash::RandomState>,
    dialogs: Table<Dialog>,
    by_dialog: HashMap<u128, u64, ahash::RandomState>,
    /// How many transactions and dialogs live on each connection; a connection without any closes for nothing.
    on_connection: HashMap<ConnectionId, u32, ahash::RandomState>,
    timers: BinaryHeap<Reverse<(Instant, Due)>>,
    out: VecDeque<(Flow, Vec<u8>)>,
    expired: VecDeque<Expired>,
    /// Where in `out` the refusal stands that the last message got without leaving state.
    refusal: Option<usize>,
    /// The CSeq of our last request outside dialogs: growing for any Call-ID, as RFC 3261 §10.2.4 wants of REGISTERs.
    cseq: u32,
}

impl Ua {
    pub fn new(config: UaConfig) -> Ua {
        let mut chance = Chance::new(config.seed);
        let keys = Keyring::new(std::array::from_fn(|_| chance.number()));
        let mut table = || {
            let [a, b, c, d] = std::array::from_fn(|_| chance.number());
            ahash::RandomState::with_seeds(a, b, c, d)
        };
        Ua {
            keys,
            by_match: HashMap::with_hasher(table()),
            by_merge: HashSet::with_hasher(table()),
            answered: Answers::new(table()),
            by_branch: HashMap::with_hasher(table()),
            by_dialog: HashMap::with_hasher(table()),
            on_connection: HashMap::with_hasher(table()),
            chance,
            config,
            servers: Table::new(),
            clients: Table::new(),
            dialogs: Table::new(),
            timers: BinaryHeap::new(),
            out: VecDeque::new(),
            expired: VecDeque::new(),
            refusal: None,
            cseq: 0,
        }
    }

    /// Takes one whole message from a flow. Parses, validates (RFC 3261 §8.2, §16.3), matches. A message that cannot
    /// be read is answered where the RFC answers and reported as the error for the log's counters.
    pub fn receive<'m>(&mut self, now: Now, flow: Flow, bytes: &'m [u8]) -> Result<Received<'m>, ParseError> {
        self.refusal = None;
        if crate::is_keep_alive(bytes) {
            return Ok(Received::Handled);
        }
        let received = match Message::parse(bytes) {
            Ok(message) if message.is_response() => match message.check_response() {
                Ok(()) => Ok(self.response(now.instant, flow, message)),
                Err(error) => Err(error),
            },
            Ok(message) => match message.check_request() {
                Ok(()) => Ok(self.incoming(now.instant, flow, message)),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        if let Err(error) = &received
            && let Some(status) = error.status
            && let Some(request) = Message::salvage(bytes)
            // RFC 3261 §17.1.3: no client could match a response without a CSeq, so there is nobody to answer.
            && request.header_bytes(crate::Name::CSeq).is_some()
        {
            self.refuse(flow, &request, status, Some(error.reason), &[]);
        }
        self.settle();
        received
    }

    /// Whether the last message was refused by the rules of the RFC, without anybody being asked (400, 405, 481 …).
    pub fn has_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// Keeps that refusal to ourselves, for a source that has had its share of answers. To be asked before
    /// `poll_output`.
    pub fn take_back_refusal(&mut self) {
        if let Some(at) = self.refusal.take() {
            self.out.remove(at);
        }
    }

    /// Forgets a dialog without sending anything (the peer's BYE was answered).
    pub fn forget_dialog(&mut self, dialog: DialogKey) {
        self.end_dialog(dialog.0);
        self.settle();
    }

    /// The peer of a dialog is reached at another contact over another flow from now on (RFC 5626 §5.3): it registered there.
    pub fn retarget(&mut self, dialog: DialogKey, flow: Flow, contact: &str) {
        if let Some(one) = self.dialogs.get_mut(dialog.0) {
            one.remote_target = crate::dialog::target_of(contact);
        }
        self.moved(dialog.0, flow);
    }

    /// The dialog with this Call-ID, our tag and theirs, if it is not over.
    pub fn dialog_named(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> Option<DialogKey> {
        let key = *self.by_dialog.get(&self.keys.dialog(call_id, local_tag, remote_tag))?;
        self.dialogs.get(key).filter(|dialog| !dialog.is_ending()).map(|_| DialogKey(key))
    }

    /// The flow a request came over that still waits for its final response.
    pub fn flow_of(&self, request: ServerKey) -> Option<Flow> {
        self.servers.get(request.0).map(|server| server.flow)
    }

    /// `None` once the dialog is over, which it is as soon as BYE was sent.
    pub fn dialog(&self, dialog: DialogKey) -> Option<DialogInfo> {
        let dialog = self.dialogs.get(dialog.0).filter(|d| !d.is_ending())?;
        Some(DialogInfo {
            call_id: dialog.call_id.to_string(),
            local_tag: dialog.local_tag.to_string(),
            remote_tag: dialog.remote_tag.to_string(),
            remote_target: dialog.remote_target.to_string(),
            flow: dialog.flow,
            confirmed: dialog.phase == Phase::Confirmed,
        })
    }

    /// The flow is gone: client transactions on it fail, dialogs keep waiting for a new flow (RFC 5626).
    pub fn flow_closed(&mut self, _now: Now, flow: Flow) {
        let same = |other: Flow| match flow.transport.is_reliable() {
            true => other.connection == flow.connection && other.transport == flow.transport,
            false => other == flow,
        };
        if flow.transport.is_reliable() && !self.on_connection.contains_key(&flow.connection) {
            return;
        }
        let clients: Vec<u64> =
            self.clients.iter().filter(|(_, c)| same(c.flow)).map(|(key, _)| key).collect();
        let servers: Vec<u64> =
            self.servers.iter().filter(|(_, s)| same(s.flow)).map(|(key, _)| key).collect();
        let dialogs: Vec<u64> =
            self.dialogs.iter().filter(|(_, d)| same(d.flow)).map(|(key, _)| key).collect();
        if !flow.transport.is_reliable() {
            self.answered.flow_closed(same);
        }
        for key in servers {
            if let Some(server) = self.servers.get_mut(key) {
                server.flow_open = false;
            }
        }
        for key in dialogs {
            if let Some(dialog) = self.dialogs.get_mut(key) {
                dialog.flow_open = false;
            }
        }
        for key in clients {
            self.client_failed(key, true);
        }
        self.settle();
    }

    pub fn poll_expired(&mut self) -> Option<Expired> {
        self.expired.pop_front()
    }
    /// Bytes to send, in order.
    pub fn poll_output(&mut self) -> Option<(Flow, Vec<u8>)> {
        self.refusal = None;
        self.out.pop_front()
    }

    /// How much is held. All zero once everything is over.
    pub fn holds(&self) -> Holds {
        Holds {
            servers: self.servers.len() + self.answered.len(),
            clients: self.clients.len(),
            dialogs: self.dialogs.len(),
            timers: self.timers.len() + self.answered.len(),
        }
    }

    fn pace(&self, flow: Flow) -> Pace {
        Pace::new(self.config.timers, flow.transport.is_reliable())
    }

    /// How peers see the socket behind a flow. An outgoing connection has a port of its own; peers come back to the
    /// one we listen on with that transport.
    fn advertised(&self, flow: Flow) -> SocketAddr {
        let locals = self.config.locals.iter().filter(|l| l.transport == flow.transport);
        let family = |l: &&Local| l.advertised.is_ipv4() == flow.local.is_ipv4();
        let exact = locals.clone().find(|l| l.bound == flow.local);
        let near =
            || locals.clone().find(|l| l.bound.port() == flow.local.port()).or(locals.clone().find(family));
        exact.or_else(near).map_or(flow.local, |l| l.advertised)
    }

    /// Whether another transaction fits; those that end things get a quarter more room.
    fn has_room(&self, ends_things: bool) -> bool {
        let max = self.config.transactions_max;
        let max = if ends_things { max.saturating_add(max / 4) } else { max };
        let held = self.servers.len() + self.answered.len() + self.clients.len();
        held < max
    }

    fn count_up(&mut self, flow: Flow) {
        if flow.transport.is_reliable() {
            let count = self.on_connection.entry(flow.connection).or_default();
            *count = count.saturating_add(1);
        }
    }
    fn count_down(&mut self, flow: Flow) {
        if !flow.transport.is_reliable() {
            return;
        }
        if let Some(count) = self.on_connection.get_mut(&flow.connection) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.on_connection.remove(&flow.connection);
            }
        }
    }

    /// The one place where a dialog ends. Harmless when it did before.
    fn end_dialog(&mut self, key: u64) {
        let Some(dialog) = self.dialogs.remove(key) else { return };
        self.count_down(dialog.flow);
        if self.by_dialog.get(&dialog.id) == Some(&key) {
            self.by_dialog.remove(&dialog.id);
        }
        if let Some((invite, _)) = dialog.their_invite {
            if let Some(server) = self.servers.get_mut(invite) {
                server.forget_ack();
            }
            self.arm(Due::Server(invite));
        }
    }

    /// The one place where a server transaction ends.
    fn end_server(&mut self, key: u64) {
        let Some(server) = self.servers.remove(key) else { return };
        self.count_down(server.flow);
        if self.by_match.get(&server.matched) == Some(&key) {
            self.by_match.remove(&server.matched);
        }
        if let Some(merged) = server.merged {
            self.by_merge.remove(&merged);
        }
    }

    /// The one place where a client transaction ends. Early dialogs of its INVITE end with it (RFC 3261 §12.3 where it
    /// was refused, §13.2.2.4 where another fork answered).
    fn end_client(&mut self, key: u64) {
        let Some(client) = self.clients.remove(key) else { return };
        self.count_down(client.flow);
        self.by_branch.remove(&(client.branch, client.is_cancel()));
        for fork in &client.forks {
            if self.dialogs.get(fork.dialog).is_some_and(|d| d.phase == Phase::Early) {
                self.end_dialog(fork.dialog);
            }
        }
        if let Some(dialog) = client.dialog.and_then(|d| self.dialogs.get_mut(d))
            && dialog.our_invite == Some(key)
        {
            dialog.our_invite = None;
        }
    }

    fn send(&mut self, flow: Flow, bytes: Vec<u8>) {
        self.out.push_back((flow, bytes));
    }
}
