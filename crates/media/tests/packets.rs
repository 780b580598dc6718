//! What becomes of packets: numbers are mapped, streams stay unbroken, nobody else gets in, silence and digits are told.

mod common;
use common::*;
use terms::{Leg, MediaEvent, MediaFailure};

#[test]
fn payload_types_are_mapped_and_the_stream_is_ours() {
    let mut d = desk();
    d.offer(Leg::A, &sdp(A, "9 8 101", ""), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "8 96", ""), "198.51.100.2");
    let (f, h) = d.voice(Leg::A, A, 8, 11, 500, 160).unwrap();
    assert_eq!((f.port, f.to), (d.port(Leg::B), at(B)));
    assert_eq!(h.payload_type, 8);
    assert!(h.ssrc != 11 && h.marker);
    let (_, next) = d.voice(Leg::A, A, 8, 11, 501, 320).unwrap();
    assert_eq!(
        (next.sequence_number, next.timestamp, next.ssrc, next.marker),
        (h.sequence_number.wrapping_add(1), h.timestamp.wrapping_add(160), h.ssrc, false)
    );
    for (leg, from, pt, want) in [
        (Leg::A, A, 101, Some(96)),
        (Leg::A, A, 96, None),
        (Leg::A, A, 9, None),
        (Leg::A, A, 0, None),
        (Leg::A, A, 127, None),
        (Leg::B, B, 8, Some(8)),
        (Leg::B, B, 101, Some(101)),
        (Leg::B, B, 96, Some(101)),
        (Leg::B, B, 127, None),
    ] {
        let got = d.voice(leg, from, pt, if leg == Leg::A { 11 } else { 22 }, 502, 480);
        assert_eq!(got.map(|(_, h)| h.payload_type), want, "{leg:?} {pt}");
    }
    // B was offered G.722 and left it out of its answer; spoken all the same, it is said again as PCMA.
    let mut spoken = packet(9, 22, 503, 640, &[0x5a; 160]);
    let forward = d.send(Leg::B, B, &mut spoken).unwrap();
    assert_eq!(parse(&spoken[..forward.len]).0.payload_type, 8);
}

#[test]
fn nothing_flows_before_an_answer_or_after_a_release() {
    let mut d = desk();
    d.offer(Leg::A, &sdp(A, "8 101", ""), "10.0.0.5");
    let (pa, pb) = (d.port(Leg::A), d.port(Leg::B));
    assert_eq!(d.voice(Leg::A, A, 8, 1, 1, 0), None);
    assert_eq!(d.voice(Leg::B, B, 8, 1, 1, 0), None);
    d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert!(d.voice(Leg::A, A, 8, 1, 2, 0).is_some());
    d.release();
    for (port, from) in [(pa, A), (pb, B), (pa + 1, A), (pb + 1, B)] {
        assert_eq!(received(&mut d.m, d.now, port, at(from), &mut packet(8, 1, 3, 0, &[0; 160])), None);
    }
    assert!(d.open.is_empty());
}

