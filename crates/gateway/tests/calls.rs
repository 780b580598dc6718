//! How calls go when not everything goes well: cancelled, refused, crossed, lost, silent, changed on the way.

mod common;
use common::*;
use gateway::{Command, Input};
use std::time::Duration;
use terms::*;

/// Ann sits at desk-17 and is called; her phone has the INVITE.
fn ringing(t: &mut Table) -> (Flow, String, String) {
    let phone = t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    let a_invite = t.trunk_invites("2001", OFFER);
    let b_invite = t.one(phone);
    t.receive(phone, &reply(&b_invite, 180, "b", Some(phone), ""));
    assert_eq!(t.heads(udp(TRUNK)), ["180"]);
    (phone, a_invite, b_invite)
}
/// Ann calls the outside; the trunk has the INVITE.
fn calling_out(t: &mut Table) -> (Flow, String) {
    let phone = t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    t.device_invites("desk-17", phone, "06912345", OFFER);
    (phone, t.one(udp(TRUNK)))
}
fn silent(t: &mut Table, leg: Leg) {
    let call = t.gateway.calls()[0].call;
    t.input(Input::Media(MediaEvent::Silent { call, leg, from_start: false }));
}

#[test]
fn the_caller_gives_up_and_the_phone_stops_ringing() {
    let mut t = Table::new();
    let (phone, a_invite, b_invite) = ringing(&mut t);
    t.receive(udp(TRUNK), &cancel_of(&a_invite));
    assert_eq!(t.heads(udp(TRUNK)), ["200", "487"]);
    let cancel = t.one(phone);
    assert_eq!(head(&cancel), "CANCEL");
    assert!(field(&cancel, "Reason").contains("Q.850"));
    t.receive(phone, &reply(&cancel, 200, "b", None, ""));
    t.receive(phone, &reply(&b_invite, 487, "b", None, ""));
    assert_eq!(t.heads(phone), ["ACK"]);
    assert_eq!(t.last_record().end, Some(EndReason::CallerGaveUp));
    assert_eq!(t.releases(), 1);
    t.at_rest();
}

#[test]
fn a_cancel_that_crosses_the_answer_still_ends_both_legs() {
    let mut t = Table::new();
    let (phone, a_invite, b_invite) = ringing(&mut t);
    t.receive(udp(TRUNK), &cancel_of(&a_invite));
    t.at(udp(TRUNK));
    assert_eq!(t.heads(phone), ["CANCEL"]);
    // The person picked up before the CANCEL arrived.
    t.receive(phone, &reply(&b_invite, 200, "b", Some(phone), ANSWER));
    assert_eq!(t.heads(phone), ["ACK", "BYE"]);
    assert_eq!(t.records.iter().filter(|record| record.ended.is_some()).count(), 1);
    t.at_rest();
}

#[test]
fn what_the_phone_says_becomes_what_the_caller_hears() {
    for (status, told, end) in [
        (486, "486", EndReason::Busy),
        (600, "486", EndReason::Busy),
        (603, "603", EndReason::Declined),
        (480, "480", EndReason::NoAnswer),
        (488, "488", EndReason::NothingInCommon),
        (401, "480", EndReason::RejectedByPeer),
        (407, "480", EndReason::RejectedByPeer),
        (302, "480", EndReason::RejectedByPeer),
    ] {
        let mut t = Table::new();
        let (phone, _, b_invite) = ringing(&mut t);
        t.receive(phone, &reply(&b_invite, status, "b", None, ""));
        assert_eq!(t.heads(phone), ["ACK"], "{status}");
        let refusal = t.one(udp(TRUNK));
        assert_eq!(head(&refusal), told, "{status}");
        assert!(field(&refusal, "Reason").contains(end.sentence()), "{refusal}");
        assert!(!refusal.contains("Authenticate"));
        assert_eq!((t.last_record().end, t.last_record().peer_status), (Some(end), Some(status)));
    }
}

