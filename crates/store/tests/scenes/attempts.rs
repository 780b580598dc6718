//! Wrong passwords and old ones: what is counted, what a block does, what unlocking leaves.

use super::{Kit, token};
use hotdesk::lockout::{Block, Charge, Limit};
use std::time::Duration;
use store::{Attempt, BlockReason, Blocked, Charged, KNOWN_BROWSERS_MAX, OLD_PASSWORDS_MAX, Store, Verdict};
use terms::WallTime;

const HOUR: i64 = 3_600_000;

fn attempt(name: &str, source: &str, at: i64) -> Attempt {
    Attempt {
        login_name: name.into(),
        source: source.into(),
        browser: None,
        at: WallTime(at),
        limit: Limit { wrong: 3, block: Some(Duration::from_millis(HOUR as u64)) },
    }
}

impl<S: Store> Kit<S> {
    async fn wrong(&self, attempt: &Attempt) -> Charged {
        let charged = self.store.charge_attempt(attempt).await.unwrap();
        self.store.settle_attempt(attempt, charged, Verdict::Wrong).await.unwrap();
        charged
    }
}

pub async fn wrong_passwords_block_whoever_the_name_belongs_to<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["Ann"]).await[0];
    for name in ["ann", "nobody"] {
        assert_eq!(kit.wrong(&attempt(name, "192.0.2.1", 0)).await.charge, Charge::Taken { blocks: None });
        let upper = name.to_uppercase();
        assert_eq!(kit.wrong(&attempt(&upper, "192.0.2.2", 1)).await.charge, Charge::Taken { blocks: None });
        let block = Block { since: WallTime(2), until: Some(WallTime(HOUR + 2)) };
        assert_eq!(
            kit.wrong(&attempt(name, "192.0.2.3", 2)).await.charge,
            Charge::Taken { blocks: Some(block) }
        );
        // From wherever, until the hour is over.
        for at in [3, HOUR + 1] {
            assert_eq!(kit.wrong(&attempt(name, "192.0.2.9", at)).await.charge, Charge::Refused);
        }
        assert_eq!(
            kit.wrong(&attempt(name, "192.0.2.9", HOUR + 2)).await.charge,
            Charge::Taken { blocks: None }
        );
    }
    let account = kit.store.account_by_id(ann).await.unwrap().unwrap();
    let shown =
        Blocked { since: WallTime(2), until: Some(WallTime(HOUR + 2)), why: BlockReason::WrongPasswords };
    assert_eq!(account.blocked, Some(shown));
}

pub async fn unlocking_forgets_what_was_counted<S: Store>(kit: &Kit<S>) {
    let ids = kit.agents(&["ann", "bob"]).await;
    for n in 0..3 {
        kit.wrong(&attempt("ann", "192.0.2.1", n)).await;
        kit.wrong(&attempt("bob", "192.0.2.1", n)).await;
    }
    assert!(kit.store.unlock_agent(ids[0], WallTime(10)).await.unwrap());
    assert!(!kit.store.unlock_agent(ids[0], WallTime(10)).await.unwrap(), "nothing was blocked any more");
    assert_eq!(kit.store.account_by_id(ids[0]).await.unwrap().unwrap().blocked, None);
    for n in 0..2 {
        let charged = kit.wrong(&attempt("ann", "192.0.2.1", 11 + n)).await;
        assert_eq!(charged.charge, Charge::Taken { blocks: None });
    }
    assert_eq!(kit.wrong(&attempt("bob", "192.0.2.1", 11)).await.charge, Charge::Refused);
    // Whoever lifts the block by the other verb unlocks as well.
    kit.store.block(ids[1], None).await.unwrap();
    assert_eq!(kit.wrong(&attempt("bob", "192.0.2.1", 12)).await.charge, Charge::Taken { blocks: None });
    assert!(kit.store.unlock_agent(terms::AgentId(999), WallTime(0)).await.is_err());
}

pub async fn a_block_set_on_purpose_is_not_written_over<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    let blocked = Blocked { since: WallTime(0), until: None, why: BlockReason::NotMe };
    kit.store.block(ann, Some(blocked)).await.unwrap();
    for n in 0..3 {
        kit.wrong(&attempt("ann", "192.0.2.1", n)).await;
    }
    assert_eq!(kit.store.account_by_id(ann).await.unwrap().unwrap().blocked, Some(blocked));
}

pub async fn a_known_browser_is_measured_by_itself<S: Store>(kit: &Kit<S>) {
    let ids = kit.agents(&["ann", "bob"]).await;
    let own = |name: &str, at| Attempt { browser: Some(token(9)), ..attempt(name, "192.0.2.7", at) };
    let charged = kit.store.charge_attempt(&own("ann", 0)).await.unwrap();
    assert!(!charged.known);
    let right = Verdict::Right { agent: ids[0], browser: token(9) };
    kit.store.settle_attempt(&own("ann", 0), charged, right).await.unwrap();
    assert_eq!(kit.store.browser_seen(ids[0], token(9)).await.unwrap(), Some(WallTime(0)));
    for n in 0..9 {
        kit.wrong(&attempt("ann", &format!("192.0.2.{n}"), 10 + n)).await;
        kit.wrong(&attempt("bob", &format!("192.0.2.{n}"), 10 + n)).await;
    }
    let charged = kit.store.charge_attempt(&own("ann", 30)).await.unwrap();
    assert_eq!(charged, Charged { charge: Charge::Taken { blocks: None }, known: true });
    kit.store.settle_attempt(&own("ann", 30), charged, right).await.unwrap();
    // Strangers stay out, and the cookie is worth nothing at another account.
    assert_eq!(kit.wrong(&attempt("ann", "192.0.2.200", 31)).await.charge, Charge::Refused);
    assert_eq!(kit.wrong(&own("bob", 31)).await, Charged { charge: Charge::Refused, known: false });
    // Its own three wrong ones block it too.
    for n in 0..3 {
        assert!(matches!(kit.wrong(&own("ann", 40 + n)).await.charge, Charge::Taken { .. }));
    }
    assert_eq!(kit.wrong(&own("ann", 50)).await.charge, Charge::Refused);
    assert!(kit.store.unlock_agent(ids[0], WallTime(51)).await.unwrap());
    assert_eq!(kit.wrong(&own("ann", 52)).await.charge, Charge::Taken { blocks: None });
}

