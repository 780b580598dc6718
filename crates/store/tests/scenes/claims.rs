//! Scenes about who sits where.

use super::{Kit, claim, granted, token};
use std::collections::HashSet;
use std::sync::Arc;
use store::{Claimed, Decision, Store, Upgrade};
use terms::{AgentId, DeviceId, Epoch, Login, LoginEndReason, WallTime};

pub async fn a_login_is_granted_and_its_session_rotated<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    let desk = kit.phones(&["desk-17"]).await[0];
    kit.pending(ann, 1, 1_000).await;
    let (login, ended) = granted(kit.sit_from(ann, desk, None, 2_000, (1, 2)).await);
    assert_eq!((login.agent, login.place.device(), login.epoch), (ann, Some(desk), Epoch(1)));
    assert_eq!(ended, None);
    assert_eq!(
        kit.store.session(token(1), WallTime(2_001)).await.unwrap(),
        None,
        "the pending id is worth nothing"
    );
    let full = kit.store.session(token(2), WallTime(2_001)).await.unwrap().unwrap();
    assert_eq!((full.agent, full.login, full.csrf.as_str()), (ann, Some(login.id), "full"));
    assert_eq!(full.from, "192.0.2.44");
    assert_eq!(kit.store.logins().await.unwrap(), [login]);
    let account = kit.store.account("ANN").await.unwrap().unwrap();
    assert_eq!(account.last_device, Some(desk));
}

pub async fn a_phone_with_somebody_at_it_is_in_use<S: Store>(kit: &Kit<S>) {
    let people = kit.agents(&["ann", "bob"]).await;
    let desk = kit.phones(&["desk-17"]).await[0];
    let (login, _) = granted(kit.sit(people[0], desk, None, 1).await);
    let refused = kit.sit(people[1], desk, Some(1), 2).await;
    assert_eq!(refused, Claimed::Refused(Decision::PhoneInUse { by: login.clone() }));
    assert_eq!(kit.store.logins().await.unwrap(), [login]);
    assert_eq!(kit.sit(people[1], DeviceId(999), None, 3).await, Claimed::UnknownDevice);
    assert_eq!(kit.sit(AgentId(999), desk, None, 3).await, Claimed::UnknownAgent);
}

pub async fn a_takeover_needs_the_epoch_that_was_shown_and_leaves_a_tombstone<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    let desks = kit.phones(&["desk-17", "desk-18"]).await;
    kit.pending(ann, 1, 0).await;
    let (first, _) = granted(kit.sit_from(ann, desks[0], None, 10, (1, 2)).await);
    kit.pending(ann, 3, 20).await;
    let held = Claimed::Refused(Decision::Held { by: first.clone() });
    assert_eq!(kit.sit_from(ann, desks[1], None, 30, (3, 4)).await, held);
    assert_eq!(kit.sit_from(ann, desks[1], Some(9), 31, (3, 4)).await, held);
    assert!(kit.store.session(token(2), WallTime(32)).await.unwrap().is_some(), "no: nothing at all changes");
    assert!(
        kit.store.session(token(3), WallTime(32)).await.unwrap().is_some(),
        "the question does not use it up"
    );

    let (second, ended) = granted(kit.sit_from(ann, desks[1], Some(1), 40, (3, 4)).await);
    let ended = ended.unwrap();
    assert_eq!((second.epoch, ended.id), (Epoch(2), first.id));
    let end = ended.ended.clone().unwrap();
    assert_eq!((end.at, end.why, end.from.as_str()), (WallTime(40), LoginEndReason::TakenOver, "192.0.2.1"));
    assert_eq!(kit.store.logins().await.unwrap(), [second]);
    assert_eq!(
        kit.store.session(token(2), WallTime(41)).await.unwrap(),
        None,
        "a tombstone authenticates nothing"
    );
    assert_eq!(kit.store.ended_session(token(2)).await.unwrap(), Some(ended));
    assert_eq!(kit.store.ended_session(token(4)).await.unwrap(), None);
    kit.store.drop_session(token(2)).await.unwrap();
    assert!(
        kit.store.ended_session(token(2)).await.unwrap().is_some(),
        "logging out late does not hide the reason"
    );
}

pub async fn a_pending_session_is_used_once<S: Store>(kit: &Kit<S>) {
    let people = kit.agents(&["ann", "bob"]).await;
    let desks = kit.phones(&["desk-17", "desk-18"]).await;
    assert_eq!(kit.sit_from(people[0], desks[0], None, 10, (1, 2)).await, Claimed::NoSession);
    kit.pending(people[0], 1, 0).await;
    assert_eq!(kit.sit_from(people[1], desks[0], None, 10, (1, 2)).await, Claimed::NoSession, "not bob's");
    assert_eq!(kit.sit_from(people[0], desks[0], None, 300_001, (1, 2)).await, Claimed::NoSession, "ran out");
    assert_eq!(kit.store.logins().await.unwrap(), []);
    granted(kit.sit_from(people[0], desks[0], None, 20, (1, 2)).await);
    assert_eq!(kit.sit_from(people[0], desks[1], Some(1), 30, (1, 3)).await, Claimed::NoSession);
    assert_eq!(kit.store.logins().await.unwrap().len(), 1);
    assert_eq!(kit.store.logins().await.unwrap()[0].epoch, Epoch(1), "the refused claim ended nothing");
}

