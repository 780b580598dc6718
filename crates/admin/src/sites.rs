//! Logging out a whole site at once: first a rehearsal that says whom it meets, then the same set and nobody else.
//!
//! The rehearsal's token is good once, for two minutes, and for the one who asked. Who left meanwhile is no matter; if
//! somebody sat down who was not shown, nothing happens and one looks again. Where the house refuses takeovers during a
//! call, those in a call keep their login here too.

use crate::asker::{May, Named, Said, SeeLogins, SiteLogout};
use crate::{Desk, Done};
use auth::{Core, Reason, Refusal, Seated};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::Store;
use terms::{Activity, AgentId, LoginEndReason, LoginId, TakeoverPolicy, WallTime};
use utoipa::ToSchema;

/// How long what was shown may be confirmed.
pub const CONFIRM_LIVES: Duration = Duration::from_secs(120);
/// Rehearsals that may wait for their confirmation; a new one pushes out the oldest.
const CONFIRMS_MAX: usize = 64;
/// People a rehearsal names; the numbers count all of them.
const NAMED_MAX: usize = 1000;
/// Stands for phones that have no site.
const NO_SITE: &str = "-";

#[derive(Serialize, ToSchema)]
pub(crate) struct Sites {
    sites: Vec<SiteRow>,
}

/// A site is what the phones say it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct SiteRow {
    /// `-` stands for phones without a site.
    name: String,
    phones: usize,
    logins: usize,
    in_call: usize,
}

/// `GET /api/admin/sites`.
pub(crate) async fn list<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    _: May<SeeLogins>,
) -> Result<Json<Sites>, Refusal> {
    desk.auth.refresh().await?;
    let mut sites: BTreeMap<String, SiteRow> = BTreeMap::new();
    for seat in desk.auth.phone_seats() {
        let name = named(&seat.phone.site).to_owned();
        let fresh = || SiteRow { name: name.clone(), phones: 0, logins: 0, in_call: 0 };
        let row = sites.entry(name.clone()).or_insert_with(fresh);
        row.phones += 1;
        row.logins += usize::from(seat.seated.is_some());
        row.in_call += usize::from(seat.seated.is_some_and(|seated| seated.activity != Activity::Idle));
    }
    Ok(Json(Sites { sites: sites.into_values().collect() }))
}

fn named(site: &str) -> &str {
    if site.is_empty() { NO_SITE } else { site }
}

/// Either the rehearsal or the confirmation of one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    #[serde(default)]
    dry_run: bool,
    /// The word the rehearsal gave.
    #[serde(default)]
    confirm: Option<String>,
}

/// Whom it would meet.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rehearsal {
    site: String,
    logins: usize,
    in_call: usize,
    /// Those in a call who would stay, because the house ends no calls this way.
    stay: usize,
    /// A thousand at most; `logins` counts all.
    agents: Vec<Met>,
    confirm: String,
    /// Until when the confirmation is taken; milliseconds since 1970.
    expires: i64,
    sentence: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Met {
    name: String,
    display_name: String,
    phone: Option<String>,
    since: i64,
    #[schema(value_type = String)]
    activity: Activity,
    stays: bool,
}

/// What was shown to whom, waiting for its yes.
#[derive(Default)]
pub(crate) struct Confirms(Mutex<HashMap<String, Shown>>);

#[derive(Clone)]
struct Shown {
    to: AgentId,
    site: String,
    logins: BTreeSet<LoginId>,
    at: WallTime,
}

impl Confirms {
    fn keep(&self, token: String, shown: Shown) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, old| shown.at.since(old.at) < CONFIRM_LIVES);
        while kept.len() >= CONFIRMS_MAX {
            let Some(oldest) = kept.iter().min_by_key(|(_, old)| old.at).map(|(token, _)| token.clone())
            else {
                break;
            };
            kept.remove(&oldest);
        }
        kept.insert(token, shown);
    }

    /// Good once, whatever comes of it, but only for its owner: a stranger's try uses nothing up.
    fn take(&self, token: &str, by: AgentId, site: &str, now: WallTime) -> Option<Shown> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |shown: &Shown| shown.to == by && shown.site == site;
        let fits = kept.get(token).is_some_and(fits);
        let shown = if fits { kept.remove(token) } else { None };
        shown.filter(|shown| now.since(shown.at) < CONFIRM_LIVES)
    }
}

