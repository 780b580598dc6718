//! Calls between two `Ua`s: set up, refused, cancelled, forked, modified, ended.

mod ua_world;

use sip::ua::*;
use sip::{Draft, Message, Method, Name};
use ua_world::*;

#[test]
fn a_call_goes_up_and_comes_down() {
    let mut w = World::new(2);
    let (ours, theirs, _) = w.call();
    assert!(w.uas[0].dialog(ours).unwrap().confirmed && w.uas[1].dialog(theirs).unwrap().confirmed);
    assert_eq!(w.uas[0].dialog(ours).unwrap().remote_tag, w.uas[1].dialog(theirs).unwrap().local_tag);
    w.hang_up(ours);
    assert!(w.uas[1].dialog(theirs).is_none());
    let lines: Vec<&str> = w.log.iter().map(|(_, _, l)| l.split(" sip:").next().unwrap()).collect();
    assert_eq!(lines, ["INVITE", "SIP/2.0 200 OK", "ACK", "BYE", "SIP/2.0 200 OK"]);
}

#[test]
fn the_side_that_was_called_may_hang_up_too() {
    let mut w = World::new(2);
    let (ours, theirs, _) = w.call();
    w.in_dialog(1, theirs, Method::Bye);
    assert!(w.uas[1].dialog(theirs).is_none(), "BYE ends the dialog when it is sent");
    w.run_ms(5);
    let Told::InDialog { key, dialog, .. } = w.one(0) else { panic!() };
    assert_eq!(dialog, ours);
    assert!(w.uas[0].dialog(ours).is_some(), "until it is answered");
    w.respond(0, key, 200);
    assert!(w.uas[0].dialog(ours).is_none());
    w.run_ms(100_000);
    w.assert_at_rest();
}

#[test]
fn two_byes_that_cross_end_one_call() {
    let mut w = World::new(2);
    let (ours, theirs, _) = w.call();
    w.in_dialog(0, ours, Method::Bye);
    w.in_dialog(1, theirs, Method::Bye);
    w.run_ms(100);
    assert_eq!(w.response_at(0).0, 200);
    assert_eq!(w.response_at(1).0, 200);
    w.run_ms(100_000);
    w.assert_at_rest();
}

#[test]
fn everything_a_request_needs_is_on_it() {
    let mut w = World::new(2);
    let flow = w.udp(0, 1);
    let target = Target {
        flow,
        uri: "sip:2001@phone.test".into(),
        route: vec!["<sip:edge.test;lr>".into(), "<sip:p2.test;lr>".into()],
    };
    let parties = Parties { from: "\"Ann\" <sip:2001@hotseat.test>".into(), ..w.parties(0, 1) };
    let draft = Draft::request(Method::Invite)
        .header("X-Own", "yes\r\nVia: evil")
        .header("Via", "SIP/2.0/UDP evil")
        .sdp(bytes::Bytes::from_static(b"v=0\r\n"));
    w.uas[0].request(w.now, target, parties, draft).unwrap();
    let (to, bytes) = w.uas[0].poll_output().unwrap();
    assert_eq!(to, flow);
    let m = Message::parse(&bytes).unwrap();
    assert_eq!(m.check_request(), Ok(()));
    assert_eq!(m.uri(), "sip:2001@phone.test");
    let via = m.via().unwrap();
    assert_eq!((via.transport, via.host, via.port), ("UDP", "192.0.2.1", Some(5060)));
    assert!(via.has_rfc3261_branch() && via.rport() == Some(None));
    assert_eq!(m.count(Name::Via), 1);
    assert_eq!(m.headers(Name::Route).collect::<Vec<_>>(), ["<sip:edge.test;lr>", "<sip:p2.test;lr>"]);
    assert_eq!(m.from_tag().map(str::len), Some(16));
    assert_eq!((m.to_tag(), m.max_forwards()), (None, Some(70)));
    assert_eq!(m.header(Name::Contact), Some("<sip:u0@192.0.2.1:5060>"));
    assert_eq!(m.header(Name::UserAgent), Some("test"));
    assert_eq!(m.header_named("X-Own"), Some("yes Via: evil"));
    assert_eq!(m.body(), b"v=0\r\n");
}

