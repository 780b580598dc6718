//! A browser at one leg, a plain phone at the other leg.

mod common;
use bytes::Bytes;
use common::browser::*;
use common::*;
use dimpl::Output;
use media::Via;
use media::srtp::{Keys, Opener, Sealer, Suite};
use terms::{CallId, Leg, MediaCommand, MediaEvent, PortKind, Turn};

#[test]
fn a_browser_and_a_phone_hear_each_other() {
    let (mut d, mut b) = (room(), Browser::new(1150));
    call(&mut d, &mut b);
    assert!(phone(&mut d, B, 1).is_none(), "nothing leaves before there are keys");
    d.take();
    assert_eq!((b.check(&mut d, HERE, true), b.answers.last()), (1, Some(&None)));
    assert!(phone(&mut d, B, 2).is_none());
    b.shake(&mut d, HERE);
    assert!(d.take().is_empty(), "a handshake is not media");
    for seq in 3..200 {
        d.now.0 += 20_000_000;
        both_ways(&mut d, &mut b, HERE, seq);
    }
    assert_eq!(d.take(), [MediaEvent::Flowing { call: CALL, leg: Leg::A }]);
}

#[test]
fn a_browser_that_is_called_may_begin_before_its_answer_arrives() {
    let (mut d, mut b) = (room(), Browser::new(200));
    d.turn = 1;
    d.command(MediaCommand::Offer {
        call: CALL,
        turn: Turn(1),
        from: Leg::B,
        sdp: Bytes::from(sdp(B, "8 101", "")),
        source: ip("198.51.100.2"),
        to_kind: PortKind::WebRtc,
        to_codecs: Default::default(),
        may_settle: false,
    });
    let told = d.said(Leg::A);
    b.told(&told);
    assert!(told.contains("a=setup:actpass"), "{told}");
    // Its 200 is still on its way; checks and a hello in several datagrams are here.
    assert_eq!(b.check(&mut d, HERE, true), 1);
    b.shake(&mut d, HERE);
    assert!(b.keys.is_some(), "the handshake is done");
    assert!(b.speak(&mut d, HERE, 11, 1).is_none(), "whose certificate it is, nobody has said yet");
    d.answer(Leg::A, &b.sdp("active"), "203.0.113.40");
    both_ways(&mut d, &mut b, HERE, 2);
}

#[test]
fn a_wrong_certificate_gets_no_media() {
    let (mut d, mut b) = (room(), Browser::new(1150));
    let real = std::mem::replace(&mut b.certificate, Browser::new(1150).certificate);
    call(&mut d, &mut b);
    b.certificate = real;
    b.check(&mut d, HERE, true);
    b.shake(&mut d, HERE);
    assert!(b.speak(&mut d, HERE, 11, 1).is_none() && phone(&mut d, B, 1).is_none());
}

#[test]
fn a_third_address_can_neither_take_nor_inject_nor_silence() {
    let (mut d, mut b) = talking();
    let hello = dtls(&Browser::new(1150).certificate, 1150, std::time::Instant::now())
        .poll_output(&mut [0; 4096])
        .clone_packet();
    let known = d.m.browsers_known();
    let mut thief = Browser::new(1150);
    thief.theirs = (b.theirs.0.clone(), "not the password, not at all".into());
    for n in 0..500u16 {
        d.now.0 += 20_000_000;
        let name = b.theirs.0.clone();
        // It may know the name; it does not know the password. It may replay what the browser sent.
        web(&mut d, THIEF, thief.check_as(&name, &thief.theirs.1, true));
        web(&mut d, THIEF, thief.check_as("nobodyyy", "any", true));
        web(&mut d, THIEF, hello.clone());
        assert!(
            b.speak(&mut d, THIEF, 11, 1000 + n).is_none(),
            "even the browser's own packets, from elsewhere"
        );
        for rubbish in [&[0u8; 0][..], &[0x80], &[0; 20], &[22; 60], &[128; 172], &[255; 40]] {
            assert!(web(&mut d, THIEF, rubbish.to_vec()).is_none());
        }
        // And from the browser's own address, without its keys.
        assert!(web(&mut d, HERE, packet(8, 11, n, 0, &[9; 160])).is_none());
        if n % 100 == 0 {
            assert_eq!(b.check(&mut d, HERE, true), 1);
        }
        both_ways(&mut d, &mut b, HERE, 2000 + n);
    }
    assert_eq!(d.m.browsers_known(), known, "and it cost no memory");
    assert!(said_to(&mut d, THIEF).is_empty(), "nor an answer");
    let dropped = d.m.dropped();
    assert!(dropped.unproven == 1000 && dropped.unknown > 500 && dropped.rubbish >= 500, "{dropped:?}");
}

