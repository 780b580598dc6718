//! What the core costs: processor time of a REGISTER cycle and of a call, and memory of a binding, as JSON lines. Peers' work
//! (digest answers, replies) is done outside the measured stretches; the store and the media side answer at once.
//! Run with `cargo run --release -p gateway --example bench_core`.

#[path = "../tests/common/mod.rs"]
mod common;

use common::*;
use gateway::{Gateway, GatewayConfig, Input, Output};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use terms::*;

struct Counting;
static HELD: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; only sizes are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `ptr` came from `alloc` above with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }
}
#[global_allocator]
static COUNTING: Counting = Counting;

/// Processor time of this process in nanoseconds.
fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

struct World {
    gateway: Gateway,
    now: Now,
    ns: u64,
    allocations: usize,
    messages: u64,
    media_and_records: u64,
}

impl World {
    fn new(config: GatewayConfig) -> World {
        let now = Now { instant: Instant(1_000_000_000), wall: WallTime(1_795_000_000_000) };
        World { gateway: Gateway::new(config), now, ns: 0, allocations: 0, messages: 0, media_and_records: 0 }
    }

    /// Puts messages in one after the other and gives back what was sent, in order; all of it is measured.
    fn step(&mut self, messages: &[(Flow, String)]) -> Vec<(Flow, Vec<u8>)> {
        let mut sent = Vec::with_capacity(messages.len() * 2 + 64);
        let (ns, allocations) = (cpu_ns(), ALLOCATIONS.load(Ordering::Relaxed));
        for (flow, text) in messages {
            self.gateway.handle(self.now, Input::Received { flow: *flow, bytes: text.as_bytes() });
            self.drain(&mut sent);
        }
        self.ns += cpu_ns() - ns;
        self.allocations += ALLOCATIONS.load(Ordering::Relaxed) - allocations;
        self.messages += (messages.len() + sent.len()) as u64;
        sent
    }

    fn drain(&mut self, sent: &mut Vec<(Flow, Vec<u8>)>) {
        while let Some(output) = self.gateway.poll_output() {
            let answer = match output {
                Output::Send { flow, bytes } => {
                    sent.push((flow, bytes));
                    continue;
                }
                Output::Store(ticket, _) => Input::Stored(ticket, Ok(())),
                Output::Media(MediaCommand::Offer { call, turn, from, sdp, .. })
                | Output::Media(MediaCommand::Answer { call, turn, from, sdp, .. }) => {
                    Input::Media(MediaEvent::Sdp { call, turn, to: from.other(), sdp })
                }
                Output::Media(MediaCommand::Release { call }) => Input::Media(MediaEvent::Released {
                    call,
                    a: LegFigures::default(),
                    b: LegFigures::default(),
                }),
                _ => continue,
            };
            self.media_and_records += 1;
            self.gateway.handle(self.now, answer);
        }
    }

    /// Time passes; its timers are part of what things cost.
    fn pass(&mut self, s: u64) -> Vec<(Flow, Vec<u8>)> {
        let mut sent = Vec::new();
        let ns = cpu_ns();
        let end = self.now.instant + Duration::from_secs(s);
        while let Some(at) = self.gateway.deadline().filter(|at| *at <= end) {
            // The daemon wakes up at most a thousand times a second.
            let at = at.max(self.now.instant + Duration::from_millis(1));
            self.now = self.now.plus(at.since(self.now.instant));
            self.gateway.handle(self.now, Input::Timeout);
            self.drain(&mut sent);
        }
        self.now = self.now.plus(end.since(self.now.instant));
        self.ns += cpu_ns() - ns;
        sent
    }

    fn reset(&mut self) {
        (self.ns, self.allocations, self.messages, self.media_and_records) = (0, 0, 0, 0);
    }
}

fn peer(n: u64) -> String {
    format!("10.{}.{}.{}:5060", n >> 16 & 255, n >> 8 & 255, n & 255)
}
fn name(n: u64) -> String {
    format!("desk-{n}")
}

fn register(n: u64, cseq: u32, authorization: &str) -> String {
    let (name, peer) = (name(n), peer(n));
    format!(
        "REGISTER sip:hotseat.test SIP/2.0\r\nVia: SIP/2.0/UDP {peer};branch=z9hG4bKr{n}c{cseq};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Phone {n}\" <sip:{name}@hotseat.test>;tag=f{n}\r\n\
         To: \"Phone {n}\" <sip:{name}@hotseat.test>\r\nCall-ID: 0a1b2c3d4e5f-{n}@{peer}\r\n\
         CSeq: {cseq} REGISTER\r\nContact: <sip:{name}@{peer}>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-{n:012}>\"\r\n\
         {authorization}Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\nSupported: path, outbound\r\n\
         User-Agent: Desk Phone 4.2.0\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
    )
}

fn bench_register(phones: u64, rounds: u32) {
    let mut world = World::new(GatewayConfig {
        bindings_max: 200_000,
        expires_max: Duration::from_secs(86_400),
        ..config()
    });
    for n in 0..phones {
        world.gateway.handle(world.now, Input::Directory(DirectoryChange::Device(device(n, &name(n)))));
    }
    let mut per_cycle = Vec::new();
    for round in 0..rounds {
        world.reset();
        let flows: Vec<Flow> = (0..phones).map(|n| udp(&peer(n))).collect();
        let first: Vec<_> =
            (0..phones).map(|n| (flows[n as usize], register(n, round * 2 + 1, ""))).collect();
        let challenges = world.step(&first);
        assert_eq!(challenges.len(), first.len());
        let second: Vec<_> = challenges
            .iter()
            .zip(0..phones)
            .map(|((flow, bytes), n)| {
                let challenge = String::from_utf8_lossy(bytes);
                let answer = answer_challenge(&challenge, &name(n), "REGISTER", "sip:hotseat.test");
                (*flow, register(n, round * 2 + 2, &answer))
            })
            .collect();
        let answers = world.step(&second);
        assert!(
            answers.iter().all(|(_, bytes)| bytes.starts_with(b"SIP/2.0 200")),
            "everybody is registered"
        );
        assert_eq!(answers.len() as u64, phones);
        world.pass(40);
        per_cycle.push(world.ns / phones);
    }
    per_cycle.sort_unstable();
    println!(
        "{{\"bench\":\"register_cycle\",\"phones\":{phones},\"cpu_ns\":{},\"best_ns\":{},\"allocations\":{}}}",
        per_cycle[per_cycle.len() / 2],
        per_cycle[0],
        world.allocations as u64 / phones
    );
}

