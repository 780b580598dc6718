//! Who may do what: registrations with the right and the wrong secret, logins that come and go, limits, strangers.

mod common;
use common::*;
use gateway::{Command, Input, plan::Caller, plan::Route};
use terms::*;

const PHONE: &str = "203.0.113.17:5060";

fn register_with(t: &mut Table, name: &str, secret: &str, to: &str) -> String {
    let flow = udp(PHONE);
    let n = fresh();
    let request = |cseq: u32, authorization: &str| {
        format!(
            "REGISTER sip:hotseat.test SIP/2.0\r\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bKq{n}c{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@hotseat.test>;tag=f{n}\r\nTo: <sip:{to}@hotseat.test>\r\n\
             Call-ID: w{n}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{name}@{PHONE}>\r\n\
             {authorization}Content-Length: 0\r\n\r\n"
        )
    };
    t.receive(flow, &request(1, ""));
    let Some(challenge) = t.at(flow).pop() else { return String::new() };
    let authorization = answer_challenge_with(&challenge, name, secret, "REGISTER", "sip:hotseat.test");
    t.receive(flow, &request(2, &authorization));
    t.at(flow).pop().unwrap_or_default()
}

/// What a challenge says apart from what is different each time.
fn shape(text: &str) -> String {
    let changes = |line: &&str| {
        !["Via", "Call-ID", "CSeq", "From", "To"].iter().any(|name| line.starts_with(&format!("{name}:")))
    };
    let lines: Vec<String> = text
        .lines()
        .filter(changes)
        .map(|line| match line.split_once("nonce=\"") {
            Some((before, after)) => {
                format!("{before}{}", after.split_once('"').map_or("", |(_, rest)| rest))
            }
            None => line.to_owned(),
        })
        .collect();
    lines.join("\n")
}

#[test]
fn a_wrong_secret_and_an_unknown_name_get_the_same_answer() {
    let mut t = Table::new();
    let wrong = register_with(&mut t, "desk-17", "guess", "desk-17");
    let unknown = register_with(&mut t, "desk-99", "guess", "desk-99");
    assert_eq!(head(&wrong), "401");
    assert_eq!(shape(&wrong), shape(&unknown));
    assert_eq!(t.gateway.registrar().len(), 0);
}

#[test]
fn nobody_registers_under_anothers_name() {
    let mut t = Table::new();
    let foreign = register_with(&mut t, "desk-17", "secret of desk-17", "desk-18");
    assert_eq!(head(&foreign), "403");
    assert_eq!(t.gateway.registrar().len(), 0);
    assert_eq!(head(&register_with(&mut t, "desk-17", "secret of desk-17", "desk-17")), "200");
}

#[test]
fn a_guesser_is_met_with_silence_and_the_phone_itself_is_not() {
    let mut t = Table::new();
    t.register("desk-18", "203.0.113.18:5060");
    for _ in 0..5 {
        assert_eq!(head(&register_with(&mut t, "desk-17", "guess", "desk-17")), "401");
    }
    assert_eq!(register_with(&mut t, "desk-17", "secret of desk-17", "desk-17"), "");
    // From elsewhere it goes on, and here after a while.
    let elsewhere = t.register_as("desk-17", "198.18.0.9:5060", 600, "<sip:desk-17@198.18.0.9:5060>");
    assert_eq!(head(&elsewhere), "200");
    t.run_s(2);
    assert_eq!(head(&register_with(&mut t, "desk-17", "secret of desk-17", "desk-17")), "200");
}

#[test]
fn a_busy_store_is_503_and_never_401() {
    let mut t = Table::new();
    for error in [StoreError::Busy("busy".into()), StoreError::Failed("disk full".into())] {
        t.store_error = Some(error);
        let answer = t.register_as("desk-17", PHONE, 600, "<sip:desk-17@203.0.113.17:5060>");
        assert_eq!(head(&answer), "503");
        assert!(!field(&answer, "Retry-After").is_empty());
        assert_eq!(t.gateway.registrar().len(), 0);
    }
    t.store_error = None;
    t.register("desk-17", PHONE);
    t.gateway.registrar().check_indexes().unwrap();
}

