//! The core thread's door: what may be put before it from outside, and how to ask it a question.

mod clock;
mod run;

pub use clock::{Clock, wall_now};
pub use run::{CoreParts, MediaDoor, start};

use crate::sys::Bell;
use bytes::Bytes;
use gateway::{Command, Gateway};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use terms::{
    Binding, BrowserFlow, DirectoryChange, Flow, Login, MediaEvent, Now, StoreError, StoreTicket, WhyClosed,
};

/// Messages from streams that wait for the core. Past it they are dropped and counted; SIP sends again.
const STREAM_QUEUE_MAX: usize = 16_384;
/// Everything else that waits for the core. Its senders wait when it is full; nothing of it may be lost.
const INNER_QUEUE_MAX: usize = 65_536;

/// Asked of the gateway between two inputs.
pub type Question = Box<dyn FnOnce(&Gateway, Now) + Send>;

/// One thing for the core, with its bytes owned because it crosses threads.
pub enum Post {
    Received {
        flow: Flow,
        bytes: Bytes,
    },
    FlowOpened {
        flow: Flow,
        browser: Option<BrowserFlow>,
    },
    FlowClosed {
        flow: Flow,
        why: WhyClosed,
    },
    Media(MediaEvent),
    Logins(Vec<Login>),
    Directory(Vec<DirectoryChange>),
    Restored(Vec<Binding>),
    Stored(Vec<(StoreTicket, Result<(), StoreError>)>),
    Command(Command),
    /// A look at the gateway between two inputs; must be short.
    Query(Question),
    /// Bound sockets to read from, once everything else is in place.
    Listen(Vec<UdpSocket>),
    /// The last thing the core does.
    Stop,
}

/// What the core counts for whoever asks.
#[derive(Default, Debug)]
pub struct Counters {
    pub udp_received: AtomicU64,
    pub udp_sent: AtomicU64,
    pub udp_lost: AtomicU64,
    pub stream_dropped: AtomicU64,
    pub store_busy: AtomicU64,
}

impl Counters {
    fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Ordering::Relaxed);
    }
}

/// Cheap to clone; every task and thread that speaks to the core holds one.
#[derive(Clone)]
pub struct CoreHandle {
    stream: SyncSender<Post>,
    inner: SyncSender<Post>,
    bell: Arc<Bell>,
    pub counters: Arc<Counters>,
}

/// The core is stopping, or so far behind that an answer would come too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the core does not answer")]
pub struct CoreAway;

impl CoreHandle {
    /// A message from a stream; dropped and counted when the core is behind.
    pub fn received(&self, flow: Flow, bytes: Bytes) {
        if self.stream.try_send(Post::Received { flow, bytes }).is_err() {
            Counters::add(&self.counters.stream_dropped, 1);
        }
        self.bell.ring();
    }

    /// From a thread that may wait.
    pub fn post_blocking(&self, post: Post) {
        // An error means that the core has stopped; nobody needs to be told twice.
        let _ = self.inner.send(post);
        self.bell.ring();
    }

    /// From a task: waits without blocking its thread.
    pub async fn post(&self, mut post: Post) {
        loop {
            match self.inner.try_send(post) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => break,
                Err(TrySendError::Full(back)) => {
                    post = back;
                    self.bell.ring();
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
            }
        }
        self.bell.ring();
    }

    /// For stream tasks, in order with the messages of the same stream.
    pub async fn post_stream(&self, mut post: Post) {
        loop {
            match self.stream.try_send(post) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => break,
                Err(TrySendError::Full(back)) => {
                    post = back;
                    self.bell.ring();
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
            }
        }
        self.bell.ring();
    }

    /// Asks the gateway something between two inputs.
    pub async fn query<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Gateway, Now) -> T + Send + 'static,
    ) -> Result<T, CoreAway> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.post(Post::Query(Box::new(move |gateway, now| {
            // The asker may have gone away meanwhile; then nobody is interested.
            let _ = answer.send(ask(gateway, now));
        })))
        .await;
        answered.await.map_err(|_| CoreAway)
    }
}

/// What a handle without a core behind it was told, for the tests of what stands around the core.
#[cfg(test)]
pub struct Posts {
    stream: std::sync::mpsc::Receiver<Post>,
    _inner: std::sync::mpsc::Receiver<Post>,
}

#[cfg(test)]
impl Posts {
    /// The next thing a stream said.
    pub async fn next(&mut self) -> Post {
        loop {
            match self.stream.try_recv() {
                Ok(post) => return post,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(1)).await,
            }
        }
    }
}

#[cfg(test)]
impl CoreHandle {
    pub fn alone() -> (CoreHandle, Posts) {
        let (stream, stream_box) = std::sync::mpsc::sync_channel(STREAM_QUEUE_MAX);
        let (inner, _inner) = std::sync::mpsc::sync_channel(INNER_QUEUE_MAX);
        let bell = Arc::new(Bell::new().expect("an event descriptor"));
        let handle = CoreHandle { stream, inner, bell, counters: Arc::default() };
        (handle, Posts { stream: stream_box, _inner })
    }
}