#[test]
fn a_third_address_can_neither_take_nor_inject_nor_silence() {
    // A locks at its signalled address; B sits behind a NAT, its SIP comes from 198.51.100.9.
    for nat in [false, true] {
        let mut d = desk();
        d.offer(Leg::A, &sdp(A, "8 101", ""), "10.0.0.5");
        let (signalled, real, source) = if nat {
            ("192.168.1.4:6000", "198.51.100.9:61234", "198.51.100.9")
        } else {
            (B, B, "198.51.100.2")
        };
        d.answer(Leg::B, &sdp(signalled, "8 101", ""), source);
        let mut injected = 0;
        let mut bled = 0;
        let mut through = 0;
        for n in 0..500u16 {
            d.now.0 += 20_000_000;
            for thief in ["203.0.113.66:6000", "203.0.113.66:1", "10.0.0.6:4000"] {
                for leg in [Leg::A, Leg::B] {
                    injected += u32::from(d.voice(leg, thief, 8, 9, n, 0).is_some());
                    // Rubbish and RTCP of every sort.
                    for bytes in [&[0u8; 0][..], &[0x80], &[0xff; 40], &[0x80, 200, 0, 1, 0, 0, 0, 9]] {
                        for port in [d.port(leg), d.port(leg) + 1] {
                            injected += u32::from(
                                received(&mut d.m, d.now, port, at(thief), &mut bytes.to_vec()).is_some(),
                            );
                        }
                    }
                }
            }
            for (leg, from, other) in [(Leg::A, A, real), (Leg::B, real, A)] {
                if let Some((f, _)) = d.voice(leg, from, 8, 3, n, u32::from(n) * 160) {
                    through += 1;
                    bled += u32::from(f.to != at(other) && f.to != at(signalled));
                }
            }
        }
        assert_eq!((injected, bled, through), (0, 0, 1000), "nat {nat}");
        d.take();
        d.release();
        let MediaEvent::Released { a, b, .. } = d.one() else { panic!() };
        assert!(a.strangers >= 3 * 500 && b.strangers >= 3 * 500 && a.lost + b.lost == 0);
    }
}