#[test]
fn the_network_changes_and_the_call_goes_on_at_once() {
    let (mut d, mut b) = talking();
    assert_eq!(b.check(&mut d, THERE, false), 1);
    assert_eq!(phone(&mut d, B, 2).unwrap().0.to, at(HERE), "a check alone moves nothing");
    assert_eq!(b.check(&mut d, THERE, true), 1);
    both_ways(&mut d, &mut b, THERE, 3);
}

#[test]
fn ice_restarts_and_the_keys_stay() {
    let (mut d, mut b) = talking();
    let old = b.theirs.clone();
    b.ufrag = "other".into();
    d.offer(Leg::A, &b.sdp("actpass"), "203.0.113.40");
    let answer = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    b.told(&answer);
    assert!(b.theirs.0 != old.0 && b.theirs.1 != old.1, "RFC 8839 §4.4");
    both_ways(&mut d, &mut b, HERE, 2);
    assert_eq!(b.check(&mut d, THERE, true), 1);
    both_ways(&mut d, &mut b, THERE, 3);
    assert!(b.speak(&mut d, HERE, 11, 4).is_none(), "the old path is closed");
    said_to(&mut d, HERE);
    web(&mut d, HERE, b.check_as(&old.0, &old.1, true));
    assert!(said_to(&mut d, HERE).is_empty(), "and its names are over");
    assert_eq!(d.m.browsers_known(), (1, 1));
}

#[test]
fn an_ice_restart_is_answered_without_the_other_leg() {
    // Called or calling, each twice; the description that restarts may know more codecs than were agreed.
    for calls in [true, false] {
        let (mut d, mut b) = if calls { talking() } else { called() };
        let leg = if calls { Leg::A } else { Leg::B };
        let phone = if calls { Leg::B } else { Leg::A };
        d.may_settle = true;
        for n in 0..2u16 {
            let old = b.theirs.clone();
            b.ufrag = format!("other{n}");
            let more = b.sdp("actpass").replace("SAVPF 8 101", "SAVPF 8 0 101");
            d.offer_raw(leg, &more, "203.0.113.40");
            let answer = d.said(leg);
            b.told(&answer);
            assert!(b.theirs.0 != old.0 && b.theirs.1 != old.1, "RFC 8839 §4.4");
            assert!(answer.contains("SAVPF 8 101\r\n") && answer.contains("a=sendrecv"), "{answer}");
            assert!(answer.contains("a=setup:passive"), "the roles stay: {answer}");
            let from = [THERE, HERE][usize::from(n)];
            assert_eq!(b.check(&mut d, from, true), 1);
            let (f, _) = b.speak(&mut d, from, 11, 10 + n).expect("the phone hears the browser");
            assert_eq!(f.port, d.port(phone));
        }
        assert_eq!(d.m.browsers_known(), (1, 1));
    }
}

#[test]
fn what_changes_more_than_the_way_goes_to_the_other_leg() {
    let (mut d, mut b) = talking();
    d.may_settle = true;
    // Nothing restarted: a change like any other, though it says what was said before.
    d.offer(Leg::A, &b.sdp("actpass"), "203.0.113.40");
    d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    let changes: [(&str, &str); 4] = [
        ("a=sendrecv", "a=sendonly"),
        ("SAVPF 8 101", "SAVPF 101 0"),
        ("a=rtcp-mux", "a=ptime:40\r\na=rtcp-mux"),
        ("m=audio", "m=video 0 UDP/TLS/RTP/SAVPF 96\r\nm=audio"),
    ];
    for (n, (from, to)) in changes.into_iter().enumerate() {
        b.ufrag = format!("other{n}");
        d.offer_raw(Leg::A, &b.sdp("actpass").replace(from, to), "203.0.113.40");
        assert!(!matches!(d.one(), MediaEvent::Sdp { to: Leg::A, .. }), "{to}");
    }
    // And a page with another certificate is another page.
    b.reload();
    d.offer(Leg::A, &b.sdp("actpass"), "203.0.113.40");
    assert_eq!(d.m.browsers_known(), (1, 1), "what was agreed before stays in force");
}

