//! Calls between legs that have no codec in common: sound, digits and reports, through the machine.

mod common;

use common::*;
use media::codec::{Decoder, Encoder, Kind};
use rtp::header::Header;
use std::f64::consts::PI;
use terms::{Leg, MediaCommand, MediaEvent};

const OPUS: &str = "a=rtpmap:111 opus/48000/2\r\na=rtpmap:110 telephone-event/48000\r\n";

/// A speaks Opus with digits at 48 kHz; B speaks `b` (and digits at 8 kHz).
fn opus_to(b: &str) -> Desk {
    let mut d = desk();
    d.offer(Leg::A, &sdp(A, "111 110", OPUS), "10.0.0.5");
    let answer = d.answer(Leg::B, &sdp(B, b, ""), "198.51.100.2");
    assert!(answer.contains("RTP/AVP 111"), "{answer}");
    d.take();
    d
}

/// What left for `leg`: first what was forwarded, then what was said besides.
fn sent(d: &mut Desk, leg: Leg, from: &str, mut p: Vec<u8>) -> Vec<(Header, Vec<u8>)> {
    let to = d.port(leg.other());
    let mut all = Vec::new();
    if let Some(f) = d.send(leg, from, &mut p) {
        assert_eq!(f.port, to);
        all.push(parse(&p[..f.len]));
    }
    all.extend(d.said.drain(..).filter(|(_, t)| t.port == to).map(|(_, t)| parse(&t.bytes)));
    all
}

fn tone(rate: u32, hz: f64, n: usize) -> Vec<i16> {
    (0..n).map(|i| (8000.0 * (2.0 * PI * hz * i as f64 / f64::from(rate)).sin()) as i16).collect()
}

fn level(pcm: &[i16], rate: u32, hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, s) in pcm.iter().enumerate() {
        let at = 2.0 * PI * hz * i as f64 / f64::from(rate);
        re += f64::from(*s) * at.cos();
        im += f64::from(*s) * at.sin();
    }
    2.0 * (re * re + im * im).sqrt() / pcm.len() as f64
}

#[test]
fn a_browsers_opus_and_a_phones_g711_hear_each_other() {
    let mut d = opus_to("0 101");
    let mut opus = Encoder::new(Kind::Opus, 16_000).unwrap();
    let mut pcmu = Encoder::new(Kind::Pcmu, 8000).unwrap();
    let (wave_a, wave_b) = (tone(16_000, 700.0, 32_000), tone(8000, 1300.0, 16_000));
    let (mut to_b, mut to_a) = (Vec::new(), Vec::new());
    let mut payload = Vec::new();
    for n in 0..100u16 {
        let at = usize::from(n);
        opus.encode(&wave_a[at * 320..][..320], &mut payload);
        to_b.extend(sent(&mut d, Leg::A, A, packet(111, 5, n, u32::from(n) * 960, &payload)));
        pcmu.encode(&wave_b[at * 160..][..160], &mut payload);
        to_a.extend(sent(&mut d, Leg::B, B, packet(0, 6, 900 + n, u32::from(n) * 160, &payload)));
        d.wait_ms(20);
    }
    for (heard, kind, pt, ticks, hz) in
        [(&to_b, Kind::Pcmu, 0, 160, 700.0), (&to_a, Kind::Opus, 111, 960, 1300.0)]
    {
        assert_eq!(heard.len(), 100);
        let mut decoder = Decoder::new(kind, 8000).unwrap();
        let mut pcm = Vec::new();
        for (n, (h, p)) in heard.iter().enumerate() {
            assert_eq!((h.payload_type, h.marker, h.ssrc), (pt, n == 0, heard[0].0.ssrc));
            assert_eq!(h.sequence_number, heard[0].0.sequence_number.wrapping_add(n as u16));
            assert_eq!(h.timestamp, heard[0].0.timestamp.wrapping_add(ticks * n as u32));
            decoder.decode(p, &mut pcm).unwrap();
        }
        let heard = level(&pcm[4000..], 8000, hz);
        assert!((6000.0..10_000.0).contains(&heard), "{kind:?}: {heard}");
        assert!(level(&pcm[4000..], 8000, 2000.0 - hz) < 300.0, "the other's voice is not in it");
    }
    d.release();
    let Some(MediaEvent::Released { a, b, .. }) = d.take().pop() else { panic!("no figures") };
    assert_eq!((a.codec.as_str(), b.codec.as_str(), a.lost, b.rubbish), ("opus", "PCMU", 0, 0));
    assert!(a.jitter_us < 500 && b.jitter_us < 500, "each by its own clock: {a:?}");
}

