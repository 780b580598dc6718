//! Ways out and in again: a ticket is used once, soon and from its own address; an ended login may say that it was not its
//! owner who took over.

use super::{Kit, granted, token};
use std::time::Duration;
use store::{
    BlockReason, Disown, Disowned, Store, TICKETS_PER_LOGIN_MAX, Ticket, TicketRefusal, TicketUse, TicketUsed,
};
use terms::{LoginEndReason, LoginId, WallTime};

const HERE: &str = "192.0.2.44";

fn ticket(number: u8, login: LoginId, at: i64) -> Ticket {
    Ticket {
        ticket_sha256: token(number),
        login,
        from: HERE.into(),
        created: WallTime(at),
        expires: WallTime(at + 60_000),
    }
}

fn shown(number: u8, page: u8, from: &str, at: i64) -> TicketUse {
    TicketUse {
        ticket_sha256: token(number),
        from: from.into(),
        at: WallTime(at),
        token_sha256: token(page),
        csrf: format!("word {page}"),
        expires: WallTime(at + 5_000_000),
    }
}

pub async fn a_ticket_is_worth_one_page_of_its_login<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    let desk = kit.phones(&["desk-17"]).await[0];
    kit.pending(ann, 1, 0).await;
    let (login, _) = granted(kit.sit_from(ann, desk, None, 1_000, (1, 2)).await);
    let s = &kit.store;
    assert!(s.put_ticket(ticket(10, login.id, 2_000)).await.unwrap());
    let refused = |why| TicketUsed::Refused(why);
    match s.use_ticket(shown(10, 20, HERE, 61_999)).await.unwrap() {
        TicketUsed::Granted { login: of, expires } => {
            assert_eq!((of, expires), (login.clone(), WallTime(1_001_000)), "as long as its first page");
        }
        other => panic!("{other:?}"),
    }
    let page = s.session(token(20), WallTime(62_000)).await.unwrap().expect("a page");
    assert_eq!((page.login, page.agent, page.csrf.as_str()), (Some(login.id), ann, "word 20"));
    let again = s.use_ticket(shown(10, 21, HERE, 61_999)).await.unwrap();
    assert_eq!(again, refused(TicketRefusal::Unknown));
    assert!(s.session(token(21), WallTime(62_000)).await.unwrap().is_none());

    // Late, and from elsewhere: burnt each time.
    for (number, from, at, why) in
        [(11, HERE, 62_000, TicketRefusal::Late), (12, "198.51.100.1", 3_000, TicketRefusal::Elsewhere)]
    {
        assert!(s.put_ticket(ticket(number, login.id, 2_000)).await.unwrap());
        assert_eq!(s.use_ticket(shown(number, 22, from, at)).await.unwrap(), refused(why));
        let then = s.use_ticket(shown(number, 22, HERE, 3_000)).await.unwrap();
        assert_eq!(then, refused(TicketRefusal::Unknown));
    }

    // Of many the oldest goes.
    for number in 0..=TICKETS_PER_LOGIN_MAX as u8 {
        assert!(s.put_ticket(ticket(30 + number, login.id, 3_000 + i64::from(number))).await.unwrap());
    }
    let oldest = s.use_ticket(shown(30, 23, HERE, 4_000)).await.unwrap();
    assert_eq!(oldest, refused(TicketRefusal::Unknown));

    // Both pages end with the login, and so do its tickets.
    s.end_login(login.id, LoginEndReason::LoggedOut, WallTime(4_000), "").await.unwrap();
    assert!(s.session(token(20), WallTime(4_001)).await.unwrap().is_none());
    let left = s.use_ticket(shown(31, 24, HERE, 4_001)).await.unwrap();
    assert_eq!(left, refused(TicketRefusal::LoginOver));
    assert!(!s.put_ticket(ticket(40, login.id, 4_001)).await.unwrap());
}

pub async fn whoever_was_taken_over_may_say_once_that_it_was_somebody_else<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    let desks = kit.phones(&["desk-17", "desk-18"]).await;
    let s = &kit.store;
    kit.pending(ann, 1, 0).await;
    let (first, _) = granted(kit.sit_from(ann, desks[0], None, 1_000, (1, 2)).await);
    kit.pending(ann, 3, 1_500).await;
    let (second, _) = granted(kit.sit_from(ann, desks[1], Some(1), 2_000, (3, 4)).await);
    kit.pending(ann, 5, 2_500).await;

    let tomb = s.tombstone(token(2), WallTime(3_000)).await.unwrap().expect("a tombstone");
    assert_eq!((tomb.login.id, tomb.csrf.as_str()), (first.id, "full"));
    for live in [4, 5, 99] {
        assert!(s.tombstone(token(live), WallTime(3_000)).await.unwrap().is_none());
    }
    let say = |number, at| Disown {
        token_sha256: token(number),
        at: WallTime(at),
        from: HERE.into(),
        within: Duration::from_secs(10),
    };
    assert_eq!(s.disown(say(4, 3_000)).await.unwrap(), Disowned::NoTombstone);
    assert_eq!(s.disown(say(2, 12_001)).await.unwrap(), Disowned::TooLate);
    match s.disown(say(2, 12_000)).await.unwrap() {
        Disowned::Done { ended: Some(ended) } => {
            let end = ended.ended.expect("an end");
            assert_eq!((ended.id, end.why, end.from.as_str()), (second.id, LoginEndReason::Disowned, HERE));
        }
        other => panic!("{other:?}"),
    }
    let block = s.account_by_id(ann).await.unwrap().unwrap().blocked.expect("a block");
    assert_eq!((block.why, block.until, block.since), (BlockReason::NotMe, None, WallTime(12_000)));
    for dead in [4, 5] {
        assert!(s.session(token(dead), WallTime(12_001)).await.unwrap().is_none());
    }
    s.block(ann, None).await.unwrap();
    assert_eq!(s.disown(say(2, 12_000)).await.unwrap(), Disowned::Already);
    assert!(s.account_by_id(ann).await.unwrap().unwrap().blocked.is_none());
    assert_eq!(s.disown(say(4, 12_001)).await.unwrap(), Disowned::NotTakenOver);
    assert_eq!(s.disown(say(2, 2_000_000)).await.unwrap(), Disowned::NoTombstone, "its cookie has run out");
}