#[test]
fn two_registrations_at_once_are_written_one_after_the_other() {
    let mut t = Table::new();
    t.held = Some(vec![]);
    t.register_as("desk-17", PHONE, 600, "<sip:desk-17@203.0.113.17:5060>");
    t.register_as("desk-17", PHONE, 600, "<sip:desk-17@203.0.113.17:5062>");
    assert_eq!(t.held.as_ref().unwrap().len(), 1);
    t.stored(Ok(()));
    assert_eq!(fields(&t.one(udp(PHONE)), "Contact").len(), 1);
    t.stored(Ok(()));
    assert_eq!(fields(&t.one(udp(PHONE)), "Contact").len(), 2);
}

#[test]
fn a_binding_expires_and_the_list_is_told() {
    let mut t = Table::new();
    t.register("desk-17", PHONE);
    t.notices.clear();
    t.run_s(601);
    let expired = |(_, notice): &(Audience, Notice)| {
        matches!(notice, Notice::Phone { state: PhoneState::Expired, device: DeviceId(17), .. })
    };
    assert!(t.notices.iter().any(expired), "{:?}", t.notices);
    t.login(seated(1, 1, 1, 17));
    t.trunk_invites("2001", OFFER);
    assert_eq!(t.heads(udp(TRUNK)), ["480"]);
}

#[test]
fn a_probe_finds_out_whether_a_phone_is_there() {
    let mut t = Table::new();
    let phone = t.register("desk-17", PHONE);
    t.command(Command::Probe(DeviceId(17)));
    let options = t.one(phone);
    t.receive(phone, &reply(&options, 404, "b", None, ""));
    assert_eq!(t.gateway.phone(t.now, DeviceId(17)).unwrap().state, PhoneState::Registered);
    t.command(Command::Probe(DeviceId(17)));
    t.run_s(6);
    assert_eq!(t.gateway.phone(t.now, DeviceId(17)).unwrap().state, PhoneState::Unreachable);
    let late = t.at(phone).pop().unwrap();
    t.receive(phone, &reply(&late, 200, "b", None, ""));
    assert_eq!(t.gateway.phone(t.now, DeviceId(17)).unwrap().state, PhoneState::Registered);
}

#[test]
fn a_phone_that_registers_has_answered_every_question_about_it() {
    let mut t = Table::new();
    let phone = t.register("desk-17", PHONE);
    let state = |t: &Table| t.gateway.phone(t.now, DeviceId(17)).unwrap().state;
    t.command(Command::Probe(DeviceId(17)));
    t.run_s(3);
    t.at(phone);
    t.register("desk-17", PHONE);
    t.run_s(60);
    assert_eq!(state(&t), PhoneState::Registered);
    // Asked again, it is given the whole time again.
    t.command(Command::Probe(DeviceId(17)));
    t.run_s(4);
    assert_eq!(state(&t), PhoneState::Registered);
    t.run_s(2);
    assert_eq!(state(&t), PhoneState::Unreachable);
    t.at(phone);
    t.register("desk-17", PHONE);
    t.run_s(60);
    assert_eq!(state(&t), PhoneState::Registered, "the old OPTIONS runs out and changes nothing");
}

#[test]
fn a_restored_phone_takes_calls_without_registering_again() {
    let mut t = Table::new();
    t.register("desk-17", PHONE);
    let binding = t.gateway.registrar().lookup(t.now, &Aor::new("desk-17", "hotseat.test")).remove(0).0;
    let mut after = Table::new();
    after.now = t.now;
    after.input(Input::Restored(binding));
    after.login(seated(1, 1, 1, 17));
    after.trunk_invites("2001", OFFER);
    assert_eq!(after.heads(udp(PHONE)), ["INVITE"]);
}

