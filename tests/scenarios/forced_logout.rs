//! The login is taken away in every state a call can be in: within a second nothing of it is left at the old desk.

use sim::expect_ladder;
use sim::peer::Manner;
use sim::world::{Agent, Call, Desk, World};
use std::time::Duration;
use terms::{EndReason, LoginEndReason, Notice};

fn office(seed: u64) -> (World, Desk, Desk, Agent) {
    let mut w = World::new(seed);
    let (desk17, desk18) = (w.phone("desk-17"), w.phone("desk-18"));
    let ann = w.agent("ann", 2001);
    ann.sits_at(&desk17);
    w.run_s(1);
    (w, desk17, desk18, ann)
}

/// The takeover, and what must be true one second later whatever the state was.
fn taken_over(w: &mut World, old: &Desk, new: &Desk, ann: &Agent, call: &Call) {
    ann.takes_over_at(new);
    w.run_s(1);
    assert!(old.is_idle(), "{}", w.ladder());
    assert!(call.is_over() && w.calls().is_empty(), "{}", w.ladder());
    assert!(call.record().is_some_and(|r| r.end.is_some()), "{}", w.ladder());
    let next = w.trunk().calls_from("2001", "+4930888");
    w.run_s(1);
    assert!(new.rings() && !old.rings());
    next.hangs_up();
    w.run_s(1);
    w.comes_to_rest();
}

#[test]
fn while_it_rings_at_her_desk() {
    let (mut w, desk17, desk18, ann) = office(20);
    w.story_begins();
    let call = w.trunk().calls_from("2001", "+4930777");
    w.run_s(2);
    assert!(desk17.rings());
    ann.takes_over_at(&desk18);
    w.run_s(1);
    assert!(desk17.is_idle());
    assert!(call.ended_with(EndReason::LoggedOutElsewhere));
    assert_eq!(call.status(), 480);
    expect_ladder!(w, "forced_logout_ringing_in");
    w.comes_to_rest();
}

#[test]
fn while_the_far_end_rings() {
    let (mut w, desk17, desk18, ann) = office(21);
    w.trunk().number_behaves("+4969123", Manner::rings());
    let call = desk17.calls("+4969123").until_ringing();
    taken_over(&mut w, &desk17, &desk18, &ann, &call);
    assert!(call.ended_with(EndReason::LoggedOutElsewhere));
}

#[test]
fn before_anything_came_back() {
    let (mut w, desk17, desk18, ann) = office(22);
    w.trunk().number_behaves("+4969123", Manner::silent());
    let call = desk17.calls("+4969123");
    w.run_s(1);
    ann.takes_over_at(&desk18);
    w.run_s(1);
    assert!(desk17.is_idle(), "{}", w.ladder());
    assert!(call.ended_with(EndReason::LoggedOutElsewhere));
    w.comes_to_rest();
}

#[test]
fn while_talking() {
    let (mut w, desk17, desk18, ann) = office(23);
    let call = desk17.calls("+4969123").until_answered();
    w.run_s(3);
    taken_over(&mut w, &desk17, &desk18, &ann, &call);
    assert!(call.ended_with(EndReason::LoggedOutElsewhere));
}

#[test]
fn while_the_caller_is_on_hold() {
    let (mut w, desk17, desk18, ann) = office(24);
    let call = desk17.calls("+4969123").until_answered();
    w.run_s(1);
    call.holds();
    w.run_s(1);
    taken_over(&mut w, &desk17, &desk18, &ann, &call);
}

#[test]
fn while_a_hold_is_on_its_way() {
    let (mut w, desk17, desk18, ann) = office(25);
    let call = desk17.calls("+4969123").until_answered();
    w.run_s(1);
    call.holds();
    w.run_ms(7);
    taken_over(&mut w, &desk17, &desk18, &ann, &call);
}

#[test]
fn while_the_call_ends_by_itself() {
    let (mut w, desk17, desk18, ann) = office(26);
    let call = desk17.calls("+4969123").until_answered();
    w.run_s(1);
    call.hangs_up();
    w.run_ms(6);
    taken_over(&mut w, &desk17, &desk18, &ann, &call);
    assert!(call.ended_with(EndReason::HungUpByCaller));
}

#[test]
fn at_the_very_moment_of_the_answer() {
    // Every millisecond around the answer, so that the row crosses each of its messages once.
    for ms in 0..24 {
        let (mut w, desk17, desk18, ann) = office(100 + ms);
        w.trunk().number_behaves("+4969123", Manner::answers(Duration::from_millis(300)));
        let call = desk17.calls("+4969123");
        w.run_ms(300 + ms);
        taken_over(&mut w, &desk17, &desk18, &ann, &call);
    }
}

#[test]
fn by_an_administrator_and_by_herself() {
    for (n, why, reason) in [
        (0, LoginEndReason::ReleasedByAdministrator, EndReason::ReleasedByAdministrator),
        (1, LoginEndReason::LoggedOut, EndReason::LoggedOut),
    ] {
        let (mut w, desk17, _, ann) = office(27 + n);
        let call = desk17.calls("+4969123").until_answered();
        w.run_s(1);
        assert!(ann.ends(why));
        w.run_s(1);
        assert!(call.ended_with(reason), "{}", w.ladder());
        let seat_free =
            |n: &Notice| matches!(n, Notice::Seat { device, agent: None, .. } if *device == desk17.device());
        assert!(w.board().iter().any(seat_free));
        w.comes_to_rest();
    }
}

#[test]
fn also_when_the_news_is_lost_and_the_poll_brings_it() {
    let (mut w, desk17, desk18, ann) = office(29);
    let call = desk17.calls("+4969123").until_answered();
    w.run_s(1);
    w.options(|o| o.news_lost_per_thousand = 1_000);
    taken_over(&mut w, &desk17, &desk18, &ann, &call);
}
