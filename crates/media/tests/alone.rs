//! What the machine says without a packet from anyone: digits, the comfort tone, an echo, how good the call is.

mod common;

use bytes::Bytes;
use common::*;
use media::codec::{Decoder, Kind};
use rtp::header::Header;
use std::time::Duration;
use terms::{Leg, MediaCommand, MediaEvent, Turn};

/// What was said to a leg, as the peer reads it.
fn heard(d: &mut Desk, leg: Leg) -> Vec<(u64, Header, Vec<u8>)> {
    let port = d.port(leg);
    let (ours, rest) = std::mem::take(&mut d.said).into_iter().partition(|(_, t)| t.port == port);
    d.said = rest;
    let ours: Vec<_> = ours;
    ours.into_iter()
        .map(|(at, t)| {
            let (h, p) = parse(&t.bytes);
            (at.0 / 1_000_000, h, p)
        })
        .collect()
}

fn talk(d: &mut Desk, leg: Leg, from: &str, seq: u16) -> Option<Header> {
    d.voice(leg, from, 8, 77, seq, u32::from(seq) * 160).map(|(_, h)| h)
}

#[test]
fn digits_are_sent_as_events_one_after_the_other_and_the_voice_goes_on() {
    let mut d = desk();
    d.up();
    let before = talk(&mut d, Leg::A, A, 1).unwrap();
    d.take();
    for digit in ['5', '#'] {
        d.command(MediaCommand::Dtmf { call: CALL, leg: Leg::B, digit, duration_ms: 100 });
    }
    let mut seq = 1;
    let mut let_through = Vec::new();
    for _ in 0..30 {
        d.wait_ms(20);
        seq += 1;
        let_through.extend(talk(&mut d, Leg::A, A, seq));
    }
    let said = heard(&mut d, Leg::B);
    // Five steps to 100 ms, of which the last is an end, and two more ends.
    assert_eq!(said.len(), 2 * 7);
    for (n, digit) in said.chunks(7).enumerate() {
        for (k, (_, h, p)) in digit.iter().enumerate() {
            assert_eq!(h.payload_type, 101);
            assert_eq!(h.marker, k == 0);
            assert_eq!(h.timestamp, digit[0].1.timestamp, "frozen");
            assert_eq!(p[0], [5, 11][n]);
            assert_eq!(p[1] & 0x80 != 0, k >= 4);
            assert_eq!(u16::from_be_bytes([p[2], p[3]]), (160 * (k as u16 + 1)).min(800));
        }
    }
    assert!(said[7].0 - said[6].0 >= 60, "a pause between");
    // One stream: numbers without a gap, the voice held back meanwhile and later where it belongs in time.
    let mut numbers: Vec<u16> = said.iter().map(|(_, h, _)| h.sequence_number).collect();
    numbers.extend(let_through.iter().map(|h| h.sequence_number));
    let expected: Vec<u16> =
        (1..=numbers.len() as u16).map(|n| before.sequence_number.wrapping_add(n)).collect();
    assert_eq!(numbers, expected);
    let after = let_through.last().unwrap();
    // The first digit began at the moment of a voice packet, a packet's length after it.
    assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 31 * 160);
    assert!(let_through[0].marker);
    assert!(d.take().iter().all(|e| !matches!(e, MediaEvent::Dtmf { .. })), "nobody pressed anything");
}

#[test]
fn a_digit_for_a_phone_without_events_is_handed_back() {
    let mut d = desk();
    d.offer(Leg::A, &sdp(A, "8 101", ""), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "8", ""), "198.51.100.2");
    d.command(MediaCommand::Dtmf { call: CALL, leg: Leg::B, digit: '7', duration_ms: 160 });
    assert_eq!(d.one(), MediaEvent::DtmfByInfo { call: CALL, leg: Leg::B, digit: '7', duration_ms: 160 });
    d.command(MediaCommand::Dtmf { call: CALL, leg: Leg::A, digit: 'x', duration_ms: 160 });
    d.wait_ms(500);
    assert!(d.take().is_empty() && d.said.is_empty(), "an x is no digit");
}

#[test]
fn whoever_waits_hears_a_soft_tone_and_nothing_of_the_one_who_is_away() {
    let mut d = desk();
    d.up();
    let before = talk(&mut d, Leg::A, A, 1).unwrap();
    d.command(MediaCommand::Away { call: CALL, leg: Leg::A });
    d.command(MediaCommand::Away { call: CALL, leg: Leg::A });
    for n in 0..100u16 {
        d.wait_ms(20);
        assert!(talk(&mut d, Leg::A, A, 2 + n).is_none(), "a late packet of the old place");
    }
    let said = heard(&mut d, Leg::B);
    assert!((100..=101).contains(&said.len()), "{}", said.len());
    let mut pcm = Vec::new();
    let mut decoder = Decoder::new(Kind::Pcma, 8000).unwrap();
    for (n, (_, h, p)) in said.iter().enumerate() {
        assert_eq!((h.payload_type, h.marker), (8, n == 0));
        assert_eq!(h.sequence_number, before.sequence_number.wrapping_add(1 + n as u16));
        assert_eq!(h.timestamp, said[0].1.timestamp.wrapping_add(160 * n as u32));
        decoder.decode(p, &mut pcm).unwrap();
    }
    assert!(said.windows(2).all(|w| w[1].0 - w[0].0 == 20), "paced");
    let loud = |part: &[i16]| part.iter().map(|s| s.unsigned_abs()).max().unwrap();
    assert!((1000..2500).contains(&loud(&pcm[..4800])), "two notes, soft");
    assert!(loud(&pcm[5200..]) < 16, "then nothing");
    d.command(MediaCommand::Back { call: CALL, leg: Leg::A });
    d.wait_ms(40);
    let more = heard(&mut d, Leg::B).len() as u32;
    let after = talk(&mut d, Leg::A, A, 103).unwrap();
    assert!(after.marker);
    assert_eq!(
        after.sequence_number,
        before.sequence_number.wrapping_add((said.len() as u32 + more) as u16 + 1)
    );
    d.said.clear();
    d.wait_ms(1000);
    assert!(d.said.is_empty(), "the tone has ended");
}

