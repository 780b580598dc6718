//! A browser for the tests: checks, handshake and SRTP by another hand than the machine's, at a desk that has a port for it.

use super::*;
use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};
use media::Via;
use media::srtp::{Keys, Opener, Sealer, Suite};
use media::stun::{self, Class, attribute};
use std::collections::VecDeque;
use std::sync::Arc;

pub const WEB: u16 = 40_000;
pub const HERE: &str = "203.0.113.40:50000";
pub const THERE: &str = "198.51.100.77:51000";
pub const THIEF: &str = "203.0.113.66:50000";

pub fn room() -> Desk {
    let mut config = MediaConfig::new(ip("192.0.2.1"));
    config.webrtc_port = Some(WEB);
    config.webrtc_tcp = true;
    config.candidates = vec![ip("192.0.2.1"), ip("2001:db8::1")];
    let mut d = Desk::with(config, 5);
    d.drain();
    assert!(d.open.contains(&WEB));
    d
}

pub struct Browser {
    pub ufrag: String,
    pub certificate: DtlsCertificate,
    pub dtls: Dtls,
    pub began: std::time::Instant,
    pub server: Option<Vec<u8>>,
    pub keys: Option<(Sealer, Opener)>,
    /// What the gateway told it.
    pub theirs: (String, String),
    pub heard: VecDeque<Vec<u8>>,
    pub answers: Vec<Option<u16>>,
}

pub fn dtls(certificate: &DtlsCertificate, mtu: usize, began: std::time::Instant) -> Dtls {
    let config = Arc::new(Config::builder().mtu(mtu).build().unwrap());
    let mut dtls = Dtls::new_auto(config, certificate.clone(), began);
    dtls.set_active(true);
    dtls
}

pub fn line<'a>(sdp: &'a str, name: &str) -> &'a str {
    sdp.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {sdp}"))
}

impl Browser {
    pub fn new(mtu: usize) -> Browser {
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
    pub fn reload(&mut self) {
        let ufrag = format!("{}x", self.ufrag);
        *self = Browser { ufrag, ..Browser::new(1150) };
    }

    pub fn sdp(&self, setup: &str) -> String {
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

    pub fn told(&mut self, sdp: &str) {
        self.theirs = (line(sdp, "a=ice-ufrag:").into(), line(sdp, "a=ice-pwd:").into());
    }

    pub fn check_as(&self, name: &str, pwd: &str, nominate: bool) -> Vec<u8> {
        let mut w = stun::Writer::new(Class::Request, stun::BINDING, [7; 12])
            .put(attribute::USERNAME, format!("{name}:{}", self.ufrag).as_bytes())
            .put(attribute::PRIORITY, &[110, 0, 1, 255])
            .put(attribute::ICE_CONTROLLING, &[1; 8]);
        if nominate {
            w = w.put(attribute::USE_CANDIDATE, &[]);
        }
        w.finish(pwd.as_bytes())
    }

    pub fn step(&mut self, d: &Desk, datagram: Option<&[u8]>) -> Vec<Vec<u8>> {
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
    pub fn pump(&mut self, d: &mut Desk, from: &str) {
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

    pub fn check(&mut self, d: &mut Desk, from: &str, nominate: bool) -> usize {
        let (name, pwd) = self.theirs.clone();
        let before = self.answers.len();
        web(d, from, self.check_as(&name, &pwd, nominate));
        self.pump(d, from);
        self.answers.len() - before
    }

    /// Its handshake, from the first hello on.
    pub fn shake(&mut self, d: &mut Desk, from: &str) {
        for p in self.step(d, None) {
            web(d, from, p);
        }
        self.pump(d, from);
    }

    pub fn speak(&mut self, d: &mut Desk, from: &str, ssrc: u32, seq: u16) -> Option<(Forward, Vec<u8>)> {
        let mut p = packet(8, ssrc, seq, u32::from(seq) * 160, &[seq as u8; 160]);
        let len = p.len();
        p.resize(len + 100, 0);
        let len = self.keys.as_mut()?.0.seal_rtp(&mut p, len).unwrap();
        p.truncate(len);
        web(d, from, p)
    }

    /// What a packet the machine sends means to it.
    pub fn hear(&mut self, bytes: &[u8]) -> Option<(rtp::header::Header, Vec<u8>)> {
        let mut p = bytes.to_vec();
        let len = p.len();
        let len = self.keys.as_mut()?.1.open_rtp(&mut p, len).ok()?;
        Some(parse(&p[..len]))
    }
}

pub fn web(d: &mut Desk, from: &str, mut p: Vec<u8>) -> Option<(Forward, Vec<u8>)> {
    let f = received(&mut d.m, d.now, WEB, at(from), &mut p);
    d.drain();
    f.map(|f| (f, p))
}

/// What the machine said of its own accord to `to`; what it said to others is forgotten.
pub fn said_to(d: &mut Desk, to: &str) -> Vec<Transmit> {
    std::mem::take(&mut d.said).into_iter().map(|(_, t)| t).filter(|t| t.to == at(to)).collect()
}

/// The phone speaks; what leaves for the browser.
pub fn phone(d: &mut Desk, from: &str, seq: u16) -> Option<(Forward, Vec<u8>)> {
    let mut p = packet(8, 99, seq, u32::from(seq) * 160, &[seq as u8; 160]);
    let port = d.port(Leg::B);
    let f = received(&mut d.m, d.now, port, at(from), &mut p);
    d.drain();
    f.map(|f| (f, p))
}

/// The browser calls the phone.
pub fn call(d: &mut Desk, b: &mut Browser) {
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
pub fn both_ways(d: &mut Desk, b: &mut Browser, from: &str, seq: u16) {
    let (f, p) = b.speak(d, from, 11, seq).expect("the phone hears the browser");
    assert_eq!((f.to, f.port), (at(B), d.port(Leg::B)));
    assert_eq!(parse(&p).1, [seq as u8; 160]);
    let (f, p) = phone(d, B, seq).expect("the browser hears the phone");
    assert_eq!((f.to, f.port, f.via), (at(from), WEB, Via::Udp));
    assert_eq!(b.hear(&p).expect("sealed for it").1, [seq as u8; 160]);
}

pub fn talking() -> (Desk, Browser) {
    let (mut d, mut b) = (room(), Browser::new(1150));
    call(&mut d, &mut b);
    assert_eq!(b.check(&mut d, HERE, true), 1);
    b.shake(&mut d, HERE);
    assert!(b.keys.is_some());
    both_ways(&mut d, &mut b, HERE, 1);
    d.take();
    (d, b)
}

/// The phone at leg A called the browser at leg B.
pub fn called() -> (Desk, Browser) {
    let (mut d, mut b) = (room(), Browser::new(1150));
    d.turn = 1;
    d.command(MediaCommand::Offer {
        call: CALL,
        turn: Turn(1),
        from: Leg::A,
        sdp: Bytes::from(sdp(B, "8 101", "")),
        source: ip("198.51.100.2"),
        to_kind: PortKind::WebRtc,
        to_codecs: Default::default(),
        may_settle: false,
    });
    let told = d.said(Leg::B);
    b.told(&told);
    d.answer(Leg::B, &b.sdp("active"), "203.0.113.40");
    assert_eq!(b.check(&mut d, HERE, true), 1);
    b.shake(&mut d, HERE);
    assert!(b.speak(&mut d, HERE, 11, 1).is_some());
    d.take();
    (d, b)
}