#[test]
fn a_reloaded_page_is_another_association_in_the_same_call() {
    let (mut d, mut b) = talking();
    let before = b.speak(&mut d, HERE, 11, 2).map(|(_, p)| parse(&p).0).unwrap();
    let old = b.keys.take();
    b.reload();
    d.offer(Leg::A, &b.sdp("actpass"), "203.0.113.40");
    let answer = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    b.told(&answer);
    assert!(phone(&mut d, B, 2).is_none(), "the old keys are nobody's");
    b.check(&mut d, THERE, true);
    b.shake(&mut d, THERE);
    d.now.0 += 20_000_000;
    both_ways(&mut d, &mut b, THERE, 3);
    let after = b.speak(&mut d, THERE, 77, 9).map(|(_, p)| parse(&p).0).unwrap();
    assert_eq!(
        (after.ssrc, after.payload_type),
        (before.ssrc, before.payload_type),
        "the phone's stream is one"
    );
    drop(old);
}

#[test]
fn late_packets_after_a_release_are_dropped_and_counted() {
    let (mut d, mut b) = talking();
    d.take();
    d.release();
    said_to(&mut d, HERE);
    let before = d.m.dropped();
    for seq in 2..102 {
        assert!(b.speak(&mut d, HERE, 11, seq).is_none());
    }
    assert_eq!(b.check(&mut d, HERE, true), 0);
    let after = d.m.dropped();
    assert_eq!((after.unknown - before.unknown, after.unproven - before.unproven), (100, 1));
    assert_eq!((d.m.browsers_known(), d.open.len()), ((0, 0), 1), "only the shared port is left");
    d.wait_ms(120_000);
    assert_eq!(d.m.deadline(), None);
}

#[test]
fn checks_that_stop_take_the_right_to_send_and_bring_it_back() {
    let (mut d, mut b) = talking();
    d.wait_ms(29_000);
    assert!(phone(&mut d, B, 2).is_some());
    d.wait_ms(1_001);
    assert!(phone(&mut d, B, 3).is_none() && b.speak(&mut d, HERE, 11, 2).is_none());
    assert_eq!(d.m.browsers_known(), (1, 0));
    b.check(&mut d, HERE, true);
    both_ways(&mut d, &mut b, HERE, 4);
}

#[test]
fn a_browser_over_tcp_is_answered_over_tcp() {
    let (mut d, mut b) = (room(), Browser::new(1150));
    call(&mut d, &mut b);
    let mut p = b.check_as(&b.theirs.0, &b.theirs.1, true);
    let len = p.len();
    p.resize(len + 100, 0);
    assert!(!d.m.knows_connection(at(HERE)));
    d.m.received_frame(d.now, at(HERE), &mut p, len);
    assert!(d.m.knows_connection(at(HERE)));
    d.drain();
    let t = said_to(&mut d, HERE).pop().unwrap();
    assert_eq!((t.via, t.to), (Via::Tcp, at(HERE)));
    assert!(web(&mut d, HERE, vec![22; 60]).is_none(), "the same address over UDP is another");
    assert_eq!(d.m.dropped().unknown, 1);
    d.m.connection_closed(at(HERE));
    assert!(!d.m.knows_connection(at(HERE)) && d.m.browsers_known() == (1, 0));
}

