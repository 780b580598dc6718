//! What each side is told when the other offers, answers, holds and changes its mind.

mod common;
use common::*;
use media::MediaConfig;
use terms::{CallId, Leg, LegFigures, MediaCommand, MediaEvent, MediaFailure, Turn};

fn line<'a>(sdp: &'a str, start: &str) -> &'a str {
    sdp.lines().find(|l| l.starts_with(start)).unwrap_or("")
}

fn version(sdp: &str) -> u32 {
    line(sdp, "o=").split(' ').nth(2).unwrap().parse().unwrap()
}

#[test]
fn an_offer_passes_with_our_address_and_only_codecs_we_know() {
    let mut d = desk();
    let told = d.offer(
        Leg::A,
        &sdp(
            A,
            "18 9 8 0 101 97",
            "a=rtpmap:97 opus/48000/2\r\na=ptime:20\r\na=candidate:1 1 udp 1 10.0.0.5 9 typ host\r\n",
        ),
        "10.0.0.5",
    );
    assert_eq!(line(&told, "m="), format!("m=audio {} RTP/AVP 9 8 0 97 101 110", d.port(Leg::B)));
    assert_eq!(line(&told, "c="), "c=IN IP4 192.0.2.1");
    assert_eq!(line(&told, "a=ptime"), "a=ptime:20");
    assert_eq!(line(&told, "a=fmtp"), "a=fmtp:101 0-16");
    for hidden in ["10.0.0.5", "4000", "secretname", "hidden", "G729", "candidate"] {
        assert!(!told.contains(hidden), "{hidden} leaks: {told}");
    }
    let answer = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert_eq!(line(&answer, "m="), format!("m=audio {} RTP/AVP 8 101", d.port(Leg::A)));
    assert!(!answer.contains("198.51") && !answer.contains("6000"), "{answer}");
    assert!(d.port(Leg::A).is_multiple_of(2) && d.port(Leg::B).is_multiple_of(2));
    assert_ne!(d.port(Leg::A), d.port(Leg::B));
    assert_eq!(d.open.len(), 4);
}

#[test]
fn hold_in_every_form() {
    // What A offers, what B is told, what B answers, what A is told.
    for (offer, address, told, answers, back) in [
        ("a=sendonly", A, "a=sendonly", "a=recvonly", "a=recvonly"),
        ("a=sendonly", A, "a=sendonly", "a=sendrecv", "a=recvonly"),
        ("a=sendonly", A, "a=sendonly", "", "a=recvonly"),
        ("a=inactive", A, "a=inactive", "a=inactive", "a=inactive"),
        ("a=inactive", A, "a=inactive", "a=sendrecv", "a=inactive"),
        ("a=recvonly", A, "a=recvonly", "a=sendonly", "a=sendonly"),
        ("", "0.0.0.0:4000", "a=sendonly", "a=recvonly", "a=recvonly"),
        ("a=inactive", "0.0.0.0:4000", "a=inactive", "", "a=inactive"),
        ("", "[::]:4000", "a=sendonly", "a=recvonly", "a=recvonly"),
        ("a=sendrecv", A, "a=sendrecv", "a=recvonly", "a=recvonly"),
    ] {
        let mut d = desk();
        d.up();
        let ports = (d.port(Leg::A), d.port(Leg::B));
        let got = d.offer(Leg::A, &sdp(address, "8 0 101", &format!("{offer}\r\n")), "10.0.0.5");
        assert!(got.contains(told), "{offer} {address}: {got}");
        let got = d.answer(Leg::B, &sdp(B, "8 101", &format!("{answers}\r\n")), "198.51.100.2");
        assert!(got.contains(back), "{offer} {answers}: {got}");
        assert_eq!(ports, (d.port(Leg::A), d.port(Leg::B)), "a re-offer keeps its ports");
        d.wait_ms(1900);
        assert_eq!(d.take(), []);
        d.wait_ms(10_000);
        let silent: Vec<Leg> = d
            .take()
            .into_iter()
            .map(|e| match e {
                MediaEvent::Silent { leg, .. } => leg,
                other => panic!("{other:?}"),
            })
            .collect();
        let want: &[Leg] = match back {
            "a=recvonly" => &[Leg::A],
            "a=sendonly" => &[Leg::B],
            _ => &[],
        };
        assert_eq!(silent, want, "only who should be heard can be missed: {offer} {back}");
    }
}

