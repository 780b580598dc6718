//! The wire of a world: what is under way, how long it takes, what gets lost, doubled and overtaken.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Duration;
use terms::{Flow, Instant, Login, StoreError, StoreTicket, StoreWrite, TakeoverPolicy, WhyClosed};

/// How kind the world is. The default is a quiet office: five milliseconds, nothing lost.
#[derive(Clone, Debug)]
pub struct Options {
    pub latency: Duration,
    /// At most this much more, drawn per datagram: datagrams overtake each other.
    pub jitter: Duration,
    pub loss_per_thousand: u32,
    pub double_per_thousand: u32,
    /// From a write to its answer.
    pub store_takes: Duration,
    pub store_busy_per_thousand: u32,
    /// From a login row to its notification.
    pub news_take: Duration,
    /// Notifications lost; the next poll, half a second later, brings the row.
    pub news_lost_per_thousand: u32,
    pub takeover: TakeoverPolicy,
    /// Between the RTP packets of the peers.
    pub pace: Duration,
    pub ring_max: Duration,
    /// How often phones where somebody sits are asked whether they are there; zero: never.
    pub watch_every: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            latency: Duration::from_millis(5),
            jitter: Duration::ZERO,
            loss_per_thousand: 0,
            double_per_thousand: 0,
            store_takes: Duration::from_millis(2),
            store_busy_per_thousand: 0,
            news_take: Duration::from_millis(1),
            news_lost_per_thousand: 0,
            takeover: TakeoverPolicy::End,
            pace: Duration::from_millis(20),
            ring_max: Duration::from_secs(30),
            watch_every: Duration::ZERO,
        }
    }
}

/// What is under way. `life` counts the lives of the gateway: what was meant for an earlier one is lost.
#[derive(Debug)]
pub enum Under {
    SipToGateway { flow: Flow, bytes: Vec<u8> },
    SipToPeer { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    RtpToGateway { port: u16, from: SocketAddr, bytes: Vec<u8> },
    RtpToPeer { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    FlowOpened { life: u32, flow: Flow },
    FlowClosed { life: u32, flow: Flow, why: WhyClosed },
    Write { life: u32, ticket: StoreTicket, write: StoreWrite },
    Stored { life: u32, ticket: StoreTicket, result: Result<(), StoreError> },
    Row(Login),
}

struct Event {
    at: Instant,
    order: u64,
    what: Under,
}

impl PartialEq for Event {
    fn eq(&self, other: &Event) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Event {}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Event) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Event {
    /// Earliest first out of a heap that gives the greatest.
    fn cmp(&self, other: &Event) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

#[derive(Default)]
pub struct Wire {
    heap: BinaryHeap<Event>,
    order: u64,
}

impl Wire {
    pub fn put(&mut self, at: Instant, what: Under) {
        self.order += 1;
        self.heap.push(Event { at, order: self.order, what });
    }
    pub fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|e| e.at)
    }
    pub fn take_due(&mut self, now: Instant) -> Option<Under> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|e| e.what)
    }
}
