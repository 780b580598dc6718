//! Loads the running program from a process of its own and reads what it cost: processor time of the server, user and
//! system, from the kernel's account of its threads, divided by what was done. The load itself, and the kernel's own
//! threads (the journal of the file system), are not in it. Prints JSON lines. `scripts/bench` runs it.
//!
//! `register`: a phone sends REGISTER, gets 401, answers the digest, gets 200; each 200 stands behind a commit with
//! `fsync`. So many phones are at it at once (`--in-flight`) as fast as answers come, or at a steady `--rate` of cycles a
//! second. What a cycle costs depends on that: with many at once a wakeup, a commit, a system call carry many messages.
//! A line for one phone all alone says how long it waits for its 200 and what that costs, for nothing is shared then.
//!
//! `call`: INVITE from the trunk, 180 and 200 from the phone, ACK, BYE from the trunk, 200, on both legs: twelve messages,
//! two record writes, ports taken and given back; `--phones` of them at once. No RTP flows.
//!
//! `memory`: resident memory before anybody registered, when everybody just has (their transactions still wait for
//! retransmissions), and when these are over.
//!
//! usage: bench_server register|call|memory [--runs N] [--phones N] [--in-flight N] [--cycles N] [--rate N]

#[path = "server/mod.rs"]
mod server;

use server::{Server, median};
use sip::digest::Answerer;
use sip::{Message, Name};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use terms::Secret;

/// Answers are repeated after this much silence, as a phone would.
const SILENCE: Duration = Duration::from_millis(500);

/// Timer J of RFC 3261, and a little.
const TRANSACTIONS_OVER: Duration = Duration::from_secs(35);

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: usize| {
        let at = args.iter().position(|a| a == name);
        at.and_then(|at| args.get(at + 1)).and_then(|n| n.parse().ok()).unwrap_or(default)
    };
    let runs = number("--runs", 5);
    match args.first().map(String::as_str) {
        Some("register") => {
            let load = Load { in_flight: number("--in-flight", 64), rate: number("--rate", 0) };
            register(number("--phones", 2_000), load, runs, number("--cycles", 20_000))
        }
        Some("call") => calls(number("--phones", 50), runs, number("--cycles", 2_000)),
        Some("memory") => memory(number("--phones", 100_000), number("--in-flight", 256)),
        _ => anyhow::bail!("usage: bench_server register|call|memory"),
    }
}

/// How hard the phones press.
#[derive(Clone, Copy)]
struct Load {
    in_flight: usize,
    /// Cycles a second; 0: as fast as answers come.
    rate: usize,
}

impl Load {
    fn at_once(in_flight: usize) -> Load {
        Load { in_flight, rate: 0 }
    }
}

/// REGISTER, 401, REGISTER, 200, each 200 behind a commit.
fn register(phones: usize, load: Load, runs: usize, cycles: usize) -> anyhow::Result<()> {
    let server = Server::start(phones, 0)?;
    let mut phones = Phones::new(&server, phones)?;
    phones.register(Load::at_once(load.in_flight), (cycles / 4).max(phones.cseq.len()))?;
    alone(&server, &mut phones)?;
    let mut costs = Vec::new();
    for run in 0..runs {
        let (before, began) = (server.cpu_us()?, Instant::now());
        phones.register(load, cycles)?;
        let cost = (server.cpu_us()? - before) / cycles as f64;
        costs.push(cost);
        println!(
            "{}",
            serde_json::json!({ "bench": "register", "run": run, "us": round(cost), "per_s": (cycles as f64 / began.elapsed().as_secs_f64()).round() })
        );
    }
    println!(
        "{}",
        serde_json::json!({ "bench": "register", "median_us": round(median(&mut costs)), "aim_us": 18, "in_flight": load.in_flight, "rate": load.rate, "cycles": cycles, "repeated": phones.repeated })
    );
    server.stop()
}

