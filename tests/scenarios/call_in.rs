//! The carrier calls an agent's extension: the phone where she sits rings, both hear each other, one record remains.

use sim::{World, expect_ladder};
use terms::{Activity, EndReason};

#[test]
fn a_call_from_the_trunk_rings_where_ann_sits() {
    let mut w = World::new(2);
    let desk = w.phone("desk-17");
    let ann = w.agent("ann", 2001);
    let page = ann.sits_at(&desk);
    w.run_s(1);
    w.story_begins();
    let call = w.trunk().calls_from("2001", "+4930777");
    w.run_s(2);
    assert!(desk.rings());
    assert_eq!(page.activity(), Some(Activity::Ringing));
    let answered = desk.answers();
    w.run_s(3);
    assert!(call.is_up());
    assert_eq!(desk.hears(), w.trunk().voice());
    assert_eq!(w.trunk().hears(), desk.voice());
    assert_eq!(answered.with(), "+4930777");
    assert_eq!(page.activity(), Some(Activity::InCall));
    call.hangs_up();
    w.run_s(1);
    assert!(call.ended_with(EndReason::HungUpByCaller) && desk.is_idle());
    let record = call.record().expect("a record");
    assert_eq!((record.agent, record.device), (Some(ann.id()), Some(desk.device())));
    assert_eq!(page.activity(), Some(Activity::Idle));
    expect_ladder!(w, "call_in");
    w.comes_to_rest();
}
