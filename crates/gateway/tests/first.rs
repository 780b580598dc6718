//! The road once: a phone registers, an agent sits down, a call comes in and one goes out.

mod common;
use common::*;
use terms::*;

#[test]
fn a_phone_is_registered_once_its_row_is_durable() {
    let mut t = Table::new();
    t.held = Some(vec![]);
    let nothing_yet = t.register_as("desk-17", "203.0.113.17:5060", 600, "<sip:desk-17@203.0.113.17:5060>");
    assert_eq!(nothing_yet, "");
    t.stored(Ok(()));
    let ok = t.one(udp("203.0.113.17:5060"));
    assert_eq!(head(&ok), "200");
    assert_eq!(field(&ok, "Contact"), "<sip:desk-17@203.0.113.17:5060>;expires=600");
    let registered = |(to, notice): &(Audience, Notice)| {
        *to == Audience::Everyone
            && matches!(notice, Notice::Phone { device: DeviceId(17), state: PhoneState::Registered, .. })
    };
    assert!(t.notices.iter().any(registered));
    assert_eq!(t.gateway.phones(t.now).iter().filter(|p| p.state == PhoneState::Registered).count(), 1);
}

#[test]
fn a_call_for_ann_rings_the_phone_she_sits_at() {
    let mut t = Table::new();
    let up = t.call_up();
    assert!(body(&up.b_invite).starts_with(OFFER), "{}", up.b_invite);
    assert!(body(&up.a_ok).starts_with(ANSWER));
    assert!(!up.b_invite.contains("answer-after"), "auto-answer from outside is stripped");
    assert!(!up.b_invite.contains(TRUNK), "our topology is ours: {}", up.b_invite);
    assert_eq!(field(&up.b_invite, "Max-Forwards"), "69");
    assert_eq!(t.gateway.activity(AgentId(1)).0, Activity::InCall);

    let bye = in_dialog("BYE", &up.a_ok, udp(TRUNK), 2, fresh(), "");
    t.receive(udp(TRUNK), &bye);
    assert_eq!(t.heads(udp(TRUNK)), ["200"]);
    let bye = t.one(up.phone);
    assert_eq!(head(&bye), "BYE");
    assert!(field(&bye, "Reason").starts_with("Q.850;cause=16"));
    t.receive(up.phone, &reply(&bye, 200, "b", None, ""));

    assert_eq!(t.releases(), 1);
    let record = t.last_record();
    assert_eq!(record.end, Some(EndReason::HungUpByCaller));
    assert_eq!(
        (record.agent, record.device, record.login),
        (Some(AgentId(1)), Some(DeviceId(17)), Some(LoginId(1)))
    );
    assert_eq!(record.direction, Direction::In);
    assert_eq!((record.a.packets, record.b.packets), (11, 22));
    assert!(
        record.answered.is_some() && !record.b_call_id.is_empty() && record.a_call_id.starts_with("call-")
    );
    assert_eq!(t.gateway.activity(AgentId(1)).0, Activity::Idle);
    t.at_rest();
}

#[test]
fn a_call_to_the_outside_carries_the_agents_number() {
    let mut t = Table::new();
    let phone = t.register("desk-17", "203.0.113.17:5060");
    t.login(seated(1, 1, 1, 17));
    t.device_invites("desk-17", phone, "06912345", OFFER);
    let out = t.one(udp(TRUNK));
    assert!(out.starts_with("INVITE sip:+496912345@carrier.test SIP/2.0\r\n"), "{out}");
    assert!(field(&out, "From").starts_with("\"ann Example\" <sip:+496920000@carrier.test>"), "{out}");
    assert!(field(&out, "P-Asserted-Identity").contains("+496920000@carrier.test"));
    t.receive(udp(TRUNK), &reply(&out, 183, "t", Some(udp(TRUNK)), ANSWER));
    let early = t.one(phone);
    assert_eq!(head(&early), "183");
    assert!(body(&early).contains("by the gateway"));
    t.receive(udp(TRUNK), &reply(&out, 200, "t", Some(udp(TRUNK)), ANSWER));
    assert_eq!(t.heads(udp(TRUNK)), ["ACK"]);
    let ok = t.one(phone);
    assert_eq!(head(&ok), "200");
    let ack = in_dialog("ACK", &ok, phone, 2, fresh(), "");
    t.receive(phone, &ack);
    let bye = in_dialog_of_called("BYE", &out, &reply(&out, 200, "t", None, ""), udp(TRUNK), 1, fresh(), "");
    t.receive(udp(TRUNK), &bye);
    assert_eq!(t.heads(udp(TRUNK)), ["200"]);
    assert_eq!(t.heads(phone), ["BYE"]);
    assert_eq!(t.last_record().end, Some(EndReason::HungUpByCallee));
    assert_eq!(t.last_record().direction, Direction::Out);
    t.at_rest();
}
