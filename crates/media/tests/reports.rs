//! RTCP between the legs: translated, not copied; foreign reports go nowhere.

mod common;
use common::*;
use std::net::SocketAddr;
use terms::{Leg, MediaEvent};

fn words(parts: &[u32]) -> Vec<u8> {
    parts.iter().flat_map(|w| w.to_be_bytes()).collect()
}

fn sr(ssrc: u32, ntp: (u32, u32), ts: u32, block: &[u32]) -> Vec<u8> {
    let mut p = vec![0x80 | u8::from(!block.is_empty()), 200, 0, 6 + block.len() as u8];
    p.extend(words(&[ssrc, ntp.0, ntp.1, ts, 10, 1600]));
    p.extend(words(block));
    p
}

/// A name that says where the phone lives, as real ones do.
fn sdes(ssrc: u32) -> Vec<u8> {
    let mut p = vec![0x81, 202, 0, 5];
    p.extend(ssrc.to_be_bytes());
    p.extend([1, 13]);
    p.extend(b"ann@10.0.0.55");
    p.push(0);
    p
}

fn word(p: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(p[at..at + 4].try_into().unwrap())
}

fn rtcp(d: &mut Desk, leg: Leg, from: &str, p: &mut Vec<u8>) -> Option<(SocketAddr, usize)> {
    let port = d.port(leg) + 1;
    let other = d.port(leg.other()) + 1;
    let f = received(&mut d.m, d.now, port, at(from), p)?;
    assert_eq!(f.port, other);
    Some((f.to, f.len))
}

/// A call in which both have spoken; what each knows the other as.
fn talking() -> (Desk, (u32, u32, u16), (u32, u32, u16)) {
    let mut d = desk();
    d.up();
    let (mut a, mut b) = (None, None);
    for n in 0..5 {
        b = d.voice(Leg::A, A, 8, 11, 100 + n, u32::from(n) * 160);
        a = d.voice(Leg::B, B, 8, 22, 900 + n, u32::from(n) * 160);
        d.now.0 += 20_000_000;
    }
    d.take();
    let known = |h: rtp::header::Header| (h.ssrc, h.timestamp, h.sequence_number);
    (d, known(a.unwrap().1), known(b.unwrap().1))
}

#[test]
fn a_sender_report_arrives_in_the_terms_of_the_stream() {
    let (mut d, as_heard_by_a, as_heard_by_b) = talking();
    // A reports on itself and on what it hears from us, one packet behind.
    let block = [as_heard_by_a.0, 0x0500_0003, u32::from(as_heard_by_a.2.wrapping_sub(1)), 77, 0, 0];
    let mut p = sr(11, (1, 2), 4 * 160, &block);
    p.extend(sdes(11));
    let (to, len) = rtcp(&mut d, Leg::A, "10.0.0.5:4001", &mut p).unwrap();
    assert_eq!(to, at("198.51.100.2:6001"));
    let p = &p[..len];
    assert_eq!((p[0], p[1], word(p, 4)), (0x81, 200, as_heard_by_b.0));
    assert_eq!((word(p, 8), word(p, 12), word(p, 16)), (1, 2, as_heard_by_b.1), "the timestamp B saw last");
    assert_eq!((word(p, 20), word(p, 24)), (10, 1600));
    assert_eq!(
        (word(p, 28), word(p, 32), word(p, 36), word(p, 40)),
        (22, 0x0500_0003, 903, 77),
        "B's own numbers"
    );
    assert_eq!((p[52], p[53], word(p, 56)), (0x81, 202, as_heard_by_b.0));
    assert_eq!(len, 52 + 16);
    assert!(!p.windows(5).any(|w| w == b"10.0." || w == b"ann@1"), "nobody's name passes");
}

#[test]
fn the_round_trip_is_read_from_the_answer_to_a_report() {
    let (mut d, as_heard_by_a, _) = talking();
    let mut p = sr(22, (0x1234_5678, 0x9abc_0000), 0, &[]);
    assert!(rtcp(&mut d, Leg::B, "198.51.100.2:6001", &mut p).is_some());
    d.now.0 += 1_030_000_000;
    // A held it for exactly one second.
    let mut rr = vec![0x81, 201, 0, 7];
    rr.extend(words(&[11, as_heard_by_a.0, 0, u32::from(as_heard_by_a.2), 0, 0x5678_9abc, 65_536]));
    assert!(rtcp(&mut d, Leg::A, "10.0.0.5:4001", &mut rr).is_some());
    d.release();
    let MediaEvent::Released { a, b, .. } = d.one() else { panic!() };
    assert_eq!((a.round_trip_us, b.round_trip_us), (Some(30_000), None));
}

