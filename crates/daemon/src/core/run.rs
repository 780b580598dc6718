//! The core thread: sleeps until something is there, puts it before the gateway, does what the gateway decided.

use super::{Clock, CoreHandle, Counters, INNER_QUEUE_MAX, Post, STREAM_QUEUE_MAX};
use crate::store_task::{StoreDoor, WriteOrder};
use crate::streams::Streams;
use crate::sys::{self, Bell, Poll, Ready, Receiver};
use crate::tap::{Tap, Way};
use gateway::{Gateway, GatewayConfig, Input, Output};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Mailbox, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use terms::{Audience, Flow, Instant, MediaCommand, Notice, Now, StoreError, Transport};
use tokio::sync::broadcast;

/// Batches read from one socket before the others and the timers have their turn.
const ROUNDS_MAX: usize = 4;
/// Posts handled before the sockets have their turn.
const POSTS_MAX: usize = 1024;

/// How long the core sits still between two looks while very much comes. Each look costs a few system calls and a change of
/// threads, and one in this time carries a dozen messages as well as one. SIP repeats after half a second, so nobody
/// notices; and when little comes nobody waits at all.
const BREATH: Duration = Duration::from_micros(400);
/// Messages a second that are very many.
const PACE_HIGH: u64 = 2_000;
/// Over how long the pace is measured.
const PACE_SPAN: Duration = Duration::from_millis(5);

/// Where media commands go; the workers behind it answer with `Post::Media`.
pub type MediaDoor = Box<dyn FnMut(MediaCommand) + Send>;

/// Everything around the gateway that its outputs go to.
pub struct CoreParts {
    pub clock: Clock,
    pub gateway: GatewayConfig,
    pub streams: Arc<Streams>,
    pub store: StoreDoor,
    pub notices: broadcast::Sender<(Audience, Notice)>,
    pub tap: Tap,
}

/// Starts the thread. `media` is made with the handle, because its workers post to the core. The join handle tells
/// whether the thread panicked.
pub fn start(
    parts: CoreParts,
    media: impl FnOnce(CoreHandle) -> io::Result<MediaDoor>,
) -> io::Result<(CoreHandle, JoinHandle<()>)> {
    let (stream, stream_box) = sync_channel(STREAM_QUEUE_MAX);
    let (inner, inner_box) = sync_channel(INNER_QUEUE_MAX);
    let bell = Arc::new(Bell::new()?);
    let counters = Arc::new(Counters::default());
    let handle = CoreHandle { stream, inner, bell: bell.clone(), counters: counters.clone() };
    let media = media(handle.clone())?;

    let poll = Poll::new(&bell)?;
    let config = parts.gateway;
    let (clock, streams, store, notices, tap) =
        (parts.clock, parts.streams, parts.store, parts.notices, parts.tap);
    let thread = std::thread::Builder::new().name("core".into()).spawn(move || {
        let core = Core {
            gateway: Gateway::new(config),
            clock,
            sockets: Vec::new(),
            poll,
            bell,
            pace: Pace::default(),
            stream_box,
            inner_box,
            media,
            streams,
            store,
            orders: Vec::new(),
            notices,
            tap,
            counters,
        };
        core.run();
    })?;
    Ok((handle, thread))
}

struct Socket {
    fd: RawFd,
    local: SocketAddr,
    _socket: UdpSocket,
    out: Vec<(SocketAddr, Vec<u8>)>,
}

/// How much has come lately.
#[derive(Default)]
struct Pace {
    since: Instant,
    count: u64,
    high: bool,
}

impl Pace {
    fn add(&mut self, messages: usize) {
        self.count += messages as u64;
    }

    fn is_high(&mut self, now: Instant) -> bool {
        let span = now.since(self.since);
        if span >= PACE_SPAN {
            self.high = u128::from(self.count) * 1_000_000_000 >= u128::from(PACE_HIGH) * span.as_nanos();
            (self.since, self.count) = (now, 0);
        }
        self.high
    }
}

struct Core {
    gateway: Gateway,
    clock: Clock,
    sockets: Vec<Socket>,
    poll: Poll,
    bell: Arc<Bell>,
    pace: Pace,
    stream_box: Mailbox<Post>,
    inner_box: Mailbox<Post>,
    media: MediaDoor,
    streams: Arc<Streams>,
    store: StoreDoor,
    /// Writes decided in this round; they go to the store together.
    orders: Vec<WriteOrder>,
    notices: broadcast::Sender<(Audience, Notice)>,
    tap: Tap,
    counters: Arc<Counters>,
}