pub async fn the_right_password_and_one_nobody_looked_at_do_not_count<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    for n in 0..2 {
        kit.wrong(&attempt("ann", "192.0.2.1", n)).await;
    }
    let third = attempt("ann", "192.0.2.1", 2);
    for _ in 0..5 {
        let charged = kit.store.charge_attempt(&third).await.unwrap();
        assert!(matches!(charged.charge, Charge::Taken { blocks: Some(_) }));
        kit.store.settle_attempt(&third, charged, Verdict::NotLooked).await.unwrap();
    }
    let charged = kit.store.charge_attempt(&third).await.unwrap();
    let right = Verdict::Right { agent: ann, browser: token(1) };
    kit.store.settle_attempt(&third, charged, right).await.unwrap();
    for n in 3..5 {
        let charged = kit.wrong(&attempt("ann", "192.0.2.1", n)).await;
        assert_eq!(charged.charge, Charge::Taken { blocks: None });
    }
    assert_eq!(kit.store.account_by_id(ann).await.unwrap().unwrap().blocked, None);
}

pub async fn a_hundred_guesses_at_once_are_a_hundred_guesses<S: Store>(kit: &Kit<S>) {
    kit.agents(&["ann"]).await;
    let mut tasks = Vec::new();
    for n in 0..100 {
        let store = std::sync::Arc::clone(&kit.store);
        let one = attempt("ann", &format!("198.51.100.{n}"), 5);
        tasks.push(tokio::spawn(async move { store.charge_attempt(&one).await.unwrap().charge }));
    }
    let mut taken = 0;
    for task in tasks {
        taken += usize::from(task.await.unwrap() != Charge::Refused);
    }
    assert_eq!(taken, 3);
}

pub async fn browsers_and_old_passwords_are_kept_up_to_a_limit<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    for n in 0..KNOWN_BROWSERS_MAX as u8 + 1 {
        kit.store.know_browser(ann, token(n), WallTime(i64::from(n))).await.unwrap();
    }
    assert_eq!(kit.store.browser_seen(ann, token(0)).await.unwrap(), None);
    assert_eq!(kit.store.browser_seen(ann, token(1)).await.unwrap(), Some(WallTime(1)));

    assert_eq!(kit.store.old_passwords(ann, 12).await.unwrap(), [""; 0]);
    for n in 0..OLD_PASSWORDS_MAX + 2 {
        kit.store.put_password(ann, format!("hash {n}"), Some(WallTime(n as i64)), false).await.unwrap();
        // Made anew with other parameters, the same password: not an old one.
        kit.store.set_password(ann, format!("hash {n}, anew")).await.unwrap();
    }
    let old = kit.store.old_passwords(ann, 12).await.unwrap();
    assert_eq!((old.len(), old[0].as_str(), old[11].as_str()), (12, "hash 12, anew", "hash 1, anew"));
    assert_eq!(kit.store.old_passwords(ann, 2).await.unwrap().len(), 2);

    kit.store.remove_agent(ann, WallTime(99)).await.unwrap();
    assert_eq!(kit.store.old_passwords(ann, 12).await.unwrap(), [""; 0]);
    assert_eq!(kit.store.browser_seen(ann, token(1)).await.unwrap(), None);
}

pub async fn another_password_ends_other_ways_in_and_no_login<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    let desk = kit.phones(&["desk-1"]).await[0];
    kit.pending(ann, 1, 0).await;
    super::granted(kit.sit_from(ann, desk, None, 1, (1, 2)).await);
    kit.pending(ann, 3, 2).await;
    kit.pending(ann, 4, 2).await;
    kit.store.drop_other_sessions(ann, token(4)).await.unwrap();
    for (number, there) in [(2, true), (3, false), (4, true)] {
        assert_eq!(kit.store.session(token(number), WallTime(3)).await.unwrap().is_some(), there, "{number}");
    }
}

/// Before a crash: two wrong ones.
pub async fn two_wrong_ones<S: Store>(kit: &Kit<S>) {
    kit.agents(&["ann"]).await;
    for n in 0..2 {
        kit.wrong(&attempt("ann", "192.0.2.1", n)).await;
    }
}

/// After it: the third blocks.
pub async fn the_third_still_blocks<S: Store>(kit: &Kit<S>) {
    let third = kit.wrong(&attempt("ann", "192.0.2.1", 2)).await;
    assert!(matches!(third.charge, Charge::Taken { blocks: Some(_) }));
}
