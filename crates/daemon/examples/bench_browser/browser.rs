//! A lean browser: checks, handshake as the client, SRTP. All of one process show the same certificate.

use media::dtls::{Identity, Session, State};
use media::sdp::{Fingerprint, Hash};
use media::srtp::{GROWTH_MAX, Opener, Sealer};
use media::stun::{self, Class, attribute};
use std::net::UdpSocket;
use std::time::{Duration, Instant as Clock};
use terms::Instant;

/// What a browser calls itself; the gateway does not compare it.
pub const UFRAG: &str = "brow";
/// Room for a packet of voice and its tag.
pub const ROOM: usize = 1024;
/// Nobody answers this late on a loopback.
const PATIENCE: Duration = Duration::from_secs(2);
/// Datagrams of one handshake.
const STEPS_MAX: usize = 50;

/// What the gateway's description says of itself.
pub struct Told {
    pub ufrag: String,
    pub pwd: String,
}

pub struct Browser {
    pub socket: UdpSocket,
    pub told: Told,
    keys: Option<(Sealer, Opener)>,
    pub answers: u64,
}

impl Browser {
    pub fn new(socket: UdpSocket, told: Told) -> Browser {
        Browser { socket, told, keys: None, answers: 0 }
    }

    fn check(&self, nominate: bool) -> Vec<u8> {
        let name = format!("{}:{UFRAG}", self.told.ufrag);
        let mut w = stun::Writer::new(Class::Request, stun::BINDING, [7; 12])
            .put(attribute::USERNAME, name.as_bytes())
            .put(attribute::PRIORITY, &[110, 0, 1, 255])
            .put(attribute::ICE_CONTROLLING, &[1; 8]);
        if nominate {
            w = w.put(attribute::USE_CANDIDATE, &[]);
        }
        w.finish(self.told.pwd.as_bytes())
    }

    /// Says that it is still there, as browsers do every few seconds (RFC 7675 §5.1).
    pub fn consent(&self) {
        let _ = self.socket.send(&self.check(false));
    }

    /// Check, handshake, keys; one datagram after the other.
    pub fn connect(&mut self, identity: &Identity, began: Clock, server: &[u8; 32]) {
        self.socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let now = || Instant(began.elapsed().as_nanos() as u64);
        let mut buf = [0; 2048];
        self.socket.send(&self.check(true)).expect("loopback");
        let len = self.socket.recv(&mut buf).expect("an answer to the check");
        let answer = stun::read(buf.get(..len).unwrap_or_default()).expect("STUN");
        assert_eq!(answer.class, Class::Success, "the check is refused");
        let mut session = Session::new(identity, began, now(), true);
        session.expect(vec![Fingerprint { hash: Hash::Sha256, digest: server.to_vec() }]);
        let send = |bytes: &[u8]| drop(self.socket.send(bytes));
        session.timeout(now(), send);
        for _ in 0..STEPS_MAX {
            if session.state() != State::Open {
                break;
            }
            let len = self.socket.recv(&mut buf).expect("the handshake goes on");
            session.received(now(), buf.get(..len).unwrap_or_default(), send);
        }
        let material = session.take_material().expect("keys at the end of the handshake");
        self.keys = Some((Sealer::new(&material.ours), Opener::new(&material.theirs)));
        self.socket.set_nonblocking(true).expect("a socket");
    }

    /// Seals a packet and sends it.
    pub fn speak(&mut self, packet: &mut [u8; ROOM], len: usize) -> bool {
        let Some((sealer, _)) = &mut self.keys else { return false };
        assert!(len + GROWTH_MAX <= ROOM);
        let Some(len) = sealer.seal_rtp(packet, len) else { return false };
        self.socket.send(packet.get(..len).unwrap_or_default()).is_ok()
    }

    /// The length of the RTP packet that was sealed for it. Answers to checks are counted and nothing else.
    pub fn hear(&mut self, packet: &mut [u8], len: usize) -> Option<usize> {
        if packet.first().is_some_and(|first| stun::is_stun(*first)) {
            self.answers += 1;
            return None;
        }
        if packet.get(1).is_some_and(|b| (192..=223).contains(b)) {
            return None;
        }
        self.keys.as_mut()?.1.open_rtp(packet, len).ok()
    }
}
