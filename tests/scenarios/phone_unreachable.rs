//! A phone loses its power under a login, and gets it back: the agent is told within seconds, callers hear so at once.

use sim::World;
use sim::world::{Desk, Options};
use std::time::Duration;
use terms::{EndReason, Notice, PhoneState};

fn office(seed: u64) -> (World, Desk) {
    let options = Options { watch_every: Duration::from_secs(5), ..Options::default() };
    let mut w = World::with(seed, 1, options);
    let desk = w.phone("desk-17");
    w.agent("ann", 2001).sits_at(&desk);
    w.run_s(7);
    (w, desk)
}

fn state(w: &World, desk: &Desk) -> Option<PhoneState> {
    w.board().into_iter().rev().find_map(|notice| match notice {
        Notice::Phone { device, state, .. } if device == desk.device() => Some(state),
        _ => None,
    })
}

#[test]
fn nobody_lets_it_ring_meanwhile() {
    let (mut w, desk) = office(40);
    assert_eq!(state(&w, &desk), Some(PhoneState::Registered), "{}", w.ladder());
    desk.dies();
    w.run_s(10);
    assert_eq!(state(&w, &desk), Some(PhoneState::Unreachable), "{}", w.ladder());
    w.story_begins();
    let call = w.trunk().calls_from("2001", "+4930777");
    w.run_ms(100);
    assert!(call.is_over(), "{}", w.ladder());
    assert_eq!(call.status(), 480);
    assert!(!w.ladder().contains("desk-17    INVITE"), "{}", w.ladder());
    desk.reboots(None);
    w.run_s(2);
    assert_eq!(state(&w, &desk), Some(PhoneState::Registered), "{}", w.ladder());
    let next = w.trunk().calls_from("2001", "+4930777");
    w.run_s(1);
    assert!(desk.rings(), "{}", w.ladder());
    next.hangs_up();
    w.run_s(1);
    assert!(next.ended_with(EndReason::CallerGaveUp));
    w.comes_to_rest();
}

#[test]
fn a_network_that_loses_one_datagram_in_ten_makes_nobody_unreachable() {
    let (mut w, desk) = office(41);
    w.options(|o| o.loss_per_thousand = 100);
    w.run_s(120);
    assert_eq!(state(&w, &desk), Some(PhoneState::Registered), "{}", w.ladder());
    let lost = |n: &Notice| matches!(n, Notice::Phone { state: PhoneState::Unreachable, .. });
    assert!(!w.board().iter().any(lost));
    w.options(|o| o.loss_per_thousand = 0);
    w.comes_to_rest();
}
