//! Connections: what happens in a call when one closes, and that dialogs go where the peer is now.

mod ua_world;

use sip::ua::*;
use sip::{Draft, Message, Method, Name};
use terms::{Flow, Transport};
use ua_world::*;

#[test]
fn a_closed_connection_fails_what_waits_on_it_at_once() {
    let mut w = World::new(2);
    let flow = w.tcp(0, 1, 8);
    let other = w.tcp(0, 1, 10);
    let options = w.send_on(0, flow, Method::Options);
    let invite = w.send_on(0, flow, Method::Invite);
    let safe = w.send_on(0, other, Method::Options);
    w.run_ms(5);
    let invite_there = w
        .take(1)
        .iter()
        .find_map(|t| match t {
            Told::Request { key, text } if text.starts_with("INVITE") => Some(*key),
            _ => None,
        })
        .unwrap();
    w.respond(1, invite_there, 180);
    w.run_ms(5);
    assert_eq!(w.response_at(0).0, 180);
    w.uas[0].flow_closed(w.now, flow);
    w.pump();
    let told = w.take(0);
    assert_eq!(told.len(), 2);
    for key in [options, invite] {
        assert!(told.contains(&Told::NoResponse { key, flow_failed: true }));
    }
    assert_eq!(
        w.uas[0].holds(),
        Holds { clients: 1, timers: 1, ..Holds::default() },
        "the early dialog went too"
    );
    w.run_ms(33_000);
    assert_eq!(w.one(0), Told::NoResponse { key: safe, flow_failed: false });
    w.assert_at_rest_at(0);
}

#[test]
fn a_dialog_whose_connection_closed_waits_for_the_peer_to_come_back() {
    let mut w = World::new(2);
    let flow = w.tcp(0, 1, 8);
    let (ours, theirs, _) = w.call_on(flow);
    let back = w.tcp(1, 0, 8);
    w.uas[1].flow_closed(w.now, back);
    let sent = w.bytes.len();
    let key = w.in_dialog(1, theirs, Method::Info);
    assert_eq!(w.one(1), Told::NoResponse { key, flow_failed: true });
    assert_eq!(w.bytes.len(), sent, "nothing is sent on a closed flow");
    // 0 opened another connection and says something on it.
    w.uas[0].request_in_dialog(w.now, ours, Draft::request(Method::Info)).unwrap();
    let (_, info) = w.uas[0].poll_output().unwrap();
    let newer = w.tcp(1, 0, 10);
    w.deliver(newer, &info);
    let info = w.request_at(1);
    w.respond(1, info, 200);
    assert_eq!(w.uas[1].dialog(theirs).unwrap().flow, newer);
    w.uas[1].request_in_dialog(w.now, theirs, Draft::request(Method::Bye)).unwrap();
    let (on, _) = w.uas[1].poll_output().unwrap();
    assert_eq!(on, newer);
}

#[test]
fn a_bye_into_a_closed_connection_ends_the_dialog() {
    let mut w = World::new(2);
    let flow = w.tcp(0, 1, 8);
    let (ours, _, _) = w.call_on(flow);
    w.uas[0].flow_closed(w.now, flow);
    let key = w.in_dialog(0, ours, Method::Bye);
    assert_eq!(w.one(0), Told::NoResponse { key, flow_failed: true });
    w.run_ms(40_000);
    w.assert_at_rest_at(0);
}

#[test]
fn a_phone_behind_nat_that_gets_a_new_port_is_followed() {
    let mut w = World::new(2);
    let (ours, theirs, _) = w.call();
    w.uas[0].request_in_dialog(w.now, ours, Draft::request(Method::Info)).unwrap();
    let (_, info) = w.uas[0].poll_output().unwrap();
    let moved = Flow { peer: "203.0.113.5:61000".parse().unwrap(), ..w.udp(1, 0) };
    w.deliver(moved, &info);
    assert_eq!(w.uas[1].dialog(theirs).unwrap().flow, moved);
    w.take(1);
    w.uas[1].request_in_dialog(w.now, theirs, Draft::request(Method::Bye)).unwrap();
    assert_eq!(w.uas[1].poll_output().unwrap().0, moved);
}

#[test]
fn a_late_and_old_request_does_not_move_the_dialog_back() {
    let mut w = World::new(2);
    let (ours, theirs, _) = w.call();
    let mut infos = Vec::new();
    for _ in 0..2 {
        w.uas[0].request_in_dialog(w.now, ours, Draft::request(Method::Info)).unwrap();
        infos.push(w.uas[0].poll_output().unwrap().1);
    }
    let new = Flow { peer: "203.0.113.5:61000".parse().unwrap(), ..w.udp(1, 0) };
    w.deliver(new, &infos[1]);
    let old = w.udp(1, 0);
    w.deliver(old, &infos[0]);
    assert_eq!(w.uas[1].dialog(theirs).unwrap().flow, new);
    assert_eq!(w.take(1).len(), 1);
}

#[test]
fn via_and_contact_say_how_peers_reach_us() {
    let mut w = World::new(2);
    let mut c = config(w.addrs[0], 1);
    let public = "203.0.113.10:5061".parse().unwrap();
    c.locals = vec![
        Local {
            transport: Transport::Udp,
            bound: w.addrs[0],
            advertised: "203.0.113.10:5060".parse().unwrap(),
        },
        Local { transport: Transport::Tls, bound: "192.0.2.1:5061".parse().unwrap(), advertised: public },
    ];
    w.uas[0] = Ua::new(c);
    // An outgoing connection has a port of its own.
    let flow =
        Flow { transport: Transport::Tls, local: "192.0.2.1:49152".parse().unwrap(), ..w.tcp(0, 1, 3) };
    for (flow, via, contact) in [
        (w.udp(0, 1), "SIP/2.0/UDP 203.0.113.10:5060;", "<sip:u0@203.0.113.10:5060>"),
        (flow, "SIP/2.0/TLS 203.0.113.10:5061;", "<sip:u0@203.0.113.10:5061;transport=tls>"),
    ] {
        let (target, parties) = (w.target(flow), w.parties(0, 1));
        w.uas[0].request(w.now, target, parties, Draft::request(Method::Invite)).unwrap();
        let (_, bytes) = w.uas[0].poll_output().unwrap();
        let m = Message::parse(&bytes).unwrap();
        assert!(m.header(Name::Via).unwrap().starts_with(via));
        assert_eq!(m.header(Name::Contact), Some(contact));
    }
}

#[test]
fn a_connection_nobody_uses_closes_for_nothing() {
    let mut w = World::new(2);
    let flow = w.tcp(0, 1, 8);
    w.uas[0].flow_closed(w.now, flow);
    let (ours, _, _) = w.call_on(flow);
    let udp = w.udp(0, 1);
    w.uas[0].flow_closed(w.now, udp);
    w.hang_up(ours);
}
