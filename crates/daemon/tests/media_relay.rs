//! Two peers with real sockets talk through a worker; what arrives is compared with what was said, sample by sample.

use bytes::Bytes;
use daemon::media::MediaHandle;
use media::MediaConfig;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use terms::{CallId, Leg, MediaCommand, MediaEvent, PortKind, Turn};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const WAIT: Duration = Duration::from_secs(5);

struct Peer {
    socket: UdpSocket,
    /// Where our SDP told it to send.
    gateway: Option<SocketAddr>,
}

impl Peer {
    fn new() -> Peer {
        let socket = UdpSocket::bind((HOME, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        Peer { socket, gateway: None }
    }

    fn sdp(&self, formats: &str) -> Bytes {
        let port = self.socket.local_addr().unwrap().port();
        Bytes::from(format!(
            "v=0\r\no=- 1 1 IN IP4 {HOME}\r\ns=-\r\nc=IN IP4 {HOME}\r\nt=0 0\r\nm=audio {port} RTP/AVP {formats}\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=rtpmap:96 telephone-event/8000\r\n"
        ))
    }

    fn told(&mut self, sdp: &[u8]) {
        let text = std::str::from_utf8(sdp).unwrap();
        let port = text.lines().find_map(|l| l.strip_prefix("m=audio ")).unwrap().split(' ').next().unwrap();
        self.gateway = Some(SocketAddr::new(HOME, port.parse().unwrap()));
    }

    fn send(&self, pt: u8, ssrc: u32, seq: u16, payload: &[u8]) {
        let mut p = vec![0x80, pt];
        p.extend(seq.to_be_bytes());
        p.extend((u32::from(seq) * 160).to_be_bytes());
        p.extend(ssrc.to_be_bytes());
        p.extend(payload);
        self.socket.send_to(&p, self.gateway.unwrap()).unwrap();
    }

    /// Everything that arrives until it is quiet.
    fn hear(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let mut buf = [0u8; 2048];
        while let Ok((n, from)) = self.socket.recv_from(&mut buf) {
            assert_eq!(Some(from), self.gateway, "media comes from the port it is sent to");
            all.push(buf[..n].to_vec());
        }
        all
    }
}

struct Room {
    handle: MediaHandle,
    events: Receiver<MediaEvent>,
}

/// Each test has ports of its own, since all tests run at once.
fn room(first_port: u16, workers: usize) -> Room {
    let (tx, events) = channel();
    let mut config = MediaConfig::new(HOME);
    config.ports = first_port..=first_port + 199;
    let handle = MediaHandle::start(config, HOME, workers, move |e| tx.send(e).unwrap_or(())).unwrap();
    Room { handle, events }
}

impl Room {
    fn sdp(&self) -> Bytes {
        match self.events.recv_timeout(WAIT).unwrap() {
            MediaEvent::Sdp { sdp, .. } => sdp,
            other => panic!("{other:?}"),
        }
    }

    fn up(&self, call: u64, a: &mut Peer, b: &mut Peer) {
        let call = CallId(call);
        self.handle.send(MediaCommand::Offer {
            call,
            turn: Turn(1),
            from: Leg::A,
            sdp: a.sdp("9 8 101"),
            source: HOME,
            to_kind: PortKind::Rtp,
            to_codecs: Default::default(),
            may_settle: false,
        });
        b.told(&self.sdp());
        self.handle.send(MediaCommand::Answer {
            call,
            turn: Turn(1),
            from: Leg::B,
            sdp: b.sdp("8 96"),
            source: HOME,
        });
        a.told(&self.sdp());
    }

    fn release(&self, call: u64) -> (terms::LegFigures, terms::LegFigures) {
        self.handle.send(MediaCommand::Release { call: CallId(call) });
        loop {
            if let MediaEvent::Released { a, b, .. } = self.events.recv_timeout(WAIT).unwrap() {
                return (a, b);
            }
        }
    }
}

/// 20 ms of a tone as a peer would sample it; every packet of every peer differs from all others.
fn tone(hz: f64, packet: u16) -> Vec<u8> {
    (0..160u32)
        .map(|i| {
            let t = f64::from(u32::from(packet) * 160 + i) / 8000.0;
            (128.0 + 100.0 * (t * hz * std::f64::consts::TAU).sin()) as u8
        })
        .collect()
}

/// Payloads by sequence number, relative to the first, and the one SSRC they all have.
fn content(packets: &[Vec<u8>], pt: u8) -> BTreeMap<u16, Vec<u8>> {
    let first = u16::from_be_bytes([packets[0][2], packets[0][3]]);
    let ssrc = &packets[0][8..12];
    packets
        .iter()
        .map(|p| {
            assert_eq!((p[0], p[1] & 0x7f, &p[8..12]), (0x80, pt, ssrc));
            (u16::from_be_bytes([p[2], p[3]]).wrapping_sub(first), p[12..].to_vec())
        })
        .collect()
}

#[test]
fn tones_arrive_as_they_were_sent_both_ways() {
    let room = room(42_000, 2);
    let (mut a, mut b) = (Peer::new(), Peer::new());
    room.up(1, &mut a, &mut b);
    for seq in 0..100u16 {
        a.send(8, 11, 500 + seq, &tone(440.0, seq));
        b.send(8, 22, 65_500u16.wrapping_add(seq), &tone(660.0, seq));
        std::thread::sleep(Duration::from_millis(1));
    }
    let (at_b, at_a) = (b.hear(), a.hear());
    let want = |hz| (0..100u16).map(|seq| (seq, tone(hz, seq))).collect::<BTreeMap<_, _>>();
    assert!(content(&at_b, 8) == want(440.0), "what B heard is what A said");
    assert!(content(&at_a, 8) == want(660.0), "what A heard is what B said");
    let (fa, fb) = room.release(1);
    assert_eq!((fa.packets, fa.lost, fa.strangers, fa.codec.as_str()), (100, 0, 0, "PCMA"));
    assert_eq!((fb.packets, fb.lost, fb.octets), (100, 0, 16_000));
    room.handle.stop();
}

#[test]
fn a_third_party_hears_nothing_and_is_not_heard() {
    let room = room(42_200, 1);
    let (mut a, mut b) = (Peer::new(), Peer::new());
    room.up(1, &mut a, &mut b);
    a.send(8, 11, 1, &tone(440.0, 0));
    b.send(8, 22, 1, &tone(660.0, 0));
    assert_eq!((a.hear().len(), b.hear().len()), (1, 1));
    let thief = UdpSocket::bind("127.0.0.3:0").unwrap();
    thief.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    for seq in 0..500u16 {
        let mut p = vec![0x80, 8];
        p.extend(seq.to_be_bytes());
        p.extend([0; 4]);
        p.extend(11u32.to_be_bytes());
        p.extend([7; 160]);
        for peer in [&a, &b] {
            thief.send_to(&p, peer.gateway.unwrap()).unwrap();
        }
        if seq % 25 == 0 {
            a.send(8, 11, 2 + seq / 25, &tone(440.0, 1 + seq / 25));
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let heard = b.hear();
    assert_eq!(heard.len(), 20, "the true voice goes on, whole");
    assert!(heard.iter().all(|p| p[12..] != [7; 160]));
    assert_eq!(a.hear().len(), 0);
    assert!(thief.recv(&mut [0; 100]).is_err(), "nothing is sent to the thief");
    let (fa, fb) = room.release(1);
    assert_eq!((fa.strangers, fb.strangers), (500, 500));
    room.handle.stop();
}

#[test]
fn ports_are_closed_at_once_and_other_programs_ports_are_stepped_over() {
    // Half of the range is taken by somebody else.
    let taken: Vec<UdpSocket> =
        (42_400..42_600).step_by(4).map(|p| UdpSocket::bind((HOME, p)).unwrap()).collect();
    let room = room(42_400, 1);
    for call in 1..=20u64 {
        let (mut a, mut b) = (Peer::new(), Peer::new());
        room.up(call, &mut a, &mut b);
        let port = a.gateway.unwrap().port();
        assert_ne!(port % 4, 0, "a port that is not ours was named");
        let begun = Instant::now();
        room.release(call);
        // The answer to Release means that the ports are closed.
        UdpSocket::bind((HOME, port)).expect("closed");
        UdpSocket::bind((HOME, port + 1)).expect("closed, RTCP too");
        assert!(begun.elapsed() < Duration::from_millis(200));
    }
    drop(taken);
    room.handle.stop();
}

#[test]
fn silence_and_digits_are_told() {
    let room = room(42_600, 1);
    let (mut a, mut b) = (Peer::new(), Peer::new());
    room.up(1, &mut a, &mut b);
    a.send(8, 11, 1, &tone(440.0, 0));
    for (flags, ticks) in [(0x0au8, 160u16), (0x0a, 320), (0x8a, 800), (0x8a, 800), (0x8a, 800)] {
        let [h, l] = ticks.to_be_bytes();
        a.send(101, 11, 2, &[5, flags, h, l]);
    }
    let heard = b.hear();
    assert!(heard[1..].iter().all(|p| p[1] & 0x7f == 96) && heard.len() == 6, "B's own number for digits");
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.push(room.events.recv_timeout(WAIT).unwrap());
    }
    let call = CallId(1);
    assert_eq!(seen[0], MediaEvent::Flowing { call, leg: Leg::A });
    assert_eq!(seen[1], MediaEvent::Dtmf { call, leg: Leg::A, digit: '5', duration_ms: 100 });
    let mut silent = seen[2..].to_vec();
    silent.sort_by_key(|e| matches!(e, MediaEvent::Silent { leg: Leg::B, .. }));
    assert_eq!(
        silent,
        [Leg::A, Leg::B].map(|leg| MediaEvent::Silent { call, leg, from_start: leg == Leg::B })
    );
    a.send(8, 11, 3, &tone(440.0, 1));
    assert_eq!(room.events.recv_timeout(WAIT).unwrap(), MediaEvent::Flowing { call, leg: Leg::A });
    room.handle.stop();
}

#[test]
fn what_media_says_by_itself_reaches_the_phone() {
    let room = room(43_000, 1);
    let (mut a, mut b) = (Peer::new(), Peer::new());
    room.up(1, &mut a, &mut b);
    room.handle.send(MediaCommand::Dtmf { call: CallId(1), leg: Leg::B, digit: '*', duration_ms: 80 });
    let heard = b.hear();
    let digits: Vec<&[u8]> = heard.iter().map(|p| &p[12..]).collect();
    assert_eq!(digits.len(), 4 + 2, "80 ms in steps of 20, and the end twice more");
    assert!(heard.iter().all(|p| p[1] & 0x7f == 96 && p[12] == 10));
    assert_eq!(digits[5], [10, 0x8a, 2, 128]);
    assert_eq!(a.hear().len(), 0);
    room.handle.stop();
}

#[test]
fn an_ipv6_socket_serves_ipv4_peers_too() {
    let (tx, events) = channel();
    let mut config = MediaConfig::new(HOME);
    config.ports = 42_800..=42_999;
    let any = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
    let Ok(handle) = MediaHandle::start(config, any, 1, move |e| tx.send(e).unwrap_or(())) else { return };
    let room = Room { handle, events };
    let (mut a, mut b) = (Peer::new(), Peer::new());
    room.up(1, &mut a, &mut b);
    a.send(8, 11, 1, &tone(440.0, 0));
    assert_eq!(b.hear()[0][12..], tone(440.0, 0));
    room.handle.stop();
}
