//! A phone with nobody at it calls inside and for help, and nowhere else.

use sim::{World, expect_ladder};
use terms::EndReason;

#[test]
fn nobody_at_it_means_inside_and_emergency_only() {
    let mut w = World::new(15);
    let (vacant, desk) = (w.phone("desk-17"), w.phone("desk-18"));
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    w.story_begins();
    let outside = vacant.calls("+4969123").until_over();
    assert_eq!(outside.status(), 403);
    assert!(outside.ended_with(EndReason::NotAllowed));
    let inside = vacant.calls("2001");
    w.run_s(1);
    assert!(desk.rings());
    inside.hangs_up();
    w.run_s(1);
    let help = vacant.calls("112").until_answered();
    w.run_s(1);
    assert_eq!(w.trunk().hears(), vacant.voice());
    help.hangs_up();
    w.run_s(1);
    let unknown = vacant.calls("2999").until_over();
    assert!([403, 404].contains(&unknown.status()), "{}", unknown.status());
    expect_ladder!(w, "vacant_phone");
    w.comes_to_rest();
}
