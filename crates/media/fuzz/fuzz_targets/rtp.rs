//! Any bytes as RTP and RTCP in calls that relay, swap laws and transcode: whatever leaves fits its buffer and is RTP or
//! RTCP of version 2, and when the call is over everything is given back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::{Machine, MediaConfig};
use std::net::SocketAddr;
use std::time::Duration;
use terms::{CallId, Instant, Leg, MediaCommand, MediaEvent, PortKind, Turn};

const CALL: CallId = CallId(1);
/// What each leg speaks.
const PAIRS: [(&str, &str); 4] = [("0 101", "0 101"), ("0", "8"), ("0 101", "9 96"), ("111 110", "8 101")];
/// Room behind a packet, as a worker gives it.
const ROOM: usize = 600;

fn description(address: &str, formats: &str) -> Vec<u8> {
    let (ip, port) = address.split_once(':').expect("an address");
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {formats}\r\n\
         a=rtpmap:111 opus/48000/2\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=rtpmap:96 telephone-event/8000\r\n"
    )
    .into_bytes()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((pair, mut rest)) = bytes.split_first() else { return };
    let (at_a, at_b) = PAIRS[usize::from(*pair) % PAIRS.len()];
    let peers: [SocketAddr; 2] = ["10.0.0.5:4000".parse().unwrap(), "198.51.100.2:6000".parse().unwrap()];
    let mut config = MediaConfig::new("192.0.2.1".parse().unwrap());
    // Few ports are quickly made.
    config.ports = 10_000..=10_015;
    let mut machine = Machine::new(config, [3; 32]);
    let mut now = Instant(1_000_000_000);
    machine.command(
        now,
        MediaCommand::Offer {
            call: CALL,
            turn: Turn(1),
            from: Leg::A,
            sdp: description("10.0.0.5:4000", at_a).into(),
            source: peers[0].ip(),
            to_kind: PortKind::Rtp,
            to_codecs: Default::default(),
            may_settle: false,
        },
    );
    let sdp = description("198.51.100.2:6000", at_b).into();
    machine.command(now, MediaCommand::Answer { call: CALL, turn: Turn(1), from: Leg::B, sdp, source: peers[1].ip() });
    let ports = [machine.port_of(CALL, Leg::A).expect("agreed"), machine.port_of(CALL, Leg::B).expect("agreed")];

    // Each packet: where it comes and when, how long it is, and itself.
    while let [way, len, more @ ..] = rest {
        let (packet, after) = more.split_at(usize::from(*len).min(more.len()));
        rest = after;
        let (side, control) = (usize::from(way & 1), u16::from(way >> 1 & 1));
        let mut from = peers[side];
        from.set_port(from.port() + control + u16::from(way >> 2 & 1) * 2);
        now = now + Duration::from_millis(u64::from(way >> 3) * 7);
        let mut buf = packet.to_vec();
        buf.resize(packet.len() + ROOM, 0xee);
        if let Some(forward) = machine.received(now, ports[side] + control, from, &mut buf, packet.len()) {
            assert!(forward.len <= buf.len() && buf[0] >> 6 == 2, "what leaves is RTP or RTCP");
        }
        while machine.deadline().is_some_and(|at| at <= now) {
            machine.timeout(now);
        }
        while let Some(transmit) = machine.poll_transmit() {
            assert_eq!(transmit.bytes[0] >> 6, 2);
        }
        while machine.poll_event().is_some() || machine.poll_socket().is_some() {}
    }
    machine.command(now, MediaCommand::Release { call: CALL });
    let mut released = 0;
    while let Some(event) = machine.poll_event() {
        released += u32::from(matches!(event, MediaEvent::Released { .. }));
    }
    assert_eq!((released, machine.calls(), machine.ports_in_use().count()), (1, 0, 0));
});