#[test]
fn versions_rise_exactly_when_something_changed() {
    let mut d = desk();
    let o1 = d.offer(Leg::A, &sdp(A, "8 0 101", ""), "10.0.0.5");
    let a1 = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    let a1_again = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert_eq!(a1, a1_again, "the 200 after the 183 says the same");
    let a1_fork = d.answer(Leg::B, &sdp("198.51.100.3:7000", "0 101", ""), "198.51.100.3");
    assert_eq!(version(&a1_fork), version(&a1) + 1);
    let o2 = d.offer(Leg::A, &sdp(A, "8 0 101", "a=sendonly\r\n"), "10.0.0.5");
    assert_eq!(version(&o2), version(&o1) + 1);
    let o3 = d.offer(Leg::A, &sdp(A, "8 0 101", "a=sendonly\r\n"), "10.0.0.5");
    assert_eq!(o2, o3);
    let id = |s: &str| line(s, "o=").split(' ').nth(1).unwrap().to_owned();
    assert_eq!(id(&o1), id(&o3));
    assert_ne!(id(&o1), id(&a1), "the legs are different sessions");
}

#[test]
fn other_streams_are_refused_in_their_place() {
    let mut d = desk();
    let many = "v=0\r\nc=IN IP4 10.0.0.5\r\nm=video 5000 RTP/AVP 96 97\r\na=rtpmap:96 H264/90000\r\n\
                m=audio 4444 RTP/SAVP 0\r\nm=audio 4000 RTP/AVPF 0 101\r\na=rtpmap:101 telephone-event/8000\r\n\
                m=application 9 UDP/BFCP *\r\n";
    let told = d.offer(Leg::A, many, "10.0.0.5");
    assert_eq!(told.lines().filter(|l| l.starts_with("m=")).count(), 1, "B hears of the voice only");
    let answer = d.answer(Leg::B, &sdp(B, "0 101", ""), "198.51.100.2");
    let ms: Vec<&str> = answer.lines().filter(|l| l.starts_with("m=")).collect();
    let voice = format!("m=audio {} RTP/AVPF 0 101", d.port(Leg::A));
    assert_eq!(ms, ["m=video 0 RTP/AVP 96", "m=audio 0 RTP/SAVP 0", &voice, "m=application 0 UDP/BFCP *"]);
    // B changes something: A is offered its own four lines again (RFC 3264 §8).
    let told = d.offer(Leg::B, &sdp(B, "0 101", ""), "198.51.100.2");
    let ms: Vec<&str> = told.lines().filter(|l| l.starts_with("m=")).collect();
    let voice = format!("m=audio {} RTP/AVPF 0 8 9 101", d.port(Leg::A));
    assert_eq!(ms, ["m=video 0 RTP/AVP 96", "m=audio 0 RTP/SAVP 0", &voice, "m=application 0 UDP/BFCP *"]);
}

#[test]
fn numbers_keep_their_meaning_on_each_leg() {
    let mut d = desk();
    d.offer(Leg::A, &sdp(A, "8 101", ""), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "8 96", ""), "198.51.100.2");
    // B now offers with its number; A keeps the one it knows (RFC 3264 §8.3.2).
    let told = d.offer(Leg::B, &sdp(B, "8 96", ""), "198.51.100.2");
    assert!(line(&told, "m=").ends_with(" 8 0 9 101"), "{told}");
    let back = d.answer(Leg::A, &sdp(A, "8 101", ""), "10.0.0.5");
    assert!(line(&back, "m=").ends_with(" 8 96"), "{back}");
}

#[test]
fn an_offer_nobody_answers_changes_nothing() {
    let mut d = desk();
    d.up();
    assert!(d.voice(Leg::A, A, 8, 1, 1, 0).is_some());
    d.take();
    d.offer(Leg::A, &sdp("10.0.0.77:9", "0", "a=inactive\r\n"), "10.0.0.77");
    let (f, h) = d.voice(Leg::A, A, 8, 1, 2, 160).unwrap();
    assert_eq!((f.to, h.payload_type), (at(B), 8));
    assert_eq!(d.voice(Leg::A, "10.0.0.77:9", 8, 1, 3, 0), None);
}

