//! How a world moves: what is due next, what arrives, and what everybody then decides, until nobody has anything to say.

use super::ladder;
use super::wire::Under;
use super::{CHECK_EVERY, GATEWAY_IP, GATEWAY_SIP, Inner, STEPS_AT_ONCE_MAX};
use crate::peer::PeerOutput;
use gateway::{Gateway, Input, Output};
use media::SocketOp;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use terms::{ConnectionId, Flow, Instant, LoginId, MediaCommand, MediaEvent, Now, StoreError, WhyClosed};

/// What leaves media may be longer than what came: an SRTP tag, another codec.
const MEDIA_ROOM: usize = 1024;

impl Inner {
    pub fn run(&mut self, d: Duration) {
        let end = self.now.plus(d);
        self.drain();
        let mut steps = 0;
        while let Some(next) = self.next_at().filter(|at| *at <= end.instant) {
            let passed = next.since(self.now.instant);
            steps = if passed.is_zero() { steps + 1 } else { 0 };
            if steps > STEPS_AT_ONCE_MAX {
                self.watch.violate("time stands still: something goes round in circles".into());
                break;
            }
            self.now = self.now.plus(passed);
            self.step();
            // Audio alone changes nothing that is checked; what is measured in time is looked at now and then.
            if std::mem::take(&mut self.touched) || self.now.instant.since(self.checked) >= CHECK_EVERY {
                self.checked = self.now.instant;
                self.check();
            }
        }
        self.now = end;
    }

    fn next_at(&self) -> Option<Instant> {
        let gateway = self.gateway.as_ref().and_then(Gateway::deadline);
        let media = self.gateway.as_ref().and_then(|_| self.media.deadline());
        let phones = self.phones.iter().filter_map(|p| p.phone.deadline());
        let lines = self.lines.iter().filter_map(|l| l.trunk.deadline());
        phones.chain(lines).chain([gateway, media, self.wire.next_at()].into_iter().flatten()).min()
    }

    /// Everything that is due now.
    fn step(&mut self) {
        let now = self.now;
        while let Some(what) = self.wire.take_due(now.instant) {
            self.arrives(what);
            self.drain();
        }
        if self.gateway.as_ref().and_then(Gateway::deadline).is_some_and(|at| at <= now.instant) {
            self.tell(now, Input::Timeout);
        }
        if self.gateway.is_some() && self.media.deadline().is_some_and(|at| at <= now.instant) {
            self.media.timeout(now.instant);
        }
        for desk in &mut self.phones {
            if desk.phone.deadline().is_some_and(|at| at <= now.instant) {
                desk.phone.timeout(now);
            }
        }
        for line in &mut self.lines {
            if line.trunk.deadline().is_some_and(|at| at <= now.instant) {
                line.trunk.timeout(now);
            }
        }
        self.drain();
    }

    pub(crate) fn tell(&mut self, now: Now, input: Input<'_>) {
        self.touched = true;
        if let Some(gateway) = &mut self.gateway {
            gateway.handle(now, input);
        }
    }

    fn arrives(&mut self, what: Under) {
        let now = self.now;
        match what {
            Under::SipToGateway { flow, bytes } => {
                if self.gateway.is_none()
                    || (flow.transport.is_reliable() && !self.watch.streams.contains(&flow))
                {
                    return;
                }
                self.watch.asked(now.instant, flow, &bytes);
                self.tell(now, Input::Received { flow, bytes: &bytes });
            }
            Under::SipToPeer { from, to, bytes } => {
                if let Some(desk) = self.phones.iter_mut().find(|p| p.phone.peer.config.sip == to) {
                    desk.phone.handle(now, from, &bytes);
                } else if let Some(line) = self.lines.iter_mut().find(|l| l.trunk.peer.config.sip == to) {
                    line.trunk.handle(now, from, &bytes);
                }
            }
            Under::RtpToGateway { port, from, mut bytes } => {
                if !self.open_ports.contains(&port) {
                    return;
                }
                let len = bytes.len();
                bytes.resize(len + MEDIA_ROOM, 0);
                let Some(forward) = self.media.received(now.instant, port, from, &mut bytes, len) else {
                    return;
                };
                bytes.truncate(forward.len);
                let from = SocketAddr::new(GATEWAY_IP, forward.port);
                self.datagram(Under::RtpToPeer { from, to: forward.to, bytes });
            }
            Under::RtpToPeer { from, to, bytes } => {
                for peer in self.peers_mut().filter(|p| p.config.rtp == to) {
                    peer.handle_rtp(now, from, &bytes);
                }
            }
            Under::FlowOpened { life, flow } if life == self.life => {
                self.watch.streams.insert(flow);
                self.tell(now, Input::FlowOpened { flow, browser: None });
            }
            Under::FlowClosed { life, flow, why } if life == self.life => {
                self.watch.closed(flow);
                self.tell(now, Input::FlowClosed { flow, why });
            }
            Under::Write { life, ticket, write } if life == self.life => {
                let busy = self.chance.in_thousand(self.options.store_busy_per_thousand);
                let result = if busy { Err(StoreError::Busy("a test says so".into())) } else { Ok(()) };
                self.note(
                    "store",
                    "gateway",
                    &match busy {
                        true => format!("busy: {}", ladder::store_line(&write)),
                        false => ladder::store_line(&write),
                    },
                );
                if !busy {
                    self.twin.write(&write);
                }
                // Durable now, known a little later: the gateway may die in between.
                let at = now.instant + self.options.store_takes / 2;
                self.wire.put(at, Under::Stored { life, ticket, result });
            }
            Under::Stored { life, ticket, result } if life == self.life => {
                self.tell(now, Input::Stored(ticket, result));
            }
            Under::Row(login) => {
                if self.gateway.is_some() {
                    self.watch.news.insert(login.agent, now.instant);
                    self.tell(now, Input::Login(login));
                }
            }
            // Meant for an earlier life of the gateway.
            Under::FlowOpened { .. }
            | Under::FlowClosed { .. }
            | Under::Write { .. }
            | Under::Stored { .. } => {}
        }
    }

