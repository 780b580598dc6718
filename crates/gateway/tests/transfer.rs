//! Blind transfer: who asks is told how it goes, who was talked to speaks with somebody else, and nothing is left behind.

mod common;
use common::*;
use std::time::Duration;
use terms::*;

/// Ann at desk-17 speaks with the outside, Bob sits at desk-18.
fn two(t: &mut Table) -> (Up, Flow) {
    let up = t.call_up();
    let bob = t.register("desk-18", "203.0.113.18:5060");
    t.login(seated(2, 2, 1, 18));
    (up, bob)
}
fn refer(up: &Up, cseq: u32, lines: &str) -> String {
    let plain = in_dialog_of_called("REFER", &up.b_invite, &up.b_ok, up.phone, cseq, fresh(), "");
    plain.replace("Content-Length", &format!("{lines}Content-Length"))
}
fn to(number: &str) -> String {
    format!("Refer-To: <sip:{number}@hotseat.test>\r\n")
}
/// What the asker was told last, its NOTIFYs answered.
fn told(t: &mut Table, up: &Up) -> Vec<String> {
    let mut told = vec![];
    for text in t.at(up.phone) {
        if head(&text) == "NOTIFY" {
            assert!(field(&text, "Event").starts_with("refer;id="), "{text}");
            assert_eq!(field(&text, "Content-Type"), "message/sipfrag;version=2.0");
            let state = field(&text, "Subscription-State").split(';').next().unwrap();
            told.push(format!("{} {state}", body(&text).split(' ').nth(1).unwrap()));
            t.receive(up.phone, &reply(&text, 200, "b", None, ""));
        } else {
            told.push(head(&text));
            if head(&text) == "BYE" {
                t.receive(up.phone, &reply(&text, 200, "b", None, ""));
            }
        }
    }
    told
}
fn one_record(t: &Table) -> usize {
    t.records.iter().filter(|record| record.ended.is_some()).count()
}
/// Bob's phone has the INVITE.
fn ringing_bob(t: &mut Table, up: &Up, bob: Flow) -> String {
    t.receive(up.phone, &refer(up, 1, &to("2002")));
    assert_eq!(told(t, up), ["202", "100 active"]);
    let invite = t.one(bob);
    assert_eq!((head(&invite).as_str(), body(&invite)), ("INVITE", ""));
    t.receive(bob, &reply(&invite, 180, "c", Some(bob), ""));
    assert_eq!(told(t, up), ["180 active"]);
    invite
}
/// Bob picked up; the outside has our re-INVITE.
fn joining(t: &mut Table, up: &Up, bob: Flow) -> (String, String, String) {
    let invite = ringing_bob(t, up, bob);
    let ok = reply(&invite, 200, "c", Some(bob), "v=bob\r\n");
    t.receive(bob, &ok);
    assert!(t.at(bob).is_empty(), "the answer is not there yet");
    let again = t.one(udp(TRUNK));
    assert_eq!((head(&again).as_str(), body(&again)), ("INVITE", "v=bob\r\nby the gateway\r\n"));
    (invite, ok, again)
}
fn joined(t: &mut Table, up: &Up, bob: Flow) -> (String, String) {
    let (invite, ok, again) = joining(t, up, bob);
    t.receive(udp(TRUNK), &reply(&again, 200, "x", Some(udp(TRUNK)), "v=outside\r\n"));
    assert_eq!(t.heads(udp(TRUNK)), ["ACK"]);
    let ack = t.one(bob);
    assert_eq!((head(&ack).as_str(), body(&ack)), ("ACK", "v=outside\r\nby the gateway\r\n"));
    assert_eq!(told(t, up), ["200 terminated", "BYE"]);
    (invite, ok)
}

#[test]
fn the_caller_speaks_with_bob_and_ann_is_free() {
    let mut t = Table::new();
    let (up, bob) = two(&mut t);
    let (invite, ok) = joined(&mut t, &up, bob);
    assert!(t.gateway.calls_of(AgentId(1)).is_empty());
    assert_eq!(t.gateway.calls_of(AgentId(2)).len(), 1);
    assert_eq!(t.gateway.activity(AgentId(1)).0, Activity::Idle);
    assert_eq!(t.gateway.activity(AgentId(2)).0, Activity::InCall);
    // Ann's login is no business of this call any more.
    let mut over = seated(1, 1, 1, 17);
    over.ended = Some(LoginEnd { at: WallTime(2), why: LoginEndReason::LoggedOut, from: String::new() });
    t.login(over);
    assert_eq!(t.gateway.calls_alive(), 1);
    t.receive(bob, &in_dialog_of_called("BYE", &invite, &ok, bob, 1, fresh(), ""));
    assert_eq!(t.heads(bob), ["200"]);
    let bye = t.one(udp(TRUNK));
    assert_eq!(head(&bye), "BYE");
    t.receive(udp(TRUNK), &reply(&bye, 200, "x", None, ""));
    assert_eq!((one_record(&t), t.releases()), (1, 1));
    t.at_rest();
}

