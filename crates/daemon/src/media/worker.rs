//! One worker: wait, take packets in batches, let the machine judge and rewrite them where they lie, send them on in
//! batches. Nothing is allocated, locked or awaited for a packet.

use super::connections::{Connections, Heard, LISTENER};
use super::sockets::Sockets;
use super::sys::{BATCH, Batch, Bell, Epoll, Outbox, PACKET_MAX, Ready};
use super::{Counts, Tell};
use media::{Forward, Machine, MediaConfig, SocketOp, Via};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant as Clock};
use terms::{Instant, MediaCommand};

pub enum Order {
    Command(MediaCommand),
    Stop,
}

/// The bell's place among the ports; no port is that large.
const BELL: u64 = u64::MAX;

/// With many calls a short pause lets packets gather, so that one wake serves many. A twentieth of the 20 ms between
/// two packets of a call is less than any network's own unevenness.
const GATHER: Duration = Duration::from_millis(1);
/// From about ten calls on, packets per `RATE_WINDOW`.
const GATHER_FROM: u64 = 100;
const RATE_WINDOW: Duration = Duration::from_millis(100);

/// Batches taken from one port before the others have their turn, so that a flood there cannot starve them.
const TURNS_MAX: usize = 4;
/// A phone's port has one packet waiting, or two; asking for no more keeps the system call small.
const FROM_PHONE: usize = 4;

/// The longest sleep when nothing is due.
const IDLE: Duration = Duration::from_secs(10);
/// The same while there are connections that may have to be closed.
const SWEEP: Duration = Duration::from_secs(1);

pub struct Worker {
    machine: Machine,
    sockets: Sockets,
    connections: Connections,
    epoll: Epoll,
    batch: Batch,
    /// The port browsers share, and what phones said to them in this round.
    shared: Option<u16>,
    outbox: Outbox,
    inbox: Receiver<Order>,
    bell: Arc<Bell>,
    counts: Arc<Counts>,
    tell: Tell,
    begun: Clock,
    sent: u64,
    window_began: Clock,
    window_packets: u64,
    busy: bool,
    /// A port had more waiting than its turns: no pause before the next round.
    behind: bool,
}

impl Worker {
    pub fn new(
        config: MediaConfig,
        bind: IpAddr,
        seed: [u8; 32],
        inbox: Receiver<Order>,
        bell: Arc<Bell>,
        counts: Arc<Counts>,
        tell: Tell,
    ) -> io::Result<Worker> {
        let epoll = Epoll::new()?;
        epoll.add(bell.fd(), BELL)?;
        let shared = config.own_webrtc_port();
        let mut sockets = Sockets::new(bind, *config.ports.start(), *config.ports.end(), shared);
        let mut connections = Connections::default();
        let tcp = config.webrtc_tcp;
        let mut machine = Machine::new(config, seed);
        // The port browsers share is named in descriptions as it is, so there is no other to take: without it we do not
        // start.
        while let Some(SocketOp::Open(port)) = machine.poll_socket() {
            let named = |e: io::Error| io::Error::new(e.kind(), format!("the port of browsers, {port}: {e}"));
            sockets.open(port, &epoll).map_err(named)?;
            if tcp {
                connections.listen(bind, port, &epoll).map_err(named)?;
            }
        }
        let begun = Clock::now();
        Ok(Worker {
            machine,
            connections,
            batch: Batch::new(sockets.is_v6()),
            shared,
            outbox: Outbox::new(sockets.is_v6()),
            sockets,
            epoll,
            inbox,
            bell,
            counts,
            tell,
            begun,
            sent: 0,
            window_began: begun,
            window_packets: 0,
            busy: false,
            behind: false,
        })
    }

