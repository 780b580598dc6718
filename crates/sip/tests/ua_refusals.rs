//! What the `Ua` refuses, absorbs or drops by itself, and that nothing of it reaches an owner or another peer.

mod ua_world;

use sip::ua::*;
use sip::{Draft, Message, Method, Name};
use terms::Flow;
use ua_world::*;

/// A request of a stranger, written by hand; each tweak replaces a piece of text.
fn request(method: &str, tweaks: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!(
        "{method} sip:2001@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:5060;rport;branch=z9hG4bKone\r\n\
         Max-Forwards: 70\r\nFrom: <sip:x@198.51.100.7>;tag=far\r\nTo: <sip:2001@192.0.2.1>\r\n\
         Call-ID: call1\r\nCSeq: 7 {method}\r\nContact: <sip:x@198.51.100.7>\r\nContent-Length: 0\r\n\r\n"
    );
    for (from, to) in tweaks {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text.into_bytes()
}

fn stranger(w: &World) -> Flow {
    Flow::udp(w.addrs[0], "198.51.100.7:40312".parse().unwrap())
}

/// Gives it to 0 and returns the status of the one answer, 0 for none; the owner must not be told.
fn status_of(w: &mut World, bytes: &[u8]) -> u16 {
    let before = w.bytes.len();
    let flow = stranger(w);
    w.deliver(flow, bytes);
    assert!(w.take(0).is_empty(), "the owner was told");
    assert!(w.bytes.len() <= before + 1);
    w.bytes.get(before).map_or(0, |(_, b)| Message::parse(b).unwrap().status())
}

fn last(w: &World) -> Message<'_> {
    Message::parse(&w.bytes.last().unwrap().1).unwrap()
}

#[test]
fn a_made_up_dialog_gets_481_and_goes_nowhere() {
    for method in ["INVITE", "BYE", "INFO", "UPDATE", "OPTIONS", "REGISTER"] {
        let mut w = World::new(2);
        let tag = [(
            "To: <sip:2001@192.0.2.1>",
            "To: <sip:2001@192.0.2.1>;tag=made-up\r\nRoute: <sip:evil.test;lr>",
        )];
        assert_eq!(status_of(&mut w, &request(method, &tag)), 481, "{method}");
        assert_eq!(last(&w).to_tag(), Some("made-up"));
        w.assert_at_rest();
    }
    // Without a dialog these mean nothing even without a tag.
    for method in ["BYE", "INFO", "UPDATE", "CANCEL"] {
        let mut w = World::new(1);
        assert_eq!(status_of(&mut w, &request(method, &[])), 481, "{method}");
        w.assert_at_rest();
    }
}