#[test]
fn bob_is_busy_and_the_call_goes_on() {
    let mut t = Table::new();
    let (up, bob) = two(&mut t);
    let invite = ringing_bob(&mut t, &up, bob);
    t.receive(bob, &reply(&invite, 486, "c", None, ""));
    assert_eq!(t.heads(bob), ["ACK"]);
    assert_eq!(told(&mut t, &up), ["486 terminated"]);
    assert!(t.at(udp(TRUNK)).is_empty());
    assert_eq!((t.gateway.calls_alive(), t.gateway.calls_of(AgentId(2)).len()), (1, 0));
    assert_eq!(t.gateway.calls_of(AgentId(1)).len(), 1);
    // She may try again, and hang up.
    t.receive(up.phone, &refer(&up, 2, &to("2002")));
    assert_eq!(told(&mut t, &up), ["202", "100 active"]);
    let second = t.one(bob);
    t.receive(bob, &reply(&second, 180, "d", Some(bob), ""));
    t.receive(up.phone, &in_dialog_of_called("BYE", &up.b_invite, &up.b_ok, up.phone, 3, fresh(), ""));
    assert_eq!(t.heads(bob), ["CANCEL"]);
    t.receive(bob, &reply(&second, 487, "d", None, ""));
    assert_eq!((t.gateway.calls_alive(), one_record(&t)), (0, 1));
}

#[test]
fn the_caller_hangs_up_while_bob_rings() {
    let mut t = Table::new();
    let (up, bob) = two(&mut t);
    let invite = ringing_bob(&mut t, &up, bob);
    t.receive(udp(TRUNK), &in_dialog("BYE", &up.a_ok, udp(TRUNK), 2, fresh(), ""));
    assert_eq!(t.heads(udp(TRUNK)), ["200"]);
    assert_eq!(told(&mut t, &up), ["487 terminated", "BYE"]);
    let cancel = t.one(bob);
    assert_eq!(head(&cancel), "CANCEL");
    t.receive(bob, &reply(&cancel, 200, "c", None, ""));
    t.receive(bob, &reply(&invite, 487, "c", None, ""));
    assert_eq!(t.heads(bob), ["ACK"]);
    assert_eq!((one_record(&t), t.releases()), (1, 1));
    t.at_rest();
}

#[test]
fn ann_is_logged_out_while_bob_rings_or_is_joined() {
    for late in [false, true] {
        let mut t = Table::new();
        let (up, bob) = two(&mut t);
        let invite = if late { joining(&mut t, &up, bob).0 } else { ringing_bob(&mut t, &up, bob) };
        t.login(seated(3, 1, 2, 19));
        assert_eq!(told(&mut t, &up), ["487 terminated", "BYE"]);
        if late {
            assert_eq!(t.heads(bob), ["ACK", "BYE"]);
        } else {
            assert_eq!(t.heads(bob), ["CANCEL"]);
            t.receive(bob, &reply(&invite, 487, "c", None, ""));
        }
        assert!(t.heads(udp(TRUNK)).contains(&"BYE".to_owned()));
        assert_eq!((t.gateway.calls_alive(), one_record(&t), t.releases()), (0, 1, 1));
        assert_eq!(t.last_record().end, Some(EndReason::LoggedOutElsewhere));
        t.at_rest();
    }
}

#[test]
fn bob_is_logged_out_while_he_rings_and_ann_keeps_her_call() {
    let mut t = Table::new();
    let (up, bob) = two(&mut t);
    ringing_bob(&mut t, &up, bob);
    t.login(seated(4, 2, 2, 19));
    assert_eq!(t.heads(bob)[0], "CANCEL");
    assert_eq!(told(&mut t, &up), ["480 terminated"]);
    assert_eq!(t.gateway.calls_alive(), 1);
}

#[test]
fn the_outside_refuses_to_be_joined_and_the_call_goes_on() {
    let mut t = Table::new();
    let (up, bob) = two(&mut t);
    let (_, _, again) = joining(&mut t, &up, bob);
    t.receive(udp(TRUNK), &reply(&again, 488, "x", None, ""));
    assert_eq!(t.heads(bob), ["ACK", "BYE"]);
    assert_eq!(told(&mut t, &up), ["488 terminated"]);
    assert_eq!((t.gateway.calls_alive(), t.releases()), (1, 0));
}

