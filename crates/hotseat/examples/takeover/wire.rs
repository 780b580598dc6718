//! All phones behind one socket and the trunk behind another. Each answers what comes, from a thread of its own, so that the
//! moment of a BYE is the moment it arrived; who is whose is in the user part of the address.

use crate::server::{SECRET, Server};
use anyhow::Context;
use sip::digest::Answerer;
use sip::{Message, Name};
use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use terms::Secret;

/// Repeated after this much silence, as a phone would.
const SILENCE: Duration = Duration::from_millis(500);
/// Whoever waits for the server gives up after this.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What the two sockets have seen.
#[derive(Default)]
struct Seen {
    /// Phones that are registered, by number.
    registered: HashMap<usize, u32>,
    /// Calls that are up, by the agent's number.
    up: HashSet<usize>,
    /// When a BYE came to this phone.
    byes: HashMap<usize, Instant>,
    /// Calls that were answered with a refusal, which nobody here expects.
    refused: Option<String>,
}

#[derive(Default)]
struct Counts {
    registers: AtomicU64,
    calls: AtomicU64,
}

struct Shared {
    phones: UdpSocket,
    trunk: UdpSocket,
    server: SocketAddr,
    domain: String,
    seen: Mutex<Seen>,
    counts: Counts,
    /// Calls of the load are hung up by the trunk as soon as they are up.
    over: AtomicBool,
}

pub struct Wire {
    shared: Arc<Shared>,
    count: usize,
}

pub struct Load {
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<()>>,
    before: (u64, u64),
}

/// What went on beside.
pub struct Went {
    pub registers: u64,
    pub calls: u64,
}

impl Wire {
    pub fn open(server: &Server, count: usize) -> anyhow::Result<Wire> {
        let phones = UdpSocket::bind("127.0.0.1:0")?;
        phones.connect(server.sip)?;
        let trunk = server.trunk.try_clone()?;
        trunk.connect(server.sip)?;
        for socket in [&phones, &trunk] {
            socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        }
        let shared = Arc::new(Shared {
            phones,
            trunk,
            server: server.sip,
            domain: server.domain.clone(),
            seen: Mutex::default(),
            counts: Counts::default(),
            over: AtomicBool::new(false),
        });
        // They live until the load is over.
        let (ours, theirs) = (Arc::clone(&shared), Arc::clone(&shared));
        std::thread::spawn(move || ours.listen(&ours.phones, Shared::phone_got));
        std::thread::spawn(move || theirs.listen(&theirs.trunk, Shared::trunk_got));
        Ok(Wire { shared, count })
    }

    /// Every phone, once.
    pub fn register_all(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        for round in 1u32.. {
            for phone in (0..self.count).filter(|p| !self.shared.seen().registered.contains_key(p)) {
                self.shared.phones.send(&self.shared.register(phone, 2 * round - 1, None))?;
                // A datagram each, and not all of them at once: the socket's buffer is shorter than the list.
                std::thread::sleep(Duration::from_micros(500));
            }
            std::thread::sleep(SILENCE);
            if self.shared.seen().registered.len() == self.count {
                return Ok(());
            }
            anyhow::ensure!(began.elapsed() < PATIENCE, "not all phones could register");
        }
        Ok(())
    }

    /// REGISTERs of everybody and calls to these agents, so many a second, until it is stopped.
    pub fn load(&self, others: Range<usize>, registers: usize, calls: usize) -> anyhow::Result<Load> {
        let (shared, count) = (Arc::clone(&self.shared), self.count);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let before = shared.so_far();
        let first = shared.seen().registered.values().copied().max().unwrap_or(0) + 2;
        let thread = std::thread::spawn(move || {
            let began = Instant::now();
            let (mut registered, mut called) = (0usize, 0usize);
            while !stopped.load(Ordering::Relaxed) {
                let due = |per_s: usize| (began.elapsed().as_secs_f64() * per_s as f64) as usize;
                while registered < due(registers) {
                    // Odd without credentials, even with them.
                    let cseq = first / 2 * 2 + 1 + 2 * (registered / count) as u32;
                    shared.phones.send(&shared.register(registered % count, cseq, None))?;
                    registered += 1;
                }
                while called < due(calls) {
                    let agent = others.start + called % others.len().max(1);
                    called += 1;
                    shared.trunk.send(&shared.invite(agent, &format!("l{called}")))?;
                }
                std::thread::sleep(LOOK_EVERY);
            }
            Ok(())
        });
        Ok(Load { shared: Arc::clone(&self.shared), stop, thread, before })
    }

