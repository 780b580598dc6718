//! Random descriptions, packets and calls from a seed: nothing panics, ports exist exactly while their call does, and
//! the same seed gives the same run.

mod common;
use bytes::Bytes;
use common::*;
use media::{Machine, MediaConfig, SocketOp, sdp as reader};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use terms::{CallId, Instant, Leg, MediaCommand, MediaEvent, PortKind, Turn};

/// xorshift64*: enough for tests, and theirs alone.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }

    fn mutate(&mut self, body: &mut Vec<u8>) {
        const SCRAPS: [&[u8]; 12] = [
            b"\r\n",
            b"m=",
            b"a=rtpmap:",
            b"c=IN IP6 ::",
            b"99999999999999999999",
            b"-1",
            b"/",
            b" ",
            b"\xff\x00",
            b":",
            b"a=rtcp:1 IN IP4 ",
            b"RTP/AVP",
        ];
        for _ in 0..=self.roll(6) {
            let at = self.roll(body.len() + 1);
            match self.roll(5) {
                0 if at < body.len() => body[at] = self.roll(256) as u8,
                1 => body.truncate(at),
                2 => {
                    let scrap = SCRAPS[self.roll(SCRAPS.len())];
                    body.splice(at..at, scrap.iter().copied());
                }
                3 => {
                    let end = (at + self.roll(40)).min(body.len());
                    let piece = body[at..end].to_vec();
                    let to = self.roll(body.len() + 1);
                    body.splice(to..to, piece);
                }
                _ => {
                    let end = (at + self.roll(10)).min(body.len());
                    body.drain(at..end);
                }
            }
        }
    }
}

const WHOLE: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=-\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\nm=audio 4000 RTP/AVP 9 8 0 101\r\n\
    a=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=rtcp:4001 IN IP4 10.0.0.5\r\n\
    a=rtcp-mux\r\na=sendrecv\r\nm=video 5000/2 RTP/AVPF 96\r\nc=IN IP6 2001:db8::1\r\na=inactive\r\n";

#[test]
fn mutated_descriptions_never_panic_and_what_we_write_can_be_read() {
    let mut dice = Dice(0x5eed);
    let (mut refused, mut relayed) = (0, 0);
    for round in 0..10_000u64 {
        let mut body = WHOLE.as_bytes().to_vec();
        dice.mutate(&mut body);
        let _ = reader::read(&body);
        let mut config = MediaConfig::new(ip("192.0.2.1"));
        config.ports = 30_000..=30_007;
        let mut m = Machine::new(config, [round as u8; 32]);
        let (call, sdp, source) = (CallId(round), Bytes::from(body), ip("10.0.0.5"));
        m.command(
            Instant(0),
            MediaCommand::Offer {
                call,
                turn: Turn(1),
                from: Leg::A,
                sdp: sdp.clone(),
                source,
                to_kind: PortKind::Rtp,
                to_codecs: Default::default(),
                may_settle: true,
            },
        );
        while m.poll_socket().is_some() {}
        match m.poll_event() {
            Some(MediaEvent::Failed { .. }) => {
                refused += 1;
                assert_eq!(m.ports_in_use().count(), 0);
                continue;
            }
            Some(MediaEvent::Sdp { sdp: told, .. }) => check_ours(&told),
            other => panic!("{other:?}"),
        }
        // The same mangled body as an answer, to a whole offer.
        m.command(
            Instant(0),
            MediaCommand::Offer {
                call,
                turn: Turn(2),
                from: Leg::B,
                sdp: WHOLE.into(),
                source,
                to_kind: PortKind::Rtp,
                to_codecs: Default::default(),
                may_settle: true,
            },
        );
        m.command(Instant(0), MediaCommand::Answer { call, turn: Turn(2), from: Leg::A, sdp, source });
        while let Some(event) = m.poll_event() {
            if let MediaEvent::Sdp { sdp, .. } = event {
                check_ours(&sdp);
                relayed += 1;
            }
        }
    }
    assert!(refused > 500 && relayed > 500, "the mutations reach both ends: {refused} {relayed}");
}

fn check_ours(told: &[u8]) {
    let text = std::str::from_utf8(told).unwrap();
    let read = reader::read(told).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(read.streams.iter().filter(|s| s.is_voice()).count(), 1, "{text}");
    for forbidden in ["10.0.0.5", "2001:db8", "4000", "5000", "4001"] {
        let leaks = text
            .lines()
            .filter(|l| !l.starts_with("o="))
            .any(|l| l.contains(forbidden) && !l.starts_with("m="));
        assert!(!leaks, "{forbidden} leaks: {text}");
    }
}

