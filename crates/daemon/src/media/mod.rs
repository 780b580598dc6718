//! The media workers: threads that own the RTP sockets and move packets. Each has a [`media::Machine`] of its own
//! with its share of the ports; both legs of a call live on the same worker, so no packet ever crosses threads.

mod connections;
mod sockets;
mod sys;
mod worker;

use media::{Dropped, MediaConfig, Share};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use terms::{CallId, MediaCommand, MediaEvent};
use worker::{Order, Worker};

/// More threads than this find no packets to move on any machine we know.
pub const WORKERS_MAX: usize = 64;

/// The exit status after a media worker panicked: our own mistake (EX_SOFTWARE).
const PANICKED: i32 = 70;

/// Where events go. Called on a worker's thread; it must not block, a packet is waiting behind it.
type Tell = Arc<dyn Fn(MediaEvent) + Send + Sync>;

/// The running workers.
pub struct MediaHandle {
    ends: Vec<End>,
    spread: ahash::RandomState,
}

struct End {
    orders: Sender<Order>,
    bell: Arc<sys::Bell>,
    counts: Arc<Counts>,
    thread: JoinHandle<()>,
}

/// What a worker counts, for others to read. It writes once a round, and nobody waits for anybody.
#[derive(Default)]
struct Counts {
    relayed: AtomicU64,
    unknown: AtomicU64,
    unproven: AtomicU64,
    rubbish: AtomicU64,
    unsaid: AtomicU64,
}

impl Counts {
    fn tell(&self, relayed: u64, dropped: Dropped) {
        let Dropped { unknown, unproven, rubbish, unsaid } = dropped;
        for (place, count) in [
            (&self.relayed, relayed),
            (&self.unknown, unknown),
            (&self.unproven, unproven),
            (&self.rubbish, rubbish),
            (&self.unsaid, unsaid),
        ] {
            place.store(count, Ordering::Relaxed);
        }
    }
}

impl MediaHandle {
    /// Starts `workers` threads that bind their ports at `bind` (`::` serves both families).
    pub fn start(
        config: MediaConfig,
        bind: IpAddr,
        workers: usize,
        events: impl Fn(MediaEvent) + Send + Sync + 'static,
    ) -> io::Result<MediaHandle> {
        sys::raise_open_files();
        let workers = workers.clamp(1, WORKERS_MAX);
        let tell: Tell = Arc::new(events);
        let mut ends = Vec::with_capacity(workers);
        // One certificate for all workers: its fingerprint is what the signalling vouches for.
        let identity = match config.webrtc_port {
            Some(_) => Some(media::dtls::Identity::generate().map_err(|e| io::Error::other(e.to_string()))?),
            None => None,
        };
        let config = MediaConfig { identity: config.identity.clone().or(identity), ..config };
        for index in 0..workers {
            let mut seed = [0u8; 32];
            getrandom::fill(&mut seed).map_err(|e| io::Error::other(e.to_string()))?;
            // WORKERS_MAX fits a u16.
            let share = Share { index: index as u16, of: workers as u16 };
            let config = MediaConfig { share, ..config.clone() };
            ends.push(End::start(index, config, bind, seed, tell.clone())?);
        }
        // The same call must reach the same worker for as long as it lives; the keys need no secrecy, only constancy.
        Ok(MediaHandle { ends, spread: ahash::RandomState::with_seeds(1, 2, 3, 4) })
    }

    /// Hands a command to the worker of its call. After `stop` nothing happens.
    pub fn send(&self, command: MediaCommand) {
        let at = self.spread.hash_one(call_of(&command)) as usize % self.ends.len().max(1);
        if let Some(end) = self.ends.get(at) {
            end.order(Order::Command(command));
        }
    }

    /// Packets passed on since the start, by all workers.
    pub fn relayed(&self) -> u64 {
        self.sum(|counts| &counts.relayed)
    }

    /// What was dropped at the ports browsers share, since the start, by all workers: strangers' packets, and what comes
    /// after a call is over.
    pub fn dropped(&self) -> Dropped {
        Dropped {
            unknown: self.sum(|counts| &counts.unknown),
            unproven: self.sum(|counts| &counts.unproven),
            rubbish: self.sum(|counts| &counts.rubbish),
            unsaid: self.sum(|counts| &counts.unsaid),
        }
    }

    fn sum(&self, of: fn(&Counts) -> &AtomicU64) -> u64 {
        self.ends.iter().map(|end| of(&end.counts).load(Ordering::Relaxed)).sum()
    }

    /// Closes all sockets and waits for the threads.
    pub fn stop(self) {
        for end in &self.ends {
            end.order(Order::Stop);
        }
        for end in self.ends {
            // It does not come back from a panic, see `watched`.
            let _ = end.thread.join();
        }
    }
}

impl End {
    fn start(index: usize, config: MediaConfig, bind: IpAddr, seed: [u8; 32], tell: Tell) -> io::Result<End> {
        let (orders, inbox) = channel();
        let bell = Arc::new(sys::Bell::new()?);
        let counts = Arc::new(Counts::default());
        let worker = Worker::new(config, bind, seed, inbox, bell.clone(), counts.clone(), tell)?;
        let thread =
            std::thread::Builder::new().name(format!("media-{index}")).spawn(move || watched(worker))?;
        Ok(End { orders, bell, counts, thread })
    }

    fn order(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            self.bell.ring();
        }
    }
}

/// A worker that panicked leaves calls without sound that nobody would end, and ports that nobody gives back. As with the
/// core, the process ends with an error then: whoever started it starts it anew, and phones and logins come back from
/// the store.
fn watched(worker: Worker) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| worker.run())).is_err() {
        tracing::error!("media worker panicked, the service ends");
        std::process::exit(PANICKED);
    }
}

fn call_of(command: &MediaCommand) -> CallId {
    match command {
        MediaCommand::Offer { call, .. }
        | MediaCommand::Answer { call, .. }
        | MediaCommand::Echo { call, .. }
        | MediaCommand::Dtmf { call, .. }
        | MediaCommand::Away { call, .. }
        | MediaCommand::Back { call, .. }
        | MediaCommand::Release { call } => *call,
    }
}