fn bench_call(calls: u64, rounds: u32) {
    let mut world = World::new(GatewayConfig { calls_max: 20_000, bindings_max: 20_000, ..config() });
    world
        .gateway
        .handle(world.now, Input::Directory(DirectoryChange::Trunk(Trunk { max_calls: 100_000, ..trunk() })));
    for n in 0..calls {
        world.gateway.handle(world.now, Input::Directory(DirectoryChange::Device(device(n, &name(n)))));
        let one = agent(n, &format!("agent-{n}"), &format!("{}", 20_000 + n));
        world.gateway.handle(world.now, Input::Directory(DirectoryChange::Agent(one)));
        world.gateway.handle(world.now, Input::Login(seated(n + 1, n, 1, n)));
        world.gateway.handle(world.now, Input::Restored(binding(world.now, n)));
    }
    world.drain(&mut Vec::new());
    let sdp = "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
               m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
               a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n";
    let mut per_call = Vec::new();
    for _ in 0..rounds {
        world.reset();
        let trunk = udp(TRUNK);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let invites: Vec<_> = (0..calls)
            .map(|n| {
                let uri = format!("sip:{}@192.0.2.1", 20_000 + n);
                (trunk, invite(&uri, trunk, "+4917012345", fresh(), 1, "", sdp))
            })
            .collect();
        let at_phones = world.step(&invites);
        let ringing: Vec<_> = at_phones
            .iter()
            .map(|(flow, one)| (*flow, reply(&text(one), 180, "b", Some(*flow), "")))
            .collect();
        world.step(&ringing);
        let oks: Vec<_> = at_phones
            .iter()
            .map(|(flow, one)| (*flow, reply(&text(one), 200, "b", Some(*flow), sdp)))
            .collect();
        let answered = world.step(&oks);
        let a_oks: Vec<String> =
            answered.iter().filter(|(flow, _)| *flow == trunk).map(|(_, one)| text(one)).collect();
        assert_eq!(a_oks.len() as u64, calls);
        let acks: Vec<_> =
            a_oks.iter().map(|ok| (trunk, in_dialog("ACK", ok, trunk, 1, fresh(), ""))).collect();
        world.step(&acks);
        let byes: Vec<_> =
            a_oks.iter().map(|ok| (trunk, in_dialog("BYE", ok, trunk, 2, fresh(), ""))).collect();
        let ended = world.step(&byes);
        let byes: Vec<_> = ended.iter().filter(|(flow, _)| *flow != trunk).collect();
        assert_eq!(byes.len() as u64, calls);
        let last: Vec<_> =
            byes.iter().map(|(flow, one)| (*flow, reply(&text(one), 200, "b", None, ""))).collect();
        world.step(&last);
        world.pass(70);
        assert!(world.gateway.calls().is_empty());
        per_call.push(world.ns / calls);
    }
    per_call.sort_unstable();
    println!(
        "{{\"bench\":\"call\",\"calls\":{calls},\"cpu_ns\":{},\"best_ns\":{},\"messages\":{},\"store_and_media\":{},\"allocations\":{}}}",
        per_call[per_call.len() / 2],
        per_call[0],
        world.messages / calls,
        world.media_and_records / calls,
        world.allocations as u64 / calls
    );
}

fn binding(now: Now, n: u64) -> Binding {
    let (name, peer) = (name(n), peer(n));
    Binding {
        aor: Aor::new(&name, "hotseat.test"),
        contact: format!("sip:{name}@{peer}"),
        instance: Some(format!("urn:uuid:00000000-0000-1000-8000-{n:012}")),
        reg_id: 0,
        call_id: format!("0a1b2c3d4e5f-{n}@{peer}"),
        cseq: 2,
        q: 1000,
        expires: now.wall + Duration::from_secs(3600),
        registered: now.wall,
        flow: udp(&peer),
        path: Vec::new(),
        user_agent: "Desk Phone 4.2.0".into(),
    }
}

fn bench_memory(bindings: u64) {
    let mut world = World::new(GatewayConfig { bindings_max: 200_000, ..config() });
    for n in 0..bindings {
        world.gateway.handle(world.now, Input::Directory(DirectoryChange::Device(device(n, &name(n)))));
    }
    let before = HELD.load(Ordering::Relaxed);
    for n in 0..bindings {
        world.gateway.handle(world.now, Input::Restored(binding(world.now, n)));
        world.drain(&mut Vec::new());
    }
    let held = HELD.load(Ordering::Relaxed) - before;
    println!(
        "{{\"bench\":\"memory\",\"bindings\":{bindings},\"bytes_per_binding\":{}}}",
        held as u64 / bindings
    );
}

fn main() {
    let only = std::env::args().nth(1);
    if only.as_deref() == Some("register") {
        return bench_register(500, 40);
    }
    bench_register(10_000, 7);
    bench_call(500, 9);
    bench_memory(100_000);
}
