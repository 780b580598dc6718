//! This side: the media workers as the service runs them, told of calls as the core would tell them.

use crate::common::processor_time;
use crate::{HOME, Work};
use bytes::Bytes;
use daemon::media::MediaHandle;
use media::MediaConfig;
use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant as Clock};
use terms::{CallId, Leg, MediaCommand, MediaEvent, PortKind, Turn};

/// Calls that are up, their browsers and phones in another process.
pub struct Calls {
    handle: MediaHandle,
    events: Receiver<MediaEvent>,
    pub calls: usize,
    child: Child,
    say: Option<ChildStdin>,
    hear: BufReader<ChildStdout>,
    /// Processor time of all checks and handshakes.
    pub set_up: Duration,
}

/// What came of it when they talked.
pub struct Talked {
    pub sent: f64,
    pub got: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// What the workers used meanwhile, and how long it took.
    pub used: Duration,
    pub wall: Duration,
    pub allocations: u64,
}

impl Calls {
    pub fn begin(work: Work, calls: usize, seconds: u64) -> Calls {
        let (tx, events) = channel();
        let mut config = MediaConfig::new(HOME);
        let free = UdpSocket::bind((HOME, 0)).and_then(|s| s.local_addr()).expect("a port");
        config.webrtc_port = Some(free.port());
        let handle = MediaHandle::start(config, HOME, 1, move |e| tx.send(e).unwrap_or(())).expect("workers");
        let mut child = Command::new(std::env::current_exe().expect("our own name"))
            .args(["--peers", work.name(), "--calls", &calls.to_string(), "--seconds", &seconds.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ourselves a second time");
        let say = child.stdin.take();
        let hear = BufReader::new(child.stdout.take().expect("piped"));
        let mut all = Calls { handle, events, calls, child, say, hear, set_up: Duration::ZERO };
        let line = all.line();
        let mut words = line.split_whitespace();
        let fingerprint = words.next().expect("a fingerprint").to_owned();
        let phones: Vec<u16> = words.map(|p| p.parse().expect("a port")).collect();
        let mut told = vec![free.port().to_string()];
        for (i, port) in phones.iter().enumerate() {
            let [desk, web] = all.up(work, CallId(i as u64), &fingerprint, *port);
            let named = |name: &str| web.lines().find_map(|l| l.strip_prefix(name)).expect("a line");
            if i == 0 {
                let print = named("a=fingerprint:sha-256 ").trim();
                told.push(print.replace(':', "").to_lowercase());
            }
            let port = desk.lines().find_map(|l| l.strip_prefix("m=audio "));
            told.push(port.and_then(|l| l.split(' ').next()).expect("a port").to_owned());
            told.push(named("a=ice-ufrag:").trim().to_owned());
            told.push(named("a=ice-pwd:").trim().to_owned());
        }
        let before = processor_time();
        all.say(&told.join(" "));
        assert_eq!(all.line().trim(), "up");
        all.set_up = processor_time() - before;
        all
    }

    /// The browser calls the phone: what each of them is told at last, the phone first.
    fn up(&self, work: Work, call: CallId, fingerprint: &str, phone: u16) -> [String; 2] {
        let octets: Vec<&str> = (0..32).filter_map(|i| fingerprint.get(2 * i..2 * i + 2)).collect();
        let (formats, maps) = match work {
            Work::Coded => ("111", "a=rtpmap:111 opus/48000/2\r\n"),
            _ => ("0", "a=rtpmap:0 PCMU/8000\r\n"),
        };
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF {formats}\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{ufrag}\r\n\
             a=ice-pwd:asd88fgpdd777uzjYhagZg12\r\na=fingerprint:sha-256 {print}\r\na=setup:actpass\r\na=mid:0\r\n\
             a=sendrecv\r\na=rtcp-mux\r\n{maps}",
            ufrag = crate::browser::UFRAG,
            print = octets.join(":"),
        );
        let answer = format!(
            "v=0\r\no=- 1 1 IN IP4 {HOME}\r\ns=-\r\nc=IN IP4 {HOME}\r\nt=0 0\r\nm=audio {phone} RTP/AVP 0\r\n"
        );
        let (turn, source) = (Turn(1), HOME);
        self.handle.send(MediaCommand::Offer {
            call,
            turn,
            from: Leg::A,
            sdp: Bytes::from(offer),
            source,
            to_kind: PortKind::Rtp,
            to_codecs: Default::default(),
            may_settle: false,
        });
        let desk = self.told();
        self.handle.send(MediaCommand::Answer { call, turn, from: Leg::B, sdp: Bytes::from(answer), source });
        [desk, self.told()]
    }

    fn told(&self) -> String {
        loop {
            match self.events.recv_timeout(Duration::from_secs(5)).expect("an event") {
                MediaEvent::Sdp { sdp, .. } => return String::from_utf8(sdp.to_vec()).expect("ours"),
                MediaEvent::Failed { why, .. } => panic!("{why:?}"),
                _ => {}
            }
        }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.say.as_mut().expect("piped"), "{line}").expect("the peers listen");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.hear.read_line(&mut line).expect("the peers speak");
        line
    }

    /// They do what `word` says; everything is counted after a second of warming up.
    pub fn talk(&mut self, word: &str) -> Talked {
        self.say(word);
        if word.starts_with("talk") {
            assert_eq!(self.line().trim(), "begun");
        }
        let (before, began, allocated) = (processor_time(), Clock::now(), crate::allocations());
        let line = self.line();
        let (used, wall) = (processor_time() - before, began.elapsed());
        let allocations = crate::allocations() - allocated;
        let n: Vec<f64> = line.split_whitespace().map(|f| f.parse().expect("a figure")).collect();
        Talked { sent: n[0], got: n[1], p50_us: n[2], p99_us: n[3], used, wall, allocations }
    }

    /// Every call is over; what each leg's figures say was thrown away goes with them.
    pub fn release(&self) {
        for i in 0..self.calls {
            self.handle.send(MediaCommand::Release { call: CallId(i as u64) });
        }
        let mut left = self.calls;
        while left > 0 {
            let event = self.events.recv_timeout(Duration::from_secs(5)).expect("an event");
            left -= usize::from(matches!(event, MediaEvent::Released { .. }));
        }
    }

    pub fn end(mut self) {
        // Nothing more to say: they go.
        self.say = None;
        let _ = self.child.wait();
        self.handle.stop();
    }
}