#[test]
fn a_neighbour_behind_the_same_nat_gets_five_packets_at_most() {
    let mut d = desk();
    d.offer(Leg::A, &sdp(A, "8 101", ""), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.9");
    let mut injected = 0;
    // Four before the phone speaks from where it said it would; a thousand after.
    for n in 0..4 {
        injected += u32::from(d.voice(Leg::B, "198.51.100.9:5", 8, 9, n, 0).is_some());
    }
    assert!(d.voice(Leg::B, B, 8, 3, 1, 0).is_some(), "the signalled address locks at once");
    for n in 4..1000 {
        injected += u32::from(d.voice(Leg::B, "198.51.100.9:5", 8, 9, n, 0).is_some());
        assert_eq!(d.voice(Leg::A, A, 8, 1, n, 0).unwrap().0.to, at(B));
    }
    assert!(injected <= 5, "{injected}");
}

#[test]
fn rubbish_from_the_right_address_is_dropped_and_counted() {
    let mut d = desk();
    d.up();
    assert!(d.voice(Leg::A, A, 8, 1, 1, 0).is_some());
    let good = packet(8, 1, 2, 160, &[0; 160]);
    let with = |at: usize, byte: u8| {
        let mut p = good.clone();
        p[at] = byte;
        p
    };
    let mut padded = with(0, 0xa0);
    *padded.last_mut().unwrap() = 200;
    let mut extended = with(0, 0x90);
    extended[14] = 0xff;
    let bad = [
        vec![],
        vec![0x80],
        good[..11].to_vec(),
        with(0, 0x40),
        with(0, 0x00),
        with(1, 77),
        with(1, 200),
        with(0, 0xa0),
        padded,
        extended,
        [&[0x8f, 8][..], &good[2..20]].concat(),
    ];
    let n = bad.len() as u64;
    for mut p in bad {
        assert_eq!(d.send(Leg::A, A, &mut p), None, "{p:?}");
    }
    assert!(d.voice(Leg::A, A, 8, 1, 2, 160).is_some(), "and the voice goes on");
    d.take();
    d.release();
    let MediaEvent::Released { a, .. } = d.one() else { panic!() };
    assert_eq!((a.rubbish, a.packets, a.lost, a.strangers), (n, 2, 0, 0));
}

#[test]
fn one_stream_across_hold_another_phone_and_another_ssrc() {
    let mut d = desk();
    d.up();
    let mut heard: Vec<(u16, u32, u32)> = Vec::new();
    let mut say = |d: &mut Desk, from: &str, ssrc: u32, first: u16| {
        for n in 0..20u16 {
            d.now.0 += 20_000_000;
            let seq = first.wrapping_add(n);
            if let Some((_, h)) = d.voice(Leg::B, from, 8, ssrc, seq, 7_000_000 + u32::from(n) * 160) {
                heard.push((h.sequence_number, h.timestamp, h.ssrc));
            }
        }
        heard.len()
    };
    assert_eq!(say(&mut d, B, 1, 65_530), 20);
    assert_eq!(say(&mut d, B, 2, 9), 40, "the phone changes its SSRC");
    d.take();
    d.offer(Leg::A, &sdp(A, "8 101", "a=sendonly\r\n"), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "8 101", "a=recvonly\r\n"), "198.51.100.2");
    assert_eq!(say(&mut d, B, 2, 29), 40, "on hold nothing passes");
    d.take();
    d.offer(Leg::A, &sdp(A, "8 101", ""), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert_eq!(say(&mut d, B, 2, 49), 60);
    d.take();
    d.offer(Leg::B, &sdp("198.51.100.77:8000", "8 101", ""), "198.51.100.77");
    d.answer(Leg::A, &sdp(A, "8 101", ""), "10.0.0.5");
    assert_eq!(say(&mut d, B, 2, 69), 60, "the old phone is a stranger now");
    assert_eq!(say(&mut d, "198.51.100.77:8000", 3, 40_000), 80);
    for w in heard.windows(2) {
        assert_eq!(w[1].0, w[0].0.wrapping_add(1));
        assert_eq!(w[1].2, w[0].2);
        assert!((160..100_000).contains(&w[1].1.wrapping_sub(w[0].1)), "{w:?}");
    }
}

#[test]
fn silence_is_told_once_and_so_is_its_end() {
    let mut d = desk();
    d.up();
    let silent = |leg, from_start| MediaEvent::Silent { call: CALL, leg, from_start };
    let flowing = |leg| MediaEvent::Flowing { call: CALL, leg };
    d.voice(Leg::A, A, 8, 1, 1, 0);
    assert_eq!(d.one(), flowing(Leg::A));
    d.wait_ms(1500);
    d.voice(Leg::A, A, 8, 1, 2, 160);
    d.wait_ms(499);
    assert_eq!(d.take(), []);
    d.wait_ms(1);
    assert_eq!(d.one(), silent(Leg::B, true), "never heard at all");
    d.wait_ms(1499);
    assert_eq!(d.take(), []);
    d.wait_ms(1);
    assert_eq!(d.one(), silent(Leg::A, false), "two seconds after its last packet");
    d.wait_ms(60_000);
    assert_eq!(d.take(), []);
    d.voice(Leg::A, A, 8, 1, 3, 320);
    assert_eq!(d.one(), flowing(Leg::A));
    d.wait_ms(2000);
    assert_eq!(d.one(), silent(Leg::A, false));
    d.release();
    d.take();
    d.wait_ms(10_000);
    assert_eq!((d.take(), d.m.deadline()), (vec![], None), "nothing is left to wait for");
}

#[test]
fn digits_are_relayed_and_told_once_in_order() {
    let mut d = desk();
    d.offer(Leg::A, &sdp(A, "8 101", ""), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "8 96", ""), "198.51.100.2");
    d.voice(Leg::A, A, 8, 1, 1, 0);
    d.take();
    let mut seq = 2;
    let mut press = |d: &mut Desk, code: u8, ts: u32, ends: usize| {
        let mut relayed = 0;
        for (end, ticks) in
            [(0u8, 160u16), (0, 320)].into_iter().chain(std::iter::repeat_n((0x80, 480), ends))
        {
            let [h, l] = ticks.to_be_bytes();
            let mut p = marked(ticks == 160, 101, 1, seq, ts, &[code, 10 | end, h, l]);
            seq += 1;
            let f = d.send(Leg::A, A, &mut p).unwrap();
            let (header, payload) = parse(&p[..f.len]);
            assert_eq!((header.payload_type, header.marker), (96, ticks == 160));
            assert_eq!(payload, [code, 10 | end, h, l]);
            relayed += 1;
        }
        relayed
    };
    assert_eq!(press(&mut d, 4, 8000, 3), 5);
    assert_eq!(press(&mut d, 4, 16_000, 1), 3);
    press(&mut d, 11, 24_000, 0);
    press(&mut d, 15, 32_000, 2);
    press(&mut d, 0, 40_000, 0);
    d.release();
    let digits: Vec<(char, u32)> = d
        .take()
        .into_iter()
        .filter_map(|e| match e {
            MediaEvent::Dtmf { leg: Leg::A, digit, duration_ms, .. } => Some((digit, duration_ms)),
            _ => None,
        })
        .collect();
    assert_eq!(digits, [('4', 60), ('4', 60), ('#', 40), ('D', 60), ('0', 40)]);
}