#[test]
fn bob_hangs_up_before_he_is_joined() {
    for agrees in [false, true] {
        let mut t = Table::new();
        let (up, bob) = two(&mut t);
        let (invite, ok, again) = joining(&mut t, &up, bob);
        t.receive(bob, &in_dialog_of_called("BYE", &invite, &ok, bob, 1, fresh(), ""));
        assert_eq!(t.heads(bob), ["200"]);
        if agrees {
            t.receive(udp(TRUNK), &reply(&again, 200, "x", Some(udp(TRUNK)), "v=outside\r\n"));
            assert_eq!(t.heads(udp(TRUNK)), ["ACK", "BYE"]);
            assert_eq!((t.gateway.calls_alive(), one_record(&t)), (0, 1));
            told(&mut t, &up);
            t.at_rest();
        } else {
            t.receive(udp(TRUNK), &reply(&again, 487, "x", None, ""));
            assert_eq!(told(&mut t, &up), ["487 terminated"]);
            assert_eq!(t.gateway.calls_alive(), 1);
        }
    }
}

#[test]
fn nobody_picks_up() {
    let mut t = Table::new();
    let (up, bob) = two(&mut t);
    ringing_bob(&mut t, &up, bob);
    t.run(Duration::from_secs(61));
    assert_eq!(t.heads(bob)[0], "CANCEL");
    assert!(told(&mut t, &up).contains(&"480 terminated".to_owned()));
    assert_eq!(t.gateway.calls_alive(), 1);
}

#[test]
fn a_call_out_of_the_house_again_counts_on_the_trunk() {
    let mut t = Table::new();
    let (up, _) = two(&mut t);
    t.receive(up.phone, &refer(&up, 1, &to("06912345")));
    assert_eq!(told(&mut t, &up), ["202", "100 active"]);
    let invite = t.one(udp(TRUNK));
    t.receive(udp(TRUNK), &reply(&invite, 200, "c", Some(udp(TRUNK)), "v=far\r\n"));
    let again = t.one(udp(TRUNK));
    t.receive(udp(TRUNK), &reply(&again, 200, "x", Some(udp(TRUNK)), "v=outside\r\n"));
    assert_eq!(t.heads(udp(TRUNK)), ["ACK", "ACK"]);
    assert_eq!(told(&mut t, &up), ["200 terminated", "BYE"]);
    assert!(t.gateway.calls_of(AgentId(1)).is_empty());
    t.receive(udp(TRUNK), &in_dialog("BYE", &up.a_ok, udp(TRUNK), 2, fresh(), ""));
    for text in t.at(udp(TRUNK)) {
        if head(&text) == "BYE" {
            t.receive(udp(TRUNK), &reply(&text, 200, "c", None, ""));
        }
    }
    assert_eq!((one_record(&t), t.releases()), (1, 1));
    t.at_rest();
}

#[test]
fn what_may_not_be_transferred_is_refused_and_changes_nothing() {
    let mut t = Table::new();
    let (up, bob) = two(&mut t);
    let cases = [
        (String::new(), "400"),
        (to("2002") + &to("2001"), "400"),
        ("Refer-To: <sip:2002@198.51.100.66>\r\n".into(), "404"),
        ("Refer-To: <sip:2002@hotseat.test?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>\r\n".into(), "403"),
        ("Refer-To: <sip:2002@hotseat.test;method=BYE>\r\n".into(), "403"),
        (to("+97912345"), "403"),
        (to("nobody"), "404"),
    ];
    for (n, (lines, status)) in cases.iter().enumerate() {
        t.receive(up.phone, &refer(&up, n as u32 + 1, lines));
        assert_eq!(t.heads(up.phone), [*status], "{lines}");
    }
    // The outside may not send our calls elsewhere, and nobody may from another address.
    let theirs = in_dialog("REFER", &up.a_ok, udp(TRUNK), 2, fresh(), "");
    t.receive(udp(TRUNK), &theirs.replace("Content-Length", &(to("2002") + "Content-Length")));
    assert_eq!(t.heads(udp(TRUNK)), ["403"]);
    let elsewhere = udp("203.0.113.66:5060");
    t.receive(elsewhere, &refer(&up, 20, &to("2002")));
    assert_eq!(t.heads(elsewhere), ["403"]);
    let outside = refer(&up, 21, &to("2002")).replace("Call-ID: ", "Call-ID: x").replace(";tag=", ";x=");
    t.receive(elsewhere, &outside);
    assert_eq!(t.heads(elsewhere), ["403"]);
    assert!(t.at(bob).is_empty());
    assert_eq!(t.gateway.calls_alive(), 1);
}
