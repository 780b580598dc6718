//! It rings and nobody comes: after the ring time the phone is left in peace and the caller told.

use sim::{World, expect_ladder};
use terms::EndReason;

#[test]
fn nobody_answers() {
    let mut w = World::new(18);
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    w.story_begins();
    let call = w.trunk().calls_from("2001", "+4930777");
    w.run_s(29);
    assert!(desk.rings());
    w.run_s(2);
    assert!(call.ended_with(EndReason::NoAnswer) && desk.is_idle());
    assert_eq!(call.status(), 480);
    expect_ladder!(w, "no_answer");
    w.comes_to_rest();
}