#[test]
fn requests_in_a_dialog_follow_the_record_route_and_the_contact() {
    let mut w = World::new(2);
    w.send(0, 1, Method::Invite);
    // A proxy in between adds itself twice on the way there.
    let (_, invite) = w.bytes.last().unwrap().clone();
    let text = String::from_utf8(invite).unwrap().replacen(
        "Max-Forwards",
        "Record-Route: <sip:near1.test;lr>, <sip:near2.test;lr>\r\nRecord-Route: <sip:far.test;lr>\r\nMax-Forwards",
        1,
    );
    let flow = w.udp(1, 0);
    w.deliver(flow, text.as_bytes());
    let key = w.request_at(1);
    let theirs = w.respond(1, key, 200).unwrap();
    w.run_ms(3);
    let ours = w.response_at(0).1.unwrap();
    w.take(1);
    w.uas[0].ack(w.now, ours, None).unwrap();
    let (_, ack) = w.uas[0].poll_output().unwrap();
    let ack = Message::parse(&ack).unwrap();
    // §12.1.2: reversed at the caller, §12.1.1: in order at the called.
    assert_eq!(
        ack.values(Name::Route).collect::<Vec<_>>(),
        ["<sip:far.test;lr>", "<sip:near2.test;lr>", "<sip:near1.test;lr>"]
    );
    assert_eq!(ack.uri(), "sip:u@192.0.2.2:5060");
    w.uas[1].request_in_dialog(w.now, theirs, Draft::request(Method::Info)).unwrap();
    let (_, info) = w.uas[1].poll_output().unwrap();
    let info = Message::parse(&info).unwrap();
    assert_eq!(info.values(Name::Route).count(), 3);
    assert_eq!(info.values(Name::Route).next(), Some("<sip:near1.test;lr>"));
    assert_eq!(info.uri(), "sip:u0@192.0.2.1:5060");
}

#[test]
fn cancel_waits_for_the_first_provisional() {
    let mut w = World::new(2);
    let key = w.send(0, 1, Method::Invite);
    w.cancel(0, key);
    w.run_ms(100);
    assert!(w.times(0, "CANCEL").is_empty());
    let invite = w.request_at(1);
    // The automatic 100 after 200 ms lets it go.
    w.run_ms(200);
    assert_eq!(w.times(0, "CANCEL"), [202]);
    assert_eq!(w.one(1), Told::Cancelled { invite });
    w.respond(1, invite, 487);
    w.run_ms(10);
    assert_eq!(w.response_at(0), (487, None));
    w.run_ms(100_000);
    assert!(w.take(0).is_empty() && w.take(1).is_empty());
    w.assert_at_rest();
}

#[test]
fn cancel_after_ringing_ends_the_early_dialog() {
    let mut w = World::new(2);
    let key = w.send(0, 1, Method::Invite);
    w.run_ms(10);
    let invite = w.request_at(1);
    let early = w.respond(1, invite, 180).unwrap();
    w.run_ms(10);
    let (status, ours) = w.response_at(0);
    assert_eq!(status, 180);
    assert!(!w.uas[0].dialog(ours.unwrap()).unwrap().confirmed);
    w.uas[0].cancel(w.now, key, Some("SIP;cause=200;text=\"Call completed elsewhere\"".into()));
    w.pump();
    let cancel = w.bytes.iter().rfind(|(_, b)| b.starts_with(b"CANCEL")).unwrap().1.clone();
    let invite_bytes = w.bytes.iter().find(|(_, b)| b.starts_with(b"INVITE")).unwrap().1.clone();
    let (c, i) = (Message::parse(&cancel).unwrap(), Message::parse(&invite_bytes).unwrap());
    for name in [Name::Via, Name::From, Name::To, Name::CallId] {
        assert_eq!(c.header(name), i.header(name));
    }
    assert_eq!((c.uri(), c.cseq().unwrap().number), (i.uri(), i.cseq().unwrap().number));
    assert!(c.header(Name::Reason).is_some());
    w.cancel(0, key);
    w.run_ms(10);
    assert_eq!(w.times(0, "CANCEL").len(), 1, "asked twice, sent once");
    assert_eq!(w.one(1), Told::Cancelled { invite });
    w.respond(1, invite, 487);
    assert!(w.uas[1].dialog(early).is_none());
    w.run_ms(10);
    assert_eq!(w.response_at(0), (487, None));
    assert!(w.uas[0].dialog(ours.unwrap()).is_none());
    w.run_ms(100_000);
    w.assert_at_rest();
}

