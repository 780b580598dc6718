//! Two or more `Ua`s on a wire that loses, doubles and delays, in simulated time.
#![allow(dead_code)] // each test file uses its part

use sip::ua::*;
use sip::{Draft, Message, Method};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use terms::{ConnectionId, Flow, Instant, Now, Transport, WallTime};

/// What an owner was told, in values it may keep.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Request { key: ServerKey, text: String },
    InDialog { key: ServerKey, dialog: DialogKey, text: String },
    Cancelled { invite: ServerKey },
    Acked { dialog: DialogKey, invite: ServerKey, body: Vec<u8> },
    Response { key: ClientKey, dialog: Option<DialogKey>, status: u16, text: String },
    NoResponse { key: ClientKey, flow_failed: bool },
    NotAcked { dialog: DialogKey, invite: ServerKey },
}

pub struct Chance(pub u64);
impl Chance {
    /// SplitMix64.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
    pub fn percent(&mut self, p: u64) -> bool {
        self.below(100) < p
    }
}

/// How bad the wire is.
#[derive(Clone, Copy, Default)]
pub struct Weather {
    pub lost_percent: u64,
    pub doubled_percent: u64,
    /// Extra delay up to this many milliseconds; above zero messages overtake each other.
    pub jitter_ms: u64,
}

/// Who sent it, and the whole message; `true` loses it.
pub type Filter = Box<dyn FnMut(usize, &str) -> bool>;

pub struct World {
    pub now: Now,
    pub uas: Vec<Ua>,
    pub addrs: Vec<SocketAddr>,
    pub told: Vec<Vec<Told>>,
    wire: BTreeMap<(Instant, u64), (Flow, Vec<u8>)>,
    sent: u64,
    pub weather: Weather,
    pub chance: Chance,
    /// Milliseconds, who sent, start line: everything put on the wire, delivered or not.
    pub log: Vec<(u64, usize, String)>,
    /// Every message sent, whole.
    pub bytes: Vec<(usize, Vec<u8>)>,
    /// Messages this predicate takes are lost.
    pub drop_if: Option<Filter>,
}

pub fn config(addr: SocketAddr, seed: u8) -> UaConfig {
    let local = |transport| Local { transport, bound: addr, advertised: addr };
    UaConfig {
        locals: vec![local(Transport::Udp), local(Transport::Tcp)],
        product: "test".into(),
        seed: [seed; 32],
        timers: Timers::default(),
        transactions_max: 1000,
        dialogs_max: 1000,
    }
}

impl World {
    pub fn new(count: usize) -> World {
        let addrs: Vec<SocketAddr> =
            (0..count).map(|i| format!("192.0.2.{}:5060", i + 1).parse().unwrap()).collect();
        World {
            now: Now { instant: Instant(1_000_000_000), wall: WallTime(1_700_000_000_000) },
            uas: addrs.iter().enumerate().map(|(i, a)| Ua::new(config(*a, i as u8 + 1))).collect(),
            told: vec![Vec::new(); count],
            addrs,
            wire: BTreeMap::new(),
            sent: 0,
            weather: Weather::default(),
            chance: Chance(1),
            log: Vec::new(),
            bytes: Vec::new(),
            drop_if: None,
        }
    }

