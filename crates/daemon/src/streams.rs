//! Stream connections as the core sees them: a number to send to. Behind each number stands a task with a bounded queue.

use dashmap::DashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use terms::{ConnectionId, Flow, WhyClosed};
use tokio::sync::{mpsc, oneshot};

/// Messages that wait for one peer to read. A peer that lets so many pile up has stopped reading and is closed.
const WRITER_QUEUE_MAX: usize = 256;
/// Connections the core asked for that no task has taken yet.
const CONNECTS_MAX: usize = 1_024;
/// How often a process that leaves looks whether all have gone.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a connection's task holds.
pub struct Line {
    pub flow: Flow,
    pub outgoing: mpsc::Receiver<Vec<u8>>,
    /// Why the core or a full queue closed it. Resolves with an error when the registry is gone.
    pub closing: oneshot::Receiver<WhyClosed>,
}

struct Writer {
    flow: Flow,
    queue: mpsc::Sender<Vec<u8>>,
    close: Option<oneshot::Sender<WhyClosed>>,
}

/// Keyed per map, which is what tables with keys from the network need.
type Keyed = std::collections::hash_map::RandomState;

/// The registry. Guards of the maps never live longer than one expression.
pub struct Streams {
    writers: DashMap<ConnectionId, Writer, Keyed>,
    connects: mpsc::Sender<Line>,
    per_source: DashMap<IpAddr, usize, Keyed>,
    total: AtomicUsize,
    accepted: AtomicU64,
    /// The process ends: whoever opens now is closed at once.
    leaving: AtomicBool,
    connections_max: usize,
    per_source_max: usize,
}

impl Streams {
    /// The registry and the connections the core will ask for.
    pub fn new(connections_max: usize, per_source_max: usize) -> (Streams, mpsc::Receiver<Line>) {
        let (connects, wanted) = mpsc::channel(CONNECTS_MAX);
        let streams = Streams {
            writers: DashMap::default(),
            connects,
            per_source: DashMap::default(),
            total: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            connections_max,
            per_source_max,
        };
        (streams, wanted)
    }

