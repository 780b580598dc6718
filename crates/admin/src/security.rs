//! What went on at the door within the last day: who is locked out, how often something was refused, and which rules hold.

use crate::Desk;
use crate::agents::AgentRow;
use crate::asker::{May, SeeSecurity};
use auth::{Core, Refusal};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use store::Store;
use terms::{Right, Role};
use utoipa::ToSchema;

const DAY: Duration = Duration::from_secs(86_400);
/// People who are locked out and named; `blocked_count` counts all.
const BLOCKED_MAX: usize = 200;

#[derive(Serialize, ToSchema)]
pub(crate) struct Security {
    /// Two hundred at most.
    blocked: Vec<AgentRow>,
    blocked_count: usize,
    /// What the audit log counted within the last day, the most frequent first.
    counts: Vec<Count>,
    /// Milliseconds since 1970.
    since: i64,
    /// `end` or `refuse`: what a takeover does to a call.
    #[schema(value_type = String)]
    takeover: terms::TakeoverPolicy,
    /// Which role has which rights.
    #[schema(value_type = Object)]
    roles: BTreeMap<&'static str, Vec<&'static str>>,
    /// What security.toml, mail.toml, directory.toml and oidc.toml say, part by part, as it is in effect now and without secrets;
    /// a part that is not set up is null.
    #[schema(value_type = Object)]
    settings: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Count {
    what: String,
    outcome: String,
    count: u64,
}

/// The sections a reload may change, in their own words.
fn settings<S: Store, C: Core>(desk: &Desk<S, C>) -> Value {
    let auth::Policies { passwords, lockout, sessions, factors } = desk.auth.core().policies();
    let (directory, oidc) = desk.auth.describe_ways();
    // Minutes as in the file: 0 is until somebody unlocks.
    let minutes = lockout.block.map_or(0, |block| block.as_secs() / 60);
    json!({
        "passwords": {
            "profile": passwords.profile,
            "valid_days": passwords.valid_days,
            "notice_days": passwords.notice_days,
            "history": passwords.history,
        },
        "lockout": { "attempts": lockout.wrong, "minutes": minutes },
        "session": {
            "pending_minutes": sessions.pending.as_secs() / 60,
            "hours": sessions.idle.as_secs() / 3600,
            "idle_minutes": sessions.rules.idle.map_or(0, |idle| idle.as_secs() / 60),
            "longest_hours": sessions.rules.longest.map_or(0, |longest| longest.as_secs() / 3600),
            "shift_ends": sessions.rules.shifts.words(),
            "shift_zone": sessions.rules.shifts.zone_word(),
            "warn_minutes": sessions.rules.warn.as_secs() / 60,
        },
        "factors": { "required": factors.required },
        "contact": desk.auth.contact(),
        "mail": desk.auth.describe_mail(),
        "directory": directory,
        "oidc": oidc,
    })
}

/// `GET /api/admin/security`.
pub(crate) async fn overview<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    _: May<SeeSecurity>,
) -> Result<Json<Security>, Refusal> {
    let rights = desk.rights();
    let words = |role: Role| (role.word(), rights.of(role).into_iter().map(Right::word).collect());
    let now = desk.auth.now();
    let since = terms::WallTime(now.0.saturating_sub(i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX)));
    let store = desk.auth.store();
    let blocked = store.blocked_accounts(now).await?;
    let counts = store.audit_counts(since).await?.into_iter();
    desk.auth.refresh().await?;
    let blocked_count = blocked.len();
    let mut rows = Vec::new();
    for listed in blocked.into_iter().take(BLOCKED_MAX) {
        rows.push(desk.row(listed).await?);
    }
    Ok(Json(Security {
        blocked_count,
        blocked: rows,
        counts: counts.map(|c| Count { what: c.what, outcome: c.outcome, count: c.count }).collect(),
        since: since.0,
        takeover: desk.auth.core().takeover_policy(),
        roles: [Role::Supervisor, Role::Engineer, Role::Administrator].into_iter().map(words).collect(),
        settings: settings(&desk),
    }))
}
