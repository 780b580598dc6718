//! What comes out of a transcoder is what went in, by ear: every pair of codecs, tones and sweeps, with losses, in
//! disorder, in packets of other lengths.

use media::codec::{Coded, Decoder, Encoder, Incoming, Kind, Rubbish, Transcoder};
use std::f64::consts::PI;

const ALL: [Kind; 4] = [Kind::Pcmu, Kind::Pcma, Kind::G722, Kind::Opus];

/// One packet as the listener gets it.
#[derive(Clone, Debug)]
struct Heard {
    ts: u32,
    marker: bool,
    payload: Vec<u8>,
}

fn rate(kind: Kind, beside: Kind) -> u32 {
    kind.rate_beside(beside)
}

/// Packets of `ms` milliseconds with the sound of `wave`, a function of seconds.
fn say(
    kind: Kind,
    beside: Kind,
    ms: u32,
    seconds: f64,
    wave: impl Fn(f64) -> f64,
) -> Vec<(u16, u32, Vec<u8>)> {
    let rate = rate(kind, beside);
    let mut encoder = Encoder::new(kind, rate).unwrap();
    encoder.loss_reported(20);
    let frame = (rate * ms / 1000) as usize;
    let pcm: Vec<i16> =
        (0..(seconds * f64::from(rate)) as usize).map(|i| wave(i as f64 / f64::from(rate)) as i16).collect();
    let mut packets = Vec::new();
    let mut out = Vec::new();
    for (n, frame) in pcm.chunks_exact(frame).enumerate() {
        assert!(encoder.encode(frame, &mut out));
        // Both numbers wrap soon after the beginning.
        let seq = 65_530u16.wrapping_add(n as u16);
        let ts = 4_294_960_000u32.wrapping_add(n as u32 * ms * kind.clock() / 1000);
        packets.push((seq, ts, out.clone()));
    }
    packets
}

fn run(t: &mut Transcoder, packets: &[(u16, u32, Vec<u8>)]) -> Vec<Heard> {
    let mut heard = Vec::new();
    for (n, (seq, ts, payload)) in packets.iter().enumerate() {
        let packet = Incoming { seq: *seq, ts: *ts, marker: n == 0, payload };
        t.push(packet, &mut |c: Coded| {
            heard.push(Heard { ts: c.ts, marker: c.marker, payload: c.payload.to_vec() })
        })
        .unwrap();
    }
    heard
}

fn listen(kind: Kind, beside: Kind, heard: &[Heard]) -> Vec<i16> {
    let mut decoder = Decoder::new(kind, rate(kind, beside)).unwrap();
    let mut pcm = Vec::new();
    for h in heard {
        decoder.decode(&h.payload, &mut pcm).unwrap();
    }
    pcm
}

fn tone(hz: f64) -> impl Fn(f64) -> f64 {
    move |t| 8000.0 * (2.0 * PI * hz * t).sin()
}

/// Amplitude of `hz` in `pcm` and what is left of the power, as the ratio in decibels.
fn find(pcm: &[i16], rate: u32, hz: f64) -> (f64, f64) {
    let n = pcm.len() as f64;
    let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
    for (i, s) in pcm.iter().enumerate() {
        let (s, at) = (f64::from(*s), 2.0 * PI * hz * i as f64 / f64::from(rate));
        re += s * at.cos();
        im += s * at.sin();
        power += s * s;
    }
    let amplitude = 2.0 * (re * re + im * im).sqrt() / n;
    let (signal, power) = (amplitude * amplitude / 2.0, power / n);
    (amplitude, 10.0 * (signal / (power - signal).max(1e-9)).log10())
}

/// The sound once everything has settled.
fn middle(pcm: &[i16], rate: u32) -> &[i16] {
    let edge = rate as usize * 3 / 10;
    &pcm[edge..pcm.len() - edge / 3]
}

#[test]
fn a_tone_arrives_in_every_pair_of_codecs() {
    for from in ALL {
        for to in ALL.into_iter().filter(|to| *to != from) {
            for hz in [400.0, 1000.0, 2000.0] {
                let mut t = Transcoder::new(from, to, None).unwrap();
                let heard = run(&mut t, &say(from, to, 20, 2.0, tone(hz)));
                let pcm = listen(to, from, &heard);
                let rate = rate(to, from);
                let (amplitude, snr) = find(middle(&pcm, rate), rate, hz);
                let opus = from == Kind::Opus || to == Kind::Opus;
                let (off, least) = if opus { (2500.0, 8.0) } else { (400.0, 25.0) };
                assert!((amplitude - 8000.0).abs() < off, "{from:?}→{to:?} {hz} Hz: {amplitude:.0}");
                assert!(snr > least, "{from:?}→{to:?} {hz} Hz: {snr:.1} dB");
            }
        }
    }
}