#[test]
fn a_tone_ends_with_its_call() {
    let mut d = desk();
    d.up();
    d.command(MediaCommand::Away { call: CALL, leg: Leg::B });
    d.wait_ms(100);
    assert!(!d.said.is_empty());
    d.release();
    d.said.clear();
    d.wait_ms(10_000);
    assert!(d.said.is_empty() && d.m.deadline().is_none());
}

#[test]
fn the_self_test_says_what_it_heard_three_seconds_later() {
    let mut d = desk();
    d.turn = 1;
    d.command(MediaCommand::Echo {
        call: CALL,
        turn: Turn(1),
        sdp: Bytes::from(sdp(A, "9 8 101", "")),
        source: ip("10.0.0.5"),
    });
    let answer = d.said(Leg::A);
    assert!(answer.contains("RTP/AVP 9 8 101"), "{answer}");
    for n in 0..150u16 {
        d.wait_ms(20);
        let mut p = packet(9, 5, n, u32::from(n) * 160, &[n as u8; 160]);
        assert!(d.send(Leg::A, A, &mut p).is_none());
    }
    assert!(heard(&mut d, Leg::A).is_empty(), "not before three seconds are over");
    d.wait_ms(3100);
    let back = heard(&mut d, Leg::A);
    assert_eq!(back.len(), 150);
    for (n, (at, h, p)) in back.iter().enumerate() {
        assert_eq!((h.payload_type, h.marker, &p[..]), (9, n == 0, &[n as u8; 160][..]));
        assert_eq!(h.sequence_number, back[0].1.sequence_number.wrapping_add(n as u16));
        assert_eq!(h.timestamp, back[0].1.timestamp.wrapping_add(160 * n as u32));
        assert_eq!(*at, back[0].0 + 20 * n as u64);
    }
    assert!(d.take().iter().all(|e| !matches!(e, MediaEvent::Silent { leg: Leg::B, .. })), "nobody is there");
    d.release();
    assert!(d.open.is_empty());
}

#[test]
fn an_echo_of_somebody_who_never_stops_is_bounded() {
    let mut d = desk();
    d.command(MediaCommand::Echo {
        call: CALL,
        turn: Turn(1),
        sdp: Bytes::from(sdp(A, "8", "")),
        source: ip("10.0.0.5"),
    });
    // A flood within three seconds.
    for n in 0..5000u16 {
        let mut p = packet(8, 5, n, 0, &[1; 160]);
        d.send(Leg::A, A, &mut p);
    }
    d.wait_ms(4000);
    assert!(heard(&mut d, Leg::A).len() <= 320);
}

#[test]
fn quality_is_told_when_it_changes_and_kept_for_the_record() {
    let mut d = desk();
    d.up();
    let mut seq = 0u16;
    let mut seconds = |d: &mut Desk, n: u64, lose: u16| {
        let end = d.now + Duration::from_secs(n);
        while d.now < end {
            d.wait_ms(20);
            seq += 1;
            if lose == 0 || !seq.is_multiple_of(lose) {
                talk(d, Leg::A, A, seq);
            }
        }
        let told: Vec<_> = d
            .take()
            .into_iter()
            .filter_map(|e| match e {
                MediaEvent::Quality { leg: Leg::A, quality, .. } => Some(quality),
                _ => None,
            })
            .collect();
        told
    };
    let first = seconds(&mut d, 20, 0);
    assert_eq!(first.len(), 1, "told once while nothing changes: {first:?}");
    assert!(first[0].mos_x100 > 420 && first[0].loss_x100 == 0);
    let bad = seconds(&mut d, 12, 8);
    assert!((1..=3).contains(&bad.len()), "{bad:?}");
    let worst = bad.last().unwrap();
    assert!(worst.mos_x100 < 350 && worst.loss_x100 > 1000, "{worst:?}");
    d.release();
    let Some(MediaEvent::Released { a, b, .. }) = d.take().pop() else { panic!("no figures") };
    assert!((300..430).contains(&a.mos_x100.unwrap()), "{a:?}");
    assert_eq!(b.mos_x100, None, "nothing was heard of it");
}