#[test]
fn answers_find_their_offer_even_in_glare() {
    let mut d = desk();
    d.up();
    d.offer(Leg::A, &sdp(A, "8 101", "a=sendonly\r\n"), "10.0.0.5");
    let a_turn = d.turn;
    d.offer(Leg::B, &sdp(B, "8 101", "a=inactive\r\n"), "198.51.100.2");
    d.answer_raw(Leg::B, d.turn, &sdp(B, "8 101", ""), "198.51.100.2");
    assert_eq!(
        d.one(),
        MediaEvent::Failed { call: CALL, turn: Turn(d.turn), why: MediaFailure::NoOffer },
        "its own offer"
    );
    d.answer_raw(Leg::B, a_turn, &sdp(B, "8 101", ""), "198.51.100.2");
    let MediaEvent::Sdp { turn, to: Leg::A, sdp: back, .. } = d.one() else { panic!() };
    assert_eq!(turn, Turn(a_turn));
    assert!(String::from_utf8_lossy(&back).contains("a=recvonly"));
    let back = d.answer(Leg::A, &sdp(A, "8 101", ""), "10.0.0.5");
    assert!(back.contains("a=inactive"));
    d.answer_raw(Leg::B, a_turn, &sdp(B, "8 101", ""), "198.51.100.2");
    assert!(matches!(d.one(), MediaEvent::Failed { why: MediaFailure::NoOffer, .. }), "overtaken");
}

#[test]
fn failures_say_why_and_leave_nothing_behind() {
    use MediaFailure::*;
    for (body, why) in [
        ("".to_owned(), BadSdp),
        ("v=0\r\nm=audio 4 RTP/AVP 0\r\n".to_owned(), BadSdp),
        (sdp(A, "18", ""), NothingInCommon),
        (sdp(A, "101", ""), NothingInCommon),
        (sdp(A, "0", "").replace("RTP/AVP", "RTP/SAVP"), NothingInCommon),
        (sdp("10.0.0.5:0", "0", ""), NothingInCommon),
        (sdp(A, "0", "").replace("m=audio", "m=image"), NothingInCommon),
    ] {
        let mut d = desk();
        d.offer_raw(Leg::A, &body, "10.0.0.5");
        assert_eq!(d.one(), MediaEvent::Failed { call: CALL, turn: Turn(1), why }, "{body}");
        assert_eq!((d.m.calls(), d.open.len(), d.m.ports_in_use().count()), (0, 0, 0));
    }
    let mut d = desk();
    d.answer_raw(Leg::B, 1, &sdp(B, "0", ""), "198.51.100.2");
    assert!(matches!(d.one(), MediaEvent::Failed { why: NoOffer, .. }));
    d.offer(Leg::A, &sdp(A, "8 101", ""), "10.0.0.5");
    for (body, why) in
        [(sdp(B, "18 101", ""), NothingInCommon), (sdp(B, "101", ""), NothingInCommon), ("x".into(), BadSdp)]
    {
        d.answer_raw(Leg::B, d.turn, &body, "198.51.100.2");
        assert_eq!(d.one(), MediaEvent::Failed { call: CALL, turn: Turn(1), why });
    }
    d.answer(Leg::B, &sdp(B, "8", ""), "198.51.100.2");
}

#[test]
fn when_all_ports_are_in_use_the_next_call_is_told() {
    let mut config = MediaConfig::new(ip("192.0.2.1"));
    config.ports = 20_000..=20_007;
    let mut d = Desk::with(config, 3);
    let offer = |d: &mut Desk, call| {
        d.command(MediaCommand::Offer {
            call: CallId(call),
            turn: Turn(1),
            from: Leg::A,
            sdp: sdp(A, "0", "").into(),
            source: ip("10.0.0.5"),
            to_kind: terms::PortKind::Rtp,
            to_codecs: Default::default(),
            may_settle: false,
        });
        d.one()
    };
    assert!(matches!(offer(&mut d, 1), MediaEvent::Sdp { .. }));
    assert!(matches!(offer(&mut d, 2), MediaEvent::Sdp { .. }));
    assert!(matches!(offer(&mut d, 3), MediaEvent::Failed { why: MediaFailure::NoPorts, .. }));
    assert_eq!(d.m.ports_in_use().count(), 4);
    d.command(MediaCommand::Release { call: CallId(1) });
    d.one();
    assert!(matches!(offer(&mut d, 3), MediaEvent::Sdp { .. }));
}