#[test]
fn nobody_answers_in_time() {
    let mut t = Table::new();
    let (phone, _, _) = ringing(&mut t);
    t.run_s(59);
    assert!(t.at(phone).is_empty());
    t.run_s(2);
    assert_eq!(t.heads(phone)[0], "CANCEL");
    // The 180 was said again in between, so that nobody on the way forgets the call (RFC 3261 §13.3.1.1 for 18x).
    assert_eq!(t.heads(udp(TRUNK)).iter().find(|one| *one != "180").unwrap(), "480");
    assert_eq!(t.last_record().end, Some(EndReason::NoAnswer));
}

#[test]
fn the_next_address_of_the_trunk_is_tried() {
    let mut t = Table::new();
    let (phone, first) = calling_out(&mut t);
    t.receive(udp(TRUNK), &reply(&first, 503, "t", None, ""));
    assert_eq!(t.heads(udp(TRUNK)), ["ACK"]);
    let second = t.one(udp(TRUNK_2));
    assert_eq!(head(&second), "INVITE");
    assert_eq!(body(&first), body(&second));
    t.receive(udp(TRUNK_2), &reply(&second, 404, "t", None, ""));
    assert_eq!(t.heads(phone), ["404"]);
    assert_eq!(t.last_record().end, Some(EndReason::UnknownNumber));
}

#[test]
fn an_address_that_says_nothing_is_left_after_six_seconds() {
    let mut t = Table::new();
    let (phone, first) = calling_out(&mut t);
    t.run(Duration::from_millis(5900));
    assert!(t.at(udp(TRUNK_2)).is_empty());
    t.run(Duration::from_millis(200));
    let second = t.one(udp(TRUNK_2));
    // The first one wakes up after all: it is answered and let go, and the call goes on at the second.
    t.at(udp(TRUNK));
    t.receive(udp(TRUNK), &reply(&first, 200, "t", Some(udp(TRUNK)), ANSWER));
    assert_eq!(t.heads(udp(TRUNK)), ["ACK", "BYE"]);
    t.receive(udp(TRUNK_2), &reply(&second, 200, "t2", Some(udp(TRUNK_2)), ANSWER));
    assert_eq!(t.heads(udp(TRUNK_2)), ["ACK"]);
    assert!(t.heads(phone).contains(&"200".to_owned()));
}

#[test]
fn a_bare_100_is_a_sign_of_life() {
    let mut t = Table::new();
    let (_, first) = calling_out(&mut t);
    t.receive(udp(TRUNK), &reply(&first, 100, "", None, ""));
    t.run_s(19);
    assert!(t.at(udp(TRUNK_2)).is_empty());
}

#[test]
fn an_answer_that_came_reliably_before_the_200_need_not_come_again() {
    let mut t = Table::new();
    let (phone, first) = calling_out(&mut t);
    assert_eq!(field(&first, "Supported"), "100rel");
    let early = reply(&first, 183, "t", Some(udp(TRUNK)), ANSWER);
    t.receive(udp(TRUNK), &early.replacen("Contact:", "Require: 100rel\r\nRSeq: 5\r\nContact:", 1));
    let prack = t.one(udp(TRUNK));
    assert_eq!((head(&prack).as_str(), field(&prack, "RAck").split(' ').next()), ("PRACK", Some("5")));
    t.receive(udp(TRUNK), &reply(&prack, 200, "t", None, ""));
    assert_eq!(t.heads(phone), ["183"]);
    t.receive(udp(TRUNK), &reply(&first, 200, "t", Some(udp(TRUNK)), ""));
    assert_eq!(t.heads(udp(TRUNK)), ["ACK"]);
    let answered = t.one(phone);
    assert!(head(&answered) == "200" && body(&answered).starts_with(ANSWER), "{answered}");
}

