//! The store is busy: a right password is never answered with 401, and nothing is promised that is not durable.

use sim::World;

#[test]
fn a_busy_store_is_503_and_the_phone_comes_back() {
    let mut w = World::new(38);
    w.options(|o| o.store_busy_per_thousand = 1_000);
    let desk = w.phone_with("desk-17", |_| {});
    desk.registers();
    w.run_s(10);
    assert!(!desk.is_registered() && w.bindings().is_empty());
    assert!(w.ladder().contains("503"), "{}", w.ladder());
    w.options(|o| o.store_busy_per_thousand = 0);
    w.run_s(120);
    assert!(desk.is_registered() && w.bindings().len() == 1);
    w.comes_to_rest();
}

#[test]
fn a_slow_store_delays_the_200_and_nothing_else() {
    let mut w = World::new(39);
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(1);
    w.options(|o| o.store_takes = std::time::Duration::from_secs(2));
    desk.registers();
    w.run_s(1);
    assert!(matches!(desk.registration(), sim::phone::Registration::Asking { .. }));
    let call = w.trunk().calls_from("2001", "+4930777");
    w.run_s(1);
    assert!(desk.rings(), "calls go on: {}", w.ladder());
    w.run_s(3);
    assert!(desk.is_registered());
    call.hangs_up();
    w.comes_to_rest();
}
