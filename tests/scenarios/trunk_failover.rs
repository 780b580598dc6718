//! The first address of the trunk refuses or is dead; the second takes the call.

use sim::peer::Manner;
use sim::{Options, World, expect_ladder};
use terms::EndReason;

#[test]
fn a_503_sends_the_call_to_the_second_address() {
    let mut w = World::with(19, 2, Options::default());
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    w.trunk_at(0).behaves(Manner::refuses(503));
    w.story_begins();
    let call = desk.calls("+4969123").until_answered();
    w.run_s(2);
    assert!(w.trunk_at(1).is_up() && w.trunk_at(0).is_idle());
    assert_eq!(desk.hears(), w.trunk_at(1).voice());
    call.hangs_up();
    w.run_s(1);
    assert!(call.ended_with(EndReason::HungUpByCaller));
    expect_ladder!(w, "trunk_failover");
    w.comes_to_rest();
}

#[test]
fn a_dead_address_is_passed_over_too() {
    let mut w = World::with(191, 2, Options::default());
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    w.trunk_at(0).dies();
    let call = desk.calls("+4969123").until_answered();
    w.run_s(1);
    assert!(w.trunk_at(1).is_up());
    call.hangs_up();
    w.comes_to_rest();
}

#[test]
fn all_dead_is_said_so() {
    let mut w = World::with(192, 2, Options::default());
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    w.trunk_at(0).behaves(Manner::refuses(503));
    w.trunk_at(1).behaves(Manner::refuses(503));
    let call = desk.calls("+4969123").until_over();
    assert!(call.ended_with(EndReason::TrunkUnavailable), "{}", w.ladder());
    assert_eq!(call.status(), 503);
    w.comes_to_rest();
}