#[test]
fn ringing_with_early_media_still_says_that_it_rings() {
    let mut t = Table::new();
    let (phone, first) = calling_out(&mut t);
    t.receive(udp(TRUNK), &reply(&first, 180, "t", Some(udp(TRUNK)), ANSWER));
    let early = t.one(phone);
    assert!(head(&early) == "180" && body(&early).starts_with(ANSWER), "{early}");
    // A busy tone in the early media, then the refusal itself.
    t.receive(udp(TRUNK), &reply(&first, 183, "t", Some(udp(TRUNK)), ANSWER));
    assert_eq!(t.heads(phone), ["183"]);
    t.receive(udp(TRUNK), &reply(&first, 486, "t", None, ""));
    assert_eq!(t.heads(phone), ["486"]);
    assert_eq!(t.releases(), 1);
}

#[test]
fn no_address_of_the_trunk_answers() {
    let mut t = Table::new();
    let (phone, _) = calling_out(&mut t);
    t.run_s(13);
    assert_eq!(t.heads(phone).pop().unwrap(), "503");
    assert_eq!(t.last_record().end, Some(EndReason::TrunkUnavailable));
}

#[test]
fn every_contact_rings_and_the_first_to_answer_has_the_call() {
    let mut t = Table::new();
    let one = t.register("desk-17", "203.0.113.17:5060");
    let two = t.register("desk-17", "203.0.113.99:5060");
    t.login(seated(1, 1, 1, 17));
    t.trunk_invites("2001", OFFER);
    let (first, second) = (t.one(one), t.one(two));
    t.receive(one, &reply(&first, 180, "b1", Some(one), ""));
    t.receive(two, &reply(&second, 180, "b2", Some(two), ""));
    assert_eq!(t.heads(udp(TRUNK)), ["180"]);
    t.receive(two, &reply(&second, 200, "b2", Some(two), ANSWER));
    assert_eq!(t.heads(two), ["ACK"]);
    let cancel = t.one(one);
    assert_eq!(head(&cancel), "CANCEL");
    assert!(field(&cancel, "Reason").contains("completed elsewhere"));
    assert_eq!(t.heads(udp(TRUNK)), ["200"]);
    // The other one answered in the same moment.
    t.receive(one, &reply(&first, 200, "b1", Some(one), ANSWER));
    assert_eq!(t.heads(one), ["ACK", "BYE"]);
    assert_eq!(t.gateway.calls().len(), 1);
    t.command(Command::EndAll);
    t.at_rest();
}

#[test]
fn one_busy_contact_does_not_stop_the_other() {
    let mut t = Table::new();
    let one = t.register("desk-17", "203.0.113.17:5060");
    let two = t.register("desk-17", "203.0.113.99:5060");
    t.login(seated(1, 1, 1, 17));
    t.trunk_invites("2001", OFFER);
    let (first, second) = (t.one(one), t.one(two));
    t.receive(one, &reply(&first, 486, "b1", None, ""));
    assert!(t.at(udp(TRUNK)).is_empty());
    t.receive(two, &reply(&second, 480, "b2", None, ""));
    assert_eq!(t.heads(udp(TRUNK)), ["486"]);
}

#[test]
fn hold_and_resume_pass_in_both_directions() {
    let mut t = Table::new();
    let up = t.call_up();
    let hold = in_dialog("INVITE", &up.a_ok, udp(TRUNK), 2, fresh(), "v=0\r\nhold\r\n");
    t.receive(udp(TRUNK), &hold);
    let passed = t.one(up.phone);
    assert_eq!(head(&passed), "INVITE");
    assert!(body(&passed).starts_with("v=0\r\nhold\r\nby the gateway"));
    assert!(field(&passed, "To").contains("tag=b"));
    t.receive(up.phone, &reply(&passed, 200, "b", Some(up.phone), "v=0\r\nheld\r\n"));
    assert_eq!(t.heads(up.phone), ["ACK"]);
    let ok = t.one(udp(TRUNK));
    assert!(head(&ok) == "200" && body(&ok).starts_with("v=0\r\nheld\r\nby the gateway"), "{ok}");
    t.receive(udp(TRUNK), &in_dialog("ACK", &up.a_ok, udp(TRUNK), 2, fresh(), ""));

    // And the phone holds, by UPDATE.
    let hold = in_dialog_of_called("UPDATE", &up.b_invite, &up.b_ok, up.phone, 1, fresh(), "v=0\r\nhold\r\n");
    t.receive(up.phone, &hold);
    let passed = t.one(udp(TRUNK));
    assert_eq!(head(&passed), "INVITE");
    t.receive(udp(TRUNK), &reply(&passed, 200, "x", Some(udp(TRUNK)), "v=0\r\nheld\r\n"));
    assert_eq!(t.heads(udp(TRUNK)), ["ACK"]);
    assert_eq!(t.heads(up.phone), ["200"]);
    assert_eq!(t.gateway.calls().len(), 1);
    let turns: Vec<u32> = t
        .media
        .iter()
        .filter_map(|command| match command {
            MediaCommand::Offer { turn, .. } | MediaCommand::Answer { turn, .. } => Some(turn.0),
            _ => None,
        })
        .collect();
    assert_eq!(turns, [1, 1, 2, 2, 3, 3]);
}

