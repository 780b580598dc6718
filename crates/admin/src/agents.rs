//! Agents as administrators see them: found, locked out, let in again, given a role, an address or a new password.
//!
//! Nobody decides about an account that may do more than they may themselves, nor takes their own rights away: so a lesser
//! role never becomes a greater one by this door, and a house never locks out its last administrator.

use crate::asker::{Asked, ManageAgents, May, Named, Said, SeeAgents, UnlockAgents};
use crate::{Desk, Done, made};
use auth::{Core, Reason, Refusal};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Account, AddError, BlockReason, Listed, Store, Way};
use terms::{EmailAddress, Role, Secret};
use utoipa::ToSchema;

/// Agents of a page where nobody said how many, and at most.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 500;
/// Longest text that is looked for, and longest cursor.
const FIND_BYTES_MAX: usize = 256;

#[derive(Serialize, ToSchema)]
pub(crate) struct Agents {
    agents: Vec<AgentRow>,
    /// The next page is asked with this as `after`; none: this was the last.
    next: Option<String>,
}

/// An account. Times are milliseconds since 1970.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentRow {
    name: String,
    display_name: String,
    extension: String,
    #[schema(value_type = String)]
    typology: terms::Typology,
    /// `agent`, `supervisor`, `engineer` or `administrator`.
    #[schema(value_type = String)]
    role: Role,
    email: Option<String>,
    enabled: bool,
    /// Who knows the password: `local`, `directory` or `oidc`.
    #[schema(value_type = String)]
    way: Way,
    blocked: Option<BlockedRow>,
    /// When the owner set the password; none: never.
    password_at: Option<i64>,
    must_change: bool,
    /// Kinds of second factors.
    factors: Vec<String>,
    login: Option<AgentLogin>,
    last_login: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BlockedRow {
    since: i64,
    /// None: until somebody unlocks it.
    until: Option<i64>,
    /// `wrong_passwords`, `not_me` or `administrator`.
    #[schema(value_type = String)]
    why: BlockReason,
}

/// Where the agent sits now.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentLogin {
    id: u64,
    /// None: in the browser.
    phone: Option<String>,
    since: i64,
    #[schema(value_type = String)]
    activity: terms::Activity,
}

impl<S: Store, C: Core> Desk<S, C> {
    pub(crate) async fn row(&self, listed: Listed) -> Result<AgentRow, Refusal> {
        let Listed { account, last_login } = listed;
        let now = self.auth.now();
        let factors = self.auth.store().factors(account.agent.id).await?;
        let factors = factors.iter().map(|factor| factor.kind.word().to_owned()).collect();
        let seated = self.auth.seated_agent(account.agent.id);
        let login = seated.map(|seated| AgentLogin {
            id: seated.login.id.0,
            phone: seated.phone.map(|phone| phone.name),
            since: seated.login.since.0,
            activity: seated.activity,
        });
        let blocked = account.blocked.filter(|blocked| blocked.holds(now)).map(|blocked| BlockedRow {
            since: blocked.since.0,
            until: blocked.until.map(|until| until.0),
            why: blocked.why,
        });
        Ok(AgentRow {
            name: account.agent.login_name,
            display_name: account.agent.display_name,
            extension: account.agent.extension,
            typology: account.agent.typology,
            role: account.role,
            email: account.email,
            enabled: account.agent.enabled,
            way: account.way,
            blocked,
            password_at: account.password_at.map(|at| at.0),
            must_change: account.must_change,
            factors,
            login,
            last_login: last_login.map(|at| at.0),
        })
    }

    async fn found(&self, name: &str) -> Result<Account, Refusal> {
        if name.len() > FIND_BYTES_MAX {
            return Err(Reason::AgentUnknown.into());
        }
        self.auth.store().account(name).await?.ok_or_else(|| Reason::AgentUnknown.into())
    }

    /// The account, if this person may decide about it.
    async fn in_hand(&self, boss: &May<ManageAgents>, name: &str, what: &str) -> Result<Account, Refusal> {
        let account = self.found(name).await?;
        let refused = if account.agent.id == boss.account.agent.id {
            Reason::OwnAccount
        } else if !self.rights().covers(boss.role(), account.role) {
            Reason::RightsExceeded
        } else {
            return Ok(account);
        };
        self.note(boss, what, refused.word(), &account.agent.login_name, None).await;
        Err(refused.into())
    }
}

#[derive(Deserialize, Default)]
pub(crate) struct Query {
    #[serde(default)]
    find: String,
    #[serde(default)]
    after: String,
    limit: Option<u32>,
}

