//! A phone on TCP: calls go down its connection; when it breaks, the phone is suspected until it is back.

use sim::World;
use terms::{PhoneState, Transport};

#[test]
fn calls_follow_the_connection() {
    let mut w = World::new(40);
    let desk = w.phone_with("desk-17", |c| c.peer.transport = Transport::Tcp);
    desk.registers();
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    assert!(desk.is_registered());
    let call = w.trunk().calls_from("2001", "+4930777");
    w.run_s(1);
    assert!(desk.rings(), "{}", w.ladder());
    desk.answers();
    w.run_s(2);
    assert_eq!(desk.hears(), w.trunk().voice());
    call.hangs_up();
    w.run_s(1);
    desk.loses_its_connection();
    w.run_ms(50);
    assert_ne!(w.stands(&desk), Some(PhoneState::Registered), "{}", w.ladder());
    desk.registers();
    w.run_s(1);
    assert_eq!(w.stands(&desk), Some(PhoneState::Registered));
    assert_eq!(w.bindings().len(), 1);
    let call = w.trunk().calls_from("2001", "+4930777");
    w.run_s(1);
    assert!(desk.rings());
    call.hangs_up();
    w.comes_to_rest();
}
