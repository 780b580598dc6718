//! Second factors: used once, counted before they are looked at, gone with their owner.

use super::{Kit, person};
use store::{
    Ceremony, FACTORS_PER_AGENT_MAX, Factor, FactorAdded, FactorBody, FactorKind, FactorTry, NewFactor,
    Store, TryLimits,
};
use terms::{AgentId, WallTime};

fn app(agent: AgentId) -> NewFactor {
    NewFactor {
        agent,
        kind: FactorKind::Totp,
        name: "Authenticator app".into(),
        since: WallTime(1000),
        credential: None,
        counter: 7,
        body: FactorBody(vec![0xB7; 20]),
    }
}

fn passkey(agent: AgentId, credential: &[u8]) -> NewFactor {
    NewFactor {
        kind: FactorKind::Passkey,
        name: "Grey key".into(),
        credential: Some(credential.to_vec()),
        counter: 0,
        body: FactorBody(vec![0xC7; 77]),
        ..app(agent)
    }
}

async fn people<S: Store>(kit: &Kit<S>) -> (AgentId, AgentId) {
    let ids = kit.store.add_agents(vec![person("ann", "2001"), person("bob", "2002")]).await.unwrap();
    (ids[0], ids[1])
}

fn added(outcome: FactorAdded) -> u64 {
    match outcome {
        FactorAdded::Added(id) => id,
        other => panic!("{other:?}"),
    }
}

pub async fn factors_are_kept_and_each_counter_is_good_once<S: Store>(kit: &Kit<S>) {
    let (ann, bob) = people(kit).await;
    let store = &kit.store;
    let totp = added(store.add_factor(app(ann)).await.unwrap());
    let key = added(store.add_factor(passkey(ann, b"one")).await.unwrap());
    let held = store.factors(ann).await.unwrap();
    let expected = Factor {
        id: totp,
        agent: ann,
        kind: FactorKind::Totp,
        name: "Authenticator app".into(),
        since: WallTime(1000),
        used: None,
        credential: None,
        counter: 7,
        body: FactorBody(vec![0xB7; 20]),
    };
    assert_eq!(held[0], expected);
    assert_eq!((held.len(), held[1].credential.as_deref()), (2, Some(&b"one"[..])));
    assert!(!format!("{held:?}").contains("183"), "the secret is not printed");
    assert_eq!(store.factor_counts().await.unwrap().into_iter().collect::<Vec<_>>(), [(ann, 2)]);

    // An app's step has to be later than the last one.
    assert!(!store.use_factor(totp, 7, WallTime(2000)).await.unwrap());
    assert!(!store.use_factor(totp, 6, WallTime(2000)).await.unwrap());
    assert!(store.use_factor(totp, 8, WallTime(2000)).await.unwrap());
    assert!(!store.use_factor(totp, 8, WallTime(2001)).await.unwrap());
    let used = store.factors(ann).await.unwrap();
    assert_eq!((used[0].counter, used[0].used), (8, Some(WallTime(2000))));
    // A passkey that does not count says zero for ever; one that counted once must go on.
    assert!(store.use_factor(key, 0, WallTime(2000)).await.unwrap());
    assert!(store.use_factor(key, 0, WallTime(2001)).await.unwrap());
    assert!(store.use_factor(key, 5, WallTime(2002)).await.unwrap());
    assert!(!store.use_factor(key, 0, WallTime(2003)).await.unwrap());
    assert!(!store.use_factor(key, 5, WallTime(2003)).await.unwrap());
    assert!(!store.use_factor(9999, 9, WallTime(2003)).await.unwrap());

    // A new app takes the old one's place; a passkey belongs to one person; there is a limit.
    let anew = added(store.add_factor(app(ann)).await.unwrap());
    let held = store.factors(ann).await.unwrap();
    assert_eq!(held.iter().map(|factor| factor.id).collect::<Vec<_>>(), [key, anew]);
    assert_eq!(store.add_factor(passkey(bob, b"one")).await.unwrap(), FactorAdded::Known);
    for n in 0..FACTORS_PER_AGENT_MAX {
        added(store.add_factor(passkey(bob, &[b'b', n as u8])).await.unwrap());
    }
    assert_eq!(store.add_factor(passkey(bob, b"more")).await.unwrap(), FactorAdded::TooMany);
    assert_eq!(store.add_factor(app(bob)).await.unwrap(), FactorAdded::TooMany);
    assert_eq!(store.add_factor(app(AgentId(999))).await.unwrap(), FactorAdded::NoAgent);

    assert!(!store.drop_factor(bob, key).await.unwrap(), "somebody else's");
    assert!(store.drop_factor(ann, key).await.unwrap());
    assert!(!store.drop_factor(ann, key).await.unwrap());
    assert_eq!(store.drop_factors(bob).await.unwrap(), FACTORS_PER_AGENT_MAX as u32);
    assert_eq!(store.factors(bob).await.unwrap(), []);
    store.remove_agent(ann, WallTime(3000)).await.unwrap();
    assert_eq!(store.factors(ann).await.unwrap(), []);
}

