//! Which contacts can reach an address of record now: the rules of REGISTER, expiry, liveness, lookup.

use std::time::Duration;
use terms::{Aor, Binding, Flow, Instant, Liveness, Now, StoreWrite};

/// Two flows (RFC 5626) and their stale twins after a reboot; a fifth contact gets 403.
pub const BINDINGS_PER_AOR_MAX: usize = 4;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub expires_min: Duration,
    pub expires_default: Duration,
    pub expires_max: Duration,
    pub bindings_max: usize,
}

/// One Contact of a REGISTER, read by the caller.
#[derive(Clone, Debug, PartialEq)]
pub struct ContactAsk {
    pub uri: String,
    pub expires: Option<u32>,
    pub q: u16,
    pub instance: Option<String>,
    pub reg_id: u32,
}

/// A REGISTER whose sender is authenticated and entitled to the address of record (RFC 3261 §10.3 steps 1 to 5 done).
#[derive(Clone, Debug, PartialEq)]
pub struct Register {
    pub aor: Aor,
    pub call_id: String,
    pub cseq: u32,
    /// The Expires header, in seconds.
    pub expires: Option<u32>,
    pub contacts: Contacts,
    pub path: Vec<String>,
    pub user_agent: String,
    pub flow: Flow,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Contacts {
    /// No Contact header: a query.
    None,
    /// `*`: remove all; only with Expires 0.
    Star,
    List(Vec<ContactAsk>),
}

/// The answer to a REGISTER.
#[derive(Clone, Debug, PartialEq)]
pub enum Registered {
    /// 200 with these contacts, at once: a query, or nothing changed.
    Now(Vec<Binding>),
    /// 200 after this write is durable; then call `commit` with the same write and read the contacts with `lookup`.
    AfterWrite(StoreWrite),
    /// 423 with Min-Expires, in seconds.
    IntervalTooBrief { min_s: u32 },
    /// Another REGISTER of this address of record is being written; try again when it is (at most a few wait).
    InProgress,
    /// 400: `*` with other contacts or without Expires 0; 403: too many contacts; 500: out of order (§10.3 step 7); 503: table full.
    Refused { status: u16, why: &'static str },
}

pub struct Registrar {}

impl Registrar {
    pub fn new(_limits: Limits) -> Registrar {
        todo!()
    }
    /// Decides; changes nothing until `commit`, except that the address of record is marked as being written.
    pub fn register(&mut self, _now: Now, _request: &Register) -> Registered {
        todo!()
    }
    /// The write is durable: it becomes true in memory. Returns what the address of record has now.
    pub fn commit(&mut self, _now: Now, _write: &StoreWrite) -> Vec<Binding> {
        todo!()
    }
    /// The write failed: nothing changes and the next REGISTER may come.
    pub fn abandon(&mut self, _aor: &Aor) {
        todo!()
    }
    /// From the store at start. UDP is believed, streams are suspect (their connections are gone).
    pub fn restore(&mut self, _now: Now, _binding: Binding) {
        todo!()
    }
    /// Contacts to ring, best first (q, then most recent), unreachable ones left out.
    pub fn lookup(&self, _now: Now, _aor: &Aor) -> Vec<(Binding, Liveness)> {
        todo!()
    }
    /// Contacts of this flow become suspect; returns the addresses of record to probe.
    pub fn flow_closed(&mut self, _flow: Flow) -> Vec<Aor> {
        todo!()
    }
    pub fn set_liveness(&mut self, _aor: &Aor, _contact: &str, _liveness: Liveness) {
        todo!()
    }
    /// Removes what has expired; returns the writes and whose address of record they concern.
    pub fn expire(&mut self, _now: Now) -> Vec<StoreWrite> {
        todo!()
    }
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }
    pub fn len(&self) -> usize {
        todo!()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
