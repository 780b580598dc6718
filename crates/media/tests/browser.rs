//! A browser at one leg: checks, handshake and SRTP by another hand than the machine's, a plain phone at the other leg.

mod common;
use bytes::Bytes;
use common::*;
use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};
use media::srtp::{Keys, Opener, Sealer, Suite};
use media::stun::{self, Class, attribute};
use media::{Forward, MediaConfig, Transmit, Via};
use std::collections::VecDeque;
use std::sync::Arc;
use terms::{CallId, Leg, MediaCommand, MediaEvent, PortKind, Turn};

const WEB: u16 = 40_000;
const HERE: &str = "203.0.113.40:50000";
const THERE: &str = "198.51.100.77:51000";
const THIEF: &str = "203.0.113.66:50000";

fn room() -> Desk {
    let mut config = MediaConfig::new(ip("192.0.2.1"));
    config.webrtc_port = Some(WEB);
    config.webrtc_tcp = true;
    config.candidates = vec![ip("192.0.2.1"), ip("2001:db8::1")];
    let mut d = Desk::with(config, 5);
    d.drain();
    assert!(d.open.contains(&WEB));
    d
}

struct Browser {
    ufrag: String,
    certificate: DtlsCertificate,
    dtls: Dtls,
    began: std::time::Instant,
    server: Option<Vec<u8>>,
    keys: Option<(Sealer, Opener)>,
    /// What the gateway told it.
    theirs: (String, String),
    heard: VecDeque<Vec<u8>>,
    answers: Vec<Option<u16>>,
}

fn dtls(certificate: &DtlsCertificate, mtu: usize, began: std::time::Instant) -> Dtls {
    let config = Arc::new(Config::builder().mtu(mtu).build().unwrap());
    let mut dtls = Dtls::new_auto(config, certificate.clone(), began);
    dtls.set_active(true);
    dtls
}

fn line<'a>(sdp: &'a str, name: &str) -> &'a str {
    sdp.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {sdp}"))
}

impl Browser {
    fn new(mtu: usize) -> Browser {
        let certificate = dimpl::certificate::generate_self_signed_certificate().unwrap();
        let began = std::time::Instant::now();
        Browser {
            ufrag: "brow".into(),
            dtls: dtls(&certificate, mtu, began),
            certificate,
            began,
            server: None,
            keys: None,
            theirs: Default::default(),
            heard: VecDeque::new(),
            answers: Vec::new(),
        }
    }

    /// Its page was reloaded: another certificate, another name.
    fn reload(&mut self) {
        let ufrag = format!("{}x", self.ufrag);
        *self = Browser { ufrag, ..Browser::new(1150) };
    }

    fn sdp(&self, setup: &str) -> String {
        format!(
            "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 8 101\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
             a=ice-ufrag:{}\r\na=ice-pwd:asd88fgpdd777uzjYhagZg12\r\na=ice-options:trickle\r\n\
             a=fingerprint:sha-256 {}\r\na=setup:{setup}\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n",
            self.ufrag,
            self.certificate.fingerprint_str()
        )
    }

    fn told(&mut self, sdp: &str) {
        self.theirs = (line(sdp, "a=ice-ufrag:").into(), line(sdp, "a=ice-pwd:").into());
    }

    fn check_as(&self, name: &str, pwd: &str, nominate: bool) -> Vec<u8> {
        let mut w = stun::Writer::new(Class::Request, stun::BINDING, [7; 12])
            .put(attribute::USERNAME, format!("{name}:{}", self.ufrag).as_bytes())
            .put(attribute::PRIORITY, &[110, 0, 1, 255])
            .put(attribute::ICE_CONTROLLING, &[1; 8]);
        if nominate {
            w = w.put(attribute::USE_CANDIDATE, &[]);
        }
        w.finish(pwd.as_bytes())
    }

    fn step(&mut self, d: &Desk, datagram: Option<&[u8]>) -> Vec<Vec<u8>> {
        let now = self.began + std::time::Duration::from_nanos(d.now.0);
        self.dtls.handle_timeout(now).unwrap();
        if let Some(datagram) = datagram {
            self.dtls.handle_packet(datagram).unwrap();
        }
        let (mut out, mut buf) = (Vec::new(), [0; 4096]);
        loop {
            match self.dtls.poll_output(&mut buf) {
                Output::Packet(p) => out.push(p.to_vec()),
                Output::Timeout(_) => return out,
                Output::PeerCert(der) => self.server = Some(der.to_vec()),
                Output::KeyingMaterial(m, profile) => {
                    let suite = match profile {
                        SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128HmacSha1_80,
                        SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
                        _ => Suite::AeadAes256Gcm,
                    };
                    let (ours, theirs) = Keys::of_dtls(suite, &m).unwrap();
                    self.keys = Some((Sealer::new(&ours), Opener::new(&theirs)));
                }
                _ => {}
            }
        }
    }