#[test]
fn a_nat_gives_the_address_to_another_browser() {
    let (mut d, _) = talking();
    let mut c = Browser::new(1150);
    let other = CallId(8);
    let (offer, phone) = (c.sdp("actpass"), sdp("198.51.100.3:7000", "8 101", ""));
    d.command(MediaCommand::Offer {
        call: other,
        turn: Turn(1),
        from: Leg::A,
        sdp: Bytes::from(offer),
        source: ip("203.0.113.40"),
        to_kind: PortKind::Rtp,
        to_codecs: Default::default(),
        may_settle: false,
    });
    let source = ip("198.51.100.3");
    d.take();
    d.command(MediaCommand::Answer {
        call: other,
        turn: Turn(1),
        from: Leg::B,
        sdp: Bytes::from(phone),
        source,
    });
    let Some(MediaEvent::Sdp { sdp, .. }) = d.take().pop() else { panic!() };
    c.told(std::str::from_utf8(&sdp).unwrap());
    assert_eq!(c.check(&mut d, HERE, true), 1);
    c.shake(&mut d, HERE);
    let (f, _) = c.speak(&mut d, HERE, 5, 1).unwrap();
    assert_eq!(f.to, at("198.51.100.3:7000"), "whoever proved itself there last has it");
    assert_eq!(d.m.browsers_known(), (2, 1));
}

#[test]
fn without_a_port_for_browsers_there_is_no_call_with_one() {
    let mut d = desk();
    let b = Browser::new(1150);
    d.offer_raw(Leg::A, &b.sdp("actpass"), "203.0.113.40");
    assert!(matches!(d.one(), MediaEvent::Failed { .. }));
    assert!(d.open.is_empty() && d.m.calls() == 0 && d.m.ports_in_use().next().is_none());
}

#[test]
fn a_phone_with_keys_in_its_description_and_a_plain_one() {
    let mut d = desk();
    let (key, again) =
        ("WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz", "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR");
    let keyed = |key: &str| {
        sdp(A, "8 101", &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n"))
            .replace("RTP/AVP", "RTP/SAVP")
    };
    let bytes = |key: &str| {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(key).unwrap();
        Keys::of_bytes(Suite::AesCm128HmacSha1_80, &bytes).unwrap()
    };
    d.offer(Leg::A, &keyed(key), "10.0.0.5");
    let answer = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    let ours = line(&answer, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:").to_owned();
    let (mut sealer, mut opener) = (Sealer::new(&bytes(key)), Opener::new(&bytes(&ours)));
    let seal = |sealer: &mut Sealer, seq: u16| {
        let mut p = packet(8, 11, seq, 0, &[seq as u8; 160]);
        p.resize(200, 0);
        let len = sealer.seal_rtp(&mut p, 172).unwrap();
        p.truncate(len);
        p
    };
    for seq in 65_530..=65_535u16 {
        let f = d.send(Leg::A, A, &mut seal(&mut sealer, seq)).unwrap();
        assert_eq!((f.to, f.len), (at(B), 172));
    }
    assert!(d.send(Leg::A, A, &mut packet(8, 11, 1, 0, &[0; 160])).is_none(), "in the clear");
    let mut p = packet(8, 22, 1, 0, &[5; 160]);
    let f = d.send(Leg::B, B, &mut p).unwrap();
    assert_eq!((f.to, f.len), (at(A), 182));
    let len = opener.open_rtp(&mut p, 182).unwrap();
    assert_eq!(parse(&p[..len]).1, [5; 160]);
    // The same key again keeps what is counted: the rollover that just happened is not forgotten.
    d.take();
    d.send(Leg::A, A, &mut seal(&mut sealer, 0)).unwrap();
    d.offer(Leg::A, &keyed(key), "10.0.0.5");
    let answer = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert_eq!(line(&answer, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"), ours);
    assert!(d.send(Leg::A, A, &mut seal(&mut sealer, 1)).is_some());
    // Another key begins anew, in its direction only.
    d.offer(Leg::A, &keyed(again), "10.0.0.5");
    d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    assert!(d.send(Leg::A, A, &mut seal(&mut sealer, 2)).is_none());
    assert!(d.send(Leg::A, A, &mut seal(&mut Sealer::new(&bytes(again)), 3)).is_some());
    let mut p = packet(8, 22, 2, 160, &[6; 160]);
    d.send(Leg::B, B, &mut p).unwrap();
    assert!(opener.open_rtp(&mut p, 182).is_ok());
}

trait ClonePacket {
    fn clone_packet(self) -> Vec<u8>;
}

impl ClonePacket for Output<'_> {
    fn clone_packet(self) -> Vec<u8> {
        match self {
            Output::Packet(p) => p.to_vec(),
            _ => vec![22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60],
        }
    }
}
