//! Scenes about rows: agents, phones, bindings, records, sessions, changes.

use super::{Kit, binding, granted, person, phone, token};
use store::{AddError, Claimed, Store};
use terms::{
    AgentId, Aor, CallId, CallRecord, DeviceId, Direction, EndReason, LegFigures, LoginEndReason, Pii,
    StoreError, StoreWrite, TrunkId, WallTime,
};

pub async fn names_and_extensions_are_unique_whatever_the_case<S: Store>(kit: &Kit<S>) {
    let add =
        |name: &'static str, extension: &'static str| kit.store.add_agents(vec![person(name, extension)]);
    let ids = add("Jürgen", "2001").await.unwrap();
    assert_eq!(
        add("JÜRGEN", "2002").await,
        Err(AddError::Conflict {
            line: 1,
            field: "login_name",
            sentence: "The login name JÜRGEN is already taken by Jürgen.".into()
        })
    );
    assert_eq!(
        add("ann", "2001").await,
        Err(AddError::Conflict {
            line: 1,
            field: "extension",
            sentence: "The extension 2001 already belongs to Jürgen.".into()
        })
    );
    let account = kit.store.account("jÜrGeN").await.unwrap().unwrap();
    assert_eq!((account.agent.id, account.agent.login_name.as_str()), (ids[0], "Jürgen"));
    assert_eq!(account.agent.dids, ["+4969100"]);
    assert_eq!(kit.store.account("nobody").await.unwrap().map(|account| account.agent), None);
    kit.phones(&["desk-17"]).await;
    let again = kit.store.add_devices(vec![phone("desk-18"), phone("desk-17")]).await;
    assert!(matches!(again, Err(AddError::Conflict { line: 2, field: "name", .. })), "{again:?}");
    assert_eq!(kit.store.devices().await.unwrap().len(), 1);
    kit.store.set_password(ids[0], "$argon2id$new".into()).await.unwrap();
    let account = kit.store.account_by_id(ids[0]).await.unwrap().unwrap();
    assert_eq!(account.password_hash.as_deref(), Some("$argon2id$new"));
    assert!(kit.store.set_password(AgentId(99), "x".into()).await.is_err());
}

pub async fn a_bad_line_in_a_thousand_adds_nothing<S: Store>(kit: &Kit<S>) {
    let mut list: Vec<_> =
        (0..1000).map(|n| person(&format!("agent-{n}"), &(3000 + n).to_string())).collect();
    list[700].extension = "3004".into();
    let added = kit.store.add_agents(list.clone()).await;
    assert!(
        matches!(&added, Err(AddError::Conflict { line: 701, field: "extension", sentence })
        if sentence.contains("line 5")),
        "{added:?}"
    );
    list[700].extension = "not digits".into();
    let added = kit.store.add_agents(list.clone()).await;
    assert!(matches!(added, Err(AddError::Invalid { line: 701, field: "extension", .. })), "{added:?}");
    assert_eq!(kit.store.agents().await.unwrap(), []);
    list[700].extension = "4700".into();
    let ids = kit.store.add_agents(list).await.unwrap();
    let agents = kit.store.agents().await.unwrap();
    assert_eq!(agents.iter().map(|agent| agent.id).collect::<Vec<_>>(), ids, "ids in the order of the list");
    assert_eq!(agents[700].extension, "4700");
    for name in ["desk 17", "web-17", "Self-Test"] {
        let bad = kit.store.add_devices(vec![phone(name)]).await;
        assert!(matches!(bad, Err(AddError::Invalid { line: 1, field: "name", .. })), "{bad:?}");
    }
}

fn put(device: &str, contact: &str, cseq: u32, drop: &[&str]) -> StoreWrite {
    StoreWrite::Bindings {
        aor: Aor::new(device, "hotseat.example"),
        put: vec![binding(device, contact, cseq)],
        drop: drop.iter().map(|contact| contact.to_string()).collect(),
    }
}

fn drop_only(device: &str, contact: &str) -> StoreWrite {
    StoreWrite::Bindings { aor: Aor::new(device, "hotseat.example"), put: vec![], drop: vec![contact.into()] }
}