#[test]
fn the_two_laws_cross_by_table_packet_by_packet() {
    let mut d = desk();
    d.offer(Leg::A, &sdp(A, "8 101", ""), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "0 101", ""), "198.51.100.2");
    let mut p = packet(8, 5, 10, 1000, &[0xd5, 0xaa, 0x2a, 0x55]);
    let f = d.send(Leg::A, A, &mut p).unwrap();
    let (h, payload) = parse(&p[..f.len]);
    assert_eq!((h.payload_type, &payload[..]), (0, &[0xfe, 0x80, 0x00, 0x7e][..]));
    // A gap stays a gap: it is the listener's to make up for.
    let mut p = packet(8, 5, 13, 1480, &[0xd5; 160]);
    let f = d.send(Leg::A, A, &mut p).unwrap();
    assert_eq!(parse(&p[..f.len]).0.sequence_number, h.sequence_number.wrapping_add(3));
    d.said.clear();
    d.wait_ms(20_000);
    assert!(d.said.is_empty(), "their reports are passed on, we add none");
}

#[test]
fn digits_cross_between_the_clocks_once_each_with_their_length() {
    let mut d = opus_to("0 101");
    let mut opus = Encoder::new(Kind::Opus, 8000).unwrap();
    let mut payload = Vec::new();
    opus.encode(&tone(8000, 500.0, 160), &mut payload);
    let mut out = Vec::new();
    for n in 0..10u16 {
        out.extend(sent(&mut d, Leg::A, A, packet(111, 5, n, u32::from(n) * 960, &payload)));
        d.wait_ms(20);
    }
    let before = out.last().unwrap().0.clone();
    d.take();
    out.clear();
    let mut seq = 10;
    // A press of 100 ms in the clock of 48 kHz, the end three times.
    for (end, ticks) in
        [(0, 960u16), (0, 1920), (0, 2880), (0, 3840), (0x80, 4800), (0x80, 4800), (0x80, 4800)]
    {
        let [h, l] = ticks.to_be_bytes();
        out.extend(sent(&mut d, Leg::A, A, packet(110, 5, seq, 9600, &[4, end | 10, h, l])));
        seq += 1;
        d.wait_ms(20);
    }
    assert_eq!(d.one(), MediaEvent::Dtmf { call: CALL, leg: Leg::A, digit: '4', duration_ms: 100 });
    let ts = before.timestamp.wrapping_add(160);
    let got: Vec<(u8, bool, u32, u16)> = out
        .iter()
        .map(|(h, p)| (p[1] & 0x80, h.marker, h.timestamp, u16::from_be_bytes([p[2], p[3]])))
        .collect();
    let e = |end, marker, ticks| (end, marker, ts, ticks);
    assert_eq!(
        got,
        [
            e(0, true, 160),
            e(0, false, 320),
            e(0, false, 480),
            e(0, false, 640),
            e(0x80, false, 800),
            e(0x80, false, 800),
            e(0x80, false, 800)
        ]
    );
    assert!(out.iter().all(|(h, p)| h.payload_type == 101 && p[0] == 4));
    // The voice goes on where it belongs in time, with the next number.
    let after = sent(&mut d, Leg::A, A, packet(111, 5, seq, 17 * 960, &payload));
    let h = &after[0].0;
    assert_eq!((h.payload_type, h.marker), (0, true));
    assert_eq!(h.timestamp, before.timestamp.wrapping_add(8 * 160));
    assert_eq!(h.sequence_number, before.sequence_number.wrapping_add(8));
}

#[test]
fn a_digit_for_a_phone_without_events_is_a_tone_in_its_voice() {
    let mut d = opus_to("0");
    d.command(MediaCommand::Dtmf { call: CALL, leg: Leg::B, digit: '9', duration_ms: 200 });
    d.wait_ms(400);
    let port = d.port(Leg::B);
    let mut pcm = Vec::new();
    let mut decoder = Decoder::new(Kind::Pcmu, 8000).unwrap();
    for (_, t) in d.said.iter().filter(|(_, t)| t.port == port) {
        decoder.decode(&parse(&t.bytes).1, &mut pcm).unwrap();
    }
    assert_eq!(pcm.len(), 1600);
    assert!(level(&pcm, 8000, 852.0) > 6000.0 && level(&pcm, 8000, 1477.0) > 6000.0);
    assert!(d.take().iter().all(|e| !matches!(e, MediaEvent::DtmfByInfo { .. })));
}