#[test]
fn stray_acks_and_responses_go_nowhere() {
    let mut w = World::new(2);
    let key = w.send(0, 1, Method::Invite);
    w.run_ms(5);
    let invite = w.request_at(1);
    assert_eq!(status_of(&mut w, &request("ACK", &[])), 0);
    let with_tag = [("To: <sip:2001@192.0.2.1>", "To: <sip:2001@192.0.2.1>;tag=made-up")];
    assert_eq!(status_of(&mut w, &request("ACK", &with_tag)), 0);
    let flow = w.udp(0, 1);
    let ours = w.bytes[0].1.clone();
    let branch = Message::parse(&ours).unwrap().via().unwrap().branch().unwrap().to_owned();
    let call_id = Message::parse(&ours).unwrap().call_id().unwrap().to_owned();
    let response = |via: &str, cseq: &str| {
        format!(
            "SIP/2.0 200 OK\r\nVia: {via}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq}\r\nContact: <sip:evil@203.0.113.66>\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let good = format!("SIP/2.0/UDP 192.0.2.1:5060;branch={branch}");
    for bad in [
        response("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK0123456789abcdef", "1 INVITE"),
        response("SIP/2.0/UDP 192.0.2.1:5060;branch=nothing", "1 INVITE"),
        response("SIP/2.0/UDP 192.0.2.1:5060", "1 INVITE"),
        response(&good, "1 BYE"),
        response(&good, "1 CANCEL"),
        response(&good, "2 INVITE"),
        // A second Via would be where a proxy sends it on; we are none.
        response(&format!("{good}, SIP/2.0/UDP 203.0.113.66:5060;branch=z9hG4bKx"), "1 INVITE"),
    ] {
        let before = w.bytes.len();
        w.deliver(flow, bad.as_bytes());
        assert!(w.take(0).is_empty() && w.bytes.len() == before, "{bad}");
    }
    w.respond(1, invite, 486);
    w.run_ms(5);
    assert!(matches!(w.one(0), Told::Response { key: k, status: 486, .. } if k == key));
}

#[test]
fn hops_schemes_methods_and_extensions() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, Option<(Name, &'a str)>);
    let cases: [Case<'_>; 11] = [
        ("INVITE", &[("Max-Forwards: 70", "Max-Forwards: 0")], 483, None),
        ("INVITE", &[("Max-Forwards: 70", "Max-Forwards: lots")], 400, None),
        ("INVITE", &[("sip:2001@192.0.2.1 SIP", "isbn:2001 SIP")], 416, None),
        ("JUMP", &[], 501, Some((Name::Allow, ALLOW))),
        ("SUBSCRIBE", &[], 405, Some((Name::Allow, ALLOW))),
        ("PRACK", &[], 481, None),
        (
            "INVITE",
            &[("Content-Length", "Require: 100rel, timer\r\nContent-Length")],
            420,
            Some((Name::Unsupported, "timer")),
        ),
        (
            "OPTIONS",
            &[("Content-Length", "Require: path, foo\r\nProxy-Require: bar\r\nContent-Length")],
            420,
            Some((Name::Unsupported, "foo, bar")),
        ),
        ("INVITE", &[("CSeq: 7 INVITE", "CSeq: 7 OPTIONS")], 400, None),
        // RFC 4475 §3.3.1: with headers missing, 400 is the ideal answer, made of those that are there.
        ("INVITE", &[("From: <sip:x@198.51.100.7>;tag=far\r\n", "")], 400, None),
        ("INVITE", &[("SIP/2.0\r\nVia", "SIP/7.0\r\nVia")], 505, None),
    ];
    for (method, tweaks, status, header) in cases {
        let mut w = World::new(1);
        let bytes = request(method, tweaks);
        assert_eq!(status_of(&mut w, &bytes), status, "{method} {tweaks:?}");
        if let Some((name, value)) = header {
            assert_eq!(last(&w).header(name), Some(value));
        }
        if status != 0 {
            // The same again gets the same tag, from no memory at all (§8.2.7).
            let tag = last(&w).to_tag().unwrap().to_owned();
            assert_eq!(status_of(&mut w, &bytes), status);
            assert_eq!(last(&w).to_tag(), Some(&*tag));
        }
        w.assert_at_rest();
    }
}

#[test]
fn what_may_come_with_its_last_hop() {
    for method in ["OPTIONS", "REGISTER"] {
        let mut w = World::new(1);
        let flow = stranger(&w);
        w.deliver(flow, &request(method, &[("Max-Forwards: 70", "Max-Forwards: 0")]));
        assert!(matches!(w.one(0), Told::Request { .. }), "{method}");
    }
}

#[test]
fn a_request_on_two_ways_is_taken_once() {
    let mut w = World::new(1);
    let flow = stranger(&w);
    w.deliver(flow, &request("INVITE", &[]));
    let key = w.request_at(0);
    let other_way = request("INVITE", &[("z9hG4bKone", "z9hG4bKtwo")]);
    assert_eq!(status_of(&mut w, &other_way), 482);
    // Credentials come with a new CSeq and are no copy.
    w.deliver(flow, &request("INVITE", &[("z9hG4bKone", "z9hG4bKthree"), ("CSeq: 7", "CSeq: 8")]));
    let second = w.request_at(0);
    for key in [key, second] {
        w.respond(0, key, 403);
    }
    w.run_ms(40_000);
    w.assert_at_rest();
    w.deliver(flow, &other_way);
    let key = w.request_at(0);
    w.respond(0, key, 403);
}

#[test]
fn our_own_request_coming_back_is_a_loop_and_with_another_uri_a_spiral() {
    let mut w = World::new(2);
    w.send(0, 1, Method::Invite);
    let ours = String::from_utf8(w.bytes[0].1.clone()).unwrap();
    let hop = "\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKproxy\r\nVia: SIP/2.0/UDP 192.0.2.1";
    let looped = ours.replacen("\r\nVia: SIP/2.0/UDP 192.0.2.1", hop, 1);
    assert_eq!(status_of(&mut w, looped.as_bytes()), 482);
    let spiral = looped.replacen("sip:u@192.0.2.2:5060", "sip:2002@192.0.2.1", 1);
    let flow = stranger(&w);
    w.deliver(flow, spiral.as_bytes());
    assert!(matches!(w.one(0), Told::Request { .. }));
}

#[test]
fn responses_go_back_on_the_flow_with_received_and_rport() {
    let mut w = World::new(1);
    let flow = stranger(&w);
    w.deliver(flow, &request("OPTIONS", &[("Content-Length", "Timestamp: 54\r\nContent-Length")]));
    let key = w.request_at(0);
    w.uas[0].respond(w.now, key, Draft::response(200)).unwrap();
    let (to, bytes) = w.uas[0].poll_output().unwrap();
    assert_eq!(to, flow);
    let m = Message::parse(&bytes).unwrap();
    assert_eq!(
        m.header(Name::Via),
        Some("SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKone;received=198.51.100.7;rport=40312")
    );
    assert_eq!(m.to_tag().map(str::len), Some(16));
    assert_eq!((m.header(Name::Server), m.header(Name::Allow)), (Some("test"), Some(ALLOW)));
    assert_eq!(m.header(Name::RecordRoute), None);
}

#[test]
fn a_100_carries_the_timestamp_and_no_tag_a_180_the_route_and_a_tag() {
    let mut w = World::new(1);
    let flow = stranger(&w);
    let extra =
        "Timestamp: 54\r\nRecord-Route: <sip:p1.test;lr>\r\nRecord-Route: <sip:p2.test;lr>\r\nContent-Length";
    w.deliver(flow, &request("INVITE", &[("Content-Length", extra)]));
    let key = w.request_at(0);
    w.run_ms(300);
    assert_eq!((last(&w).status(), last(&w).to_tag()), (100, None));
    assert_eq!((last(&w).header(Name::Timestamp), last(&w).count(Name::RecordRoute)), (Some("54"), 0));
    w.respond(0, key, 180);
    assert_eq!(last(&w).count(Name::RecordRoute), 2);
    let tag = last(&w).to_tag().unwrap().to_owned();
    assert_eq!(last(&w).header(Name::Contact), Some("<sip:2001@192.0.2.1:5060>"));
    w.respond(0, key, 200);
    assert_eq!(last(&w).to_tag(), Some(&*tag));
    assert_eq!(last(&w).count(Name::RecordRoute), 2);
    assert_eq!(w.uas[0].respond(w.now, key, Draft::response(486)), Err(UaError::TransactionGone));
}

#[test]
fn a_stateless_refusal_leaves_nothing_behind() {
    let mut w = World::new(1);
    let flow = stranger(&w);
    let mut tags = Vec::new();
    for _ in 0..3 {
        let bytes = request("INVITE", &[]);
        let Ok(Received::Request { key, request }) = w.uas[0].receive(w.now, flow, &bytes) else { panic!() };
        w.uas[0].respond_stateless(
            flow,
            &request,
            Draft::response(401).header("WWW-Authenticate", "Digest x"),
        );
        w.pump();
        assert_eq!(last(&w).header(Name::WwwAuthenticate), Some("Digest x"));
        tags.push(last(&w).to_tag().unwrap().to_owned());
        assert_eq!(w.uas[0].respond(w.now, key, Draft::response(200)), Err(UaError::TransactionGone));
        w.assert_at_rest();
    }
    assert!(tags.iter().all(|t| *t == tags[0]));
    let ack =
        request("ACK", &[("To: <sip:2001@192.0.2.1>", &format!("To: <sip:2001@192.0.2.1>;tag={}", tags[0]))]);
    assert_eq!(status_of(&mut w, &ack), 0);
}

#[test]
fn a_full_table_says_503_and_lets_calls_end() {
    let mut w = World::new(2);
    let mut small = config(w.addrs[1], 7);
    small.transactions_max = 8;
    w.uas[1] = Ua::new(small);
    let (ours, _, _) = w.call();
    w.run_ms(60_000);
    let mut keys = Vec::new();
    for _ in 0..8 {
        w.send(0, 1, Method::Options);
        w.run_ms(5);
        keys.push(w.request_at(1));
    }
    w.send(0, 1, Method::Options);
    w.run_ms(5);
    assert!(w.take(1).is_empty());
    let Told::Response { status: 503, text, .. } = w.one(0) else { panic!() };
    assert_eq!(Message::parse(text.as_bytes()).unwrap().retry_after(), Some(10));
    let (flow, parties) = (w.udp(1, 0), w.parties(1, 0));
    let target = w.target(flow);
    let refused = w.uas[1].request(w.now, target, parties, Draft::request(Method::Options));
    assert_eq!(refused, Err(UaError::Full));
    w.in_dialog(0, ours, Method::Bye);
    w.run_ms(5);
    let bye = w.request_at(1);
    w.respond(1, bye, 200);
    for key in keys {
        w.respond(1, key, 200);
    }
    w.run_ms(100_000);
    w.assert_at_rest();
}

#[test]
fn too_many_dialogs_say_503() {
    let mut w = World::new(2);
    let mut small = config(w.addrs[1], 7);
    small.dialogs_max = 2;
    w.uas[1] = Ua::new(small);
    let calls: Vec<_> = (0..2).map(|_| w.call().0).collect();
    w.send(0, 1, Method::Invite);
    w.run_ms(5);
    assert_eq!(w.response_at(0).0, 503);
    w.send(0, 1, Method::Options);
    w.run_ms(5);
    w.request_at(1);
    assert_eq!(calls.len(), 2);
}

#[test]
fn peers_of_rfc_2543_are_matched_without_a_branch() {
    let mut w = World::new(1);
    let flow = stranger(&w);
    for branch in ["", ";branch=1", ";branch=z9hG4bK"] {
        let old = |method: &str, to: &str| {
            request(
                method,
                &[(";branch=z9hG4bKone", branch), ("To: <sip:2001@192.0.2.1>", to), ("CSeq: 7", "CSeq: 9")],
            )
        };
        let bare = "To: <sip:2001@192.0.2.1>";
        w.deliver(flow, &old("INVITE", bare));
        let invite = w.request_at(0);
        w.respond(0, invite, 180);
        assert_eq!(status_of(&mut w, &old("INVITE", bare)), 180, "a retransmission");
        w.deliver(flow, &old("CANCEL", bare));
        assert_eq!(w.one(0), Told::Cancelled { invite });
        w.respond(0, invite, 487);
        let tagged = format!("{bare};tag={}", last(&w).to_tag().unwrap());
        w.run_ms(600);
        let before = w.bytes.len();
        assert_eq!(status_of(&mut w, &old("ACK", &tagged)), 0);
        w.run_ms(5_000);
        assert_eq!(w.bytes.len(), before, "acknowledged: nothing is repeated");
        w.run_ms(40_000);
        w.assert_at_rest();
    }
}

#[test]
fn an_ack_with_the_branch_of_its_invite_still_acknowledges_a_2xx() {
    let mut w = World::new(1);
    let flow = stranger(&w);
    w.deliver(flow, &request("INVITE", &[]));
    let invite = w.request_at(0);
    let dialog = w.respond(0, invite, 200).unwrap();
    let tag = format!("To: <sip:2001@192.0.2.1>;tag={}", last(&w).to_tag().unwrap());
    w.deliver(flow, &request("ACK", &[("To: <sip:2001@192.0.2.1>", &tag)]));
    assert!(matches!(w.one(0), Told::Acked { dialog: d, .. } if d == dialog));
    w.run_ms(40_000);
    assert!(w.take(0).is_empty());
    w.uas[0].forget_dialog(dialog);
    w.assert_at_rest();
}

#[test]
fn an_ack_with_another_cseq_is_not_the_one_we_wait_for() {
    let mut w = World::new(1);
    let flow = stranger(&w);
    w.deliver(flow, &request("INVITE", &[]));
    let invite = w.request_at(0);
    let dialog = w.respond(0, invite, 200).unwrap();
    let tag = format!("To: <sip:2001@192.0.2.1>;tag={}", last(&w).to_tag().unwrap());
    let ack = [("To: <sip:2001@192.0.2.1>", tag.as_str()), ("one", "two"), ("CSeq: 7", "CSeq: 8")];
    assert_eq!(status_of(&mut w, &request("ACK", &ack)), 0);
    w.run_ms(40_000);
    assert_eq!(w.one(0), Told::NotAcked { dialog, invite });
    w.uas[0].forget_dialog(dialog);
    w.assert_at_rest();
}

#[test]
fn keep_alives_and_rubbish_are_no_news() {
    let mut w = World::new(1);
    let flow = stranger(&w);
    for bytes in
        [&b"\r\n\r\n"[..], b"\0", b"", b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", &[0xff; 300]]
    {
        w.deliver(flow, bytes);
    }
    assert!(w.take(0).is_empty() && w.bytes.is_empty());
    w.assert_at_rest();
}

#[test]
fn what_no_client_could_match_is_not_answered() {
    let mut w = World::new(1);
    assert_eq!(status_of(&mut w, &request("OPTIONS", &[("CSeq: 7", "CSequence: 7")])), 0);
    assert_eq!(status_of(&mut w, &request("OPTIONS", &[("CSeq: 7 OPTIONS", "CSeq: seven")])), 400);
    w.assert_at_rest();
}