    /// Takes what the machine says to `at`; more of the handshake goes back.
    fn pump(&mut self, d: &mut Desk, from: &str) {
        let mut waiting: VecDeque<Vec<u8>> = VecDeque::new();
        for _ in 0..100 {
            for t in said_to(d, from) {
                assert_eq!(t.port, WEB);
                match t.bytes[0] {
                    0..4 => {
                        let m = stun::read(&t.bytes).unwrap();
                        assert!(m.is_signed_by(self.theirs.1.as_bytes()) || m.class == Class::Success);
                        self.answers.push(m.error);
                    }
                    20..=63 => waiting.extend(self.step(d, Some(&t.bytes))),
                    _ => self.heard.push_back(t.bytes),
                }
            }
            let Some(p) = waiting.pop_front() else { return };
            web(d, from, p);
        }
        panic!("they never come to rest");
    }

    fn check(&mut self, d: &mut Desk, from: &str, nominate: bool) -> usize {
        let (name, pwd) = self.theirs.clone();
        let before = self.answers.len();
        web(d, from, self.check_as(&name, &pwd, nominate));
        self.pump(d, from);
        self.answers.len() - before
    }

    /// Its handshake, from the first hello on.
    fn shake(&mut self, d: &mut Desk, from: &str) {
        for p in self.step(d, None) {
            web(d, from, p);
        }
        self.pump(d, from);
    }

    fn speak(&mut self, d: &mut Desk, from: &str, ssrc: u32, seq: u16) -> Option<(Forward, Vec<u8>)> {
        let mut p = packet(8, ssrc, seq, u32::from(seq) * 160, &[seq as u8; 160]);
        let len = p.len();
        p.resize(len + 100, 0);
        let len = self.keys.as_mut()?.0.seal_rtp(&mut p, len).unwrap();
        p.truncate(len);
        web(d, from, p)
    }

    /// What a packet the machine sends means to it.
    fn hear(&mut self, bytes: &[u8]) -> Option<(rtp::header::Header, Vec<u8>)> {
        let mut p = bytes.to_vec();
        let len = p.len();
        let len = self.keys.as_mut()?.1.open_rtp(&mut p, len).ok()?;
        Some(parse(&p[..len]))
    }
}

fn web(d: &mut Desk, from: &str, mut p: Vec<u8>) -> Option<(Forward, Vec<u8>)> {
    let f = received(&mut d.m, d.now, WEB, at(from), &mut p);
    d.drain();
    f.map(|f| (f, p))
}

/// What the machine said of its own accord to `to`; what it said to others is forgotten.
fn said_to(d: &mut Desk, to: &str) -> Vec<Transmit> {
    std::mem::take(&mut d.said).into_iter().map(|(_, t)| t).filter(|t| t.to == at(to)).collect()
}

/// The phone speaks; what leaves for the browser.
fn phone(d: &mut Desk, from: &str, seq: u16) -> Option<(Forward, Vec<u8>)> {
    let mut p = packet(8, 99, seq, u32::from(seq) * 160, &[seq as u8; 160]);
    let port = d.port(Leg::B);
    let f = received(&mut d.m, d.now, port, at(from), &mut p);
    d.drain();
    f.map(|f| (f, p))
}

/// The browser calls the phone.
fn call(d: &mut Desk, b: &mut Browser) {
    let offer = b.sdp("actpass");
    let told = d.offer(Leg::A, &offer, "203.0.113.40");
    assert!(told.contains(" RTP/AVP "), "{told}");
    let answer = d.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    b.told(&answer);
    for part in [
        "a=setup:passive",
        "a=ice-lite",
        "a=rtcp-mux",
        "192.0.2.1 40000 typ host",
        "2001:db8::1 40000 typ host",
    ] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
    assert!(
        answer.contains("tcptype passive") && answer.contains("m=audio 40000 UDP/TLS/RTP/SAVPF 8"),
        "{answer}"
    );
    d.take();
}

/// Both ways, from where the browser is.
#[track_caller]
fn both_ways(d: &mut Desk, b: &mut Browser, from: &str, seq: u16) {
    let (f, p) = b.speak(d, from, 11, seq).expect("the phone hears the browser");
    assert_eq!((f.to, f.port), (at(B), d.port(Leg::B)));
    assert_eq!(parse(&p).1, [seq as u8; 160]);
    let (f, p) = phone(d, B, seq).expect("the browser hears the phone");
    assert_eq!((f.to, f.port, f.via), (at(from), WEB, Via::Udp));
    assert_eq!(b.hear(&p).expect("sealed for it").1, [seq as u8; 160]);
}

fn talking() -> (Desk, Browser) {
    let (mut d, mut b) = (room(), Browser::new(1150));
    call(&mut d, &mut b);
    assert_eq!(b.check(&mut d, HERE, true), 1);
    b.shake(&mut d, HERE);
    assert!(b.keys.is_some());
    both_ways(&mut d, &mut b, HERE, 1);
    d.take();
    (d, b)
}

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
