//! Ann is logged in and logs in again elsewhere: the dialog, its yes, its no, and the policy that forbids it in a call.

use sim::world::{Sat, World};
use sim::{Options, expect_ladder};
use terms::{EndReason, LoginEndReason, TakeoverPolicy};

#[test]
fn idle_yes_moves_her_calls_and_tells_the_old_page() {
    let mut w = World::new(7);
    let (desk17, desk18) = (w.phone("desk-17"), w.phone("desk-18"));
    let ann = w.agent("ann", 2001);
    let first = ann.sits_at(&desk17);
    w.run_s(1);
    w.story_begins();
    ann.takes_over_at(&desk18);
    w.run_s(1);
    assert_eq!(first.ended_with(), Some((LoginEndReason::TakenOver, LoginEndReason::TakenOver.sentence())));
    let call = w.trunk().calls_from("2001", "+4930777");
    w.run_s(1);
    assert!(desk18.rings() && !desk17.rings());
    call.hangs_up();
    w.run_s(1);
    expect_ladder!(w, "takeover_idle");
    w.comes_to_rest();
}

#[test]
fn in_a_call_yes_ends_it_and_the_next_call_rings_at_the_new_desk() {
    let mut w = World::new(8);
    let (desk17, desk18) = (w.phone("desk-17"), w.phone("desk-18"));
    let ann = w.agent("ann", 2001);
    let first = ann.sits_at(&desk17);
    w.run_s(1);
    let call = desk17.calls("+4969123").until_answered();
    w.run_s(2);
    w.story_begins();
    ann.takes_over_at(&desk18);
    w.run_ms(100);
    assert!(call.ended_with(EndReason::LoggedOutElsewhere), "{}", w.ladder());
    assert!(call.reason().contains(EndReason::LoggedOutElsewhere.sentence()));
    assert!(first.ended_with().is_some() && w.trunk().is_idle());
    w.trunk().calls_from("2001", "+4930777");
    w.run_s(1);
    assert!(desk18.rings() && !desk17.rings());
    expect_ladder!(w, "takeover_in_call");
    w.comes_to_rest();
}

#[test]
fn in_a_call_the_policy_may_refuse_and_nothing_changes() {
    let mut w = World::with(9, 1, Options { takeover: TakeoverPolicy::Refuse, ..Options::default() });
    let (desk17, desk18) = (w.phone("desk-17"), w.phone("desk-18"));
    let ann = w.agent("ann", 2001);
    let first = ann.sits_at(&desk17);
    w.run_s(1);
    let call = desk17.calls("+4969123").until_answered();
    let Sat::Held(epoch) = ann.tries(&desk18, None) else { panic!("not asked") };
    assert!(matches!(ann.tries(&desk18, Some(epoch)), Sat::InCall));
    w.run_s(2);
    assert!(call.is_up() && first.ended_with().is_none());
    assert_eq!(desk17.hears(), w.trunk().voice());
    call.hangs_up();
    w.run_s(1);
    assert!(matches!(ann.tries(&desk18, Some(epoch)), Sat::Granted(_)));
    w.run_s(1);
    assert!(first.ended_with().is_some());
    w.comes_to_rest();
}

#[test]
fn no_changes_nothing_at_all() {
    let mut w = World::new(10);
    let (desk17, desk18) = (w.phone("desk-17"), w.phone("desk-18"));
    let ann = w.agent("ann", 2001);
    let first = ann.sits_at(&desk17);
    w.run_s(1);
    let call = desk17.calls("+4969123").until_answered();
    w.run_s(1);
    w.story_begins();
    // She is asked and closes the dialog.
    assert!(matches!(ann.tries(&desk18, None), Sat::Held(_)));
    w.run_s(5);
    assert!(call.is_up() && first.ended_with().is_none());
    assert_eq!((desk17.hears(), w.trunk().hears()), (w.trunk().voice(), desk17.voice()));
    expect_ladder!(w, "takeover_no");
    w.comes_to_rest();
}

#[test]
fn of_two_confirmed_at_once_one_wins_and_the_other_is_asked_again() {
    let mut w = World::new(11);
    let desks = [w.phone("desk-17"), w.phone("desk-18"), w.phone("desk-19")];
    let ann = w.agent("ann", 2001);
    ann.sits_at(&desks[0]);
    w.run_s(1);
    let Sat::Held(epoch) = ann.tries(&desks[1], None) else { panic!() };
    assert!(matches!(ann.tries(&desks[1], Some(epoch)), Sat::Granted(_)));
    assert!(matches!(ann.tries(&desks[2], Some(epoch)), Sat::Held(again) if again > epoch));
    w.run_s(1);
    w.trunk().calls_from("2001", "+4930777");
    w.run_s(1);
    assert!(desks[1].rings() && !desks[0].rings() && !desks[2].rings());
    w.comes_to_rest();
}

#[test]
fn the_sixth_takeover_of_the_hour_is_refused() {
    let mut w = World::new(12);
    let desks = [w.phone("desk-17"), w.phone("desk-18")];
    let ann = w.agent("ann", 2001);
    ann.sits_at(&desks[0]);
    for n in 1..=5 {
        ann.takes_over_at(&desks[n % 2]);
        w.run_s(1);
    }
    assert!(matches!(ann.tries(&desks[0], ann.epoch()), Sat::TooManyTakeovers));
    w.run_s(3_600);
    assert!(matches!(ann.tries(&desks[0], ann.epoch()), Sat::Granted(_)));
    w.comes_to_rest();
}