    /// Puts a datagram on the wire, as kind as the world is.
    fn datagram(&mut self, what: Under) {
        if self.chance.in_thousand(self.options.loss_per_thousand) {
            return;
        }
        let jitter = u64::try_from(self.options.jitter.as_micros()).unwrap_or(0);
        let late = Duration::from_micros(self.chance.below(jitter.saturating_add(1)));
        let at = self.now.instant + self.options.latency + late;
        if self.chance.in_thousand(self.options.double_per_thousand)
            && let Some(twice) = copy(&what)
        {
            self.wire.put(at + self.options.latency, twice);
        }
        self.wire.put(at, what);
    }

    /// Carries out what everybody decided, until nobody has anything to say at this moment.
    pub(crate) fn drain(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(output) = self.gateway.as_mut().and_then(Gateway::poll_output) {
                quiet = false;
                self.carry_out(output);
            }
            quiet &= !self.drain_media();
            quiet &= !self.drain_peers();
            if quiet {
                return;
            }
        }
    }

    fn drain_media(&mut self) -> bool {
        let mut any = false;
        while let Some(said) = self.media.poll_transmit() {
            any = true;
            let from = SocketAddr::new(GATEWAY_IP, said.port);
            self.datagram(Under::RtpToPeer { from, to: said.to, bytes: said.bytes });
        }
        while let Some(op) = self.media.poll_socket() {
            any = true;
            match op {
                SocketOp::Open(port) => {
                    if !self.open_ports.insert(port) {
                        self.watch.violate(format!("port {port} is opened twice"));
                    }
                }
                SocketOp::Close(port) => {
                    if !self.open_ports.remove(&port) {
                        self.watch.violate(format!("port {port} is closed twice"));
                    }
                }
            }
        }
        while let Some(event) = self.media.poll_event() {
            any = true;
            // How good the audio was is measured, not told in a story.
            if !matches!(event, MediaEvent::Quality { .. }) {
                let line = ladder::media_event_line(&event);
                self.note("media", "gateway", &line);
            }
            let now = self.now;
            self.tell(now, Input::Media(event));
        }
        any
    }

    fn drain_peers(&mut self) -> bool {
        let mut out: VecDeque<(usize, PeerOutput)> = VecDeque::new();
        let phones = self.phones.len();
        for (at, peer) in self.peers_mut().enumerate() {
            while let Some(output) = peer.poll_output() {
                out.push_back((at, output));
            }
            while peer.poll_event().is_some() {}
        }
        let any = !out.is_empty();
        for (at, output) in out {
            match output {
                PeerOutput::Rtp { to, bytes } => {
                    let Some(from) = self.peers().nth(at).map(|(_, p)| p.config.rtp) else { continue };
                    self.datagram(Under::RtpToGateway { port: to.port(), from, bytes });
                }
                PeerOutput::Sip(flow, bytes) => {
                    let name = self.peers().nth(at).map_or(String::new(), |(name, _)| name.to_owned());
                    self.note(&name, "gateway", &ladder::sip_line(&bytes));
                    let flow = Flow::udp(GATEWAY_SIP, flow.local);
                    let stream = at < phones && self.phones[at].phone.peer.config.transport.is_reliable();
                    if stream {
                        self.stream(at, flow, bytes);
                    } else {
                        self.datagram(Under::SipToGateway { flow, bytes });
                    }
                }
            }
        }
        any
    }

    /// A phone that speaks TCP opens its connection with the first thing it says.
    fn stream(&mut self, at: usize, flow: Flow, bytes: Vec<u8>) {
        if self.gateway.is_none() {
            return;
        }
        let (life, due) = (self.life, self.now.instant + self.options.latency);
        let desk = &mut self.phones[at];
        let transport = desk.phone.peer.config.transport;
        let known = desk.connection;
        let connection = *desk.connection.get_or_insert_with(|| {
            self.next_connection += 2;
            ConnectionId(self.next_connection)
        });
        let flow = Flow { transport, connection, ..flow };
        if known.is_none() {
            self.wire.put(due, Under::FlowOpened { life, flow });
        }
        self.wire.put(due, Under::SipToGateway { flow, bytes });
    }

    /// The connection of a phone breaks, and the gateway hears of it.
    pub(crate) fn hang_up_stream(&mut self, at: usize) {
        let Some(desk) = self.phones.get_mut(at) else { return };
        let Some(connection) = desk.connection.take() else { return };
        let config = &desk.phone.peer.config;
        let flow = Flow { transport: config.transport, connection, ..Flow::udp(GATEWAY_SIP, config.sip) };
        let at = self.now.instant + self.options.latency;
        self.wire.put(at, Under::FlowClosed { life: self.life, flow, why: WhyClosed::ByPeer });
    }

    fn carry_out(&mut self, output: Output) {
        let now = self.now.instant;
        match output {
            Output::Send { flow, bytes } => {
                self.watch.sent(flow, &bytes);
                let to = self.name_of(flow.peer);
                self.note("gateway", &to, &ladder::sip_line(&bytes));
                let packet = Under::SipToPeer { from: flow.local, to: flow.peer, bytes };
                if flow.transport.is_reliable() {
                    let mut phones = self.phones.iter();
                    if phones.any(|p| p.connection == Some(flow.connection)) {
                        self.wire.put(now + self.options.latency, packet);
                    }
                } else {
                    self.datagram(packet);
                }
            }
            Output::Connect { flow } => {
                // Nobody in this world listens for connections.
                self.watch.streams.insert(flow);
                let at = now + self.options.latency;
                self.wire.put(at, Under::FlowClosed { life: self.life, flow, why: WhyClosed::ConnectFailed });
            }
            Output::CloseFlow { flow, .. } => {
                self.watch.closed(flow);
                for desk in self.phones.iter_mut().filter(|p| p.connection == Some(flow.connection)) {
                    desk.connection = None;
                }
            }
            Output::Media(command) => {
                if let MediaCommand::Offer { call, .. } | MediaCommand::Echo { call, .. } = &command {
                    self.watch.media_calls.insert(*call);
                }
                let line = ladder::media_line(&command);
                self.note("gateway", "media", &line);
                self.media.command(now, command);
                self.drain_media();
            }
            Output::Notice { to, notice } => {
                // As above.
                if !matches!(notice, terms::Notice::Quality { .. }) {
                    let whom = ladder::audience(to, |login| self.page_name(login));
                    self.note("gateway", &whom, &ladder::notice_line(&notice));
                }
                match to {
                    terms::Audience::Everyone => self.board.push(notice),
                    terms::Audience::Login(login) => {
                        for page in self.pages.iter_mut().filter(|p| p.login == login) {
                            page.told.push(notice.clone());
                        }
                    }
                }
            }
            Output::Store(ticket, write) => {
                // One writer, in order: a slow write holds up those behind it.
                let at = (now + self.options.store_takes / 2).max(self.store_busy_till);
                self.store_busy_till = at;
                self.wire.put(at, Under::Write { life: self.life, ticket, write });
            }
        }
    }

    fn page_name(&self, login: LoginId) -> Option<String> {
        let page = self.pages.iter().find(|p| p.login == login)?;
        let nth = self.pages.iter().filter(|p| p.agent == page.agent).position(|p| p.login == login)?;
        Some(if nth == 0 { page.agent.clone() } else { format!("{}/{}", page.agent, nth + 1) })
    }
}

fn copy(what: &Under) -> Option<Under> {
    Some(match what {
        Under::SipToGateway { flow, bytes } => Under::SipToGateway { flow: *flow, bytes: bytes.clone() },
        Under::SipToPeer { from, to, bytes } => {
            Under::SipToPeer { from: *from, to: *to, bytes: bytes.clone() }
        }
        Under::RtpToGateway { port, from, bytes } => {
            Under::RtpToGateway { port: *port, from: *from, bytes: bytes.clone() }
        }
        Under::RtpToPeer { from, to, bytes } => {
            Under::RtpToPeer { from: *from, to: *to, bytes: bytes.clone() }
        }
        _ => return None,
    })
}