#[test]
fn cancel_and_200_cross_and_the_call_is_up() {
    let mut w = World::new(2);
    let key = w.send(0, 1, Method::Invite);
    w.run_ms(10);
    let invite = w.request_at(1);
    w.respond(1, invite, 180);
    w.run_ms(10);
    w.take(0);
    w.cancel(0, key);
    w.respond(1, invite, 200);
    w.run_ms(10);
    let (status, ours) = w.response_at(0);
    assert_eq!(status, 200);
    assert!(w.take(1).is_empty(), "an answered INVITE cannot be cancelled");
    assert_eq!(w.times(1, "SIP/2.0 200").len(), 2, "INVITE and CANCEL are both answered 200");
    w.ack(0, ours.unwrap());
    w.run_ms(10);
    assert!(matches!(w.one(1), Told::Acked { .. }));
    w.hang_up(ours.unwrap());
}

#[test]
fn a_cancelled_invite_that_is_never_answered_ends_after_64_t1() {
    let mut w = World::new(2);
    let key = w.send(0, 1, Method::Invite);
    w.run_ms(10);
    let invite = w.request_at(1);
    w.respond(1, invite, 180);
    w.run_ms(10);
    w.take(0);
    w.cancel(0, key);
    w.run_ms(31_990);
    assert!(w.take(0).is_empty());
    w.run_ms(20);
    assert_eq!(w.one(0), Told::NoResponse { key, flow_failed: false });
    w.respond(1, invite, 487);
    w.run_ms(100_000);
    w.assert_at_rest();
}

#[test]
fn the_ack_to_a_refusal_is_the_transactions() {
    let mut w = World::new(2);
    w.send(0, 1, Method::Invite);
    w.run_ms(5);
    let key = w.request_at(1);
    w.respond(1, key, 302);
    w.run_ms(5);
    assert_eq!(w.response_at(0).0, 302);
    let find = |b: &str| w.bytes.iter().find(|(_, x)| x.starts_with(b.as_bytes())).unwrap().1.clone();
    let (invite, refusal, ack) = (find("INVITE"), find("SIP/2.0 302"), find("ACK"));
    let parse = |b: &'static [u8]| Message::parse(b).unwrap();
    let (invite, refusal, ack) = (parse(invite.leak()), parse(refusal.leak()), parse(ack.leak()));
    assert_eq!(ack.header(Name::Via), invite.header(Name::Via));
    assert_eq!(ack.header(Name::To), refusal.header(Name::To));
    assert_eq!(ack.header(Name::CSeq), Some("1 ACK"));
    w.run_ms(40_000);
    w.assert_at_rest();
}

/// A response of our peer as another phone behind a forking proxy would give it.
fn other_fork(response: &[u8], tag: &str) -> Vec<u8> {
    let text = String::from_utf8(response.to_vec()).unwrap();
    let old = Message::parse(response).unwrap().to_tag().unwrap().to_owned();
    text.replacen(&format!("tag={old}"), &format!("tag={tag}"), 1).into_bytes()
}