/// Who goes and who stays.
#[derive(Debug, PartialEq)]
struct Plan<T> {
    go: Vec<T>,
    stay: Vec<T>,
}

/// Where calls are not to be ended, whoever is in one stays.
fn plan<T>(policy: TakeoverPolicy, met: Vec<(T, Activity)>) -> Plan<T> {
    let mut plan = Plan { go: Vec::new(), stay: Vec::new() };
    for (one, activity) in met {
        match (policy, activity) {
            (TakeoverPolicy::Refuse, Activity::InCall | Activity::Ringing) => plan.stay.push(one),
            _ => plan.go.push(one),
        }
    }
    plan
}

/// `POST /api/admin/sites/{site}/logout`.
pub(crate) async fn logout<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    boss: May<SiteLogout>,
    Named(site): Named,
    Said(wish): Said<Wish>,
) -> Result<Response, Refusal> {
    desk.auth.refresh().await?;
    let seats = desk.auth.phone_seats();
    if !seats.iter().any(|seat| named(&seat.phone.site) == site) {
        return Err(Reason::SiteUnknown.into());
    }
    let mut met = Vec::new();
    for seat in seats {
        if named(&seat.phone.site) == site
            && let Some(seated) = seat.seated
        {
            // The core is asked, not the board: nobody's call is to end by an old picture.
            let (activity, _) = desk.auth.core().activity(seated.login.agent).await;
            met.push((seated, activity));
        }
    }
    match wish {
        Wish { dry_run: true, confirm: None } => Ok(Json(rehearse(&desk, &boss, site, met)?).into_response()),
        Wish { dry_run: false, confirm: Some(token) } => {
            Ok(Json(carry_out(&desk, &boss, site, met, &token).await?).into_response())
        }
        _ => Err(Reason::BadRequest.into()),
    }
}

fn rehearse<S: Store, C: Core>(
    desk: &Desk<S, C>,
    boss: &May<SiteLogout>,
    site: String,
    met: Vec<(Seated, Activity)>,
) -> Result<Rehearsal, Refusal> {
    let policy = desk.auth.core().takeover_policy();
    let logins: BTreeSet<LoginId> = met.iter().map(|(seated, _)| seated.login.id).collect();
    let in_call = met.iter().filter(|(_, activity)| *activity != Activity::Idle).count();
    let stays = |activity| policy == TakeoverPolicy::Refuse && activity != Activity::Idle;
    let agents = met.iter().take(NAMED_MAX).map(|(seated, activity)| {
        let agent = seated.agent.as_ref();
        Met {
            name: agent.map(|agent| agent.login_name.clone()).unwrap_or_default(),
            display_name: agent.map(|agent| agent.display_name.clone()).unwrap_or_default(),
            phone: seated.phone.as_ref().map(|phone| phone.name.clone()),
            since: seated.login.since.0,
            activity: *activity,
            stays: stays(*activity),
        }
    });
    let agents = agents.collect();
    let plan = plan(policy, met);
    let token = auth::random_token().ok_or(Reason::Busy)?.expose().to_owned();
    let (to, at, count) = (boss.account.agent.id, desk.auth.now(), logins.len());
    desk.confirms.keep(token.clone(), Shown { to, site: site.clone(), logins, at });
    let sentence = match (plan.go.len(), in_call, plan.stay.len()) {
        (0, _, 0) => format!("Nobody is logged in at {site}."),
        (go, 0, 0) => format!("{go} would be logged out at {site}; nobody is in a call."),
        (go, calls, 0) => format!("{go} would be logged out at {site}; {calls} calls would end."),
        (go, _, stay) => format!("{go} would be logged out at {site}; {stay} are in a call and would stay."),
    };
    Ok(Rehearsal {
        site,
        logins: count,
        in_call,
        stay: plan.stay.len(),
        agents,
        confirm: token,
        expires: (at + CONFIRM_LIVES).0,
        sentence,
    })
}

