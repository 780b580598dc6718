//! The phone loses power in the middle of a call: the far end is not left talking to nobody for ever.

use sim::{World, expect_ladder};
use terms::{EndReason, Notice};

#[test]
fn the_far_end_hangs_up_and_the_call_ends_although_the_phone_never_answers() {
    let mut w = World::new(32);
    let desk = w.phone("desk-17");
    let page = w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    let call = w.trunk().calls_from("2001", "+4930777");
    w.run_s(1);
    desk.answers();
    w.run_s(2);
    w.story_begins();
    desk.dies();
    w.run_s(4);
    // Dead audio is noticed within two seconds and shown.
    assert!(
        page.told().iter().any(|n| matches!(n, Notice::Audio { silent: true, from_agent: true, .. })),
        "{}",
        w.ladder()
    );
    call.hangs_up();
    w.run_s(40);
    assert!(w.calls().is_empty());
    assert!(call.ended_with(EndReason::HungUpByCaller));
    expect_ladder!(w, "phone_dies_in_call");
    w.comes_to_rest();
}

#[test]
fn it_comes_back_and_takes_the_next_call() {
    let mut w = World::new(33);
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    let call = desk.calls("+4969123").until_answered();
    w.run_s(1);
    desk.reboots(None);
    w.run_s(2);
    assert!(desk.is_registered());
    let next = w.trunk().calls_from("2001", "+4930777");
    w.run_s(1);
    assert!(desk.rings());
    desk.answers();
    w.run_s(2);
    assert!(next.is_up());
    assert_eq!(desk.hears(), w.trunk().voice());
    drop(call);
    w.comes_to_rest();
}