pub async fn no_more_than_five_takeovers_an_hour<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    let desk = kit.phones(&["desk-17"]).await[0];
    granted(kit.sit(ann, desk, None, 0).await);
    for epoch in 1..=5 {
        granted(kit.sit(ann, desk, Some(epoch), 1_000 * epoch as i64).await);
    }
    assert_eq!(kit.sit(ann, desk, Some(6), 6_000).await, Claimed::Refused(Decision::TooManyTakeovers));
    granted(kit.sit(ann, desk, Some(6), 3_600_000 + 1_000).await);
}

pub async fn logging_out_frees_the_phone<S: Store>(kit: &Kit<S>) {
    let people = kit.agents(&["ann", "bob"]).await;
    let desk = kit.phones(&["desk-17"]).await[0];
    let (login, _) = granted(kit.sit(people[0], desk, None, 1).await);
    let out = |at| kit.store.end_login(login.id, LoginEndReason::LoggedOut, WallTime(at), "192.0.2.1");
    let ended = out(5).await.unwrap().unwrap();
    assert_eq!(
        ended.ended.as_ref().map(|end| (end.at, end.why)),
        Some((WallTime(5), LoginEndReason::LoggedOut))
    );
    assert_eq!(out(6).await.unwrap(), None, "once");
    let (next, _) = granted(kit.sit(people[1], desk, None, 7).await);
    let (again, _) = {
        let other = kit.phones(&["desk-18"]).await[0];
        granted(kit.sit(people[0], other, None, 8).await)
    };
    assert_eq!(again.epoch, Epoch(2), "epochs only rise");
    assert_eq!(kit.store.login_history(10).await.unwrap(), [again, next, ended]);
}

pub async fn removing_a_phone_or_an_agent_ends_the_login<S: Store>(kit: &Kit<S>) {
    let people = kit.agents(&["ann", "bob"]).await;
    let desks = kit.phones(&["desk-17", "desk-18"]).await;
    kit.pending(people[0], 1, 0).await;
    granted(kit.sit_from(people[0], desks[0], None, 1, (1, 2)).await);
    granted(kit.sit(people[1], desks[1], None, 1).await);
    let why = |login: Option<Login>| login.and_then(|login| login.ended).map(|end| end.why);
    let gone = kit.store.remove_device(desks[0], WallTime(5)).await.unwrap();
    assert_eq!(why(gone), Some(LoginEndReason::PhoneRemoved));
    assert_eq!(why(kit.store.ended_session(token(2)).await.unwrap()), Some(LoginEndReason::PhoneRemoved));
    let gone = kit.store.remove_agent(people[1], WallTime(5)).await.unwrap();
    assert_eq!(why(gone), Some(LoginEndReason::AgentRemoved));
    assert_eq!(kit.store.remove_agent(people[1], WallTime(6)).await.unwrap(), None);
    assert_eq!(kit.store.logins().await.unwrap(), []);
    assert_eq!(kit.store.agents().await.unwrap().len(), 1);
    assert_eq!(kit.store.devices().await.unwrap().len(), 1);
    // Ids are never used again, or history would speak of the wrong person.
    let carl = kit.store.add_agents(vec![super::person("carl", "2002")]).await.unwrap()[0];
    assert!(carl > people[1]);
}

/// Everything a claim must never break, looked at from outside.
async fn nobody_sits_twice<S: Store>(store: &S) {
    let open = store.logins().await.unwrap();
    let agents: HashSet<_> = open.iter().map(|login| login.agent).collect();
    let places: HashSet<_> = open.iter().filter_map(|login| login.place.device()).collect();
    assert_eq!(agents.len(), open.len(), "an agent sits twice: {open:?}");
    assert_eq!(places.len(), open.len(), "a phone has two agents: {open:?}");
}