#[test]
fn each_fork_has_its_dialog_and_each_2xx_is_told() {
    let mut w = World::new(2);
    w.send(0, 1, Method::Invite);
    w.run_ms(5);
    let invite = w.request_at(1);
    w.respond(1, invite, 180);
    w.run_ms(5);
    let ringing = w.bytes.last().unwrap().1.clone();
    let first = w.response_at(0).1.unwrap();
    let flow = w.udp(0, 1);
    w.deliver(flow, &other_fork(&ringing, "two"));
    let second = w.response_at(0).1.unwrap();
    w.deliver(flow, &other_fork(&ringing, "three"));
    let third = w.response_at(0).1.unwrap();
    assert!(first != second && second != third);
    w.respond(1, invite, 200);
    w.run_ms(5);
    assert_eq!(w.response_at(0), (200, Some(first)));
    w.ack(0, first);
    let ok = w.bytes.iter().rfind(|(_, b)| b.starts_with(b"SIP/2.0 200")).unwrap().1.clone();
    w.deliver(flow, &other_fork(&ok, "two"));
    assert_eq!(w.response_at(0), (200, Some(second)), "RFC 6026: another fork's 2xx is told");
    w.ack(0, second);
    w.deliver(flow, &other_fork(&ok, "two"));
    assert!(w.take(0).is_empty(), "the same again is acknowledged and not told");
    w.deliver(flow, &other_fork(&ok, "four"));
    let (status, fourth) = w.response_at(0);
    assert!(status == 200 && fourth.is_some_and(|d| ![first, second, third].contains(&d)));
    w.ack(0, fourth.unwrap());
    assert_eq!(w.times(0, "ACK").len(), 4);
    assert!(w.uas[0].dialog(third).is_some());
    w.run_ms(33_000);
    assert!(w.uas[0].dialog(third).is_none(), "§13.2.2.4: a fork that never answered ends with timer M");
    for dialog in [second, fourth.unwrap()] {
        w.uas[0].forget_dialog(dialog);
    }
    w.take(1);
    w.hang_up(first);
}

#[test]
fn forks_have_a_limit() {
    let mut w = World::new(2);
    w.send(0, 1, Method::Invite);
    w.run_ms(5);
    let invite = w.request_at(1);
    w.respond(1, invite, 183);
    w.run_ms(5);
    let ringing = w.bytes.last().unwrap().1.clone();
    let flow = w.udp(0, 1);
    for n in 0..100 {
        w.deliver(flow, &other_fork(&ringing, &format!("fork{n}")));
    }
    assert_eq!(w.take(0).len(), 16);
    assert_eq!(w.uas[0].holds().dialogs, 16);
    w.respond(1, invite, 486);
    w.run_ms(50_000);
    w.assert_at_rest();
}

#[test]
fn a_re_invite_is_acknowledged_in_its_dialog() {
    let mut w = World::new(2);
    let (ours, theirs, _) = w.call();
    for (at, dialog, other) in [(0, ours, 1), (1, theirs, 0), (0, ours, 1)] {
        w.in_dialog(at, dialog, Method::Invite);
        w.run_ms(5);
        let key = w.request_at(other);
        w.respond(other, key, 200);
        w.run_ms(5);
        let (status, told) = w.response_at(at);
        assert_eq!((status, told), (200, Some(dialog)));
        w.ack(at, dialog);
        w.run_ms(5);
        assert!(matches!(w.one(other), Told::Acked { invite, .. } if invite == key));
    }
    // A refused one changes nothing.
    w.in_dialog(0, ours, Method::Invite);
    w.run_ms(5);
    let key = w.request_at(1);
    w.respond(1, key, 488);
    w.run_ms(5);
    assert_eq!(w.response_at(0), (488, Some(ours)));
    assert!(w.uas[0].dialog(ours).unwrap().confirmed);
    w.run_ms(60_000);
    w.hang_up(ours);
}

