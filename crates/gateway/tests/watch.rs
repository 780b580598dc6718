//! A phone that dies under a login: its agent's page learns it within seconds, nothing rings there, and it comes back by a
//! word of its own.

mod common;
use common::*;
use gateway::{GatewayConfig, Input};
use std::time::Duration;
use terms::*;

const PHONE: &str = "203.0.113.17:5060";

fn watched() -> Table {
    Table::with(GatewayConfig { watch_every: Duration::from_secs(5), ..config() })
}

/// Runs so long; the phone answers every OPTIONS if it lives. How many questions came.
fn lives(t: &mut Table, phone: Flow, seconds: u64, alive: bool) -> usize {
    let mut asked = 0;
    for _ in 0..seconds {
        t.run_s(1);
        for question in t.at(phone) {
            if head(&question) != "OPTIONS" {
                continue;
            }
            asked += 1;
            if alive {
                t.receive(phone, &reply(&question, 200, "p", None, ""));
            }
        }
    }
    asked
}

fn states(t: &Table) -> Vec<PhoneState> {
    let of = |(_, notice): &(Audience, Notice)| match notice {
        Notice::Phone { state, .. } => Some(*state),
        _ => None,
    };
    t.notices.iter().filter_map(of).collect()
}

#[test]
fn a_phone_is_asked_while_somebody_sits_there_and_not_before_or_after() {
    let mut t = watched();
    let phone = t.register("desk-17", PHONE);
    assert_eq!(lives(&mut t, phone, 30, true), 0);
    let login = seated(1, 1, 1, 17);
    t.login(login.clone());
    let asked = lives(&mut t, phone, 30, true);
    assert!((5..=7).contains(&asked), "{asked}");
    assert_eq!(states(&t), [PhoneState::Registered]);
    let end = LoginEnd { at: WallTime(2), why: LoginEndReason::LoggedOut, from: String::new() };
    t.login(Login { ended: Some(end), ..login });
    assert_eq!(lives(&mut t, phone, 30, true), 0);
    assert_eq!(t.gateway.watched(), 0);
    t.at_rest();
}

#[test]
fn silence_makes_it_unreachable_within_ten_seconds_and_a_call_is_told_so_at_once() {
    let mut t = watched();
    let phone = t.register("desk-17", PHONE);
    t.login(seated(1, 1, 1, 17));
    lives(&mut t, phone, 6, true);
    lives(&mut t, phone, 10, false);
    assert_eq!(states(&t), [PhoneState::Registered, PhoneState::Unreachable]);
    t.trunk_invites("2001", OFFER);
    let refused = t.at(udp(TRUNK)).pop().expect("an answer at once");
    assert_eq!(head(&refused), "480");
    assert!(field(&refused, "Reason").starts_with("Q.850;cause=27"), "{refused}");
    let rung = t.heads(phone).iter().filter(|head| *head == "INVITE").count();
    assert_eq!(rung, 0, "a dead phone does not ring");
    // It is still asked, and its first word brings it back.
    lives(&mut t, phone, 8, true);
    assert_eq!(states(&t).last(), Some(&PhoneState::Registered));
    t.trunk_invites("2001", OFFER);
    assert_eq!(t.heads(phone), ["INVITE"]);
}

#[test]
fn a_phone_that_registers_again_is_back_at_once() {
    let mut t = watched();
    let phone = t.register("desk-17", PHONE);
    t.login(seated(1, 1, 1, 17));
    lives(&mut t, phone, 6, true);
    lives(&mut t, phone, 12, false);
    assert_eq!(states(&t).last(), Some(&PhoneState::Unreachable));
    t.register("desk-17", PHONE);
    assert_eq!(states(&t).last(), Some(&PhoneState::Registered));
}

#[test]
fn a_phone_that_was_never_taught_the_question_is_not_taken_for_dead() {
    let mut t = watched();
    let phone = t.register("desk-17", PHONE);
    t.login(seated(1, 1, 1, 17));
    assert!(lives(&mut t, phone, 60, false) > 5);
    assert_eq!(states(&t), [PhoneState::Registered]);
    t.trunk_invites("2001", OFFER);
    assert_eq!(t.heads(phone), ["INVITE"]);
}

#[test]
fn a_thousand_logins_read_at_a_start_are_not_asked_at_once() {
    let mut t = watched();
    for n in 0..1000u64 {
        let name = format!("many-{n}");
        t.input(Input::Directory(DirectoryChange::Device(device(100 + n, &name))));
        t.input(Input::Directory(DirectoryChange::Agent(agent(100 + n, &name, &format!("{}", 5000 + n)))));
        t.input(Input::Restored(Binding {
            aor: Aor::new(&name, "hotseat.test"),
            contact: format!("sip:{name}@203.0.113.17:{}", 6000 + n),
            flow: udp(&format!("203.0.113.17:{}", 6000 + n)),
            path: Vec::new(),
            instance: None,
            reg_id: 0,
            q: 1000,
            call_id: "c".into(),
            cseq: 1,
            expires: WallTime(t.now.wall.0 + 3_600_000),
            registered: t.now.wall,
            user_agent: String::new(),
        }));
        t.login(seated(100 + n, 100 + n, 1, 100 + n));
    }
    assert_eq!(t.gateway.watched(), 1000);
    t.sent.clear();
    let mut most = 0;
    for _ in 0..50 {
        t.run(Duration::from_millis(100));
        // First copies only; what is repeated comes half a second later.
        let now: std::collections::BTreeSet<_> = t.sent.drain(..).map(|(to, _)| to).collect();
        most = most.max(now.len());
    }
    assert!(most < 120, "{most} phones in a tenth of a second");
}
