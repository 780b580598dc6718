//! kill -9 and a restart: phones, logins and bindings are as before, and calls work before any phone has registered again.

use sim::{World, expect_ladder};
use terms::{EndReason, PhoneState};

#[test]
fn calls_work_without_any_phone_registering_again() {
    let mut w = World::new(36);
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    let lost = desk.calls("+4969123").until_answered();
    w.run_s(1);
    w.story_begins();
    w.kills_the_gateway();
    w.run_s(3);
    w.starts_the_gateway();
    assert!(lost.record().is_some_and(|r| r.end == Some(EndReason::ServerLost)));
    assert_eq!(w.stands(&desk), Some(PhoneState::Registered));
    lost.hangs_up();
    w.trunk().hangs_up();
    w.run_s(1);
    let call = w.trunk().calls_from("2001", "+4930777");
    w.run_s(1);
    assert!(desk.rings(), "{}", w.ladder());
    desk.answers();
    w.run_s(2);
    assert_eq!((desk.hears(), w.trunk().hears()), (w.trunk().voice(), desk.voice()));
    call.hangs_up();
    w.run_s(1);
    assert!(!w.ladder().contains("REGISTER"));
    expect_ladder!(w, "restart");
    w.comes_to_rest();
}

#[test]
fn a_binding_that_expired_meanwhile_is_gone() {
    let mut w = World::new(37);
    let desk = w.phone_with("desk-17", |c| c.expires = 120);
    desk.registers();
    w.run_s(1);
    desk.dies();
    w.kills_the_gateway();
    w.run_s(300);
    w.starts_the_gateway();
    w.run_s(1);
    assert!(w.bindings().is_empty());
    assert_ne!(w.stands(&desk), Some(PhoneState::Registered));
    w.comes_to_rest();
}