#[test]
fn mutated_packets_never_panic() {
    let mut dice = Dice(0xfeed);
    let mut d = desk();
    d.offer(Leg::A, &sdp(A, "8 101", "a=rtcp-mux\r\n"), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    d.voice(Leg::A, A, 8, 11, 1, 0);
    let (mut passed, mut dropped) = (0, 0);
    let seeds = [
        packet(8, 11, 2, 160, &[9; 160]),
        packet(101, 11, 3, 160, &[1, 0x8a, 1, 0x40]),
        [
            &[0x81, 200, 0, 12][..],
            &[0, 0, 0, 11],
            &[7; 44],
            &[0x81, 202, 0, 3, 0, 0, 0, 11, 1, 1, 65, 0, 0, 0, 0, 0],
        ]
        .concat(),
        [&[0x81, 201, 0, 7][..], &[0, 0, 0, 11], &[7; 24]].concat(),
    ];
    for _ in 0..50_000 {
        let mut p = seeds[dice.roll(seeds.len())].clone();
        dice.mutate(&mut p);
        d.now.0 += dice.roll(50_000_000) as u64;
        let port = d.port(Leg::A) + dice.roll(2) as u16;
        let len = p.len();
        match received(&mut d.m, d.now, port, at(A), &mut p) {
            Some(f) => {
                assert!(f.len <= len.max(68) && f.len >= 8);
                passed += 1;
            }
            None => dropped += 1,
        }
    }
    assert!(passed > 1000 && dropped > 1000, "{passed} {dropped}");
}

/// Drives one machine through thousands of calls in random order; returns everything it said, as a fingerprint.
fn days(seed: u64) -> Vec<String> {
    let mut dice = Dice(seed | 1);
    let mut config = MediaConfig::new(ip("192.0.2.1"));
    config.ports = 30_000..=30_399;
    let mut m = Machine::new(config, [seed as u8; 32]);
    let mut now = Instant(0);
    let mut open: BTreeSet<u16> = BTreeSet::new();
    let mut asked: BTreeSet<u64> = BTreeSet::new();
    let mut released: BTreeMap<u64, u32> = BTreeMap::new();
    let mut asked_release: BTreeMap<u64, u32> = BTreeMap::new();
    let mut log = Vec::new();
    for step in 0..5_000u64 {
        now = now + Duration::from_millis(dice.roll(40) as u64);
        let call = CallId(dice.roll(120) as u64);
        let leg = if dice.roll(2) == 0 { Leg::A } else { Leg::B };
        let (address, source) = if leg == Leg::A { (A, "10.0.0.5") } else { (B, "198.51.100.2") };
        let mut body = sdp(
            address,
            ["8 0 101", "8 96", "0", "18"][dice.roll(4)],
            ["", "a=sendonly\r\n", "a=inactive\r\n"][dice.roll(3)],
        )
        .into_bytes();
        if dice.roll(10) == 0 {
            dice.mutate(&mut body);
        }
        let (sdp, source, turn) = (Bytes::from(body), ip(source), Turn(dice.roll(4) as u32));
        match dice.roll(10) {
            0..4 => {
                asked.insert(call.0);
                m.command(
                    now,
                    MediaCommand::Offer {
                        call,
                        turn,
                        from: leg,
                        sdp,
                        source,
                        to_kind: PortKind::Rtp,
                        to_codecs: Default::default(),
                        may_settle: true,
                    },
                );
            }
            4..7 => m.command(now, MediaCommand::Answer { call, turn, from: leg, sdp, source }),
            7 => {
                *asked_release.entry(call.0).or_default() += 1;
                m.command(now, MediaCommand::Release { call });
            }
            8 => {
                if let Some(port) = m.port_of(call, leg) {
                    let mut p = packet([8, 0, 101][dice.roll(3)], 1, step as u16, step as u32, &[1, 2, 3, 4]);
                    received(&mut m, now, port + dice.roll(2) as u16, at(address), &mut p);
                }
            }
            _ => m.timeout(now),
        }
        while let Some(op) = m.poll_socket() {
            match op {
                // Now and then somebody else has the port.
                SocketOp::Open(p) if dice.roll(25) == 0 => m.socket_failed(now, p),
                SocketOp::Open(p) => assert!(open.insert(p), "{p} opened twice"),
                SocketOp::Close(p) => assert!(open.remove(&p), "{p} closed but not open"),
            }
        }
        while let Some(event) = m.poll_event() {
            if let MediaEvent::Released { call, .. } = &event {
                *released.entry(call.0).or_default() += 1;
            }
            log.push(format!("{event:?}"));
        }
        let pairs: BTreeSet<u16> = m.ports_in_use().flat_map(|p| [p, p + 1]).collect();
        assert_eq!(open, pairs, "step {step}: a port is open exactly while it is in use");
        assert_eq!(open.len(), m.calls() * 4, "step {step}: four sockets a call");
    }
    for call in asked {
        m.command(now, MediaCommand::Release { call: CallId(call) });
        *asked_release.entry(call).or_default() += 1;
    }
    while let Some(op) = m.poll_socket() {
        if let SocketOp::Close(p) = op {
            assert!(open.remove(&p));
        }
    }
    while let Some(event) = m.poll_event() {
        if let MediaEvent::Released { call, .. } = event {
            *released.entry(call.0).or_default() += 1;
        }
    }
    assert_eq!((open.len(), m.calls(), m.ports_in_use().count()), (0, 0, 0), "everything is at rest");
    assert_eq!(released, asked_release, "each release is answered exactly once");
    m.timeout(now + Duration::from_secs(10));
    assert_eq!(m.deadline(), None);
    log
}

#[test]
fn ports_exist_exactly_while_their_call_does() {
    for seed in 1..4 {
        assert_eq!(days(seed), days(seed), "the same seed gives the same run");
    }
    assert_ne!(days(1), days(2));
}

#[test]
fn ports_are_spread_over_the_whole_range() {
    let mut m = Machine::new(MediaConfig::new(ip("192.0.2.1")), [9; 32]);
    let mut seen = BTreeSet::new();
    for call in 0..300 {
        let call = CallId(call);
        m.command(
            Instant(0),
            MediaCommand::Offer {
                call,
                turn: Turn(1),
                from: Leg::A,
                sdp: WHOLE.into(),
                source: ip("10.0.0.5"),
                to_kind: PortKind::Rtp,
                to_codecs: Default::default(),
                may_settle: true,
            },
        );
        let p = m.port_of(call, Leg::A).unwrap();
        assert!((10_000..30_000).contains(&p));
        seen.insert(p / 2000);
    }
    assert_eq!(seen.len(), 10, "every tenth of the range is used");
}