/// `GET /api/admin/agents?find=&after=&limit=`.
pub(crate) async fn list<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    _: May<SeeAgents>,
    Asked(query): Asked<Query>,
) -> Result<Json<Agents>, Refusal> {
    if query.find.len() > FIND_BYTES_MAX || query.after.len() > FIND_BYTES_MAX {
        return Err(Reason::BadRequest.into());
    }
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    // One more than is shown tells whether there is another page.
    let mut found = desk.auth.store().accounts_page(query.find.trim(), &query.after, limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|listed| listed.account.agent.login_name.clone());
    desk.auth.refresh().await?;
    let mut agents = Vec::with_capacity(found.len());
    for listed in found {
        agents.push(desk.row(listed).await?);
    }
    Ok(Json(Agents { agents, next }))
}

/// `POST /api/admin/agents/{name}/unlock`.
pub(crate) async fn unlock<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    boss: May<UnlockAgents>,
    Named(name): Named,
) -> Result<Json<Done>, Refusal> {
    let account = desk.found(&name).await?;
    let was = desk.auth.store().unlock_agent(account.agent.id, desk.auth.now()).await?;
    let name = account.agent.login_name;
    let effect = json!({ "agent": name, "was_blocked": was });
    desk.note(&boss, "agent_unlocked", if was { "done" } else { "was_not_blocked" }, &name, None).await;
    let sentence = match was {
        true => format!("{} may log in again.", account.agent.display_name),
        false => format!("{} was not locked out.", account.agent.display_name),
    };
    Ok(Json(Done { sentence, effect }))
}

/// `POST /api/admin/agents/{name}/disable`: the login they have ends, a call with it.
pub(crate) async fn disable<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    boss: May<ManageAgents>,
    Named(name): Named,
) -> Result<Json<Done>, Refusal> {
    let account = desk.in_hand(&boss, &name, "agent_disabled").await?;
    enabled(&desk, &boss, account, false).await
}

/// `POST /api/admin/agents/{name}/enable`.
pub(crate) async fn enable<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    boss: May<ManageAgents>,
    Named(name): Named,
) -> Result<Json<Done>, Refusal> {
    let account = desk.in_hand(&boss, &name, "agent_enabled").await?;
    enabled(&desk, &boss, account, true).await
}

async fn enabled<S: Store, C: Core>(
    desk: &Desk<S, C>,
    boss: &May<ManageAgents>,
    account: Account,
    enabled: bool,
) -> Result<Json<Done>, Refusal> {
    let ended = desk.auth.store().enable_agent(account.agent.id, enabled, desk.auth.now()).await?;
    desk.auth.core().poke();
    desk.auth.poke();
    let (name, display) = (account.agent.login_name, account.agent.display_name);
    let effect = json!({ "agent": name, "enabled": enabled, "login_ended": ended.is_some() });
    let what = if enabled { "agent_enabled" } else { "agent_disabled" };
    desk.note(boss, what, "done", &name, Some(effect.clone())).await;
    let sentence = match (enabled, ended) {
        (true, _) => format!("{display} may log in."),
        (false, Some(_)) => format!("{display} may not log in any more; their login was ended."),
        (false, None) => format!("{display} may not log in any more."),
    };
    Ok(Json(Done { sentence, effect }))
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct NewRole {
    #[schema(value_type = String)]
    role: Role,
}

/// `POST /api/admin/agents/{name}/role`.
pub(crate) async fn role<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    boss: May<ManageAgents>,
    Named(name): Named,
    Said(new): Said<NewRole>,
) -> Result<Json<Done>, Refusal> {
    let account = desk.in_hand(&boss, &name, "role_changed").await?;
    let (name, display, was) = (account.agent.login_name, account.agent.display_name, account.role);
    let effect = json!({ "agent": name, "role": new.role, "was": was });
    if !desk.rights().covers(boss.role(), new.role) {
        desk.note(&boss, "role_changed", Reason::RightsExceeded.word(), &name, Some(effect)).await;
        return Err(Reason::RightsExceeded.into());
    }
    desk.auth.store().set_role(account.agent.id, new.role).await?;
    // Whoever may do more shows who they are once more, with everything the new role asks for.
    desk.auth.store().drop_pending_sessions(account.agent.id).await?;
    desk.note(&boss, "role_changed", "done", &name, Some(effect.clone())).await;
    let sentence = format!("{display} is {} now.", a(new.role));
    Ok(Json(Done { sentence, effect }))
}