#[test]
fn a_sweep_keeps_its_level_from_300_to_3300_hertz() {
    // 300 to 3300 Hz in four seconds.
    let wave = |t: f64| 8000.0 * (2.0 * PI * (300.0 * t + 375.0 * t * t)).sin();
    for from in ALL {
        for to in ALL.into_iter().filter(|to| *to != from) {
            let mut t = Transcoder::new(from, to, None).unwrap();
            let heard = run(&mut t, &say(from, to, 20, 4.0, wave));
            let pcm = listen(to, from, &heard);
            let rate = rate(to, from) as usize;
            for (n, part) in middle(&pcm, rate as u32).chunks_exact(rate / 5).enumerate() {
                let rms =
                    (part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / part.len() as f64).sqrt();
                let db = 20.0 * (rms / (8000.0 / 2f64.sqrt())).log10();
                assert!(db.abs() < 4.0, "{from:?}→{to:?} part {n}: {db:.1} dB");
            }
        }
    }
}

#[test]
fn five_kilohertz_is_not_heard_as_three() {
    for to in [Kind::Pcmu, Kind::Pcma] {
        let mut t = Transcoder::new(Kind::G722, to, None).unwrap();
        let heard = run(&mut t, &say(Kind::G722, Kind::G722, 20, 1.5, tone(5000.0)));
        let pcm = listen(to, Kind::G722, &heard);
        let (alias, _) = find(middle(&pcm, 8000), 8000, 3000.0);
        assert!(alias < 20.0, "{to:?}: {alias:.1} of 8000");
    }
    // A browser's Opus holds 5 kHz too; decoded at 8 kHz it must not fold.
    let mut t = Transcoder::new(Kind::Opus, Kind::Pcma, None).unwrap();
    let heard = run(&mut t, &say(Kind::Opus, Kind::G722, 20, 1.5, tone(5000.0)));
    let pcm = listen(Kind::Pcma, Kind::Opus, &heard);
    let (alias, _) = find(middle(&pcm, 8000), 8000, 3000.0);
    assert!(alias < 80.0, "Opus: {alias:.1} of 8000");
}

#[test]
fn packets_of_any_length_become_packets_of_the_agreed_length() {
    for (from, to, ms, wanted, length) in [
        (Kind::Pcmu, Kind::Opus, 30, None, 20),
        (Kind::Pcmu, Kind::Opus, 10, None, 20),
        (Kind::Opus, Kind::Pcma, 60, None, 20),
        (Kind::Opus, Kind::Pcma, 20, Some(30), 30),
        (Kind::Opus, Kind::G722, 40, Some(10), 10),
        (Kind::G722, Kind::Pcmu, 20, Some(60), 60),
        (Kind::Pcma, Kind::Opus, 20, Some(40), 40),
    ] {
        let mut t = Transcoder::new(from, to, wanted).unwrap();
        let heard = run(&mut t, &say(from, to, ms, 2.4, tone(600.0)));
        assert_eq!(heard.len() as u32, 2400 / length, "{from:?} {ms} ms → {to:?}");
        for (n, h) in heard.iter().enumerate() {
            assert_eq!(
                h.ts,
                n as u32 * length * to.clock() / 1000,
                "timestamps are counted in {to:?}'s clock"
            );
            assert_eq!(h.marker, n == 0);
        }
        let pcm = listen(to, from, &heard);
        let (amplitude, _) = find(middle(&pcm, rate(to, from)), rate(to, from), 600.0);
        assert!((amplitude - 8000.0).abs() < 2500.0, "{from:?}→{to:?}: {amplitude:.0}");
    }
}

#[test]
fn disorder_by_one_or_two_is_put_right() {
    for (from, to) in [(Kind::Pcmu, Kind::Opus), (Kind::Opus, Kind::Pcmu), (Kind::G722, Kind::Pcma)] {
        let packets = say(from, to, 20, 2.0, tone(500.0));
        let straight = run(&mut Transcoder::new(from, to, None).unwrap(), &packets);
        let mut mixed = packets.clone();
        for n in (10..90).step_by(7) {
            mixed.swap(n, n + 1);
        }
        // One that comes two places too early, and one twice.
        let early = mixed.remove(60);
        mixed.insert(58, early);
        mixed.insert(30, mixed[29].clone());
        let heard = run(&mut Transcoder::new(from, to, None).unwrap(), &mixed);
        assert_eq!(heard.len(), straight.len());
        for (a, b) in heard.iter().zip(&straight) {
            assert_eq!((a.ts, &a.payload), (b.ts, &b.payload), "{from:?}→{to:?}");
        }
    }
}

