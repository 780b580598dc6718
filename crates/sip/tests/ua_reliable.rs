//! Provisional responses that must arrive (RFC 3262), from both ends.

mod ua_world;

use sip::ua::*;
use sip::{Draft, Method};
use ua_world::*;

/// 0 asks 1 for reliable responses.
fn asks(w: &mut World) -> ClientKey {
    let flow = w.udp(0, 1);
    let (target, parties) = (w.target(flow), w.parties(0, 1));
    let draft = Draft::request(Method::Invite).header("Require", "100rel");
    let key = w.uas[0].request(w.now, target, parties, draft).unwrap();
    w.pump();
    w.run_ms(2);
    key
}

fn says(w: &mut World, key: ServerKey, status: u16, sdp: &str) -> Option<DialogKey> {
    let draft = Draft::response(status);
    let draft = if sdp.is_empty() { draft } else { draft.sdp(bytes::Bytes::copy_from_slice(sdp.as_bytes())) };
    let dialog = w.uas[1].respond(w.now, key, draft).unwrap();
    w.pump();
    dialog
}

fn statuses(w: &mut World, at: usize) -> Vec<u16> {
    let response = |told: Told| match told {
        Told::Response { status, .. } => status,
        other => panic!("{other:?}"),
    };
    w.take(at).into_iter().map(response).collect()
}

#[test]
fn a_reliable_180_gets_its_prack_and_the_call_goes_up() {
    let mut w = World::new(2);
    asks(&mut w);
    let invite = w.request_at(1);
    says(&mut w, invite, 180, "");
    w.run_ms(10);
    assert_eq!(statuses(&mut w, 0)[0], 180);
    assert!(w.take(1).is_empty(), "the PRACK is no business of the owner's");
    let theirs = says(&mut w, invite, 200, "v=0\r\n").unwrap();
    w.run_ms(5);
    let (status, ours) = w.response_at(0);
    assert_eq!(status, 200);
    w.ack(0, ours.unwrap());
    w.run_ms(5);
    let lines: Vec<&str> = w.log.iter().map(|(_, _, l)| l.split(" sip:").next().unwrap()).collect();
    assert_eq!(lines, ["INVITE", "SIP/2.0 180 Ringing", "PRACK", "SIP/2.0 200 OK", "SIP/2.0 200 OK", "ACK"]);
    w.take(0);
    w.take(1);
    w.in_dialog(1, theirs, Method::Bye);
    w.run_ms(5);
    let key = w.request_at(0);
    w.respond(0, key, 200);
    w.run_ms(100_000);
    w.assert_at_rest();
}

#[test]
fn what_comes_later_waits_for_the_prack_and_copies_are_heard_once() {
    let mut w = World::new(2);
    asks(&mut w);
    let invite = w.request_at(1);
    let mut lost = 0;
    w.drop_if = Some(Box::new(move |at, text| {
        // The first two PRACKs do not arrive.
        lost += u32::from(at == 0 && text.starts_with("PRACK"));
        at == 0 && text.starts_with("PRACK") && lost <= 2
    }));
    says(&mut w, invite, 183, "v=0\r\n");
    says(&mut w, invite, 180, "");
    says(&mut w, invite, 200, "v=0\r\n");
    assert_eq!(w.times(1, "SIP/2.0").len(), 1, "one at a time, and the 200 not before the PRACK");
    w.run_ms(600);
    assert_eq!(w.times(1, "SIP/2.0 183").len(), 2, "sent again after T1");
    w.run_ms(2_000);
    let heard: Vec<u16> = statuses(&mut w, 0);
    assert_eq!(heard.iter().filter(|status| **status == 183).count(), 1, "{heard:?}");
    assert_eq!(heard.iter().filter(|status| **status == 200).count(), 2, "one for the PRACK: {heard:?}");
    assert!(w.times(1, "SIP/2.0 180").is_empty(), "the 200 says more");
}

#[test]
fn a_prack_that_names_nothing_is_481() {
    let mut w = World::new(2);
    asks(&mut w);
    let invite = w.request_at(1);
    let mut pracks = Vec::new();
    says(&mut w, invite, 180, "");
    w.run_ms(10);
    let (_, dialog) = match w.take(0).remove(0) {
        Told::Response { status, dialog, .. } => (status, dialog.unwrap()),
        other => panic!("{other:?}"),
    };
    for rack in ["1 1 INVITE", "nonsense", ""] {
        let draft = Draft::request(Method::PRack).header("RAck", rack);
        pracks.push(w.uas[0].request_in_dialog(w.now, dialog, draft).unwrap());
        w.pump();
        w.run_ms(10);
        assert_eq!(statuses(&mut w, 0), [481], "{rack:?}");
    }
    assert!(w.take(1).is_empty());
}

#[test]
fn without_any_prack_the_phone_still_rings_and_the_call_still_comes_up() {
    let mut w = World::new(2);
    asks(&mut w);
    let invite = w.request_at(1);
    w.drop_if = Some(Box::new(|at, text| at == 0 && text.starts_with("PRACK")));
    says(&mut w, invite, 183, "v=0\r\n");
    says(&mut w, invite, 200, "v=0\r\n");
    w.run_ms(33_000);
    let sent = w.times(1, "SIP/2.0 183");
    assert_eq!(
        sent.iter().map(|ms| ms - sent[0]).collect::<Vec<_>>(),
        [0, 500, 1500, 3500, 7500, 15500, 31500]
    );
    assert!(!w.times(1, "SIP/2.0 200").is_empty());
}
