//! A phone loses power and comes back with a new Call-ID, or at another port: one binding and not two, and calls find it.

use sim::{World, expect_ladder};

#[test]
fn a_reboot_is_one_binding_and_the_next_call_rings() {
    let mut w = World::new(4);
    let desk = w.phone("desk-17");
    let ann = w.agent("ann", 2001);
    ann.sits_at(&desk);
    w.run_s(1);
    w.story_begins();
    desk.reboots(Some(49_152));
    w.run_s(1);
    assert!(desk.is_registered());
    assert_eq!(w.bindings().len(), 1);
    assert!(w.bindings()[0].contact.contains(":49152"));
    let call = w.trunk().calls_from("2001", "+4930777");
    w.run_s(1);
    assert!(desk.rings());
    call.hangs_up();
    w.run_s(1);
    expect_ladder!(w, "reboot");
    w.comes_to_rest();
}

#[test]
fn an_old_phone_without_an_instance_comes_back_at_the_same_address() {
    let mut w = World::new(41);
    let desk = w.phone_with("desk-17", |c| c.instance = None);
    desk.registers();
    w.run_s(1);
    for _ in 0..6 {
        desk.reboots(None);
        w.run_s(1);
        assert!(desk.is_registered());
        assert_eq!(w.bindings().len(), 1);
    }
    w.comes_to_rest();
}

#[test]
fn and_also_at_a_new_port_each_time() {
    let mut w = World::new(42);
    let desk = w.phone_with("desk-17", |c| c.instance = None);
    desk.registers();
    w.run_s(1);
    for n in 1..8 {
        desk.reboots(Some(50_000 + n));
        w.run_s(1);
        assert!(desk.is_registered(), "{}", w.ladder());
        assert!(w.bindings().len() <= 4);
    }
    w.comes_to_rest();
}
