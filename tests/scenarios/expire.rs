//! A phone that falls silent is forgotten when its time is up, and not a second before.

use sim::{World, expect_ladder};
use terms::PhoneState;

#[test]
fn a_dead_phone_expires_and_everyone_is_told() {
    let mut w = World::new(3);
    let desk = w.phone_with("desk-17", |c| c.expires = 120);
    desk.registers();
    w.run_s(1);
    assert!(desk.is_registered());
    desk.dies();
    w.run_s(118);
    assert_eq!((w.stands(&desk), w.bindings().len()), (Some(PhoneState::Registered), 1));
    w.run_s(2);
    assert_eq!((w.stands(&desk), w.bindings().len()), (Some(PhoneState::Expired), 0));
    expect_ladder!(w, "expire");
    w.comes_to_rest();
}

#[test]
fn a_phone_that_asks_for_too_little_is_told_how_much() {
    let mut w = World::new(31);
    let desk = w.phone_with("desk-17", |c| c.expires = 10);
    desk.registers();
    w.run_s(1);
    assert!(desk.is_registered());
    assert!(w.ladder().contains("423"), "{}", w.ladder());
    w.run_s(300);
    assert!(desk.is_registered() && w.bindings().len() == 1);
    w.comes_to_rest();
}
