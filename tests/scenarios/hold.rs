//! Hold and back, from either end: the SDP passes, the held one hears nothing, and the voices come back.

use sim::{World, expect_ladder};

#[test]
fn hold_passes_and_the_voices_come_back() {
    let mut w = World::new(34);
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    let call = desk.calls("+4969123").until_answered();
    w.run_s(2);
    let there = w.trunk().call().expect("a call");
    w.story_begins();
    call.holds();
    w.run_s(1);
    assert_eq!(call.reinvite_status(), 200);
    assert!(there.is_held());
    call.resumes();
    w.run_s(2);
    assert!(!there.is_held());
    assert_eq!((desk.hears(), w.trunk().hears()), (w.trunk().voice(), desk.voice()));
    there.holds();
    w.run_s(1);
    assert!(call.is_held());
    there.resumes();
    w.run_s(2);
    assert_eq!((desk.hears(), w.trunk().hears()), (w.trunk().voice(), desk.voice()));
    // One stream without a gap each way, whatever was held in between.
    assert_eq!(call.gaps_and_senders().1, 1);
    assert_eq!(there.gaps_and_senders(), (0, 1));
    expect_ladder!(w, "hold");
    w.comes_to_rest();
}

#[test]
fn both_hold_at_once_and_the_call_survives() {
    let mut w = World::new(35);
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    let call = desk.calls("+4969123").until_answered();
    w.run_s(1);
    let there = w.trunk().call().expect("a call");
    call.holds();
    there.holds();
    w.run_s(3);
    assert!(call.is_up() && there.is_up());
    call.resumes();
    w.run_s(1);
    there.resumes();
    w.run_s(2);
    assert!(call.is_up() && there.is_up());
    assert_eq!((desk.hears(), w.trunk().hears()), (w.trunk().voice(), desk.voice()), "{}", w.ladder());
    w.comes_to_rest();
}