pub async fn bindings_are_what_the_last_register_said<S: Store>(kit: &Kit<S>) {
    let desk = kit.phones(&["desk-17"]).await[0];
    kit.phones(&["desk-170"]).await;
    let batch = (0..100).map(|n| put(&format!("other-{n}"), "sip:x@192.0.2.9", 1, &[])).collect();
    assert!(kit.store.write(batch).await.iter().all(Result::is_ok));
    let batch = vec![
        put("desk-17", "sip:desk-17@192.0.2.17", 1, &[]),
        put("desk-170", "sip:desk-170@192.0.2.170", 1, &[]),
        put("desk-17", "sip:desk-17@192.0.2.17", 2, &[]),
    ];
    assert_eq!(kit.store.write(batch).await, [Ok(()), Ok(()), Ok(())]);
    let of = |name: &'static str| async move {
        let mut all = kit.store.bindings().await.unwrap();
        all.retain(|binding| binding.aor.user() == name);
        all
    };
    assert_eq!(of("desk-17").await, [binding("desk-17", "sip:desk-17@192.0.2.17", 2)]);
    // The same contact of another instance or reg-id is another binding; dropping a contact drops them all.
    let mut second = binding("desk-17", "sip:desk-17@192.0.2.17", 3);
    second.reg_id = 2;
    let mut bare = second.clone();
    (bare.instance, bare.reg_id) = (None, 0);
    let aor = second.aor.clone();
    let write = StoreWrite::Bindings { aor, put: vec![second, bare], drop: vec![] };
    kit.store.write(vec![write]).await;
    assert_eq!(of("desk-17").await.len(), 3);
    // A reboot: the old contact goes, the new one comes, in one write.
    kit.store.write(vec![put("desk-17", "sip:desk-17@192.0.2.18", 1, &["sip:desk-17@192.0.2.17"])]).await;
    assert_eq!(of("desk-17").await, [binding("desk-17", "sip:desk-17@192.0.2.18", 1)]);
    kit.store.write(vec![drop_only("desk-17", "sip:nobody@192.0.2.1")]).await;
    assert_eq!(of("desk-17").await.len(), 1);
    kit.store.remove_device(desk, WallTime(1)).await.unwrap();
    assert_eq!(of("desk-17").await, []);
    assert_eq!(of("desk-170").await.len(), 1, "a name that only begins the same stays");
    assert_eq!(kit.store.bindings().await.unwrap().len(), 101);
    assert_eq!(kit.store.write(vec![]).await, []);
}

pub async fn a_later_write_of_a_batch_sees_the_earlier_one<S: Store>(kit: &Kit<S>) {
    let contact = "sip:desk-17@192.0.2.17";
    let batch = vec![
        put("desk-17", contact, 1, &[]),
        drop_only("desk-17", contact),
        put("desk-18", contact, 1, &[]),
        drop_only("desk-18", contact),
        put("desk-18", contact, 2, &[]),
        put("desk-18", "sip:new@192.0.2.18", 3, &[contact]),
    ];
    assert!(kit.store.write(batch).await.iter().all(Result::is_ok));
    assert_eq!(kit.store.bindings().await.unwrap(), [binding("desk-18", "sip:new@192.0.2.18", 3)]);
}

fn call(id: u64, started: i64) -> CallRecord {
    CallRecord {
        call: CallId(id),
        direction: Direction::In,
        from: Pii::new("+4969123456"),
        to: Pii::new("2001"),
        started: WallTime(started),
        answered: None,
        ended: None,
        agent: Some(AgentId(1)),
        login: None,
        device: None,
        to_agent: None,
        to_login: None,
        to_device: None,
        trunk: Some(TrunkId(0)),
        a_call_id: "abc@trunk".into(),
        b_call_id: "def@us".into(),
        end: None,
        peer_status: None,
        a: LegFigures {
            codec: "PCMA".into(),
            packets: 50,
            round_trip_us: Some(900),
            ..LegFigures::default()
        },
        b: LegFigures::default(),
    }
}