#[test]
fn forced_logout_ends_the_live_call_at_the_old_desk() {
    let mut t = Table::new();
    let up = t.call_up();
    t.register("desk-18", "203.0.113.18:5060");
    t.notices.clear();
    // A second call rings at the same time.
    t.trunk_invites("2001", OFFER);
    let ringing = t.one(up.phone);
    t.receive(up.phone, &reply(&ringing, 180, "r", Some(up.phone), ""));
    t.at(udp(TRUNK));

    t.login(seated(2, 1, 2, 18));
    assert_eq!(t.heads(up.phone), ["CANCEL", "BYE"], "ringing first, then live");
    let far = t.at(udp(TRUNK));
    assert_eq!(far.iter().map(|one| head(one)).collect::<Vec<_>>(), ["480", "BYE"]);
    assert!(far[0].contains("logged in somewhere else"));
    assert_eq!(t.last_record().end, Some(EndReason::LoggedOutElsewhere));
    let told = |(to, notice): &(Audience, Notice)| {
        *to == Audience::Login(LoginId(1))
            && matches!(notice, Notice::LoginEnded { why: LoginEndReason::TakenOver, sentence, .. }
                if sentence.starts_with("Another user has logged with your credentials"))
    };
    assert!(t.notices.iter().any(told));
    let seats: Vec<_> = t
        .notices
        .iter()
        .filter_map(|(_, notice)| match notice {
            Notice::Seat { device, agent, .. } => Some((device.0, agent.map(|agent| agent.0))),
            _ => None,
        })
        .collect();
    assert_eq!(seats, [(17, None), (18, Some(1))]);

    t.trunk_invites("2001", OFFER);
    assert_eq!(t.heads(udp("203.0.113.18:5060")), ["INVITE"]);
    assert!(t.at(up.phone).is_empty());
    // The old row again, and the older one: nothing.
    let before = t.notices.len();
    t.login(seated(1, 1, 1, 17));
    t.login(seated(2, 1, 2, 18));
    assert_eq!(t.notices.len(), before);
    // What the old desk asks late is asked by a phone with nobody at it.
    t.device_invites("desk-17", up.phone, "06912345", OFFER);
    assert_eq!(t.heads(up.phone), ["403"]);
}

#[test]
fn a_phone_with_nobody_at_it_calls_inside_and_for_help_and_shows_nobody() {
    let mut t = Table::new();
    let vacant = t.register("desk-17", PHONE);
    let bob = t.register("desk-18", "203.0.113.18:5060");
    t.login(seated(1, 2, 1, 18));
    t.device_invites("desk-17", vacant, "06912345", OFFER);
    assert_eq!(t.heads(vacant), ["403"]);
    t.device_invites("desk-17", vacant, "2002", OFFER);
    let inside = t.one(bob);
    assert!(
        field(&inside, "From").starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>"),
        "{inside}"
    );
    assert!(!inside.contains("desk-17"));
    t.device_invites("desk-17", vacant, "112", OFFER);
    let help = t.one(udp(TRUNK));
    assert!(help.starts_with("INVITE sip:112@carrier.test"));
    // Whoever answers can call back.
    assert!(field(&help, "P-Asserted-Identity").contains("+496920000"));
    // And an emergency call is not ended by a login.
    t.login(seated(2, 1, 1, 17));
    t.login(seated(3, 2, 2, 17));
    assert!(t.gateway.calls().iter().any(|call| call.to.reveal() == "112"));
}

#[test]
fn limits_hold_and_emergency_goes_over_them() {
    let mut config = config();
    config.dial_plan.external_calls_per_agent = 1;
    let mut t = Table::with(config);
    let phone = t.register("desk-17", PHONE);
    t.login(seated(1, 1, 1, 17));
    t.device_invites("desk-17", phone, "06912345", OFFER);
    t.at(udp(TRUNK));
    t.device_invites("desk-17", phone, "06912346", OFFER);
    assert_eq!(t.heads(phone), ["503"]);
    t.device_invites("desk-17", phone, "112", OFFER);
    assert_eq!(t.heads(udp(TRUNK)), ["INVITE"]);

    let mut full = trunk();
    full.max_calls = 0;
    t.input(Input::Directory(DirectoryChange::Trunk(full)));
    t.trunk_invites("2001", OFFER);
    assert_eq!(t.heads(udp(TRUNK)), ["503"]);
    t.device_invites("desk-17", phone, "112", OFFER);
    assert_eq!(t.heads(udp(TRUNK)), ["INVITE"]);
}