#[test]
fn two_changes_at_once_are_glare() {
    let mut t = Table::new();
    let up = t.call_up();
    t.receive(udp(TRUNK), &in_dialog("INVITE", &up.a_ok, udp(TRUNK), 2, fresh(), OFFER));
    let passed = t.one(up.phone);
    let crossing = in_dialog_of_called("INVITE", &up.b_invite, &up.b_ok, up.phone, 1, fresh(), OFFER);
    t.receive(up.phone, &crossing);
    assert_eq!(t.heads(up.phone), ["491"]);
    // The phone says the same to ours; the asker learns it and may try again.
    t.receive(up.phone, &reply(&passed, 491, "b", None, ""));
    assert!(t.heads(udp(TRUNK)).contains(&"491".to_owned()));
    assert_eq!(t.gateway.calls().len(), 1);
}

#[test]
fn a_change_the_other_side_refuses_leaves_the_call_as_it_was() {
    let mut t = Table::new();
    let up = t.call_up();
    t.receive(udp(TRUNK), &in_dialog("INVITE", &up.a_ok, udp(TRUNK), 2, fresh(), OFFER));
    let passed = t.one(up.phone);
    t.receive(up.phone, &reply(&passed, 488, "b", None, ""));
    assert_eq!(t.heads(udp(TRUNK)), ["488"]);
    assert_eq!(t.gateway.calls().len(), 1);
    // And the next change is asked afresh.
    t.at(up.phone);
    let n = fresh();
    t.receive(udp(TRUNK), &in_dialog("INVITE", &up.a_ok, udp(TRUNK), 3, n, OFFER));
    assert_eq!(t.heads(up.phone), ["INVITE"]);
}

#[test]
fn a_dialog_the_phone_does_not_know_any_more_ends_the_call() {
    let mut t = Table::new();
    let up = t.call_up();
    t.receive(udp(TRUNK), &in_dialog("INVITE", &up.a_ok, udp(TRUNK), 2, fresh(), OFFER));
    let passed = t.one(up.phone);
    t.receive(up.phone, &reply(&passed, 481, "b", None, ""));
    let heads = t.heads(udp(TRUNK));
    assert!(heads.contains(&"BYE".to_owned()), "{heads:?}");
    assert_eq!(t.last_record().end, Some(EndReason::MediaLost));
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut t = Table::new();
    let phone = t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    t.trunk_invites("2001", "");
    let b_invite = t.one(phone);
    assert_eq!(body(&b_invite), "");
    t.receive(phone, &reply(&b_invite, 200, "b", Some(phone), OFFER));
    assert!(t.at(phone).is_empty(), "the ACK waits for the answer");
    let ok = t.one(udp(TRUNK));
    assert!(body(&ok).starts_with(OFFER));
    t.receive(udp(TRUNK), &in_dialog("ACK", &ok, udp(TRUNK), 1, fresh(), ANSWER));
    let ack = t.one(phone);
    assert_eq!(head(&ack), "ACK");
    assert!(body(&ack).starts_with(ANSWER));
    assert_eq!(t.gateway.activity(AgentId(1)).0, Activity::InCall);

    // The same again while it is up.
    t.receive(udp(TRUNK), &in_dialog("INVITE", &ok, udp(TRUNK), 2, fresh(), ""));
    let again = t.one(phone);
    assert_eq!(body(&again), "");
    t.receive(phone, &reply(&again, 200, "b", Some(phone), OFFER));
    let ok_2 = t.one(udp(TRUNK));
    assert!(body(&ok_2).starts_with(OFFER));
    t.receive(udp(TRUNK), &in_dialog("ACK", &ok, udp(TRUNK), 2, fresh(), ANSWER));
    assert!(body(&t.one(phone)).starts_with(ANSWER));
}

