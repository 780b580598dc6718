//! What a REGISTER and a call cost in the `Ua` alone, parsing and writing included, sockets excluded.
//! `cargo run --release -p sip --example bench_ua` prints one JSON line for each, in processor time (Linux).

use sip::ua::*;
use sip::{Draft, Method};
use std::time::Duration;
use terms::{Flow, Instant, Now, Transport, WallTime};

fn ua(addr: &str, seed: u8) -> Ua {
    let bound = addr.parse().expect("an address");
    Ua::new(UaConfig {
        locals: vec![Local { transport: Transport::Udp, bound, advertised: bound }],
        product: "Hotseat".into(),
        seed: [seed; 32],
        timers: Timers::default(),
        transactions_max: 1_000_000,
        dialogs_max: 100_000,
    })
}

fn register(n: u64) -> Vec<u8> {
    format!(
        "REGISTER sip:hotseat.test SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK{n:x};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"desk-17\" <sip:desk-17@hotseat.test>;tag=a{n:x}\r\n\
         To: \"desk-17\" <sip:desk-17@hotseat.test>\r\nCall-ID: call-{n:x}@198.51.100.7\r\nCSeq: {n} REGISTER\r\n\
         Contact: <sip:desk-17@198.51.100.7:5060>;expires=300\r\nUser-Agent: A Desk Phone 1.2.3\r\n\
         Supported: path, outbound\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Nanoseconds this process has been on a processor.
fn spent_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("Linux counts them here");
    text.split(' ').next().and_then(|n| n.parse().ok()).expect("a number")
}

fn told(what: &str, count: u64, since_ns: u64) {
    println!("{{\"bench\":\"{what}\",\"count\":{count},\"ns\":{}}}", (spent_ns() - since_ns) / count);
}

fn main() {
    let count = 200_000u64;
    let flow =
        Flow::udp("192.0.2.1:5060".parse().expect("an address"), "198.51.100.7:5060".parse().expect("one"));
    let mut server = ua("192.0.2.1:5060", 1);
    let mut now = Now { instant: Instant(1), wall: WallTime(0) };
    let messages: Vec<Vec<u8>> = (0..count).map(register).collect();
    // 10,000 a second, so that 320,000 would linger; old ones expire on the way.
    let begin = spent_ns();
    for bytes in &messages {
        now = now.plus(Duration::from_micros(200));
        if server.deadline().is_some_and(|at| at <= now.instant) {
            server.timeout(now);
        }
        let Ok(Received::Request { key, .. }) = server.receive(now, flow, bytes) else { panic!("refused") };
        let ok = Draft::response(200).header("Contact", "<sip:desk-17@198.51.100.7:5060>;expires=300");
        server.respond(now, key, ok).expect("a transaction");
        while server.poll_output().is_some() {}
    }
    told("register: receive + respond", count, begin);

    let begin = spent_ns();
    for bytes in &messages {
        let _ = server.receive(now, flow, bytes);
        while server.poll_output().is_some() {}
    }
    told("register again or once more", count, begin);

    let calls = 20_000;
    let (mut a, mut b) = (ua("192.0.2.2:5060", 2), ua("192.0.2.3:5060", 3));
    let there =
        Flow::udp("192.0.2.2:5060".parse().expect("an address"), "192.0.2.3:5060".parse().expect("one"));
    let back = Flow { local: there.peer, peer: there.local, ..there };
    let begin = spent_ns();
    for _ in 0..calls {
        now = now.plus(Duration::from_millis(1));
        for ua in [&mut a, &mut b] {
            ua.timeout(now);
        }
        let target = Target { flow: there, uri: "sip:b@192.0.2.3".into(), route: Vec::new() };
        let parties = Parties {
            from: "<sip:a@192.0.2.2>".into(),
            to: "<sip:b@192.0.2.3>".into(),
            call_id: None,
            contact_user: "a".into(),
            max_forwards: 70,
        };
        a.request(now, target, parties, Draft::request(Method::Invite)).expect("room");
        let (_, invite) = a.poll_output().expect("an INVITE");
        let Ok(Received::Request { key, .. }) = b.receive(now, back, &invite) else { panic!("no INVITE") };
        b.respond(now, key, Draft::response(180)).expect("ringing");
        b.respond(now, key, Draft::response(200)).expect("answered");
        let mut ours = None;
        while let Some((_, bytes)) = b.poll_output() {
            if let Ok(Received::Response { dialog, .. }) = a.receive(now, there, &bytes) {
                ours = dialog;
            }
        }
        let ours = ours.expect("a dialog");
        a.ack(now, ours, None).expect("acknowledged");
        a.request_in_dialog(now, ours, Draft::request(Method::Bye)).expect("a BYE");
        while let Some((_, bytes)) = a.poll_output() {
            if let Ok(Received::InDialog { key, .. }) = b.receive(now, back, &bytes) {
                b.respond(now, key, Draft::response(200)).expect("answered");
            }
        }
        while let Some((_, bytes)) = b.poll_output() {
            let _ = a.receive(now, there, &bytes);
        }
    }
    told("call: both ends, six messages", calls, begin);
}
