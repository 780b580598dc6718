//! Who sits where, and the end of one login by somebody who may.

use crate::asker::{EndLogins, May, Named, SeeLogins};
use crate::{Desk, Done};
use auth::{Core, Reason, Refusal, Seated};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::json;
use store::Store;
use terms::{LoginEndReason, LoginId};
use utoipa::ToSchema;

/// A login that stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoginRow {
    pub(crate) id: u64,
    pub(crate) agent: String,
    pub(crate) display_name: String,
    pub(crate) extension: String,
    /// The name of the phone; none: in the browser.
    pub(crate) phone: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) site: Option<String>,
    pub(crate) floor: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) since: i64,
    /// The address the agent's browser came from.
    pub(crate) from: String,
    /// `idle`, `ringing` or `in_call`.
    #[schema(value_type = String)]
    pub(crate) activity: terms::Activity,
}

impl From<Seated> for LoginRow {
    fn from(seated: Seated) -> LoginRow {
        let Seated { login, agent, phone, activity } = seated;
        let agent = agent.map(|agent| (agent.login_name, agent.display_name, agent.extension));
        let (agent, display_name, extension) = agent.unwrap_or_default();
        let (phone, label, site, floor) = match phone {
            Some(p) => (Some(p.name), Some(p.label), Some(p.site), Some(p.floor)),
            None => (None, None, None, None),
        };
        LoginRow {
            id: login.id.0,
            agent,
            display_name,
            extension,
            phone,
            label,
            site,
            floor,
            since: login.since.0,
            from: login.from,
            activity,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Logins {
    /// By agent. As many as people sit: at most one a phone and one a browser agent.
    logins: Vec<LoginRow>,
}

/// `GET /api/admin/logins`.
pub(crate) async fn list<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    _: May<SeeLogins>,
) -> Result<Json<Logins>, Refusal> {
    desk.auth.refresh().await?;
    let mut logins: Vec<LoginRow> = desk.auth.seated().into_iter().map(LoginRow::from).collect();
    logins.sort_by(|a, b| a.agent.cmp(&b.agent));
    Ok(Json(Logins { logins }))
}

/// `POST /api/admin/logins/{id}/end`: a call ends with it, whatever the takeover policy says; that is what it is for.
pub(crate) async fn end<S: Store, C: Core>(
    State(desk): State<Desk<S, C>>,
    boss: May<EndLogins>,
    Named(id): Named,
) -> Result<Json<Done>, Refusal> {
    let id = id.parse::<u64>().map(LoginId).map_err(|_| Reason::LoginUnknown)?;
    desk.auth.refresh().await?;
    let seated = desk.auth.seated_login(id).ok_or(Reason::LoginUnknown)?;
    let done = desk.end(&boss, seated, LoginEndReason::ReleasedByAdministrator, "login_ended").await?;
    Ok(Json(done.ok_or(Reason::LoginUnknown)?))
}

impl<S: Store, C: Core> Desk<S, C> {
    /// Ends one login and says what that did; `None` where it had ended by itself meanwhile.
    pub(crate) async fn end<N>(
        &self,
        boss: &May<N>,
        seated: Seated,
        why: LoginEndReason,
        what: &str,
    ) -> Result<Option<Done>, Refusal> {
        let (activity, _) = self.auth.core().activity(seated.login.agent).await;
        let in_call = activity != terms::Activity::Idle;
        let from = boss.from.to_string();
        if self.auth.store().end_login(seated.login.id, why, self.auth.now(), &from).await?.is_none() {
            return Ok(None);
        }
        self.auth.core().poke();
        self.auth.poke();
        let row = LoginRow::from(seated);
        let effect = json!({ "login": row.id, "agent": row.agent, "phone": row.phone, "in_call": in_call });
        self.note(boss, what, "done", &row.agent, Some(effect.clone())).await;
        let place = row.label.filter(|label| !label.is_empty()).or(row.phone);
        let place = place.unwrap_or_else(|| "the browser".to_owned());
        let call = if in_call { " A call ended with it." } else { "" };
        let sentence = match why {
            LoginEndReason::PhoneFreed => {
                format!("{place} is free again; the login of {} was ended.{call}", row.display_name)
            }
            _ => format!("The login of {} at {place} was ended.{call}", row.display_name),
        };
        Ok(Some(Done { sentence, effect }))
    }
}