#[test]
fn re_invites_that_cross_are_told_491() {
    let mut w = World::new(2);
    let (ours, theirs, _) = w.call();
    w.in_dialog(0, ours, Method::Invite);
    w.in_dialog(1, theirs, Method::Invite);
    w.run_ms(10);
    assert_eq!(w.response_at(0), (491, Some(ours)));
    assert_eq!(w.response_at(1), (491, Some(theirs)));
    let again = w.uas[0].request_in_dialog(w.now, ours, Draft::request(Method::Invite));
    assert!(again.is_ok(), "after the refusal it may be tried again");
    w.run_ms(5);
    let key = w.request_at(1);
    let mine = w.uas[1].request_in_dialog(w.now, theirs, Draft::request(Method::Invite));
    assert_eq!(mine, Err(UaError::InviteUnderWay));
    w.respond(1, key, 200);
    w.run_ms(5);
    assert_eq!(w.response_at(0).0, 200);
    w.ack(0, ours);
    w.run_ms(5);
    assert!(matches!(w.one(1), Told::Acked { .. }));
    w.hang_up(ours);
}

#[test]
fn a_second_invite_before_the_first_is_answered_gets_500_with_retry_after() {
    let mut w = World::new(2);
    let (ours, _, _) = w.call();
    w.in_dialog(0, ours, Method::Invite);
    w.run_ms(5);
    let first = w.request_at(1);
    let invite = w.bytes.iter().rfind(|(_, b)| b.starts_with(b"INVITE")).unwrap().1.clone();
    let text = String::from_utf8(invite).unwrap().replacen("z9hG4bK", "z9hG4bKx", 1);
    let text = text.replacen("CSeq: 2", "CSeq: 3", 1);
    let flow = w.udp(1, 0);
    w.deliver(flow, text.as_bytes());
    assert!(w.take(1).is_empty());
    let (_, refusal) = w.bytes.last().unwrap();
    let refusal = Message::parse(refusal).unwrap();
    assert_eq!(refusal.status(), 500);
    assert!(refusal.retry_after().is_some_and(|s| s <= 10));
    w.respond(1, first, 200);
    w.run_ms(5);
    w.take(0);
    w.ack(0, ours);
    w.run_ms(5);
    w.take(1);
    w.uas[0].forget_dialog(ours);
}

#[test]
fn an_old_cseq_gets_500_and_goes_nowhere() {
    let mut w = World::new(2);
    let (ours, theirs, _) = w.call();
    w.in_dialog(0, ours, Method::Info);
    w.run_ms(5);
    let key = w.request_at(1);
    w.respond(1, key, 200);
    let info = w.bytes.iter().find(|(_, b)| b.starts_with(b"INFO")).unwrap().1.clone();
    let text = String::from_utf8(info).unwrap();
    let flow = w.udp(1, 0);
    for (n, (cseq, status)) in [(1, 500), (2, 500), (5, 0), (4, 500)].into_iter().enumerate() {
        let text = text.replacen("z9hG4bK", &format!("z9hG4bK{n}"), 1);
        w.deliver(flow, text.replacen("CSeq: 2", &format!("CSeq: {cseq}"), 1).as_bytes());
        let told = w.take(1);
        if status == 0 {
            assert_eq!(told.len(), 1, "a gap is no fault (§12.2.2)");
        } else {
            assert!(told.is_empty());
            assert_eq!(Message::parse(&w.bytes.last().unwrap().1).unwrap().status(), status);
        }
    }
    assert!(w.uas[1].dialog(theirs).is_some());
}

#[test]
fn an_update_moves_the_target() {
    let mut w = World::new(2);
    let (ours, theirs, _) = w.call();
    let draft = Draft::request(Method::Update).header("Contact", "<sip:new@192.0.2.77:5070;x=y?a=b>");
    w.uas[0].request_in_dialog(w.now, ours, draft).unwrap();
    w.run_ms(5);
    let key = w.request_at(1);
    assert_eq!(w.uas[1].dialog(theirs).unwrap().remote_target, "sip:new@192.0.2.77:5070;x=y");
    w.uas[1].respond(w.now, key, Draft::response(200).header("Contact", "<sip:moved@192.0.2.2>")).unwrap();
    w.run_ms(5);
    assert_eq!(w.response_at(0).0, 200);
    assert_eq!(w.uas[0].dialog(ours).unwrap().remote_target, "sip:moved@192.0.2.2");
    w.hang_up(ours);
}