pub async fn records_begin_end_and_are_closed_after_a_crash<S: Store>(kit: &Kit<S>) {
    let store = &kit.store;
    let write = |record: CallRecord| store.write(vec![StoreWrite::Record(Box::new(record))]);
    // Call ids use all 64 bits.
    let (first, mut second, third) = (call(7, 1_000), call(u64::MAX - 1, 2_000), call(9, 3_000));
    for record in [&first, &second, &third] {
        assert_eq!(write(record.clone()).await, [Ok(())]);
    }
    second.answered = Some(WallTime(2_500));
    second.ended = Some(WallTime(9_000));
    second.end = Some(EndReason::HungUpByCaller);
    second.peer_status = Some(200);
    write(second.clone()).await;
    assert_eq!(store.record(second.call).await.unwrap(), Some(second.clone()));
    assert_eq!(store.record(CallId(1)).await.unwrap(), None);
    assert_eq!(store.records(10).await.unwrap(), [third.clone(), second.clone(), first.clone()]);
    assert_eq!(store.records(1).await.unwrap(), [third]);
    assert_eq!(store.close_lost_records(WallTime(10_000)).await.unwrap(), 2);
    let lost = store.record(first.call).await.unwrap().unwrap();
    assert_eq!((lost.ended, lost.end), (Some(WallTime(10_000)), Some(EndReason::ServerLost)));
    assert_eq!(store.record(second.call).await.unwrap(), Some(second), "what had ended stays as it was");
    assert_eq!(store.close_lost_records(WallTime(11_000)).await.unwrap(), 0);
}

pub async fn sessions_run_out_and_so_do_their_logins<S: Store>(kit: &Kit<S>) {
    let people = kit.agents(&["ann", "bob"]).await;
    let desks = kit.phones(&["desk-17", "desk-18"]).await;
    kit.pending(people[0], 1, 0).await;
    assert!(kit.store.session(token(1), WallTime(299_999)).await.unwrap().is_some());
    assert!(kit.store.session(token(1), WallTime(300_000)).await.unwrap().is_none());
    let (login, _) = granted(kit.sit_from(people[0], desks[0], None, 1_000, (1, 2)).await);
    granted(kit.sit(people[1], desks[1], None, 1_000).await);
    kit.store.touch_session(token(2), WallTime(5_000)).await.unwrap();
    let session = kit.store.session(token(2), WallTime(6_000)).await.unwrap().unwrap();
    assert_eq!((session.seen, session.expires), (WallTime(5_000), WallTime(1_001_000)));
    assert_eq!(kit.store.expired_logins(WallTime(1_000_999)).await.unwrap(), []);
    // New sessions clear out old ones, but not those a login still hangs on.
    kit.pending(people[1], 3, 2_000_000).await;
    assert_eq!(kit.store.expired_logins(WallTime(1_001_000)).await.unwrap(), std::slice::from_ref(&login));
    kit.store.end_login(login.id, LoginEndReason::Expired, WallTime(1_001_000), "").await.unwrap();
    assert_eq!(
        kit.store.expired_logins(WallTime(9_001_000)).await.unwrap(),
        [],
        "bob has no session to run out"
    );
    kit.store.drop_session(token(3)).await.unwrap();
    assert!(kit.store.session(token(3), WallTime(2_000_001)).await.unwrap().is_none());
}

pub async fn changes_are_told_once_in_full_and_then_one_by_one<S: Store>(kit: &Kit<S>) {
    let store = &kit.store;
    let people = kit.agents(&["ann", "bob"]).await;
    let desks = kit.phones(&["desk-17"]).await;
    let all = store.changes_since(0).await.unwrap();
    assert!(all.full && all.seq > 0);
    assert_eq!((all.agents.len(), all.devices.len(), all.logins.len()), (2, 1, 0));
    assert_eq!(all.devices[0].ha1.md5, [0xA1; 16]);
    let none = store.changes_since(all.seq).await.unwrap();
    assert!(!none.full && none.seq == all.seq && none.agents.is_empty() && none.logins.is_empty());

    let (login, _) = granted(kit.sit(people[0], desks[0], None, 1).await);
    let some = store.changes_since(all.seq).await.unwrap();
    assert!(some.seq > all.seq && !some.full);
    assert_eq!((some.agents.len(), some.devices.len()), (0, 0), "sitting down changes no agent");
    assert_eq!(some.logins, std::slice::from_ref(&login));
    store.set_password(people[0], "x".into()).await.unwrap();
    assert_eq!(store.changes_since(some.seq).await.unwrap().seq, some.seq, "a password is nobody's business");

    store.remove_agent(people[0], WallTime(9)).await.unwrap();
    store.remove_device(desks[0], WallTime(9)).await.unwrap();
    let gone = store.changes_since(some.seq).await.unwrap();
    assert_eq!((gone.agents_gone.as_slice(), gone.devices_gone.as_slice()), (&people[..1], &desks[..]));
    assert_eq!(gone.logins.len(), 1);
    assert_eq!(gone.logins[0].ended.as_ref().map(|end| end.why), Some(LoginEndReason::AgentRemoved));
    let ahead = store.changes_since(gone.seq + 1_000).await.unwrap();
    assert!(
        ahead.full && ahead.seq == gone.seq && ahead.logins.is_empty(),
        "a number from elsewhere starts over"
    );
}

