//! Scenes about links for a new password.

use super::{Kit, granted, token};
use store::{BlockReason, Blocked, NewReset, RESETS_PER_HOUR, Reset, Store};
use terms::{AgentId, LoginEndReason, WallTime};

const HOUR: i64 = 3_600_000;

fn link(agent: AgentId, number: u8, made: i64) -> NewReset {
    let (made, expires) = (WallTime(made), WallTime(made + HOUR));
    NewReset { token_sha256: token(number), agent, made, expires, live: true }
}

pub async fn a_link_works_once_within_its_hour_and_a_new_one_kills_it<S: Store>(kit: &Kit<S>) {
    let ids = kit.agents(&["ann", "ben"]).await;
    let (ann, ben) = (ids[0], ids[1]);
    assert!(kit.store.make_reset(link(ann, 1, 0)).await.unwrap());
    assert!(kit.store.make_reset(link(ben, 9, 0)).await.unwrap());
    let works = async |number, now| kit.store.reset(token(number), WallTime(now)).await.unwrap();
    assert_eq!(works(1, HOUR - 1).await, Some(Reset { agent: ann, expires: WallTime(HOUR) }));
    assert_eq!(works(1, HOUR).await, None);
    assert_eq!(works(2, 0).await, None);

    assert!(kit.store.make_reset(link(ann, 2, 1000)).await.unwrap());
    assert_eq!(works(1, 1000).await, None, "the newer one counts");
    assert!(works(9, 1000).await.is_some(), "and says nothing about others");
    assert_eq!(kit.store.use_reset(token(1), WallTime(2000), "old".into(), "").await.unwrap(), None);
    let late = kit.store.use_reset(token(2), WallTime(1000 + HOUR), "late".into(), "").await.unwrap();
    assert_eq!(late, None);
    let hash = |account: Option<store::Account>| account.and_then(|a| a.password_hash).unwrap();
    assert_eq!(hash(kit.store.account_by_id(ann).await.unwrap()), "$argon2id$…");

    let used = kit.store.use_reset(token(2), WallTime(1000 + HOUR - 1), "new".into(), "").await.unwrap();
    assert_eq!(used.map(|used| (used.agent, used.ended)), Some((ann, None)));
    let account = kit.store.account_by_id(ann).await.unwrap().unwrap();
    assert_eq!((account.password_hash.as_deref(), account.must_change), (Some("new"), false));
    assert_eq!(account.password_at, Some(WallTime(1000 + HOUR - 1)));
    assert_eq!(kit.store.use_reset(token(2), WallTime(3000), "again".into(), "").await.unwrap(), None);
    assert_eq!(hash(kit.store.account_by_id(ann).await.unwrap()), "new");
    assert_eq!(hash(kit.store.account_by_id(ben).await.unwrap()), "$argon2id$…");
}

pub async fn an_account_gets_three_letters_an_hour<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    for n in 0..RESETS_PER_HOUR as u8 {
        assert!(kit.store.make_reset(link(ann, n + 1, i64::from(n))).await.unwrap());
    }
    let last = RESETS_PER_HOUR as u8;
    assert!(!kit.store.make_reset(link(ann, 50, HOUR - 1)).await.unwrap());
    assert_eq!(kit.store.reset(token(50), WallTime(HOUR - 1)).await.unwrap(), None);
    let still = kit.store.reset(token(last), WallTime(HOUR - 1)).await.unwrap();
    assert!(still.is_some(), "the letter that came last still has a link that works");
    // Using one up does not make room.
    assert!(kit.store.use_reset(token(last), WallTime(HOUR - 1), "new".into(), "").await.unwrap().is_some());
    assert!(!kit.store.make_reset(link(ann, 51, HOUR - 1)).await.unwrap());
    assert!(kit.store.make_reset(link(ann, 52, HOUR)).await.unwrap(), "the first is an hour old");
    // A letter without a link counts and has nothing to use.
    let empty = NewReset { live: false, ..link(ann, 53, 2 * HOUR + 10) };
    assert!(kit.store.make_reset(empty).await.unwrap());
    assert_eq!(kit.store.reset(token(53), WallTime(2 * HOUR + 11)).await.unwrap(), None);
}

pub async fn a_new_password_ends_every_session_and_lifts_the_block<S: Store>(kit: &Kit<S>) {
    let ids = kit.agents(&["ann", "ben"]).await;
    let phones = kit.phones(&["desk-1", "desk-2"]).await;
    kit.pending(ids[0], 1, 0).await;
    let (login, _) = granted(kit.sit_from(ids[0], phones[0], None, 10, (1, 2)).await);
    kit.pending(ids[0], 3, 20).await;
    kit.pending(ids[1], 4, 0).await;
    granted(kit.sit_from(ids[1], phones[1], None, 10, (4, 5)).await);
    let block = Blocked { since: WallTime(15), until: None, why: BlockReason::WrongPasswords };
    kit.store.block(ids[0], Some(block)).await.unwrap();
    assert!(kit.store.make_reset(link(ids[0], 9, 20)).await.unwrap());

    let used = kit.store.use_reset(token(9), WallTime(30), "new".into(), "192.0.2.9").await.unwrap().unwrap();
    let ended = used.ended.unwrap();
    assert_eq!(ended.id, login.id);
    let end = ended.ended.unwrap();
    assert_eq!((end.why, end.from.as_str()), (LoginEndReason::PasswordReset, "192.0.2.9"));
    for number in [2, 3] {
        assert_eq!(kit.store.session(token(number), WallTime(31)).await.unwrap(), None, "{number}");
    }
    assert!(kit.store.ended_session(token(2)).await.unwrap().is_some(), "the old page is told why");
    assert!(kit.store.session(token(5), WallTime(31)).await.unwrap().is_some(), "ben sits where he sat");
    assert_eq!(kit.store.logins().await.unwrap().len(), 1);
    assert_eq!(kit.store.account_by_id(ids[0]).await.unwrap().unwrap().blocked, None);
}

pub async fn whoever_may_not_log_in_gets_no_password_by_mail<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    assert!(kit.store.make_reset(link(ann, 1, 0)).await.unwrap());
    kit.store.enable_agent(ann, false, WallTime(1)).await.unwrap();
    assert_eq!(kit.store.use_reset(token(1), WallTime(2), "new".into(), "").await.unwrap(), None);
    kit.store.enable_agent(ann, true, WallTime(3)).await.unwrap();
    assert!(kit.store.use_reset(token(1), WallTime(4), "new".into(), "").await.unwrap().is_some());
    assert!(kit.store.make_reset(link(ann, 2, 5)).await.unwrap());
    kit.store.remove_agent(ann, WallTime(6)).await.unwrap();
    assert_eq!(kit.store.use_reset(token(2), WallTime(7), "new".into(), "").await.unwrap(), None);
}

pub async fn of_many_who_use_one_link_at_once_one_does<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    assert!(kit.store.make_reset(link(ann, 1, 0)).await.unwrap());
    let mut tries = Vec::new();
    for n in 0..20 {
        let store = std::sync::Arc::clone(&kit.store);
        tries.push(tokio::spawn(async move {
            store.use_reset(token(1), WallTime(5), format!("hash-{n}"), "").await.unwrap().map(|_| n)
        }));
    }
    let mut won = Vec::new();
    for one in tries {
        won.extend(one.await.unwrap());
    }
    assert_eq!(won.len(), 1, "{won:?}");
    let account = kit.store.account_by_id(ann).await.unwrap().unwrap();
    assert_eq!(account.password_hash, Some(format!("hash-{}", won[0])));
}
