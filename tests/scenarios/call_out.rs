//! Ann calls the outside from where she sits: the carrier sees her number, whatever phone it is.

use sim::{World, expect_ladder};
use terms::EndReason;

#[test]
fn the_carrier_sees_her_number_and_both_hear_each_other() {
    let mut w = World::new(13);
    let desk = w.phone("desk-17");
    let ann = w.agent("ann", 2001);
    ann.sits_at(&desk);
    w.run_s(1);
    w.story_begins();
    let call = desk.calls("+4969123").until_answered();
    w.run_s(2);
    assert_eq!((desk.hears(), w.trunk().hears()), (w.trunk().voice(), desk.voice()));
    let there = w.trunk().call().expect("a call");
    assert_eq!(there.with(), "+49695552001");
    assert!(!there.caller().contains("desk-17"), "the phone's own name stays inside: {}", there.caller());
    for digit in "42#".chars() {
        call.presses(digit);
    }
    w.run_s(2);
    assert_eq!(there.digits(), "42#");
    there.hangs_up();
    w.run_s(1);
    assert!(call.ended_with(EndReason::HungUpByCallee));
    let record = call.record().expect("a record");
    assert_eq!((record.agent, record.device), (Some(ann.id()), Some(desk.device())));
    assert!(record.a.packets > 100 && record.b.packets > 100 && record.answered.is_some());
    expect_ladder!(w, "call_out");
    w.comes_to_rest();
}

#[test]
fn early_media_is_heard_and_a_number_that_drops_drops() {
    let mut w = World::new(14);
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    let call = desk.calls("+4969105").until_answered();
    w.run_s(1);
    assert!(w.ladder().contains("183"));
    call.hangs_up();
    w.run_s(1);
    let call = desk.calls("+4969103").until_answered();
    w.run_s(6);
    assert!(call.ended_with(EndReason::HungUpByCallee));
    let call = desk.calls("+4969100").until_answered();
    w.run_s(2);
    assert_eq!(desk.hears(), desk.voice(), "an echo");
    call.hangs_up();
    w.comes_to_rest();
}