#[test]
fn a_release_is_answered_whoever_asks() {
    let mut d = desk();
    d.release();
    let zero = LegFigures::default;
    assert_eq!(d.one(), MediaEvent::Released { call: CALL, a: zero(), b: zero() });
    d.up();
    d.voice(Leg::A, A, 8, 1, 1, 0);
    d.take();
    d.release();
    let MediaEvent::Released { a, b, .. } = d.one() else { panic!() };
    assert_eq!((a.codec.as_str(), a.packets, a.octets, b.packets), ("PCMA", 1, 160, 0));
    assert_eq!((d.open.len(), d.m.calls()), (0, 0));
}

#[test]
fn each_family_gets_our_address_of_its_own() {
    let mut config = MediaConfig::new(ip("192.0.2.1"));
    config.advertise_other = Some(ip("2001:db8::1"));
    let mut d = Desk::with(config, 1);
    let told = d.offer(Leg::A, &sdp("[2001:db8::5]:4000", "8 101", ""), "2001:db8::5");
    assert_eq!(line(&told, "c="), "c=IN IP4 192.0.2.1");
    let back = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert_eq!(line(&back, "c="), "c=IN IP6 2001:db8::1");
    assert!(line(&back, "o=").ends_with("IN IP6 2001:db8::1"));
}

#[test]
fn multiplexed_rtcp_is_accepted_where_it_is_offered() {
    let mut d = desk();
    let told = d.offer(Leg::A, &sdp(A, "8 101", "a=rtcp-mux\r\n"), "10.0.0.5");
    assert!(!told.contains("rtcp-mux"));
    let back = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert!(back.contains("a=rtcp-mux"));
    let told = d.offer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert!(told.contains("a=rtcp-mux"), "kept when we offer to that leg");
}

#[test]
fn a_port_that_cannot_be_opened_is_never_named() {
    let mut d = desk();
    d.m.command(
        d.now,
        MediaCommand::Offer {
            call: CALL,
            turn: Turn(1),
            from: Leg::A,
            sdp: sdp(A, "0", "").into(),
            source: ip("10.0.0.5"),
            to_kind: terms::PortKind::Rtp,
            to_codecs: Default::default(),
            may_settle: false,
        },
    );
    let mut refused = Vec::new();
    let mut open = std::collections::BTreeSet::new();
    while let Some(op) = d.m.poll_socket() {
        match op {
            media::SocketOp::Open(p) if refused.len() < 3 && p % 2 == refused.len() as u16 % 2 => {
                refused.push(p);
                d.m.socket_failed(d.now, p);
            }
            media::SocketOp::Open(p) => assert!(open.insert(p)),
            media::SocketOp::Close(p) => assert!(open.remove(&p)),
        }
    }
    d.turn = 1;
    d.drain();
    let told = d.said(Leg::B);
    assert!(line(&told, "m=").contains(&format!(" {} ", d.port(Leg::B))));
    let want: std::collections::BTreeSet<u16> =
        [Leg::A, Leg::B].into_iter().flat_map(|l| [d.port(l), d.port(l) + 1]).collect();
    assert_eq!(open, want);
    assert!(refused.iter().all(|p| !open.contains(p)));
}

#[test]
fn when_no_port_can_be_opened_the_offer_fails() {
    let mut d = desk();
    d.m.command(
        d.now,
        MediaCommand::Offer {
            call: CALL,
            turn: Turn(1),
            from: Leg::A,
            sdp: sdp(A, "0", "").into(),
            source: ip("10.0.0.5"),
            to_kind: terms::PortKind::Rtp,
            to_codecs: Default::default(),
            may_settle: false,
        },
    );
    let mut tries = 0;
    while let Some(op) = d.m.poll_socket() {
        if let media::SocketOp::Open(p) = op {
            tries += 1;
            assert!(tries < 100);
            d.m.socket_failed(d.now, p);
        }
    }
    d.drain();
    assert_eq!(d.one(), MediaEvent::Failed { call: CALL, turn: Turn(1), why: MediaFailure::NoPorts });
    assert_eq!((d.m.calls(), d.m.ports_in_use().count()), (0, 0));
}