fn a(role: Role) -> &'static str {
    match role {
        Role::Agent => "an agent",
        Role::Supervisor => "a supervisor",
        Role::Engineer => "an engineer",
        Role::Administrator => "an administrator",
    }
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct NewEmail {
    /// None or empty: no address.
    #[serde(default)]
    email: Option<String>,
}

/// `POST /api/admin/agents/{name}/email`. Whoever reads the mails of an address can set a new password, so this is as much as
/// setting one.
pub(crate) async fn email<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    boss: May<ManageAgents>,
    Named(name): Named,
    Said(new): Said<NewEmail>,
) -> Result<Json<Done>, Refusal> {
    let account = desk.in_hand(&boss, &name, "email_changed").await?;
    let email = new.email.map(|email| email.trim().to_owned()).filter(|email| !email.is_empty());
    if email.as_deref().is_some_and(|email| email.parse::<EmailAddress>().is_err()) {
        return Err(Reason::EmailInvalid.into());
    }
    let (name, display) = (account.agent.login_name, account.agent.display_name);
    let effect = json!({ "agent": name, "email": email, "was": account.email });
    match desk.auth.store().set_email(account.agent.id, email.clone()).await {
        Ok(()) => {}
        Err(AddError::Store(error)) => return Err(error.into()),
        Err(AddError::Conflict { .. }) => return Err(Reason::EmailTaken.into()),
        Err(AddError::Invalid { .. }) => return Err(Reason::EmailInvalid.into()),
    }
    desk.note(&boss, "email_changed", "done", &name, Some(effect.clone())).await;
    let sentence = match email {
        Some(email) => format!("Mails for {display} go to {email}."),
        None => format!("{display} has no address any more."),
    };
    Ok(Json(Done { sentence, effect }))
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct NewPassword {
    /// None: one is made and shown once.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    password: Option<Hidden>,
}

/// Read straight into a `Secret`, so that no debug print of the request shows it.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Hidden(Secret);

impl From<String> for Hidden {
    fn from(text: String) -> Hidden {
        Hidden(Secret::new(text))
    }
}

/// `POST /api/admin/agents/{name}/password`: good for one login, which leads to a password of the owner's own.
pub(crate) async fn password<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    boss: May<ManageAgents>,
    Named(name): Named,
    Said(new): Said<NewPassword>,
) -> Result<Json<Done>, Refusal> {
    let account = desk.in_hand(&boss, &name, "password_set").await?;
    let (name, display) = (account.agent.login_name.clone(), account.agent.display_name.clone());
    if account.way != Way::Local {
        desk.note(&boss, "password_set", Reason::NotLocal.word(), &name, None).await;
        return Err(Reason::NotLocal.into());
    }
    let (password, shown) = match new.password {
        Some(Hidden(password)) => {
            if let Err(refusal) = desk.auth.may_give(&account, password.clone()).await {
                desk.note(&boss, "password_set", refusal.word(), &name, None).await;
                return Err(refusal);
            }
            (password, None)
        }
        // Eighty bits of chance need no rules.
        None => {
            let made = made::password().ok_or(Reason::Busy)?;
            let shown = made.expose().to_owned();
            (made, Some(shown))
        }
    };
    desk.auth.give_password(&account, password).await?;
    desk.note(&boss, "password_set", "done", &name, Some(json!({ "made_here": shown.is_some() }))).await;
    let mut effect = json!({ "agent": name, "must_change": true });
    if let Some(shown) = shown {
        effect["password"] = Value::String(shown);
    }
    let sentence = format!("{display} has a new password and must change it at the next login.");
    Ok(Json(Done { sentence, effect }))
}

/// `POST /api/admin/agents/{name}/factors/reset`: for somebody who lost the telephone with the codes.
pub(crate) async fn reset_factors<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    boss: May<ManageAgents>,
    Named(name): Named,
) -> Result<Json<Done>, Refusal> {
    let account = desk.in_hand(&boss, &name, "factors_reset").await?;
    let removed = desk.auth.store().drop_factors(account.agent.id).await?;
    let (name, display) = (account.agent.login_name, account.agent.display_name);
    let effect = json!({ "agent": name, "removed": removed });
    desk.note(&boss, "factors_reset", "done", &name, Some(effect.clone())).await;
    let sentence = match removed {
        0 => format!("{display} had no second factor."),
        _ => format!(
            "{display} has no second factor any more and sets one up anew where the role asks for it."
        ),
    };
    Ok(Json(Done { sentence, effect }))
}
