//! Group commit: whatever the core asked to keep while the last commit was under way goes into the next one together.

use crate::core::{CoreHandle, Post};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::Store;
use terms::{StoreError, StoreTicket, StoreWrite};
use tokio::sync::mpsc;

pub type WriteOrder = (StoreTicket, StoreWrite);

/// Writes that wait, those under way included. Past it the core is told at once that the store is busy.
const WAITING_MAX: usize = 8_192;
/// Writes in one commit. More would make the first of them wait for the last.
const COMMIT_MAX: usize = 512;

/// The core's side. Never waits.
pub struct StoreDoor {
    orders: mpsc::UnboundedSender<Vec<WriteOrder>>,
    waiting: Arc<AtomicUsize>,
}

/// The task's side.
pub struct StoreDesk {
    orders: mpsc::UnboundedReceiver<Vec<WriteOrder>>,
    waiting: Arc<AtomicUsize>,
}

/// The channel is unbounded by itself; `waiting` bounds it, counted in writes rather than in messages.
pub fn pair() -> (StoreDoor, StoreDesk) {
    let (send, receive) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (StoreDoor { orders: send, waiting: waiting.clone() }, StoreDesk { orders: receive, waiting })
}

impl StoreDoor {
    /// Hands the writes over and returns the tickets of those that found no room.
    pub fn order(&self, mut orders: Vec<WriteOrder>) -> Vec<StoreTicket> {
        let room = WAITING_MAX.saturating_sub(self.waiting.load(Ordering::Acquire));
        let mut refused: Vec<StoreTicket> =
            orders.drain(room.min(orders.len())..).map(|(ticket, _)| ticket).collect();
        if orders.is_empty() {
            return refused;
        }
        self.waiting.fetch_add(orders.len(), Ordering::AcqRel);
        if let Err(back) = self.orders.send(orders) {
            self.waiting.fetch_sub(back.0.len(), Ordering::AcqRel);
            refused.extend(back.0.into_iter().map(|(ticket, _)| ticket));
        }
        refused
    }
}

impl StoreDesk {
    /// Runs until the core's side is gone and everything it asked for is written.
    pub async fn run(mut self, store: Arc<impl Store>, core: CoreHandle) {
        let mut tickets = Vec::with_capacity(COMMIT_MAX);
        let mut batch = Vec::with_capacity(COMMIT_MAX);
        while let Some(first) = self.orders.recv().await {
            add(first, &mut tickets, &mut batch);
            while batch.len() < COMMIT_MAX {
                let Ok(more) = self.orders.try_recv() else { break };
                add(more, &mut tickets, &mut batch);
            }
            let count = batch.len();
            let results = store.write(std::mem::take(&mut batch)).await;
            report(&results);
            // A store that answers short would leave the rest waiting for ever; say so instead.
            let silent = || Err(StoreError::Failed("the store gave no answer".into()));
            let results = results.into_iter().chain(std::iter::repeat_with(silent));
            let results = std::mem::take(&mut tickets).into_iter().zip(results).collect();
            self.waiting.fetch_sub(count, Ordering::AcqRel);
            core.post(Post::Stored(results)).await;
        }
    }
}

fn add(orders: Vec<WriteOrder>, tickets: &mut Vec<StoreTicket>, batch: &mut Vec<StoreWrite>) {
    for (ticket, write) in orders {
        tickets.push(ticket);
        batch.push(write);
    }
}

/// One line for a commit that failed, however many writes were in it.
fn report(results: &[Result<(), StoreError>]) {
    let failed = results.iter().filter(|r| r.is_err()).count();
    if let Some(error) = results.iter().find_map(|r| r.as_ref().err()) {
        tracing::error!(failed, of = results.len(), %error, "store did not write");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use terms::{Aor, StoreWrite};

    fn orders(n: usize) -> Vec<WriteOrder> {
        let write = StoreWrite::Bindings { aor: Aor::new("desk", "x.test"), put: vec![], drop: vec![] };
        (0..n).map(|i| (StoreTicket(i as u64), write.clone())).collect()
    }

    #[test]
    fn a_full_queue_refuses_at_once_what_finds_no_room() {
        let (door, desk) = pair();
        assert!(door.order(orders(WAITING_MAX - 1)).is_empty());
        assert_eq!(door.order(orders(3)), [StoreTicket(1), StoreTicket(2)]);
        drop(desk);
        door.waiting.store(0, Ordering::Release);
        assert_eq!(door.order(orders(2)).len(), 2, "a store that is gone refuses everything");
    }
}