pub async fn many_tasks_claim_at_once_and_nobody_sits_twice<S: Store>(kit: &Kit<S>) {
    const TASKS: usize = 12;
    let people = kit.agents(&["ann", "bob", "carl"]).await;
    let desks = kit.phones(&["desk-1", "desk-2", "desk-3", "desk-4"]).await;
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let (store, people, desks) = (Arc::clone(&kit.store), people.clone(), desks.clone());
        tasks.push(tokio::spawn(async move {
            let mut shown = None;
            let mut granted = Vec::new();
            for round in 0..40usize {
                let agent = people[task % people.len()];
                let device = desks[(task * 7 + round * 3) % desks.len()];
                let at = (round * 1_000_000) as i64;
                match store.claim_login(claim(agent, device, shown, at), None).await.unwrap() {
                    Claimed::Granted { login, .. } => {
                        if round % 3 == 0 {
                            let why = LoginEndReason::LoggedOut;
                            store.end_login(login.id, why, WallTime(at), "").await.unwrap();
                        }
                        granted.push((login.agent, login.epoch));
                        shown = None;
                    }
                    Claimed::Refused(Decision::Held { by }) => shown = Some(by.epoch.0),
                    _ => shown = None,
                }
                nobody_sits_twice(&*store).await;
            }
            granted
        }));
    }
    let mut epochs = HashSet::new();
    for task in tasks {
        for grant in task.await.unwrap() {
            assert!(epochs.insert(grant), "epoch granted twice: {grant:?}");
        }
    }
    assert!(epochs.len() > TASKS, "the scene must have granted something, got {}", epochs.len());
    nobody_sits_twice(&*kit.store).await;

    // Of many who confirm the same epoch at once exactly one wins.
    let seat = kit.phones(&["desk-9"]).await[0];
    let dora = kit.store.add_agents(vec![super::person("dora", "2999")]).await.unwrap()[0];
    granted(kit.sit(dora, seat, None, 0).await);
    let mut confirms = Vec::new();
    for _ in 0..TASKS {
        let store = Arc::clone(&kit.store);
        confirms
            .push(tokio::spawn(async move { store.claim_login(claim(dora, seat, Some(1), 1), None).await }));
    }
    let (mut won, mut asked_again) = (0, 0);
    for confirm in confirms {
        match confirm.await.unwrap().unwrap() {
            Claimed::Granted { login, .. } => {
                assert_eq!(login.epoch, Epoch(2));
                won += 1;
            }
            Claimed::Refused(Decision::Held { by }) => {
                assert_eq!(by.epoch, Epoch(2));
                asked_again += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((won, asked_again), (1, TASKS - 1));
}

/// Random orders of claims, confirmations, logouts and removals by several browsers that remember what they were shown.
pub async fn interleavings<S: Store>(kit: &Kit<S>, count: usize) {
    let people = kit.agents(&["ann", "bob", "carl"]).await;
    let desks = kit.phones(&["desk-1", "desk-2", "desk-3"]).await;
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    let mut roll = move |sides: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice % sides as u64) as usize
    };
    let mut shown = [None; 8];
    let mut highest = vec![0; people.len()];
    let (mut grants, mut takeovers) = (0, 0);
    for step in 0..count {
        let browser = roll(shown.len());
        let who = browser % people.len();
        let at = step as i64 * 400_000;
        if roll(5) == 0 {
            let open = kit.store.logins().await.unwrap();
            if let Some(login) = open.iter().find(|login| login.agent == people[who]) {
                kit.store.end_login(login.id, LoginEndReason::LoggedOut, WallTime(at), "").await.unwrap();
            }
        } else {
            match kit.sit(people[who], desks[roll(desks.len())], shown[browser], at).await {
                Claimed::Granted { login, ended } => {
                    assert!(login.epoch.0 > highest[who], "epochs only rise");
                    highest[who] = login.epoch.0;
                    assert_eq!(
                        ended.is_some(),
                        ended.as_ref().is_some_and(|old| Some(old.epoch.0) == shown[browser])
                    );
                    takeovers += usize::from(ended.is_some());
                    grants += 1;
                    shown[browser] = None;
                }
                Claimed::Refused(Decision::Held { by }) => {
                    assert_eq!(by.agent, people[who], "nobody is shown somebody else's login");
                    shown[browser] = Some(by.epoch.0);
                }
                Claimed::Refused(_) => {}
                other => panic!("{other:?}"),
            }
        }
        nobody_sits_twice(&*kit.store).await;
    }
    assert!(grants > count / 10 && takeovers > count / 100, "{grants} grants, {takeovers} takeovers");
}

pub async fn dropped_claims_leave_no_transaction_open<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    let desks = kit.phones(&["desk-1", "desk-2"]).await;
    let (login, _) = granted(kit.sit(ann, desks[0], None, 0).await);
    for wait_us in 0..120u64 {
        // A browser that goes away drops the handler at any await.
        let session = Upgrade {
            pending: token(9),
            token_sha256: token(8),
            csrf: String::new(),
            expires: WallTime(1_000_000),
        };
        let claim = kit.store.claim_login(claim(ann, desks[1], Some(1), 10), Some(session));
        let _ = tokio::time::timeout(std::time::Duration::from_micros(wait_us * 10), claim).await;
    }
    assert_eq!(kit.store.logins().await.unwrap(), [login], "no session, so no grant, however far it came");
    let (moved, _) = granted(kit.sit(ann, desks[1], Some(1), 20).await);
    assert_eq!(kit.store.logins().await.unwrap(), [moved]);
}