    /// Until told to stop or forgotten by whoever holds the other end.
    pub fn run(mut self) {
        let mut ready = Ready::new();
        loop {
            let now = self.now();
            if self.machine.deadline().is_some_and(|d| d <= now) {
                self.machine.timeout(now);
                self.settle();
            }
            if self.busy && !std::mem::take(&mut self.behind) {
                std::thread::sleep(GATHER);
            }
            if let Err(error) = self.epoll.wait(&mut ready, self.patience()) {
                tracing::error!(%error, "media worker cannot wait");
                return;
            }
            let mut rung = false;
            for token in ready.tokens() {
                match u16::try_from(token) {
                    Ok(port) => self.port_ready(port),
                    Err(_) if token == BELL => rung = true,
                    Err(_) if token == LISTENER => self.connections.accept(&self.epoll),
                    Err(_) => self.connection_ready(token),
                }
            }
            self.flush_outbox();
            let machine = &self.machine;
            self.connections.sweep(|peer| machine.knows_connection(peer));
            if rung && !self.orders() {
                return;
            }
            self.measure();
        }
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long nothing will be due.
    fn patience(&self) -> Duration {
        let idle = if self.connections.is_empty() { IDLE } else { SWEEP };
        self.machine.deadline().map_or(idle, |d| d.since(self.now()).min(idle))
    }

    /// False when it is time to go.
    fn orders(&mut self) -> bool {
        self.bell.clear();
        loop {
            match self.inbox.try_recv() {
                Ok(Order::Command(command)) => {
                    self.machine.command(self.now(), command);
                    self.settle();
                }
                Err(TryRecvError::Empty) => return true,
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Goodbyes leave before their ports close; then sockets, then events: a description is only written when its ports
    /// are open.
    fn settle(&mut self) {
        self.say();
        while let Some(op) = self.machine.poll_socket() {
            match op {
                SocketOp::Close(port) => self.sockets.close(port),
                SocketOp::Open(port) => {
                    if let Err(error) = self.sockets.open(port, &self.epoll) {
                        tracing::warn!(port, %error, "media port cannot be opened, another is taken");
                        self.machine.socket_failed(self.now(), port);
                    }
                }
            }
        }
        self.tell_all();
    }

    /// What the machine says of its own accord: answers to checks, handshakes, reports, tones.
    fn say(&mut self) {
        while let Some(packet) = self.machine.poll_transmit() {
            // What was said before it leaves before it.
            self.flush_outbox();
            self.send(packet.port, packet.via, packet.to, &packet.bytes);
        }
    }

    fn send(&mut self, port: u16, via: Via, to: SocketAddr, bytes: &[u8]) {
        match via {
            Via::Udp => self.sockets.send(port, to, bytes),
            Via::Tcp => self.connections.send(to, bytes),
        }
    }

    fn connection_ready(&mut self, token: u64) {
        let Some(index) = Connections::index(token) else { return };
        let mut gone = self.connections.read(index);
        let now = self.now();
        let mut buf = [0; PACKET_MAX];
        loop {
            match self.connections.frame(index, &mut buf) {
                Heard::Frame(from, len) => {
                    if let Some(f) = self.machine.received_frame(now, from, &mut buf, len) {
                        self.send(f.port, f.via, f.to, buf.get(..f.len).unwrap_or_default());
                    }
                }
                Heard::Closed(peer) => {
                    gone = Some(peer);
                    break;
                }
                Heard::Nothing => break,
            }
        }
        if let Some(peer) = gone {
            self.machine.connection_closed(peer);
        }
        self.say();
        self.tell_all();
    }

    fn tell_all(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            (self.tell)(event);
        }
    }

    fn port_ready(&mut self, port: u16) {
        let most = if self.shared == Some(port) { BATCH } else { FROM_PHONE };
        for _ in 0..TURNS_MAX {
            let Some(fd) = self.sockets.fd(port) else { return };
            let taken = self.batch.receive(fd, most);
            self.relay(port, taken);
            // A batch that is not full has emptied the socket; epoll says if more has come since.
            if taken < most {
                return;
            }
        }
        self.behind = true;
    }

    fn relay(&mut self, port: u16, taken: usize) {
        if taken == 0 {
            return;
        }
        let now = self.now();
        self.window_packets += taken as u64;
        // Packets of one port nearly always leave by one port; runs are sent together.
        let mut leaving: Option<u16> = None;
        for i in 0..taken {
            let Some((buf, len, from)) = self.batch.packet(i) else { continue };
            let Some(forward) = self.machine.received(now, port, from, buf, len) else { continue };
            let Forward { port: out, to, len, via } = forward;
            if via == Via::Tcp {
                self.connections.send(to, buf.get(..len).unwrap_or_default());
                continue;
            }
            if self.shared == Some(out) && port != out {
                // From many phones to the one port: they leave together.
                self.outbox.put(to, buf.get(..len).unwrap_or_default());
                if self.outbox.is_full() {
                    self.flush_outbox();
                }
                continue;
            }
            if leaving.is_some_and(|l| l != out) {
                self.flush(leaving);
            }
            leaving = Some(out);
            self.batch.queue(i, to, len);
        }
        self.flush(leaving);
        self.say();
        self.tell_all();
    }

    fn flush(&mut self, leaving: Option<u16>) {
        match leaving.and_then(|port| self.sockets.fd(port)) {
            Some(fd) => self.sent += self.batch.send(fd) as u64,
            None => self.batch.forget(),
        }
    }

    fn flush_outbox(&mut self) {
        if self.outbox.is_empty() {
            return;
        }
        match self.shared.and_then(|port| self.sockets.fd(port)) {
            Some(fd) => self.sent += self.outbox.send(fd) as u64,
            None => self.outbox.forget(),
        }
    }

    fn measure(&mut self) {
        self.counts.tell(self.sent, self.machine.dropped());
        let passed = self.window_began.elapsed();
        if passed >= RATE_WINDOW {
            // After a long idle wait the few packets of the window are no rate.
            self.busy = self.window_packets >= GATHER_FROM && passed < RATE_WINDOW * 3;
            self.window_packets = 0;
            self.window_began = Clock::now();
        }
    }
}