async fn carry_out<S: Store, C: Core>(
    desk: &Desk<S, C>,
    boss: &May<SiteLogout>,
    site: String,
    met: Vec<(Seated, Activity)>,
    token: &str,
) -> Result<Done, Refusal> {
    let shown = desk.confirms.take(token, boss.account.agent.id, &site, desk.auth.now());
    let Some(shown) = shown else {
        desk.note(boss, "site_logout", Reason::ConfirmExpired.word(), "", Some(json!({ "site": site })))
            .await;
        return Err(Reason::ConfirmExpired.into());
    };
    let new = met.iter().filter(|(seated, _)| !shown.logins.contains(&seated.login.id)).count();
    if new > 0 {
        let detail = json!({ "site": site, "new": new });
        desk.note(boss, "site_logout", Reason::ChangedSince.word(), "", Some(detail)).await;
        return Err(Refusal::from(Reason::ChangedSince).with("new", new));
    }
    let in_call = met.iter().filter(|(_, activity)| *activity != Activity::Idle).count();
    let plan = plan(desk.auth.core().takeover_policy(), met);
    let (now, from) = (desk.auth.now(), boss.from.to_string());
    let mut ended = Vec::new();
    let mut failed = None;
    for seated in &plan.go {
        match desk.auth.store().end_login(seated.login.id, LoginEndReason::SiteLogout, now, &from).await {
            Ok(Some(_)) => ended.push(seated),
            Ok(None) => {}
            // What is done is done and is told; the rest is told as not done.
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    desk.auth.core().poke();
    desk.auth.poke();
    let calls = in_call - plan.stay.len();
    let effect = json!({
        "site": site, "logins": ended.len(), "calls": calls, "stayed": plan.stay.len(),
    });
    for seated in &ended {
        let whom = seated.agent.as_ref().map_or("", |agent| agent.login_name.as_str());
        let phone = seated.phone.as_ref().map(|phone| phone.name.as_str());
        let detail = json!({ "site": site, "login": seated.login.id, "phone": phone });
        desk.note(boss, "login_ended", "site_logout", whom, Some(detail)).await;
    }
    let outcome = if failed.is_some() { "interrupted" } else { "done" };
    desk.note(boss, "site_logout", outcome, "", Some(effect.clone())).await;
    if let Some(error) = failed {
        return Err(Refusal::from(error).with("effect", effect));
    }
    let stayed = match plan.stay.len() {
        0 => String::new(),
        1 => " One is in a call and stays.".to_owned(),
        n => format!(" {n} are in a call and stay."),
    };
    let sentence = match ended.len() {
        0 => format!("Nobody was logged out at {site}.{stayed}"),
        1 => format!("One login was ended at {site}.{stayed}"),
        n => format!("{n} logins were ended at {site}.{stayed}"),
    };
    Ok(Done { sentence, effect })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_in_a_call_stay_where_the_house_ends_no_calls() {
        let met = || vec![(1, Activity::Idle), (2, Activity::InCall), (3, Activity::Ringing)];
        assert_eq!(plan(TakeoverPolicy::End, met()), Plan { go: vec![1, 2, 3], stay: vec![] });
        assert_eq!(plan(TakeoverPolicy::Refuse, met()), Plan { go: vec![1], stay: vec![2, 3] });
    }

    #[test]
    fn a_confirmation_is_good_once_for_its_owner_its_site_and_two_minutes() {
        let confirms = Confirms::default();
        let shown = |to: u64, at: i64| Shown {
            to: AgentId(to),
            site: "Main".into(),
            logins: BTreeSet::from([LoginId(1)]),
            at: WallTime(at),
        };
        confirms.keep("a".into(), shown(1, 0));
        assert!(confirms.take("a", AgentId(2), "Main", WallTime(1)).is_none(), "somebody else's");
        assert!(confirms.take("a", AgentId(1), "Other", WallTime(1)).is_none(), "of another site");
        assert!(confirms.take("a", AgentId(1), "Main", WallTime(119_999)).is_some());
        assert!(confirms.take("a", AgentId(1), "Main", WallTime(119_999)).is_none(), "a second time");
        confirms.keep("b".into(), shown(1, 0));
        assert!(confirms.take("b", AgentId(1), "Main", WallTime(120_000)).is_none(), "too late");
        for n in 0..CONFIRMS_MAX + 10 {
            confirms.keep(format!("c{n}"), shown(1, n as i64));
        }
        assert_eq!(confirms.0.lock().unwrap().len(), CONFIRMS_MAX);
        assert!(confirms.take("c9", AgentId(1), "Main", WallTime(80)).is_none(), "pushed out");
        assert!(confirms.take("c73", AgentId(1), "Main", WallTime(80)).is_some());
    }
}