#[test]
fn both_legs_are_reported_to_and_told_goodbye() {
    let mut d = opus_to("0 101");
    let mut opus = Encoder::new(Kind::Opus, 8000).unwrap();
    let mut payload = Vec::new();
    let mut ssrcs = [None, None];
    for n in 0..600u16 {
        opus.encode(&tone(8000, 500.0, 160), &mut payload);
        // A loses every tenth packet on its way to us.
        if n % 10 != 9 {
            let mut p = packet(111, 5, n, u32::from(n) * 960, &payload);
            let port = d.port(Leg::A);
            if let Some(f) = received(&mut d.m, d.now, port, at(A), &mut p) {
                ssrcs[1] = Some(parse(&p[..f.len]).0.ssrc);
            }
        }
        let mut p = packet(0, 6, n, u32::from(n) * 160, &[0xff; 160]);
        let port = d.port(Leg::B);
        if let Some(f) = received(&mut d.m, d.now, port, at(B), &mut p) {
            ssrcs[0] = Some(parse(&p[..f.len]).0.ssrc);
        }
        while d.m.poll_transmit().is_some() && n < 3 {}
        d.wait_ms(20);
    }
    let rtcp: Vec<_> = d.said.iter().filter(|(_, t)| (200..=203).contains(&t.bytes[1])).cloned().collect();
    let word = |p: &[u8], at: usize| u32::from_be_bytes(p[at..at + 4].try_into().unwrap());
    for (leg, ssrc, source) in [(Leg::A, ssrcs[0], 5), (Leg::B, ssrcs[1], 6)] {
        let port = d.port(leg) + 1;
        let ours: Vec<_> = rtcp.iter().filter(|(_, t)| t.port == port).collect();
        assert!((2..=7).contains(&ours.len()), "{} reports in 12 s", ours.len());
        let gaps: Vec<u64> = ours.windows(2).map(|w| (w[1].0.0 - w[0].0.0) / 1_000_000).collect();
        assert!(gaps.iter().all(|ms| (2000..=6200).contains(ms)), "{gaps:?}");
        let last = &ours.last().unwrap().1.bytes;
        assert_eq!(
            (last[0], last[1], Some(word(last, 4))),
            (0x81, 200, ssrc),
            "a sender report with a block"
        );
        assert_eq!(word(last, 28), source);
        let lost = word(last, 32);
        if leg == Leg::A {
            assert!((20..=30).contains(&(lost >> 24)), "a tenth in 256ths: {}", lost >> 24);
            assert!((lost & 0xff_ffff) > 30);
        } else {
            assert_eq!(lost, 0);
        }
        // The name: sixteen letters and no address.
        assert_eq!((last[53], last[60], last[61]), (202, 1, 16));
        assert_eq!(last.len(), 52 + 28);
    }
    // What a peer says of itself reaches nobody else, its answer to our report is the round trip.
    let (at_ms, t) = rtcp.iter().rfind(|(_, t)| t.port == d.port(Leg::B) + 1).cloned().unwrap();
    let lsr = word(&t.bytes, 8) << 16 | word(&t.bytes, 12) >> 16;
    let held = ((d.now.0 - at_ms.0) / 1_000_000) * 65_536 / 1000;
    d.wait_ms(80);
    let mut rr = vec![0x81, 201, 0, 7];
    for w in [6, ssrcs[1].unwrap(), 0x1a00_0000, 600, 3, lsr, held as u32] {
        rr.extend(u32::to_be_bytes(w));
    }
    let port = d.port(Leg::B) + 1;
    d.said.clear();
    assert_eq!(received(&mut d.m, d.now, port, at("198.51.100.2:6001"), &mut rr), None);
    // Wishes about a picture, without a report before them (RFC 5506): dropped and no rubbish.
    let mut pli = vec![0x81, 206, 0, 2, 0, 0, 0, 6, 0, 0, 0, 1];
    assert_eq!(received(&mut d.m, d.now, port, at("198.51.100.2:6001"), &mut pli), None);
    d.release();
    let byes: Vec<_> = d.said.iter().map(|(_, t)| t.bytes[t.bytes.len() - 7]).collect();
    assert_eq!(byes, [203, 203]);
    let Some(MediaEvent::Released { b, .. }) = d.take().pop() else { panic!("no figures") };
    let us = b.round_trip_us.unwrap();
    assert!((78_000..82_000).contains(&us), "{us}");
    assert_eq!(b.rubbish, 0);
}

