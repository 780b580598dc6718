//! Busy inside, busy outside, declined: the caller learns which.

use sim::peer::Manner;
use sim::{World, expect_ladder};
use terms::EndReason;

#[test]
fn busy_and_declined_arrive_as_they_were_meant() {
    let mut w = World::new(17);
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    w.story_begins();
    let outside = desk.calls("+4969101").until_over();
    assert_eq!(outside.status(), 486);
    assert!(outside.ended_with(EndReason::Busy));
    desk.behaves(Manner::refuses(486));
    let inside = w.trunk().calls_from("2001", "+4930777").until_over();
    assert_eq!(inside.status(), 486);
    assert!(inside.ended_with(EndReason::Busy));
    desk.behaves(Manner::refuses(603));
    let declined = w.trunk().calls_from("2001", "+4930777").until_over();
    assert_eq!(declined.status(), 603);
    assert!(declined.ended_with(EndReason::Declined));
    w.run_s(1);
    expect_ladder!(w, "busy");
    w.comes_to_rest();
}