#[test]
fn digits_as_messages_cross_and_nothing_else_does() {
    let mut t = Table::new();
    let up = t.call_up();
    let info = |cseq, kind: &str, text: &str| {
        in_dialog("INFO", &up.a_ok, udp(TRUNK), cseq, fresh(), text).replace("application/sdp", kind)
    };
    let digits = info(2, "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n");
    t.receive(udp(TRUNK), &digits);
    assert_eq!(t.heads(udp(TRUNK)), ["200"]);
    let passed = t.one(up.phone);
    assert_eq!((head(&passed).as_str(), body(&passed)), ("INFO", "Signal=5\r\nDuration=160\r\n"));
    assert!(matches!(
        t.media.last(),
        Some(MediaCommand::Dtmf { leg: Leg::B, digit: '5', duration_ms: 160, .. })
    ));
    // What cannot be pressed crosses as it is.
    t.receive(up.phone, &reply(&passed, 200, "b", Some(up.phone), ""));
    t.receive(udp(TRUNK), &info(3, "application/dtmf-relay", "Signal=hook\r\n"));
    assert_eq!(t.heads(udp(TRUNK)), ["200"]);
    assert_eq!(body(&t.one(up.phone)), "Signal=hook\r\n");
    let other = info(4, "text/plain", "hello");
    t.receive(udp(TRUNK), &other);
    assert_eq!(t.heads(udp(TRUNK)), ["415"]);
    assert!(t.at(up.phone).is_empty());
}

#[test]
fn a_bye_that_is_lost_comes_again_and_the_call_is_over_anyway() {
    let mut t = Table::new();
    let up = t.call_up();
    t.receive(udp(TRUNK), &in_dialog("BYE", &up.a_ok, udp(TRUNK), 2, fresh(), ""));
    t.run_s(1);
    let byes = t.heads(up.phone);
    assert!(byes.len() >= 2 && byes.iter().all(|one| one == "BYE"), "{byes:?}");
    assert_eq!(t.releases(), 1);
    t.at_rest();
}

#[test]
fn an_answer_that_is_never_acknowledged_ends_both_legs() {
    let mut t = Table::new();
    let phone = t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    t.trunk_invites("2001", OFFER);
    let b_invite = t.one(phone);
    t.receive(phone, &reply(&b_invite, 200, "b", Some(phone), ANSWER));
    t.run_s(33);
    assert!(t.heads(phone).contains(&"BYE".to_owned()));
    assert!(t.heads(udp(TRUNK)).contains(&"BYE".to_owned()));
    assert_eq!(t.last_record().end, Some(EndReason::ProtocolError));
    t.at_rest();
}

#[test]
fn a_hang_up_before_the_ack_waits_with_its_bye() {
    let mut t = Table::new();
    let phone = t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    t.trunk_invites("2001", OFFER);
    let b_invite = t.one(phone);
    let b_ok = reply(&b_invite, 200, "b", Some(phone), ANSWER);
    t.receive(phone, &b_ok);
    let a_ok = t.one(udp(TRUNK));
    t.receive(phone, &in_dialog_of_called("BYE", &b_invite, &b_ok, phone, 1, fresh(), ""));
    assert_eq!(t.heads(phone), ["ACK", "200"]);
    assert!(t.at(udp(TRUNK)).is_empty());
    t.receive(udp(TRUNK), &in_dialog("ACK", &a_ok, udp(TRUNK), 1, fresh(), ""));
    assert_eq!(t.heads(udp(TRUNK)), ["BYE"]);
    assert_eq!(t.last_record().end, Some(EndReason::HungUpByCallee));
    t.at_rest();
}

