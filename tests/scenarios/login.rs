//! Ann sits down and calls follow; she leaves and they do not.

use sim::{World, expect_ladder};
use terms::{EndReason, LoginEndReason};

#[test]
fn calls_follow_ann_in_and_out() {
    let mut w = World::new(6);
    let desk = w.phone("desk-17");
    let ann = w.agent("ann", 2001);
    w.story_begins();
    let nobody = w.trunk().calls_from("2001", "+4930777").until_over();
    assert_eq!(nobody.status(), 480);
    assert!(nobody.ended_with(EndReason::NotLoggedIn), "{:?} {}", w.records(), w.ladder());

    let page = ann.sits_at(&desk);
    w.run_s(1);
    let by_extension = w.trunk().calls_from("2001", "+4930777");
    w.run_s(1);
    assert!(desk.rings());
    by_extension.hangs_up();
    w.run_s(1);
    let by_number = w.trunk().calls_from("+49695552001", "+4930777");
    w.run_s(1);
    assert!(desk.rings());
    by_number.hangs_up();
    w.run_s(1);

    ann.logs_out();
    w.run_s(1);
    assert_eq!(page.ended_with().map(|(why, _)| why), Some(LoginEndReason::LoggedOut));
    assert!(desk.is_registered(), "the phone itself noticed nothing");
    let gone = w.trunk().calls_from("2001", "+4930777").until_over();
    assert!(gone.ended_with(EndReason::NotLoggedIn));
    expect_ladder!(w, "login");
    w.comes_to_rest();
}

#[test]
fn two_agents_and_two_phones_never_mix() {
    let mut w = World::new(61);
    let (desk17, desk18) = (w.phone("desk-17"), w.phone("desk-18"));
    let (ann, bob) = (w.agent("ann", 2001), w.agent("bob", 2002));
    ann.sits_at(&desk17);
    assert!(matches!(bob.tries(&desk17, None), sim::world::Sat::PhoneInUse));
    bob.sits_at(&desk18);
    w.run_s(1);
    // Ann calls Bob by his extension; Bob sees Ann's.
    let call = desk17.calls("2002");
    w.run_s(1);
    assert!(desk18.rings() && !w.trunk().rings());
    let answered = desk18.answers();
    w.run_s(2);
    assert_eq!(answered.with(), "2001");
    assert_eq!((desk17.hears(), desk18.hears()), (desk18.voice(), desk17.voice()));
    call.hangs_up();
    w.run_s(1);
    assert!(call.ended_with(EndReason::HungUpByCaller));
    let record = call.record().expect("a record");
    assert_eq!((record.agent, record.to_agent), (Some(ann.id()), Some(bob.id())));
    w.comes_to_rest();
}
