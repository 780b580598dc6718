//! The rows in memory and their two indexes: what expires next, and who came over which stream.
//!
//! Lifetimes are kept on the monotonic clock, so a wall clock that jumps neither drops nor prolongs a binding; the wall
//! times that go out are counted from what is left. Rows are kept packed, one inline per address of record:
//! `tests/memory.rs` counts what 100,000 of them take.

use crate::contact;
use ahash::AHashMap;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use terms::{Aor, Binding, Flow, Instant, Liveness, Now, Packed, PackedRef};

#[derive(Default)]
pub struct Table {
    entries: AHashMap<Aor, Entry>,
    rows: usize,
    /// The next expiry per address of record.
    due: BTreeSet<(Instant, Aor)>,
    /// Streams only: UDP has no end to hear of.
    by_stream: AHashMap<Flow, SmallVec<[Aor; 1]>>,
}

#[derive(Default)]
struct Entry {
    rows: SmallVec<[Row; 1]>,
    /// What stands in `due`.
    due: Option<Instant>,
}

struct Row {
    packed: Packed,
    until: Instant,
    liveness: Liveness,
}

/// What the store tells rows apart by.
pub fn key(b: &Binding) -> (&str, Option<&str>, u32) {
    (&b.contact, b.instance.as_deref(), b.reg_id)
}

impl Row {
    fn get(&self) -> PackedRef<'_> {
        self.packed.get()
    }
    fn is(&self, b: &Binding) -> bool {
        let own = self.get();
        (own.contact, own.instance, own.reg_id) == key(b)
    }
    /// As the world shall see it now, with the expiry counted from what is left.
    fn shown(&self, now: Now, aor: &Aor) -> Binding {
        let mut binding = self.get().binding(aor.clone());
        binding.expires = now.wall + self.until.since(now.instant);
        binding
    }
}

impl Table {
    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn aors(&self) -> impl Iterator<Item = &Aor> {
        self.entries.keys()
    }

    fn rows(&self, aor: &Aor) -> &[Row] {
        self.entries.get(aor).map_or(&[], |entry| &entry.rows)
    }

    /// The rows that have not expired.
    pub fn bindings(&self, now: Now, aor: &Aor) -> Vec<Binding> {
        self.rows(aor).iter().filter(|r| r.until > now.instant).map(|r| r.shown(now, aor)).collect()
    }

    pub fn with_liveness(&self, now: Now, aor: &Aor) -> Vec<(Binding, Liveness)> {
        let alive = self.rows(aor).iter().filter(|r| r.until > now.instant);
        alive.map(|r| (r.shown(now, aor), r.liveness)).collect()
    }

    /// The rows as they are kept, expired ones too.
    pub fn all(&self, aor: &Aor) -> Vec<Binding> {
        self.rows(aor).iter().map(|r| r.get().binding(aor.clone())).collect()
    }

    pub fn put(&mut self, binding: &Binding, until: Instant, liveness: Liveness) {
        let (aor, flow) = (&binding.aor, binding.flow);
        let packed = Packed::of(binding);
        let entry = self.entries.entry(aor.clone()).or_default();
        match entry.rows.iter_mut().find(|r| r.is(binding)) {
            Some(row) => {
                // Put again unchanged, beside the removal of its contact's twin: its lifetime goes on.
                let old = row.get();
                let same = old.call_id == binding.call_id && old.cseq == binding.cseq;
                let old_flow = old.flow;
                let until = if same { row.until } else { until };
                let liveness = if same { row.liveness } else { liveness };
                *row = Row { packed, until, liveness };
                self.unlink(old_flow, aor);
            }
            None => {
                entry.rows.push(Row { packed, until, liveness });
                self.rows += 1;
            }
        };
        if flow.transport.is_reliable() {
            let aors = self.by_stream.entry(flow).or_default();
            if !aors.contains(aor) {
                aors.push(aor.clone());
            }
        }
    }

    /// Removes every row with exactly this contact, or none.
    pub fn remove_contact(&mut self, aor: &Aor, contact: &str) {
        self.remove_where(aor, |row| row.get().contact == contact);
    }

    pub fn remove(&mut self, gone: &Binding) {
        self.remove_where(&gone.aor, |row| row.is(gone));
    }

    fn remove_where(&mut self, aor: &Aor, goes: impl Fn(&Row) -> bool) {
        let Some(entry) = self.entries.get_mut(aor) else { return };
        let mut flows: SmallVec<[Flow; 2]> = SmallVec::new();
        let before = entry.rows.len();
        entry.rows.retain(|row| {
            let goes = goes(row);
            if goes {
                flows.push(row.get().flow);
            }
            !goes
        });
        self.rows -= before - entry.rows.len();
        for flow in flows {
            self.unlink(flow, aor);
        }
    }

