//! The BYE is lost, again and again: it is sent again until it arrives, and both legs end.

use sim::{World, expect_ladder};
use terms::EndReason;

#[test]
fn a_lost_bye_is_said_again() {
    let mut w = World::new(30);
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    let call = desk.calls("+4969123").until_answered();
    w.run_s(1);
    w.story_begins();
    w.options(|o| o.loss_per_thousand = 1_000);
    call.hangs_up();
    // Less than the two seconds after which silence itself would end the call.
    w.run_ms(1_200);
    assert!(w.trunk().is_up(), "nothing arrived yet");
    w.options(|o| o.loss_per_thousand = 0);
    w.run_s(5);
    assert!(w.trunk().is_idle() && w.calls().is_empty());
    assert!(call.ended_with(EndReason::HungUpByCaller), "{:?} {}", call.record(), w.ladder());
    expect_ladder!(w, "bye_lost");
    w.comes_to_rest();
}