#[test]
fn a_phone_that_dies_in_a_call_is_noticed() {
    let mut t = Table::new();
    let up = t.call_up();
    silent(&mut t, Leg::B);
    let silent_notice = |(_, notice): &(Audience, Notice)| {
        matches!(notice, Notice::Audio { silent: true, from_agent: true, .. })
    };
    assert!(t.notices.iter().any(silent_notice));
    assert_eq!(t.heads(up.phone), ["OPTIONS"]);
    t.run_s(11);
    assert_eq!(t.heads(udp(TRUNK))[0], "BYE");
    assert_eq!(t.last_record().end, Some(EndReason::MediaLost));
}

#[test]
fn a_muted_phone_that_answers_keeps_its_call() {
    let mut t = Table::new();
    let up = t.call_up();
    silent(&mut t, Leg::B);
    let options = t.one(up.phone);
    t.receive(up.phone, &reply(&options, 200, "b", None, ""));
    t.run_s(14);
    assert!(t.at(up.phone).is_empty());
    t.run_s(2);
    assert_eq!(t.heads(up.phone)[0], "OPTIONS");
    assert_eq!(t.gateway.calls().len(), 1);
}

#[test]
fn a_trunk_that_waits_to_be_spoken_to_is_not_asked_at_once() {
    let mut t = Table::new();
    t.call_up();
    let call = t.gateway.calls()[0].call;
    t.input(Input::Media(MediaEvent::Silent { call, leg: Leg::A, from_start: true }));
    assert!(
        t.notices.iter().any(|(_, notice)| matches!(notice, Notice::Audio { silent: true, .. })),
        "told, though"
    );
    t.run_s(14);
    assert!(t.at(udp(TRUNK)).is_empty(), "its ACK is younger than any answer could be");
    t.run_s(2);
    assert_eq!(t.heads(udp(TRUNK))[0], "OPTIONS");
}

#[test]
fn a_call_in_which_nobody_is_heard_ends_after_half_a_minute() {
    let mut t = Table::new();
    let up = t.call_up();
    for (leg, flow) in [(Leg::A, udp(TRUNK)), (Leg::B, up.phone)] {
        silent(&mut t, leg);
        let options = t.one(flow);
        t.receive(flow, &reply(&options, 200, "b", None, ""));
    }
    for _ in 0..29 {
        t.run_s(1);
        for flow in [udp(TRUNK), up.phone] {
            for options in t.at(flow) {
                t.receive(flow, &reply(&options, 200, "b", None, ""));
            }
        }
    }
    assert_eq!(t.gateway.calls().len(), 1);
    t.run_s(2);
    assert!(t.gateway.calls().is_empty());
    assert_eq!(t.last_record().end, Some(EndReason::MediaLost));
}

#[test]
fn media_that_cannot_be_had_refuses_the_call() {
    for (why, told) in [(MediaFailure::NothingInCommon, "488"), (MediaFailure::NoPorts, "503")] {
        let mut t = Table::new();
        let phone = t.register("desk-17", "203.0.113.17:5060");
        t.login(seated(1, 1, 1, 17));
        t.media_fails = Some(why);
        t.trunk_invites("2001", OFFER);
        assert_eq!(t.heads(udp(TRUNK)), [told]);
        assert!(t.at(phone).is_empty());
    }
}

#[test]
fn a_cancel_while_the_media_side_thinks_ends_it() {
    let mut t = Table::new();
    let phone = t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    t.media_held = true;
    let invite = t.trunk_invites("2001", OFFER);
    let call = t.gateway.calls()[0].call;
    t.receive(udp(TRUNK), &cancel_of(&invite));
    assert_eq!(t.heads(udp(TRUNK)), ["200", "487"]);
    // Its answer comes too late for anybody.
    let sdp = bytes::Bytes::from_static(b"v=0\r\n");
    t.input(Input::Media(MediaEvent::Sdp { call, turn: Turn(1), to: Leg::B, sdp }));
    assert!(t.at(phone).is_empty());
    assert_eq!(t.releases(), 1);
    t.at_rest();
}

