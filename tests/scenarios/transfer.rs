//! Blind transfer: Ann hands the caller to Bob, and is free; where Bob cannot, she keeps the call.

use sim::expect_ladder;
use sim::peer::Manner;
use sim::world::{Agent, Call, Desk, World};

/// A caller from outside speaks with Ann at desk-17; Bob sits at desk-18.
fn office(seed: u64) -> (World, Desk, Desk, Agent, Call, Call) {
    let mut w = World::new(seed);
    let (desk17, desk18) = (w.phone("desk-17"), w.phone("desk-18"));
    let ann = w.agent("ann", 2001);
    ann.sits_at(&desk17);
    w.agent("bob", 2002).sits_at(&desk18);
    w.run_s(1);
    let caller = w.trunk().calls_from("2001", "+4930777");
    w.run_s(1);
    let hers = desk17.answers();
    w.run_s(2);
    assert!(caller.is_up() && hers.is_up());
    desk18.behaves(Manner::rings());
    (w, desk17, desk18, ann, caller, hers)
}

#[test]
fn the_caller_speaks_with_bob() {
    let (mut w, desk17, desk18, _, caller, hers) = office(41);
    w.story_begins();
    hers.holds();
    w.run_s(1);
    hers.refers("2002");
    w.run_s(2);
    assert!(desk18.rings() && hers.is_up() && caller.is_held(), "{}", w.ladder());
    let his = desk18.answers();
    w.run_s(3);
    assert!(hers.is_over() && his.is_up() && caller.is_up() && !caller.is_held(), "{}", w.ladder());
    assert!(desk17.is_idle());
    assert_eq!((desk18.hears(), w.trunk().hears()), (w.trunk().voice(), desk18.voice()), "{}", w.ladder());
    // One stream for the caller, whoever speaks.
    assert_eq!(caller.gaps_and_senders().1, 1);
    his.hangs_up();
    w.run_s(1);
    assert!(caller.is_over() && w.calls().is_empty());
    expect_ladder!(w, "transfer");
    w.comes_to_rest();
}

#[test]
fn bob_is_busy_and_she_speaks_on() {
    let (mut w, desk17, desk18, _, caller, hers) = office(42);
    desk18.behaves(Manner::refuses(486));
    w.story_begins();
    hers.refers("2002");
    w.run_s(2);
    assert!(hers.is_up() && caller.is_up(), "{}", w.ladder());
    assert_eq!((desk17.hears(), w.trunk().hears()), (w.trunk().voice(), desk17.voice()), "{}", w.ladder());
    expect_ladder!(w, "transfer_busy");
    caller.hangs_up();
    w.run_s(1);
    w.comes_to_rest();
}

#[test]
fn the_caller_hangs_up_while_bob_rings() {
    let (mut w, _, desk18, _, caller, hers) = office(43);
    w.story_begins();
    hers.refers("2002");
    w.run_s(1);
    assert!(desk18.rings());
    caller.hangs_up();
    w.run_s(1);
    assert!(hers.is_over() && desk18.is_idle() && w.calls().is_empty(), "{}", w.ladder());
    expect_ladder!(w, "transfer_caller_gone");
    w.comes_to_rest();
}

#[test]
fn ann_is_logged_out_while_bob_rings() {
    let (mut w, desk17, desk18, ann, caller, hers) = office(44);
    let elsewhere = w.phone("desk-19");
    w.run_s(1);
    w.story_begins();
    hers.refers("2002");
    w.run_s(1);
    assert!(desk18.rings());
    ann.takes_over_at(&elsewhere);
    w.run_s(1);
    assert!(
        desk17.is_idle() && desk18.is_idle() && caller.is_over() && w.calls().is_empty(),
        "{}",
        w.ladder()
    );
    expect_ladder!(w, "transfer_logged_out");
    w.comes_to_rest();
}