#[test]
fn hold_and_another_source_leave_the_stream_whole() {
    let mut d = opus_to("0 101");
    let mut opus = Encoder::new(Kind::Opus, 8000).unwrap();
    let mut payload = Vec::new();
    opus.encode(&tone(8000, 500.0, 160), &mut payload);
    let mut out = Vec::new();
    for n in 0..5u16 {
        out.extend(sent(&mut d, Leg::A, A, packet(111, 5, n, u32::from(n) * 960, &payload)));
        d.wait_ms(20);
    }
    d.command(MediaCommand::Away { call: CALL, leg: Leg::A });
    d.wait_ms(200);
    for n in 5..15u16 {
        assert!(d.send(Leg::A, A, &mut packet(111, 5, n, u32::from(n) * 960, &payload)).is_none());
    }
    let port = d.port(Leg::B);
    out.extend(d.said.drain(..).filter(|(_, t)| t.port == port).map(|(_, t)| parse(&t.bytes)));
    d.command(MediaCommand::Back { call: CALL, leg: Leg::A });
    d.wait_ms(40);
    out.extend(d.said.drain(..).filter(|(_, t)| t.port == port).map(|(_, t)| parse(&t.bytes)));
    // It comes back as somebody else, with other numbers.
    for n in 0..5u16 {
        out.extend(sent(&mut d, Leg::A, A, packet(111, 99, 40_000 + n, 7 + u32::from(n) * 960, &payload)));
        d.wait_ms(20);
    }
    for w in out.windows(2) {
        assert_eq!(w[1].0.sequence_number, w[0].0.sequence_number.wrapping_add(1));
        let step = w[1].0.timestamp.wrapping_sub(w[0].0.timestamp);
        assert!((160..=480).contains(&step), "{step}");
        assert_eq!(w[1].0.ssrc, w[0].0.ssrc);
    }
    assert!(out.len() >= 20);
}

#[test]
fn a_phone_that_could_speak_more_is_relayed_as_long_as_it_speaks_the_common_one() {
    let mut d = desk();
    // The trunk speaks PCMU only; the phone was offered more and took it all.
    d.offer(Leg::A, &sdp(A, "0 101", ""), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "0 8 9 101", ""), "198.51.100.2");
    d.take();
    let mut out = Vec::new();
    for n in 0..3u16 {
        let p = packet(0, 6, n, u32::from(n) * 160, &[n as u8; 160]);
        out.extend(sent(&mut d, Leg::B, B, p));
        d.wait_ms(20);
    }
    assert!(out.iter().enumerate().all(|(n, (_, p))| *p == [n as u8; 160]), "untouched");
    d.wait_ms(5000);
    assert!(d.said.is_empty(), "nor do we report anything");
    // Now it changes its mind, and back again.
    let mut g722 = Encoder::new(Kind::G722, 16_000).unwrap();
    let mut payload = Vec::new();
    for n in 3..8u16 {
        g722.encode(&tone(16_000, 440.0, 320), &mut payload);
        out.extend(sent(&mut d, Leg::B, B, packet(9, 6, n, u32::from(n) * 160, &payload)));
        d.wait_ms(20);
    }
    for n in 8..10u16 {
        out.extend(sent(&mut d, Leg::B, B, packet(0, 6, n, u32::from(n) * 160, &[n as u8; 160])));
        d.wait_ms(20);
    }
    assert_eq!(out.len(), 10);
    for (w, (h, _)) in out.windows(2).zip(&out[1..]) {
        assert_eq!(h.payload_type, 0);
        assert_eq!(h.sequence_number, w[0].0.sequence_number.wrapping_add(1));
    }
    assert!(out[9].1.iter().all(|o| *o == 9), "relayed again");
    d.wait_ms(5000);
    assert!(!d.said.is_empty(), "from the first coded packet on the reports are ours");
}
