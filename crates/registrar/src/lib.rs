//! Which contacts can reach an address of record now: the rules of REGISTER, expiry, liveness, lookup.
//!
//! `rules` decides (RFC 3261 §10.3), `table` remembers. Nothing becomes true in memory before it is durable: `register`
//! returns a write, `commit` or `abandon` follows when the store has answered.

mod contact;
mod rules;
mod table;

use ahash::AHashMap;
use std::time::Duration;
use table::Table;
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
    /// Whoever registers here is the only contact: a page replaces the page before it. Phones may have several.
    pub alone: bool,
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
    /// 200 after this write is durable; then call `commit` with the same write, which returns the contacts to list.
    AfterWrite(StoreWrite),
    /// 423 with Min-Expires, in seconds.
    IntervalTooBrief { min_s: u32 },
    /// Another REGISTER of this address of record is being written; try again when it is (at most a few wait).
    InProgress,
    /// 400: `*` with other contacts or without Expires 0; 403: too many contacts; 500: out of order (§10.3 step 7); 503: table full.
    Refused { status: u16, why: &'static str },
}

/// All bindings in memory, and which addresses of record are being written.
pub struct Registrar {
    limits: Limits,
    table: Table,
    /// When the request behind the write was heard, and how many rows it adds; one write at a time per address of record.
    writing: AHashMap<Aor, Writing>,
    /// Rows that `writing` will add: promised room.
    promised: usize,
}

struct Writing {
    heard: Now,
    adds: usize,
    flow: Flow,
    /// The connection it came over closed meanwhile: what becomes true is suspect from the start.
    closed: bool,
}

impl Registrar {
    pub fn new(limits: Limits) -> Registrar {
        Registrar { limits, table: Table::default(), writing: AHashMap::new(), promised: 0 }
    }

    /// Decides; changes nothing until `commit`, except that the address of record is marked as being written.
    pub fn register(&mut self, now: Now, request: &Register) -> Registered {
        if request.contacts != Contacts::None && self.writing.contains_key(&request.aor) {
            return Registered::InProgress;
        }
        let old = self.table.bindings(now, &request.aor);
        match rules::decide(&self.limits, now, &old, request) {
            rules::Verdict::Unchanged => Registered::Now(old),
            rules::Verdict::TooBrief { min_s } => Registered::IntervalTooBrief { min_s },
            rules::Verdict::Refused { status, why } => Registered::Refused { status, why },
            rules::Verdict::Become(new) => {
                let adds = new.len().saturating_sub(old.len());
                if adds > 0 && self.table.len() + self.promised + adds > self.limits.bindings_max {
                    return Registered::Refused { status: 503, why: "too many registered phones" };
                }
                self.promised += adds;
                self.writing.insert(
                    request.aor.clone(),
                    Writing { heard: now, adds, flow: request.flow, closed: false },
                );
                Registered::AfterWrite(rules::write(&request.aor, &old, new))
            }
        }
    }

    /// The write is durable: it becomes true in memory. Returns what the address of record has now.
    pub fn commit(&mut self, now: Now, write: &StoreWrite) -> Vec<Binding> {
        let StoreWrite::Bindings { aor, put, drop } = write else { return Vec::new() };
        // Lifetimes count from the request, however long the disk took and whatever happened to the wall clock meanwhile.
        let writing = self.stop_writing(aor);
        let heard = writing.as_ref().map_or(now, |w| w.heard);
        let closed = writing.filter(|w| w.closed).map(|w| w.flow);
        for contact in drop {
            self.table.remove_contact(aor, contact);
        }
        for binding in put {
            let until = heard.instant + binding.expires.since(heard.wall);
            let liveness = if closed == Some(binding.flow) { Liveness::Suspect } else { Liveness::Live };
            self.table.put(binding, until, liveness);
        }
        self.table.reindex(aor, true);
        self.table.bindings(now, aor)
    }

    /// The write failed: nothing changes and the next REGISTER may come.
    pub fn abandon(&mut self, aor: &Aor) {
        self.stop_writing(aor);
        self.table.reindex(aor, true);
    }

    fn stop_writing(&mut self, aor: &Aor) -> Option<Writing> {
        let writing = self.writing.remove(aor)?;
        self.promised = self.promised.saturating_sub(writing.adds);
        Some(writing)
    }

    /// From the store at start. UDP is believed, streams are suspect (their connections are gone). What expired while we
    /// were away goes with the next `expire`, so that its row goes too.
    pub fn restore(&mut self, now: Now, binding: Binding) {
        let left = binding.expires.since(now.wall).min(self.limits.expires_max);
        let liveness = if binding.flow.transport.is_reliable() { Liveness::Suspect } else { Liveness::Live };
        self.table.put(&binding, now.instant + left, liveness);
        self.table.reindex(&binding.aor, true);
    }

    /// Contacts to ring, best first (q, then most recent), unreachable ones left out.
    pub fn lookup(&self, now: Now, aor: &Aor) -> Vec<(Binding, Liveness)> {
        let mut found = self.table.with_liveness(now, aor);
        found.retain(|(_, liveness)| *liveness != Liveness::Unreachable);
        found.sort_by(|(a, _), (b, _)| b.q.cmp(&a.q).then(b.registered.cmp(&a.registered)));
        found
    }

    /// All contacts, unreachable ones too, for lists.
    pub fn contacts(&self, now: Now, aor: &Aor) -> Vec<(Binding, Liveness)> {
        self.table.with_liveness(now, aor)
    }

    /// Contacts of this flow become suspect, those being written as soon as they are true; returns the addresses of record
    /// to probe.
    pub fn flow_closed(&mut self, flow: Flow) -> Vec<Aor> {
        for writing in self.writing.values_mut().filter(|w| w.flow == flow) {
            writing.closed = true;
        }
        self.table.suspect_flow(flow)
    }

    pub fn set_liveness(&mut self, aor: &Aor, contact: &str, liveness: Liveness) {
        self.table.set_liveness(aor, contact, liveness);
    }

    /// Removes what has expired; returns the writes and whose address of record they concern. Addresses of record that are
    /// being written wait for their `commit`, so that an expiry never overtakes a refresh on the way to the store.
    pub fn expire(&mut self, now: Now) -> Vec<StoreWrite> {
        let mut writes = Vec::new();
        while let Some(aor) = self.table.take_due(now.instant) {
            if self.writing.contains_key(&aor) {
                continue;
            }
            let old = self.table.all(&aor);
            let alive = self.table.bindings(now, &aor);
            let (new, gone): (Vec<_>, Vec<_>) =
                old.iter().cloned().partition(|o| alive.iter().any(|n| table::key(n) == table::key(o)));
            for gone in &gone {
                self.table.remove(gone);
            }
            self.table.reindex(&aor, true);
            if new.len() < old.len() {
                writes.push(rules::write(&aor, &old, new));
            }
        }
        writes
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.table.deadline()
    }

    /// Every address of record that has contacts, in no order.
    pub fn aors(&self) -> impl Iterator<Item = &Aor> {
        self.table.aors()
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Builds every index anew from the rows and compares; for tests and for the checkers of the simulated world.
    pub fn check_indexes(&self) -> Result<(), String> {
        let adds: usize = self.writing.values().map(|w| w.adds).sum();
        if adds != self.promised {
            return Err(format!("promised {} but writing {adds}", self.promised));
        }
        self.table.check(|aor| self.writing.contains_key(aor))
    }
}
