//! Browsers with real sockets talk to phones through a worker: many at once over the one port they share, each hears its
//! own phone and in order; what comes after a call is over is dropped and counted.

#[path = "../examples/bench_browser/browser.rs"]
mod browser;

use browser::{Browser, ROOM, Told};
use bytes::Bytes;
use daemon::media::MediaHandle;
use media::MediaConfig;
use media::dtls::Identity;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use terms::{CallId, Leg, MediaCommand, MediaEvent, PortKind, Turn};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const WAIT: Duration = Duration::from_secs(5);
/// More than leave in one system call.
const CALLS: u64 = 40;
const PACKETS: u16 = 30;
const HEAD: usize = 12;

struct Pair {
    browser: Browser,
    phone: UdpSocket,
}

struct Room {
    handle: MediaHandle,
    events: Receiver<MediaEvent>,
    web: u16,
    identity: Identity,
    began: Instant,
}

impl Room {
    fn new() -> Room {
        let (tx, events) = channel();
        let mut config = MediaConfig::new(HOME);
        let free = UdpSocket::bind((HOME, 0)).and_then(|s| s.local_addr()).expect("a port").port();
        config.ports = 27_000..=27_999;
        config.webrtc_port = Some(free);
        let handle =
            MediaHandle::start(config, HOME, 1, move |e| tx.send(e).unwrap_or(())).expect("a worker");
        let identity = Identity::generate().expect("a certificate");
        Room { handle, events, web: free, identity, began: Instant::now() }
    }

    fn sdp(&self) -> String {
        loop {
            match self.events.recv_timeout(WAIT).expect("an event") {
                MediaEvent::Sdp { sdp, .. } => return String::from_utf8(sdp.to_vec()).expect("ours"),
                MediaEvent::Failed { why, .. } => panic!("{why:?}"),
                _ => {}
            }
        }
    }

    /// The browser calls the phone, checks, shakes hands.
    fn call(&self, id: u64) -> Pair {
        let phone = UdpSocket::bind((HOME, 0)).expect("a port");
        phone.set_read_timeout(Some(WAIT)).expect("a socket");
        let print: Vec<String> = self.identity.fingerprint().iter().map(|b| format!("{b:02X}")).collect();
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\n\
             a=ice-ufrag:{}\r\na=ice-pwd:asd88fgpdd777uzjYhagZg12\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\n\
             a=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n",
            browser::UFRAG,
            print.join(":")
        );
        let port = phone.local_addr().expect("bound").port();
        let answer = format!(
            "v=0\r\no=- 1 1 IN IP4 {HOME}\r\ns=-\r\nc=IN IP4 {HOME}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
        );
        let (call, turn, source) = (CallId(id), Turn(1), HOME);
        let (sdp, to_kind, to_codecs) = (Bytes::from(offer), PortKind::Rtp, Default::default());
        self.handle.send(MediaCommand::Offer {
            call,
            turn,
            from: Leg::A,
            sdp,
            source,
            to_kind,
            to_codecs,
            may_settle: false,
        });
        let desk = self.sdp();
        let sdp = Bytes::from(answer);
        self.handle.send(MediaCommand::Answer { call, turn, from: Leg::B, sdp, source });
        let web = self.sdp();
        let named = |sdp: &str, name: &str| {
            sdp.lines().find_map(|l| l.strip_prefix(name)).map(str::to_owned).expect("a line")
        };
        let desk = named(&desk, "m=audio ");
        let desk: u16 = desk.split(' ').next().and_then(|p| p.parse().ok()).expect("a port");
        phone.connect((HOME, desk)).expect("loopback");
        let socket = UdpSocket::bind((HOME, 0)).expect("a port");
        socket.connect((HOME, self.web)).expect("loopback");
        let told = Told { ufrag: named(&web, "a=ice-ufrag:"), pwd: named(&web, "a=ice-pwd:") };
        let mut browser = Browser::new(socket, told);
        let octet = |o: &str| u8::from_str_radix(o, 16).expect("hexadecimal");
        let server: Vec<u8> = named(&web, "a=fingerprint:sha-256 ").split(':').map(octet).collect();
        browser.connect(&self.identity, self.began, &server.try_into().expect("32 octets"));
        browser.socket.set_nonblocking(false).expect("a socket");
        Pair { browser, phone }
    }
}

/// What one side of a call says in its packet.
fn said(call: u64, by: u8, seq: u16) -> [u8; 160] {
    std::array::from_fn(|i| (call as u8).wrapping_mul(7) ^ by ^ (seq as u8).wrapping_add(i as u8))
}

fn packet(ssrc: u32, seq: u16, payload: &[u8; 160]) -> ([u8; ROOM], usize) {
    let mut p = [0; ROOM];
    p[0] = 0x80;
    p[2..4].copy_from_slice(&seq.to_be_bytes());
    p[4..8].copy_from_slice(&(u32::from(seq) * 160).to_be_bytes());
    p[8..12].copy_from_slice(&ssrc.to_be_bytes());
    p[HEAD..HEAD + 160].copy_from_slice(payload);
    (p, HEAD + 160)
}

#[test]
fn forty_browsers_hear_their_own_phones_in_order_and_are_heard() {
    let room = Room::new();
    let mut pairs: Vec<Pair> = (0..CALLS).map(|id| room.call(id)).collect();
    let mut buf = [0u8; 2048];
    for seq in 0..PACKETS {
        // All at once, so that more waits than one system call takes.
        for (id, pair) in (0..).zip(&mut pairs) {
            let (p, len) = packet(1, seq, &said(id, 1, seq));
            pair.phone.send(&p[..len]).expect("loopback");
            let (mut p, len) = packet(2, seq, &said(id, 2, seq));
            assert!(pair.browser.speak(&mut p, len));
        }
        for (id, pair) in (0..).zip(&mut pairs) {
            let len = pair.phone.recv(&mut buf).expect("the phone hears its browser");
            assert_eq!(buf[HEAD..len], said(id, 2, seq));
            let len = loop {
                let len = pair.browser.socket.recv(&mut buf).expect("the browser hears its phone");
                if let Some(len) = pair.browser.hear(&mut buf, len) {
                    break len;
                }
            };
            assert_eq!(buf[HEAD..len], said(id, 1, seq));
        }
    }
    for call in (0..CALLS).map(CallId) {
        room.handle.send(MediaCommand::Release { call });
    }
    let mut over = 0;
    while over < CALLS {
        let event = room.events.recv_timeout(WAIT).expect("an event");
        over += u64::from(matches!(event, MediaEvent::Released { .. }));
    }
    let before = room.handle.dropped();
    for pair in &mut pairs {
        let (mut p, len) = packet(2, PACKETS, &said(0, 2, PACKETS));
        assert!(pair.browser.speak(&mut p, len));
        pair.browser.consent();
    }
    let deadline = Instant::now() + WAIT;
    let late = loop {
        let now = room.handle.dropped();
        let late = (now.unknown - before.unknown, now.unproven - before.unproven);
        if late == (CALLS, CALLS) || Instant::now() > deadline {
            break late;
        }
        std::thread::yield_now();
    };
    assert_eq!(late, (CALLS, CALLS), "late packets and late checks, each counted");
    room.handle.stop();
}