/// One phone and nobody else.
fn alone(server: &Server, phones: &mut Phones) -> anyhow::Result<()> {
    const CYCLES: usize = 200;
    let before = server.cpu_us()?;
    let mut took = Vec::with_capacity(CYCLES);
    for _ in 0..CYCLES {
        let began = Instant::now();
        phones.register(Load::at_once(1), 1)?;
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    let cost = (server.cpu_us()? - before) / CYCLES as f64;
    println!(
        "{}",
        serde_json::json!({ "bench": "register_alone", "median_ms": round(median(&mut took)), "us": round(cost), "cycles": CYCLES })
    );
    Ok(())
}

/// Resident memory before and after every phone has registered once.
fn memory(count: usize, in_flight: usize) -> anyhow::Result<()> {
    let server = Server::start(count, 0)?;
    let before = server.resident_mb()?;
    let mut phones = Phones::new(&server, count)?;
    phones.register(Load::at_once(in_flight), count)?;
    let after = server.resident_mb()?;
    std::thread::sleep(TRANSACTIONS_OVER);
    let rest = server.resident_mb()?;
    println!(
        "{}",
        serde_json::json!({ "bench": "memory", "bindings": count, "before_mb": round(before), "after_mb": round(after), "bindings_mb": round(after - before), "at_rest_mb": round(rest - before), "aim_mb": 100 })
    );
    server.stop()
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Many phones behind one socket; the Call-ID tells them apart.
struct Phones {
    socket: UdpSocket,
    domain: String,
    address: SocketAddr,
    cseq: Vec<u32>,
    next: usize,
    repeated: u64,
}

struct Waiting {
    phone: usize,
    sent: Vec<u8>,
}

impl Phones {
    fn new(server: &Server, count: usize) -> anyhow::Result<Phones> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(server.sip)?;
        socket.set_read_timeout(Some(SILENCE))?;
        let address = socket.local_addr()?;
        Ok(Phones {
            socket,
            domain: server.domain.clone(),
            address,
            cseq: vec![0; count],
            next: 0,
            repeated: 0,
        })
    }

    fn request(&mut self, phone: usize, authorization: Option<&str>) -> Vec<u8> {
        self.cseq[phone] += 1;
        let (cseq, address, domain) = (self.cseq[phone], self.address, &self.domain);
        let auth = authorization.map(|a| format!("Authorization: {a}\r\n")).unwrap_or_default();
        format!(
            "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKb{phone}-{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:p{phone}@{domain}>;tag=t{phone}\r\nTo: <sip:p{phone}@{domain}>\r\n\
             Call-ID: r{phone}@bench\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:p{phone}@{address}>\r\nExpires: 3600\r\n\
             User-Agent: bench\r\n{auth}Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    /// So many whole cycles, each phone in its turn.
    fn register(&mut self, load: Load, cycles: usize) -> anyhow::Result<()> {
        let (began, mut heard) = (Instant::now(), Instant::now());
        let at_most = load.in_flight.min(self.cseq.len());
        if load.rate > 0 {
            self.socket.set_read_timeout(Some(Duration::from_millis(1)))?;
        }
        let mut waiting: HashMap<usize, Waiting> = HashMap::new();
        let (mut begun, mut done) = (0, 0);
        let mut buffer = vec![0; 65_535];
        while done < cycles {
            let due = match load.rate {
                0 => cycles,
                rate => cycles.min((began.elapsed().as_secs_f64() * rate as f64) as usize),
            };
            while begun < due && waiting.len() < at_most {
                let phone = self.next % self.cseq.len();
                self.next += 1;
                begun += 1;
                let sent = self.request(phone, None);
                self.socket.send(&sent)?;
                waiting.insert(phone, Waiting { phone, sent });
            }
            let len = match self.socket.recv(&mut buffer) {
                Ok(len) => {
                    heard = Instant::now();
                    len
                }
                Err(_) if heard.elapsed() < SILENCE => continue,
                Err(_) => {
                    heard = Instant::now();
                    for w in waiting.values() {
                        self.repeated += 1;
                        self.socket.send(&w.sent)?;
                    }
                    continue;
                }
            };
            let Ok(answer) = Message::parse(&buffer[..len]) else { continue };
            let phone =
                answer.call_id().and_then(|c| c.strip_prefix('r')?.split('@').next()?.parse::<usize>().ok());
            let Some(phone) = phone else { continue };
            let current = answer.cseq().is_some_and(|c| c.number == self.cseq[phone]);
            if !waiting.contains_key(&phone) || !current {
                continue;
            }
            match answer.status() {
                200 => {
                    waiting.remove(&phone);
                    done += 1;
                }
                401 => {
                    let mut answerer = Answerer::new(format!("p{phone}"), Secret::new(server::SECRET));
                    answerer.challenged(&answer)?;
                    let uri = format!("sip:{}", self.domain);
                    let cnonce = format!("c{phone}-{}-abcdef0123456789", self.cseq[phone]);
                    let Some((_, value)) = answerer.authorization("REGISTER", &uri, b"", &cnonce) else {
                        continue;
                    };
                    let sent = self.request(phone, Some(&value));
                    self.socket.send(&sent)?;
                    waiting.insert(phone, Waiting { phone, sent });
                }
                status => anyhow::bail!("phone {} got {status} {}", waiting[&phone].phone, answer.phrase()),
            }
        }
        Ok(())
    }
}

/// Whole calls from the trunk to agents at phones: INVITE, 180, 200, ACK on both legs, BYE from the trunk.
fn calls(agents: usize, runs: usize, cycles: usize) -> anyhow::Result<()> {
    let server = Server::start(agents, agents)?;
    let mut phones = Phones::new(&server, agents)?;
    phones.register(Load::at_once(16), agents)?;
    let mut costs = Vec::new();
    let mut exchange = Exchange::new(&server, phones, agents)?;
    exchange.run(cycles / 4)?;
    for run in 0..runs {
        let before = server.cpu_us()?;
        exchange.run(cycles)?;
        let cost = (server.cpu_us()? - before) / cycles as f64;
        costs.push(cost);
        println!("{}", serde_json::json!({ "bench": "call", "run": run, "us": round(cost) }));
    }
    let repeated = exchange.repeated;
    println!(
        "{}",
        serde_json::json!({ "bench": "call", "median_us": round(median(&mut costs)), "aim_us": 100, "at_once": agents, "cycles": cycles, "repeated": repeated })
    );
    server.stop()
}

/// The trunk on one socket and all phones on the other.
struct Exchange {
    trunk: UdpSocket,
    phones: UdpSocket,
    server: SocketAddr,
    count: u64,
    agents: usize,
    repeated: u64,
}

struct Call {
    agent: usize,
    id: u64,
    sent: Vec<u8>,
}

impl Exchange {
    fn new(server: &Server, phones: Phones, agents: usize) -> anyhow::Result<Exchange> {
        let trunk = server.trunk.try_clone()?;
        trunk.connect(server.sip)?;
        trunk.set_nonblocking(true)?;
        phones.socket.set_nonblocking(true)?;
        Ok(Exchange { trunk, phones: phones.socket, server: server.sip, count: 0, agents, repeated: 0 })
    }

    fn invite(&self, agent: usize, id: u64) -> anyhow::Result<Vec<u8>> {
        let (us, extension) = (self.trunk.local_addr()?, 20_000 + agent);
        let sdp = sdp(us, 30_000);
        Ok(format!(
            "INVITE sip:{extension}@{} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKi{id};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:+4930{id}@{us}>;tag=f{id}\r\nTo: <sip:{extension}@{}>\r\nCall-ID: c{agent}-{id}@bench\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:trunk@{us}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            self.server,
            self.server,
            sdp.len()
        )
        .into_bytes())
    }

    fn run(&mut self, cycles: usize) -> anyhow::Result<()> {
        let mut up: HashMap<usize, Call> = HashMap::new();
        let (mut begun, mut done) = (0, 0);
        let mut heard = Instant::now();
        let mut buffer = vec![0; 65_535];
        while done < cycles {
            for agent in 0..self.agents {
                if begun < cycles && !up.contains_key(&agent) {
                    self.count += 1;
                    begun += 1;
                    let sent = self.invite(agent, self.count)?;
                    self.trunk.send(&sent)?;
                    up.insert(agent, Call { agent, id: self.count, sent });
                }
            }
            let mut idle = true;
            while let Ok(len) = self.phones.recv(&mut buffer) {
                idle = false;
                self.phone_got(&buffer[..len])?;
            }
            while let Ok(len) = self.trunk.recv(&mut buffer) {
                idle = false;
                done += self.trunk_got(&buffer[..len], &mut up)?;
            }
            if !idle {
                heard = Instant::now();
            } else if heard.elapsed() > SILENCE {
                heard = Instant::now();
                for call in up.values() {
                    self.repeated += 1;
                    self.trunk.send(&call.sent)?;
                }
            } else {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        Ok(())
    }

    fn phone_got(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let Ok(m) = Message::parse(bytes) else { return Ok(()) };
        match m.method_text() {
            "INVITE" => {
                let us = self.phones.local_addr()?;
                self.phones.send(&reply(&m, "180 Ringing", us, ""))?;
                self.phones.send(&reply(&m, "200 OK", us, &sdp(us, 30_002)))?;
            }
            "BYE" | "OPTIONS" => _ = self.phones.send(&reply(&m, "200 OK", self.phones.local_addr()?, ""))?,
            _ => {}
        }
        Ok(())
    }

    /// 1 when a call is over.
    fn trunk_got(&self, bytes: &[u8], up: &mut HashMap<usize, Call>) -> anyhow::Result<usize> {
        let Ok(m) = Message::parse(bytes) else { return Ok(0) };
        if m.is_request() {
            self.trunk.send(&reply(&m, "200 OK", self.trunk.local_addr()?, ""))?;
            return Ok(0);
        }
        let Some((agent, id)) = m.call_id().and_then(|c| {
            let (agent, id) = c.strip_prefix('c')?.split('@').next()?.split_once('-')?;
            Some((agent.parse::<usize>().ok()?, id.parse::<u64>().ok()?))
        }) else {
            return Ok(0);
        };
        let Some(call) = up.get_mut(&agent).filter(|c| c.id == id) else { return Ok(0) };
        let invite = m.cseq().is_some_and(|c| c.method == "INVITE");
        match (m.status(), invite) {
            (100..=199, _) => Ok(0),
            (200..=299, true) => {
                let (us, to) = (self.trunk.local_addr()?, m.header(Name::To).unwrap_or(""));
                let target = m.contact().map(|c| c.uri.to_string()).unwrap_or_default();
                let request = |method: &str, cseq: u32| {
                    format!(
                        "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{}{id};rport\r\nMax-Forwards: 70\r\n\
                         From: <sip:+4930{id}@{us}>;tag=f{id}\r\nTo: {to}\r\nCall-ID: c{agent}-{id}@bench\r\n\
                         CSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
                        method.to_ascii_lowercase()
                    )
                    .into_bytes()
                };
                self.trunk.send(&request("ACK", 1))?;
                call.sent = request("BYE", 2);
                self.trunk.send(&call.sent)?;
                Ok(0)
            }
            (200..=299, false) => {
                up.remove(&agent);
                Ok(1)
            }
            (status, _) => anyhow::bail!("the call to agent {} got {status} {}", call.agent, m.phrase()),
        }
    }
}

/// A response with the request's Via, From, To, Call-ID and CSeq.
fn reply(m: &Message<'_>, status: &str, us: SocketAddr, sdp: &str) -> Vec<u8> {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for via in m.headers(Name::Via) {
        text.push_str(&format!("Via: {via}\r\n"));
    }
    for route in m.headers(Name::RecordRoute) {
        text.push_str(&format!("Record-Route: {route}\r\n"));
    }
    let to = m.header(Name::To).unwrap_or("");
    let tag = if to.contains(";tag=") { String::new() } else { format!(";tag=p{}", us.port()) };
    let line = |name| m.header(name).unwrap_or("").to_owned();
    text.push_str(&format!(
        "From: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:x@{us}>\r\n",
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