pub async fn whoever_is_disabled_is_out_until_enabled_again<S: Store>(kit: &Kit<S>) {
    let store = &kit.store;
    let people = kit.agents(&["ann", "bob"]).await;
    let desks = kit.phones(&["desk-17", "desk-18"]).await;
    store.write(vec![put("desk-17", "sip:desk-17@a", 1, &[]), put("desk-18", "sip:desk-18@a", 1, &[])]).await;
    granted(kit.sit(people[0], desks[0], None, 1).await);
    granted(kit.sit(people[1], desks[1], None, 1).await);
    kit.pending(people[0], 7, 2).await;
    let seq = store.changes_since(0).await.unwrap().seq;

    let ended = store.enable_agent(people[0], false, WallTime(3)).await.unwrap().and_then(|l| l.ended);
    assert_eq!(ended.map(|end| end.why), Some(LoginEndReason::AgentRemoved));
    assert!(store.session(token(7), WallTime(4)).await.unwrap().is_none(), "nor may a shown password go on");
    let ended = store.enable_device(desks[1], false, WallTime(3)).await.unwrap().and_then(|l| l.ended);
    assert_eq!(ended.map(|end| end.why), Some(LoginEndReason::PhoneRemoved));
    let left: Vec<_> = store.bindings().await.unwrap().into_iter().map(|b| b.aor.user().to_owned()).collect();
    assert_eq!(left, ["desk-17"]);
    let told = store.changes_since(seq).await.unwrap();
    assert!(told.agents.iter().all(|a| a.id == people[0] && !a.enabled) && told.agents.len() == 1);
    assert!(told.devices.iter().all(|d| d.id == desks[1] && !d.enabled) && told.devices.len() == 1);
    assert_eq!(kit.sit(people[0], desks[0], None, 5).await, Claimed::UnknownAgent);
    assert_eq!(kit.sit(people[1], desks[1], None, 5).await, Claimed::UnknownDevice);

    assert_eq!(store.enable_agent(people[0], true, WallTime(6)).await.unwrap(), None);
    assert_eq!(store.enable_device(desks[1], true, WallTime(6)).await.unwrap(), None);
    let (login, _) = granted(kit.sit(people[0], desks[1], None, 7).await);
    assert_eq!(login.place.device(), Some(desks[1]));
    assert!(store.enable_agent(AgentId(999), true, WallTime(8)).await.is_err());
    assert!(store.enable_device(DeviceId(999), false, WallTime(8)).await.is_err());
}

pub async fn what_one_writes_the_other_is_told<S: Store>(one: &Kit<S>, two: &Kit<S>) {
    one.agents(&["ann"]).await;
    let seen = two.store.changes_since(0).await.unwrap();
    assert_eq!(seen.agents.len(), 1);
    let desk = one.phones(&["desk-17"]).await[0];
    let seen = two.store.changes_since(seen.seq).await.unwrap();
    assert_eq!(seen.devices.len(), 1);
    granted(two.sit(AgentId(1), desk, None, 5).await);
    assert_eq!(one.store.changes_since(seen.seq).await.unwrap().logins.len(), 1);
}

pub async fn the_audit_log_keeps_its_order<S: Store>(kit: &Kit<S>) {
    for n in 0..3 {
        let who = Pii::new(format!("agent-{n}"));
        kit.store.audit(WallTime(n), &who, "192.0.2.1", "login", "wrong_credentials").await.unwrap();
    }
    let lines = kit.store.audit_log(2).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.who.reveal()).collect::<Vec<_>>(), ["agent-2", "agent-1"]);
    assert_eq!((lines[0].what.as_str(), lines[0].outcome.as_str()), ("login", "wrong_credentials"));
}