#[test]
fn a_media_side_that_died_keeps_nobody_waiting() {
    let mut t = Table::new();
    t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    t.media_held = true;
    t.trunk_invites("2001", OFFER);
    t.run(Duration::from_millis(4_100));
    assert_eq!(t.heads(udp(TRUNK)), ["100", "503"]);
    assert_eq!(t.last_record().end, Some(EndReason::NoMediaPorts));
    t.at_rest();
}

#[test]
fn a_change_that_comes_to_no_end_does_not_block_the_next() {
    let mut t = Table::new();
    let up = t.call_up();
    t.receive(udp(TRUNK), &in_dialog("INVITE", &up.a_ok, udp(TRUNK), 2, fresh(), OFFER));
    let passed = t.one(up.phone);
    t.receive(up.phone, &reply(&passed, 100, "", None, ""));
    t.run_s(41);
    let refused = t.at(udp(TRUNK)).into_iter().find(|one| head(one) == "500").expect("an answer");
    let again = in_dialog("INVITE", &up.a_ok, udp(TRUNK), 2, fresh(), OFFER);
    t.receive(udp(TRUNK), &ack_of(&again, &refused));
    let cancel = t.at(up.phone).remove(0);
    assert_eq!(head(&cancel), "CANCEL");
    t.receive(up.phone, &reply(&cancel, 200, "b", None, ""));
    t.receive(up.phone, &reply(&passed, 487, "b", None, ""));
    t.at(up.phone);
    t.receive(udp(TRUNK), &in_dialog("INVITE", &up.a_ok, udp(TRUNK), 3, fresh(), OFFER));
    assert_eq!(t.heads(up.phone), ["INVITE"]);
    assert_eq!(t.gateway.calls().len(), 1);
}

#[test]
fn an_administrator_hangs_up_and_a_shutdown_ends_everything() {
    let mut t = Table::new();
    let up = t.call_up();
    let call = t.gateway.calls()[0].call;
    t.command(Command::HangUp(call));
    assert_eq!(t.heads(up.phone), ["BYE"]);
    assert_eq!(t.heads(udp(TRUNK)), ["BYE"]);
    assert_eq!(t.last_record().end, Some(EndReason::HungUpByAdministrator));
    t.command(Command::HangUp(call));
    assert!(t.at(up.phone).is_empty());

    t.trunk_invites("2001", OFFER);
    assert_eq!(t.heads(up.phone), ["INVITE"]);
    t.command(Command::Drain);
    assert!(!t.gateway.is_drained());
    t.trunk_invites("2001", OFFER);
    let refused = t.one(udp(TRUNK));
    assert_eq!(head(&refused), "503");
    assert_eq!(field(&refused, "Retry-After"), "5");
    t.command(Command::EndAll);
    assert!(t.gateway.is_drained());
    assert_eq!(t.last_record().end, Some(EndReason::Shutdown));
}

#[test]
fn a_phone_that_says_nothing_is_unreachable_and_asked() {
    let mut t = Table::new();
    let phone = t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    t.trunk_invites("2001", OFFER);
    t.run_s(7);
    let heads = t.heads(phone);
    assert!(heads.iter().any(|one| one == "OPTIONS"), "{heads:?}");
    let told = t.heads(udp(TRUNK));
    assert_eq!(told.iter().find(|one| *one != "100").unwrap(), "480");
    assert_eq!(t.last_record().end, Some(EndReason::PhoneUnreachable));
    t.run_s(6);
    assert_eq!(t.gateway.phone(t.now, DeviceId(17)).unwrap().state, PhoneState::Unreachable);
    // It comes back by registering again.
    t.at(phone);
    t.register("desk-17", "203.0.113.17:5060");
    assert_eq!(t.gateway.phone(t.now, DeviceId(17)).unwrap().state, PhoneState::Registered);
}