#[test]
fn a_lost_packet_is_made_up_for_and_time_goes_on() {
    for (from, to) in [(Kind::Pcmu, Kind::Opus), (Kind::Opus, Kind::Pcmu), (Kind::G722, Kind::Pcma)] {
        let mut packets = say(from, to, 20, 3.0, tone(300.0));
        // Every tenth, and once two in a row.
        packets.remove(71);
        for n in (1..14).rev() {
            packets.remove(n * 10);
        }
        let heard = run(&mut Transcoder::new(from, to, None).unwrap(), &packets);
        assert_eq!(heard.len(), 150, "{from:?}→{to:?}: the listener misses nothing");
        for (n, h) in heard.iter().enumerate() {
            assert_eq!((h.ts, h.marker), (n as u32 * 20 * to.clock() / 1000, n == 0));
        }
        let pcm = listen(to, from, &heard);
        let rate = rate(to, from) as usize;
        for (n, part) in middle(&pcm, rate as u32).chunks_exact(rate / 50).enumerate() {
            let rms = (part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / part.len() as f64).sqrt();
            assert!(rms > 700.0, "{from:?}→{to:?}: a hole at {n}: {rms:.0}");
        }
    }
}

#[test]
fn a_pause_of_the_speaker_is_a_pause_for_the_listener() {
    let (from, to) = (Kind::Opus, Kind::Pcmu);
    let packets = say(from, to, 20, 2.0, tone(300.0));
    let mut t = Transcoder::new(from, to, None).unwrap();
    let mut heard = run(&mut t, &packets[..50]);
    // The sequence goes on, the timestamp leaves out 200 ms: silence suppression, or a digit.
    let later: Vec<_> = packets[60..].iter().map(|(s, t, p)| (s.wrapping_sub(10), *t, p.clone())).collect();
    heard.extend(run(&mut t, &later));
    assert_eq!(heard.len(), 90);
    assert_eq!(heard[50].ts, heard[49].ts + 160 + 1600);
    assert!(heard[50].marker && !heard[51].marker);
    // And half a second in which everything was lost is not made up for.
    let (seq, ts, payload) = packets[99].clone();
    let lost = [
        (seq.wrapping_add(15), ts.wrapping_add(25 * 960), payload.clone()),
        (seq.wrapping_add(16), ts.wrapping_add(26 * 960), payload),
    ];
    let heard = run(&mut t, &lost);
    assert_eq!(heard.len(), 2);
}

#[test]
fn a_digit_between_is_no_loss_and_knows_its_place() {
    let (from, to) = (Kind::Pcmu, Kind::Opus);
    let packets = say(from, to, 20, 1.0, tone(300.0));
    let mut t = Transcoder::new(from, to, None).unwrap();
    let heard = run(&mut t, &packets[..10]);
    let (seq, ts) = (packets[10].0, packets[10].1);
    assert_eq!(t.timestamp_of(ts), heard[9].ts + 960);
    for n in 0..5 {
        t.passed(seq.wrapping_add(n), &mut |_| panic!("nothing waits"));
    }
    let (_, ts, payload) = packets[15].clone();
    let heard = run(&mut t, &[(seq.wrapping_add(5), ts, payload)]);
    assert_eq!((heard.len(), heard[0].ts, heard[0].marker), (1, 15 * 960, true));
}

#[test]
fn another_speaker_begins_afresh_and_broken_payloads_cost_nothing_else() {
    let (from, to) = (Kind::Opus, Kind::Pcma);
    let packets = say(from, to, 20, 1.0, tone(300.0));
    let mut t = Transcoder::new(from, to, None).unwrap();
    run(&mut t, &packets[..20]);
    let before = t.source();
    t.restart();
    assert_ne!(t.source(), before);
    let other: Vec<_> =
        packets.iter().map(|(s, t, p)| (s.wrapping_add(9000), t ^ 0x5555_0000, p.clone())).collect();
    let heard = run(&mut t, &other[..30]);
    assert_eq!(heard.len(), 30);
    assert_eq!(heard[0].ts, 20 * 160);
    assert!(heard[0].marker);
    let (seq, ts, _) = other[30];
    let mut none = |_: Coded| panic!("rubbish makes no sound");
    assert_eq!(t.push(Incoming { seq, ts, marker: false, payload: &[] }, &mut none), Err(Rubbish));
    // TOC of a code 3 packet with zero frames: invalid.
    assert_eq!(t.push(Incoming { seq, ts, marker: false, payload: &[0x0b, 0] }, &mut none), Err(Rubbish));
    let heard = run(&mut t, &other[31..40]);
    assert_eq!(heard.len(), 10, "the broken one was made up for like a lost one");
}

#[test]
fn whatever_comes_in_is_survived() {
    let mut seed = 9u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for from in ALL {
        for to in ALL.into_iter().filter(|to| *to != from) {
            let mut t = Transcoder::new(from, to, None).unwrap();
            let mut out = 0usize;
            for _ in 0..1500 {
                let payload: Vec<u8> = (0..random() % 200).map(|_| random() as u8).collect();
                let seq = if random() % 4 == 0 { random() as u16 } else { (random() % 8) as u16 };
                let ts = if random() % 4 == 0 { random() as u32 } else { (random() % 4000) as u32 };
                let _ = t.push(Incoming { seq, ts, marker: false, payload: &payload }, &mut |_| out += 1);
                t.passed(random() as u16 % 8, &mut |_| out += 1);
            }
            assert!(out < 1500 * 14, "no packet makes more than its 120 ms and what was lost before");
        }
    }
}