pub async fn logged_in_with_a_binding<S: Store>(kit: &Kit<S>) {
    let ann = kit.agents(&["ann"]).await[0];
    let desk = kit.phones(&["desk-17"]).await[0];
    assert_eq!(kit.store.write(vec![put("desk-17", "sip:desk-17@192.0.2.17", 1, &[])]).await, [Ok(())]);
    granted(kit.sit(ann, desk, None, 1).await);
}

pub async fn still_logged_in_with_a_binding<S: Store>(kit: &Kit<S>) {
    assert_eq!(kit.store.bindings().await.unwrap(), [binding("desk-17", "sip:desk-17@192.0.2.17", 1)]);
    assert_eq!(kit.store.logins().await.unwrap().len(), 1);
    assert_eq!(kit.store.devices().await.unwrap()[0].ha1.sha256, [0xA2; 32]);
}

pub async fn bulk<S: Store>(kit: &Kit<S>, count: usize) {
    let agents = (0..count).map(|n| person(&format!("agent-{n}"), &(100_000 + n).to_string())).collect();
    let devices = (0..count).map(|n| phone(&format!("desk-{n}"))).collect();
    let begun = std::time::Instant::now();
    assert_eq!(kit.store.add_agents(agents).await.unwrap().len(), count);
    assert_eq!(kit.store.add_devices(devices).await.unwrap().len(), count);
    println!("{count} agents and {count} phones in {:?}", begun.elapsed());
    let all = kit.store.changes_since(0).await.unwrap();
    assert_eq!((all.agents.len(), all.devices.len()), (count, count));
}

pub async fn a_poisoned_batch<S: Store>(kit: &Kit<S>) {
    let batch = vec![
        put("desk-1", "sip:desk-1@192.0.2.1", 1, &[]),
        put("desk-2", "sip:poison@192.0.2.2", 1, &[]),
        put("desk-3", "sip:desk-3@192.0.2.3", 1, &[]),
    ];
    let outcomes = kit.store.write(batch).await;
    assert_eq!((&outcomes[0], &outcomes[2]), (&Ok(()), &Ok(())));
    assert!(
        matches!(&outcomes[1], Err(StoreError::Failed(why)) if why.contains("cannot be kept")),
        "{outcomes:?}"
    );
    let kept: Vec<_> =
        kit.store.bindings().await.unwrap().into_iter().map(|b| b.aor.user().to_owned()).collect();
    assert_eq!(kept, ["desk-1", "desk-3"]);
}

pub async fn everything_is_busy<S: Store>(kit: &Kit<S>) {
    let outcomes =
        kit.store.write(vec![put("desk-1", "sip:a@b", 1, &[]), put("desk-2", "sip:a@b", 1, &[])]).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::Busy(_)))), "{outcomes:?}");
    let claimed = kit.store.claim_login(super::claim(AgentId(1), terms::DeviceId(1), None, 1), None).await;
    assert!(matches!(claimed, Err(StoreError::Busy(_))), "{claimed:?}");
    assert_eq!(kit.store.bindings().await.unwrap(), [], "readers are not held up");
}

/// Enough of them that a store which writes a log has folded it more than once.
pub async fn many_refreshes_leave_one_row_each<S: Store>(kit: &Kit<S>) {
    const PHONES: u32 = 100;
    const ROUNDS: u32 = 900;
    let desk = kit.phones(&["desk-7"]).await[0];
    for round in 1..=ROUNDS {
        let mut batch: Vec<_> =
            (0..PHONES).map(|n| put(&format!("desk-{n}"), "sip:a@192.0.2.1", round, &[])).collect();
        if round == ROUNDS / 2 {
            // These stay away from here on, also through a fold.
            kit.store.remove_device(desk, WallTime(1)).await.unwrap();
        }
        if round >= ROUNDS / 2 {
            batch
                .retain(|write| !matches!(write, StoreWrite::Bindings { aor, .. } if aor.user() == "desk-7"));
            batch.push(drop_only("desk-8", "sip:a@192.0.2.1"));
        }
        assert!(kit.store.write(batch).await.iter().all(Result::is_ok));
    }
    let all = kit.store.bindings().await.unwrap();
    assert_eq!(all.len(), PHONES as usize - 2);
    assert!(all.iter().all(|binding| binding.cseq == ROUNDS));
    assert!(!all.iter().any(|binding| ["desk-7", "desk-8"].contains(&binding.aor.user())));
}