#[test]
fn strangers_get_nowhere() {
    let mut t = Table::new();
    let stranger = udp("192.0.2.200:5060");
    let n = fresh();
    // A call without credentials is challenged and forgotten.
    t.receive(stranger, &invite("sip:2001@hotseat.test", stranger, "desk-17", n, 1, "", OFFER));
    assert_eq!(t.heads(stranger), ["401"]);
    // A device of ours does not call other domains, nor raw addresses, nor under another's name.
    let phone = t.register("desk-17", PHONE);
    t.login(seated(1, 1, 1, 17));
    for uri in ["sip:06912345@203.0.113.250", "sip:2001@elsewhere.test"] {
        let (n, m) = (fresh(), fresh());
        t.receive(phone, &invite(uri, phone, "desk-17", n, 1, "", OFFER));
        let challenge = t.one(phone);
        let authorization = answer_challenge(&challenge, "desk-17", "INVITE", uri);
        t.receive(phone, &invite(uri, phone, "desk-17", m, 2, &authorization, OFFER));
        assert_eq!(t.heads(phone), ["404"]);
    }
    let uri = "sip:2002@hotseat.test";
    let (n, m) = (fresh(), fresh());
    t.receive(phone, &invite(uri, phone, "desk-18", n, 1, "", OFFER));
    let challenge = t.one(phone);
    let authorization = answer_challenge(&challenge, "desk-17", "INVITE", uri);
    t.receive(phone, &invite(uri, phone, "desk-18", m, 2, &authorization, OFFER));
    assert_eq!(t.heads(phone), ["403"]);
    // From trunk to trunk there is no way.
    t.trunk_invites("+4969123456", OFFER);
    assert_eq!(t.heads(udp(TRUNK)), ["404"]);
    assert!(t.gateway.calls().is_empty());
}

#[test]
fn the_plan_says_in_words_where_a_call_goes() {
    let mut t = Table::new();
    t.register("desk-17", PHONE);
    t.login(seated(1, 1, 1, 17));
    let from_desk = Caller::Device(DeviceId(17));
    for (caller, dialled, route) in [
        (Caller::Trunk(TrunkId(1)), "2001", "phone 17"),
        (Caller::Trunk(TrunkId(1)), "00496920002001", "phone 17"),
        (Caller::Trunk(TrunkId(1)), "2002", "refused not_logged_in"),
        (Caller::Trunk(TrunkId(1)), "desk-17", "refused unknown_number"),
        (from_desk, "0 69 / 1", "refused unknown_number"),
        (from_desk, "069-12345", "trunk +4969-12345"),
        (from_desk, "+4912345", "trunk +4912345"),
        (from_desk, "0979123", "refused unknown_number"),
        (from_desk, "00979123", "refused not_allowed"),
        (from_desk, "+88213123456", "refused not_allowed"),
        (from_desk, "desk-17", "phone 17"),
        (from_desk, "desk-18", "refused phone_unreachable"),
        (from_desk, "112", "trunk 112"),
        (from_desk, "", "refused unknown_number"),
        (Caller::Device(DeviceId(18)), "2001", "phone 17"),
        (Caller::Device(DeviceId(18)), "+4912345", "refused not_allowed"),
    ] {
        let plan = t.gateway.route(t.now, caller, dialled);
        let found = match &plan.route {
            Route::Phone(to) => format!("phone {}", to.device.unwrap()),
            Route::Trunk(to) => format!("trunk {}", to.number),
            Route::SelfTest => "self-test".to_owned(),
            Route::Refused(reason) => format!("refused {}", reason.code()),
        };
        // `0979…` is rewritten to +49979…, which no bar names; the rule takes it.
        let route = match dialled {
            "0979123" => "trunk +49979123",
            "069-12345" => "trunk +496912345",
            _ => route,
        };
        assert_eq!(found, route, "{caller:?} {dialled}: {:#?}", plan.steps);
        assert!(!plan.steps.is_empty());
    }
}