#[test]
fn a_nat_that_moves_a_silent_phone_is_followed() {
    let mut d = desk();
    d.up();
    for n in 0..10 {
        d.voice(Leg::A, A, 8, 1, n, 0);
    }
    assert_eq!(d.voice(Leg::A, "10.0.0.5:9999", 8, 1, 10, 0), None, "not while it speaks");
    d.wait_ms(2000);
    assert_eq!(d.voice(Leg::A, "10.0.0.5:9999", 8, 2, 10, 0), None, "not another voice");
    assert!(d.voice(Leg::A, "10.0.0.5:9999", 8, 1, 12, 0).is_some());
    assert_eq!(d.voice(Leg::B, B, 8, 5, 1, 0).unwrap().0.to, at("10.0.0.5:9999"));
}

#[test]
fn the_last_of_several_answers_counts() {
    let mut d = desk();
    d.offer(Leg::A, &sdp(A, "8 0 101", ""), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert!(d.voice(Leg::B, B, 8, 1, 1, 0).is_some());
    d.take();
    d.answer(Leg::B, &sdp("198.51.100.3:7000", "0", ""), "198.51.100.3");
    assert_eq!(d.voice(Leg::B, B, 8, 1, 2, 0), None);
    assert!(d.voice(Leg::B, "198.51.100.3:7000", 0, 2, 1, 0).is_some());
    assert_eq!(d.voice(Leg::A, A, 0, 2, 1, 0).unwrap().0.to, at("198.51.100.3:7000"));
    d.take();
    d.answer_raw(Leg::B, d.turn, &sdp(B, "18", ""), "198.51.100.2");
    assert!(matches!(d.one(), MediaEvent::Failed { why: MediaFailure::NothingInCommon, .. }));
    assert!(d.voice(Leg::A, A, 0, 2, 2, 0).is_some(), "a bad answer leaves the good one in force");
}

#[test]
fn a_late_offer_is_the_same_with_the_legs_swapped() {
    let mut d = desk();
    let told = d.offer(Leg::B, &sdp(B, "8 0 101", ""), "198.51.100.2");
    assert!(told.contains(" 8 0 9 101"));
    d.answer(Leg::A, &sdp(A, "0 101", ""), "10.0.0.5");
    assert_eq!(d.voice(Leg::A, A, 0, 1, 1, 0).unwrap().0.to, at(B));
    assert_eq!(d.voice(Leg::B, B, 0, 1, 1, 0).unwrap().0.to, at(A));
}

#[test]
fn a_digit_pressed_on_hold_reaches_nobody_and_is_not_told() {
    let mut d = desk();
    d.up();
    d.offer(Leg::A, &sdp(A, "8 101", "a=inactive\r\n"), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert_eq!(d.send(Leg::A, A, &mut packet(101, 1, 1, 0, &[7, 0x8a, 3, 0x20])), None);
    d.take();
    d.release();
    assert!(matches!(d.one(), MediaEvent::Released { .. }));
}