impl Core {
    fn run(mut self) {
        let mut receiver = Receiver::default();
        let mut ready = Ready::default();
        loop {
            let more = self.read_sockets(&mut receiver, &ready);
            let (stop, more_posts) = self.read_posts();
            let now = self.clock.now();
            if self.gateway.deadline().is_some_and(|at| at <= now.instant) {
                self.gateway.handle(now, Input::Timeout);
                self.act(now);
            }
            self.flush(now);
            if stop {
                return;
            }
            ready = self.wait(more || more_posts);
        }
    }

    /// Until there is something to do; not at all when something is left over.
    fn wait(&mut self, more: bool) -> Ready {
        if !more && self.pace.is_high(self.clock.now().instant) {
            std::thread::sleep(BREATH);
        }
        if more || !self.bell.may_sleep() {
            return self.poll.wait(0);
        }
        self.poll.wait(timeout_ms(self.gateway.deadline(), self.clock.now().instant))
    }

    /// True when a socket had more than its turn.
    fn read_sockets(&mut self, receiver: &mut Receiver, ready: &Ready) -> bool {
        let mut more = false;
        for i in 0..self.sockets.len() {
            let (fd, local) = (self.sockets[i].fd, self.sockets[i].local);
            if !ready.has(fd) {
                continue;
            }
            for round in 0..ROUNDS_MAX {
                let got = match receiver.receive(fd) {
                    Ok(got) => got,
                    Err(error) => {
                        tracing::warn!(%local, %error, "socket cannot be read");
                        0
                    }
                };
                if got == 0 {
                    break;
                }
                Counters::add(&self.counters.udp_received, got);
                self.pace.add(got);
                let now = self.clock.now();
                for (peer, bytes) in receiver.datagrams() {
                    let flow = Flow::udp(local, peer);
                    self.tap.message(now, Way::In, flow, bytes);
                    self.gateway.handle(now, Input::Received { flow, bytes });
                }
                self.act(now);
                if got < sys::BATCH {
                    break;
                }
                more |= round + 1 == ROUNDS_MAX;
            }
        }
        more
    }

    /// Whether to stop, and whether there is more than one turn's worth.
    fn read_posts(&mut self) -> (bool, bool) {
        self.bell.listen();
        let mut handled = 0;
        while handled < POSTS_MAX {
            let Ok(post) = self.inner_box.try_recv().or_else(|_| self.stream_box.try_recv()) else {
                return (false, false);
            };
            if matches!(post, Post::Stop) {
                return (true, false);
            }
            let now = self.clock.now();
            self.take(now, post);
            self.act(now);
            handled += 1;
            self.pace.add(1);
        }
        (false, true)
    }

    fn take(&mut self, now: Now, post: Post) {
        let gateway = &mut self.gateway;
        match post {
            Post::Received { flow, bytes } => {
                self.tap.message(now, Way::In, flow, &bytes);
                gateway.handle(now, Input::Received { flow, bytes: &bytes });
            }
            Post::FlowOpened { flow, browser } => gateway.handle(now, Input::FlowOpened { flow, browser }),
            Post::FlowClosed { flow, why } => gateway.handle(now, Input::FlowClosed { flow, why }),
            Post::Media(event) => gateway.handle(now, Input::Media(event)),
            Post::Logins(rows) => rows.into_iter().for_each(|row| gateway.handle(now, Input::Login(row))),
            Post::Directory(changes) => {
                changes.into_iter().for_each(|change| gateway.handle(now, Input::Directory(change)));
            }
            Post::Restored(rows) => {
                rows.into_iter().for_each(|row| gateway.handle(now, Input::Restored(row)))
            }
            Post::Stored(results) => {
                for (ticket, result) in results {
                    gateway.handle(now, Input::Stored(ticket, result));
                }
            }
            Post::Command(command) => gateway.handle(now, Input::Command(command)),
            Post::Query(ask) => ask(gateway, now),
            Post::Listen(sockets) => self.listen(sockets),
            Post::Stop => {}
        }
    }

