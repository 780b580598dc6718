//! `hotseat audit`: who did what to whom, newest first; or all of it as CSV.

use crate::cli::{Audit, Place};
use crate::{out, place};
use admin::lines::{self, Wanted};
use anyhow::anyhow;
use daemon::core::wall_now;
use serde::Serialize;
use serde_json::Value;
use std::io::Write;
use store::{AuditEntry, AuditFilter, AuditLine, AuditLog, Sqlite};
use terms::Pii;

/// Lines read at once for CSV; more are never held.
const PAGE: u32 = 1000;
/// Where a command's own lines come from.
const HERE: &str = "command line";

#[derive(Serialize)]
struct Shown {
    id: u64,
    at: String,
    who: String,
    from: String,
    what: String,
    outcome: String,
    whom: String,
    detail: Option<Value>,
}

impl From<AuditLine> for Shown {
    fn from(line: AuditLine) -> Shown {
        Shown {
            id: line.id,
            at: line.at.to_string(),
            who: line.who.reveal().to_owned(),
            from: line.from,
            what: line.what,
            outcome: line.outcome,
            whom: line.whom.reveal().to_owned(),
            detail: line.detail,
        }
    }
}

pub async fn run(place: &Place, json: bool, args: Audit) -> anyhow::Result<()> {
    let wanted = Wanted {
        who: args.who.as_deref(),
        what: args.what.as_deref(),
        outcome: args.outcome.as_deref(),
        from: args.from.as_deref(),
        to: args.to.as_deref(),
    };
    let filter = lines::filter(&wanted)
        .map_err(|field| anyhow!("--{field} cannot be read; moments are days (2026-11-24) or RFC 3339"))?;
    let store = place::open_store(&place::find(place)?.data_dir).await?;
    if args.csv {
        return csv(&store, &filter, args.limit).await;
    }
    let found = store.audit_page(&filter, None, args.limit.unwrap_or(100)).await?;
    let shown: Vec<Shown> = found.into_iter().map(Shown::from).collect();
    out::list(json, &shown, &["AT", "WHO", "FROM", "WHAT", "OUTCOME", "WHOM", "DETAIL"], |line| {
        let detail = line.detail.as_ref().map(ToString::to_string).unwrap_or_default();
        vec![
            line.at.clone(),
            line.who.clone(),
            line.from.clone(),
            line.what.clone(),
            line.outcome.clone(),
            line.whom.clone(),
            detail,
        ]
    });
    Ok(())
}

async fn csv(store: &Sqlite, filter: &AuditFilter, limit: Option<u32>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(&lines::heading())?;
    let (mut before, mut left) = (None, limit.unwrap_or(u32::MAX));
    while left > 0 {
        let page = store.audit_page(filter, before, PAGE.min(left)).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        left -= u32::try_from(page.len()).unwrap_or(left);
        out.write_all(&lines::csv(&page))?;
    }
    out.flush()?;
    Ok(())
}

/// What a command did to somebody, for the audit log. Whoever may run it has the data folder; a name nobody checked would be
/// worth nothing.
pub async fn note(store: &Sqlite, what: &str, whom: &str, detail: Option<Value>) -> anyhow::Result<()> {
    let entry = AuditEntry {
        at: wall_now(),
        who: Pii::default(),
        from: HERE.to_owned(),
        what: what.to_owned(),
        outcome: "done".to_owned(),
        whom: Pii::new(whom),
        detail,
    };
    Ok(store.audit_entry(entry).await?)
}