    /// An even number for an accepted connection (odd ones are the core's), or `None` where there is no room for it.
    pub fn admit(&self, source: IpAddr) -> Option<ConnectionId> {
        if self.total.fetch_add(1, Ordering::AcqRel) >= self.connections_max {
            self.total.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        let mut full = false;
        self.per_source.entry(source).and_modify(|n| full = *n >= self.per_source_max).or_insert(0);
        if full {
            self.total.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        self.per_source.entry(source).and_modify(|n| *n += 1);
        Some(ConnectionId(2 * (self.accepted.fetch_add(1, Ordering::Relaxed) + 1)))
    }

    /// Gives back what `admit` took; once per admitted connection.
    pub fn dismiss(&self, source: IpAddr) {
        self.total.fetch_sub(1, Ordering::AcqRel);
        self.per_source.entry(source).and_modify(|n| *n = n.saturating_sub(1));
        self.per_source.remove_if(&source, |_, n| *n == 0);
    }

    /// Enters a connection, so that the core can send to it.
    pub fn open(&self, flow: Flow) -> Line {
        let (queue, outgoing) = mpsc::channel(WRITER_QUEUE_MAX);
        let (close, closing) = oneshot::channel();
        self.writers.insert(flow.connection, Writer { flow, queue, close: Some(close) });
        // Looked at after the entry is there: `close_all` finds it, or it finds that we are leaving.
        if self.leaving.load(Ordering::SeqCst) {
            self.close(flow, WhyClosed::ByUs);
        }
        Line { flow, outgoing, closing }
    }

    /// The task is ending; nothing can be sent any more. Harmless when it was closed before.
    pub fn gone(&self, connection: ConnectionId) {
        self.writers.remove(&connection);
    }

    pub fn count(&self) -> usize {
        self.writers.len()
    }

    /// From the core: open a stream to the flow's peer. What is sent meanwhile waits in its queue.
    pub fn connect(&self, flow: Flow) {
        let line = self.open(flow);
        if let Err(refused) = self.connects.try_send(line) {
            // Its queue goes with it; the core's transaction times out as for a peer that is not there.
            tracing::warn!(%flow, "too many connections are being opened");
            self.gone(flow.connection);
            drop(refused);
        }
    }

    /// From the core. A full queue closes the connection: its peer does not read.
    pub fn send(&self, flow: Flow, bytes: Vec<u8>) {
        let sent = self.writers.get(&flow.connection).map(|w| w.queue.try_send(bytes));
        if let Some(Err(mpsc::error::TrySendError::Full(_))) = sent {
            self.close(flow, WhyClosed::QueueFull);
        }
    }

    /// The process ends: every connection is told, also those that are just being opened.
    pub fn close_all(&self) {
        self.leaving.store(true, Ordering::SeqCst);
        let flows: Vec<Flow> = self.writers.iter().map(|w| w.flow).collect();
        flows.into_iter().for_each(|flow| self.close(flow, WhyClosed::ByUs));
    }

    /// Until every admitted connection has said its last words and was dismissed.
    pub async fn all_gone(&self) {
        while self.total.load(Ordering::Acquire) > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// From the core. What is in the queue is still sent, unless the peer does not read.
    pub fn close(&self, flow: Flow, why: WhyClosed) {
        let Some((_, writer)) = self.writers.remove(&flow.connection) else { return };
        if let Some(close) = writer.close {
            // The task may be ending by itself at this moment.
            let _ = close.send(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use terms::Transport;

    fn flow(n: u64) -> Flow {
        let local = "127.0.0.1:5060".parse().unwrap();
        let peer = "127.0.0.1:40000".parse().unwrap();
        Flow { transport: Transport::Tcp, local, peer, connection: ConnectionId(n) }
    }

    #[test]
    fn there_is_room_for_so_many_and_a_place_given_back_is_free_again() {
        let (streams, _wanted) = Streams::new(3, 2);
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = streams.admit(a).unwrap();
        assert!(first.0 % 2 == 0 && first.0 > 0);
        assert!(streams.admit(a).is_some());
        assert_eq!(streams.admit(a), None, "two from one source");
        assert!(streams.admit(b).is_some());
        assert_eq!(streams.admit(b), None, "three together");
        streams.dismiss(a);
        assert!(streams.admit(b).is_some());
        for source in [a, b, b] {
            streams.dismiss(source);
        }
        assert!(streams.per_source.is_empty() && streams.total.load(Ordering::Acquire) == 0);
    }

    #[tokio::test]
    async fn whoever_opens_while_the_process_leaves_is_told_as_well_and_waited_for() {
        let (streams, _wanted) = Streams::new(3, 3);
        let here: IpAddr = "192.0.2.1".parse().unwrap();
        let before = flow(streams.admit(here).unwrap().0);
        let after = flow(streams.admit(here).unwrap().0);
        let first = streams.open(before);
        streams.close_all();
        let second = streams.open(after);
        assert_eq!((first.closing.await, second.closing.await), (Ok(WhyClosed::ByUs), Ok(WhyClosed::ByUs)));
        let gone = tokio::time::timeout(LOOK_EVERY * 4, streams.all_gone());
        assert!(gone.await.is_err(), "their tasks are not done");
        streams.dismiss(here);
        streams.dismiss(here);
        streams.all_gone().await;
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_closed() {
        let (streams, _wanted) = Streams::new(3, 3);
        let line = streams.open(flow(2));
        for _ in 0..=WRITER_QUEUE_MAX {
            streams.send(flow(2), vec![0]);
        }
        assert_eq!(line.closing.await, Ok(WhyClosed::QueueFull));
        assert_eq!(streams.count(), 0);
        streams.send(flow(2), vec![0]);
        streams.close(flow(2), WhyClosed::ByUs);
    }
}
