//! The audit log as somebody reads it who looks for one thing among many.

use super::Kit;
use serde_json::json;
use store::{AuditCount, AuditEntry, AuditFilter, Store};
use terms::{Pii, WallTime};

fn entry(at: i64, who: &str, what: &str, outcome: &str, whom: &str) -> AuditEntry {
    AuditEntry {
        at: WallTime(at),
        who: Pii::new(who),
        from: "192.0.2.1".into(),
        what: what.into(),
        outcome: outcome.into(),
        whom: Pii::new(whom),
        detail: (!whom.is_empty()).then(|| json!({ "phone": "desk-17", "odd": "\u{202e}\"=1" })),
    }
}

pub async fn the_audit_log_is_filtered_and_paged_backwards<S: Store>(kit: &Kit<S>) {
    let store = &kit.store;
    for n in 0..30 {
        let line = match n % 3 {
            0 => entry(n, "ann", "login", "wrong_credentials", ""),
            1 => entry(n, "ANN", "login", "password_right", ""),
            _ => entry(n, "boss", "login_ended", "done", "Ann"),
        };
        store.audit_entry(line).await.unwrap();
    }
    let all = AuditFilter::default();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.audit_page(&all, before, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.into_iter().map(|line| line.at.0));
    }
    assert_eq!(seen, (0..30).rev().collect::<Vec<_>>(), "each line once, newest first");

    let count = async |filter: AuditFilter| store.audit_page(&filter, None, 100).await.unwrap().len();
    let who = |name: &str| AuditFilter { who: Some(name.into()), ..AuditFilter::default() };
    assert_eq!(count(who("aNN")).await, 30, "done by her or to her");
    assert_eq!(count(who("boss")).await, 10);
    assert_eq!(count(who("an")).await, 0);
    assert_eq!(count(who("' OR 1=1 --")).await, 0);
    assert_eq!(count(AuditFilter { what: Some("login".into()), ..AuditFilter::default() }).await, 20);
    let wrong = AuditFilter { outcome: Some("wrong_credentials".into()), ..AuditFilter::default() };
    assert_eq!(count(wrong.clone()).await, 10);
    let hour = AuditFilter { from: Some(WallTime(6)), to: Some(WallTime(9)), ..wrong };
    let lines = store.audit_page(&hour, None, 100).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.at.0).collect::<Vec<_>>(), [6]);

    let one = &store.audit_page(&who("boss"), None, 1).await.unwrap()[0];
    assert_eq!((one.whom.reveal(), one.at), ("Ann", WallTime(29)));
    assert_eq!(one.detail, Some(json!({ "phone": "desk-17", "odd": "\u{202e}\"=1" })));

    let counts = store.audit_counts(WallTime(27)).await.unwrap();
    let one = |what: &str, outcome: &str| AuditCount { what: what.into(), outcome: outcome.into(), count: 1 };
    assert_eq!(
        counts,
        [one("login", "password_right"), one("login", "wrong_credentials"), one("login_ended", "done")]
    );
}