#[test]
fn an_invite_with_credentials_has_them_on_its_ack() {
    let mut w = World::new(2);
    let flow = w.udp(0, 1);
    let (target, parties) = (w.target(flow), w.parties(0, 1));
    let parties =
        Parties { from: format!("{};tag=kept", parties.from), call_id: Some("same".into()), ..parties };
    let draft =
        Draft::request(Method::Invite).header("Authorization", "Digest username=\"a\", response=\"b\"");
    w.uas[0].request(w.now, target, parties, draft).unwrap();
    w.run_ms(5);
    let key = w.request_at(1);
    w.respond(1, key, 200);
    w.run_ms(5);
    let ours = w.response_at(0).1.unwrap();
    let info = w.uas[0].dialog(ours).unwrap();
    assert_eq!((&*info.call_id, &*info.local_tag), ("same", "kept"));
    w.uas[0].ack(w.now, ours, Some(bytes::Bytes::from_static(b"v=0\r\n"))).unwrap();
    w.run_ms(5);
    let (_, ack) = w.bytes.last().unwrap();
    let ack = Message::parse(ack).unwrap();
    assert_eq!(ack.header(Name::Authorization), Some("Digest username=\"a\", response=\"b\""));
    assert!(ack.has_sdp());
    assert!(matches!(w.one(1), Told::Acked { body, .. } if body == b"v=0\r\n"));
    w.hang_up(ours);
}

#[test]
fn a_bye_answered_401_may_be_sent_again_with_credentials() {
    let mut w = World::new(2);
    let (ours, _, _) = w.call();
    w.in_dialog(0, ours, Method::Bye);
    w.run_ms(5);
    // The peer (a proxy in truth) asks who we are, statelessly, and keeps the dialog.
    let bye = w.bytes.last().unwrap().1.clone();
    let flow = w.udp(1, 0);
    w.uas[1].respond_stateless(flow, &Message::parse(&bye).unwrap(), Draft::response(401));
    w.take(1);
    w.run_ms(5);
    assert_eq!(w.response_at(0).0, 401);
    let info = w.uas[0].request_in_dialog(w.now, ours, Draft::request(Method::Info));
    assert_eq!(info, Err(UaError::DialogGone));
    w.in_dialog(0, ours, Method::Bye);
    w.run_ms(5);
    let key = w.request_at(1);
    w.respond(1, key, 200);
    w.run_ms(5);
    assert_eq!(w.response_at(0).0, 200);
    w.run_ms(100_000);
    w.assert_at_rest();
}

#[test]
fn a_bye_nobody_answers_ends_all_the_same() {
    let mut w = World::new(2);
    let (ours, theirs, _) = w.call();
    w.drop_if = Some(Box::new(|_, text| text.starts_with("BYE")));
    let key = w.in_dialog(0, ours, Method::Bye);
    w.run_ms(33_000);
    assert_eq!(w.one(0), Told::NoResponse { key, flow_failed: false });
    w.uas[1].forget_dialog(theirs);
    w.run_ms(33_000);
    w.assert_at_rest();
}

#[test]
fn a_dialog_that_is_over_takes_and_gives_nothing() {
    let mut w = World::new(2);
    let (ours, theirs, _) = w.call();
    w.hang_up(ours);
    for (at, dialog) in [(0, ours), (1, theirs)] {
        let gone = w.uas[at].request_in_dialog(w.now, dialog, Draft::request(Method::Info));
        assert_eq!(gone, Err(UaError::DialogGone));
        assert_eq!(w.uas[at].ack(w.now, dialog, None), Err(UaError::DialogGone));
        w.uas[at].forget_dialog(dialog);
    }
    let bye = w.bytes.iter().find(|(_, b)| b.starts_with(b"BYE")).unwrap().1.clone();
    let flow = w.udp(1, 0);
    w.deliver(flow, &bye);
    assert_eq!(Message::parse(&w.bytes.last().unwrap().1).unwrap().status(), 481);
    w.assert_at_rest();
}