#[test]
fn foreign_and_broken_reports_go_nowhere() {
    let (mut d, as_heard_by_a, _) = talking();
    let good = sr(11, (1, 2), 0, &[]);
    for from in ["203.0.113.5:4001", "10.0.0.6:4001", B] {
        assert_eq!(rtcp(&mut d, Leg::A, from, &mut good.clone()), None, "{from}");
    }
    for bad in [
        sr(99, (1, 2), 0, &[]),
        sr(22, (1, 2), 0, &[]),
        words(&[0x81c9_0001, 11]),
        words(&[0x80ca_0001, 11]),
        words(&[0x40c8_0006, 11, 1, 2, 3, 4, 5]),
        words(&[0x80c9_ffff, 11]),
        words(&[0x80c8_0001, 11]),
        [good.clone(), vec![0x81]].concat(),
        good[..20].to_vec(),
        vec![],
        words(&[0x9fc9_0001, as_heard_by_a.0]),
    ] {
        assert_eq!(rtcp(&mut d, Leg::A, "10.0.0.5:4001", &mut bad.clone()), None, "{bad:?}");
    }
    assert!(rtcp(&mut d, Leg::A, "10.0.0.5:4001", &mut good.clone()).is_some());
}

#[test]
fn a_goodbye_of_one_source_is_not_passed_on() {
    let (mut d, _, as_heard_by_b) = talking();
    let mut p = sr(11, (1, 2), 0, &[]);
    p.extend(words(&[0x81cb_0001, 11]));
    let (_, len) = rtcp(&mut d, Leg::A, "10.0.0.5:4001", &mut p).unwrap();
    assert_eq!((len, word(&p, 4)), (28, as_heard_by_b.0));
}

#[test]
fn reports_follow_the_phone_behind_its_nat() {
    let mut d = desk();
    d.offer(Leg::A, &sdp("192.168.0.5:4000", "8 101", ""), "203.0.113.9");
    d.answer(Leg::B, &sdp(B, "8 101", "a=rtcp:6666\r\n"), "198.51.100.2");
    for n in 0..6 {
        d.voice(Leg::A, "203.0.113.9:50000", 8, 11, n, 0);
        d.voice(Leg::B, B, 8, 22, n, 0);
    }
    assert_eq!(
        rtcp(&mut d, Leg::B, "198.51.100.2:6666", &mut sr(22, (1, 1), 0, &[])),
        None,
        "not known where to yet"
    );
    let (to, _) = rtcp(&mut d, Leg::A, "203.0.113.9:50007", &mut sr(11, (1, 1), 0, &[])).unwrap();
    assert_eq!(to, at("198.51.100.2:6666"), "RFC 3605");
    let (to, _) = rtcp(&mut d, Leg::B, "198.51.100.2:6666", &mut sr(22, (1, 1), 0, &[])).unwrap();
    assert_eq!(to, at("203.0.113.9:50007"));
}

#[test]
fn multiplexed_reports_share_the_rtp_port() {
    let mut d = desk();
    d.offer(Leg::A, &sdp(A, "8 101", "a=rtcp-mux\r\n"), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    d.voice(Leg::A, A, 8, 11, 1, 0);
    d.voice(Leg::B, B, 8, 22, 1, 0);
    let f = d.send(Leg::A, A, &mut sr(11, (1, 1), 0, &[])).unwrap();
    assert_eq!((f.port, f.to), (d.port(Leg::B) + 1, at("198.51.100.2:6001")));
    let port = d.port(Leg::B) + 1;
    let f = received(&mut d.m, d.now, port, at("198.51.100.2:6001"), &mut sr(22, (1, 1), 0, &[])).unwrap();
    assert_eq!((f.port, f.to), (d.port(Leg::A), at(A)));
    assert_eq!(d.send(Leg::A, "10.0.0.5:4001", &mut sr(11, (1, 1), 0, &[])), None);
}