    pub fn ms(&self) -> u64 {
        (self.now.instant.0 - 1_000_000_000) / 1_000_000
    }
    pub fn udp(&self, from: usize, to: usize) -> Flow {
        Flow::udp(self.addrs[from], self.addrs[to])
    }
    pub fn tcp(&self, from: usize, to: usize, connection: u64) -> Flow {
        Flow {
            transport: Transport::Tcp,
            local: self.addrs[from],
            peer: self.addrs[to],
            connection: ConnectionId(connection),
        }
    }
    pub fn parties(&self, from: usize, to: usize) -> Parties {
        Parties {
            from: format!("<sip:u{from}@{}>", self.addrs[from]),
            to: format!("<sip:u{to}@{}>", self.addrs[to]),
            call_id: None,
            contact_user: format!("u{from}"),
            max_forwards: 70,
        }
    }
    pub fn target(&self, flow: Flow) -> Target {
        Target { flow, uri: format!("sip:u@{}", flow.peer), route: Vec::new() }
    }
    pub fn send(&mut self, from: usize, to: usize, method: Method) -> ClientKey {
        let flow = self.udp(from, to);
        self.send_on(from, flow, method)
    }
    pub fn send_on(&mut self, from: usize, flow: Flow, method: Method) -> ClientKey {
        let to = self.addrs.iter().position(|a| *a == flow.peer).unwrap();
        let (target, parties) = (self.target(flow), self.parties(from, to));
        let key = self.uas[from].request(self.now, target, parties, Draft::request(method)).unwrap();
        self.pump();
        key
    }
    pub fn respond(&mut self, at: usize, key: ServerKey, status: u16) -> Option<DialogKey> {
        let dialog = self.uas[at].respond(self.now, key, Draft::response(status)).unwrap();
        self.pump();
        dialog
    }
    pub fn in_dialog(&mut self, at: usize, dialog: DialogKey, method: Method) -> ClientKey {
        let key = self.uas[at].request_in_dialog(self.now, dialog, Draft::request(method)).unwrap();
        self.pump();
        key
    }
    pub fn ack(&mut self, at: usize, dialog: DialogKey) {
        self.uas[at].ack(self.now, dialog, None).unwrap();
        self.pump();
    }
    pub fn cancel(&mut self, at: usize, key: ClientKey) {
        self.uas[at].cancel(self.now, key, None);
        self.pump();
    }

    /// Takes what the `Ua`s want sent and told.
    pub fn pump(&mut self) {
        for at in 0..self.uas.len() {
            while let Some((flow, bytes)) = self.uas[at].poll_output() {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let line = text.lines().next().unwrap_or("").to_owned();
                self.log.push((self.ms(), at, line));
                self.bytes.push((at, bytes.clone()));
                let dropped = self.drop_if.as_mut().is_some_and(|f| f(at, &text));
                let reliable = flow.transport.is_reliable();
                if dropped || (!reliable && self.chance.percent(self.weather.lost_percent)) {
                    continue;
                }
                let doubled = !reliable && self.chance.percent(self.weather.doubled_percent);
                for _ in 0..=usize::from(doubled) {
                    let extra = if reliable { 0 } else { self.chance.below(self.weather.jitter_ms + 1) };
                    let when = self.now.instant + Duration::from_millis(1 + extra);
                    self.sent += 1;
                    let back = Flow { local: flow.peer, peer: flow.local, ..flow };
                    self.wire.insert((when, self.sent), (back, bytes.clone()));
                }
            }
            while let Some(expired) = self.uas[at].poll_expired() {
                self.told[at].push(match expired {
                    Expired::NoResponse { key, flow_failed } => Told::NoResponse { key, flow_failed },
                    Expired::NotAcked { dialog, invite } => Told::NotAcked { dialog, invite },
                });
            }
        }
    }

    /// Gives one message to whoever listens at the flow's local address.
    pub fn deliver(&mut self, flow: Flow, bytes: &[u8]) {
        let Some(at) = self.addrs.iter().position(|a| *a == flow.local) else { return };
        let text = |m: &Message<'_>| String::from_utf8_lossy(m.bytes()).into_owned();
        if let Ok(received) = self.uas[at].receive(self.now, flow, bytes) {
            let told = match received {
                Received::Handled => None,
                Received::Request { key, request } => Some(Told::Request { key, text: text(&request) }),
                Received::InDialog { key, dialog, request } => {
                    Some(Told::InDialog { key, dialog, text: text(&request) })
                }
                Received::Cancelled { invite, .. } => Some(Told::Cancelled { invite }),
                Received::Acked { dialog, invite, request } => {
                    Some(Told::Acked { dialog, invite, body: request.body().to_vec() })
                }
                Received::Response { key, dialog, response } => {
                    Some(Told::Response { key, dialog, status: response.status(), text: text(&response) })
                }
            };
            self.told[at].extend(told);
        }
        self.pump();
    }