    /// From now on messages are read from these sockets. What came since they were bound waits in their buffers.
    fn listen(&mut self, sockets: Vec<UdpSocket>) {
        for socket in sockets {
            let fd = socket.as_raw_fd();
            let local = match self.poll.add(fd).and_then(|()| socket.local_addr()) {
                Ok(local) => local,
                Err(error) => {
                    tracing::error!(%error, "socket cannot be listened on");
                    continue;
                }
            };
            self.sockets.push(Socket { fd, local, _socket: socket, out: Vec::new() });
        }
    }

    /// Does what the gateway decided. UDP messages and writes are collected for `flush`.
    fn act(&mut self, now: Now) {
        while let Some(output) = self.gateway.poll_output() {
            match output {
                Output::Send { flow, bytes } => self.send(now, flow, bytes),
                Output::Connect { flow } => self.streams.connect(flow),
                Output::CloseFlow { flow, why } => self.streams.close(flow, why),
                Output::Media(command) => (self.media)(command),
                Output::Notice { to, notice } => {
                    // No receiver means that nobody looks at a page.
                    let _ = self.notices.send((to, notice));
                }
                Output::Store(ticket, write) => self.orders.push((ticket, write)),
            }
        }
    }

    fn send(&mut self, now: Now, flow: Flow, bytes: Vec<u8>) {
        self.tap.message(now, Way::Out, flow, &bytes);
        if flow.transport != Transport::Udp {
            self.streams.send(flow, bytes);
            return;
        }
        // A flow restored from before a change of addresses has no socket of its own any more; the first of the same
        // family serves.
        let exact = self.sockets.iter().position(|s| s.local == flow.local);
        let at = exact.or_else(|| self.sockets.iter().position(|s| s.local.is_ipv4() == flow.peer.is_ipv4()));
        let Some(socket) = at.and_then(|i| self.sockets.get_mut(i)) else {
            Counters::add(&self.counters.udp_lost, 1);
            return;
        };
        socket.out.push((flow.peer, bytes));
        if socket.out.len() >= sys::BATCH {
            send_out(socket, &self.counters);
        }
    }

    fn flush(&mut self, now: Now) {
        if !self.orders.is_empty() {
            let refused = self.store.order(std::mem::take(&mut self.orders));
            Counters::add(&self.counters.store_busy, refused.len());
            for ticket in refused {
                let busy = StoreError::Busy("too many writes are waiting".into());
                self.gateway.handle(now, Input::Stored(ticket, Err(busy)));
            }
            self.act(now);
            // What a refusal made the gateway write waits for the next round; nothing here can loop.
        }
        for socket in &mut self.sockets {
            send_out(socket, &self.counters);
        }
    }
}

fn send_out(socket: &mut Socket, counters: &Counters) {
    if socket.out.is_empty() {
        return;
    }
    let count = socket.out.len();
    let lost = sys::send_all(socket.fd, &mut socket.out);
    Counters::add(&counters.udp_sent, count - lost);
    if lost > 0 {
        Counters::add(&counters.udp_lost, lost);
    }
}

/// Milliseconds until the deadline, rounded up so that waking finds it due; a minute at most, so that a mistake in a
/// deadline cannot put the core to sleep for good.
fn timeout_ms(deadline: Option<Instant>, now: Instant) -> i32 {
    let Some(at) = deadline else { return 60_000 };
    let ns = at.0.saturating_sub(now.0);
    i32::try_from(ns.div_ceil(1_000_000).min(60_000)).unwrap_or(60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_sleeps_until_its_deadline_and_not_a_moment_less() {
        assert_eq!(timeout_ms(None, Instant(5)), 60_000);
        assert_eq!(timeout_ms(Some(Instant(5)), Instant(5)), 0);
        assert_eq!(timeout_ms(Some(Instant(1_000_001)), Instant(0)), 2);
        assert_eq!(timeout_ms(Some(Instant(u64::MAX)), Instant(0)), 60_000);
    }

    #[test]
    fn the_core_takes_a_breath_only_while_very_much_comes() {
        let ms = |ms: u64| Instant(ms * 1_000_000);
        let mut pace = Pace::default();
        // The first in an hour, however many come with it.
        pace.add(64);
        assert!(!pace.is_high(ms(3_600_000)));
        pace.add(9);
        assert!(!pace.is_high(ms(3_600_005)));
        pace.add(10);
        assert!(!pace.is_high(ms(3_600_009)), "not known yet");
        assert!(pace.is_high(ms(3_600_010)));
        assert!(!pace.is_high(ms(3_600_015)), "silence ends it");
    }
}
