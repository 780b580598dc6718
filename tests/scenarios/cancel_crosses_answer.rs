//! The caller gives up at the very moment the phone is answered: one of the two wins, and both sides agree which.

use sim::{World, expect_ladder};
use terms::EndReason;

#[test]
fn whoever_crosses_whom_both_ends_agree() {
    for ms in 0..30 {
        let mut w = World::new(16);
        let desk = w.phone("desk-17");
        w.agent("ann", 2001).sits_at(&desk);
        w.run_s(1);
        w.story_begins();
        let call = w.trunk().calls_from("2001", "+4930777");
        w.run_s(1);
        let there = desk.answers();
        // The answer needs ten milliseconds to the caller, the CANCEL as long to the desk.
        w.run_ms(ms);
        call.hangs_up();
        w.run_s(1);
        assert!(call.is_over() && there.is_over(), "{ms} ms\n{}", w.ladder());
        let end = call.record().and_then(|r| r.end);
        let expected = [EndReason::CallerGaveUp, EndReason::HungUpByCaller];
        assert!(end.is_some_and(|e| expected.contains(&e)), "{ms} ms: {end:?}");
        if ms == 3 {
            expect_ladder!(w, "cancel_crosses_answer");
        }
        w.comes_to_rest();
    }
}