pub async fn a_recovery_code_opens_once<S: Store>(kit: &Kit<S>) {
    let (ann, bob) = people(kit).await;
    let store = &kit.store;
    let key = added(store.add_factor(passkey(ann, b"one")).await.unwrap());
    let other = added(store.add_factor(app(ann)).await.unwrap());
    store.put_recovery_codes(ann, vec![[1; 32], [2; 32], [3; 32]]).await.unwrap();
    assert_eq!(store.recovery_codes_left(ann).await.unwrap(), 3);
    assert!(!store.use_recovery_code(bob, [1; 32]).await.unwrap(), "somebody else's");
    assert!(store.use_recovery_code(ann, [1; 32]).await.unwrap());
    assert!(!store.use_recovery_code(ann, [1; 32]).await.unwrap());
    assert_eq!(store.recovery_codes_left(ann).await.unwrap(), 2);
    store.put_recovery_codes(ann, vec![[4; 32]]).await.unwrap();
    assert!(!store.use_recovery_code(ann, [2; 32]).await.unwrap(), "the old sheet");
    assert!(store.drop_factor(ann, key).await.unwrap());
    assert_eq!(store.recovery_codes_left(ann).await.unwrap(), 1);
    assert!(store.drop_factor(ann, other).await.unwrap());
    assert_eq!(store.recovery_codes_left(ann).await.unwrap(), 0, "they stand in for nothing any more");

    // Of many who show one code at once, one gets in.
    store.put_recovery_codes(ann, vec![[5; 32]]).await.unwrap();
    let mut tries = Vec::new();
    for _ in 0..20 {
        let store = std::sync::Arc::clone(store);
        tries.push(tokio::spawn(async move { store.use_recovery_code(ann, [5; 32]).await.unwrap() }));
    }
    let mut let_in = 0;
    for one in tries {
        let_in += usize::from(one.await.unwrap());
    }
    assert_eq!(let_in, 1);
}

pub async fn a_ceremony_ends_once_and_runs_out<S: Store>(kit: &Kit<S>) {
    let store = &kit.store;
    let (one, two) = ([1; 32], [2; 32]);
    let (now, later) = (WallTime(1000), WallTime(2000));
    let body = |byte: u8| FactorBody(vec![byte; 20]);
    store.begin_ceremony(one, Ceremony::NewTotp, body(1), now, later).await.unwrap();
    store.begin_ceremony(one, Ceremony::NewPasskey, body(2), now, later).await.unwrap();
    assert_eq!(store.ceremony(one, Ceremony::NewTotp, now).await.unwrap(), Some(body(1)));
    assert_eq!(store.ceremony(one, Ceremony::NewTotp, later).await.unwrap(), None);
    assert_eq!(store.ceremony(two, Ceremony::NewTotp, now).await.unwrap(), None);
    assert_eq!(store.end_ceremony(one, Ceremony::ShowPasskey, now).await.unwrap(), None);
    store.begin_ceremony(one, Ceremony::NewTotp, body(3), now, later).await.unwrap();
    assert_eq!(store.end_ceremony(one, Ceremony::NewTotp, now).await.unwrap(), Some(body(3)));
    assert_eq!(store.end_ceremony(one, Ceremony::NewTotp, now).await.unwrap(), None);
    assert_eq!(store.end_ceremony(one, Ceremony::NewPasskey, later).await.unwrap(), None, "too late");
    assert_eq!(store.end_ceremony(one, Ceremony::NewPasskey, now).await.unwrap(), None, "and over");
}

pub async fn tries_are_counted_before_they_are_looked_at<S: Store>(kit: &Kit<S>) {
    let (ann, bob) = people(kit).await;
    let store = &kit.store;
    let limits = |since: i64| TryLimits { per_session: 3, per_agent: Some(5), since: WallTime(since) };
    let mut tries = Vec::new();
    for _ in 0..20 {
        let store = std::sync::Arc::clone(store);
        tries.push(tokio::spawn(async move {
            store.try_factor(ann, [1; 32], WallTime(1000), limits(0)).await.unwrap()
        }));
    }
    let mut counted = 0;
    for one in tries {
        counted += usize::from(matches!(one.await.unwrap(), FactorTry::Counted { .. }));
    }
    assert_eq!(counted, 3);
    let ask = async |agent, session, at, since| {
        store.try_factor(agent, session, WallTime(at), limits(since)).await.unwrap()
    };
    assert_eq!(ask(ann, [1; 32], 1000, 0).await, FactorTry::SessionSpent);
    assert_eq!(ask(ann, [2; 32], 1000, 0).await, FactorTry::Counted { left: 2 });
    assert_eq!(ask(ann, [2; 32], 1001, 0).await, FactorTry::Counted { left: 1 });
    assert_eq!(ask(ann, [3; 32], 1001, 0).await, FactorTry::AgentSpent);
    assert_eq!(ask(bob, [4; 32], 1001, 0).await, FactorTry::Counted { left: 2 });
    // An hour later, or after the right code of one session, there is room again.
    assert_eq!(ask(ann, [3; 32], 5000, 1000).await, FactorTry::Counted { left: 2 });
    store.forget_tries([2; 32]).await.unwrap();
    assert_eq!(ask(ann, [2; 32], 5000, 0).await, FactorTry::Counted { left: 2 });
    assert_eq!(ask(ann, [1; 32], 5000, 0).await, FactorTry::SessionSpent);
    assert_eq!(store.drop_factors(ann).await.unwrap(), 0);
    assert_eq!(ask(ann, [1; 32], 5000, 0).await, FactorTry::Counted { left: 2 });
}