    /// Calls each of these agents and returns when all of them talk.
    pub fn talk(&self, agents: Range<usize>) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let waiting: Vec<usize> = {
                let seen = self.shared.seen();
                if let Some(why) = &seen.refused {
                    anyhow::bail!("a call was refused: {why}");
                }
                agents.clone().filter(|a| !seen.up.contains(a)).collect()
            };
            if waiting.is_empty() {
                return Ok(());
            }
            anyhow::ensure!(began.elapsed() < PATIENCE, "{} calls do not come up", waiting.len());
            for agent in waiting {
                self.shared.trunk.send(&self.shared.invite(agent, "w"))?;
            }
            std::thread::sleep(SILENCE);
        }
    }

    /// When the BYE came to this phone.
    pub fn bye_at(&self, phone: usize, within: Duration) -> Option<Instant> {
        let until = Instant::now() + within;
        loop {
            let bye = self.shared.seen().byes.get(&phone).copied();
            if bye.is_some() || Instant::now() > until {
                return bye;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Load {
    pub fn stop(self) -> anyhow::Result<Went> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the load died"))??;
        let (registers, calls) = self.shared.so_far();
        self.shared.over.store(true, Ordering::Relaxed);
        Ok(Went { registers: registers - self.before.0, calls: calls - self.before.1 })
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn so_far(&self) -> (u64, u64) {
        (self.counts.registers.load(Ordering::Relaxed), self.counts.calls.load(Ordering::Relaxed))
    }

    fn listen(&self, socket: &UdpSocket, got: fn(&Shared, &Message<'_>, Instant) -> anyhow::Result<()>) {
        let mut buffer = vec![0; 65_535];
        while !self.over.load(Ordering::Relaxed) {
            let Ok(len) = socket.recv(&mut buffer) else { continue };
            let now = Instant::now();
            let Ok(message) = Message::parse(&buffer[..len]) else { continue };
            if let Err(error) = got(self, &message, now) {
                self.seen().refused = Some(format!("{error:#}"));
            }
        }
    }

    fn phone_got(&self, m: &Message<'_>, now: Instant) -> anyhow::Result<()> {
        let us = self.phones.local_addr()?;
        if !m.is_request() {
            return self.registrar_said(m);
        }
        // The user part of the contact that registered, and of ours in the answer.
        let phone = m.uri().strip_prefix("sip:p").and_then(|rest| rest.split('@').next()?.parse().ok());
        let contact = format!("<sip:p{}@{us}>", phone.unwrap_or(0));
        match m.method_text() {
            "INVITE" => {
                self.phones.send(&reply(m, "180 Ringing", &contact, ""))?;
                self.phones.send(&reply(m, "200 OK", &contact, &sdp(us, 30_002)))?;
            }
            "ACK" => {}
            method => {
                if let ("BYE", Some(phone)) = (method, phone) {
                    self.seen().byes.entry(phone).or_insert(now);
                }
                self.phones.send(&reply(m, "200 OK", &contact, ""))?;
            }
        }
        Ok(())
    }

    fn registrar_said(&self, m: &Message<'_>) -> anyhow::Result<()> {
        let phone = m.call_id().and_then(|c| c.strip_prefix('r')?.split('@').next()?.parse::<usize>().ok());
        let (Some(phone), Some(cseq)) = (phone, m.cseq().map(|c| c.number)) else { return Ok(()) };
        match m.status() {
            200 => {
                self.counts.registers.fetch_add(1, Ordering::Relaxed);
                self.seen().registered.insert(phone, cseq);
            }
            401 => {
                let mut answerer = Answerer::new(format!("p{phone}"), Secret::new(SECRET));
                answerer.challenged(m)?;
                let (uri, cnonce) =
                    (format!("sip:{}", self.domain), format!("c{phone}-{cseq}-abcdef0123456789"));
                let (_, value) = answerer
                    .authorization("REGISTER", &uri, b"", &cnonce)
                    .context("no answer to a challenge")?;
                self.phones.send(&self.register(phone, cseq + 1, Some(&value)))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn trunk_got(&self, m: &Message<'_>, _: Instant) -> anyhow::Result<()> {
        let us = self.trunk.local_addr()?;
        if m.is_request() {
            if m.method_text() != "ACK" {
                self.trunk.send(&reply(m, "200 OK", &format!("<sip:trunk@{us}>"), ""))?;
            }
            return Ok(());
        }
        let Some((agent, id)) =
            m.call_id().and_then(|c| c.strip_prefix('c')?.split('@').next()?.split_once('-'))
        else {
            return Ok(());
        };
        let agent = agent.parse::<usize>()?;
        if m.cseq().is_none_or(|c| c.method != "INVITE") || m.status() < 200 {
            return Ok(());
        }
        // A refusal is acknowledged with the branch of its INVITE, a 200 with one of its own (RFC 3261 §17.1.1.3, §13.2.2.4).
        if m.status() >= 300 {
            let uri = format!("sip:{}@{}", 20_000 + agent, self.server);
            self.trunk.send(&within(m, us, "ACK", 1, &uri, 'i'))?;
            // An agent whose last call is not quite over is busy for the next.
            anyhow::ensure!(id.starts_with('l'), "agent {agent} got {} {}", m.status(), m.phrase());
            return Ok(());
        }
        let uri = m.contact().map(|c| c.uri.to_string()).unwrap_or_default();
        self.trunk.send(&within(m, us, "ACK", 1, &uri, 'a'))?;
        if id.starts_with('l') {
            self.counts.calls.fetch_add(1, Ordering::Relaxed);
            self.trunk.send(&within(m, us, "BYE", 2, &uri, 'b'))?;
        } else {
            self.seen().up.insert(agent);
        }
        Ok(())
    }

    fn register(&self, phone: usize, cseq: u32, authorization: Option<&str>) -> Vec<u8> {
        let domain = &self.domain;
        let address = self.phones.local_addr().unwrap_or(self.server);
        let auth = authorization.map(|a| format!("Authorization: {a}\r\n")).unwrap_or_default();
        format!(
            "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKb{phone}-{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:p{phone}@{domain}>;tag=t{phone}\r\nTo: <sip:p{phone}@{domain}>\r\n\
             Call-ID: r{phone}@bench\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:p{phone}@{address}>\r\nExpires: 3600\r\n\
             User-Agent: bench\r\n{auth}Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    fn invite(&self, agent: usize, id: &str) -> Vec<u8> {
        let us = self.trunk.local_addr().unwrap_or(self.server);
        let (extension, server, sdp) = (20_000 + agent, self.server, sdp(us, 30_000));
        format!(
            "INVITE sip:{extension}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKi{agent}-{id};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+4930{agent}@{us}>;tag=f{id}\r\nTo: <sip:{extension}@{server}>\r\n\
             Call-ID: c{agent}-{id}@bench\r\nCSeq: 1 INVITE\r\nContact: <sip:trunk@{us}>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
        .into_bytes()
    }
}

/// A request inside the call that this response is about.
fn within(m: &Message<'_>, us: SocketAddr, method: &str, cseq: u32, uri: &str, branch: char) -> Vec<u8> {
    let line = |name| m.header(name).unwrap_or("");
    let call = line(Name::CallId);
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{branch}{};rport\r\nMax-Forwards: 70\r\n\
         From: {}\r\nTo: {}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
        call.trim_start_matches('c').trim_end_matches("@bench"),
        line(Name::From),
        line(Name::To)
    )
    .into_bytes()
}

/// A response with the request's Via, From, To, Call-ID and CSeq.
fn reply(m: &Message<'_>, status: &str, contact: &str, sdp: &str) -> Vec<u8> {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for via in m.headers(Name::Via) {
        text.push_str(&format!("Via: {via}\r\n"));
    }
    let to = m.header(Name::To).unwrap_or("");
    let tag = if to.contains(";tag=") { "" } else { ";tag=theirs" };
    let line = |name| m.header(name).unwrap_or("");
    text.push_str(&format!(
        "From: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: {contact}\r\n",
        line(Name::From),
        line(Name::CallId),
        line(Name::CSeq)
    ));
    if !sdp.is_empty() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{sdp}", sdp.len()));
    text.into_bytes()
}

fn sdp(us: SocketAddr, port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n",
        ip = us.ip()
    )
}
