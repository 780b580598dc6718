//! The self-test: the gateway itself answers, and the caller hears its own voice, three seconds later.

use sim::{World, expect_ladder};
use terms::{EndReason, LoginEndReason};

#[test]
fn an_agent_hears_herself_and_hangs_up() {
    let mut w = World::new(61);
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    w.story_begins();
    let call = desk.calls("self-test").until_answered();
    w.run_s(2);
    assert_eq!(desk.hears(), None, "not before three seconds");
    w.run_s(3);
    assert_eq!(desk.hears(), desk.voice(), "{}", w.ladder());
    call.holds();
    w.run_s(1);
    assert_eq!(call.reinvite_status(), 200);
    call.resumes();
    w.run_s(6);
    assert_eq!((call.reinvite_status(), desk.hears()), (200, desk.voice()), "{}", w.ladder());
    call.hangs_up();
    w.run_s(1);
    assert!(call.ended_with(EndReason::HungUpByCaller));
    let record = call.record().expect("a record");
    assert_eq!((record.to.reveal(), record.to_agent, record.trunk), ("self-test", None, None));
    assert!(record.agent.is_some() && record.answered.is_some());
    expect_ladder!(w, "self_test");
    w.comes_to_rest();
}

#[test]
fn nobody_talks_to_herself_for_longer_than_a_minute() {
    let mut w = World::new(62);
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    let call = desk.calls("self-test").until_answered();
    w.run_s(58);
    assert!(call.is_up());
    w.run_s(3);
    assert!(call.is_over() && desk.is_idle());
    assert!(call.ended_with(EndReason::HungUpByCallee));
    w.comes_to_rest();
}

#[test]
fn it_ends_with_the_login() {
    let mut w = World::new(63);
    let (desk, other) = (w.phone("desk-17"), w.phone("desk-18"));
    let ann = w.agent("ann", 2001);
    ann.sits_at(&desk);
    w.run_s(1);
    let call = desk.calls("self-test").until_answered();
    w.run_s(1);
    ann.takes_over_at(&other);
    w.run_s(1);
    assert!(call.is_over() && desk.is_idle(), "{}", w.ladder());
    assert!(call.ended_with(EndReason::LoggedOutElsewhere));
    ann.ends(LoginEndReason::LoggedOut);
    w.comes_to_rest();
}

#[test]
fn a_trunk_finds_nobody_of_that_name() {
    let mut w = World::new(64);
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    let call = w.trunk().calls_from("self-test", "+4930777").until_over();
    assert_eq!(call.status(), 404);
    w.comes_to_rest();
}
