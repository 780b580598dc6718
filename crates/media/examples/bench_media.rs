//! What does a packet cost in the machine, and what a call whose voice is coded here? Processor time of the one thread,
//! without sockets (those are in `bench relay`), medians of several runs, one JSON line each.
//!
//! `bench_media [--runs N]`

use media::codec::{Encoder, Kind};
use media::srtp::{GROWTH_MAX, Keys, Sealer, Suite};
use media::{Machine, MediaConfig, SocketOp};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;
use terms::{CallId, Instant, Leg, MediaCommand, MediaEvent, PortKind, Turn};

const CALLS: u64 = 200;
/// Ten seconds of voice for each of the relayed calls.
const PACKETS: u32 = 500;
/// Calls that are coded, and twenty seconds of them.
const CODED_CALLS: u64 = 10;
const CODED_PACKETS: u32 = 1000;
const PER_SECOND: f64 = 50.0;
/// Room behind a packet, as the workers give it.
const BUFFER: usize = 1536;

/// One leg: what it speaks, and whether its packets are encrypted (SRTP with AES-CM, as a browser's are).
#[derive(Clone, Copy)]
struct Side {
    name: &'static str,
    kind: Kind,
    pt: u8,
    srtp: bool,
}

const PCMU: Side = Side { name: "pcmu", kind: Kind::Pcmu, pt: 0, srtp: false };
const PCMA: Side = Side { name: "pcma", kind: Kind::Pcma, pt: 8, srtp: false };
const G722: Side = Side { name: "g722", kind: Kind::G722, pt: 9, srtp: false };
const OPUS: Side = Side { name: "opus", kind: Kind::Opus, pt: 111, srtp: false };
const PCMU_SRTP: Side = Side { name: "pcmu srtp", srtp: true, ..PCMU };
const OPUS_SRTP: Side = Side { name: "opus srtp", srtp: true, ..OPUS };

/// The key of every encrypted leg: the bytes 0 to 29.
const INLINE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";

fn main() {
    let mut args = std::env::args().skip(1);
    let mut runs = 5;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--runs" => runs = args.next().and_then(|n| n.parse().ok()).expect("a number"),
            "--json" => {}
            other => panic!("unknown option {other}; see the first lines of this file"),
        }
    }
    let pairs = [
        (&PCMU, &PCMU),
        (&PCMU_SRTP, &PCMU),
        (&PCMA, &PCMU),
        (&OPUS, &PCMU),
        (&OPUS_SRTP, &PCMU),
        (&OPUS, &G722),
        (&G722, &PCMU),
    ];
    for (a, b) in pairs {
        let coded =
            a.kind != b.kind && [a.kind, b.kind].iter().any(|k| !matches!(k, Kind::Pcmu | Kind::Pcma));
        let (calls, packets) = if coded { (CODED_CALLS, CODED_PACKETS) } else { (CALLS, PACKETS) };
        let mut all: Vec<f64> = (0..runs).map(|_| run(a, b, calls, packets)).collect();
        all.sort_by(f64::total_cmp);
        let packet_us = all[all.len() / 2];
        // Both directions.
        let core = packet_us * PER_SECOND * 2.0 / 1e6 * 100.0;
        println!(
            "{{\"bench\":\"media\",\"a\":\"{}\",\"b\":\"{}\",\"calls\":{calls},\"cpu_us_per_packet\":{packet_us:.3},\"core_percent_per_call\":{core:.3},\"calls_per_core\":{:.0}}}",
            a.name,
            b.name,
            100.0 / core
        );
    }
}

