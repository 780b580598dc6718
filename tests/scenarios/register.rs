//! A phone registers, refreshes, is asked what it has, and leaves.

use sim::{World, expect_ladder};
use terms::PhoneState;

#[test]
fn a_phone_registers_refreshes_and_leaves() {
    let mut w = World::new(1);
    let desk = w.phone("desk-17");
    assert_eq!(w.stands(&desk), Some(PhoneState::Registered));
    assert_eq!(w.bindings().len(), 1);
    // At half of its hour it refreshes by itself, with the same Call-ID.
    w.run_s(1_900);
    assert!(desk.is_registered());
    assert_eq!(w.bindings().len(), 1);
    desk.unregisters();
    w.run_s(1);
    assert!(w.bindings().is_empty());
    assert_eq!(w.stands(&desk), Some(PhoneState::Expired));
    expect_ladder!(w, "register");
    w.comes_to_rest();
}