    /// Does what comes next in time; `false` where nothing will ever come.
    pub fn step(&mut self, limit: Instant) -> bool {
        self.pump();
        let packet = self.wire.keys().next().map(|(at, _)| *at);
        let timer = self.uas.iter().filter_map(|ua| ua.deadline()).min();
        let Some(next) = [packet, timer].into_iter().flatten().min().filter(|at| *at <= limit) else {
            return false;
        };
        self.now = self.now.plus(next.since(self.now.instant));
        if packet == Some(next) {
            let (_, (flow, bytes)) = self.wire.pop_first().unwrap();
            self.deliver(flow, &bytes);
            return true;
        }
        let now = self.now;
        for ua in &mut self.uas {
            if ua.deadline().is_some_and(|at| at <= now.instant) {
                ua.timeout(now);
            }
        }
        self.pump();
        true
    }

    pub fn run_ms(&mut self, ms: u64) {
        let limit = self.now.instant + Duration::from_millis(ms);
        while self.step(limit) {}
        self.now = self.now.plus(limit.since(self.now.instant));
    }

    pub fn take(&mut self, at: usize) -> Vec<Told> {
        std::mem::take(&mut self.told[at])
    }
    /// The one thing this owner was told since the last look.
    pub fn one(&mut self, at: usize) -> Told {
        let mut told = self.take(at);
        assert_eq!(told.len(), 1, "{told:#?}\n{:#?}", self.log);
        told.remove(0)
    }
    pub fn request_at(&mut self, at: usize) -> ServerKey {
        match self.one(at) {
            Told::Request { key, .. } | Told::InDialog { key, .. } => key,
            other => panic!("no request: {other:?}"),
        }
    }
    pub fn response_at(&mut self, at: usize) -> (u16, Option<DialogKey>) {
        match self.one(at) {
            Told::Response { status, dialog, .. } => (status, dialog),
            other => panic!("no response: {other:?}"),
        }
    }
    /// When (in ms) messages whose start line begins so were put on the wire by this one.
    pub fn times(&self, at: usize, begins: &str) -> Vec<u64> {
        self.log.iter().filter(|(_, a, l)| *a == at && l.starts_with(begins)).map(|(ms, _, _)| *ms).collect()
    }
    pub fn assert_at_rest(&self) {
        for at in 0..self.uas.len() {
            self.assert_at_rest_at(at);
        }
    }
    pub fn assert_at_rest_at(&self, at: usize) {
        assert_eq!(self.uas[at].holds(), Holds::default(), "at {at}");
        assert_eq!(self.uas[at].deadline(), None);
    }
    /// A call from 0 to 1 that is up: the dialogs of both, and the server key of its INVITE.
    pub fn call(&mut self) -> (DialogKey, DialogKey, ServerKey) {
        let flow = self.udp(0, 1);
        self.call_on(flow)
    }
    pub fn call_on(&mut self, flow: Flow) -> (DialogKey, DialogKey, ServerKey) {
        self.send_on(0, flow, Method::Invite);
        self.run_ms(5);
        let invite = self.request_at(1);
        let theirs = self.respond(1, invite, 200).unwrap();
        self.run_ms(5);
        let (status, ours) = self.response_at(0);
        assert_eq!(status, 200);
        self.ack(0, ours.unwrap());
        self.run_ms(5);
        assert!(matches!(self.one(1), Told::Acked { .. }));
        (ours.unwrap(), theirs, invite)
    }
    /// Hangs up at 0 and waits until nothing is left.
    pub fn hang_up(&mut self, ours: DialogKey) {
        self.in_dialog(0, ours, Method::Bye);
        self.run_ms(5);
        let bye = self.request_at(1);
        self.respond(1, bye, 200);
        self.run_ms(5);
        assert_eq!(self.response_at(0).0, 200);
        self.run_ms(200_000);
        self.assert_at_rest();
    }
}