/// Microseconds of processor time a packet, over all packets of both directions.
fn run(a: &Side, b: &Side, calls: u64, packets: u32) -> f64 {
    let mut m = Machine::new(MediaConfig::new([127, 0, 0, 1].into()), [7; 32]);
    let mut now = Instant(1_000_000_000);
    let at = |call: u64, leg: u8| SocketAddr::from(([10, leg, 0, call as u8], 4000));
    for call in 1..=calls {
        up(&mut m, now, call, (a, at(call, 1)), (b, at(call, 2)));
    }
    let ports: Vec<_> = (1..=calls)
        .map(|c| (m.port_of(CallId(c), Leg::A).expect("up"), m.port_of(CallId(c), Leg::B).expect("up")))
        .collect();
    let voices = [voice(a, b), voice(b, a)];
    let mut buf = [0u8; BUFFER];
    let mut used = Duration::ZERO;
    let keys =
        Keys::of_bytes(Suite::AesCm128HmacSha1_80, &(0..30).collect::<Vec<u8>>()).expect("thirty bytes");
    let mut sealer = Sealer::new(&keys);
    let mut packet = |side: &Side, leg: u8, n: u32, payload: &[u8]| {
        let mut p = vec![0x80, side.pt];
        p.extend((n as u16).to_be_bytes());
        p.extend((n * side.kind.clock() / 50).to_be_bytes());
        p.extend([leg; 4]);
        p.extend(payload);
        if side.srtp {
            let len = p.len();
            p.resize(len + GROWTH_MAX, 0);
            let len = sealer.seal_rtp(&mut p, len).expect("it is RTP");
            p.truncate(len);
        }
        p
    };
    for n in 0..packets {
        // Made once for all calls, and not counted.
        let sent = [(a, 1u8, 0), (b, 2, 1)]
            .map(|(side, leg, at)| packet(side, leg, n, &voices[at][n as usize % voices[at].len()]));
        let before = processor_time();
        for (call, (port_a, port_b)) in (1..=calls).zip(&ports) {
            for (bytes, port, leg) in [(&sent[0], *port_a, 1), (&sent[1], *port_b, 2)] {
                buf[..bytes.len()].copy_from_slice(bytes);
                black_box(m.received(now, port, at(call, leg), &mut buf, bytes.len()));
                while let Some(more) = m.poll_transmit() {
                    black_box(more);
                }
            }
        }
        used += processor_time() - before;
        now = now + Duration::from_millis(20);
        if m.deadline().is_some_and(|d| d <= now) {
            m.timeout(now);
            drain(&mut m);
        }
    }
    used.as_secs_f64() * 1e6 / f64::from(packets) / calls as f64 / 2.0
}

fn up(m: &mut Machine, now: Instant, call: u64, a: (&Side, SocketAddr), b: (&Side, SocketAddr)) {
    let sdp = |(side, at): (&Side, SocketAddr)| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {} RTP/{}AVP {}\r\n\
             a=rtpmap:111 opus/48000/2\r\n{}",
            at.port(),
            if side.srtp { "S" } else { "" },
            side.pt,
            if side.srtp {
                format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}\r\n")
            } else {
                String::new()
            },
            ip = at.ip()
        )
    };
    let (call, turn) = (CallId(call), Turn(1));
    let (source_a, source_b) = (a.1.ip(), b.1.ip());
    m.command(
        now,
        MediaCommand::Offer {
            call,
            turn,
            from: Leg::A,
            sdp: sdp(a).into(),
            source: source_a,
            to_kind: if b.0.srtp { PortKind::Srtp } else { PortKind::Rtp },
            to_codecs: Default::default(),
            may_settle: false,
        },
    );
    m.command(now, MediaCommand::Answer { call, turn, from: Leg::B, sdp: sdp(b).into(), source: source_b });
    let failed = drain(m);
    assert!(!failed, "the two cannot be connected");
}

fn drain(m: &mut Machine) -> bool {
    let mut failed = false;
    while let Some(SocketOp::Open(_) | SocketOp::Close(_)) = m.poll_socket() {}
    while let Some(event) = m.poll_event() {
        failed |= matches!(event, MediaEvent::Failed { .. });
    }
    while m.poll_transmit().is_some() {}
    failed
}

/// Two seconds of something like a voice: a gliding pitch with overtones, syllables, a little noise.
fn voice(side: &Side, beside: &Side) -> Vec<Vec<u8>> {
    let rate = side.kind.rate_beside(beside.kind);
    let mut encoder = Encoder::new(side.kind, rate).expect("a coder");
    let mut noise = 1u32;
    let mut phase = 0f64;
    let pcm: Vec<i16> = (0..rate * 2)
        .map(|i| {
            let t = f64::from(i) / f64::from(rate);
            phase += (120.0 + 30.0 * (t * 3.0).sin()) / f64::from(rate);
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let tones: f64 =
                (1..12).map(|k| (phase * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k)).sum();
            let syllable = (t * 4.0 * std::f64::consts::PI).sin().abs();
            (tones * syllable * 5000.0 + f64::from(noise >> 24)) as i16
        })
        .collect();
    let mut out = Vec::new();
    pcm.chunks_exact(rate as usize / 50)
        .map(|frame| {
            assert!(encoder.encode(frame, &mut out), "20 ms is a frame of every codec");
            out.clone()
        })
        .collect()
}

/// Of this thread, as the kernel counts it.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text.split(' ').next().and_then(|n| n.parse().ok()).expect("nanoseconds");
    Duration::from_nanos(nanos)
}
