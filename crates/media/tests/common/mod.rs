//! A desk for the tests: one machine, two peers with addresses, packets made with another hand than ours.
#![allow(dead_code)]

pub mod browser;

use bytes::Bytes;
use media::{Forward, Machine, MediaConfig, SocketOp, Transmit};
use rtp::header::Header;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use terms::{CallId, Instant, Leg, MediaCommand, MediaEvent, PortKind, Turn};

pub const CALL: CallId = CallId(7);
pub const A: &str = "10.0.0.5:4000";
pub const B: &str = "198.51.100.2:6000";

pub fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A description as a phone at `addr` would send it; `more` are lines below the m-line.
pub fn sdp(addr: &str, formats: &str, more: &str) -> String {
    let a = at(addr);
    let kind = if a.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=secretname 1 1 IN {kind} {ip}\r\ns=hidden\r\nc=IN {kind} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n\
         a=rtpmap:96 telephone-event/8000\r\n{more}",
        ip = a.ip(),
        port = a.port()
    )
}

pub struct Desk {
    pub m: Machine,
    pub now: Instant,
    pub turn: u32,
    /// Offers may be answered without the other leg.
    pub may_settle: bool,
    pub events: Vec<MediaEvent>,
    /// What the machine sent of its own accord, and when.
    pub said: Vec<(Instant, Transmit)>,
    pub open: std::collections::BTreeSet<u16>,
}

pub fn desk() -> Desk {
    Desk::with(MediaConfig::new(ip("192.0.2.1")), 1)
}

impl Desk {
    pub fn with(config: MediaConfig, seed: u8) -> Desk {
        Desk {
            m: Machine::new(config, [seed; 32]),
            now: Instant(1_000_000_000),
            turn: 0,
            may_settle: false,
            events: Vec::new(),
            said: Vec::new(),
            open: Default::default(),
        }
    }

    pub fn command(&mut self, command: MediaCommand) {
        self.m.command(self.now, command);
        self.drain();
    }

    pub fn drain(&mut self) {
        while let Some(op) = self.m.poll_socket() {
            match op {
                SocketOp::Open(p) => assert!(self.open.insert(p), "{p} opened twice"),
                SocketOp::Close(p) => assert!(self.open.remove(&p), "{p} closed but not open"),
            }
        }
        while let Some(e) = self.m.poll_event() {
            self.events.push(e);
        }
        while let Some(t) = self.m.poll_transmit() {
            self.said.push((self.now, t));
        }
    }

    pub fn wait_ms(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(d) = self.m.deadline().filter(|d| *d <= until) {
            self.now = d;
            self.m.timeout(d);
            self.drain();
        }
        self.now = until;
    }

    pub fn take(&mut self) -> Vec<MediaEvent> {
        std::mem::take(&mut self.events)
    }

    /// The only event there is.
    #[track_caller]
    pub fn one(&mut self) -> MediaEvent {
        let mut events = self.take();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    #[track_caller]
    pub fn said(&mut self, to: Leg) -> String {
        let turn = Turn(self.turn);
        match self.one() {
            MediaEvent::Sdp { call, turn: t, to: leg, sdp } if call == CALL && t == turn && leg == to => {
                String::from_utf8(sdp.to_vec()).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    /// `from` offers; what the other leg is told.
    #[track_caller]
    pub fn offer(&mut self, from: Leg, sdp: &str, source: &str) -> String {
        self.offer_raw(from, sdp, source);
        self.said(from.other())
    }

    pub fn offer_raw(&mut self, from: Leg, sdp: &str, source: &str) {
        self.turn += 1;
        self.command(MediaCommand::Offer {
            call: CALL,
            turn: Turn(self.turn),
            from,
            sdp: Bytes::copy_from_slice(sdp.as_bytes()),
            source: ip(source),
            to_kind: PortKind::Rtp,
            to_codecs: Default::default(),
            may_settle: self.may_settle,
        });
    }

    #[track_caller]
    pub fn answer(&mut self, from: Leg, sdp: &str, source: &str) -> String {
        self.answer_raw(from, self.turn, sdp, source);
        self.said(from.other())
    }

    pub fn answer_raw(&mut self, from: Leg, turn: u32, sdp: &str, source: &str) {
        self.command(MediaCommand::Answer {
            call: CALL,
            turn: Turn(turn),
            from,
            sdp: Bytes::copy_from_slice(sdp.as_bytes()),
            source: ip(source),
        });
    }

    /// An ordinary call, A to B, both directions agreed, addresses as signalled.
    #[track_caller]
    pub fn up(&mut self) {
        self.offer(Leg::A, &sdp(A, "8 0 101", ""), "10.0.0.5");
        self.answer(Leg::B, &sdp(B, "8 101", ""), "198.51.100.2");
    }

    pub fn port(&self, leg: Leg) -> u16 {
        self.m.port_of(CALL, leg).unwrap()
    }

    /// A packet from `from` to our port of `leg`.
    pub fn send(&mut self, leg: Leg, from: &str, packet: &mut Vec<u8>) -> Option<Forward> {
        let port = self.port(leg);
        let f = received(&mut self.m, self.now, port, at(from), packet);
        self.drain();
        f
    }

    /// A voice packet, and what became of it.
    pub fn voice(
        &mut self,
        leg: Leg,
        from: &str,
        pt: u8,
        ssrc: u32,
        seq: u16,
        ts: u32,
    ) -> Option<(Forward, Header)> {
        let mut p = packet(pt, ssrc, seq, ts, &[seq as u8; 160]);
        let f = self.send(leg, from, &mut p)?;
        let (h, payload) = parse(&p[..f.len]);
        assert_eq!(payload, [seq as u8; 160], "the payload is untouched");
        Some((f, h))
    }

    pub fn release(&mut self) {
        self.command(MediaCommand::Release { call: CALL });
    }
}

/// Hands a packet to the machine in a buffer with room; what leaves is left in `packet`.
pub fn received(
    m: &mut Machine,
    now: Instant,
    port: u16,
    from: SocketAddr,
    packet: &mut Vec<u8>,
) -> Option<Forward> {
    let len = packet.len();
    packet.resize(len + 600, 0xee);
    let forward = m.received(now, port, from, packet, len);
    packet.truncate(forward.map_or(len, |f| f.len));
    forward
}

/// An RTP packet written by the `rtp` crate, an independent hand.
pub fn packet(pt: u8, ssrc: u32, seq: u16, ts: u32, payload: &[u8]) -> Vec<u8> {
    marked(false, pt, ssrc, seq, ts, payload)
}

pub fn marked(marker: bool, pt: u8, ssrc: u32, seq: u16, ts: u32, payload: &[u8]) -> Vec<u8> {
    use webrtc_util::Marshal;
    let header = Header {
        version: 2,
        marker,
        payload_type: pt,
        sequence_number: seq,
        timestamp: ts,
        ssrc,
        ..Header::default()
    };
    let p = rtp::packet::Packet { header, payload: Bytes::copy_from_slice(payload) };
    p.marshal().unwrap().to_vec()
}

pub fn parse(bytes: &[u8]) -> (Header, Vec<u8>) {
    use webrtc_util::Unmarshal;
    let p = rtp::packet::Packet::unmarshal(&mut &bytes[..]).unwrap();
    (p.header, p.payload.to_vec())
}
