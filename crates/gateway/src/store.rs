//! What waits for the store: a registration its 200, a call record nothing but its place. Busy is not broken: a record is
//! written again a moment later.

use crate::{Gateway, Output};
use ahash::AHashMap;
use sip::ua::ServerKey;
use std::collections::VecDeque;
use std::time::Duration;
use terms::{CallRecord, Instant, Now, StoreError, StoreTicket, StoreWrite};

/// Answers we wait for at once; past it a REGISTER gets 503, and a record waits in the queue below.
pub(crate) const TICKETS_MAX: usize = 65_536;
/// Records a busy store made wait. Each is under a kilobyte; past it the oldest is dropped and counted.
const RECORDS_WAITING_MAX: usize = 65_536;
const RETRY: Duration = Duration::from_secs(1);

pub(crate) enum Waiting {
    /// The 200 of this REGISTER, and what becomes true with it.
    Register {
        key: ServerKey,
        write: Box<StoreWrite>,
        outbound: bool,
        path: bool,
    },
    Record(Box<CallRecord>),
    /// Expired bindings; the memory is ahead of the row, and a restart would expire it again.
    Expiry,
}

#[derive(Default)]
pub(crate) struct Store {
    waiting: AHashMap<StoreTicket, Waiting>,
    next: u64,
    again: VecDeque<(Instant, Box<CallRecord>)>,
    records: usize,
}

impl Store {
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= TICKETS_MAX
    }
    pub(crate) fn records_waiting(&self) -> usize {
        self.records + self.again.len()
    }
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.again.front().map(|(at, _)| *at)
    }
}

impl Gateway {
    pub(crate) fn write(&mut self, write: StoreWrite, waiting: Waiting) {
        self.store.next += 1;
        let ticket = StoreTicket(self.store.next);
        if matches!(waiting, Waiting::Record(_)) {
            self.store.records += 1;
        }
        self.store.waiting.insert(ticket, waiting);
        self.out.push_back(Output::Store(ticket, write));
    }

    pub(crate) fn write_record(&mut self, now: Now, record: Box<CallRecord>) {
        if self.store.is_full() {
            return self.write_record_later(now, record);
        }
        self.write(StoreWrite::Record(record.clone()), Waiting::Record(record));
    }

    fn write_record_later(&mut self, now: Now, record: Box<CallRecord>) {
        if self.store.again.len() >= RECORDS_WAITING_MAX {
            self.store.again.pop_front();
            self.counters.store_failures += 1;
        }
        self.store.again.push_back((now.instant + RETRY, record));
    }

    pub(crate) fn stored(&mut self, now: Now, ticket: StoreTicket, result: Result<(), StoreError>) {
        let Some(waiting) = self.store.waiting.remove(&ticket) else { return };
        if result.is_err() {
            self.counters.store_failures += 1;
        }
        match waiting {
            Waiting::Register { key, write, outbound, path } => {
                self.register_stored(now, key, &write, outbound, path, result)
            }
            Waiting::Record(record) => {
                self.store.records -= 1;
                match result {
                    // A row that only tells of a beginning is not worth a second try once its end is written.
                    Err(StoreError::Busy(_))
                        if record.ended.is_some() || self.contexts.contains_key(&record.call) =>
                    {
                        self.write_record_later(now, record)
                    }
                    _ => {}
                }
            }
            Waiting::Expiry => {}
        }
    }

    pub(crate) fn store_timeout(&mut self, now: Now) {
        while self.store.again.front().is_some_and(|(at, _)| *at <= now.instant) && !self.store.is_full() {
            let Some((_, record)) = self.store.again.pop_front() else { return };
            // A later row of the same call may have overtaken this one.
            if record.ended.is_some() || self.contexts.contains_key(&record.call) {
                self.write(StoreWrite::Record(record.clone()), Waiting::Record(record));
            }
        }
    }
}