    /// Takes the address of record off the flow's list, unless another row still uses the flow.
    fn unlink(&mut self, flow: Flow, aor: &Aor) {
        if !flow.transport.is_reliable() || self.rows(aor).iter().any(|r| r.get().flow == flow) {
            return;
        }
        if let Some(aors) = self.by_stream.get_mut(&flow) {
            aors.retain(|a| a != aor);
            if aors.is_empty() {
                self.by_stream.remove(&flow);
            }
        }
    }

    /// Brings `due` in line with the rows; the one place where an entry without rows ends. `wanted` false leaves the
    /// address of record out of `due` for now.
    pub fn reindex(&mut self, aor: &Aor, wanted: bool) {
        let Some(entry) = self.entries.get_mut(aor) else { return };
        let next = entry.rows.iter().map(|r| r.until).min().filter(|_| wanted);
        if next != entry.due {
            if let Some(old) = entry.due {
                self.due.remove(&(old, aor.clone()));
            }
            if let Some(new) = next {
                self.due.insert((new, aor.clone()));
            }
            entry.due = next;
        }
        if entry.rows.is_empty() {
            self.entries.remove(aor);
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next address of record with an expired row. It is out of `due` until `reindex`.
    pub fn take_due(&mut self, now: Instant) -> Option<Aor> {
        let aor = self.due.first().filter(|(at, _)| *at <= now).map(|(_, aor)| aor.clone())?;
        self.reindex(&aor, false);
        Some(aor)
    }

    pub fn set_liveness(&mut self, aor: &Aor, contact: &str, liveness: Liveness) {
        let Some(entry) = self.entries.get_mut(aor) else { return };
        for row in entry.rows.iter_mut().filter(|r| contact::same(r.get().contact, contact)) {
            row.liveness = liveness;
        }
    }

    pub fn suspect_flow(&mut self, flow: Flow) -> Vec<Aor> {
        let aors: Vec<Aor> = if flow.transport.is_reliable() {
            self.by_stream.get(&flow).map(|aors| aors.to_vec()).unwrap_or_default()
        } else {
            let on_flow = |e: &Entry| e.rows.iter().any(|r| r.get().flow == flow);
            self.entries.iter().filter(|(_, e)| on_flow(e)).map(|(aor, _)| aor.clone()).collect()
        };
        for aor in &aors {
            let Some(entry) = self.entries.get_mut(aor) else { continue };
            for row in entry.rows.iter_mut().filter(|r| r.get().flow == flow) {
                row.liveness = row.liveness.max(Liveness::Suspect);
            }
        }
        aors
    }

    /// Compares the indexes with what the rows say. `writing` tells who may be out of `due`.
    pub fn check(&self, writing: impl Fn(&Aor) -> bool) -> Result<(), String> {
        let rows: usize = self.entries.values().map(|e| e.rows.len()).sum();
        if rows != self.rows {
            return Err(format!("counted {} rows, there are {rows}", self.rows));
        }
        let mut due = BTreeSet::new();
        let mut streams: AHashMap<Flow, Vec<Aor>> = AHashMap::new();
        for (aor, entry) in &self.entries {
            if entry.rows.is_empty() {
                return Err(format!("{aor} is kept without a row"));
            }
            let next = entry.rows.iter().map(|r| r.until).min();
            if entry.due != next && !(entry.due.is_none() && writing(aor)) {
                return Err(format!("{aor} is due at {:?}, its rows say {next:?}", entry.due));
            }
            due.extend(entry.due.map(|at| (at, aor.clone())));
            for flow in entry.rows.iter().map(|r| r.get().flow).filter(|f| f.transport.is_reliable()) {
                let aors = streams.entry(flow).or_default();
                if !aors.contains(aor) {
                    aors.push(aor.clone());
                }
            }
        }
        if due != self.due {
            return Err("the expiry index differs from the rows".into());
        }
        let mut kept: AHashMap<Flow, Vec<Aor>> =
            self.by_stream.iter().map(|(f, aors)| (*f, aors.to_vec())).collect();
        for aors in kept.values_mut().chain(streams.values_mut()) {
            aors.sort_unstable();
        }
        if kept != streams {
            return Err("the stream index differs from the rows".into());
        }
        Ok(())
    }
}
