//! RFC 4475 and RFC 5118 once more, this time through the `Ua`: what goes back on the wire, what reaches the owner,
//! and that nothing is left behind.

mod corpus;
mod ua_world;

use corpus::Verdict;
use sip::{Message, Name};
use terms::Flow;
use ua_world::*;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Becomes {
    /// The owner has it; the RFC's answer to it is his.
    HandedUp,
    /// The `Ua` answered this itself.
    Answered(u16),
    Silence,
}

/// Where the reader's verdict is not the whole story.
fn expected(name: &str, verdict: Verdict) -> Becomes {
    match (name, verdict) {
        // A To tag, and no dialog of ours that it names (RFC 3261 §12.2.2).
        ("rfc4475/wsinv" | "rfc5118/mult-ip-in-header", _) => Becomes::Answered(481),
        // A BYE that names no dialog of ours.
        ("rfc5118/via-received-param-with-delim", _) => Becomes::Answered(481),
        // A MESSAGE, which a gateway for calls does not serve.
        ("rfc4475/mpart01", _) => Becomes::Answered(405),
        // §3.1.1.2, §3.1.1.5: methods nobody has a word for (RFC 3261 §21.5.2).
        ("rfc4475/intmeth" | "rfc4475/esc02", _) => Becomes::Answered(501),
        // §3.1.1.12, §3.1.1.13: responses to requests we never sent.
        ("rfc4475/unreason" | "rfc4475/noreason", _) => Becomes::Silence,
        // §3.3.5: the Require and Proxy-Require nobody can fulfil.
        ("rfc4475/bext01", _) => Becomes::Answered(420),
        (_, Verdict::Accept) => Becomes::HandedUp,
        (_, Verdict::Refuse(status)) => Becomes::Answered(status),
        (_, Verdict::Drop) => Becomes::Silence,
    }
}

#[test]
fn every_torture_message_becomes_what_its_rfc_wants() {
    let mut wrong = Vec::new();
    let cases = corpus::all();
    assert_eq!(cases.len(), 61);
    for case in cases {
        let mut w = World::new(1);
        let flow = Flow::udp(w.addrs[0], "198.51.100.7:40312".parse().unwrap());
        w.deliver(flow, &case.bytes);
        let told = w.take(0);
        let answers: Vec<u16> = w.bytes.iter().map(|(_, b)| Message::parse(b).unwrap().status()).collect();
        let became = match (&told[..], &answers[..]) {
            ([Told::Request { .. }], []) => Becomes::HandedUp,
            ([], [status]) => Becomes::Answered(*status),
            ([], []) => Becomes::Silence,
            other => panic!("{}: {other:?}", case.name),
        };
        let wanted = expected(&case.name, case.verdict);
        if became != wanted {
            wrong.push(format!("{} ({}): {became:?}, not {wanted:?}", case.name, case.section));
        }
        if let [Told::Request { key, text }] = &told[..] {
            // Whatever the message looked like, the answer to it is a message everybody can read.
            let status = if text.contains("REGISTER") { 200 } else { 480 };
            w.respond(0, *key, status);
        }
        for (_, answer) in &w.bytes {
            let (answer, request) = (Message::parse(answer).unwrap(), Message::salvage(&case.bytes).unwrap());
            assert_eq!(answer.count(Name::Via), request.count(Name::Via), "{}", case.name);
            for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
                assert_eq!(answer.count(name), request.count(name).min(1), "{}", case.name);
            }
            assert_eq!(answer.call_id(), request.call_id(), "{}", case.name);
            // RFC 4475 §3.3.1 leaves out the To; what is not there has no tag.
            assert_eq!(answer.to().is_some(), answer.to_tag().is_some(), "{}", case.name);
        }
        w.run_ms(100_000);
        w.assert_at_rest();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_owner_refuses_a_torture_message_without_state_and_it_leaves_no_trace() {
    for case in corpus::all() {
        let mut w = World::new(1);
        let flow = Flow::udp(w.addrs[0], "198.51.100.7:40312".parse().unwrap());
        for _ in 0..2 {
            let received = w.uas[0].receive(w.now, flow, &case.bytes);
            if let Ok(sip::ua::Received::Request { request, .. }) = received {
                w.uas[0].respond_stateless(flow, &request, sip::Draft::response(401));
            }
            w.pump();
            w.assert_at_rest();
        }
        let answers: Vec<_> = w.bytes.iter().map(|(_, bytes)| bytes.clone()).collect();
        assert!(answers.len() == 2 && answers[0] == answers[1] || answers.is_empty(), "{}", case.name);
    }
}
